"""How busy the machine is while a run trains, and how much memory it took."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import torch

from training.prepare.job import peak_mb


class Usage:
    """Measures from one look to the next.

    Parameters
    ----------
    device : torch.device
        Where the network is.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._seen = (time.monotonic(), time.process_time())

    def look(self) -> dict[str, float]:
        """What stands in every record.

        Returns
        -------
        dict
            ``peak_memory_mb``, on a GPU of the GPU; ``cpu_percent``: processor time of this process since the last
            look, of all cores; on a GPU ``gpu_percent``, how much of the last second it was busy, where NVIDIA's
            library tells (nvidia-ml-py).
        """
        before, self._seen = self._seen, (time.monotonic(), time.process_time())
        spent, busy = (now - then for now, then in zip(self._seen, before, strict=True))
        found = {"cpu_percent": round(100 * busy / max(spent, 1e-9) / (os.cpu_count() or 1), 1)}
        if self.device.type != "cuda":
            return found | {"peak_memory_mb": peak_mb()}
        with suppress(Exception):  # the library's own errors too: a figure less must not end a run
            found["gpu_percent"] = torch.cuda.utilization(self.device)
        return found | {"peak_memory_mb": round(torch.cuda.max_memory_allocated(self.device) / 2**20)}

from __future__ import annotations

import time

import pytest
import torch

from training.train.usage import Usage


def test_a_busy_processor_is_seen() -> None:
    usage = Usage(torch.device("cpu"))
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass
    found = usage.look()
    assert 0 < found["cpu_percent"] <= 100
    assert found["peak_memory_mb"] > 0
    assert "gpu_percent" not in found


@pytest.mark.parametrize("tells", [True, False])
def test_a_gpu_tells_its_share_where_it_can(monkeypatch: pytest.MonkeyPatch, tells: bool) -> None:
    def utilization(_: torch.device) -> int:
        if not tells:
            raise ModuleNotFoundError("pynvml")
        return 87

    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 3 * 2**20)
    found = Usage(torch.device("cuda")).look()
    assert found["peak_memory_mb"] == 3
    assert found.get("gpu_percent") == (87 if tells else None)

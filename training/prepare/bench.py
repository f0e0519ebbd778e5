"""How fast the training samples come, without any network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from seg_editor.generation.registry import choose_device
from training.prepare.job import peak_mb
from training.prepare.manifest import read_manifest
from training.train.loader import AHEAD, BatchSource


def bench_loader(
    data: Path, model: str, *, batch: int = 16, seconds: float = 5.0, workers: int = 0, device: str = "cpu"
) -> dict[str, Any]:
    """Draw training batches of ``m5``, ``m4`` or ``m2`` for some seconds, as a run does.

    What a run leaves to the device after the loader (noise of ``m2``; M4's augmentation) is not done.

    Parameters
    ----------
    data : Path
        Prepared set.
    model : str
    batch : int
    seconds : float
    workers : int
        Processes that draw; 0: this one. Where the data fit on a GPU none is needed.
    device : str
        ``auto``, ``cpu`` or ``cuda``: where batches are made.

    Returns
    -------
    dict
        ``images_per_second``, ``images_per_core_second`` (of the processor time of all processes; with workers from
        their start to their end, so a little too low), ``images``, ``batch``, ``seconds``, ``load_seconds`` (until the
        first batch is drawn), ``workers``, ``threads`` of torch, ``cores``, ``peak_mb`` of the process so far,
        ``device``, ``resident_mb`` of the data there (none where they stay on the host).
    """
    import torch

    began = time.monotonic()
    place = choose_device(device)
    task = _task(data, model)
    source = BatchSource(task, batch, 0, [range(batch)], place, workers=workers)
    found = _draw(source, seconds, torch.cuda.synchronize if place.type == "cuda" else lambda: None)
    return {
        "model": model,
        "images_per_second": round(found.batches * batch / found.seconds, 1),
        "images_per_core_second": round(found.drawn * batch / max(found.busy, 1e-9), 1),
        "images": found.batches * batch,
        "batch": batch,
        "seconds": round(found.seconds, 2),
        "load_seconds": round(found.loaded - began, 2),
        "workers": source.workers,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "peak_mb": peak_mb(),
        "device": place.type,
        "resident_mb": round(task.nbytes / 1e6, 1) if source.resident else None,
    }


class _Drawn(NamedTuple):
    """The timed part's batches and its seconds; processor time of all `drawn`; when the first one had come."""

    batches: int
    seconds: float
    drawn: int
    busy: float
    loaded: float


def _draw(source: BatchSource, seconds: float, wait: Callable[[], object]) -> _Drawn:
    """Draw for so long, the batches that workers had ready before not counted, and close the source."""
    began = _processor_time()
    source.drawn(0)
    wait()
    loaded = time.monotonic()
    ahead = AHEAD * source.workers
    for step in range(1, ahead + 1):
        source.drawn(step)
    start, own = time.monotonic(), _processor_time()
    count = 0
    while count == 0 or time.monotonic() - start < seconds:
        count += 1
        source.drawn(ahead + count)
        wait()
    spent = time.monotonic() - start
    source.close()
    drawn, since = (1 + ahead + count, began) if source.workers else (count, own)
    return _Drawn(count, spent, drawn, _processor_time() - since, loaded)


def _processor_time() -> float:
    """Seconds of this process and of the children that have ended."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def _task(data: Path, model: str) -> Any:
    """The training task, without held-out cases where it can do without."""
    if model == "m2":
        from training.models.diffusion_task import DiffusionTask
        from training.presets import arm_of, preset_of

        arm, preset = arm_of("m2"), preset_of("compact", "m2")
        return DiffusionTask("m2", data, preset.network_of(arm), arm.ablation, crop=preset.crop)
    ids = read_manifest(data, "train", verify=True)
    if model == "m4":
        from training.models.referee_task import RefereeTask

        return RefereeTask(data, train_ids=ids, val_ids=[])
    from training.models.inpaint_task import InpaintTask

    return InpaintTask(data, train_ids=ids, val_ids=[])

"""How fast the training samples come, without any network."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from training.prepare.job import peak_mb
from training.prepare.manifest import read_manifest


def bench_loader(data: Path, model: str, *, batch: int = 16, seconds: float = 5.0) -> dict[str, Any]:
    """Draw training batches of ``m5``, ``m4`` or ``m2`` for some seconds in this process.

    Returns
    -------
    dict
        ``images_per_second``, ``images``, ``batch``, ``seconds``, ``load_seconds`` (until the first batch is drawn),
        ``threads`` of torch, ``cores``, ``peak_mb`` of the process so far.
    """
    import torch

    began = time.monotonic()
    task = _task(data, model)
    task.batch(batch, 0, 0)
    loaded = time.monotonic()
    count = 0
    while count == 0 or time.monotonic() - loaded < seconds:
        count += 1
        task.batch(batch, 0, count)
    spent = time.monotonic() - loaded
    return {
        "model": model,
        "images_per_second": round(count * batch / spent, 1),
        "images": count * batch,
        "batch": batch,
        "seconds": round(spent, 2),
        "load_seconds": round(loaded - began, 2),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "peak_mb": peak_mb(),
    }


def _task(data: Path, model: str) -> Any:
    """The training task, without held-out cases where it can do without."""
    if model == "m2":
        from training.models.diffusion_task import DiffusionTask
        from training.presets import arm_of, preset_of

        arm = arm_of("m2")
        return DiffusionTask("m2", data, preset_of("compact", "m2").network_of(arm), arm.ablation)
    ids = read_manifest(data, "train", verify=True)
    if model == "m4":
        from training.models.referee_task import RefereeTask

        return RefereeTask(data, train_ids=ids, val_ids=[])
    from training.models.inpaint_task import InpaintTask

    return InpaintTask(data, train_ids=ids, val_ids=[])

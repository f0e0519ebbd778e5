"""What a call of the training loop begins with: an earlier call's run, or another run's weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from seg_editor.errors import ModelError, UsageError
from training.train.checkpoint import averaged_weights
from training.train.settings import LoopSettings, RunState


def resumed(saved: dict[str, Any], task: dict[str, Any], path: Path) -> RunState:
    """The state of a checkpoint at `path`, of a run of the same kind.

    Raises
    ------
    ModelError
        It is no run's state.
    UsageError
        It is another task's.
    """
    name = (saved.get("task") or {}).get("name")
    if name != task.get("name"):
        raise UsageError(f"{path.parent} holds a run of {name}", remedy="Choose another --out")
    try:
        return RunState(**{**saved, "task": task})
    except TypeError as error:
        raise ModelError("the checkpoint lacks the state of a run", path=path, remedy="Choose another --out") from error


def check_settings(path: Path, settings: LoopSettings) -> None:
    """Refuse to continue a run whose samples would be others; steps, rate and intervals may change."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    for name in ("seed", "batch"):
        if name in before and before[name] != getattr(settings, name):
            raise UsageError(
                f"{path.parent} was trained with {name} {before[name]}, not {getattr(settings, name)}",
                remedy=f"Continue with --{name} {before[name]}, or choose another --out",
            )


def start_from(checkpoint: Path, model: nn.Module) -> int:
    """Copy the averaged weights that fit by name and shape; parts that the checkpoint lacks stay as they are.

    Returns
    -------
    int
        Tensors copied.

    Raises
    ------
    ModelError
        Less than half of the tensors fit.
    """
    stored = averaged_weights(checkpoint)
    own = model.state_dict()
    fitting = {k: v for k, v in stored.items() if k in own and own[k].shape == v.shape}
    if len(fitting) * 2 < len(own):
        raise ModelError(
            f"only {len(fitting)} of {len(own)} tensors fit this model", path=checkpoint, remedy="Choose another --init"
        )
    model.load_state_dict(fitting, strict=False)
    return len(fitting)

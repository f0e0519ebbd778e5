"""What a call of the training loop begins with: an earlier call's run, or another run's weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from seg_editor.errors import ModelError, UsageError
from training.train.checkpoint import averaged_weights
from training.train.settings import LoopSettings, RunState

#: Of a task: what may change in a run, and what is looked at name by name.
_FREE = ("monitor", "settings", "parameters")
_SHOWN = 40


def resumed(saved: dict[str, Any], task: dict[str, Any], path: Path) -> RunState:
    """The state of a checkpoint at `path`, of a run of the same kind.

    Raises
    ------
    ModelError
        It is no run's state.
    UsageError
        It is another task's, or samples, data or network are others.
    """
    before = saved.get("task") or {}
    if before.get("name") != task.get("name"):
        raise UsageError(f"{path.parent} holds a run of {before.get('name')}", remedy="Choose another --out")
    for name, (was, now) in _differences(before, task).items():
        raise UsageError(
            f"{path.parent} was trained with {name} {_short(was)}, not {_short(now)}",
            remedy="Continue with what it had, or choose another --out",
        )
    try:
        return RunState(**{**saved, "task": task})
    except TypeError as error:
        raise ModelError("the checkpoint lacks the state of a run", path=path, remedy="Choose another --out") from error


def _differences(before: dict[str, Any], task: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What decides a sample and differs, by name; what only one of the two tells is left out."""
    was, now = (json.loads(json.dumps({**t, **t.get("settings", {})}, default=str)) for t in (before, task))
    names = [n for n in was if n in now and n not in _FREE]
    return {n: (was[n], now[n]) for n in names if was[n] != now[n]}


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


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

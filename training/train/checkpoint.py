"""Checkpoints without pickle: one safetensors file whose header carries the run's state as JSON."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from seg_editor.errors import ModelError

_SCALARS = "optimizer_scalars"


def save_checkpoint(
    path: Path, model: nn.Module, ema: dict[str, Tensor], optimizer: torch.optim.Optimizer | None, state: dict[str, Any]
) -> None:
    """Write weights, their moving average, the optimizer (when given) and `state` (JSON-able); atomic.

    The optimizer's tensors are stored in full; its scalars go into the header.

    Raises
    ------
    ModelError
        The disk is full or the folder cannot be written; what was there stays.
    """
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.items()}
    packed: dict[str, Any] = optimizer.state_dict() if optimizer is not None else {"state": {}}
    scalars: dict[str, dict[str, Any]] = {}
    for index, slots in packed["state"].items():
        for name, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    header = {"state": json.dumps(state), _SCALARS: json.dumps(scalars)}
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, temporary, metadata=header)
        with temporary.open("rb+") as f:
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        kept = any(path.parent.glob("[!.]*.safetensors"))
        raise ModelError(
            f"the checkpoint could not be written ({getattr(error, 'strerror', None) or error})",
            path=path,
            remedy="Free some space; "
            + ("the last good checkpoint was kept" if kept else "no checkpoint had been saved before"),
        ) from error


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Restore `model` (and `optimizer`); return the moving average and the state.

    Raises
    ------
    ModelError
        The file is missing, damaged or belongs to another network.
    """
    try:
        with safe_open(path, framework="pt") as f:
            header = f.metadata() or {}
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
        state: dict[str, Any] = json.loads(header["state"])
        scalars: dict[str, dict[str, Any]] = json.loads(header[_SCALARS])
        if not isinstance(state, dict) or not isinstance(scalars, dict):
            raise ValueError("its header is malformed")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(
            f"not a readable checkpoint ({error})", path=path, remedy="Delete it, or resume from an older one"
        ) from error
    try:
        model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    except RuntimeError as error:
        raise ModelError(
            "the checkpoint belongs to another network",
            path=path,
            remedy="Use the preset and model that it was trained with, or another --out",
        ) from error
    if optimizer is not None:
        try:
            _restore_optimizer(optimizer, tensors, scalars)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelError(
                "the optimizer's state is damaged", path=path, remedy="Resume from an older one"
            ) from error
    return {k[4:]: v for k, v in tensors.items() if k.startswith("ema.")}, state


def averaged_weights(path: Path) -> dict[str, Tensor]:
    """The moving average of a checkpoint, or its model when the run kept none.

    Raises
    ------
    ModelError
        The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as f:
            names = list(f.keys())
            part = "ema." if any(k.startswith("ema.") for k in names) else "model."
            return {k.removeprefix(part): f.get_tensor(k) for k in names if k.startswith(part)}
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"not a readable checkpoint ({error})", path=path, remedy="Choose another checkpoint"
        ) from error


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], scalars: dict[str, dict[str, Any]]
) -> None:
    slots: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in scalars.items()}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            slots.setdefault(int(index), {})[name] = value
    packed = optimizer.state_dict()
    optimizer.load_state_dict({"state": slots, "param_groups": packed["param_groups"]})

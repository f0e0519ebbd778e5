"""Number formats of a run: bf16 or fp16 autocast, fp16 with a gradient scaler on CUDA."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seg_editor.errors import UsageError

MODES = ("auto", "bf16", "fp16", "off")


class Precision:
    """Autocast and gradient scaling.

    Parameters
    ----------
    mode : str
        ``auto`` is bf16; ``fp16`` is full precision on a CPU, which has no use for it.
    device : torch.device
    """

    def __init__(self, mode: str, device: torch.device) -> None:
        if mode not in MODES:
            raise UsageError(f"there is no precision {mode}", remedy=f"Choose one of {', '.join(MODES)}")
        self.mode = "bf16" if mode == "auto" else mode
        if self.mode == "fp16" and device.type != "cuda":
            self.mode = "off"
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.mode == "fp16")

    @property
    def scaled(self) -> bool:
        """Whether steps with overflowing gradients are skipped instead of being errors."""
        return self.mode == "fp16"

    def autocast(self) -> torch.autocast:
        """Context of a forward pass."""
        dtype = torch.float16 if self.mode == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype, enabled=self.mode != "off")

    def backward(self, loss: Tensor) -> None:
        """Gradients of the (scaled) loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the weights, or skip when gradients overflowed."""
        self.scaler.step(optimizer)
        self.scaler.update()

    def state(self) -> dict[str, Any]:
        """JSON-able; empty without scaling."""
        return dict(self.scaler.state_dict())

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a saved state; an empty one changes nothing."""
        if state and self.scaled:
            self.scaler.load_state_dict(state)

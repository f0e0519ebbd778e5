"""A training task of a few hundred weights, for the loop."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from training.train.loop import LoopSettings

SETTINGS = LoopSettings(
    steps=6, batch=2, learning_rate=0.05, warmup=2, ema=0.9, validate_every=3, checkpoint_every=1e9, amp="off"
)


class TinyTask:
    """Learns a blur; `interrupt_at` presses Ctrl+C while that step runs, `poison` maps a step to a bad loss."""

    name = "tiny"

    def __init__(
        self,
        *,
        width: int = 4,
        interrupt_at: int | None = None,
        poison: dict[int, str] | None = None,
        name: str = "tiny",
    ) -> None:
        self.width, self.interrupt_at, self.poison, self.name = width, interrupt_at, poison or {}, name
        self.step = 0
        self.validated: list[int] = []
        self.scores: dict[int, float] = {}

    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, self.width, 3, padding=1),
            nn.BatchNorm2d(self.width),
            nn.SiLU(),
            nn.Conv2d(self.width, 1, 3, padding=1),
        )

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        image = torch.randn(size, 1, 8, 8, generator=torch.Generator().manual_seed(seed * 1000 + step))
        target = nn.functional.avg_pool2d(image, 3, 1, 1)
        return {"image": image, "target": target, "step": torch.full((size,), step)}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        self.step = int(batch["step"][0])
        if self.step == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        output = model(batch["image"])
        loss = ((output - batch["target"]) ** 2).mean()
        match self.poison.get(self.step):
            case "loss":
                loss = loss * math.nan
            case "gradient":
                loss = loss + (output * 0).pow(2).sum().sqrt()
        return loss, {"loss": float(loss.detach())}

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        assert not model.training
        self.validated.append(self.step + 1)
        return {"score": self.scores.get(self.step + 1, float(self.step))}

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "width": self.width}


def tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint."""
    with safe_open(path, framework="pt") as f:
        return {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118

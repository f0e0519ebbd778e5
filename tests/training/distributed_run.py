"""Trains a small task into the folder given as argument; run it in one process or launched in several."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.train.loop import LoopSettings, train

SETTINGS = LoopSettings(
    steps=50, batch=4, learning_rate=0.02, warmup=2, ema=0.9, validate_every=50, checkpoint_every=1e9, amp="off"
)


class Blur:
    """Learns a blur; no batch norm, whose figures depend on how a batch is shared out."""

    name = "blur"

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 1, 3, padding=1))

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        image = torch.randn(size, 1, 8, 8, generator=torch.Generator().manual_seed(seed * 1000 + step))
        return {"image": image, "target": nn.functional.avg_pool2d(image, 3, 1, 1)}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        loss = ((model(batch["image"]) - batch["target"]) ** 2).mean()
        return loss, {"loss": float(loss.detach())}

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        return {"score": 0.0}

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = train(Blur(), SETTINGS, Path(sys.argv[1]), device="cpu")
    print(json.dumps({"step": result.state.step, "reason": result.reason}))

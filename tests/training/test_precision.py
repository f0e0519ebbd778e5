"""The gradient scaler's path, on a CPU: fp16 itself needs CUDA."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from seg_editor.errors import ModelError, UsageError
from tests.training.tasks import SETTINGS, TinyTask, tensors
from training.train import loop
from training.train.loop import LoopSettings, train
from training.train.precision import Precision

CPU = torch.device("cpu")


class ScaledOnCpu(Precision):
    """Scales gradients as fp16 does, but calculates in full precision."""

    def __init__(self, mode: str, device: torch.device) -> None:
        super().__init__("off", device)
        self.mode = "fp16"
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", enabled=False)


def scaler_of(path: Path) -> dict[str, float]:
    with safe_open(path, framework="pt") as f:
        found: dict[str, float] = json.loads(f.metadata()["state"])["scaler"]
    return found


def test_modes() -> None:
    assert (Precision("auto", CPU).mode, Precision("fp16", CPU).mode) == ("bf16", "off")
    assert Precision("bf16", CPU).state() == {}
    assert not Precision("fp16", CPU).scaled
    with pytest.raises(UsageError, match="no precision fp8"):
        Precision("fp8", CPU)


def test_an_overflow_skips_the_step_and_halves_the_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "Precision", ScaledOnCpu)
    settings = LoopSettings(**{**SETTINGS.__dict__, "steps": 5, "ema": 0.0})
    train(TinyTask(interrupt_at=3), settings, tmp_path, device="cpu")
    before = tensors(tmp_path / "last.safetensors")
    assert scaler_of(tmp_path / "last.safetensors")["scale"] == 1024
    train(TinyTask(poison={4: "gradient"}), settings, tmp_path, device="cpu")
    after = tensors(tmp_path / "last.safetensors")
    assert scaler_of(tmp_path / "last.safetensors")["scale"] == 512
    assert torch.equal(before["model.0.weight"], after["model.0.weight"])


def test_scaling_alone_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(TinyTask(), SETTINGS, tmp_path / "plain", device="cpu")
    monkeypatch.setattr(loop, "Precision", ScaledOnCpu)
    train(TinyTask(), SETTINGS, tmp_path / "scaled", device="cpu")
    plain, scaled = (tensors(tmp_path / n / "last.safetensors") for n in ("plain", "scaled"))
    for key, value in plain.items():
        torch.testing.assert_close(value, scaled[key], rtol=1e-4, atol=1e-5)


def test_overflow_after_overflow_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "Precision", ScaledOnCpu)
    monkeypatch.setattr(loop, "MAX_SKIPPED", 2)
    with pytest.raises(ModelError, match="the gradient became nan at step 2"):
        train(TinyTask(poison=dict.fromkeys(range(6), "gradient")), SETTINGS, tmp_path, device="cpu")

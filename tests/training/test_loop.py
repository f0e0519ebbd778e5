from __future__ import annotations

import dataclasses
import json
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seg_editor.errors import ModelError, UsageError
from tests.training.tasks import SETTINGS, TinyTask, tensors
from training.cli import parse_duration
from training.train.loop import LoopSettings, learning_rate, train

EVERY_STEP = dataclasses.replace(SETTINGS, checkpoint_every=-1.0)


def records(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "stats.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_nan_keeps_the_last_good_checkpoint(tmp_path: Path, what: str) -> None:
    message = rf"the {what} became nan at step 4\. The last good checkpoint was kept"
    with pytest.raises(ModelError, match=message) as caught:
        train(TinyTask(poison={4: what}), EVERY_STEP, tmp_path, device="cpu")
    assert str(caught.value).startswith(str(tmp_path / "last.safetensors"))
    kept = tensors(tmp_path / "last.safetensors")
    assert all(bool(torch.isfinite(v).all()) for v in kept.values())
    result = train(TinyTask(), EVERY_STEP, tmp_path, device="cpu")
    assert (result.reason, result.state.step) == ("done", 6)
    train(TinyTask(), EVERY_STEP, tmp_path / "straight", device="cpu")
    straight = tensors(tmp_path / "straight" / "last.safetensors")
    assert all(torch.equal(v, straight[k]) for k, v in tensors(tmp_path / "last.safetensors").items())


def test_a_nan_before_any_checkpoint_says_nothing_of_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"at step 0\. Use a lower --lr\.$"):
        train(TinyTask(poison={0: "loss"}), SETTINGS, tmp_path, device="cpu")
    assert not (tmp_path / "last.safetensors").exists()


def test_ctrl_c_saves_and_ends_cleanly(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    result = train(TinyTask(interrupt_at=3), SETTINGS, tmp_path, device="cpu")
    assert (result.reason, result.state.step) == ("interrupted", 4)
    assert signal.getsignal(signal.SIGINT) is before
    assert int(tensors(tmp_path / "last.safetensors")["model.1.num_batches_tracked"]) == 4
    assert train(TinyTask(), SETTINGS, tmp_path, device="cpu").reason == "done"


def test_the_budget_stops_and_saves(tmp_path: Path) -> None:
    for step in (1, 2):
        result = train(TinyTask(), SETTINGS, tmp_path, budget=1e-6, device="cpu")
        assert (result.reason, result.state.step) == ("budget", step)
    result = train(TinyTask(), SETTINGS, tmp_path, budget=3600, device="cpu")
    assert (result.reason, result.state.step) == ("done", 6)


class Slow(TinyTask):
    """Validates by a clock of its own."""

    def __init__(self, clock: list[float], validation: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, validation

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        self.clock[0] += 1
        return super().loss(model, batch)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        self.clock[0] += self.seconds
        return super().validate(model, device)


def test_validation_and_saving_are_inside_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    settings = dataclasses.replace(SETTINGS, steps=100, validate_every=1000)
    task = Slow(clock, validation=5)
    result = train(task, settings, tmp_path, budget=30, device="cpu")
    assert (result.reason, result.state.validation_seconds) == ("budget", 5)
    assert task.validated == [16, result.state.step]  # once halfway, to know what it costs, and at the end
    assert 24 <= clock[0] <= 30
    began, clock[0] = clock[0], clock[0] + 10
    again = Slow(clock, validation=5)
    train(again, settings, tmp_path, budget=30, device="cpu", began=began)
    assert len(again.validated) == 1
    assert clock[0] - began <= 30


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    train(TinyTask(), SETTINGS, tmp_path, device="cpu")
    before = tensors(tmp_path / "last.safetensors")
    task = TinyTask()
    result = train(task, SETTINGS, tmp_path, device="cpu")
    assert (result.reason, result.state.step) == ("done", 6)
    after = tensors(tmp_path / "last.safetensors")
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    assert task.validated == []


def test_the_best_is_kept(tmp_path: Path) -> None:
    task = TinyTask()
    task.scores = {2: 5.0, 4: 9.0, 6: 1.0}
    result = train(task, dataclasses.replace(SETTINGS, validate_every=2), tmp_path, device="cpu")
    assert task.validated == [2, 4, 6]
    assert result.state.best == 9
    best = tensors(tmp_path / "best.safetensors")
    assert int(best["model.1.num_batches_tracked"]) == 4


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    task = TinyTask()
    task.scores = {3: float("nan"), 6: float("nan")}
    train(task, SETTINGS, tmp_path, device="cpu")
    assert not (tmp_path / "best.safetensors").exists()


def test_stats_and_settings_are_written(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    settings = dataclasses.replace(SETTINGS, steps=50, validate_every=25)
    train(TinyTask(), settings, tmp_path, device="cpu", report=told.append)
    lines = records(tmp_path)
    assert lines == json.loads(json.dumps(told))
    assert [r["kind"] for r in lines] == ["validate", "train", "validate"]
    mean = lines[1]
    assert mean["step"] == 50
    assert {"loss", "grad_norm", "lr", "seconds", "images_per_second", "cpu_percent", "peak_memory_mb"} <= set(mean)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["settings"]["steps"] == 50
    assert run["task"] == {"name": "tiny", "width": 4}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_loss_falls(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, steps=100, validate_every=1000)
    train(TinyTask(), settings, tmp_path, device="cpu")
    first, second = (r["loss"] for r in records(tmp_path) if r["kind"] == "train")
    assert isinstance(first, float)
    assert isinstance(second, float)
    assert second < 0.5 * first


def test_learning_rate() -> None:
    settings = LoopSettings(steps=100, warmup=10, learning_rate=1.0, final_fraction=0.1)
    rates = [learning_rate(settings, step) for step in range(120)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[100] == rates[119] == pytest.approx(0.1)


def test_an_absent_device(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ModelError, match="there is no CUDA device"):
        train(TinyTask(), SETTINGS, tmp_path, device="cuda")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("9m", 540), ("1.5h", 5400)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "nine", "-3m", "0", "nan"])
def test_durations_that_are_none(text: str) -> None:
    from argparse import ArgumentTypeError

    with pytest.raises(ArgumentTypeError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("batch", 0, "--batch 0. Give 1 or more"),
        ("validate_every", 0, "--validate-every 0. Give 1 or more"),
        ("accumulate", -1, "--accumulate -1. Give 1"),
        ("steps", -1, "--steps -1. Give 0"),
        ("keep_every", -2, "--keep-every -2. Give 0"),
        ("seed", -1, "--seed -1. Give 0"),
        ("learning_rate", float("nan"), "--lr nan. Give a positive number"),
        ("learning_rate", 0.0, "--lr 0.0. Give"),
    ],
)
def test_settings_that_make_no_sense(name: str, value: float, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        dataclasses.replace(SETTINGS, **{name: value})  # type: ignore[arg-type]

from __future__ import annotations

import dataclasses
import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from seg_editor.errors import UsageError
from tests.training.slice_data import TINY, write_slices
from tests.training.tasks import SETTINGS, TinyTask
from training.models.diffusion_task import DiffusionTask, MonitorSettings
from training.presets import ARMS
from training.train import logging
from training.train.logging import RunLog, duration, has_login, open_wandb
from training.train.loop import train


class FakeRun:
    """Keeps what a run is told."""

    def __init__(self) -> None:
        self.id = "abc"
        self.logged: list[tuple[dict[str, Any], int]] = []
        self.artifacts: list[Any] = []
        self.finished = False

    def log(self, figures: dict[str, Any], step: int) -> None:
        self.logged.append((figures, step))

    def log_artifact(self, artifact: Any) -> None:
        self.artifacts.append(artifact)

    def finish(self) -> None:
        self.finished = True


class FakeArtifact:
    def __init__(self, name: str, **more: Any) -> None:
        self.name, self.more = name, more
        self.files: list[str] = []

    def add_file(self, path: str) -> None:
        self.files.append(path)


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A stand-in for the wandb package, without a login."""
    module: Any = ModuleType("wandb")
    module.__spec__ = ModuleSpec("wandb", None)  # diffusers asks for it
    module.run = FakeRun()
    module.started = []
    module.Error = type("Error", (Exception,), {})
    module.Artifact, module.Settings, module.Image = FakeArtifact, dict, str

    def init(**options: Any) -> FakeRun:
        module.started.append(options)
        return module.run  # type: ignore[no-any-return]

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent")
    monkeypatch.setenv("HOME", "/nonexistent")
    return module


def test_a_run_reaches_wandb(wandb: Any, tmp_path: Path) -> None:
    train(TinyTask(), SETTINGS, tmp_path, device="cpu", wandb="offline")
    options = wandb.started[0]
    assert (options["mode"], options["project"], options["resume"]) == ("offline", "seg-editor", "allow")
    assert options["config"]["settings"]["batch"] == SETTINGS.batch
    assert options["config"]["task"]["name"] == "tiny"
    figures, step = wandb.run.logged[0]
    assert step == 3
    assert {"validate/score", "validate/images_per_second"} <= set(figures)
    assert [a.name for a in wandb.run.artifacts] == ["abc-best"]
    assert wandb.run.finished
    train(TinyTask(), SETTINGS, tmp_path, device="cpu", wandb="offline")
    assert wandb.started[0]["id"] == wandb.started[1]["id"]


def test_everything_of_a_diffusion_run_reaches_wandb(wandb: Any, tmp_path: Path) -> None:
    data = write_slices(tmp_path / "data")
    monitor = MonitorSettings(slices=2, grid=1, steps=2)
    task = DiffusionTask("m3c", data, TINY, ARMS["m3c"].ablation, monitor=monitor)
    settings = dataclasses.replace(SETTINGS, steps=4, batch=4, validate_every=2, keep_every=2)
    train(task, settings, tmp_path / "run", device="cpu", wandb="offline")
    config = wandb.started[0]["config"]
    assert config["settings"] == dataclasses.asdict(settings)
    assert config["task"]["settings"]["ablation"] == {"tumor": 0.3, "classes": 0.5, "per_batch": False}
    assert config["task"]["config"] == TINY.to_json()
    figures = {name for logged, _ in wandb.run.logged for name in logged}
    assert figures >= {"train/loss", "train/lr", "train/grad_norm", "train/images_per_second"}
    assert figures >= {"validate/val_loss", "samples/val_ssim", "samples"}
    assert [a.name for a in wandb.run.artifacts] == ["abc-step-0000002", "abc-step-0000004", "abc-best"]
    assert {a.more["type"] for a in wandb.run.artifacts} == {"model"}
    assert all(Path(path).exists() for a in wandb.run.artifacts for path in a.files)


def test_wandb_itself_takes_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as installed, without a login and without a network: everything is in the run's own file."""
    package = pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONSOLE", "off")
    data = write_slices(tmp_path / "data")
    task = DiffusionTask("m3c", data, TINY, ARMS["m3c"].ablation, monitor=MonitorSettings(slices=2, grid=1, steps=2))
    settings = dataclasses.replace(SETTINGS, steps=2, batch=4, validate_every=2, keep_every=2)
    train(task, settings, tmp_path / "run", device="cpu", wandb="auto")
    package.teardown()  # its own process writes the file to the end
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    told = b"".join(path.read_bytes() for path in folder.glob("*.wandb"))
    figures = ("train/loss", "train/lr", "train/grad_norm", "train/images_per_second", "validate/val_loss")
    wanted = (*figures, "samples/val_ssim", "settings", "learning_rate", "betas", "step-0000002", "best.safetensors")
    assert [name for name in wanted if name.encode() not in told] == []
    assert len(list(folder.glob("files/media/images/samples_2_*.png"))) == 1


def test_records_go_to_the_file_first(tmp_path: Path, wandb: Any) -> None:
    told: list[dict[str, Any]] = []
    log = RunLog(tmp_path, {}, wandb="online", report=told.append)
    log.record({"kind": "train", "step": 3, "loss": 0.5, "note": "text"})
    path = log.picture("samples", np.zeros((4, 4), np.uint8), 3)
    (tmp_path / "a.safetensors").write_bytes(b"x")
    log.checkpoint(tmp_path / "a.safetensors", 3)
    log.checkpoint(tmp_path / "missing.safetensors", 3)
    log.close()
    assert json.loads((tmp_path / "stats.jsonl").read_text()) == told[0]
    assert path.read_bytes().startswith(b"\x89PNG")
    assert wandb.run.logged == [({"train/loss": 0.5}, 3), ({"samples": str(path)}, 3)]
    assert [(a.name, a.more["type"]) for a in wandb.run.artifacts] == [("abc-a", "model")]


def test_auto_is_offline_without_a_login(tmp_path: Path, wandb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_login()
    open_wandb("auto", tmp_path, {})
    monkeypatch.setenv("WANDB_API_KEY", "made up")
    open_wandb("auto", tmp_path, {})
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert open_wandb("auto", tmp_path, {}) is None
    assert [options["mode"] for options in wandb.started] == ["offline", "online"]


def test_wandb_is_never_required(tmp_path: Path, wandb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert open_wandb("auto", tmp_path, {}) is None
    assert open_wandb("off", tmp_path, {}) is None
    with pytest.raises(UsageError, match="wandb is not installed"):
        open_wandb("offline", tmp_path, {})
    with pytest.raises(UsageError, match="no wandb mode loud"):
        open_wandb("loud", tmp_path, {})


def test_a_wandb_that_does_not_start(tmp_path: Path, wandb: Any) -> None:
    def init(**_: Any) -> None:
        raise wandb.Error("no\nlogin")

    wandb.init = init
    with pytest.raises(UsageError, match=r"does not start \(no login\)"):
        open_wandb("online", tmp_path, {})


def test_the_estimate_comes_first_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[dict[str, Any]] = []
    train(TinyTask(), SETTINGS, tmp_path / "told", device="cpu", report=told.append, progress=True)
    train(TinyTask(), SETTINGS, tmp_path / "silent", device="cpu")
    assert told[0]["kind"] == "estimate"
    assert told[0]["steps"] == SETTINGS.steps
    assert told[0]["seconds_per_step"] > 0
    assert all(r["seconds_left"] >= 0 for r in told)
    err = capsys.readouterr().err
    assert "6 steps, about" in err
    assert "6/6" in err
    one, two = ((tmp_path / n / "last.safetensors").read_bytes() for n in ("told", "silent"))
    assert len(one) == pytest.approx(len(two), abs=200)
    from tests.training.tasks import tensors

    weights = [tensors(tmp_path / n / "last.safetensors") for n in ("told", "silent")]
    assert all(bool((v == weights[1][k]).all()) for k, v in weights[0].items())


@pytest.mark.parametrize(
    ("seconds", "text"), [(42, "42 s"), (720, "12 min"), (12_000, "3 h 20 min"), (190_800, "2 d 5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_no_bar_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert logging._bar(3, 0) is None

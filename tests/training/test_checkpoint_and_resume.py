from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from seg_editor.errors import ModelError, UsageError
from seg_editor.generation.networks import InpaintConfig
from tests.models import SMALL_INPAINT
from tests.training.conftest import SPLITS
from tests.training.tasks import SETTINGS, TinyTask, tensors
from training.models.inpaint import InpaintSettings
from training.models.inpaint_task import InpaintTask
from training.train import checkpoint
from training.train.checkpoint import load_checkpoint, save_checkpoint
from training.train.loop import LoopSettings, RunState, train
from training.train.resume import resumed


def state_of(path: Path) -> dict[str, Any]:
    return load_checkpoint(path, TinyTask().build())[1]


def assert_equal_runs(one: Path, two: Path) -> None:
    for name in ("last.safetensors", "best.safetensors"):
        a, b = tensors(one / name), tensors(two / name)
        assert a.keys() == b.keys()
        for key in a:
            assert a[key].dtype == b[key].dtype
            assert torch.equal(a[key], b[key]), key


def resume_equals(make: Any, settings: LoopSettings, tmp_path: Path, interrupt: int) -> None:
    """Run straight, then again with Ctrl+C after `interrupt` steps, and continue."""
    assert train(make(), settings, tmp_path / "straight", device="cpu").reason == "done"
    broken = make()
    original, calls = broken.loss, 0

    def pressed(model: nn.Module, batch: dict[str, torch.Tensor]) -> Any:
        nonlocal calls
        calls += 1
        if calls == interrupt:
            signal.raise_signal(signal.SIGINT)
        return original(model, batch)

    broken.loss = pressed
    first = train(broken, settings, tmp_path / "resumed", device="cpu")
    assert (first.reason, first.state.step) == ("interrupted", interrupt)
    torch.manual_seed(999)
    second = train(make(), settings, tmp_path / "resumed", device="cpu")
    assert (second.reason, second.state.step) == ("done", settings.steps)
    assert second.state.samples == settings.steps * settings.batch
    assert_equal_runs(tmp_path / "straight", tmp_path / "resumed")


@pytest.mark.parametrize("amp", ["off", "bf16"])
def test_three_and_three_steps_are_six(tmp_path: Path, amp: str) -> None:
    resume_equals(TinyTask, dataclasses.replace(SETTINGS, amp=amp), tmp_path, 3)


def test_the_same_for_m5(prepared: Path, tmp_path: Path) -> None:
    def make() -> InpaintTask:
        return InpaintTask(
            prepared,
            config=SMALL_INPAINT,
            settings=InpaintSettings(crop=32),
            train_ids=SPLITS["train"],
            val_ids=SPLITS["val"],
        )

    settings = LoopSettings(steps=4, batch=2, warmup=1, validate_every=2, checkpoint_every=1e9)
    resume_equals(make, settings, tmp_path, 2)


def test_a_checkpoint_holds_weights_average_and_optimizer(tmp_path: Path) -> None:
    train(TinyTask(), SETTINGS, tmp_path, device="cpu")
    found = tensors(tmp_path / "last.safetensors")
    keys = set(TinyTask().build().state_dict())
    assert {k[6:] for k in found if k.startswith("model.")} == keys
    assert {k[4:] for k in found if k.startswith("ema.")} == keys
    assert {k.split(".")[2] for k in found if k.startswith("optimizer.")} == {"step", "exp_avg", "exp_avg_sq"}
    assert not torch.equal(found["model.0.weight"], found["ema.0.weight"])
    assert int(found["ema.1.num_batches_tracked"]) == 6
    state = RunState(**state_of(tmp_path / "last.safetensors"))
    assert (state.step, state.samples) == (6, 12)
    assert state.task == {"name": "tiny", "width": 4}


def test_the_state_survives(tmp_path: Path) -> None:
    model = TinyTask().build()
    optimizer = torch.optim.AdamW(model.parameters())
    save_checkpoint(tmp_path / "a.safetensors", model, model.state_dict(), optimizer, {"best": float("-inf"), "n": [1]})
    _, state = load_checkpoint(tmp_path / "a.safetensors", TinyTask().build())
    assert state == {"best": float("-inf"), "n": [1]}


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "html", "flipped header", "no state"])
def test_damaged_checkpoints(tmp_path: Path, damage: str) -> None:
    train(TinyTask(), SETTINGS, tmp_path, device="cpu")
    path = tmp_path / "last.safetensors"
    data = path.read_bytes()
    match damage:
        case "missing":
            path = tmp_path / "absent.safetensors"
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "html":
            path.write_bytes(b"<html>not found</html>")
        case "flipped header":
            path.write_bytes(data[:9] + bytes([data[9] ^ 255]) + data[10:])
        case "no state":
            save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match=r"not a readable checkpoint") as caught:
        load_checkpoint(path, TinyTask().build())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    if damage != "missing":
        with pytest.raises(ModelError):
            train(TinyTask(), SETTINGS, tmp_path, device="cpu")


def test_another_network(tmp_path: Path) -> None:
    train(TinyTask(), SETTINGS, tmp_path, device="cpu")
    with pytest.raises(ModelError, match=r"belongs to another network\. Use the preset and model"):
        train(TinyTask(width=8), SETTINGS, tmp_path, device="cpu")


def test_another_task(tmp_path: Path) -> None:
    train(TinyTask(), SETTINGS, tmp_path, device="cpu")
    with pytest.raises(UsageError, match=r"holds a run of tiny\. Choose another --out"):
        train(TinyTask(name="other"), SETTINGS, tmp_path, device="cpu")


def rewrite(path: Path, **header: str) -> None:
    found = tensors(path)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as f:
        old = f.metadata()
    save_file(found, path, metadata={**old, **header})


@pytest.mark.parametrize("state", [{"task": {"name": "tiny"}, "color": 3}, {"task": {}}, {}, {"task": None}, [], None])
def test_a_state_of_something_else(tmp_path: Path, state: Any) -> None:
    train(TinyTask(), SETTINGS, tmp_path, device="cpu")
    rewrite(tmp_path / "last.safetensors", state=json.dumps(state))
    with pytest.raises((ModelError, UsageError)):
        train(TinyTask(), SETTINGS, tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"ablation": {"tumor": 0.9}, "window": [48, 208]}}, "ablation"),
        ({"settings": {"ablation": {"tumor": 0.3}, "window": [0, 256]}}, "window"),
        ({"cases": 1}, "cases 16, not 1"),
        ({"bank": "bbbb"}, "bank"),
    ],
)
def test_other_samples_are_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    own = {"ablation": {"tumor": 0.3}, "window": (48, 208), "monitor": {"slices": 8}}
    before = {"name": "m3", "settings": own, "cases": 16, "bank": "aaaa"}
    state = dataclasses.asdict(RunState(task=before))
    assert resumed(state, {**before, "settings": {**own, "monitor": {"slices": 2}}}, tmp_path / "last").step == 0
    with pytest.raises(UsageError, match=told):
        resumed(state, before | change, tmp_path / "last")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error: no space")])
def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model = TinyTask().build()
    optimizer = torch.optim.AdamW(model.parameters())
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, model, model.state_dict(), optimizer, {})
    before = path.read_bytes()

    def full(_: object, target: Path, **__: object) -> None:
        Path(target).write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(ModelError, match=r"could not be written .*Free some space; the last good checkpoint was kept"):
        save_checkpoint(path, model, model.state_dict(), optimizer, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]
    path.unlink()
    with pytest.raises(ModelError, match=r"Free some space; no checkpoint had been saved before"):
        save_checkpoint(path, model, model.state_dict(), optimizer, {})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="the run cannot be written"):
        train(TinyTask(), SETTINGS, tmp_path / "file" / "run", device="cpu")
    model = TinyTask().build()
    with pytest.raises(ModelError, match=r"could not be written .*no checkpoint had been saved before"):
        save_checkpoint(tmp_path / "file" / "a", model, {}, torch.optim.AdamW(model.parameters()), {})


def test_a_new_run_starts_from_averaged_weights(tmp_path: Path) -> None:
    train(TinyTask(), SETTINGS, tmp_path / "one", device="cpu")
    none = dataclasses.replace(SETTINGS, steps=0)
    result = train(TinyTask(), none, tmp_path / "two", device="cpu", init=tmp_path / "one" / "last.safetensors")
    assert result.state.step == 0
    old, new = tensors(tmp_path / "one" / "last.safetensors"), tensors(tmp_path / "two" / "last.safetensors")
    assert all(torch.equal(old[f"ema.{k}"], new[f"model.{k}"]) for k in TinyTask().build().state_dict())


def test_a_network_with_its_real_names_keeps_loading() -> None:
    """Checkpoints of running trainings must stay readable: these names are a file format."""
    from seg_editor.generation.networks import InpaintNet, RefereeConfig, RefereeUNet

    inpaint = InpaintNet(InpaintConfig(widths=(8, 16), blocks=1, embedding=8))
    assert {k.split(".")[0] for k in inpaint.state_dict()} >= {
        "embed", "stem", "down", "shrink", "up", "grow", "attention", "middle", "norm", "unfold", "head",
    }  # fmt: skip
    assert {k.split(".", 3)[-1] for k in inpaint.state_dict() if k.startswith("down.0.0")} == {
        "norm1.weight", "norm1.bias", "conv1.weight", "conv1.bias", "film.weight", "film.bias",
        "norm2.weight", "norm2.bias", "conv2.weight", "conv2.bias",
    }  # fmt: skip
    referee: nn.Module = RefereeUNet(RefereeConfig(base=4, depth=1))
    assert {k.split(".")[0] for k in referee.state_dict()} == {"first", "down", "grow", "up", "head"}

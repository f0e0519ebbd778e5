from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from seg_editor.cases import open_case
from seg_editor.errors import ExportError, ModelError, UsageError
from seg_editor.generation.engine import Engine
from seg_editor.generation.hole import Hole
from seg_editor.generation.networks import InpaintNet
from seg_editor.generation.referee import Referee
from seg_editor.generation.registry import WEIGHTS_FILE, load_model
from tests.models import SMALL_INPAINT, SMALL_REFEREE
from tests.training.conftest import SPLITS
from tests.training.tasks import TinyTask, tensors
from training.cli import main
from training.models.inpaint import InpaintSettings
from training.models.inpaint_task import InpaintTask
from training.models.referee_task import RefereeSettings, RefereeTask
from training.prepare.bank import unpack
from training.prepare.volumes import PreparedCase
from training.train.export import export_model
from training.train.loop import LoopSettings, train

ONE_STEP = LoopSettings(steps=2, batch=2, warmup=1, validate_every=1000, checkpoint_every=1e9, amp="off")


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a short M5 run."""
    out = tmp_path_factory.mktemp("run")
    task = InpaintTask(
        prepared, config=SMALL_INPAINT, settings=InpaintSettings(crop=32), train_ids=SPLITS["train"], val_ids=[]
    )
    task.validate = lambda *_: {"score": 0.0}  # type: ignore[method-assign]
    train(task, ONE_STEP, out, device="cpu")
    return out / "last.safetensors"


def test_samples_of_m5_show_truth_hole_fill_and_mean(prepared: Path) -> None:
    config = InpaintSettings(crop=32)
    task = InpaintTask(
        prepared, config=SMALL_INPAINT, settings=config, train_ids=SPLITS["train"], val_ids=SPLITS["val"]
    )
    with torch.inference_mode():
        pixels, figures = task.samples(task.build().eval(), torch.device("cpu"))
    (case,) = task.held_out
    _, w, h = case.banked.brain.shape
    assert pixels.shape == (4 * w, 4 * h)
    truth, hole, fill, mean = np.split(pixels.astype(int), 4, axis=1)
    target = unpack(case.placed.target[[case.placed.area.argmax()]], (w, h))[0]
    outside = np.tile(unpack(case.placed.unknown[[case.placed.area.argmax()]], (w, h))[0], (4, 1)) == 0
    assert not hole[np.tile(target, (4, 1))].any()
    assert all(np.array_equal(part[outside], truth[outside]) for part in (hole, fill, mean))
    assert np.abs(mean - fill).max() <= 1  # an untrained network adds nothing
    assert figures["val_ssim"] == pytest.approx(figures["val_ssim_harmonic"], abs=1e-3)
    assert 0 < figures["val_ssim"] < 1


def test_the_editor_runs_what_training_exported(trained: Path, raw_cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "m5"
    assert export_model(trained, out) == [out / WEIGHTS_FILE, out / "card.json"]
    case = open_case(raw_cases / SPLITS["test"][0])
    assert case.tumor is not None
    hole = Hole.from_mask(case.tumor, case.brain)
    engine = Engine(load_model(out, device="cpu"))
    k = hole.slices[len(hole.slices) // 2]
    request = engine.plan(case, hole, slices=[k], steps=2)
    *_, last = engine.run(case, hole, request)
    assert last.result is not None
    assert last.result.slices == (k,)


def test_the_averaged_weights_are_exported_in_half_precision(trained: Path, tmp_path: Path) -> None:
    export_model(trained, tmp_path)
    checkpoint = tensors(trained)
    exported = tensors(tmp_path / WEIGHTS_FILE)
    assert set(exported) == set(InpaintNet(SMALL_INPAINT).state_dict())
    for name, values in exported.items():
        assert values.dtype == torch.float16
        assert torch.equal(values, checkpoint[f"ema.{name}"].half())


def test_the_card_tells_the_training(trained: Path, tmp_path: Path) -> None:
    results = {"healthy_holes": {"ssim": 0.9}}
    export_model(trained, tmp_path, title="A title", results=results, trained_on="data of a friend (cite her)")
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["title"] == "A title"
    assert (card["name"], card["kind"], card["network"]) == ("m5", "inpaint", "InpaintNet")
    assert card["config"] == json.loads(json.dumps(SMALL_INPAINT.to_json()))
    assert card["training"]["steps"] == 2
    assert card["training"]["samples"] == 4
    assert card["training"]["settings"]["crop"] == 32
    assert card["results"] == results
    assert card["license"].endswith("; trained on data of a friend (cite her)")
    assert "standard" in card["presets"]
    assert card["limits"]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.fixture
def with_tissue(prepared: Path, tmp_path: Path) -> Path:
    """The prepared cases with a tissue map: three parts of the brain."""
    (tmp_path / "data" / "cases").mkdir(parents=True)
    for path in (prepared / "cases").iterdir():
        case = PreparedCase.load(path)
        x = np.indices(case.shape)[0]
        case.tissue = np.where(case.brain, 1 + (x > 15).astype(int) + (x > 25), 0).astype(np.uint8)
        case.save(tmp_path / "data" / "cases" / path.name)
    return tmp_path / "data"


def test_a_referee_needs_tissue_maps(prepared: Path) -> None:
    with pytest.raises(UsageError, match="holds no tissue maps"):
        RefereeTask(prepared, train_ids=SPLITS["train"], val_ids=[])


def test_a_referee_goes_the_same_way(with_tissue: Path, raw_cases: Path, tmp_path: Path) -> None:
    task = RefereeTask(
        with_tissue,
        train_ids=SPLITS["train"],
        val_ids=SPLITS["val"],
        config=SMALL_REFEREE,
        settings=RefereeSettings(size=(64, 64)),
    )
    settings = dataclasses.replace(ONE_STEP, validate_every=2, keep_every=2)
    train(task, settings, tmp_path / "run", device="cpu")
    with Image.open(tmp_path / "run" / "samples" / "step-0000002.png") as grid:
        assert (grid.mode, grid.size) == ("RGB", (3 * 64, 64))
    export_model(tmp_path / "run" / "last.safetensors", tmp_path / "m4")
    model = load_model(tmp_path / "m4", device="cpu")
    assert model.card.kind == "referee"
    case = open_case(raw_cases / SPLITS["test"][0])
    assert Referee(model).segment_slices(case, [20]).shape == (1, 48, 56)


def rewrite(source: Path, target: Path, change: Any = None, **state: Any) -> Path:
    """A copy of a checkpoint with other tensors or state."""
    found = tensors(source)
    with safe_open(source, framework="pt") as f:
        header = f.metadata()
    if change is not None:
        change(found)
    header["state"] = json.dumps({**json.loads(header["state"]), **state})
    save_file(found, target, metadata=header)
    return target


@pytest.mark.parametrize("content", [None, b"", b"<html>", b"\x00" * 64])
def test_checkpoints_that_are_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "last.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not a readable checkpoint .*Choose another checkpoint") as caught:
        export_model(path, tmp_path / "m5")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "m5").exists()


def test_an_export_is_no_checkpoint(trained: Path, tmp_path: Path) -> None:
    export_model(trained, tmp_path / "m5")
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        export_model(tmp_path / "m5" / WEIGHTS_FILE, tmp_path / "again")


@pytest.mark.parametrize("task", [{"name": "tiny"}, {}])
def test_a_checkpoint_of_something_else(trained: Path, tmp_path: Path, task: dict[str, str]) -> None:
    path = rewrite(trained, tmp_path / "a.safetensors", task=task)
    with pytest.raises(ModelError, match="not a checkpoint of"):
        export_model(path, tmp_path / "out")


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_that_are_not_finite_in_half_precision(trained: Path, tmp_path: Path, value: float) -> None:
    def poison(found: dict[str, torch.Tensor]) -> None:
        found["ema.stem.bias"][0] = value

    path = rewrite(trained, tmp_path / "a.safetensors", poison)
    with pytest.raises(ModelError, match=r"stem\.bias are not finite"):
        export_model(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="the model cannot be written"):
        export_model(trained, tmp_path / "file" / "m5")


def test_the_command_line(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_text('{"ssim": 0.9}')
    words = ["export", str(trained), "--out", str(tmp_path / "m5"), "--results", str(tmp_path / "results.json")]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "m5" / n) for n in (WEIGHTS_FILE, "card.json")]
    for bad in ([*words[:-1], str(tmp_path / "absent.json")], ["export", str(tmp_path / "no"), "--out", str(tmp_path)]):
        assert main(bad) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_of_another_kind_has_no_card(tmp_path: Path) -> None:
    train(TinyTask(), dataclasses.replace(ONE_STEP, steps=1), tmp_path, device="cpu")
    with pytest.raises(ModelError, match="not a checkpoint of"):
        export_model(tmp_path / "last.safetensors", tmp_path / "out")

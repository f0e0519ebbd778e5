"""The whole way on the shipped demo case: prepare, train, save, resume, export, and the editor's engine runs it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from seg_editor.cases import open_case
from seg_editor.generation.engine import Engine
from seg_editor.generation.hole import Hole
from seg_editor.generation.networks import InpaintConfig
from seg_editor.generation.registry import load_model
from seg_editor.resources import resource_path
from tests.training.tasks import tensors
from training.models.inpaint import InpaintSettings
from training.models.inpaint_task import InpaintTask
from training.prepare.bank import PlacedHoles
from training.prepare.volumes import PreparedCase, prepare_case
from training.train.export import export_model
from training.train.loop import LoopSettings, train

DEMO = resource_path("demo", "SegEditor-Demo-001")
CASE_ID = DEMO.name
_KEYS = [f.name for f in dataclasses.fields(PlacedHoles) if f.name != "case_id"]

pytestmark = pytest.mark.skipif(not DEMO.is_dir(), reason="the demo case is not here")


def slab(case: PreparedCase, slices: int) -> PreparedCase:
    """The middle slices of a prepared case."""
    low = case.shape[2] // 2 - slices // 2
    part = (..., slice(low, low + slices))
    arrays = {
        f.name: np.ascontiguousarray(getattr(case, f.name)[part])
        for f in dataclasses.fields(case)
        if isinstance(getattr(case, f.name), np.ndarray) and getattr(case, f.name).ndim >= 3
    }
    x, y, z = case.origin
    plane = dataclasses.replace(case.plane, offset=case.plane.offset - case.plane.normal[2] * low)
    return dataclasses.replace(case, **arrays, plane=plane, origin=(x, y, z + low))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder with a slab of the demo case and one placement of a healthy hole."""
    folder = tmp_path_factory.mktemp("demo")
    for name in ("cases", "holes", "val_holes"):
        (folder / name).mkdir()
    case = slab(prepare_case(DEMO), 12)
    case.save(folder / "cases" / f"{CASE_ID}.npz")
    x, y, z = np.indices(case.shape)
    healthy = np.argwhere(case.brain & ~case.tumor)
    center = healthy[len(healthy) // 3]
    hole = (x - center[0]) ** 2 + (y - center[1]) ** 2 + 4 * (z - 6) ** 2 < 14**2
    hole &= case.brain
    placed = PlacedHoles.make(case, hole)
    np.savez(
        folder / "holes" / "holes_0000.npz",
        ids=np.array([CASE_ID]),
        **{f"0.{key}": getattr(placed, key) for key in _KEYS},
    )
    np.savez(folder / "val_holes" / f"{CASE_ID}.npz", holes=hole.astype(np.uint8))
    return folder


def make_task(data: Path, config: InpaintConfig, crop: int) -> InpaintTask:
    return InpaintTask(data, config=config, settings=InpaintSettings(crop=crop), train_ids=[CASE_ID], val_ids=[CASE_ID])


def fixed_loss(task: InpaintTask, checkpoint: Path | None) -> float:
    """Loss on batches that never change, with the raw weights of a checkpoint or a fresh network."""
    torch.manual_seed(0)
    network = task.build()
    if checkpoint is not None:
        found = tensors(checkpoint)
        network.load_state_dict({k[6:]: v for k, v in found.items() if k.startswith("model.")})
    with torch.inference_mode():
        return float(np.mean([float(task.loss(network.eval(), task.batch(4, 77, step))[0]) for step in range(3)]))


def whole_way(
    data: Path, tmp_path: Path, config: InpaintConfig, crop: int, settings: LoopSettings
) -> tuple[float, float]:
    """Loss before and after training; resume, export and the engine's run on the way."""
    task = make_task(data, config, crop)
    before = fixed_loss(task, None)
    straight = train(task, settings, tmp_path / "straight", device="cpu")
    assert straight.state.step == settings.steps
    after = fixed_loss(task, tmp_path / "straight" / "last.safetensors")
    assert (
        train(make_task(data, config, crop), settings, tmp_path / "cut", device="cpu", budget=1e-6).reason == "budget"
    )
    train(make_task(data, config, crop), settings, tmp_path / "cut", device="cpu")
    one, two = (tensors(tmp_path / name / "last.safetensors") for name in ("straight", "cut"))
    assert all(torch.equal(v, two[k]) for k, v in one.items())
    export_model(tmp_path / "straight" / "last.safetensors", tmp_path / "m5")
    case = open_case(DEMO)
    assert case.tumor is not None
    k = int(case.tumor.sum((0, 1)).argmax())
    only = np.zeros_like(case.tumor)
    only[:, :, k] = case.tumor[:, :, k]
    hole = Hole.from_mask(only, case.brain)
    engine = Engine(load_model(tmp_path / "m5", device="cpu"))
    stays = case.tumor & ~hole.mask
    request = engine.plan(case, hole, steps=2, tumor=stays)
    *_, last = engine.run(case, hole, request, tumor=stays)
    assert last.result is not None
    for m in case.modalities:
        raw, source = last.result.raw(case, m), case.volumes[m].raw
        assert np.array_equal(raw[~hole.mask], source[~hole.mask])
        assert not np.array_equal(raw[hole.mask], source[hole.mask])
    return before, after


def test_twenty_steps_lower_the_loss_and_the_editor_runs_the_result(data: Path, tmp_path: Path) -> None:
    config = InpaintConfig(widths=(16, 24, 32), blocks=1, embedding=32)
    settings = LoopSettings(
        steps=20, batch=4, learning_rate=3e-3, warmup=3, validate_every=1000, checkpoint_every=1e9, amp="off"
    )
    before, after = whole_way(data, tmp_path, config, 48, settings)
    assert after < 0.9 * before


@pytest.mark.slow
def test_the_compact_network_learns_the_demo_case(data: Path, tmp_path: Path) -> None:
    settings = LoopSettings(steps=100, batch=4, learning_rate=1e-3, warmup=5, validate_every=50, checkpoint_every=1e9)
    before, after = whole_way(data, tmp_path, InpaintConfig(), 96, settings)
    assert after < 0.75 * before

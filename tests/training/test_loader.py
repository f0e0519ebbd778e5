"""Batches from worker processes are those of one process, in order, from any step on."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.conftest import SPLITS
from tests.training.slice_data import TINY, write_slices
from tests.training.tasks import SETTINGS, TinyTask, tensors
from training.models.diffusion_task import DiffusionTask, MonitorSettings
from training.models.inpaint import InpaintSettings
from training.models.inpaint_task import InpaintTask
from training.models.referee_task import RefereeCase, RefereeSettings, RefereeTask
from training.presets import ARMS
from training.train.loader import BatchSource, default_workers, draw
from training.train.loop import train

CPU = torch.device("cpu")
ROWS = [range(0, 4, 2), range(1, 4, 2)]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> DiffusionTask:
    data = write_slices(tmp_path_factory.mktemp("slices"))
    return DiffusionTask("m3c", data, TINY, ARMS["m3c"].ablation, monitor=MonitorSettings(slices=2, grid=1, steps=2))


def assert_equal(one: list[dict[str, Tensor]], two: list[dict[str, Tensor]]) -> None:
    assert [part.keys() for part in one] == [part.keys() for part in two]
    assert all(torch.equal(v, b[k]) for a, b in zip(one, two, strict=True) for k, v in a.items())


def test_workers_draw_the_same(task: DiffusionTask) -> None:
    alone = BatchSource(task, 4, 0, ROWS, CPU)
    source = BatchSource(task, 4, 0, ROWS, CPU, workers=2)
    for step in (5, 5, 6, 7, 2, 3):  # asked twice, in order, then from elsewhere
        assert_equal(source(step), alone(step))
    source.close()


def test_parts_of_a_batch_make_the_batch(task: DiffusionTask) -> None:
    parts = BatchSource(task, 4, 0, ROWS, CPU)(3)
    whole = task.batch(4, 0, 3)
    for key, value in whole.items():
        assert torch.equal(torch.stack([part[key] for part in parts], 1).flatten(0, 1), value)


def test_what_travels_is_small(task: DiffusionTask) -> None:
    (part,) = draw(task, 4, 0, 0, [range(4)])
    assert {str(part[k].dtype) for k in ("image", "mask")} == {"torch.uint8"}
    pixels = part["image"].numel()
    assert sum(v.numel() * v.element_size() for v in part.values()) < 2 * pixels + 100


def test_a_run_does_not_depend_on_its_workers(task: DiffusionTask, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, steps=4, validate_every=4)
    for name, workers in (("none", 0), ("two", 2)):
        train(task, settings, tmp_path / name, device="cpu", workers=workers)
    one, two = (tensors(tmp_path / name / "last.safetensors") for name in ("none", "two"))
    assert all(torch.equal(v, two[k]) for k, v in one.items())


class Interrupted(TinyTask):
    """Ctrl+C reaches every process of the terminal's group while a worker draws."""

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        if step == 3:
            signal.raise_signal(signal.SIGINT)
            os.kill(os.getppid(), signal.SIGINT)
        return super().batch(size, seed, step)


def test_ctrl_c_does_not_end_the_workers(tmp_path: Path) -> None:
    result = train(Interrupted(), SETTINGS, tmp_path, device="cpu", workers=1)
    assert result.reason == "interrupted"
    assert train(TinyTask(), SETTINGS, tmp_path, device="cpu", workers=1).state.step == SETTINGS.steps


def test_an_error_in_a_worker_arrives(tmp_path: Path) -> None:
    class Broken(TinyTask):
        def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
            raise FloatingPointError("bad sample")

    with pytest.raises(FloatingPointError, match="bad sample"):
        train(Broken(), SETTINGS, tmp_path, device="cpu", workers=1)


@pytest.mark.parametrize(("resident", "workers"), [(True, 0), (False, 2)])
def test_a_task_whose_data_lie_on_the_device_needs_no_workers(resident: bool, workers: int) -> None:
    asked = []

    class Resident(TinyTask):
        def settle(self, device: torch.device) -> bool:
            asked.append(device)
            return resident

    source = BatchSource(Resident(), 2, 0, [range(2)], CPU, workers=2)
    assert (source.workers, source.resident, asked) == (workers, resident, [CPU])
    assert_equal(source(3), BatchSource(TinyTask(), 2, 0, [range(2)], CPU)(3))
    source.close()


def test_what_lies_on_the_device_is_drawn_many_steps_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[range] = []

    class Resident(TinyTask):
        def settle(self, device: torch.device) -> bool:
            return True

        def several(self, size: int, seed: int, steps: range, rows: list[range]) -> list[list[dict[str, Tensor]]]:
            made.append(steps)
            return [draw(self, size, seed, step, rows) for step in steps]

    monkeypatch.setattr("training.train.loader.TOGETHER", 12)
    source, alone = BatchSource(Resident(), 4, 0, ROWS, CPU), BatchSource(TinyTask(), 4, 0, ROWS, CPU)
    for step in (5, 5, 6, 7, 8, 2):
        assert_equal(source(step), alone(step))
    assert made == [range(5, 8), range(8, 11), range(2, 5)]
    large = BatchSource(Resident(), 16, 0, [range(16)], CPU)
    large(0)
    assert made[-1] == range(1)
    source.close()


def test_slices_on_the_device_give_the_same_batches(task: DiffusionTask) -> None:
    referee = RefereeTask.__new__(RefereeTask)
    referee.settings, referee._resident = RefereeSettings(size=(32, 48)), None
    rng = np.random.default_rng(0)
    shapes = [(5, 30, 50), (4, 36, 40)]
    referee.cases = [
        RefereeCase(str(k), rng.normal(size=s).astype(np.float32), rng.integers(0, 5, s).astype(np.uint8))
        for k, s in enumerate(shapes)
    ]
    referee.index()
    for one in (task, referee):
        for step, parts in zip((3, 9), one.several(4, 1, (3, 9), ROWS), strict=True):
            assert_equal(parts, [one.batch_rows(4, 1, step, part) for part in ROWS])


@pytest.mark.parametrize("free", [1, 10**12])
def test_slices_settle_on_a_gpu_with_room(task: DiffusionTask, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    copied = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, free))
    table = task.slices.table

    def host(window: tuple[slice, ...], device: torch.device) -> tuple[Tensor, Tensor]:
        copied.append(device)
        return table(window, CPU)

    monkeypatch.setattr(task.slices, "table", host)
    monkeypatch.setattr(task, "_resident", None)
    assert not task.settle(CPU)
    assert task.settle(torch.device("cuda")) is (free > task.nbytes * 2)
    assert copied == [torch.device("cuda")] * (free > 1)


def test_m5_settles_on_a_gpu_with_room(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = InpaintTask(prepared, train_ids=SPLITS["train"], val_ids=[], settings=InpaintSettings(crop=32))
    need, cuda, moved = task.sampler.data.nbytes, torch.device("cuda"), []
    assert not task.settle(CPU)
    monkeypatch.setattr(task.sampler.data, "to", moved.append)
    for free, wanted in ((2 * need - 1, []), (2 * need, [cuda])):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10 * need))
        assert not task.settle(cuda)  # nothing really moved
        assert moved == wanted
    rows = [range(0, 4, 2), range(1, 4, 2)]
    source = BatchSource(task, 4, 0, rows, CPU, workers=1)
    assert_equal(source(1), BatchSource(task, 4, 0, rows, CPU)(1))
    source.close()


def test_how_many_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert default_workers(CPU) == 0
    cuda = torch.device("cuda")
    assert [default_workers(cuda, n) for n in (1, 2, 8, 32)] == [12, 7, 1, 1]

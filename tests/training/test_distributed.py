"""Several processes give what one gives with the same global batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from seg_editor.errors import UsageError
from tests.training.distributed_run import SETTINGS, Blur
from tests.training.slice_data import write_slices
from tests.training.tasks import tensors
from training.train.loader import BatchSource
from training.train.loop import train
from training.train.parallel import LossModule, Parallel


def process(rank: int, world: int) -> Parallel:
    """One of several, without a group."""
    one = Parallel("cpu")
    one.rank, one.world = rank, world
    return one


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (2, 1), (2, 2), (4, 3)])
def test_every_row_goes_to_one_process(world: int, accumulate: int) -> None:
    rows = [process(rank, world).rows(24, accumulate) for rank in range(world)]
    assert sorted(row for parts in rows for part in parts for row in part) == list(range(24))
    assert {len(part) for parts in rows for part in parts} == {24 // world // accumulate}


def test_a_batch_that_cannot_be_shared() -> None:
    with pytest.raises(UsageError, match=r"a batch of 6 cannot be shared by 4 processes x 1 parts\. .*that 4 divides"):
        process(0, 4).rows(6, 1)


def test_the_mean_gradient_of_two_processes_is_that_of_one() -> None:
    """The short version: what the processes would average, computed one after the other."""
    task = Blur()
    torch.manual_seed(0)
    model = task.build()

    def gradients(rank: int, world: int) -> list[torch.Tensor]:
        rows = process(rank, world).rows(SETTINGS.batch, 1)
        (batch,) = BatchSource(task, SETTINGS.batch, 0, rows, torch.device("cpu"))(7)
        model.zero_grad()
        loss, _ = LossModule(task, model)(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    whole = gradients(0, 1)
    for one, two, all_ in zip(gradients(0, 2), gradients(1, 2), whole, strict=True):
        torch.testing.assert_close((one + two) / 2, all_)


def test_one_process_needs_no_group() -> None:
    alone = Parallel("cpu")
    assert alone.main
    assert (alone.mean({"a": 1.0}), alone.agree("budget"), alone.agree(None)) == ({"a": 1.0}, "budget", None)
    alone.wait()
    alone.close()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "stats.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_train_like_one(tmp_path: Path) -> None:
    """Launched as ``accelerate launch`` does it: gloo on the CPU, one environment a process."""
    port = free_port()
    common = os.environ | {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.training.distributed_run", str(tmp_path / "two")]
    started = [
        subprocess.Popen(
            command, cwd=root, text=True, stdout=subprocess.PIPE, env=common | {"RANK": str(r), "LOCAL_RANK": str(r)}
        )
        for r in range(2)
    ]
    try:
        told = [p.communicate(timeout=900)[0] for p in started]
    finally:
        for p in started:
            p.kill()
    assert [p.returncode for p in started] == [0, 0]
    assert all(json.loads(t.splitlines()[-1]) == {"step": 50, "reason": "done"} for t in told)
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2

    train(Blur(), SETTINGS, tmp_path / "one", device="cpu")
    one, two = (next(r for r in records(tmp_path / n) if r["kind"] == "train") for n in ("one", "two"))
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)
    weights = [tensors(tmp_path / n / "last.safetensors") for n in ("one", "two")]
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_accelerate_launch_trains_a_diffusion_model_like_one_process(tmp_path: Path) -> None:
    data = write_slices(tmp_path / "data", size=32)
    words = ["train", "--model", "m3c", "--data", str(data), "--steps", "3", "--batch", "4", "--amp", "off"]
    words += ["--device", "cpu", "--threads", "1", "--wandb", "off"]
    # its launcher of several processes; with --cpu accelerate starts one, unless there is MPI
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(free_port())]
    for name, start in (("one", []), ("two", launch)):
        done = subprocess.run(
            [sys.executable, *start, "-m", "training.cli", *words, "--out", str(tmp_path / name)],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count('"reason": "done"') == 1
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2
    for kind, figure in (("train", "loss"), ("train", "grad_norm"), ("validate", "val_loss")):
        one, two = (next(r for r in records(tmp_path / n) if r["kind"] == kind) for n in ("one", "two"))
        assert two[figure] == pytest.approx(one[figure], rel=1e-4)

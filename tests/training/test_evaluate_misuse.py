"""``seg-train evaluate`` where something is wrong: one line with the remedy, and nothing is lost."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from seg_editor.errors import UsageError
from tests.threads import one_thread, single_thread  # noqa: F401
from tests.training.evaluating import IDS, rows_of, run
from training.evaluate import job
from training.evaluate.methods import BaselineMethod
from training.evaluate.subject import Subject


def test_stopping_is_one_line(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.evaluate.methods.SourceMethod.make", stop)
    assert run(installed, tmp_path) == 130
    assert capsys.readouterr().err.strip() == "seg-train: stopped; the same command goes on from here"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--baselines", "magic"), "there is no baseline magic"),
        (("--only", "BraTS2021_1"), "BraTS2021_1 is not in the split test"),
        (("--models", "m4"), "m4 makes no pictures"),
        (("--models", "m9"), "there is no model m9"),
        (("--seeds", "0"), "seeds and steps must be positive"),
        (("--split", "val"), "nothing to evaluate"),
    ],
)
def test_bad_input_is_one_line(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
) -> None:
    assert run(installed, tmp_path, *more) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("seg-train: ")
    assert message in error


def test_a_case_that_cannot_be_read_is_left_out(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = tmp_path / "splits.json"
    splits.write_text(json.dumps({"train": [], "val": [], "test": [IDS[0], "BraTS2021_90009"]}))
    more = ("--splits", str(splits), "--models", "", "--baselines", "harmonic")
    assert run(installed, tmp_path / "out", *more) == 3
    assert "BraTS2021_90009" in capsys.readouterr().err
    assert {r["n_patients"] for r in rows_of(tmp_path / "out")} == {1}


@pytest.mark.parametrize("error", [UsageError("the brain is too large"), RuntimeError("the brain is too large")])
def test_a_case_that_a_model_cannot_take_is_left_out(
    installed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    make = BaselineMethod.make

    def refuse(self: BaselineMethod, subject: Subject, *rest: Any) -> Any:
        if subject.case.case_id == IDS[1]:
            raise error
        return make(self, subject, *rest)

    monkeypatch.setattr(BaselineMethod, "make", refuse)
    assert run(installed, tmp_path, "--models", "", "--baselines", "harmonic") == 3
    assert "the brain is too large" in capsys.readouterr().err
    assert {r["n_patients"] for r in rows_of(tmp_path)} == {1}


def test_a_damaged_result_is_made_again(installed: Path, finished: Path) -> None:
    before = (finished / "table2.json").read_text()
    sorted((finished / "cache").glob("*.npz"))[0].write_bytes(b"PK broken")
    assert run(installed, finished) == 0
    assert (finished / "table2.json").read_text() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--workers", "0"), "workers and slices must be positive. Change --workers or --limit-slices."),
        (("--limit-slices", "-1"), "workers and slices must be positive"),
        (("--tissue", "nowhere"), "nowhere: there is no such folder. Name the folder of the tissue maps"),
        (("--reference", "nowhere"), "nowhere: there is no such folder. Run seg-train reference first"),
        (("--splits", "nowhere.json"), "holds no train, val and test lists (no such file or directory)"),
        (("--inception", "nowhere.pt"), "nowhere.pt is no TorchScript module"),
    ],
)
def test_folders_that_are_not_there_are_one_line(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
) -> None:
    assert run(installed, tmp_path / "out", *more) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("seg-train: ")
    assert message in line


def test_a_file_in_the_way_is_one_line(installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("in the way")
    assert run(installed, tmp_path / "out") == 2
    assert capsys.readouterr().err.strip() == f"seg-train: {tmp_path / 'out'}: file exists. Name a folder."
    assert run(installed, tmp_path / "out" / "deeper") == 2
    assert capsys.readouterr().err.strip().endswith("not a directory. Name a folder.")


def test_a_full_disk_ends_the_run_and_says_so(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, *_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(job, "_save", full)
    assert run(installed, tmp_path, "--models", "", "--baselines", "harmonic") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("no space left on device. Free some space and give the same command again.")
    monkeypatch.undo()
    monkeypatch.setattr("seg_editor.generation.registry.resource_path", lambda *parts: installed.joinpath(*parts))
    assert run(installed, tmp_path, "--models", "", "--baselines", "harmonic") == 0


def test_two_runs_in_one_folder_leave_the_same_table(installed: Path, tmp_path: Path) -> None:
    both = [
        threading.Thread(target=run, args=(installed, tmp_path, "--models", "", "--baselines", "harmonic"))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    text = (tmp_path / "table2.json").read_text()
    assert run(installed, tmp_path, "--models", "", "--baselines", "harmonic") == 0
    assert (tmp_path / "table2.json").read_text() == text
    assert not list(tmp_path.rglob(".*.part"))


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_makes_the_same(installed: Path, tmp_path: Path, finished: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        words = ("--models", "", "--baselines", "harmonic", "--scheduler", cluster.scheduler_address)
        assert run(installed, tmp_path, *words) == 0
    both = [rows_of(folder, model="harmonic", mode="healthy-hole") for folder in (tmp_path, finished)]
    assert both[0] == both[1]

"""A save in three parts, with edits in between, and what a killed save leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seg_editor.cases.write import remove_leftovers
from seg_editor.errors import ExportError
from seg_editor.session import Workspace
from tests.session.steps import crash, dab

Opener = Callable[[], Workspace]


def test_steps_made_while_saving_survive_a_crash(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(dab(8))
    first.apply(dab(10, value=2))
    job = first.begin_save()
    first.apply(dab(14, value=4))
    first.undo()
    first.undo()
    first.apply(dab(16, value=4))
    written = job.run()
    first.end_save(job, written)
    assert first.dirty
    labels = first.segmentation.labels.copy()
    crash(first)
    second = open_workspace()
    assert second.recovery is not None
    second.recover()
    np.testing.assert_array_equal(second.segmentation.labels, labels)


def test_a_crash_in_the_middle_of_a_save_loses_nothing(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(dab(8))
    job = first.begin_save()
    first.apply(dab(14, value=4))
    labels = first.segmentation.labels.copy()
    crash(first)
    second = open_workspace()
    second.recover()
    np.testing.assert_array_equal(second.segmentation.labels, labels)
    crash(second)
    job.run()  # the file arrived, the program died before it could say so
    third = open_workspace()
    assert third.segmentation.labels[8, 5, 3] == 1


def test_a_save_that_fails_leaves_the_journal_whole(open_workspace: Opener, tmp_path: Path) -> None:
    first = open_workspace()
    first.apply(dab(8))
    with pytest.raises(ExportError):
        first.save_segmentation(tmp_path / "missing" / "x.nii.gz")
    first.apply(dab(12))
    labels = first.segmentation.labels.copy()
    crash(first)
    second = open_workspace()
    assert second.recover() == 2
    np.testing.assert_array_equal(second.segmentation.labels, labels)


def test_the_tissue_map_has_its_own_undo_and_journal(open_workspace: Opener) -> None:
    first = open_workspace()
    tissue = first.case.brain.astype(np.uint8) * 2
    first.set_tissue(tissue)
    first.apply(dab(8))
    first.view.on_tissue = True
    first.apply(dab(12, value=3))
    assert first.history.names == ("Paint",)
    assert first.tissue is not None
    assert first.tissue.history.names == ("Paint",)
    edited = first.tissue.segmentation.labels.copy()
    first.undo()
    first.redo()
    assert first.tissue.history.can_undo
    assert not np.array_equal(edited, tissue)
    crash(first)
    second = open_workspace()
    assert second.recovery is not None
    second.set_tissue(tissue)
    assert second.tissue is not None
    assert second.tissue.recover() == 1
    np.testing.assert_array_equal(second.tissue.segmentation.labels, edited)
    assert second.recover() == 1


def leave(folder: Path, name: str, age: float) -> Path:
    path = folder / name
    path.write_bytes(b"torn")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_only_own_and_old_leftovers_go(tmp_path: Path) -> None:
    target = tmp_path / "case_seg.nii.gz"
    old = leave(tmp_path, ".case_seg.nii.gz.0123abcd.part", 1e6)
    kept = [
        leave(tmp_path, ".case_seg.nii.gz.0123abce.part", -60.0),
        leave(tmp_path, ".case_t1.nii.gz.0123abcd.part", 1e6),
        leave(tmp_path, ".case_seg.nii.gz.nothex!!.part", 1e6),
        leave(tmp_path, "case_seg.nii.gz.0123abcd.part", 1e6),
        leave(tmp_path, ".case_seg.nii.gz.0123abcd.part.bak", 1e6),
    ]
    assert remove_leftovers(target) == [old]
    assert all(path.exists() for path in kept)
    assert remove_leftovers(tmp_path / "no" / "folder.nii.gz") == []


def test_opening_a_case_cleans_up_after_a_killed_save(case_folder: Path, journals: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import seg_editor.cases.write as write\n"
        "from seg_editor.session import Workspace\n"
        "from tests.session.steps import dab\n"
        "write._compare = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "w = Workspace.open(Path(sys.argv[1]), journal_folder=Path(sys.argv[2]))\n"
        "w.apply(dab(8)); w.save_segmentation()\n"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", script, str(case_folder), str(journals)]
    done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = case_folder.glob(".*.part")
    os.utime(left, (0, 0))  # as after a new start of the program: this process is older than the killed one
    workspace = Workspace.open(case_folder, journal_folder=journals)
    assert list(case_folder.glob(".*.part")) == []
    assert workspace.recover() == 1
    workspace.close()

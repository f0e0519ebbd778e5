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
from seg_editor.errors import ExportError, UsageError
from seg_editor.session import Workspace
from seg_editor.session.layer import Layer
from tests.session.steps import crash, dab

Opener = Callable[[], Workspace]


def test_steps_made_while_saving_survive_a_crash(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(dab(8))
    first.apply(dab(10, value=2))
    job = first.begin_save(first.tumor)
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
    job = first.begin_save(first.tumor)
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


def with_tissue(workspace: Workspace) -> Layer:
    """A tissue map with one edit."""
    workspace.set_tissue(workspace.case.brain.astype(np.uint8) * 2)
    workspace.view.on_tissue = True
    workspace.apply(dab(8))
    assert workspace.tissue is not None
    return workspace.tissue


def test_no_layer_is_saved_into_a_file_of_the_other(open_workspace: Opener, tmp_path: Path) -> None:
    workspace = open_workspace()
    tissue, home = with_tissue(workspace), workspace.segmentation_path
    before = home.read_bytes()
    workspace.save_segmentation(tmp_path / "elsewhere.nii.gz")
    detour = home.parent / ".." / home.parent.name / home.name
    for path in (home, detour, tmp_path / "elsewhere.nii.gz", tmp_path / "Elsewhere.nii.gz"):
        with pytest.raises(ExportError, match="the file of the segmentation. Choose another name"):
            workspace.begin_save(tissue, path)
    with pytest.raises(ExportError, match="the file of the tissue map"):
        workspace.save_segmentation(workspace.tissue_path)
    assert home.read_bytes() == before
    assert tissue.dirty


def test_the_file_of_a_tissue_map_is_kept_while_there_is_no_map(workspace: Workspace) -> None:
    with pytest.raises(ExportError, match="the file of the tissue map"):
        workspace.save_segmentation(workspace.tissue_path)


def test_two_layers_cannot_be_saved_into_one_file_at_once(workspace: Workspace, tmp_path: Path) -> None:
    tissue, both = with_tissue(workspace), tmp_path / "both.nii.gz"
    job = workspace.begin_save(workspace.tumor, both)
    with pytest.raises(ExportError, match="the file of the segmentation"):
        workspace.begin_save(tissue, both)
    workspace.end_save(job, None)
    job = workspace.begin_save(tissue, both)
    workspace.end_save(job, job.run())
    assert workspace.tissue_path == both


def test_a_layer_that_was_replaced_is_not_saved(workspace: Workspace) -> None:
    old = with_tissue(workspace)
    with_tissue(workspace)
    with pytest.raises(UsageError, match="this tissue map was replaced meanwhile"):
        workspace.begin_save(old)


def test_steps_on_a_tissue_map_saved_elsewhere_fit_the_computed_one(open_workspace: Opener, tmp_path: Path) -> None:
    first = open_workspace()
    tissue = with_tissue(first)
    job = first.begin_save(tissue, tmp_path / "elsewhere.nii.gz")
    first.end_save(job, job.run())
    first.apply(dab(10, value=3))
    crash(first)
    second = open_workspace()
    second.find_tissue_steps()
    assert second.tissue_left is not None
    second.set_tissue(second.case.brain.astype(np.uint8) * 2)
    assert second.tissue_left is None
    assert second.tissue is not None
    assert second.tissue.recover() == 2
    np.testing.assert_array_equal(second.tissue.segmentation.labels, tissue.segmentation.labels)


def test_steps_on_the_saved_tissue_map_wait_for_it(open_workspace: Opener, journals: Path) -> None:
    first = open_workspace()
    tissue = with_tissue(first)
    job = first.begin_save(tissue)
    first.end_save(job, job.run())
    first.apply(dab(10, value=3))
    crash(first)
    second = open_workspace()
    second.find_tissue_steps()
    second.set_tissue(second.case.brain.astype(np.uint8) * 2)
    assert second.tissue is not None
    assert second.tissue.recovery is None
    assert second.tissue_left is not None
    assert second.tissue_left.file == str(second.tissue_path)
    second.open_tissue()
    assert second.tissue_left is None
    assert second.tissue.recover() == 1
    np.testing.assert_array_equal(second.tissue.segmentation.labels, tissue.segmentation.labels)
    crash(second)
    third = open_workspace()
    third.find_tissue_steps()
    assert third.tissue_left is not None
    assert third.tissue_left.file == str(third.tissue_path)
    third.set_tissue(third.case.brain.astype(np.uint8))
    third.dismiss_tissue_steps()
    assert list(journals.glob("*.journal")) == []

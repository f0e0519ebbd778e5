"""Saving beside the GUI thread: nothing lost, nothing claimed that is not on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QMessageBox, QPushButton

from seg_editor.cases import open_case, read_labels
from seg_editor.editing import RemoveTumor
from seg_editor.errors import ExportError
from seg_editor.session import Workspace
from seg_editor.session.saving import Save, Written
from seg_editor.ui.case_actions import CANCEL, DISCARD, SAVE
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.saves import REPLACE, SAVE_AS, SAVE_EMPTY, SAVE_LESS
from tests.session.steps import crash, dab
from tests.tiny import make_case
from tests.ui.conftest import Hands

Wait = Callable[[Callable[[], bool]], None]
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Saves wait until this is set."""
    opened, run = threading.Event(), Save.run

    def slow(job: Save) -> Written:
        assert opened.wait(10)
        return run(job)

    monkeypatch.setattr(Save, "run", slow)
    return opened


def labels_on_disk(folder: Path) -> np.ndarray:
    case = open_case(folder)
    assert case.labels is not None
    return case.labels.raw


def test_painting_goes_on_while_a_save_runs_and_stays_unsaved(hands: Hands, gate: threading.Event, wait: Wait) -> None:
    workspace = hands.workspace
    workspace.apply(dab(8))
    saved = workspace.segmentation.labels.copy()
    hands.key(Qt.Key.Key_S, CTRL)
    assert hands.window.cases.saves.running
    wait(lambda: not hands.window.actions_table["save"].isEnabled())
    assert "being saved" in hands.window.actions_table["save"].toolTip()
    workspace.apply(dab(20))
    gate.set()
    wait(lambda: not hands.window.cases.saves.running)
    assert workspace.dirty
    assert "not in it" in hands.window.errors.message
    assert np.array_equal(labels_on_disk(workspace.case.folder), saved)
    workspace.undo()
    assert not workspace.dirty


def test_closing_waits_for_the_save(hands: Hands, gate: threading.Event) -> None:
    workspace, folder = hands.workspace, hands.workspace.case.folder
    workspace.apply(dab(8))
    labels = workspace.segmentation.labels.copy()
    hands.key(Qt.Key.Key_S, CTRL)
    threading.Timer(0.2, gate.set).start()
    assert hands.window.close()
    assert np.array_equal(labels_on_disk(folder), labels)


def test_a_save_that_fails_while_closing_keeps_the_window(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: Save) -> Written:
        raise ExportError("the disk is full", path=job.path)

    monkeypatch.setattr(Save, "run", fail)
    hands.workspace.apply(dab(8))
    hands.window.cases.ask = lambda _purpose: SAVE
    assert not hands.window.close()
    assert hands.workspace.dirty
    assert "disk is full" in hands.window.errors.message
    hands.window.cases.ask = lambda _purpose: DISCARD


def test_a_second_save_while_one_runs_changes_nothing(hands: Hands, gate: threading.Event, wait: Wait) -> None:
    hands.workspace.apply(dab(8))
    assert hands.window.cases.saves.save()
    assert not hands.window.cases.saves.save()
    gate.set()
    wait(lambda: not hands.workspace.dirty)


def test_save_and_close_writes_tumor_and_tissue(hands: Hands) -> None:
    workspace = hands.workspace
    workspace.set_tissue(workspace.case.brain.astype(np.uint8))
    workspace.apply(dab(8))
    workspace.view.on_tissue = True
    workspace.apply(dab(12, value=3))
    assert workspace.tissue is not None
    tissue = workspace.tissue.segmentation.labels.copy()
    hands.window.cases.ask = lambda _purpose: SAVE
    assert hands.window.close()
    assert not workspace.dirty
    assert workspace.tissue_path.name == f"{workspace.case.case_id}_tissue.nii.gz"
    assert np.array_equal(read_labels(workspace.tissue_path).raw, tissue)
    hands.window.cases.ask = lambda _purpose: DISCARD


@pytest.mark.parametrize("choice", ["", SAVE_EMPTY])
def test_saving_without_tumor_over_a_tumor_asks(hands: Hands, choice: str, wait: Wait) -> None:
    workspace, asked = hands.workspace, []
    path = workspace.segmentation_path
    before, tumor = path.read_bytes(), workspace.segmentation.labels.copy()
    hands.window.cases.confirm = lambda _text, _detail, choices: (asked.append(tuple(choices)), choice)[1]
    workspace.apply(RemoveTumor())
    hands.key(Qt.Key.Key_S, CTRL)
    wait(lambda: not hands.window.cases.saves.running)
    assert asked == [(SAVE_AS, SAVE_EMPTY)]
    assert workspace.dirty is (choice == "")
    assert (path.read_bytes() == before) is (choice == "")
    if choice:
        assert path.with_name(f"{path.name}.bak").read_bytes() == before
        hands.window.cases.confirm = lambda *_: pytest.fail("nothing is lost any more")
        workspace.undo()
        assert np.array_equal(workspace.segmentation.labels, tumor)
        hands.key(Qt.Key.Key_S, CTRL)
        wait(lambda: not workspace.dirty)
    assert np.array_equal(labels_on_disk(workspace.case.folder), tumor)


@pytest.mark.parametrize("choice", ["", SAVE_LESS])
def test_saving_a_single_stroke_over_a_tumor_asks_and_says_how_much_is_lost(
    hands: Hands, choice: str, wait: Wait
) -> None:
    workspace, asked = hands.workspace, []
    path, z = workspace.segmentation_path, workspace.view.cursor[2]
    before, held = path.read_bytes(), np.count_nonzero(workspace.segmentation.labels)
    hands.window.cases.confirm = lambda _text, detail, choices: (asked.append((detail, tuple(choices))), choice)[1]
    hands.key(Qt.Key.Key_R, CTRL)
    wait(lambda: not workspace.segmentation.labels.any())
    hands.key(Qt.Key.Key_B)
    hands.drag([(8, 10, z), (9, 11, z)])
    left = np.count_nonzero(workspace.segmentation.labels)
    assert 0 < left < held / 2
    hands.key(Qt.Key.Key_S, CTRL)
    wait(lambda: not hands.window.cases.saves.running)
    ((detail, choices),) = asked
    held_ml, left_ml = (f"{volume:.2g} ml" if volume < 1 else f"{volume:.1f} ml" for volume in (held / 1e3, left / 1e3))
    assert f"{path.name} holds {held_ml} of tumor; {left_ml} would be left." in detail
    assert choices == (SAVE_AS, SAVE_LESS)
    assert workspace.dirty is (choice == "")
    assert (path.read_bytes() == before) is (choice == "")
    copy = path.with_name(f"{path.name}.bak")
    assert copy.exists() is bool(choice)
    if choice:
        assert copy.read_bytes() == before


def test_cancel_is_the_answer_of_enter_where_tumor_would_be_lost(hands: Hands) -> None:
    workspace, shown = hands.workspace, []
    before = workspace.segmentation_path.read_bytes()
    workspace.apply(RemoveTumor())
    workspace.apply(dab(8))

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        shown.append(box.defaultButton().text())
        QTest.keyClick(box, Qt.Key.Key_Return)

    QTimer.singleShot(0, answer)
    hands.key(Qt.Key.Key_S, CTRL)
    assert shown == ["Cancel"]
    assert not hands.window.cases.saves.running
    assert workspace.segmentation_path.read_bytes() == before


def test_closing_says_how_much_tumor_a_save_would_lose(hands: Hands) -> None:
    workspace, shown = hands.workspace, []
    workspace.apply(RemoveTumor())
    workspace.apply(dab(8))
    hands.window.cases.ask = hands.window.cases._ask

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        shown.append((box.defaultButton().text(), box.informativeText()))
        QTest.keyClick(box, Qt.Key.Key_Return)

    QTimer.singleShot(0, answer)
    assert not hands.window.close()
    hands.window.cases.ask = lambda _purpose: DISCARD
    ((button, detail),) = shown
    assert button == "Cancel"
    assert "ml would be left" in detail
    assert f"{workspace.segmentation_path.name}.bak" in detail


def test_the_file_that_was_there_is_kept_once_and_older_copies_stay(hands: Hands, wait: Wait) -> None:
    workspace = hands.workspace
    path = workspace.segmentation_path
    before, older = path.read_bytes(), path.with_name(f"{path.name}.bak")
    older.write_bytes(b"the copy of another day")
    hands.key(Qt.Key.Key_B)
    z = workspace.view.cursor[2]
    for x in (8, 12):
        hands.drag([(x, 10, z), (x, 11, z)])
        hands.key(Qt.Key.Key_S, CTRL)
        wait(lambda: not workspace.dirty)
        kept = f"Saved {path.name}, the one before is kept as {path.name}.bak2."
        assert hands.window.errors.message == (kept if x == 8 else f"Saved {path.name}.")
    assert older.read_bytes() == b"the copy of another day"
    assert path.with_name(f"{path.name}.bak2").read_bytes() == before
    assert len(list(path.parent.glob("*.bak*"))) == 2


def test_a_tissue_map_of_another_session_is_not_replaced_unasked(hands: Hands, wait: Wait) -> None:
    workspace, asked = hands.workspace, []
    workspace.tissue_path.write_bytes(b"the map of another day")
    workspace.set_tissue(workspace.case.brain.astype(np.uint8))
    hands.window.cases.confirm = lambda text, _detail, _choices: (asked.append(text), "")[1]
    assert not hands.window.cases.saves.save_tissue()
    assert workspace.tissue_path.name in asked[0]
    assert workspace.tissue_path.read_bytes() == b"the map of another day"
    hands.window.cases.confirm = lambda _text, _detail, _choices: REPLACE
    assert hands.window.cases.saves.save_tissue()
    wait(lambda: not hands.window.cases.saves.running)
    hands.window.cases.confirm = lambda *_: pytest.fail("it is this session's own")
    assert hands.window.cases.saves.save_tissue()
    wait(lambda: not hands.window.cases.saves.running)
    assert np.array_equal(read_labels(workspace.tissue_path).raw, workspace.case.brain)


def test_a_saved_tissue_map_is_offered_with_its_unsaved_edits(
    window: MainWindow, big_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    before = Workspace.open(big_case)
    before.set_tissue(before.case.brain.astype(np.uint8))
    assert before.tissue is not None
    before.view.on_tissue = True
    before.apply(dab(20, value=3))
    job = before.begin_save(before.tissue)
    before.end_save(job, job.run())
    saved = before.tissue.segmentation.labels.copy()
    before.apply(dab(30, value=2))
    edited = before.tissue.segmentation.labels.copy()
    crash(before)
    made = SimpleNamespace(labels=before.case.brain.astype(np.uint8) * 2)
    monkeypatch.setattr("seg_editor.anatomy.tissue.tissue_map", lambda *_args, **_options: made)
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    assert window.workspace is not None
    window.tissue.start()
    wait(lambda: window.tissue.labels is not None)
    choices = {b.text(): b for b in window.errors.findChildren(QPushButton)}
    choices["Use the saved map"].click()
    tissue = window.workspace.tissue
    assert tissue is not None
    assert np.array_equal(tissue.segmentation.labels, saved)
    assert not tissue.dirty
    window.cases.recover()
    assert np.array_equal(tissue.segmentation.labels, edited)
    window.cases.confirm = lambda *_: pytest.fail("it was read in this session")
    assert window.cases.saves.save_tissue()
    wait(lambda: not window.cases.saves.running)


@pytest.fixture
def slow_opening(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The next case opens only when this is set."""
    reading, read = threading.Event(), Workspace.open

    def slow(*args: object, **options: object) -> Workspace:
        assert reading.wait(10)
        return read(*args, **options)

    monkeypatch.setattr(Workspace, "open", slow)
    return reading


def opening_ended(window: MainWindow) -> bool:
    return not window.cases.loading


@pytest.mark.parametrize("choice", [CANCEL, DISCARD, SAVE])
def test_edits_made_while_the_next_case_is_read_are_asked_about(
    hands: Hands, tmp_path: Path, slow_opening: threading.Event, choice: str, wait: Wait
) -> None:
    cases, old, asked = hands.window.cases, hands.workspace, []
    folder = old.case.folder
    cases.open(make_case(tmp_path / "BraTS2021_90003"))
    cases.ask = lambda purpose: (asked.append(purpose), choice)[1]
    old.apply(dab(8))
    labels = old.segmentation.labels.copy()
    slow_opening.set()
    wait(lambda: opening_ended(hands.window))
    assert asked == ["open another case"]
    assert (hands.window.workspace is old) is (choice == CANCEL)
    assert np.array_equal(labels_on_disk(folder), labels) is (choice == SAVE)
    cases.ask = lambda _purpose: DISCARD


def test_edits_given_up_before_are_not_asked_about_twice(
    hands: Hands, tmp_path: Path, slow_opening: threading.Event, wait: Wait
) -> None:
    asked: list[str] = []
    hands.window.cases.ask = lambda purpose: (asked.append(purpose), DISCARD)[1]
    old = hands.workspace
    old.apply(dab(8))
    hands.window.cases.open(make_case(tmp_path / "BraTS2021_90003"))
    slow_opening.set()
    wait(lambda: hands.window.workspace is not old)
    assert len(asked) == 1


def test_opening_the_same_case_again_shows_what_was_saved_meanwhile(
    hands: Hands, slow_opening: threading.Event, wait: Wait
) -> None:
    cases, old = hands.window.cases, hands.workspace
    cases.open(old.case.folder)
    old.apply(dab(8))
    labels = old.segmentation.labels.copy()
    cases.ask = lambda _purpose: SAVE
    slow_opening.set()
    wait(lambda: hands.window.workspace is not old)
    assert np.array_equal(hands.workspace.segmentation.labels, labels)
    cases.ask = lambda _purpose: DISCARD


def test_a_path_that_is_not_there_is_said_before_anything_is_asked(hands: Hands, tmp_path: Path) -> None:
    hands.workspace.apply(dab(8))
    hands.window.cases.ask = lambda _purpose: pytest.fail("asked")
    hands.window.cases.open(tmp_path / "gone")
    assert "no such file" in hands.window.errors.message
    hands.window.cases.ask = lambda _purpose: DISCARD


KILLED = """
import os, signal, sys
from pathlib import Path
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from seg_editor.ui.app import make_application, make_window
from seg_editor.ui.preferences import Preferences
from tests.ui.conftest import Hands
from tests.ui.fake import FakeBackend

app = make_application()
window = make_window(app, backend=FakeBackend(), preferences=Preferences(Path(sys.argv[2])), theme="dark")
window.show()
window.cases.open(Path(sys.argv[1]))
while window.workspace is None:
    QTest.qWait(5)
hands = Hands(window)
z = window.workspace.view.cursor[2]
hands.key(Qt.Key.Key_B)
for x in (8, 14, 20):
    hands.drag([(x, 10, z), (x + 3, 14, z)])
labels = window.workspace.segmentation.labels.tobytes()
hands.drag([(30, 10, z), (40, 14, z)], release=False)
assert labels != window.workspace.segmentation.labels.tobytes()
Path(sys.argv[3]).write_bytes(labels)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_window_loses_only_the_running_stroke(
    window: MainWindow, big_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    root, expected = Path(__file__).resolve().parents[2], tmp_path / "labels"
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    command = [sys.executable, "-c", KILLED, str(big_case), str(tmp_path / "other.ini"), str(expected)]
    done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    assert window.workspace is not None
    restore = next(b for b in window.errors.findChildren(QPushButton) if b.text() == "Restore the edits")
    restore.click()
    assert window.workspace.segmentation.labels.tobytes() == expected.read_bytes()
    assert window.workspace.history.names == ("Paint",) * 3
    assert window.workspace.dirty

"""The edits that a crash left behind: offered until answered, restored over later edits, never lost to a save."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QPushButton

from seg_editor.anatomy import tissue
from seg_editor.errors import CaseError
from seg_editor.session import Workspace
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.recovery import COMPUTE, DISCARD, RESTORE, SAVE_WITHOUT, TAKE_BACK, said_time
from seg_editor.ui.saves import WAITING
from tests.session.steps import crash, dab
from tests.ui.conftest import LEFT, Hands, settle

Wait = Callable[[Callable[[], bool]], None]
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def left(
    window: MainWindow, big_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait, qtbot: object
) -> np.ndarray:
    """Labels of a session that crashed; its case is open again."""
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    before = Workspace.open(big_case)
    before.apply(dab(8))
    before.apply(dab(14))
    labels = before.segmentation.labels.copy()
    crash(before)
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    return labels


def answer(window: MainWindow, choice: str) -> list[tuple[str, ...]]:
    """Answer every question with `choice`, or as it wants where that is none; return the choices that were given."""
    seen: list[tuple[str, ...]] = []

    def confirm(_text: str, _detail: str, choices: Sequence[str]) -> str:
        seen.append(tuple(choices))
        return choices[0] if choice and choice not in choices else choice

    window.cases.confirm = confirm
    return seen


def button(window: MainWindow, text: str) -> QPushButton:
    """A choice in the bar."""
    return next(b for b in window.errors.findChildren(QPushButton) if b.text() == text and b.isVisible())


def labels(window: MainWindow) -> np.ndarray:
    assert window.workspace is not None
    return window.workspace.segmentation.labels


def test_restore(window: MainWindow, left: np.ndarray) -> None:
    button(window, RESTORE).click()
    assert np.array_equal(labels(window), left)
    assert "2 unsaved steps" in window.errors.message


def test_the_offer_says_how_many_edits_and_from_when(window: MainWindow, left: np.ndarray) -> None:
    assert window.workspace is not None
    recovery = window.workspace.recovery
    assert recovery is not None
    newest = said_time(datetime.fromtimestamp(recovery.when), datetime.now())
    said = f"The last session left 2 edits of the segmentation unsaved (last edit: {newest})."
    assert window.errors.text.text() == said


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (datetime(2026, 3, 12, 14, 32), "today 14:32"),
        (datetime(2026, 3, 12, 0, 5), "today 00:05"),
        (datetime(2026, 3, 11, 23, 59), "yesterday 23:59"),
        (datetime(2026, 3, 10, 9, 0), "2026-03-10 09:00"),
    ],
)
def test_times_are_said_as_a_person_would(when: datetime, said: str) -> None:
    assert said_time(when, datetime(2026, 3, 12, 23, 0)) == said


def test_a_save_without_edits_leaves_the_offer(window: MainWindow, left: np.ndarray) -> None:
    assert window.workspace is not None
    path = window.workspace.segmentation_path
    before = path.read_bytes()
    window.cases.confirm = lambda *_: pytest.fail("nothing is saved")
    Hands(window).key(Qt.Key.Key_S, CTRL)
    assert not window.cases.saves.running
    assert window.status.readout.text() == WAITING
    assert path.read_bytes() == before
    button(window, RESTORE).click()
    assert np.array_equal(labels(window), left)


def test_the_offer_outlives_other_messages(window: MainWindow, left: np.ndarray) -> None:
    window.errors.show_note("Something else.")
    window.errors.show_error("And this failed.")
    assert "failed" in window.errors.message
    window.errors.close_button.click()
    button(window, RESTORE).click()
    assert np.array_equal(labels(window), left)
    window.errors.close_button.click()
    assert not window.errors.isVisible()


def test_an_offer_put_away_is_still_in_the_menu(window: MainWindow, left: np.ndarray, qtbot: object) -> None:
    window.errors.close_button.click()
    assert not window.errors.isVisible()
    action = window.actions_table["recover"]
    assert action.isEnabled()
    action.trigger()
    assert np.array_equal(labels(window), left)
    settle(qtbot, window)
    assert not action.isEnabled()
    assert "nothing unsaved" in action.toolTip()


def test_discarded_for_good(window: MainWindow, left: np.ndarray, qtbot: object) -> None:
    button(window, "Discard them").click()
    settle(qtbot, window)
    assert not window.errors.isVisible()
    assert not window.actions_table["recover"].isEnabled()


def test_restoring_after_a_stroke_asks_and_takes_it_back(window: MainWindow, left: np.ndarray) -> None:
    assert window.workspace is not None
    window.workspace.apply(dab(24))
    painted = labels(window).copy()
    asked = answer(window, "")
    button(window, RESTORE).click()
    assert asked == [(TAKE_BACK,)]
    assert np.array_equal(labels(window), painted)
    answer(window, TAKE_BACK)
    button(window, RESTORE).click()
    assert np.array_equal(labels(window), left)
    assert len(window.workspace.history) == 2


@pytest.mark.parametrize("choice", ["", RESTORE, SAVE_WITHOUT])
def test_the_first_save_asks(window: MainWindow, left: np.ndarray, choice: str, wait: Wait, qtbot: object) -> None:
    assert window.workspace is not None
    workspace, hands = window.workspace, Hands(window)
    workspace.apply(dab(24))
    asked = answer(window, choice)
    hands.key(Qt.Key.Key_S, CTRL)
    wait(lambda: not window.cases.saves.running)
    assert asked == [(RESTORE, SAVE_WITHOUT), (TAKE_BACK,)][: 2 if choice == RESTORE else 1]
    assert (workspace.recovery is None) is (choice != "")
    assert workspace.dirty is (choice != SAVE_WITHOUT)
    assert np.array_equal(labels(window), left) is (choice == RESTORE)


def test_an_offer_goes_with_its_case(window: MainWindow, left: np.ndarray) -> None:
    assert window.cases.close()
    assert not window.errors.isVisible()


@pytest.fixture
def left_tissue(
    window: MainWindow, big_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait, qtbot: object
) -> np.ndarray:
    """Tissue map of a session that crashed; its case is open again, without a map."""
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    before = Workspace.open(big_case)
    computed = before.case.brain.astype(np.uint8) * 2
    before.set_tissue(computed)
    before.view.on_tissue = True
    before.apply(dab(8, value=1))
    assert before.tissue is not None
    edited = before.tissue.segmentation.labels.copy()
    crash(before)
    made = SimpleNamespace(labels=computed)
    monkeypatch.setattr("seg_editor.anatomy.tissue.tissue_map", lambda *_args, **_options: made)
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    return edited


def test_edits_of_a_tissue_map_are_offered_before_there_is_a_map(
    window: MainWindow, left_tissue: np.ndarray, wait: Wait
) -> None:
    assert window.workspace is not None
    assert "left 1 edit of the tissue map unsaved" in window.errors.message
    QTest.mouseClick(button(window, COMPUTE), LEFT)
    wait(lambda: window.tissue.labels is not None)
    assert "left 1 edit of the tissue map unsaved" in window.errors.message
    QTest.mouseClick(button(window, RESTORE), LEFT)
    layer = window.workspace.tissue
    assert layer is not None
    assert np.array_equal(layer.segmentation.labels, left_tissue)
    assert layer.dirty
    assert "tissue map unsaved" not in window.errors.message


def test_edits_of_a_tissue_map_are_discarded_before_there_is_a_map(
    window: MainWindow, left_tissue: np.ndarray, tmp_path: Path
) -> None:
    assert window.workspace is not None
    QTest.mouseClick(button(window, DISCARD), LEFT)
    assert not window.errors.isVisible()
    assert window.workspace.tissue_left is None
    assert list((tmp_path / "state").rglob("*.journal")) == []


@pytest.mark.parametrize("choice", ["", SAVE_WITHOUT])
def test_the_first_save_of_the_tissue_map_asks(
    window: MainWindow, left_tissue: np.ndarray, choice: str, wait: Wait
) -> None:
    workspace = window.workspace
    assert workspace is not None
    window.tissue.start()
    wait(lambda: window.tissue.labels is not None)
    layer = workspace.tissue
    assert layer is not None
    workspace.view.on_tissue = True
    workspace.apply(dab(24, value=1))
    asked = answer(window, choice)
    Hands(window).key(Qt.Key.Key_S, CTRL)
    wait(lambda: not window.cases.saves.running)
    assert asked == [(RESTORE, SAVE_WITHOUT)]
    assert (layer.recovery is None) is (choice == SAVE_WITHOUT)
    assert workspace.tissue_path.exists() is (choice == SAVE_WITHOUT)
    assert layer.dirty is (choice == "")


def press(window: MainWindow, text: str, wait: Wait) -> None:
    """Click a choice in the bar once it is there."""

    def found() -> list[QPushButton]:
        return [b for b in window.errors.findChildren(QPushButton) if b.text() == text and b.isVisible()]

    wait(lambda: bool(found()))
    QTest.mouseClick(found()[-1], LEFT)


def compute(window: MainWindow, wait: Wait) -> None:
    """Compute the tissue map as the bar offers, to the end."""
    press(window, COMPUTE, wait)
    wait(lambda: not window.tissue.running)


def test_the_offer_comes_back_when_the_map_cannot_be_computed(
    window: MainWindow, left_tissue: np.ndarray, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise CaseError("no tissue here")

    works = tissue.tissue_map
    monkeypatch.setattr(tissue, "tissue_map", broken)
    compute(window, wait)
    assert window.errors.message == "No tissue here."
    window.errors.close_button.click()
    assert "left 1 edit of the tissue map unsaved" in window.errors.message
    monkeypatch.setattr(tissue, "tissue_map", works)
    compute(window, wait)
    press(window, RESTORE, wait)
    assert window.errors.message == "1 unsaved step was restored."


def test_the_offer_comes_back_when_computing_is_cancelled(
    window: MainWindow, left_tissue: np.ndarray, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(tissue, "tissue_map", lambda *_args, **_options: ended.wait(10))
    press(window, COMPUTE, wait)
    assert not window.errors.isVisible()
    window.tissue.cancel()
    ended.set()
    assert "left 1 edit of the tissue map unsaved" in window.errors.message
    press(window, DISCARD, wait)
    window.tissue.start()
    window.tissue.cancel()
    assert not window.errors.isVisible()


def test_edits_that_do_not_fit_the_computed_map_are_not_forgotten(
    window: MainWindow, left_tissue: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    other = SimpleNamespace(labels=np.ones_like(left_tissue))
    monkeypatch.setattr(tissue, "tissue_map", lambda *_args, **_options: other)
    compute(window, wait)
    assert "left 1 edit of the tissue map unsaved" in window.errors.message
    assert window.errors.message.endswith(
        "It needs the map as it was computed then, not this map; the journal keeps it."
    )
    assert len(list((tmp_path / "state").rglob("*.journal"))) == 1
    press(window, DISCARD, wait)
    assert list((tmp_path / "state").rglob("*.journal")) == []


def test_edits_of_a_saved_map_name_its_file(
    window: MainWindow, big_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait, qtbot: object
) -> None:
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    looked: list[threading.Thread] = []
    find = Workspace.find_tissue_steps
    monkeypatch.setattr(Workspace, "find_tissue_steps", lambda w: (looked.append(threading.current_thread()), find(w)))
    before = Workspace.open(big_case)
    before.set_tissue(before.case.brain.astype(np.uint8))
    assert before.tissue is not None
    job = before.begin_save(before.tissue)
    before.end_save(job, job.run())
    before.view.on_tissue = True
    before.apply(dab(8, value=2))
    before.apply(dab(14, value=2))
    crash(before)
    made = SimpleNamespace(labels=before.case.brain.astype(np.uint8) * 2)
    monkeypatch.setattr(tissue, "tissue_map", lambda *_args, **_options: made)
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    assert looked
    assert threading.main_thread() not in looked
    compute(window, wait)
    press(window, "Keep the new one", wait)
    needed = f"They need {before.tissue_path.name} as it was then, not this map; the journal keeps them."
    assert window.errors.message.endswith(needed)
    window.tissue.open_saved()
    press(window, RESTORE, wait)
    assert window.workspace is not None
    assert window.workspace.tissue is not None
    assert np.array_equal(window.workspace.tissue.segmentation.labels, before.tissue.segmentation.labels)

"""Automatic segmentation and the tissue map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtWidgets import QPushButton

from seg_editor.editing import Brush, PaintStroke
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.state import Tool
from tests.session.steps import dab
from tests.tiny import make_case
from tests.ui.conftest import Hands, settle
from tests.ui.steps import labels

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class FakeReferee:
    """Finds a block of tumor; waits until it may."""

    def __init__(self) -> None:
        self.go = Event()

    def segment(self, case: Any, *, progress: Any, cancel: Any) -> np.ndarray:
        while not self.go.wait(0.01):
            if cancel():
                break
        five = np.zeros(case.grid.shape, np.uint8)
        five[10:20, 10:20, 10:15] = 4
        progress(1.0, "Segmenting")
        return five


def open_bare(window: MainWindow, folder: Path, wait: Wait) -> tuple[Hands, FakeReferee]:
    referee = FakeReferee()
    window.segmenting.make_referee = lambda: referee
    window.cases.open(make_case(folder / "BraTS2021_90004", shape=(60, 64, 40), segmentation=False))
    wait(lambda: window.workspace is not None)
    return Hands(window), referee


def test_a_case_without_segmentation_offers_one_and_it_is_one_step(
    window: MainWindow, tmp_path: Path, wait: Wait
) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    referee.go.set()
    offer = next(b for b in window.errors.findChildren(QPushButton) if b.text() == "Segment automatically")
    offer.click()
    wait(lambda: bool(hands.workspace.history.names))
    assert hands.workspace.history.names == ("Segment automatically",)
    assert np.count_nonzero(labels(hands) == 2) == 500
    assert not hands.workspace.segmentation.removed.any()
    hands.workspace.undo()
    assert not labels(hands).any()


def test_it_never_deletes_labels_without_asking(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    hands.workspace.apply(dab(8))
    painted = labels(hands).copy()
    window.segmenting.start()
    referee.go.set()
    wait(lambda: "would clear" in window.errors.message)
    np.testing.assert_array_equal(labels(hands), painted)
    add = next(b for b in window.errors.findChildren(QPushButton) if b.text() == "Add where nothing is labeled")
    add.click()
    assert (labels(hands)[painted > 0] == painted[painted > 0]).all()
    assert (labels(hands)[10:20, 10:20, 10:15] == 2).all()


def test_it_waits_for_the_end_of_a_stroke(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    hands.workspace.view.in_brain = False
    window.segmenting.start()
    hands.key(Qt.Key.Key_B)
    z = hands.workspace.view.cursor[2]
    hands.drag([(30, 30, z), (40, 30, z)], release=False)
    referee.go.set()
    wait(lambda: not window.segmenting.running)
    assert window.tools.stroking
    hands.send(QEvent.Type.MouseButtonRelease, hands.at((40, 30, z)), buttons=Qt.MouseButton.NoButton)
    assert hands.workspace.history.names == ("Paint",)
    assert "would clear" in window.errors.message


def test_cancelling_it_changes_nothing(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    window.segmenting.start()
    assert window.status.cancel.isVisible()
    window.status.cancel.click()
    assert not window.segmenting.running
    referee.go.set()
    wait(lambda: not window._tasks._running)
    assert not labels(hands).any()


def test_tissue_is_painted_with_the_same_brush_and_its_own_undo(hands: Hands, qtbot: object) -> None:
    window, workspace = hands.window, hands.workspace
    tumor = labels(hands).copy()

    class Made:
        labels = workspace.case.brain.astype(np.uint8) * 2

    window.tissue._finish(Made)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_T, SHIFT)
    assert workspace.tissue is not None
    assert window.ui.tool is Tool.PAINT
    workspace.view.tissue_label = 3
    workspace.view.brush = Brush("round", 2.0)
    x, y, z = workspace.view.cursor
    hands.drag([(x, y, z), (x + 5, y, z)])
    tissue = workspace.tissue.segmentation.labels
    assert (tissue[x : x + 6, y, z] == 3).all()
    np.testing.assert_array_equal(labels(hands), tumor)
    assert set(window.labels_panel.rows) == {1, 2, 3}
    settle(qtbot, window)
    hands.key(Qt.Key.Key_Z, CTRL)
    assert np.array_equal(tissue, Made.labels)
    assert not window.actions_table["op_smooth"].isEnabled()
    hands.key(Qt.Key.Key_T, SHIFT)
    hands.drag([(x, y, z), (x + 5, y, z)])
    assert not np.array_equal(labels(hands), tumor)


def test_debris_goes_and_the_largest_slice_is_looked_at(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    clean = referee.segment

    def with_debris(case: Any, *, progress: Any, cancel: Any) -> np.ndarray:
        five = clean(case, progress=progress, cancel=cancel)
        five[30:56, 30:56, 30] = 4
        five[40:43, 10:13, 4:7] = 4
        five[21:24, 12:18, 13] = 4
        five[20, 14, 13] = 4
        return five

    referee.segment = with_debris  # type: ignore[method-assign]
    referee.go.set()
    window.segmenting.start()
    wait(lambda: bool(hands.workspace.history.names))
    assert np.count_nonzero(labels(hands)) == 500 + 18 + 1
    assert hands.workspace.view.cursor[2] == 13
    assert hands.workspace.view.active_label == 2
    assert "M4 marked 0.519 ml as possible tumor" in window.errors.message


def test_locks_hold_against_the_automatic_segmentation(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    hands.workspace.apply(PaintStroke(((14.0, 14.0, 12.0),), Brush("round", 1.0), 2, 4))
    kept = labels(hands) == 4
    assert kept.any()
    hands.workspace.view.locked = frozenset({4})
    referee.go.set()
    window.segmenting.start()
    wait(lambda: len(hands.workspace.history.names) == 2)
    np.testing.assert_array_equal(labels(hands) == 4, kept)
    assert (labels(hands) == 2).any()

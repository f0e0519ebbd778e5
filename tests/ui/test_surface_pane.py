"""The 3D pane with real mouse and key events, live while painting, and what it says when it cannot be made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QObject, QPoint, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from seg_editor.editing import RemoveTumor
from seg_editor.ui import surface_model
from seg_editor.ui.gizmo import SIDES
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.state import Layout
from seg_editor.ui.surface_pane import SurfacePane
from tests.ui.conftest import LEFT, MIDDLE, NO_BUTTON, NONE, RIGHT, Hands
from tests.ui.test_layouts import fills

Wait = Callable[[Callable[[], bool]], None]
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def pane(hands: Hands, wait: Wait) -> SurfacePane:
    """The 3D pane of the open case, drawn."""
    hands.key(Qt.Key.Key_5, CTRL)
    found = hands.window.viewer.surface
    assert found is not None
    wait(lambda: found.picture.shot is not None and not found.busy)
    return found


def drag(pane: SurfacePane, button: Qt.MouseButton, dx: int, dy: int) -> None:
    """Press in the middle, move, release."""
    start = pane.rect().center()
    QTest.mousePress(pane, button, NONE, start)
    QTest.mouseMove(pane, start + QPoint(dx // 2, dy // 2))
    QTest.mouseMove(pane, start + QPoint(dx, dy))
    QTest.mouseRelease(pane, button, NONE, start + QPoint(dx, dy))


def test_it_is_drawn_without_opengl(pane: SurfacePane) -> None:
    assert not [name for name in sys.modules if name.split(".")[0] == "OpenGL"]
    assert pane.picture.shot is not None
    assert (pane.picture.shot.colors.max(axis=2) > 20).mean() > 0.1
    assert pane.grab().toImage().pixelColor(pane.rect().center()).lightness() > 10


def test_a_drag_turns_and_the_fine_picture_follows(pane: SurfacePane, wait: Wait) -> None:
    before, turn = pane.picture.shot, pane.turn
    drag(pane, LEFT, 60, 30)
    assert pane.turn.azimuth > turn.azimuth
    assert pane.turn.elevation > turn.elevation
    wait(lambda: not pane.busy)
    assert pane.picture.shot is not None
    assert before is not None
    assert pane.picture.shot.colors.shape == before.colors.shape
    assert not np.array_equal(pane.picture.shot.colors, before.colors)


def test_zoom_move_and_fit(pane: SurfacePane, hands: Hands, wait: Wait) -> None:
    where = QPointF(pane.rect().center())
    delta = QPoint(0, 120)
    wheel = QWheelEvent(
        where, pane.mapToGlobal(where), delta, delta, NO_BUTTON, NONE, Qt.ScrollPhase.NoScrollPhase, False
    )
    QApplication.sendEvent(pane, wheel)
    assert pane.turn.zoom == pytest.approx(1.2)
    drag(pane, RIGHT, 0, -60)
    assert pane.turn.zoom > 1.5
    drag(pane, MIDDLE, 40, 0)
    assert pane.turn.shift[0] < 0
    QTest.keyClick(pane, Qt.Key.Key_R)
    assert (pane.turn.zoom, pane.turn.shift) == (1.0, (0.0, 0.0))


def test_arrow_keys_turn_it_and_do_not_change_the_slice(pane: SurfacePane, hands: Hands) -> None:
    pane.setFocus()
    cursor, turn = hands.workspace.view.cursor, pane.turn
    QTest.keyClick(pane, Qt.Key.Key_Right)
    QTest.keyClick(pane, Qt.Key.Key_Up)
    assert (pane.turn.azimuth, pane.turn.elevation) != (turn.azimuth, turn.elevation)
    assert hands.workspace.view.cursor == cursor


@pytest.mark.parametrize("letter", list(SIDES))
def test_a_letter_looks_from_its_side(pane: SurfacePane, letter: str) -> None:
    places = {name: at for name, at, _ in pane._gizmo.places(QRectF(pane.rect()), pane.turn)}
    QTest.mouseClick(pane, LEFT, NONE, places[letter].toPoint())
    toward = pane.turn.matrix[2]
    assert toward == pytest.approx(np.array(SIDES[letter][0], dtype=float), abs=1e-5)


def test_a_click_puts_the_crosshair_onto_the_brain(pane: SurfacePane, hands: Hands, wait: Wait) -> None:
    hands.window.ui.brain_look = "solid"
    places = {name: at for name, at, _ in pane._gizmo.places(QRectF(pane.rect()), pane.turn)}
    QTest.mouseClick(pane, LEFT, NONE, places["A"].toPoint())
    wait(lambda: not pane.busy)
    QTest.mouseClick(pane, LEFT, NONE, pane.rect().center())
    x, y, z = hands.workspace.view.cursor
    brain = hands.workspace.case.brain
    front = int(np.flatnonzero(brain[x, :, z])[-1])
    assert abs(y - front) <= 2


def test_the_brain_can_be_glass_solid_or_off(pane: SurfacePane, hands: Hands, wait: Wait) -> None:
    pictures = []
    for look in ("glass", "solid", "off"):
        QTest.mouseClick(pane.looks.button(look), LEFT)
        wait(lambda: not pane.busy)
        assert pane.picture.shot is not None
        pictures.append(pane.picture.shot.colors)
    assert hands.window.ui.brain_look == "off"
    assert not np.array_equal(pictures[0], pictures[1])
    assert (pictures[2].max(axis=2) > 20).mean() < (pictures[1].max(axis=2) > 20).mean()


def test_it_follows_edits_at_most_every_third_of_a_second(
    pane: SurfacePane, hands: Hands, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hands.window.viewer._surfaces
    assert model is not None
    made = []
    model.changed.connect(lambda: made.append(model.surfaces))
    assert model.surfaces is not None
    assert model.surfaces.labels
    for _ in range(6):
        hands.workspace.apply(RemoveTumor())
        hands.workspace.undo()
    hands.workspace.apply(RemoveTumor())
    assert model._late.isActive()
    assert model._late.interval() == 300
    wait(lambda: not model.busy)
    assert len(made) == 1
    assert made[0] is not None
    assert not made[0].labels
    assert made[0].removed is not None


def test_hidden_labels_and_colors_reach_it(pane: SurfacePane, hands: Hands) -> None:
    assert len(pane.picture.scene.inner) == 3
    hands.window.ui.hidden_labels = frozenset({2})
    assert len(pane.picture.scene.inner) == 2
    hands.window.ui.label_colors = {"ncr": "#010203"}
    assert (1, 2, 3) in [layer.color for layer in pane.picture.scene.inner]
    hands.key(Qt.Key.Key_S)
    assert pane.picture.scene.inner == ()


def test_a_double_click_maximizes_it_and_nothing_is_computed_while_hidden(pane: SurfacePane, hands: Hands) -> None:
    viewer = hands.window.viewer
    QTest.mouseDClick(pane, LEFT, NONE, pane.rect().center())
    assert pane.isVisible()
    assert not any(slices.isVisible() for slices in viewer.panes)
    QApplication.processEvents()
    assert fills(pane, hands)
    QTest.mouseDClick(pane, LEFT, NONE, pane.rect().center())
    assert all(slices.isVisible() for slices in viewer.panes)
    hands.key(Qt.Key.Key_3, CTRL)
    assert viewer.surface is None
    hands.workspace.apply(RemoveTumor())
    assert viewer._surfaces is not None
    assert not viewer._surfaces.busy


def test_it_says_why_it_cannot_be_made(
    window: MainWindow, big_case: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise MemoryError("not enough memory")

    monkeypatch.setattr(surface_model, "surface_points", fail)
    window.ui.layout = Layout.VOLUME
    window.cases.open(big_case)
    wait(lambda: window.viewer.surface is not None and bool(window.viewer._surfaces.problem))
    assert window.viewer._surfaces is not None
    assert "not enough memory" in window.viewer._surfaces.problem
    assert "slices are not affected" in window.viewer._surfaces.problem
    assert window.viewer.surface is not None
    window.viewer.surface.grab()
    Hands(window).wheel(1)


def test_switching_layouts_while_it_is_being_made_is_harmless(hands: Hands, wait: Wait) -> None:
    for key in (Qt.Key.Key_5, Qt.Key.Key_1, Qt.Key.Key_5, Qt.Key.Key_3, Qt.Key.Key_5):
        hands.key(key, CTRL)
    pane = hands.window.viewer.surface
    assert pane is not None
    wait(lambda: pane.picture.shot is not None and not pane.busy)
    hands.window.cases.close()
    assert hands.window.viewer.surface is None


def test_the_next_pane_key_reaches_it_and_its_keys_turn_zoom_move_and_maximize(
    pane: SurfacePane, hands: Hands, wait: Wait
) -> None:
    viewer = hands.window.viewer
    for number in range(3):
        assert [slices.marks.active for slices in viewer.panes].index(True) == number
        QTest.keyClick(viewer.panes[number], Qt.Key.Key_Tab, CTRL)
    assert pane.hasFocus()
    assert not any(slices.marks.active for slices in viewer.panes)
    turn = pane.turn
    QTest.keyClick(pane, Qt.Key.Key_Left)
    QTest.keyClick(pane, Qt.Key.Key_Plus, CTRL)
    QTest.keyClick(pane, Qt.Key.Key_Right, CTRL)
    assert pane.turn.azimuth != turn.azimuth
    assert pane.turn.zoom == pytest.approx(1.25)
    assert pane.turn.shift[0] < 0
    QTest.keyClick(pane, Qt.Key.Key_M, CTRL)
    assert not any(slices.isVisible() for slices in viewer.panes)
    QTest.keyClick(pane, Qt.Key.Key_Tab, CTRL)
    assert [slices.isVisible() for slices in viewer.panes] == [True, False, False]
    assert not pane.isVisible()


class HeldTask(QObject):
    """A task that never starts by itself."""

    done, failed = pyqtSignal(object), pyqtSignal(object)

    def cancel(self) -> None:
        """Nothing runs."""


class HeldTasks:
    """Keeps the work that it is given."""

    def __init__(self) -> None:
        self.work: Callable[..., surface_model.Surfaces] | None = None

    def start(self, work: Callable[..., surface_model.Surfaces], _name: str) -> HeldTask:
        """Keep `work`."""
        self.work = work
        return HeldTask()


def test_edits_during_the_work_do_not_reach_it(hands: Hands) -> None:
    workspace, tasks = hands.workspace, HeldTasks()
    workspace.apply(RemoveTumor())
    model = surface_model.SurfaceModel(workspace, tasks)  # type: ignore[arg-type]
    model.watch(watched=True)
    workspace.segmentation.set_original(np.zeros_like(workspace.segmentation.labels))
    assert tasks.work is not None
    assert tasks.work(lambda *_: None, lambda: False).removed is not None
    model.end()

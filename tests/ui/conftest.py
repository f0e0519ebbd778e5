"""A window on a tiny case, and hands: real mouse and key events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtGui import QMouseEvent, QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from seg_editor.session import Workspace
from seg_editor.session.layer import Layer
from seg_editor.session.live import Status
from seg_editor.ui.app import make_window
from seg_editor.ui.case_actions import DISCARD
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.state import Layout, Role
from tests.tiny import make_case
from tests.ui.fake import FakeBackend

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
NONE, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
NO_BUTTON = Qt.MouseButton.NoButton


class Hands:
    """Mouse and keyboard of the user."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window

    @property
    def workspace(self) -> Workspace:
        """The open case."""
        assert self.window.workspace is not None
        return self.window.workspace

    def pane(self, number: int = 0) -> SlicePane:
        """A pane of the layout."""
        return self.window.viewer.panes[number]

    def at(self, voxel: tuple[float, float, float], number: int = 0) -> QPointF:
        """Where a voxel lies in a pane, in pixels."""
        content = self.window.viewer.contents[number]
        return content.pane.viewportTransform().map(QPointF(*content.view.to_plane(voxel)))

    def send(
        self,
        kind: QEvent.Type,
        where: QPointF,
        button: Qt.MouseButton = LEFT,
        buttons: Qt.MouseButton = LEFT,
        keys: Qt.KeyboardModifier = NONE,
        number: int = 0,
    ) -> None:
        """One mouse event."""
        port = self.pane(number).viewport()
        assert port is not None
        QApplication.sendEvent(port, QMouseEvent(kind, where, port.mapToGlobal(where), button, buttons, keys))

    def drag(
        self,
        path: list[tuple[float, float, float]],
        button: Qt.MouseButton = LEFT,
        keys: Qt.KeyboardModifier = NONE,
        number: int = 0,
        *,
        release: bool = True,
    ) -> None:
        """Press, move and release along voxels."""
        points = [self.at(voxel, number) for voxel in path]
        self.drag_pixels(points, button, keys, number, release=release)

    def drag_pixels(
        self,
        points: list[QPointF],
        button: Qt.MouseButton = LEFT,
        keys: Qt.KeyboardModifier = NONE,
        number: int = 0,
        *,
        release: bool = True,
    ) -> None:
        """Press, move and release along pixels of a pane."""
        self.send(QEvent.Type.MouseButtonPress, points[0], button, button, keys, number)
        for point in points[1:]:
            self.send(QEvent.Type.MouseMove, point, NO_BUTTON, button, keys, number)
        if release:
            self.send(QEvent.Type.MouseButtonRelease, points[-1], button, NO_BUTTON, keys, number)

    def wheel(self, notches: int, keys: Qt.KeyboardModifier = NONE, number: int = 0) -> None:
        """Turn the wheel in the middle of a pane."""
        port = self.pane(number).viewport()
        assert port is not None
        where = QPointF(port.rect().center())
        delta = QPointF(0, 120 * notches).toPoint()
        event = QWheelEvent(
            where, port.mapToGlobal(where), delta, delta, NO_BUTTON, keys, Qt.ScrollPhase.NoScrollPhase, False
        )
        QApplication.sendEvent(port, event)

    def key(self, key: Qt.Key, keys: Qt.KeyboardModifier = NONE) -> None:
        """Press and release a key over the picture."""
        QTest.keyClick(self.pane(), key, keys)


@pytest.fixture
def preferences(tmp_path: Path) -> Preferences:
    """Preferences of this test only."""
    return Preferences(tmp_path / "preferences.ini")


@pytest.fixture
def backend() -> FakeBackend:
    """An engine without a network."""
    return FakeBackend()


@pytest.fixture
def window(qtbot: object, qapp: QApplication, preferences: Preferences, backend: FakeBackend) -> Iterator[MainWindow]:
    """The main window, shown, without a case; closed without questions."""
    made = make_window(qapp, backend=backend, preferences=preferences, theme="dark")
    made.resize(1280, 800)
    made.cases.journal = False
    made.cases.ask = lambda _purpose: DISCARD
    made.show()
    qtbot.waitExposed(made)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: bool(made.generation.models))  # type: ignore[attr-defined]
    yield made
    backend.hold.set()
    made.close()
    made.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def big_case(tmp_path: Path) -> Path:
    """A case large enough to aim at with the mouse."""
    return make_case(tmp_path / "BraTS2021_90002", shape=(60, 64, 40))


@pytest.fixture
def opened(window: MainWindow, big_case: Path, qtbot: object) -> MainWindow:
    """The window with the case open."""
    window.cases.open(big_case)
    qtbot.waitUntil(lambda: window.workspace is not None)  # type: ignore[attr-defined]
    settle(qtbot, window)
    return window


@pytest.fixture
def hands(opened: MainWindow) -> Hands:
    """Mouse and keyboard on the open case."""
    return Hands(opened)


def settle(qtbot: object, window: MainWindow) -> None:
    """Wait until the actions know what is true now and every pane shows it."""
    qtbot.waitUntil(lambda: not window.busy_with_actions and not window.viewer.following.pending)  # type: ignore[attr-defined]


def quiet(hands: Hands, status: Status = Status.FRESH) -> Callable[[], bool]:
    """True when nothing runs or waits and the chip says so."""
    generation = hands.window.generation
    return lambda: generation.status is status and not generation.running


@pytest.fixture
def wait(qtbot: object) -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true."""
    return lambda true: qtbot.waitUntil(true, timeout=10_000)  # type: ignore[attr-defined]


@pytest.fixture
def removed(hands: Hands, qtbot: object) -> Hands:
    """Hands after the tumor was removed with its key."""
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    return hands


@pytest.fixture
def generated(removed: Hands, wait: Callable[[Callable[[], bool]], None]) -> Hands:
    """Hands after a counterfactual was generated with Enter."""
    removed.key(Qt.Key.Key_Return)
    wait(lambda: removed.window.generation.status is Status.FRESH)
    return removed


@pytest.fixture
def live(hands: Hands, wait: Callable[[Callable[[], bool]], None], qtbot: object) -> Hands:
    """Hands in live mode, the tumor removed and its picture made without Enter."""
    hands.key(Qt.Key.Key_L, CTRL)
    assert hands.window.generation.settings.live
    hands.key(Qt.Key.Key_R, CTRL)
    wait(quiet(hands))
    settle(qtbot, hands.window)
    return hands


@pytest.fixture
def made(hands: Hands, wait: Callable[[Callable[[], bool]], None], qtbot: object) -> Hands:
    """Hands with a counterfactual alone in one pane."""
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_Return)
    wait(quiet(hands))
    hands.window.ui.layout = Layout.SINGLE
    hands.window.ui.picture = Role.RESULT
    settle(qtbot, hands.window)
    return hands


@pytest.fixture
def tissue(hands: Hands, qtbot: object) -> Layer:
    """A tissue map that is being edited with the brush; its file is not there yet."""
    window, workspace = hands.window, hands.workspace
    workspace.set_tissue(np.where(workspace.case.brain, 2, 0).astype(np.uint8))
    assert workspace.tissue is not None
    window.tissue.labels = workspace.tissue.segmentation.labels
    window.later()
    settle(qtbot, window)
    hands.key(Qt.Key.Key_T, Qt.KeyboardModifier.ShiftModifier)
    assert workspace.active is workspace.tissue
    workspace.active_label = 3
    return workspace.tissue

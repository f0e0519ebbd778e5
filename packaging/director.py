"""Drives the real window on a case, for pictures of it: mouse, actions, waiting. Works without a display."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SIZE = (1440, 900)
_TURNS = 40
Place = tuple[float, float]


class Director:
    """Opens one window and moves mouse and keyboard in it.

    Parameters
    ----------
    folder : Path
        Where pictures go.
    suffix : str
        Added to their names.
    theme : str
        ``dark`` or ``light``.
    case : Path or None
        The demo case by default.
    size : (int, int)
        Of the window.
    """

    def __init__(self, folder: Path, suffix: str, theme: str, case: Path | None, size: tuple[int, int] = SIZE) -> None:
        from seg_editor.ui.app import make_application, make_window
        from seg_editor.ui.preferences import Preferences

        self.folder, self.suffix = folder, suffix
        self.application = make_application()
        preferences = Preferences(Path(tempfile.mkdtemp()) / "preferences.ini")
        self.window = make_window(self.application, backend=_backend(), preferences=preferences, theme=theme)
        self.window.cases.journal = False
        self.asked, self.window.cases.ask = self.window.cases.ask, lambda _purpose: "discard"
        self.window.resize(*size)
        self.case = case

    def until(self, true: Callable[[], bool], seconds: float = 300.0) -> None:
        """Let the window work until something is true."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("the window did not get there")
            self.application.processEvents()
            time.sleep(0.002)
        self.rest()

    def rest(self, seconds: float = 0.15) -> None:
        """Let timers and repaints finish; on a busy machine a single turn may take all the time."""
        end, turns = time.monotonic() + seconds, 0
        while time.monotonic() < end or turns < _TURNS:
            self.application.processEvents()
            time.sleep(0.002)
            turns += 1

    def shoot(self, name: str, widget: Any = None) -> None:
        """Save a picture of the window or of a widget."""
        self.rest()
        path = self.folder / f"{name}{self.suffix}.png"
        (widget or self.window).grab().save(str(path))
        print(path, flush=True)

    def trigger(self, name: str) -> None:
        """Do an action of the table."""
        self.rest(0.05)
        action = self.window.actions_table[name]
        if not action.isEnabled():
            raise RuntimeError(f"{name} is disabled: {action.toolTip()}")
        action.trigger()

    def press(self, name: str) -> None:
        """Choose a tool, or flip a switch, that may be on already."""
        if not self.window.actions_table[name].isChecked():
            self.trigger(name)

    def stroke(self, path: Sequence[Place], *, release: bool = True) -> None:
        """Drag along fractions of the first pane with real mouse events; the mouse stays over it."""
        from PyQt6.QtCore import Qt

        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        self.mouse("MouseButtonPress", path[0], left, left)
        for place in path[1:]:
            self.mouse("MouseMove", place, none, left)
        if release:
            self.mouse("MouseButtonRelease", path[-1], left, none)

    def hover(self, place: Place) -> None:
        """Move the mouse without a button."""
        from PyQt6.QtCore import Qt

        self.mouse("MouseMove", place, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)

    def mouse(self, kind: str, place: Place, button: Any, buttons: Any) -> None:
        """Send one mouse event to the first pane."""
        from PyQt6.QtCore import QEvent, QPointF, Qt
        from PyQt6.QtGui import QMouseEvent

        port = self.window.viewer.panes[0].viewport()
        where = QPointF(place[0] * port.width(), place[1] * port.height())
        held = Qt.KeyboardModifier.NoModifier
        event = QMouseEvent(QEvent.Type[kind], where, port.mapToGlobal(where), button, buttons, held)
        self.application.sendEvent(port, event)

    def at(self, voxel: tuple[float, float, float]) -> Place:
        """Where a voxel lies in the first pane, as fractions of it."""
        from PyQt6.QtCore import QPointF

        made = self.window.viewer.contents[0]
        point = made.pane.viewportTransform().map(QPointF(*made.view.to_plane(voxel)))
        port = made.pane.viewport()
        return point.x() / port.width(), point.y() / port.height()

    def open(self) -> None:
        """Show the window and open the case."""
        window = self.window
        window.show()
        self.until(lambda: bool(window.generation.models) or bool(window.generation.model_problem))
        self.shoot("empty")
        if self.case is None:
            window.cases.open_demo()
        else:
            window.cases.open(self.case)
        self.until(lambda: window.workspace is not None)

    def generate(self, slices: str) -> None:
        """Remove the tumor and generate."""
        window = self.window
        window.generation.settings.live = False
        window.generation.settings.slices = slices
        self.trigger("remove")
        self.trigger("generate")
        self.until(lambda: window.generation.progress[0] > 2 or not window.generation.running)
        self.shoot("running")
        self.until(lambda: not window.generation.running, 3600.0)
        self.rest(1.0)


def _backend() -> Any:
    """The real engine where a model is installed, else the stand-in of the tests."""
    from seg_editor.ui.backend import EngineBackend

    if EngineBackend().models():
        return EngineBackend()
    from tests.ui.fake import FakeBackend

    backend = FakeBackend(12)
    backend.pause = 0.1
    return backend

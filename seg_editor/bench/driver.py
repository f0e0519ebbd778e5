"""One window, and the hands on it: events are sent, repaints awaited."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seg_editor.errors import ModelError

if TYPE_CHECKING:
    from PyQt6.QtCore import QEvent, QPointF, Qt

    from seg_editor.session import Workspace

_VISIBLE = (
    "from seg_editor.ui.app import make_application, make_window\n"
    "a = make_application(); w = make_window(a); w.show()\n"
    "while not w.windowHandle().isExposed(): a.processEvents()\n"
    "a.processEvents(); print('visible', flush=True); w.close()\n"
)


def window_visible() -> float:
    """Process start to a visible window, milliseconds."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "XDG_CONFIG_HOME": home}
        began = time.perf_counter()
        with subprocess.Popen([sys.executable, "-c", _VISIBLE], stdout=subprocess.PIPE, env=env) as child:
            assert child.stdout is not None
            child.stdout.readline()
            return (time.perf_counter() - began) * 1000


class Driver:
    """A window with preferences, journal and history of its own, which asks nothing.

    Attributes
    ----------
    commits : list of float
        Milliseconds of every release of the mouse that ended a stroke.
    """

    def __init__(self, case: Path) -> None:
        from seg_editor.ui.app import make_application, make_window
        from seg_editor.ui.collecting import Collecting
        from seg_editor.ui.preferences import Preferences

        self.path = case
        self.commits: list[float] = []
        self.case_id = case.name
        self.application = make_application()
        self._folder = tempfile.TemporaryDirectory()
        self._state = os.environ.get("SEG_EDITOR_STATE")
        os.environ["SEG_EDITOR_STATE"] = self._folder.name
        self.window = make_window(
            self.application, preferences=Preferences(Path(self._folder.name) / "preferences.ini")
        )
        Collecting(self.window)
        self.window.cases.ask = lambda _purpose: "discard"
        self.window.resize(1440, 900)
        self.window.show()

    @property
    def workspace(self) -> Workspace:
        """The open workspace."""
        workspace = self.window.workspace
        assert workspace is not None
        return workspace

    def close(self) -> None:
        """Close the window for good and remove its preferences."""
        from seg_editor.ui.app import dispose

        self.window.close()
        self.application.processEvents()
        dispose(self.window)
        if self._state is None:
            del os.environ["SEG_EDITOR_STATE"]
        else:
            os.environ["SEG_EDITOR_STATE"] = self._state
        self._folder.cleanup()

    def until(self, true: Callable[[], bool], seconds: float = 120.0) -> None:
        """Let the window work until something is true."""
        from PyQt6.QtCore import QEventLoop

        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise ModelError("the window did not answer in time", remedy="Look at the log, or try a smaller case")
            self.application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)

    def timed(self, act: Callable[[], Any]) -> float:
        """Milliseconds of an action and of the repaint that it caused."""
        began = time.perf_counter()
        act()
        self.application.processEvents()
        while self.window.viewer.following.pending:
            self.application.processEvents()
        self.application.processEvents()
        return (time.perf_counter() - began) * 1000

    def trigger(self, name: str) -> None:
        """Trigger an action by name, when the window is ready for it."""
        self.until(lambda: not self.window.busy_with_actions)
        self.window.actions_table[name].trigger()

    def stroke(self, dabs: int, height: float = 0.5, pane: int = 0) -> list[float]:
        """Paint one stroke across a pane at a relative height; milliseconds of each mouse move."""
        from PyQt6.QtCore import QEvent, QPointF, Qt

        port = self.window.viewer.panes[pane].viewport()
        assert port is not None
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        row = port.height() * height
        points = [QPointF(port.width() * (0.3 + 0.4 * i / dabs), row) for i in range(dabs)]
        self.timed(lambda: self._mouse(pane, QEvent.Type.MouseButtonPress, points[0], left, left))
        times = [self.timed(lambda p=p: self._mouse(pane, QEvent.Type.MouseMove, p, none, left)) for p in points[1:]]  # type: ignore[misc]
        self.commits.append(
            self.timed(lambda: self._mouse(pane, QEvent.Type.MouseButtonRelease, points[-1], left, none))
        )
        return times

    def strokes(self, count: int, dabs: int) -> list[float]:
        """Paint strokes at several heights of the first pane; milliseconds of each mouse move."""
        return [t for s in range(count) for t in self.stroke(dabs, 0.35 + 0.3 * s / max(count, 1))]

    def wheel(self, notches: int, pane: int = 0) -> None:
        """Turn the wheel over a pane."""
        from PyQt6.QtCore import QPoint, QPointF, Qt
        from PyQt6.QtGui import QWheelEvent

        port = self.window.viewer.panes[pane].viewport()
        assert port is not None
        where = QPointF(port.rect().center())
        delta = QPoint(0, 120 * notches)
        none, plain = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
        phase = Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(where, port.mapToGlobal(where), delta, delta, none, plain, phase, False)
        self.application.sendEvent(port, event)

    def hover(self, across: float, down: float, pane: int = 0) -> None:
        """Move the mouse, no button down, to fractions of a pane."""
        from PyQt6.QtCore import QEvent, QPointF, Qt

        port = self.window.viewer.panes[pane].viewport()
        assert port is not None
        where, none = QPointF(port.width() * across, port.height() * down), Qt.MouseButton.NoButton
        self._mouse(pane, QEvent.Type.MouseMove, where, none, none)

    def _mouse(
        self, pane: int, kind: QEvent.Type, where: QPointF, button: Qt.MouseButton, buttons: Qt.MouseButton
    ) -> None:
        from PyQt6.QtCore import Qt
        from PyQt6.QtGui import QMouseEvent

        port = self.window.viewer.panes[pane].viewport()
        assert port is not None
        event = QMouseEvent(kind, where, port.mapToGlobal(where), button, buttons, Qt.KeyboardModifier.NoModifier)
        self.application.sendEvent(port, event)


def look_at_hole(driver: Driver, count: int = 1) -> tuple[int, ...]:
    """Put the cursor on the slice in the middle of what was removed; return so many slices from there on."""
    workspace = driver.workspace
    slices = list(workspace.hole().slices)
    x, y, _ = workspace.view.cursor
    middle = slices[len(slices) // 2 :][:count]
    workspace.view.cursor = (x, y, middle[0])
    return tuple(middle)

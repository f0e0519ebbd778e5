"""Keeps the garbage collector from stopping the window in the middle of a stroke."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from PyQt6.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer
from PyQt6.QtGui import QGuiApplication

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow

_QUIET_MS = 2000
_INPUT = frozenset(
    (
        QEvent.Type.MouseMove,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseButtonRelease,
        QEvent.Type.Wheel,
        QEvent.Type.KeyPress,
    )
)


class Collecting(QObject):
    """Collects when mouse and keyboard have rested, once for a case that was opened and for a model that was loaded.

    A full collection looks at every object of every library that was imported, holds the interpreter's lock for about
    0.1 s, and comes when it will. So what lives after a case was opened is frozen at once, which costs nothing: it is
    not looked at again, and later collections are short. At the next quiet moment everything is thawed, collected and
    frozen again, which frees a case that was left. A second case that is left before such a moment is not waited for.

    Parameters
    ----------
    window : MainWindow
    quiet_ms : int
        How long nothing must be pressed, moved or turned.
    """

    def __init__(self, window: MainWindow, quiet_ms: int = _QUIET_MS) -> None:
        super().__init__(window)
        self._window = window
        self._opened = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(quiet_ms)
        self._timer.timeout.connect(self._rested)
        window.cases.opened.connect(self._on_opened)
        window.generation.loaded.connect(self._put_off)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Begin to wait anew with every input; installed only while a collection is due and the window is open."""
        kind = None if event is None else event.type()
        if kind in _INPUT:
            self._timer.start()
        elif kind == QEvent.Type.Close and watched is self._window:
            self._stop_waiting()
        return False

    def _on_opened(self) -> None:
        self._opened += 1
        if self._opened > 2:
            self._collect()
        else:
            self._put_off()

    def _put_off(self) -> None:
        gc.freeze()
        self._timer.start()
        application = QCoreApplication.instance()
        if application is not None:
            application.installEventFilter(self)

    def _rested(self) -> None:
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton or self._window.tools.stroking:
            self._timer.start()
        else:
            self._collect()

    def _stop_waiting(self) -> None:
        self._timer.stop()
        application = QCoreApplication.instance()
        if application is not None:
            application.removeEventFilter(self)

    def _collect(self) -> None:
        self._stop_waiting()
        self._opened = min(self._opened, 1)
        gc.unfreeze()
        gc.collect()
        gc.freeze()

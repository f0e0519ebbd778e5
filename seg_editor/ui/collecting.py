"""Keeps the garbage collector from stopping the window in the middle of a stroke."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, Qt, QTimer
from PyQt6.QtGui import QGuiApplication

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow

_AFTER_MS = 300


class Collecting(QObject):
    """Collects once after a case was opened and after a model was loaded, and leaves what lives then alone.

    A full collection looks at every object of every library that was imported, holds the interpreter's lock for about
    0.1 s, and comes when it will. What was frozen is not looked at again, so that later collections are short. A case
    that was left is thawed first: it is freed as before. No collection begins while a button is down.

    Parameters
    ----------
    window : MainWindow
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_AFTER_MS)
        self._timer.timeout.connect(self._collect)
        window.cases.opened.connect(self._later)
        window.generation.loaded.connect(self._later)

    def _later(self) -> None:
        gc.unfreeze()
        self._timer.start()

    def _collect(self) -> None:
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton or self._window.tools.stroking:
            self._timer.start()
            return
        gc.collect()
        gc.freeze()

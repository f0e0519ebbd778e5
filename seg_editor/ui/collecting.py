"""Keeps the garbage collector from stopping the window in the middle of a stroke."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, Qt, QTimer
from PyQt6.QtGui import QGuiApplication

from seg_editor.session import Workspace
from seg_editor.ui.bind import bind

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow

_QUIET_MS = 2000
#: How often young objects are looked at, and after how many such looks old ones are, once the hands rest.
_YOUNG_MS, _LOOKS = 500, 100
#: More young objects than this come of an import: to look at them takes longer than a frame, so they are frozen.
_MANY = 20_000


class Collecting(QObject):
    """Collects when the hands have rested, once for a case that was opened or closed and for a model that was loaded.

    A full collection looks at every object of every library that was imported, holds the interpreter's lock for about
    0.1 s, and comes when it will. So what lives after a case was opened is frozen at once, which costs nothing: it is
    not looked at again, and later collections are short. At the next quiet moment everything is thawed, collected and
    frozen again, which frees a case that was left. A second case that is left before such a moment is not waited for.

    The collector of the interpreter itself is off meanwhile: it runs in whatever thread happens to allocate, and a
    worker must not free objects of Qt while the window paints them. Young objects are collected here, by a timer.

    Parameters
    ----------
    window : MainWindow
    quiet_ms : int
        How long the mouse must not move over a picture, and nothing must change.
    """

    def __init__(self, window: MainWindow, quiet_ms: int = _QUIET_MS) -> None:
        super().__init__(window)
        self._window = window
        self._opened = 0
        self._ends: list[Callable[[], None]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(quiet_ms)
        self._timer.timeout.connect(self._rested)
        window.cases.opened.connect(self._on_opened)
        window.generation.loaded.connect(self._put_off)
        window.viewer.hovered.connect(self._stirred)
        bind(self, window.ui.changed, self._stirred)
        self._follow(window.workspace)
        gc.disable()
        self.destroyed.connect(_enable)
        young = QTimer(self)
        young.timeout.connect(self._collect_young)
        young.start(_YOUNG_MS)

    def _collect_young(self) -> None:
        young = gc.get_count()[0]
        if young > _MANY:
            self._put_off()
        elif young > gc.get_threshold()[0]:
            gc.collect(1)
        if gc.get_count()[2] > _LOOKS and not self._timer.isActive():
            self._timer.start()

    def _stirred(self, *_: object) -> None:
        """Begin to wait anew."""
        if self._timer.isActive():
            self._timer.start()

    def _follow(self, workspace: Workspace | None) -> None:
        while self._ends:
            self._ends.pop()()
        if workspace is not None:
            stirring = (workspace.view.changed, workspace.segmentation.changed)
            self._ends += [bind(self, signal, self._stirred) for signal in stirring]

    def _on_opened(self, workspace: Workspace | None) -> None:
        self._follow(workspace)
        if workspace is None:
            self._timer.start()
            return
        self._opened += 1
        if self._opened > 2:
            self._collect()
        else:
            self._put_off()

    def _put_off(self) -> None:
        gc.freeze()
        self._timer.start()

    def _rested(self) -> None:
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton or self._window.tools.stroking:
            self._timer.start()
        else:
            self._collect()

    def _collect(self) -> None:
        self._timer.stop()
        self._opened = min(self._opened, 1)
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def _enable(*_: object) -> None:
    gc.enable()

"""Full screen: the pictures alone; everything else comes back as it was, the window's size and state too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PyQt6.QtCore import QObject, QRect, Qt, pyqtSignal
from PyQt6.QtWidgets import QMainWindow, QWidget


class FullScreen(QObject):
    """Puts the bars of a window away and brings them back.

    Parameters
    ----------
    window : QMainWindow
    bars : callable
        Returns the widgets to put away.

    Signals
    -------
    changed(bool)
        The pictures are alone now, or not any more.
    """

    changed = pyqtSignal(bool)

    def __init__(self, window: QMainWindow, bars: Callable[[], Iterable[QWidget]]) -> None:
        super().__init__(window)
        self._window = window
        self._bars = bars
        self._hidden: list[QWidget] = []
        self._state = Qt.WindowState.WindowNoState
        self._place = QRect()

    @property
    def active(self) -> bool:
        """True while the pictures are alone on the screen."""
        return bool(self._hidden)

    def toggle(self) -> None:
        """Enter or leave."""
        if self.active:
            self.leave()
            return
        self._state, self._place = self._window.windowState(), self._window.geometry()
        self._hidden = [bar for bar in self._bars() if not bar.isHidden()]
        for bar in self._hidden:
            bar.hide()
        self.changed.emit(True)
        self._window.showFullScreen()

    def leave(self) -> None:
        """Bring the bars back, and the window to its size and place; maximized if it was."""
        if not self.active:
            return
        hidden, self._hidden = self._hidden, []
        for bar in hidden:
            bar.show()
        self.changed.emit(False)
        self._window.setWindowState(self._state)
        if not self._state & Qt.WindowState.WindowMaximized:
            self._window.setGeometry(self._place)

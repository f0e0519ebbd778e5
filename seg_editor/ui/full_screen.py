"""Full screen: the pictures alone; everything else comes back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PyQt6.QtCore import QObject, Qt
from PyQt6.QtWidgets import QMainWindow, QWidget


class FullScreen(QObject):
    """Puts the bars of a window away and brings them back.

    Parameters
    ----------
    window : QMainWindow
    bars : callable
        Returns the widgets to put away.
    """

    def __init__(self, window: QMainWindow, bars: Callable[[], Iterable[QWidget]]) -> None:
        super().__init__(window)
        self._window = window
        self._bars = bars
        self._hidden: list[QWidget] = []
        self._maximized = False

    @property
    def active(self) -> bool:
        """True while the pictures are alone on the screen."""
        return bool(self._hidden)

    def toggle(self) -> None:
        """Enter or leave."""
        if self.active:
            self.leave()
            return
        self._maximized = bool(self._window.windowState() & Qt.WindowState.WindowMaximized)
        self._hidden = [bar for bar in self._bars() if not bar.isHidden()]
        for bar in self._hidden:
            bar.hide()
        self._window.showFullScreen()

    def leave(self) -> None:
        """Bring the bars back."""
        hidden, self._hidden = self._hidden, []
        for bar in hidden:
            bar.show()
        if self._maximized:
            self._window.showMaximized()
        else:
            self._window.showNormal()

"""A small window beside the main one: it stays open while the picture is used, and Esc closes it."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QDialog

_CLOSE = (QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape)


class Floating(QDialog):
    """A dialog that does not block the main window."""

    def open_window(self) -> None:
        """Show the window before the others, with the keyboard."""
        self.show()
        self.raise_()
        self.activateWindow()

    def event(self, event: QEvent | None) -> bool:
        """Keep Esc for closing: the main window stops the generation with it."""
        if isinstance(event, QKeyEvent) and (event.type(), event.key()) == _CLOSE:
            event.accept()
            return True
        return super().event(event)

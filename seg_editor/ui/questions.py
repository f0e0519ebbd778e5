"""Questions that have to be answered before anything goes on, in one look: own icon, text, detail."""

from __future__ import annotations

from PyQt6.QtGui import QPalette
from PyQt6.QtWidgets import QMessageBox, QWidget

from seg_editor.ui.icons import pixmap

_ICON = 32


def question(parent: QWidget, text: str, detail: str, *, title: str = "seg-editor") -> QMessageBox:
    """Return a question without buttons; the caller adds them and shows it."""
    box = QMessageBox(parent)
    box.setWindowTitle(title)
    color = box.palette().color(QPalette.ColorRole.Highlight)
    box.setIconPixmap(pixmap("help", color, _ICON, parent.devicePixelRatioF()))
    box.setText(text)
    box.setInformativeText(detail)
    return box

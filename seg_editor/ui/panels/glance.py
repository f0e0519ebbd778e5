"""The figures of the picture on display in one row, always in sight below the panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QFrame, QGridLayout, QLabel

from seg_editor.ui.panels.parts import ElidedLabel, named, restyle

_WIDTHS = (72, 70, 62, 57, 51)
_HEIGHTS = (15, 20, 15)


@dataclass(frozen=True)
class Figure:
    """A figure in three lines: its name, its value, what it is to be read beside; and its meaning."""

    name: str
    value: str
    beside: str
    meaning: str


class Glance(QFrame):
    """A row of figures under a line that says whose they are; a click asks for all about them.

    Signals
    -------
    clicked()
    """

    clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("glance")
        self.setToolTip("Click for the parts of the figures, their meaning and their course")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(0)
        grid.setVerticalSpacing(0)
        self.scope = named(ElidedLabel(), "glanceScope")
        grid.addWidget(self.scope, 0, 0, 1, len(_WIDTHS))
        self._cells: list[tuple[QLabel, QLabel, QLabel]] = []
        for column, width in enumerate(_WIDTHS):
            name, value, beside = named(QLabel(), "tiny"), named(QLabel(), "glanceValue"), named(QLabel(), "tiny")
            for line, (label, height) in enumerate(zip((name, value, beside), _HEIGHTS, strict=True), start=1):
                label.setFixedSize(width, height)  # another text then lays nothing out again
                grid.addWidget(label, line, column)
            self._cells.append((name, value, beside))
        self.scope.setFixedSize(sum(_WIDTHS), _HEIGHTS[0] + 2)

    @property
    def values(self) -> tuple[str, ...]:
        """The figures as they are shown."""
        return tuple(value.text() for _, value, _ in self._cells)

    def show_figures(
        self, scope: str, figures: Sequence[Figure], *, shorter: Sequence[str] = (), warn: bool = False
    ) -> None:
        """Show up to five figures; `warn` says that the scope is not what the panes show.

        `shorter` are what may stand for the scope, longest first, where it does not fit.
        """
        self.scope.setText(scope, shorter)
        restyle(self.scope, warn=warn)
        for cell, figure in zip(self._cells, figures, strict=True):
            for label, text in zip(cell, (figure.name, figure.value, figure.beside), strict=True):
                label.setText(text)
                label.setToolTip(figure.meaning)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Ask for more."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()

"""The dock: sections that scroll and fold, and below them what always stays in sight."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from seg_editor.ui.panels.parts import Section, named
from seg_editor.ui.preferences import Preferences

_WIDTH = 344


class Dock(QFrame):
    """Holds the panels of the window; which of them are folded is remembered.

    Parameters
    ----------
    panels : sequence of Section
    footer : QWidget
        Stays in sight.
    preferences : Preferences

    Attributes
    ----------
    area : QScrollArea
        Scrolls the panels up and down; none of them may need more than its width.
    """

    def __init__(self, panels: Sequence[Section], footer: QWidget, preferences: Preferences) -> None:
        super().__init__()
        self.setObjectName("dock")
        self.setFixedWidth(_WIDTH)
        self._preferences = preferences
        body = named(QWidget(), "dockBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for panel in panels:
            column.addWidget(panel)
            panel.set_folded(panel.key in preferences.folded)
            panel.folded.connect(lambda folded, key=panel.key: self._remember(key, folded))
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidget(body)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QVBoxLayout(self)
        inner.setContentsMargins(1, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(self.area)
        inner.addWidget(footer)

    def reveal(self, panel: Section) -> None:
        """Unfold a panel and scroll it into sight."""
        panel.set_folded(False)
        self._remember(panel.key, False)
        QTimer.singleShot(0, lambda: self._scroll(panel))

    def _scroll(self, panel: Section) -> None:
        bar = self.area.verticalScrollBar()
        if bar is not None:
            bar.setValue(panel.y())

    def _remember(self, key: str, folded: bool) -> None:
        known = self._preferences.folded
        self._preferences.folded = known | {key} if folded else known - {key}

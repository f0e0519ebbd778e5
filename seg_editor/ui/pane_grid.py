"""The widget that holds the panes of a layout, all of them or one that fills it."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QWidget

from seg_editor.ui.layouts import Plan

_HAIRLINE = 1


class PaneGrid(QWidget):
    """Arranges widgets by a :class:`~seg_editor.ui.layouts.Plan`."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panes")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._plan: Plan | None = None
        self._panes: list[QWidget] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_HAIRLINE)

    def clear(self) -> None:
        """Delete the panes."""
        for pane in self._panes:
            self._grid.removeWidget(pane)
            pane.hide()
            pane.deleteLater()
        self._panes, self._plan = [], None

    def arrange(self, plan: Plan, panes: Sequence[QWidget]) -> None:
        """Place a pane for every slot of a plan, in place of those before."""
        self.clear()
        self._plan, self._panes = plan, list(panes)
        for pane, cell in zip(panes, plan.cells, strict=True):
            self._grid.addWidget(pane, *cell)

    def show_only(self, number: int | None) -> None:
        """Let one pane fill the grid, or show all; rows and columns that show nothing get no room."""
        if self._plan is None:
            return
        plan = self._plan
        row, column, rows, columns = (0, 0, len(plan.rows), len(plan.columns))
        if number is not None:
            row, column, rows, columns = plan.cells[number]
        for k in range(self._grid.columnCount()):
            self._grid.setColumnStretch(k, plan.columns[k] if column <= k < column + columns else 0)
        for k in range(self._grid.rowCount()):
            self._grid.setRowStretch(k, plan.rows[k] if row <= k < row + rows else 0)
        for n, pane in enumerate(self._panes):
            pane.setVisible(number in (None, n))

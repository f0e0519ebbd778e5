"""The tray below the pictures: comparing, ensemble, history. It comes when a run is ordered, not with its picture."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.generation import Generation
from seg_editor.ui.state import UiState


class Tray(QFrame):
    """Takes its room when the first run begins, in live mode when editing does, and keeps it for the case.

    So the panes keep their size and place when the first picture arrives, when the ensemble does, and under a stroke;
    who only edits labels has the whole window for them.

    Parameters
    ----------
    bar, card, strip : QWidget
        The compare bar, the ensemble's card and the history strip.
    ui : UiState
    generation : Generation
    reserved : callable
        Called when the tray takes its room.
    """

    def __init__(
        self,
        bar: QWidget,
        card: QWidget,
        strip: QWidget,
        ui: UiState,
        generation: Generation,
        reserved: Callable[[], object],
    ) -> None:
        super().__init__()
        self._ui, self._generation, self._reserved = ui, generation, reserved
        self._workspace: Workspace | None = None
        self._taken = self._away = False
        self._unbind: list[Callable[[], None]] = []
        low = QHBoxLayout()
        low.setContentsMargins(0, 0, 0, 0)
        low.setSpacing(0)
        low.addWidget(card)
        low.addWidget(strip, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addLayout(low)
        self.hide()
        bind(self, ui.changed, lambda name: self._follow() if name == "tool" else None)
        bind(self, generation.settings.changed, lambda name: self._follow() if name == "live" else None)
        generation.changed.connect(self._follow)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Serve another case: away until it is needed, unless pictures of it were kept."""
        for unbind in self._unbind:
            unbind()
        self._workspace, self._unbind = workspace, []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.segmentation.committed, lambda _change: self._follow()),
                bind(self, workspace.results.changed, self._follow),
            ]
        self._taken = False
        self.hide()
        self._follow()

    def put_away(self, away: bool) -> None:
        """Leave the whole screen to the pictures, or come back where there is something to show by then."""
        self._away = away
        self.setVisible(self._taken and not away)

    @property
    def _needed(self) -> bool:
        workspace, tool = self._workspace, self._ui.tool
        if workspace is None:
            return False
        soon = self._generation.settings.live and (tool.brushes or tool.sets_labels or self._generation.removed)
        coming = self._generation.running and not self._generation.stopping
        return soon or coming or len(workspace.results) > 0

    def _follow(self) -> None:
        if not self._taken and self._needed:
            self._taken = True
            self.setVisible(not self._away)
            self._reserved()

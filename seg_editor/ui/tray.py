"""The tray below the pictures: comparing, ensemble, history. It comes before one works, never while one does."""

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
        self.hide()
        self._follow()

    @property
    def _needed(self) -> bool:
        workspace, tool = self._workspace, self._ui.tool
        if workspace is None:
            return False
        soon = self._generation.settings.live and (tool.brushes or tool.sets_labels or self._generation.removed)
        return soon or self._generation.running or len(workspace.results) > 0

    def _follow(self) -> None:
        window = self.window()
        if self.isHidden() and self._needed and not (window is not None and window.isFullScreen()):
            self.show()
            self._reserved()

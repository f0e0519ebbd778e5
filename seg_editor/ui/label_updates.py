"""Draws changed labels: at once where the user is looking, soon everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QObject, QTimer

from seg_editor.editing import Box
from seg_editor.ui.pane_content import PaneContent

_THROTTLE_MS = 33


class LabelUpdates(QObject):
    """Keeps the labels of the panes up to date while a stroke runs in one of them.

    Parameters
    ----------
    contents : callable
        The panes of the layout in force.
    rested : callable
        Called once the panes show all changes and no stroke is running.
    parent : QObject

    Attributes
    ----------
    live : PaneContent or None
        The pane under the brush while the button is down.
    """

    def __init__(
        self, contents: Callable[[], Sequence[PaneContent]], rested: Callable[[], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self.live: PaneContent | None = None
        self._contents, self._rested = contents, rested
        self._waiting: list[PaneContent] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_THROTTLE_MS)
        self._timer.timeout.connect(self._draw_waiting)

    def draw(self, box: Box) -> None:
        """Draw the labels that changed in `box`."""
        for made in self._contents():
            if not made.meets(box):
                continue
            if self.live is None or made is self.live:
                made.draw_labels()
            elif made not in self._waiting:
                self._waiting.append(made)
        if not self._timer.isActive():
            self._timer.start()

    def _draw_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for made in self._contents():
            if made in waiting:
                made.draw_labels()
        if self.live is None:
            self._rested()
        else:
            self._timer.start()

"""The panes follow the cursor: the plane in use at once, the other planes with the next turns of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from PyQt6.QtCore import QObject, QTimer

from seg_editor.editing import Box
from seg_editor.ui.pane_content import PaneContent


class Following(QObject):
    """Splits a jump through several planes into short pieces of work, with the mouse and a repaint between them.

    Panes of one plane are drawn together, so that pictures that are compared never show two slices.

    Parameters
    ----------
    contents : callable
        The panes of the layout in force.
    in_use : callable
        The pane that the user looks at, or None.
    rested : callable
        Called once all panes show the cursor.
    parent : QObject
    """

    def __init__(
        self,
        contents: Callable[[], Sequence[PaneContent]],
        in_use: Callable[[], PaneContent | None],
        rested: Callable[[], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._contents, self._in_use, self._rested = contents, in_use, rested
        self._relabeled: list[PaneContent] = []
        self.jumping = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)

    @property
    def pending(self) -> bool:
        """True while a pane is still to be drawn."""
        return self._timer.isActive()

    @contextmanager
    def jump(self) -> Iterator[None]:
        """Change labels and cursor in the body; every pane is drawn once afterwards."""
        self.jumping = True
        try:
            yield
        finally:
            self.jumping = False
            self.follow()

    def relabel(self, box: Box) -> None:
        """During a jump: remember which panes show labels that changed."""
        self._relabeled += [made for made in self._contents() if made.meets(box) and made not in self._relabeled]

    def follow(self) -> None:
        """Draw the plane in use, and the crosshair where the picture stays; the rest comes next."""
        if self.jumping:
            return
        in_use = self._in_use()
        for made in self._contents():
            if in_use is None or made.plane is in_use.plane:
                self._draw(made)
            elif made.at_cursor and made not in self._relabeled:
                made.draw_marks()
        self.later()

    def later(self) -> None:
        """Call `rested` with the next turn of the event loop."""
        if not self._timer.isActive():
            self._timer.start(0)

    def _waiting(self) -> list[PaneContent]:
        return [made for made in self._contents() if made in self._relabeled or not made.at_cursor]

    def _turn(self) -> None:
        """Draw the panes of one plane; other planes have a turn of the event loop of their own."""
        waiting = self._waiting()
        drawn = [made for made in waiting if made.plane is waiting[0].plane]
        if len(drawn) < len(waiting):
            for made in drawn:
                self._draw(made)
            if self._waiting() != waiting:
                self._timer.start(0)
                return
        self.finish()

    def finish(self) -> None:
        """Draw what is still to be drawn now."""
        self._timer.stop()
        for made in self._waiting():
            self._draw(made)
        self._relabeled.clear()
        self._rested()

    def _draw(self, made: PaneContent) -> None:
        relabeled = made in self._relabeled
        if relabeled:
            self._relabeled.remove(made)
        if relabeled and made.at_cursor:
            made.draw_labels()
        made.follow_cursor()

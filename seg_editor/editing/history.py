"""Undo and redo over the whole case, by deltas within a byte budget."""

from __future__ import annotations

from seg_editor.editing.delta import Change
from seg_editor.editing.segmentation import Segmentation
from seg_editor.errors import UsageError
from seg_editor.signal import Signal


class History:
    """The steps made on one segmentation.

    Parameters
    ----------
    segmentation : Segmentation
    max_bytes : int
        Memory for all steps. The oldest go first; the newest always stays.

    Notes
    -----
    `changed` emits after every push, undo and redo; `undone` and `redone` emit the :class:`Change`.
    """

    def __init__(self, segmentation: Segmentation, max_bytes: int = 256 << 20) -> None:
        self.changed = Signal()
        self.undone = Signal()
        self.redone = Signal()
        self._segmentation = segmentation
        self._max_bytes = max_bytes
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._nbytes = 0

    def __len__(self) -> int:
        return len(self._done)

    @property
    def nbytes(self) -> int:
        """Memory held by all steps, in bytes."""
        return self._nbytes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the steps that can be undone, oldest first."""
        return tuple(change.name for change in self._done)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo and no stroke is running."""
        return bool(self._done) and not self._segmentation.in_stroke

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo and no stroke is running."""
        return bool(self._undone) and not self._segmentation.in_stroke

    @property
    def undo_name(self) -> str:
        """Name of the step that undo takes back, or ``""``."""
        return self._done[-1].name if self._done else ""

    @property
    def redo_name(self) -> str:
        """Name of the step that redo does again, or ``""``."""
        return self._undone[-1].name if self._undone else ""

    def push(self, change: Change | None) -> None:
        """Add the step just made; None (a no-op) and the newest step pushed again are ignored.

        Raises
        ------
        UsageError
            The change did not make the present state of the segmentation.
        """
        if change is None or (self._done and self._done[-1] is change):
            return
        if change.after != self._segmentation.revision:
            raise UsageError(f"{change.name} is not the step just made")
        self._nbytes += change.nbytes - sum(c.nbytes for c in self._undone)
        self._undone.clear()
        self._done.append(change)
        while self._nbytes > self._max_bytes and len(self._done) > 1:
            self._nbytes -= self._done.pop(0).nbytes
        self.changed.emit()

    def undo(self) -> Change | None:
        """Take the newest step back and return it (its `focus` is where to look); None when there is none."""
        if not self.can_undo:
            return None
        change = self._done[-1]
        try:
            self._segmentation.revert(change)
        finally:  # the labels may have changed and a view failed to draw them
            if self._segmentation.revision == change.before:
                self._undone.append(self._done.pop())
        self.undone.emit(change)
        self.changed.emit()
        return change

    def redo(self) -> Change | None:
        """Do the step undone last again and return it; None when there is none."""
        if not self.can_redo:
            return None
        change = self._undone[-1]
        try:
            self._segmentation.reapply(change)
        finally:
            if self._segmentation.revision == change.after:
                self._done.append(self._undone.pop())
        self.redone.emit(change)
        self.changed.emit()
        return change

    def clear(self) -> None:
        """Forget every step."""
        self._done.clear()
        self._undone.clear()
        self._nbytes = 0
        self.changed.emit()

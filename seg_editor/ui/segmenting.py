"""Automatic segmentation by the referee M4 in the background; its end is one undoable edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.cases import Subregion
from seg_editor.editing import Ready, ReplaceAll, Within, compute
from seg_editor.errors import ModelError
from seg_editor.session import Workspace
from seg_editor.ui.workers import Cancelled, Progress, Task, Tasks

NAME = "Segment automatically"
FOUND_NOTHING = "The automatic segmentation found no tumor in FLAIR. Paint one, or go on without."


def load_referee() -> Any:
    """Load the referee that is installed.

    Raises
    ------
    ModelError
        There is none, or it cannot be read.
    """
    from seg_editor.generation.referee import find_referee

    referee = find_referee()
    if referee is None:
        raise ModelError("no model that segments is installed", remedy="Add m4 under resources/models")
    return referee


class Segmenting(QObject):
    """Segments the open case.

    Signals
    -------
    progress(str, float)
        What is being done and how far; an empty text when it ended.
    found(object)
        Labels ``(x, y, z)`` in the case's values, ready for :meth:`adopt`.
    failed(object)
        The exception.
    """

    progress = pyqtSignal(str, float)
    found = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.make_referee: Callable[[], Any] = load_referee
        self._tasks = tasks
        self._task: Task | None = None
        self._workspace: Workspace | None = None
        self._referee: Any = None
        self._ready: tuple[object, Ready | None] = (None, None)

    @property
    def running(self) -> bool:
        """True while the model looks at the case."""
        return self._task is not None

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case; a run on the old one is dropped."""
        self.cancel()
        self._workspace = workspace

    def start(self) -> None:
        """Look for the tumor."""
        workspace = self._workspace
        if workspace is None or self._task is not None:
            return
        case, segmentation = workspace.case, workspace.segmentation
        present, locked = segmentation.labels.copy(), workspace.view.locked
        state = segmentation.revision, locked

        def work(progress: Progress, cancelled: Cancelled) -> tuple[np.ndarray, object, Ready | None]:
            from seg_editor.generation.automatic import tumor_labels, without_debris

            progress(-1.0, "loading the model")
            if self._referee is None:
                self._referee = self.make_referee()
            five = self._referee.segment(case, progress=progress, cancel=cancelled)
            five = without_debris(five, case.grid.spacing)
            labels = tumor_labels(case, five).astype(present.dtype)
            edit = Within(ReplaceAll(labels, NAME), locked=locked)
            return labels, state, compute(edit, present, case.scheme, case.grid.spacing)

        self._task = task = self._tasks.start(work, "segment")
        task.progress.connect(lambda part, what: self.progress.emit(f"{NAME}: {what.lower()}", part))
        task.done.connect(self._finish)
        task.failed.connect(self._fail)
        self.progress.emit(NAME, -1.0)

    def cancel(self) -> bool:
        """Stop; False when nothing ran. No label changes."""
        if self._task is None:
            return False
        self._task.cancel()
        self._end()
        return True

    def adopt(self, labels: np.ndarray, *, keep: bool) -> bool:
        """Make the labels found the segmentation in one step, or with `keep` only where nothing is labeled yet.

        Locked labels stay as they are. Afterwards the largest slice of what changed is on display and edema is the
        active label. False when nothing changes.
        """
        workspace = self._workspace
        if workspace is None:
            return False
        segmentation, view = workspace.segmentation, workspace.view
        state, ready = self._ready
        if keep or state != (segmentation.revision, view.locked):
            present = segmentation.labels
            wanted = np.where(present > 0, present, labels).astype(present.dtype) if keep else labels
            edit = Within(ReplaceAll(wanted, NAME), locked=view.locked)
            ready = compute(edit, present, segmentation.scheme, workspace.case.grid.spacing)
        change = None if ready is None else segmentation.apply(ready)
        if change is None:
            return False
        view.cursor = change.focus
        view.active_label = segmentation.scheme.value(Subregion.ED)
        return True

    def _end(self) -> None:
        self._task = None
        self.progress.emit("", 0.0)

    def _finish(self, made: tuple[np.ndarray, object, Ready | None]) -> None:
        labels, state, ready = made
        self._ready = state, ready
        self._end()
        self.found.emit(labels)

    def _fail(self, error: object) -> None:
        self._end()
        self.failed.emit(error)

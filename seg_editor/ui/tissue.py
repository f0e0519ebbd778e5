"""The tissue map in the background: start, progress, cancel, and the overlay when it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.workers import Cancelled, Progress, Task, Tasks


class Tissue(QObject):
    """Computes the tissue map of the open case.

    Signals
    -------
    progress(str, float)
        What is being done, and how far (negative: unknown); an empty text when it ended.
    ready(object)
        Labels ``(x, y, z)`` uint8, or None when another case was opened.
    edited(object)
        The box ``(x, y, z)`` that an edit of the map changed.
    failed(object)
        The exception.
    """

    progress = pyqtSignal(str, float)
    ready = pyqtSignal(object)
    edited = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._task: Task | None = None
        self._workspace: Workspace | None = None
        self._unbind: Callable[[], None] = lambda: None
        self.labels: np.ndarray | None = None
        self.saved = False
        """Whether a map was saved with the case before it was opened."""

    @property
    def running(self) -> bool:
        """True while a map is being computed."""
        return self._task is not None

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Drop the map of the case before."""
        self.cancel()
        self._unbind()
        self._workspace = workspace
        self.labels = None
        self.saved = workspace is not None and workspace.tissue_path.exists()
        self.ready.emit(None)

    def start(self) -> None:
        """Compute the map, or fetch it from the cache; a map that was edited stays."""
        if self._workspace is None or self._task is not None or self._workspace.tissue is not None:
            return
        case = self._workspace.case

        def work(progress: Progress, cancelled: Cancelled) -> Any:
            from seg_editor.anatomy.tissue import tissue_map

            return tissue_map(case, progress=progress, cancel=cancelled)

        self._task = task = self._tasks.start(work, "tissue map")
        task.progress.connect(lambda fraction, what: self.progress.emit(f"Tissue map: {what}", fraction))
        task.done.connect(self._finish)
        task.failed.connect(self._fail)
        self.progress.emit("Tissue map", -1.0)

    def open_saved(self) -> None:
        """Take the map that was saved with the case in place of the one there is; `CaseError` when it is no such.

        A map that is being computed is given up.
        """
        if self._workspace is not None:
            self.cancel()
            self._workspace.open_tissue()
            self._show(self._workspace)

    def cancel(self) -> None:
        """Stop computing."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self.progress.emit("", 0.0)

    def _finish(self, made: Any) -> None:
        self._task = None
        workspace = self._workspace
        assert workspace is not None
        workspace.set_tissue(made.labels)
        self.progress.emit("", 0.0)
        self._show(workspace)

    def _show(self, workspace: Workspace) -> None:
        assert workspace.tissue is not None
        segmentation = workspace.tissue.segmentation
        self.labels = segmentation.labels
        self._unbind()
        self._unbind = bind(self, segmentation.changed, self.edited.emit)
        self.ready.emit(self.labels)

    def _fail(self, error: object) -> None:
        self._task = None
        self.progress.emit("", 0.0)
        self.failed.emit(error)

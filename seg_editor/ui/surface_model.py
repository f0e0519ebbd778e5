"""Surfaces of one case for the 3D view, made in the background and renewed while the labels are edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from seg_editor.cases import Case, Modality
from seg_editor.errors import told
from seg_editor.session import Workspace, default_window
from seg_editor.ui.bind import bind
from seg_editor.ui.surface import Points, surface_points, textured, with_light
from seg_editor.ui.workers import Cancelled, Progress, Task, Tasks

RENEW_MS = 300
NO_BRAIN = "There is no brain to show: every voxel of this case is zero."
_BRAIN_SIGMA = 1.5


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What there is to draw.

    Parameters
    ----------
    brain : Points or None
    labels : mapping of label value to Points
    removed : Points or None
        Tumor of the file that the segmentation no longer holds.
    """

    brain: Points | None = None
    labels: dict[int, Points] = field(default_factory=dict)
    removed: Points | None = None


class SurfaceModel(QObject):
    """Keeps the surfaces of a workspace up to date while somebody looks.

    Signals
    -------
    changed()
        :attr:`surfaces` or :attr:`problem` is new.
    """

    changed = pyqtSignal()

    def __init__(self, workspace: Workspace, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._tasks = tasks
        self._task: Task | None = None
        self._fresh = False
        self._watched = False
        self.surfaces: Surfaces | None = None
        self.problem = ""
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(RENEW_MS)
        self._late.timeout.connect(self._renew)
        self._stop: Callable[[], None] = bind(self, workspace.segmentation.changed, self._on_labels)

    @property
    def busy(self) -> bool:
        """True while surfaces are being made or soon will be."""
        return self._task is not None or self._late.isActive()

    def watch(self, watched: bool) -> None:
        """Say whether somebody looks; nothing is computed for nobody."""
        self._watched = watched
        if watched and not self._fresh and self._task is None:
            self._renew()

    def end(self) -> None:
        """Stop following the workspace."""
        self._stop()
        self._late.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _on_labels(self, _box: object) -> None:
        self._fresh = False
        if self._watched and not self._late.isActive():
            self._late.start()

    def _renew(self) -> None:
        if self._task is not None:
            self._late.start()
            return
        if not self._watched:
            return
        self._fresh = True
        workspace = self._workspace
        case, segmentation = workspace.case, workspace.segmentation
        labels, original = segmentation.labels.copy(), segmentation.original.copy()
        brain = None if self.surfaces is None else self.surfaces.brain

        def work(_progress: Progress, cancelled: Cancelled) -> Surfaces:
            made = brain if brain is not None else brain_points(case)
            values = [] if cancelled() else case.scheme.label_values
            parts = {value: _points(labels == value, case) for value in values}
            removed = _points((original > 0) & (labels == 0), case)
            return Surfaces(made, {value: points for value, points in parts.items() if points is not None}, removed)

        self._task = task = self._tasks.start(work, "surfaces")
        task.done.connect(self._take)
        task.failed.connect(self._fail)

    def _take(self, surfaces: object) -> None:
        self._task = None
        if isinstance(surfaces, Surfaces):
            self.surfaces = surfaces
            self.problem = NO_BRAIN if surfaces.brain is None and not surfaces.labels else ""
            self.changed.emit()

    def _fail(self, error: object) -> None:
        self._task = None
        self.problem = f"The 3D view could not be made: {told(error).rstrip('.')}. The slices are not affected."
        self.changed.emit()


def brain_points(case: Case) -> Points | None:
    """Return the surface of the brain, toned by the tissue below it so that sulci show."""
    points = surface_points(case.brain, case.grid.spacing, sigma=_BRAIN_SIGMA, both_sides=False)
    if points is None:
        return None
    points = with_light(points, case.brain, case.grid.spacing, sigma=_BRAIN_SIGMA / 2)
    modality = Modality.T1 if Modality.T1 in case.volumes else case.modalities[0]
    raw = case.volumes[modality].raw
    return textured(points, raw, case.grid.spacing, default_window(raw))


def _points(mask: NDArray[np.bool_], case: Case) -> Points | None:
    points = surface_points(mask, case.grid.spacing)
    return None if points is None else with_light(points, mask, case.grid.spacing)

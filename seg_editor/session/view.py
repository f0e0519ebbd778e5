"""What is shown of a case, and what the brush would paint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, Modality
from seg_editor.editing import Brush, PaintOver
from seg_editor.metrics.display import display_window
from seg_editor.session.observable import Field, Observable

GrayWindow = tuple[float, float]


class Plane(IntEnum):
    """A plane of the volume; the value is the axis of its normal."""

    SAGITTAL = 0
    CORONAL = 1
    AXIAL = 2


@dataclass(frozen=True)
class IntensityRange:
    """A closed range of a modality's stored values."""

    modality: Modality
    low: float
    high: float


def default_window(raw: NDArray[Any]) -> GrayWindow:
    """The gray window of a volume, as the metrics take it too (:func:`seg_editor.metrics.display_window`).

    Parameters
    ----------
    raw : array (x, y, z)

    Returns
    -------
    (low, high) with low < high
    """
    window = display_window(raw)
    return window.low, window.high


def _inside(state: ViewState, cursor: tuple[int, int, int]) -> tuple[int, int, int]:
    x, y, z = (min(max(int(i), 0), n - 1) for i, n in zip(cursor, state.shape, strict=True))
    return x, y, z


def _fraction(state: ViewState, value: float) -> float:
    return min(max(float(value), 0.0), 1.0)


def _present(state: ViewState, modality: Modality) -> Modality:
    return modality if modality in state.modalities else state.modality


class ViewState(Observable):
    """View and brush of one opened case.

    Every attribute can be assigned; one that changes emits its name through ``changed`` (see also ``on``).

    Attributes
    ----------
    plane : Plane
    cursor : (x, y, z)
        Voxel under the crosshair, kept inside the volume.
    modality : Modality
        One that the case has; others are ignored.
    windows : mapping of Modality to (low, high)
        Gray windows that the user changed; read them through :meth:`window`.
    overlay, outline, fill : bool
        Whether the labels are drawn at all, and how.
    opacity : float
        Of the fill, 0 to 1.
    active_label : int
    brush : Brush
    paint_over : PaintOver
    only_label : int or None
        The label that ``PaintOver.ACTIVE`` covers.
    erase_active_only : bool
        The eraser takes only the active label.
    locked : frozenset of int
        Labels that painting never changes.
    gate : IntensityRange or None
        Paint goes only where this modality lies in the range.
    in_brain : bool
        Paint goes only inside the brain.
    in_3d : bool
        Fill takes the region in all directions, and an outline goes through every slice.
    on_tissue : bool
        Tools, undo and redo act on the tissue map in place of the tumor.
    tissue_label : int
        The active label of the tissue map.
    tissue_opacity : float
        Of the tissue map, 0 to 1.
    """

    plane = Field(Plane.AXIAL)
    cursor: Field[tuple[int, int, int]] = Field((0, 0, 0), _inside)
    modality: Field[Modality] = Field(Modality.FLAIR, _present)
    windows: Field[Mapping[Modality, GrayWindow]] = Field({})
    overlay = Field(True)
    outline = Field(True)
    fill = Field(True)
    opacity = Field(0.35, _fraction)
    active_label = Field(1)
    brush: Field[Brush] = Field(Brush())
    paint_over = Field(PaintOver.ALL)
    only_label: Field[int | None] = Field(None)
    erase_active_only = Field(True)
    locked: Field[frozenset[int]] = Field(frozenset())
    gate: Field[IntensityRange | None] = Field(None)
    in_brain = Field(True)
    in_3d = Field(False)
    on_tissue = Field(False)
    tissue_label = Field(1)
    tissue_opacity = Field(0.45, _fraction)

    def __init__(self, case: Case) -> None:
        super().__init__()
        self._case = case
        self._defaults: dict[Modality, GrayWindow] = {}
        if case.modalities and self.modality not in case.modalities:
            self.modality = case.modalities[0]
        self.cursor = _first_look(case)
        if case.scheme.label_values:
            self.active_label = case.scheme.label_values[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        return self._case.grid.shape

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities of the case."""
        return self._case.modalities

    def window(self, modality: Modality | None = None) -> GrayWindow:
        """Gray window (low, high), in stored units, of a modality (by default the one shown)."""
        wanted = modality or self.modality
        chosen = self.windows.get(wanted)
        if chosen is not None:
            return chosen
        if wanted not in self._defaults:
            self._defaults[wanted] = default_window(self._case.volumes[wanted].raw)
        return self._defaults[wanted]

    def rule(self, *, on_tumor: bool = True) -> tuple[PaintOver, int | None]:
        """What paint may cover, and the one label of ``PaintOver.ACTIVE``; a rule about tumor does not bind tissue."""
        if on_tumor or self.paint_over is PaintOver.BACKGROUND:
            return self.paint_over, self.only_label if self.paint_over is PaintOver.ACTIVE else None
        return PaintOver.ALL, None

    def set_window(self, modality: Modality, window: GrayWindow | None) -> None:
        """Change the gray window of `modality`; None brings the default back."""
        kept = {m: w for m, w in self.windows.items() if m != modality}
        self.windows = kept if window is None else {**kept, modality: window}


def _first_look(case: Case) -> tuple[int, int, int]:
    """The middle of the axial slice with most tumor, or of the volume."""
    tumor = case.tumor
    nx, ny, nz = case.grid.shape
    if tumor is None or not tumor.any():
        return nx // 2, ny // 2, nz // 2
    k = int(np.argmax(np.count_nonzero(tumor, axis=(0, 1))))
    x, y = np.argwhere(tumor[:, :, k]).mean(axis=0)
    return round(float(x)), round(float(y)), k

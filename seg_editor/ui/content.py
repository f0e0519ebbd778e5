"""What a pane shows: gray levels, label codes, outlines. Pure functions on arrays; no Qt here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seg_editor.cases import bounding_box
from seg_editor.ui.planes import Plane, PlaneView, boundary_segments
from seg_editor.ui.windowing import GrayWindow, to_signed, width_of

if TYPE_CHECKING:
    from seg_editor.cases import Case, Modality
    from seg_editor.generation.counterfactual import Counterfactual

DIFFERENCE_FRACTION = 0.5


@dataclass(frozen=True)
class Preview:
    """A step of a running generation: one axial slice in image values, array order ``(x, y)``."""

    slice_index: int
    pictures: Mapping[Any, np.ndarray]


class _Shared:
    """The slices asked for last, so that linked panes cut each of them out once."""

    def __init__(self, size: int = 8) -> None:
        self._kept: dict[Any, np.ndarray] = {}
        self._size = size

    def get(self, key: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what `key` stands for, made at most once while it is kept."""
        if key not in self._kept:
            while len(self._kept) >= self._size:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = make()
        return self._kept[key]


class Pictures:
    """Slices of the source and of the counterfactual of one case, as they are needed.

    Parameters
    ----------
    case : Case
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.brain_box = bounding_box(case.brain)
        self._result: Counterfactual | None = None
        self._composed: dict[Any, np.ndarray] = {}
        self.preview: Preview | None = None
        self._shared = _Shared()

    @property
    def result(self) -> Counterfactual | None:
        """The counterfactual shown, if there is one."""
        return self._result

    def set_result(self, result: Counterfactual | None) -> None:
        """Show another counterfactual from now on."""
        if result is not self._result:
            self._result = result
            self._composed = {}

    def source(self, modality: Modality, view: PlaneView, index: int) -> np.ndarray:
        """Return a source slice ``(rows, columns)`` in raw units; panes that show the same one share it."""
        return self._shared.get((modality, view, index), lambda: view.cut(self.case.volumes[modality].raw, index))

    def labels(self, labels: np.ndarray, revision: int, view: PlaneView, index: int) -> np.ndarray:
        """Return the label codes of a slice, shared in the same way."""
        return self._shared.get((revision, view, index), lambda: label_codes(labels, view, index))

    def generated(self, modality: Modality, view: PlaneView, index: int) -> np.ndarray | None:
        """Return the counterfactual's slice, a running preview of it, or None where there is neither."""
        preview = self.preview
        if preview is not None and view.plane is Plane.AXIAL and preview.slice_index == index:
            picture = preview.pictures.get(modality)
            if picture is not None:
                return view.flat(self._to_raw(modality, picture))
        if self._result is None or modality not in self._result.modalities:
            return None
        if modality not in self._composed:
            self._composed[modality] = self._result.raw(self.case, modality)
        return view.cut(self._composed[modality], index)

    def _to_raw(self, modality: Modality, picture: np.ndarray) -> np.ndarray:
        volume = self.case.volumes[modality]
        if (volume.slope, volume.inter) == (1.0, 0.0):
            return picture
        return np.asarray((picture - volume.inter) / volume.slope, dtype=np.float32)

    def hole(self, view: PlaneView, index: int) -> np.ndarray | None:
        """Return the generated voxels of a slice as ``(rows, columns)`` bool, or None without a result."""
        if self._result is None:
            return None
        return view.cut(self._result.hole.mask, index)

    def covers(self, view: PlaneView, index: int) -> bool:
        """True when the result holds generated voxels in this slice."""
        if self._result is None:
            return False
        part = self._result.hole.box[int(view.plane)]
        return bool(part.start <= index < part.stop)


def difference_reach(window: GrayWindow) -> float:
    """Return the difference in raw units that gets full color."""
    return DIFFERENCE_FRACTION * width_of(window)


def difference_picture(source: np.ndarray, generated: np.ndarray, window: GrayWindow) -> np.ndarray:
    """Return the signed difference as uint8 codes of :func:`~seg_editor.ui.chrome.difference_colors`."""
    return to_signed(source, generated, difference_reach(window))


def label_codes(labels: np.ndarray, view: PlaneView, index: int) -> np.ndarray:
    """Return a label slice ``(rows, columns)`` as uint8 codes for the lookup table."""
    codes = view.cut(labels, index)
    return codes if codes.dtype == np.uint8 else np.clip(codes, 0, 255).astype(np.uint8)


def used_part(codes: np.ndarray) -> tuple[slice, slice] | None:
    """Return the smallest ``(rows, columns)`` that hold labels, or None."""
    rows = np.flatnonzero(codes.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(codes[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


class Profile:
    """Labeled voxels per slice of one plane, kept up to date by the boxes that change."""

    def __init__(self) -> None:
        self.plane: Plane | None = None
        self.counts = np.zeros(0, dtype=np.int64)

    def recount(self, labels: np.ndarray, plane: Plane, box: tuple[slice, slice, slice] | None = None) -> None:
        """Count all slices, or only those that meet `box`."""
        axis = int(plane)
        others = tuple(other for other in range(3) if other != axis)
        if self.plane is not plane or box is None or self.counts.size != labels.shape[axis]:
            self.plane = plane
            self.counts = np.asarray(np.count_nonzero(labels, axis=others))
            return
        part = [slice(None)] * 3
        part[axis] = box[axis]
        self.counts = self.counts.copy()
        self.counts[box[axis]] = np.count_nonzero(labels[tuple(part)], axis=others)


def label_table(
    colors: Mapping[int, tuple[int, int, int]], opacity: float, hidden: Iterable[int] = (), *, fill: bool = True
) -> np.ndarray:
    """Return the ``(256, 4)`` uint8 lookup table of the label overlay."""
    table = np.zeros((256, 4), dtype=np.uint8)
    if not fill:
        return table
    concealed = set(hidden)
    for value, color in colors.items():
        if value not in concealed and 0 < value < 256:
            table[value] = (*color, round(255 * opacity))
    return table


def label_outlines(codes: np.ndarray, view: PlaneView, values: Iterable[int]) -> list[tuple[int, np.ndarray]]:
    """Return ``(label value, segments in mm)`` of every label present in a slice."""
    present = set(np.flatnonzero(np.bincount(codes.ravel(), minlength=256)).tolist())
    return [(value, boundary_segments(codes == value, view.step)) for value in values if value in present]

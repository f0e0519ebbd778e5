"""What a pane shows: gray levels, label codes, outlines. Pure functions on arrays; no Qt here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from seg_editor.cases import bounding_box
from seg_editor.ui.compare import CompareState, EnsembleView, Patch
from seg_editor.ui.planes import Plane, PlaneView, boundary_segments
from seg_editor.ui.state import Role

if TYPE_CHECKING:
    from seg_editor.cases import Case, Modality
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.session.ensemble import Ensemble
    from seg_editor.session.measured import Measured, Seen


T = TypeVar("T")


@dataclass(frozen=True)
class Preview:
    """A step of a generation: one axial slice in image values, array order ``(x, y)``, and of which run it is.

    Parameters
    ----------
    slice_index : int
    pictures : mapping of Modality to array
    k, total : int
        Number of the step, and how many there are; 0 where that is not known.
    model : str
    seed : int
    key : str
        Of the result that the run led to; empty while it is under way.
    token : hashable
        While it is under way: the state of the mask that the run was ordered for.
    """

    slice_index: int
    pictures: Mapping[Any, np.ndarray]
    k: int = 0
    total: int = 0
    model: str = ""
    seed: int = 0
    key: str = ""
    token: Hashable = None

    @property
    def title(self) -> str:
        """What to call it; empty where the step has no number."""
        return f"Step {self.k}{f' of {self.total}' if self.total else ''}" if self.k else ""


class _Shared:
    """What was asked for last, so that linked panes make it once."""

    def __init__(self, size: int = 48) -> None:
        self._kept: dict[Any, Any] = {}
        self._size = size

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """Return what `key` stands for, made at most once while it is kept."""
        if key not in self._kept:
            while len(self._kept) >= self._size:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept


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
        self.preview: Preview | None = None
        self.underway = False
        self.outdated: Callable[[str], bool] = lambda _key: False
        self.fits: Callable[[Hashable], bool] = lambda _token: True
        self.compare = CompareState()
        self.against: Counterfactual | None = None
        self.number_of: Callable[[str], int] = lambda _key: 0
        self.others: tuple[Counterfactual, ...] = ()
        self.ensemble: Ensemble | None = None
        self.measured: Measured | None = None
        self.measured_against: Measured | None = None
        self.measured_others: tuple[Measured | None, ...] = ()
        self._shared = _Shared()

    @property
    def result(self) -> Counterfactual | None:
        """The counterfactual shown, if there is one."""
        return self._result

    def set_result(self, result: Counterfactual | None) -> None:
        """Show another counterfactual from now on."""
        self._result = result

    def source(self, modality: Modality, view: PlaneView, index: int) -> np.ndarray:
        """Return a source slice ``(rows, columns)`` in raw units; panes that show the same one share it."""
        return self._shared.get((modality, view, index), lambda: view.cut(self.case.volumes[modality].raw, index))

    def labels(self, labels: np.ndarray, revision: int, view: PlaneView, index: int) -> np.ndarray:
        """Return the label codes of a slice, shared in the same way."""
        return self._shared.get((revision, view, index), lambda: label_codes(labels, view, index))

    def first(self, modality: Modality, view: PlaneView, index: int) -> np.ndarray:
        """Return what the counterfactual is compared with: the source, or another result."""
        against = self.compared(modality, view, index)
        found = None if against is None else self._cut(against, modality, view, index)
        return self.source(modality, view, index) if found is None else found

    def compared(self, modality: Modality, view: PlaneView, index: int) -> Counterfactual | None:
        """Return the result in the place of the source; None where it has nothing generated in this slice."""
        against = self.against
        there = against is not None and modality in against.modalities and self.made_in(against, view, index)
        return against if there else None

    def rank(self, rank: int) -> Counterfactual | None:
        """Return the result of a pane that shows the `rank`-th one; 0 is the current."""
        if rank == 0:
            return self._result
        return self.others[rank - 1] if rank <= len(self.others) else None

    def outlines(self, codes: np.ndarray, revision: int, view: PlaneView, index: int) -> list[tuple[int, np.ndarray]]:
        """Return ``(label value, segments in mm)`` of the labels of a slice, shared in the same way."""
        values = self.case.scheme.label_values
        return self._shared.get(("outlines", revision, view, index), lambda: label_outlines(codes, view, values))

    def generated(self, modality: Modality, view: PlaneView, index: int, rank: int = 0) -> np.ndarray | None:
        """Return the counterfactual's slice, a running preview of it, or None where there is neither."""
        if rank:
            other = self.rank(rank)
            return None if other is None else self._cut(other, modality, view, index)
        preview = self.preview
        if preview is not None and self.previewed(view, index):
            picture = preview.pictures.get(modality)
            if picture is not None:
                return view.flat(self._to_raw(modality, picture))
        return None if self._result is None else self._cut(self._result, modality, view, index)

    def _cut(self, result: Counterfactual, modality: Modality, view: PlaneView, index: int) -> np.ndarray | None:
        if modality not in result.modalities:
            return None
        key = (result.request.key, modality, view, index)
        return self._shared.get(key, lambda: view.flat(result.slice_raw(self.case, modality, index, int(view.plane))))

    def pooled(self, view: PlaneView, index: int) -> bool:
        """True where the ensemble may take the place of the current result, see `Ensemble.stands_for`."""
        return self.ensemble is not None and self.ensemble.stands_for(self._result, index, int(view.plane))

    def averaged(self, modality: Modality, view: PlaneView, index: int) -> np.ndarray | None:
        """Return the mean or the standard deviation of the ensemble, whichever is asked for.

        None where the single result is shown in its place: the ensemble is of another mask or of other slices, or a
        step of a run shows.
        """
        wanted, ensemble = self.compare.ensemble, self.ensemble
        if ensemble is None or wanted is EnsembleView.OFF or modality not in ensemble.results[0].modalities:
            return None
        if self.previewed(view, index) or not self.pooled(view, index):
            return None
        made = ensemble.mean if wanted is EnsembleView.MEAN else ensemble.sd
        key = (wanted, ensemble.seeds, ensemble.results[0].request.key, modality, view, index)
        return self._shared.get(key, lambda: view.flat(made(self.case, modality, index, int(view.plane))))

    def seen(self, role: Role, view: PlaneView, index: int, rank: int = 0) -> np.ndarray | None:
        """Return the tumor that the referee sees in a slice of source or result; None where it did not look.

        It looks at axial slices; in the other planes the lines of those that it looked at are put together.
        """
        found = self._looked(role, rank)
        if found is None:
            return None
        return self._shared.get(("seen", found, view, index), lambda: self._seen(found, view, index))

    def unseen(self, role: Role, view: PlaneView, index: int, rank: int = 0) -> tuple[int, ...] | None:
        """Return the axial slices that the referee looked at, where they leave out some of this slice's brain.

        None where it looked at all of the brain in the slice.
        """
        found, axis = self._looked(role, rank), int(view.plane)
        if found is None or view.plane is Plane.AXIAL:
            return None
        brain = np.flatnonzero(self.case.brain.take(index, axis).any(axis=0))
        return None if set(brain.tolist()) <= found.bits.keys() else tuple(sorted(found.bits))

    def _looked(self, role: Role, rank: int) -> Seen | None:
        """What the referee saw in the picture that a pane shows; None where it was not asked about that picture."""
        if role is Role.DIFFERENCE:
            return None
        if role is Role.SOURCE:
            if self.against is not None:
                return None if self.measured_against is None else self.measured_against.result
            return None if self.measured is None else self.measured.source
        others = self.measured_others
        measured = self.measured if rank == 0 else others[rank - 1] if rank <= len(others) else None
        return None if measured is None else measured.result

    def _seen(self, found: Seen, view: PlaneView, index: int) -> np.ndarray | None:
        axis = int(view.plane)
        axial = view.plane is Plane.AXIAL
        flat = found.slice(index) if axial else found.across(axis, index, self.case.grid.shape[2])
        return None if flat is None else view.flat(flat)

    def _to_raw(self, modality: Modality, picture: np.ndarray) -> np.ndarray:
        volume = self.case.volumes[modality]
        if (volume.slope, volume.inter) == (1.0, 0.0):
            return picture
        return np.asarray((picture - volume.inter) / volume.slope, dtype=np.float32)

    def hole(self, view: PlaneView, index: int, rank: int = 0) -> np.ndarray | None:
        """Return the generated voxels of a slice as ``(rows, columns)`` bool, or None without a result."""
        return self._hole_of(self.rank(rank), view, index)

    def _hole_of(self, result: Counterfactual | None, view: PlaneView, index: int) -> np.ndarray | None:
        if result is None:
            return None
        key = ("hole", result.request.hole_hash, result.slices, view, index)
        return self._shared.get(key, lambda: view.cut(result.hole.mask, index))

    def hole_outline(self, result: Counterfactual | None, view: PlaneView, index: int) -> np.ndarray:
        """Return the edges of a result's generated voxels, ``(2 n, 2)`` in mm; linked panes share them."""
        hole = self._hole_of(result, view, index)
        if result is None or hole is None:
            return np.empty((0, 2))
        key = ("hole outline", result.request.hole_hash, result.slices, view, index)
        return self._shared.get(key, lambda: boundary_segments(hole, view.step))

    def made_in(self, result: Counterfactual | None, view: PlaneView, index: int) -> bool:
        """True when a result holds generated voxels in this slice; elsewhere it is the source, bit for bit."""
        if result is None or not view.holds(result.hole.box, index):
            return False
        axis = int(view.plane)
        part = result.hole.mask[result.hole.box]
        return bool(part.take(index - result.hole.box[axis].start, axis).any())

    def previewed(self, view: PlaneView, index: int) -> bool:
        """True when a step of the running generation shows in this slice."""
        return self.preview is not None and view.plane is Plane.AXIAL and self.preview.slice_index == index


def patch_of(view: PlaneView, shape: tuple[int, int], crop: tuple[slice, slice] | None) -> Patch:
    """Say where the part of a picture that `crop` names lies in the plane."""
    rows, columns = crop or (slice(0, shape[0]), slice(0, shape[1]))
    du, dv = view.step
    return Patch(shape, columns.start * du, rows.start * dv, view.step, int(view.plane))


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
    """Labeled voxels per slice of each plane, kept up to date by the boxes that change."""

    def __init__(self) -> None:
        self.plane: Plane | None = None
        self._counts: dict[Plane, np.ndarray] = {}
        self._stale: dict[Plane, slice] = {}

    @property
    def counts(self) -> np.ndarray:
        """Labeled voxels per slice of the current plane."""
        return np.zeros(0, np.int64) if self.plane is None else self._counts[self.plane]

    def recount(self, labels: np.ndarray, plane: Plane, box: tuple[slice, slice, slice] | None = None) -> None:
        """Turn to a plane; `box` is what changed since the last call. Only the slices that it meets are counted."""
        self.plane = plane
        if box is not None:
            for known in self._counts:
                span, before = box[int(known)], self._stale.get(known)
                join = span if before is None else slice(min(span.start, before.start), max(span.stop, before.stop))
                self._stale[known] = join
        axis = int(plane)
        if tuple(self._counts[p].size for p in self._counts) != labels.shape:
            self._counts = {p: _per_slice(labels, int(p)) for p in sorted(Plane)}
            self._stale.clear()
        elif (stale := self._stale.pop(plane, None)) is not None:
            fresh = self._counts[plane].copy()
            fresh[stale] = _per_slice(labels[(*[slice(None)] * axis, stale)], axis)
            self._counts[plane] = fresh


def _per_slice(labels: np.ndarray, axis: int) -> np.ndarray:
    others = tuple(other for other in range(3) if other != axis)
    return np.asarray(np.count_nonzero(labels, axis=others))


def label_table(
    colors: Mapping[int, tuple[int, int, int]], opacity: float, hidden: Iterable[int] = (), *, fill: bool = True
) -> np.ndarray:
    """Return the ``(256, 4)`` uint8 lookup table of the label overlay; equal ones are the same read-only array."""
    concealed = set(hidden) if fill else colors
    return _table(tuple((v, c) for v, c in colors.items() if v not in concealed and 0 < v < 256), round(255 * opacity))


@lru_cache(maxsize=32)
def _table(colors: tuple[tuple[int, tuple[int, int, int]], ...], alpha: int) -> np.ndarray:
    table = np.zeros((256, 4), dtype=np.uint8)
    for value, color in colors:
        table[value] = (*color, alpha)
    table.flags.writeable = False
    return table


def label_outlines(codes: np.ndarray, view: PlaneView, values: Iterable[int]) -> list[tuple[int, np.ndarray]]:
    """Return ``(label value, segments in mm)`` of every label present in a slice."""
    present = set(np.flatnonzero(np.bincount(codes.ravel(), minlength=256)).tolist())
    return [(value, boundary_segments(codes == value, view.step)) for value in values if value in present]

"""Figures of a result, and what the referee saw in the source and in the result while they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import TUMOR
from seg_editor.cases import Modality

if TYPE_CHECKING:
    from seg_editor.cases import Case
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.metrics import Metrics, Referee

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Seen:
    """Where the referee sees tumor, as packed bits of axial slices ``(x, y)``."""

    shape: tuple[int, int]
    bits: Mapping[int, bytes]

    @classmethod
    def of(cls, indices: Sequence[int], classes: NDArray[np.uint8]) -> Seen:
        """Keep the tumor of the classes ``(n, x, y)`` of some slices."""
        shape = (int(classes.shape[1]), int(classes.shape[2]))
        return cls(shape, {k: np.packbits(p == TUMOR).tobytes() for k, p in zip(indices, classes, strict=True)})

    def slice(self, index: int) -> BoolArray | None:
        """Tumor of an axial slice ``(x, y)``, or None where the referee did not look."""
        if index not in self.bits:
            return None
        flat = np.frombuffer(self.bits[index], dtype=np.uint8)
        count = self.shape[0] * self.shape[1]
        return np.unpackbits(flat, count=count).view(np.bool_).reshape(self.shape)

    def across(self, axis: int, index: int, depth: int) -> BoolArray | None:
        """Tumor of a sagittal (axis 0) or coronal (1) slice, or None where the referee looked at nothing.

        Parameters
        ----------
        axis, index : int
        depth : int
            Axial slices of the volume.

        Returns
        -------
        bool (y or x, z) or None
            False where the referee did not look.
        """
        if not self.bits:
            return None
        seen = np.zeros((self.shape[1 - axis], depth), np.bool_)
        for k in self.bits:
            plane = self.slice(k)
            if plane is not None:
                seen[:, k] = plane.take(index, axis=axis)
        return seen

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(map(len, self.bits.values()))


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures of a result.

    Parameters
    ----------
    metrics : Metrics
    floors : mapping of slice to float
        TumorResidual of the source's own untouched tissue; empty without a referee.
    full : mapping of slice to float
        DiffMap IoU, had every voxel of the hole changed.
    bounds : mapping of slice to float
        The highest DiffMap IoU that the slice allows.
    source, result : Seen or None
        The referee's tumor; None without a referee.
    complete : bool
        False while only the slice on display has been measured.
    """

    metrics: Metrics
    floors: Mapping[int, float]
    full: Mapping[int, float]
    bounds: Mapping[int, float]
    source: Seen | None
    result: Seen | None
    complete: bool = True


class Remembering:
    """A referee that looks at each axial slice of a source once, however many results are measured beside it.

    Parameters
    ----------
    referee : Referee
        Asked about every picture that is not the source's own, and about each source slice the first time.
    """

    def __init__(self, referee: Referee) -> None:
        self._referee = referee
        self._case = ""
        self._seen: dict[int, NDArray[np.uint8]] = {}

    def segment_slices(self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None = None) -> NDArray[np.uint8]:
        """As the referee."""
        if raw is not None:
            return self._referee.segment_slices(case, indices, raw)
        if self._case != case.content_hash:
            self._case, self._seen = case.content_hash, {}
        missing = [k for k in indices if k not in self._seen]
        if missing:
            self._seen.update(zip(missing, self._referee.segment_slices(case, missing), strict=True))
        return np.stack([self._seen[k] for k in indices])


class _Listening:
    """A referee that remembers what it said about the result."""

    def __init__(self, referee: Referee) -> None:
        self._referee = referee
        self.said: Seen | None = None

    def segment_slices(self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None = None) -> NDArray[np.uint8]:
        """As the referee."""
        classes = self._referee.segment_slices(case, indices, raw)
        self.said = Seen.of(indices, classes)
        return classes


def measure(
    case: Case,
    result: Counterfactual,
    *,
    referee: Referee | None = None,
    remaining: NDArray[Any] | None = None,
    slices: Sequence[int] | None = None,
) -> Measured:
    """Score a result, and look at the source with the same referee.

    Parameters
    ----------
    case : Case
    result : Counterfactual
    referee : Referee, optional
    remaining : labels or bool (x, y, z), optional
        Tumor that was to stay; labels tell what of it.
    slices : sequence of int, optional
        Only these axial slices, for figures at once.
    """
    from seg_editor.metrics import iou_bound, iou_of_full_change, residual_floor, score

    listening = None if referee is None else _Listening(referee)
    tumor = result.hole.core
    metrics = score(case, result, tumor=tumor, referee=listening, remaining=remaining, slices=slices)
    indices = tuple(row.index for row in metrics.per_slice)
    complete = slices is None or set(indices) == set(result.slices)
    gone, hole = (_planes(volume, indices) for volume in (tumor, result.hole.mask))
    full = _by_slice(indices, lambda part: iou_of_full_change(hole[part], gone[part]))
    bounds = _by_slice(indices, lambda part: iou_bound(hole[part], gone[part]))
    if referee is None or listening is None or listening.said is None or Modality.FLAIR not in case.volumes:
        return Measured(metrics, {}, full, bounds, None, None, complete)
    classes = referee.segment_slices(case, indices)
    stays = np.zeros_like(gone) if remaining is None else _planes(remaining, indices) > 0
    floors = _by_slice(indices, lambda part: residual_floor(classes[part], gone[part], hole[part], stays[part]))
    return Measured(metrics, floors, full, bounds, Seen.of(indices, classes), listening.said, complete)


def _planes(volume: BoolArray, indices: Sequence[int]) -> BoolArray:
    return np.ascontiguousarray(np.moveaxis(volume[:, :, list(indices)], 2, 0))


def _by_slice(indices: Sequence[int], figure: Callable[[slice], float | None]) -> dict[int, float]:
    """Return a figure of each slice that has one."""
    found = {k: figure(slice(i, i + 1)) for i, k in enumerate(indices)}
    return {k: value for k, value in found.items() if value is not None}

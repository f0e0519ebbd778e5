"""Figures of a result, and what the referee saw in the source and in the result while they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Modality

if TYPE_CHECKING:
    from seg_editor.cases import Case
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.metrics import Metrics, Referee

TUMOR = 4
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
    floor : float or None
        The same over all slices together.
    source, result : Seen or None
        The referee's tumor; None without a referee.
    complete : bool
        False while only the slice on display has been measured.
    """

    metrics: Metrics
    floors: Mapping[int, float]
    floor: float | None
    source: Seen | None
    result: Seen | None
    complete: bool = True


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
    remaining: BoolArray | None = None,
    slices: Sequence[int] | None = None,
) -> Measured:
    """Score a result, and look at the source with the same referee.

    Parameters
    ----------
    case : Case
    result : Counterfactual
    referee : Referee, optional
    remaining : bool (x, y, z), optional
        Tumor that was to stay.
    slices : sequence of int, optional
        Only these axial slices, for figures at once.
    """
    from seg_editor.metrics import residual_floor, score

    listening = None if referee is None else _Listening(referee)
    tumor = result.hole.core
    metrics = score(case, result, tumor=tumor, referee=listening, remaining=remaining, slices=slices)
    indices = tuple(row.index for row in metrics.per_slice)
    complete = slices is None or set(indices) == set(result.slices)
    if referee is None or listening is None or listening.said is None or Modality.FLAIR not in case.volumes:
        return Measured(metrics, {}, None, None, None, complete)
    classes = referee.segment_slices(case, indices)
    planes = [
        None if volume is None else np.ascontiguousarray(np.moveaxis(volume[:, :, list(indices)], 2, 0))
        for volume in (tumor, result.hole.mask, remaining)
    ]
    gone, hole, stays = planes
    assert gone is not None
    assert hole is not None
    floors = {}
    for i, k in enumerate(indices):
        part = slice(i, i + 1)
        found = residual_floor(classes[part], gone[part], hole[part], None if stays is None else stays[part])
        if found is not None:
            floors[k] = found
    overall = residual_floor(classes, gone, hole, stays)
    return Measured(metrics, floors, overall, Seen.of(indices, classes), listening.said, complete)

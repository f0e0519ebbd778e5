"""Several seeds of the same request: their mean, their spread, and the spread of every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import UsageError

if TYPE_CHECKING:
    from seg_editor.cases import Case, Modality
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.generation.request import GenerationRequest

FIGURES = ("tumor_residual", "diffmap_iou", "texture_ratio", "seam_ratio")


@dataclass(frozen=True)
class Spread:
    """A figure over the seeds: `n` values, their mean, standard deviation (n - 1; None for one value) and range."""

    n: int
    mean: float
    sd: float | None
    low: float
    high: float


def spread_of(values: Sequence[float | None]) -> Spread | None:
    """Return the spread of the values that are there; None when none is."""
    found = np.array([value for value in values if value is not None], dtype=np.float64)
    if found.size == 0:
        return None
    sd = float(found.std(ddof=1)) if found.size > 1 else None
    return Spread(int(found.size), float(found.mean()), sd, float(found.min()), float(found.max()))


class Ensemble:
    """Results that differ by their seed only.

    Parameters
    ----------
    results : sequence of Counterfactual
        At least one; all of one hole, and of the same modalities.

    Raises
    ------
    UsageError
        They are not of one hole.
    """

    def __init__(self, results: Sequence[Counterfactual]) -> None:
        if not results:
            raise UsageError("an ensemble needs results", remedy="Generate some seeds first")
        first = results[0]
        alike = (first.request.hole_hash, first.slices, first.modalities)
        if any((r.request.hole_hash, r.slices, r.modalities) != alike for r in results):
            raise UsageError("these results fill different holes", remedy="Generate the seeds again")
        self.results = tuple(results)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the order in which they were made."""
        return tuple(result.request.seed for result in self.results)

    @property
    def slices(self) -> tuple[int, ...]:
        """The axial slices that were generated."""
        return self.results[0].slices

    def alike(self, request: GenerationRequest) -> bool:
        """True when a request differs from those of the seeds by seed and slices at most."""
        own = self.results[0].request
        return replace(request, seed=own.seed, slices=own.slices) == own

    def stands_for(self, result: Counterfactual | None, index: int, axis: int = 2) -> bool:
        """True where mean and deviation may take the place of a result in slice `index` of a plane.

        That is where they are of the same mask and the same way to generate it, in an axial slice of the ensemble; in
        the other planes, where they are of the same axial slices. Anywhere else they would show untouched tumor.
        """
        if result is None or not self.alike(result.request):
            return False
        return index in self.slices if axis == 2 else result.slices == self.slices

    def mean(self, case: Case, modality: Modality, index: int, axis: int = 2) -> NDArray[np.float32]:
        """The mean of a slice over the seeds, 2-D, stored values; the source's own outside the hole."""
        mean = np.mean(self._slices(case, modality, index, axis), axis=0, dtype=np.float64)
        return np.asarray(mean, np.float32)

    def sd(self, case: Case, modality: Modality, index: int, axis: int = 2) -> NDArray[np.float32]:
        """The standard deviation (n - 1) of a slice over the seeds, 2-D, stored values; 0 outside the hole."""
        slices = self._slices(case, modality, index, axis)
        if len(slices) < 2:
            return np.zeros(slices[0].shape, np.float32)
        return np.asarray(np.std(slices, axis=0, ddof=1, dtype=np.float64), np.float32)

    def _slices(self, case: Case, modality: Modality, index: int, axis: int) -> list[NDArray[Any]]:
        return [result.slice_raw(case, modality, index, axis) for result in self.results]


def figures_spread(metrics: Sequence[Any]) -> Mapping[str, Spread]:
    """Return the spread of every figure over the ``Metrics`` of the seeds, by its key in ``overall``."""
    spreads = {name: spread_of([m.overall.get(name) for m in metrics]) for name in FIGURES}
    return {name: spread for name, spread in spreads.items() if spread is not None}

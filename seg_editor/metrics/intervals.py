"""Confidence intervals: patients are drawn again, for slices and seeds of one patient are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 95.0


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds of its 95 % bootstrap interval; equal bounds mean one patient."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    patients: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over patients.

    Parameters
    ----------
    statistic : callable
        Takes indices of patients, some more than once, and returns the figure; NaN draws are left out.
    patients : int
    """
    everyone = np.arange(patients)
    value = float(statistic(everyone))
    if patients < 2:
        return Interval(value, value, value)
    draws = np.random.default_rng(seed).integers(patients, size=(resamples, patients))
    values = np.array([statistic(draw) for draw in draws])
    values = values[np.isfinite(values)]
    if not values.size:
        return Interval(value, value, value)
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def bootstrap_mean(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean of one number a patient."""
    array = np.asarray(values, np.float64)
    return bootstrap(lambda chosen: float(array[chosen].mean()), len(array), resamples=resamples, seed=seed)


def bootstrap_ratio(
    above: Sequence[float], below: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Sum over patients divided by sum over patients: a pooled mean. NaN when nothing is below the line."""
    a, b = np.asarray(above, np.float64), np.asarray(below, np.float64)

    def pooled(chosen: NDArray[np.intp]) -> float:
        total = b[chosen].sum()
        return float(a[chosen].sum() / total) if total else float("nan")

    return bootstrap(pooled, len(a), resamples=resamples, seed=seed)

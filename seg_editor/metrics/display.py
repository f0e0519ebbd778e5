"""The gray window that source and result share."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Window:
    """The range of stored values that is shown from black to white; `low` < `high`."""

    low: float
    high: float


_known: dict[int, tuple[weakref.ref[NDArray[Any]], Window]] = {}


def display_window(volume: NDArray[Any]) -> Window:
    """Return the 0.5–99.5 percentile of the nonzero voxels of a volume.

    The window belongs to the source and is used for its counterfactuals too. It is remembered as long as the
    array lives, so a volume must not be written to afterward.

    Parameters
    ----------
    volume : (x, y, z) array
        Stored values (``Volume.raw``); the window is in the same units. Zero is outside the head.
    """
    found = _known.get(id(volume))
    if found is not None and found[0]() is volume:
        return found[1]
    values = volume[volume != 0]
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, PERCENTILES) if values.size else (0.0, 1.0)
    window = Window(float(low), float(high) if high > low else float(low) + 1.0)
    key = id(volume)
    _known[key] = (weakref.ref(volume, lambda _: _known.pop(key, None)), window)
    return window


def difference_range(window: Window) -> float:
    """Return the difference, in stored units, that gets full color wherever differences are shown.

    The gray range of the source, rounded up to one or two digits: the same for every slice and every result, and no
    difference between two shades of gray is beyond it.
    """
    width = window.high - window.low
    decade = 10.0 ** np.floor(np.log10(width))
    steps = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    return float(next(step for step in steps if step * decade >= width * (1 - 1e-9)) * decade)


def display01(raw: NDArray[Any], window: Window) -> NDArray[np.float32]:
    """Map stored values to [0, 1] as they are shown.

    Parameters
    ----------
    raw : array of any shape
        Stored values of the source or of a result.
    window : Window

    Returns
    -------
    float32 array of the same shape, clipped to [0, 1]
    """
    scaled = (raw.astype(np.float32) - np.float32(window.low)) / np.float32(window.high - window.low)
    clipped: NDArray[np.float32] = np.clip(scaled, 0.0, 1.0)
    return clipped

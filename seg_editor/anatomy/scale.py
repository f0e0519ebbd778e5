"""Intensity scale of a volume: median and interquartile range of its healthy brain.

MRI intensities have no unit. Two numbers a volume, taken where nothing is wrong, make patients comparable; they are
stored with the result so that the way back is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 400_000


@dataclass(frozen=True)
class IntensityScale:
    """Affine map between a volume's own units and normalized units (median 0, interquartile range 1)."""

    median: float
    iqr: float

    @classmethod
    def of(cls, values: NDArray[np.generic], healthy: NDArray[np.bool_]) -> IntensityScale:
        """Measure the scale on healthy voxels.

        Parameters
        ----------
        values : array (x, y, z)
            One modality, in its own units.
        healthy : bool array (x, y, z)
            Brain voxels outside tumor and hole.

        Notes
        -----
        Large volumes are sampled at a fixed stride, so the result is deterministic.
        """
        inside = values[healthy]
        if inside.size == 0:
            return cls(0.0, 1.0)
        sample = inside[:: max(1, inside.size // _SAMPLE)].astype(np.float32)
        low, median, high = np.percentile(sample, [25, 50, 75])
        spread = float(high - low)
        if spread <= 0:
            spread = float(sample.std()) or 1.0
        return cls(float(median), spread)

    def normalize(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Own units to normalized units."""
        return ((values.astype(np.float32) - np.float32(self.median)) / np.float32(self.iqr)).astype(np.float32)

    def invert(self, normalized: NDArray[np.floating]) -> NDArray[np.float32]:
        """Normalized units back to own units."""
        return (normalized * np.float32(self.iqr) + np.float32(self.median)).astype(np.float32)

"""Change outside the hole: 0, or something is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def change_outside(source: NDArray[Any], generated: NDArray[Any], hole: NDArray[np.bool_]) -> float:
    """Return the largest absolute change over the voxels outside the hole, in the arrays' own units.

    Parameters
    ----------
    source, generated : arrays of the same shape
        Stored values; NaN against NaN is no change, NaN against a number is infinite change.
    hole : bool array of the same shape
    """
    if not source.shape == generated.shape == hole.shape:
        raise ValueError(f"shapes differ: {source.shape}, {generated.shape}, {hole.shape}")
    moved = source != generated
    moved &= ~hole
    if not moved.any():
        return 0.0
    before, after = source[moved].astype(np.float64), generated[moved].astype(np.float64)
    change = np.abs(after - before)
    change[np.isnan(before) & np.isnan(after)] = 0.0
    return float(np.nan_to_num(change, nan=np.inf).max())

"""Seam: does the rim of the hole show?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def seam_ratio(
    image: NDArray[np.floating[Any]],
    hole: NDArray[np.bool_],
    healthy: NDArray[np.bool_],
    *,
    distance: float = 6.0,
    min_pairs: int = 20,
) -> float | None:
    """Return the mean step across the hole's rim over that across the same rim moved outward; 1 is right.

    A step is the absolute difference of two in-plane neighbors, one on either side. At the rim the outer one must
    be healthy; at the moved rim both must be.

    Parameters
    ----------
    image : (n, x, y) float array
        The result on any linear scale, not clipped.
    hole, healthy : (n, x, y) bool arrays
        Generated voxels; brain voxels that are neither generated nor tumor.
    distance : float
        How far the rim is moved outward, in voxels.
    min_pairs : int
        Fewer pairs than this on either rim give no figure.

    Returns
    -------
    float or None
        None when a rim is too short or the moved rim is perfectly flat.
    """
    from scipy import ndimage

    rim: list[NDArray[Any]] = []
    moved: list[NDArray[Any]] = []
    for plane, gap, tissue in zip(image, hole, healthy, strict=True):
        if not gap.any():
            continue
        wide = ndimage.distance_transform_edt(~gap) <= distance
        rim += _steps(plane, gap, gap | tissue)
        moved += _steps(plane, wide, tissue)
    if not rim:
        return None
    across, expected = np.concatenate(rim), np.concatenate(moved)
    if across.size < min_pairs or expected.size < min_pairs or not expected.any():
        return None
    return float(across.mean() / expected.mean())


def _steps(plane: NDArray[Any], region: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """Return the absolute differences of neighbors on either side of the region's edge, along both axes."""
    values = np.asarray(plane, dtype=np.float32)
    found = []
    for axis in (0, 1):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        pairs = (region[low] ^ region[high]) & allowed[low] & allowed[high]
        found.append(np.abs(values[low] - values[high])[pairs])
    return found

"""Texture: is the generated tissue as grainy as the tissue around it?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def texture_ratio(
    image: NDArray[np.floating[Any]],
    hole: NDArray[np.bool_],
    healthy: NDArray[np.bool_],
    *,
    sigma: float = 1.0,
    erode: int = 3,
    reach: int = 20,
    min_voxels: int = 50,
) -> float | None:
    """Return the high-pass variance in the hole over that in healthy tissue; 1 is right, below is too smooth.

    The high pass is the image minus its in-plane Gaussian. Hole and healthy tissue are both eroded in-plane, so that
    neither the rim nor the edge of the brain counts. The healthy tissue is taken within `reach` voxels of the
    hole, or from the whole slices when there is too little.

    Parameters
    ----------
    image : (n, x, y) float array
        The result on any linear scale, not clipped.
    hole, healthy : (n, x, y) bool arrays
        Generated voxels; brain voxels that are neither generated nor tumor.
    sigma : float
        Of the Gaussian, in voxels.
    erode : int
        Steps of erosion with a 3x3 square.
    reach : int
        Width of the healthy band, in voxels.
    min_voxels : int
        Fewer than this in hole or band give no figure.

    Returns
    -------
    float or None
        None when the hole or the healthy tissue is too small or has no texture at all.
    """
    inner: list[NDArray[Any]] = []
    near: list[NDArray[Any]] = []
    wide: list[NDArray[Any]] = []
    for plane, gap, tissue in zip(image, hole, healthy, strict=True):
        if not gap.any():
            continue
        for values, place in zip((inner, near, wide), _high_pass(plane, gap, tissue, sigma, erode, reach), strict=True):
            values.append(place)
    if not inner:
        return None
    generated, band, everywhere = (np.concatenate(values) for values in (inner, near, wide))
    reference = band if band.size >= min_voxels else everywhere
    if generated.size < min_voxels or reference.size < min_voxels:
        return None
    expected = float(reference.var())
    return float(generated.var()) / expected if expected > 0 else None


def _high_pass(
    plane: NDArray[Any], gap: NDArray[np.bool_], tissue: NDArray[np.bool_], sigma: float, erode: int, reach: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the high-pass values in the hole, in the healthy band around it, and in all healthy tissue."""
    from scipy import ndimage

    values = np.asarray(plane, dtype=np.float32)
    detail = values - ndimage.gaussian_filter(values, sigma)
    size = 2 * erode + 1
    core = ndimage.minimum_filter(gap, size, mode="constant", cval=0)
    sound = ndimage.minimum_filter(tissue, size, mode="constant", cval=0)
    band = sound & (ndimage.distance_transform_edt(~gap) <= reach)
    return detail[core], detail[band], detail[sound]

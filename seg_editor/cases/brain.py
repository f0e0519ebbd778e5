"""Where the brain is, told from skull-stripped images alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.boxes import bounding_box
from seg_editor.cases.volume import Volume

_BACKGROUND_SHARE = 0.5


def brain_mask(volumes: Sequence[Volume], mask_file: Volume | None = None) -> NDArray[np.bool_]:
    """Return the brain: voxels where any image differs from its background, enclosed holes filled.

    Parameters
    ----------
    volumes : sequence of Volume
        The images of one case, skull-stripped.
    mask_file : Volume, optional
        A brain mask that came with the case; it wins unless it is constant, and nothing is filled.

    Returns
    -------
    ndarray of bool, shape (x, y, z), C-contiguous
    """
    if mask_file is not None:
        low, high = float(mask_file.raw.min()), float(mask_file.raw.max())
        middle = (low + high) / 2
        if low < high:
            return np.asarray(mask_file.raw > middle if mask_file.slope > 0 else mask_file.raw < middle)
    mask = np.zeros(volumes[0].raw.shape, dtype=bool)
    for volume in volumes:
        mask |= volume.raw != background(volume.raw)[0]
    return fill_enclosed(mask)


def background(raw: NDArray[Any]) -> tuple[Any, bool]:
    """Return the background value, the commonest on the outer faces, and whether it fills most of them."""
    faces = np.concatenate([np.take(raw, (0, -1), axis=axis).ravel() for axis in range(3)])
    values, counts = np.unique(faces, return_counts=True)
    commonest = int(counts.argmax())
    return values[commonest], bool(counts[commonest] >= _BACKGROUND_SHARE * faces.size)


def fill_enclosed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask with every cavity filled that no path of face neighbors joins to the outside."""
    from scipy import ndimage

    box = bounding_box(mask)
    if box is None:
        return mask.copy()
    outside = np.pad(~mask[box], 1, constant_values=True)
    parts, count = ndimage.label(outside)
    filled = mask.copy()
    if count > 1:
        inner = parts[1:-1, 1:-1, 1:-1]
        filled[box] |= inner > 1 if parts[0, 0, 0] == 1 else (inner > 0) & (inner != parts[0, 0, 0])
    return filled

"""Boxes of slices around what is set in a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]
EMPTY: Box = (slice(0, 0), slice(0, 0), slice(0, 0))


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around the true voxels of a 3D mask, ``None`` when there are none."""
    spans: list[slice] = []
    view = mask
    for axis in (2, 1, 0):
        others = tuple(a for a in range(3) if a != axis)
        hits = np.flatnonzero(view.any(axis=others))
        if not hits.size:
            return None
        span = slice(int(hits[0]), int(hits[-1]) + 1)
        view = view[(*[slice(None)] * axis, span)]
        spans.append(span)
    z, y, x = spans
    return x, y, z


def widened(box: Box, by: int, shape: Sequence[int]) -> Box:
    """Return `box` with `by` more voxels on every side, cut to an array of `shape`."""
    x, y, z = (slice(max(s.start - by, 0), min(s.stop + by, n)) for s, n in zip(box, shape, strict=True))
    return x, y, z

"""Brush shapes in millimeters, and the rule of what paint may cover."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np

from seg_editor.editing.delta import Labels, Mask
from seg_editor.errors import UsageError

_TOLERANCE = 1e-6


class PaintOver(StrEnum):
    """Which voxels paint may cover."""

    ALL = "all"
    BACKGROUND = "background"
    ACTIVE = "active"


class BrushShape(StrEnum):
    """Outline of the brush."""

    ROUND = "round"
    SQUARE = "square"


@dataclass(frozen=True)
class Brush:
    """A brush.

    Parameters
    ----------
    shape : "round" or "square"
    radius_mm : float
        Voxels whose center lies within this distance of the center voxel's (along each axis for a square).
    three_d : bool
        A ball or cube rather than a disc or square in the plane of the stroke.
    """

    shape: BrushShape | str = BrushShape.ROUND
    radius_mm: float = 5.0
    three_d: bool = False

    def __post_init__(self) -> None:
        if self.shape not in tuple(BrushShape):
            raise UsageError(f"there is no {self.shape} brush")
        if not (math.isfinite(self.radius_mm) and self.radius_mm > 0):
            raise UsageError(f"a brush radius of {self.radius_mm} mm is not possible")

    def footprint(self, spacing: tuple[float, float, float], axis: int) -> Mask:
        """Voxels of one dab.

        Parameters
        ----------
        spacing : (float, float, float)
            mm per voxel along x, y, z.
        axis : int
            Normal of the painted plane: 0 sagittal, 1 coronal, 2 axial. Ignored by a 3-D brush.

        Returns
        -------
        bool array (x, y, z)
            Odd sizes, its middle voxel True; size 1 along `axis` for a 2-D brush. Read-only, cached.
        """
        flat = None if self.three_d else axis
        return _footprint(str(self.shape), float(self.radius_mm), tuple(map(float, spacing)), flat)


@lru_cache(maxsize=64)
def _footprint(shape: str, radius: float, spacing: tuple[float, ...], flat: int | None) -> Mask:
    offsets = []
    for axis, step in enumerate(spacing):
        reach = 0 if axis == flat else math.floor(radius / step + _TOLERANCE)
        offsets.append(np.arange(-reach, reach + 1) * step)
    x, y, z = np.ix_(*offsets)
    if shape == BrushShape.ROUND:
        mask: Mask = x**2 + y**2 + z**2 <= (radius + _TOLERANCE) ** 2
    else:
        mask = np.ones((x.size, y.size, z.size), dtype=np.bool_)
    mask.flags.writeable = False
    return mask


def paintable(
    region: Labels, value: int, over: PaintOver, only_label: int | None, locked: frozenset[int] = frozenset()
) -> Mask | None:
    """Voxels of `region` that a stroke of `value` may write, or None for all.

    Erasing (`value` 0) looks at `only_label` alone: with it, only that label goes. `locked` labels neither lose nor
    gain a voxel.
    """
    if value in locked:
        return np.zeros(region.shape, dtype=np.bool_)
    allowed: Mask | None = None
    if value == 0 or over is PaintOver.ACTIVE:
        allowed = None if only_label is None else region == only_label
    elif over is PaintOver.BACKGROUND:
        allowed = region == 0
    for label in locked:
        keep: Mask = region != label
        allowed = keep if allowed is None else allowed & keep
    return allowed

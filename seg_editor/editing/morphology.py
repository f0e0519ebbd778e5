"""Edits that change the shape of what is labelled: grow, shrink, smooth, fill holes, drop pieces."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seg_editor.cases import LabelScheme
from seg_editor.editing.delta import Box, Labels, Mask, grow_box, tight_box
from seg_editor.editing.edit import Patch, Spacing
from seg_editor.editing.regions import NEIGHBORS_26
from seg_editor.errors import UsageError

_TOLERANCE = 1e-6


def _selected(labels: Labels, label: int | None) -> Mask:
    mask: Mask = labels > 0 if label is None else labels == label
    return mask


def _reach(mm: float, spacing: Spacing) -> tuple[int, int, int]:
    x, y, z = (math.floor(mm / step + _TOLERANCE) + 1 for step in spacing)
    return x, y, z


def _around(mask: Mask, margin: tuple[int, int, int]) -> Box | None:
    tight = tight_box(mask)
    return None if tight is None else grow_box(tight, margin, mask.shape)


class Border:
    """Distances from the border of the tumor, or of one label: one computation serves every amount to grow or shrink.

    Parameters
    ----------
    labels : integer array (x, y, z)
        Not kept, but for the part around the selection.
    label : int or None
        Only this label; the whole tumor with None.
    spacing : (float, float, float)
        mm per voxel.
    reach : float
        The largest amount in mm that will be asked for.
    within : bool array (x, y, z), optional
        Growing stays inside it (the brain).
    """

    def __init__(
        self, labels: Labels, label: int | None, spacing: Spacing, reach: float, within: Mask | None = None
    ) -> None:
        mask = _selected(labels, label)
        self._box = _around(mask, _reach(reach, spacing))
        if self._box is None:
            return
        self._inside = mask[self._box]
        self._labels = labels[self._box].copy()
        self._within = None if within is None else within[self._box]
        self._spacing = spacing
        self._outward: tuple[NDArray[np.float64], Labels] | None = None
        self._inward: NDArray[np.float64] | None = None

    def patch(self, mm: float, over: Collection[int] = ()) -> Patch | None:
        """Patch of the voxels gained (`mm` > 0) from background and from labels of `over`, or lost.

        None when nothing is selected.
        """
        if self._box is None or mm == 0 or not math.isfinite(mm):
            return None
        if mm < 0:
            return Patch(self._box, self._inside & (self._depth() <= -mm + _TOLERANCE), 0)
        distance, nearest = self._surroundings()
        gained: Mask = (distance <= mm + _TOLERANCE) & ~self._inside & np.isin(self._labels, [0, *over])
        if self._within is not None:
            gained &= self._within
        return Patch(self._box, gained, nearest[gained])

    def _surroundings(self) -> tuple[NDArray[np.float64], Labels]:
        if self._outward is None:
            distance, nearest = _distance_and_nearest(~self._inside, self._spacing)
            self._outward = distance, self._labels[tuple(nearest)]
        return self._outward

    def _depth(self) -> NDArray[np.float64]:
        if self._inward is None:
            if self._inside.all():
                self._inward = np.full(self._inside.shape, np.inf)
            else:
                self._inward = ndimage.distance_transform_edt(self._inside, sampling=self._spacing)
        return self._inward


@dataclass(frozen=True, eq=False)
class GrowShrink:
    """Move the border of the tumor, or of one label, outward (`mm` > 0) or inward (`mm` < 0).

    Parameters
    ----------
    mm : float
        Voxels whose centers lie within this distance of the border's voxels are gained or lost.
    label : int, optional
        Only this label; the whole tumor by default. Gained voxels get the label nearest to them, lost ones become
        background.
    over : collection of int
        Labels that growing takes besides background; none by default.
    within : bool array (x, y, z), optional
        Growing stays inside it (the brain).
    spacing : (float, float, float)
        mm per voxel; `Segmentation.apply` fills it in.
    border : Border, optional
        Made before, of the same labels, label and `within`.
    """

    mm: float
    label: int | None = None
    within: Mask | None = None
    spacing: Spacing = (1.0, 1.0, 1.0)
    border: Border | None = None
    over: Collection[int] = ()

    @property
    def name(self) -> str:
        """``"Grow"`` or ``"Shrink"``."""
        return "Grow" if self.mm > 0 else "Shrink"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> GrowShrink:
        """The same edit on a grid of `spacing`."""
        return replace(self, spacing=spacing)

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the voxels gained or lost; None when there is nothing to grow or shrink."""
        if self.mm == 0 or not math.isfinite(self.mm):
            return None
        border = self.border or Border(labels, self.label, self.spacing, abs(self.mm), self.within)
        return border.patch(self.mm, self.over)


@dataclass(frozen=True)
class KeepLargest:
    """Keep the largest 26-connected piece of the tumor (or of one label) and clear the others."""

    label: int | None = None
    name: str = "Keep largest piece"

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the pieces to clear, None when there is at most one."""
        mask = _selected(labels, self.label)
        box = tight_box(mask)
        if box is None:
            return None
        parts, sizes = _pieces(mask[box])
        return Patch(box, (parts > 0) & (parts != int(np.argmax(sizes))), 0) if len(sizes) > 2 else None


@dataclass(frozen=True)
class RemoveSmall:
    """Clear the 26-connected pieces of the tumor (or of one label) that are smaller than `min_ml` milliliters."""

    min_ml: float
    label: int | None = None
    spacing: Spacing = (1.0, 1.0, 1.0)
    name: str = "Remove small pieces"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> RemoveSmall:
        """The same edit on a grid of `spacing`."""
        return replace(self, spacing=spacing)

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the pieces to clear."""
        mask = _selected(labels, self.label)
        box = tight_box(mask)
        if box is None:
            return None
        parts, sizes = _pieces(mask[box])
        small = sizes * float(np.prod(self.spacing)) / 1000.0 < self.min_ml
        small[0] = False
        return Patch(box, small[parts], 0)


def solid_pieces(mask: Mask, spacing: Spacing, min_ml: float) -> Mask:
    """`mask` without its 26-connected pieces that are small or lie in one axial slice: what a network leaves as debris.

    Parameters
    ----------
    mask : bool array (x, y, z)
    spacing : (float, float, float)
        mm per voxel.
    min_ml : float
        Smaller pieces go, but for the largest of all.

    Returns
    -------
    bool array (x, y, z)
    """
    parts, sizes = _pieces(mask)
    large = sizes * float(np.prod(spacing)) / 1000.0 >= min_ml
    large[int(np.argmax(sizes))] = True
    thick = [part[2].stop - part[2].start > 1 for part in ndimage.find_objects(parts)]
    kept: Mask = (large & np.array([False, *thick]))[parts]
    return kept


@dataclass(frozen=True)
class FillHoles:
    """Fill background that is enclosed by the tumor on all sides, or in the slices with normal `axis`.

    Parameters
    ----------
    label : int, optional
        What to fill with; by default each voxel gets the label nearest to it.
    axis : int, optional
        Look for holes slice by slice along this axis; in three dimensions by default.
    of : int, optional
        Only the holes of this label; by default those of the whole tumor. Only background is ever filled.
    """

    label: int | None = None
    axis: int | None = None
    of: int | None = None
    spacing: Spacing = (1.0, 1.0, 1.0)
    name: str = "Fill holes"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> FillHoles:
        """The same edit on a grid of `spacing`."""
        return replace(self, spacing=spacing)

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the holes, None when there are none."""
        mask = _selected(labels, self.of)
        box = tight_box(mask)
        if box is None:
            return None
        inside = mask[box]
        structure = ndimage.generate_binary_structure(3, 1)
        if self.axis is not None:
            flat = [slice(None)] * 3
            for end in (0, 2):
                flat[self.axis] = slice(end, end + 1)
                structure[tuple(flat)] = False
        holes: Mask = ndimage.binary_fill_holes(inside, structure=structure) & (labels[box] == 0)
        if not holes.any():
            return None
        if self.label is not None:
            return Patch(box, holes, self.label)
        _, nearest = _distance_and_nearest(~inside, self.spacing)
        return Patch(box, holes, labels[box][tuple(index[holes] for index in nearest)])


class SmoothMethod(StrEnum):
    """How to smooth."""

    MEDIAN = "median"
    GAUSSIAN = "gaussian"


@dataclass(frozen=True)
class Smooth:
    """Smooth the borders: each voxel takes the label that weighs most around it.

    Parameters
    ----------
    radius_mm : float
        Radius of the ball of a median, or standard deviation of a Gaussian.
    label : int, optional
        Change only what this label gains or loses; all borders by default.
    method : "median" or "gaussian"
    spacing : (float, float, float)
        mm per voxel; `Segmentation.apply` fills it in.
    """

    radius_mm: float = 2.0
    label: int | None = None
    method: SmoothMethod | str = SmoothMethod.MEDIAN
    spacing: Spacing = (1.0, 1.0, 1.0)
    name: str = "Smooth"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> Smooth:
        """The same edit on a grid of `spacing`."""
        return replace(self, spacing=spacing)

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the smoothed labels.

        Raises
        ------
        UsageError
            The radius isn't positive, or the method isn't known.
        """
        if not (math.isfinite(self.radius_mm) and self.radius_mm > 0):
            raise UsageError(f"a smoothing radius of {self.radius_mm} mm is not possible")
        if self.method not in tuple(SmoothMethod):
            raise UsageError(f"there is no smoothing method {self.method}")
        far = 4 * self.radius_mm if self.method == SmoothMethod.GAUSSIAN else self.radius_mm
        box = _around(_selected(labels, self.label), _reach(far, self.spacing))
        if box is None:
            return None
        old = labels[box]
        winner, best = old.copy(), np.full(old.shape, -1.0, dtype=np.float32)
        for value in (int(v) for v in np.unique(old)):
            weight = self._weight(old == value)
            stronger = (weight > best + _TOLERANCE) | ((weight > best - _TOLERANCE) & (old == value))
            winner[stronger] = value
            best = np.maximum(best, weight)
        changed: Mask = winner != old
        if self.label is not None:
            changed &= (winner == self.label) | (old == self.label)
        return Patch(box, changed, winner[changed])

    def _weight(self, mask: Mask) -> NDArray[np.float32]:
        share = mask.astype(np.float32)
        if self.method == SmoothMethod.GAUSSIAN:
            sigma = [self.radius_mm / step for step in self.spacing]
            weight: NDArray[np.float32] = ndimage.gaussian_filter(share, sigma, mode="nearest")
            return weight
        return _ball_mean(share, self.radius_mm, self.spacing)


def _ball_mean(share: NDArray[np.float32], radius: float, spacing: Spacing) -> NDArray[np.float32]:
    """Mean over a ball (a disc where the array is one voxel thin); a share above one half is what a median keeps."""
    from seg_editor.editing.brush import Brush

    flat = next((axis for axis, n in enumerate(share.shape) if n == 1), None)
    ball = Brush("round", radius, three_d=flat is None).footprint(spacing, 2 if flat is None else flat)
    padded = np.pad(share, [(n // 2, n // 2) for n in ball.shape], mode="edge")
    total = np.zeros(share.shape, dtype=np.float32)
    nx, ny, nz = share.shape
    running = np.cumsum(padded, axis=2, dtype=np.float32)
    running = np.concatenate([np.zeros_like(running[:, :, :1]), running], axis=2)
    for i, j in np.argwhere(ball.any(axis=2)):
        column = np.flatnonzero(ball[i, j])
        low, high = int(column[0]), int(column[-1]) + 1
        rows = running[i : i + nx, j : j + ny]
        total += rows[:, :, high : high + nz] - rows[:, :, low : low + nz]
    total /= np.float32(np.count_nonzero(ball))
    return total


def _distance_and_nearest(outside: Mask, spacing: Spacing) -> tuple[NDArray[np.float64], NDArray[Any]]:
    distance, nearest = ndimage.distance_transform_edt(outside, sampling=spacing, return_indices=True)
    return distance, nearest


def _pieces(mask: Mask) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Numbered 26-connected pieces, and their sizes with 0 for the background."""
    parts, _ = ndimage.label(mask, structure=NEIGHBORS_26)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts, sizes

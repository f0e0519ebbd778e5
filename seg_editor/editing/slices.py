"""Edits along a stack of slices: copy a slice's labels, interpolate between painted ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seg_editor.cases import LabelScheme
from seg_editor.editing.brush import PaintOver, paintable
from seg_editor.editing.delta import Box, Labels, Mask, tight_box, whole_box
from seg_editor.editing.segmentation import Patch, Spacing
from seg_editor.errors import UsageError


@dataclass(frozen=True)
class CopySlice:
    """Copy the labels of one slice onto another.

    Parameters
    ----------
    axis : int
        Normal of the slices: 0 sagittal, 1 coronal, 2 axial.
    source, target : int
        Places along the axis.
    label : int, optional
        Copy only this label, onto what is there; by default the slice becomes equal to the source.
    over : PaintOver
        With `label`: what the copy may cover.
    """

    axis: int
    source: int
    target: int
    label: int | None = None
    over: PaintOver = PaintOver.ALL
    name: str = "Copy slice"

    def __call__(self, labels: Labels) -> Patch:
        """Patch of the target slice.

        Raises
        ------
        UsageError
            A slice lies outside the volume.
        """
        if not all(0 <= k < labels.shape[self.axis] for k in (self.source, self.target)):
            raise UsageError("there is no slice to copy to", remedy="Step to another slice first")
        origin, box = labels[_slice_box(labels, self.axis, self.source)], _slice_box(labels, self.axis, self.target)
        if self.label is None:
            return Patch(box, np.ones(origin.shape, dtype=np.bool_), origin.ravel())
        mask: Mask = origin == self.label
        allowed = paintable(labels[box], self.label, self.over, self.label)
        return Patch(box, mask if allowed is None else mask & allowed, self.label)


@dataclass(frozen=True)
class InterpolateSlices:
    """Fill the slices between painted ones by blending signed distances to their outlines.

    Parameters
    ----------
    axis : int
        Normal of the slices.
    label : int or None
        The label painted; None for all labels: where no slice between two is painted, their union is blended and each
        voxel takes the label that lies deepest there, so that nested labels stay nested. Only background is covered.
    spacing : (float, float, float)
        mm per voxel; `Segmentation.apply` fills it in.
    """

    axis: int
    label: int | None = None
    spacing: Spacing = (1.0, 1.0, 1.0)

    @property
    def name(self) -> str:
        """What the undo menu says."""
        return "Interpolate slices" if self.label is not None else "Interpolate all labels"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> InterpolateSlices:
        """The same edit on a grid of `spacing`."""
        return replace(self, spacing=spacing)

    def __call__(self, labels: Labels) -> Patch:
        """Patch of the slices in between.

        Raises
        ------
        UsageError
            No two painted slices with unpainted ones in between.
        """
        wanted = labels > 0 if self.label is None else labels == self.label
        box = tight_box(wanted)
        stack = np.zeros((0, 0, 0), np.uint8) if box is None else np.moveaxis(labels[box], self.axis, 0)
        values = [int(v) for v in np.unique(stack) if v] if self.label is None else [self.label]
        gaps = _gaps(np.isin(stack, values))
        own = [(gap, [value]) for value in values for gap in _gaps(stack == value) if gap not in gaps]
        if box is None or not (gaps or own):
            raise UsageError(
                "there is no gap between painted slices", remedy="Paint the label in two slices that are apart"
            )
        spacing = [step for axis, step in enumerate(self.spacing) if axis != self.axis]
        filled = stack.copy()
        for (first, last), among in [*((gap, values) for gap in gaps), *own]:
            _blend(filled, stack, first, last, among, spacing)
        made = np.moveaxis(filled, 0, self.axis)
        mask: Mask = (made != 0) & (labels[box] == 0)
        return Patch(box, mask, made[mask])


def _gaps(painted: Mask) -> list[tuple[int, int]]:
    """Neighbors among the painted slices of a stack ``(slices, u, v)`` that have unpainted ones in between."""
    places = np.flatnonzero(painted.any(axis=(1, 2)))
    return [(int(a), int(b)) for a, b in pairwise(places) if b - a > 1]


def _blend(filled: Labels, stack: Labels, first: int, last: int, values: list[int], spacing: list[float]) -> None:
    """Write into the background of `filled`, between two slices of `stack` ``(slices, u, v)``, what lies between."""
    ends = [_end_distances(stack[[first, last]] == value, spacing) for value in values]
    union = _end_distances(np.isin(stack[[first, last]], values), spacing)
    codes = np.asarray(values, dtype=stack.dtype)
    for k in range(first + 1, last):
        part = (k - first) / (last - first)
        inside: Mask = ((1 - part) * union[0] + part * union[1] > 0) & (filled[k] == 0)
        depths = np.stack([(1 - part) * start[inside] + part * end[inside] for start, end in ends])
        filled[k][inside] = codes[depths.argmax(axis=0)]


def _end_distances(ends: Mask, spacing: list[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signed distances of two slices ``(2, u, v)``; a shape that is in one of them only fades away toward the other."""
    depths = [_signed_distance(end, spacing) if end.any() else np.zeros(end.shape) for end in ends]
    for k in (0, 1):
        if not ends[k].any():
            depths[k] -= depths[1 - k].max(initial=0.0)
    return depths[0], depths[1]


def _signed_distance(mask: Mask, spacing: list[float]) -> NDArray[np.float64]:
    """Distance in mm to the outline, positive inside."""
    padded = np.pad(mask, 1)
    inside: NDArray[Any] = ndimage.distance_transform_edt(padded, sampling=spacing)
    outside: NDArray[Any] = ndimage.distance_transform_edt(~padded, sampling=spacing)
    signed: NDArray[np.float64] = (inside - outside)[1:-1, 1:-1]
    return signed


def _slice_box(labels: Labels, axis: int, index: int) -> Box:
    box = list(whole_box(labels.shape))
    box[axis] = slice(index, index + 1)
    return box[0], box[1], box[2]

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
    label : int
        The label painted; only background is covered.
    spacing : (float, float, float)
        mm per voxel; `Segmentation.apply` fills it in.
    """

    axis: int
    label: int
    spacing: Spacing = (1.0, 1.0, 1.0)
    name: str = "Interpolate slices"

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
        mask = labels == self.label
        box = tight_box(mask)
        stack = np.moveaxis(mask[box], self.axis, 0) if box is not None else np.zeros((0, 0, 0), dtype=np.bool_)
        painted = np.flatnonzero(stack.any(axis=(1, 2)))
        gaps = [(int(a), int(b)) for a, b in pairwise(painted) if b - a > 1]
        if box is None or not gaps:
            raise UsageError(
                "there is no gap between painted slices", remedy="Paint the label in two slices that are apart"
            )
        flat_spacing = [step for axis, step in enumerate(self.spacing) if axis != self.axis]
        filled = np.zeros(stack.shape, dtype=np.bool_)
        for first, last in gaps:
            start, end = (_signed_distance(stack[k], flat_spacing) for k in (first, last))
            for k in range(first + 1, last):
                part = (k - first) / (last - first)
                filled[k] = (1 - part) * start + part * end > 0
        wanted: Mask = np.moveaxis(filled, 0, self.axis) & (labels[box] == 0)
        return Patch(box, wanted, self.label)


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

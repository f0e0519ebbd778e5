"""Edits along a stack of slices: copy a slice's labels, interpolate between painted ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seg_editor.cases import LabelScheme
from seg_editor.editing.brush import PaintOver, paintable
from seg_editor.editing.delta import Box, Labels, Mask, tight_box, whole_box
from seg_editor.editing.edit import Patch, Spacing
from seg_editor.editing.regions import NEIGHBORS_26
from seg_editor.errors import UsageError

_PAINT_TWO = "Paint the label in two slices that are apart"
_REACH = 3.0
"""Pieces face each other over up to this many times the sum of their widths: specks far apart are no drawing."""


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
    """Fill the gap between pieces that face each other across slices, by blending signed distances to their outlines.

    The pieces are 26-connected. One faces the next where its last slice, seen along the axis, overlaps the first slice
    of the other with nothing in between; so neither a hollow of one piece nor what lies beside is touched.

    Parameters
    ----------
    axis : int
        Normal of the slices.
    label : int or None
        The label painted; None for all labels: between pieces of their union the union is blended, and each voxel takes
        the label that lies deepest there, so that nested labels stay nested. Only background is covered.
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
            No two pieces face each other across slices without them, or what lies between is labeled already.
        """
        wanted = labels > 0 if self.label is None else labels == self.label
        box = tight_box(wanted)
        if box is None:
            raise UsageError("there is nothing to interpolate", remedy=_PAINT_TWO)
        stack = np.moveaxis(labels[box], self.axis, 0)
        values = [int(v) for v in np.unique(stack) if v] if self.label is None else [self.label]
        spacing = [step for axis, step in enumerate(self.spacing) if axis != self.axis]
        seen = _Seen(self.spacing[self.axis], spacing)
        together = seen.gaps(np.isin(stack, values))
        among = [(gap, values) for gap in together]
        if len(values) > 1:
            alone = ((gap, value) for value in values for gap in seen.gaps(stack == value))
            among += [(gap, [value]) for gap, value in alone if not any(gap.lies_in(other) for other in together)]
        if not among:
            raise seen.refusal()
        filled = stack.copy()
        for gap, present in among:
            _blend(filled, stack, gap, present, spacing)
        made = np.moveaxis(filled, 0, self.axis)
        mask: Mask = (made != 0) & (labels[box] == 0)
        if not mask.any():
            raise UsageError("what lies between the painted slices is labeled already")
        return Patch(box, mask, made[mask])


@dataclass(frozen=True, eq=False)
class _Gap:
    """Slices of a stack ``(slices, u, v)`` between two that hold pieces facing each other.

    Parameters
    ----------
    first, last : int
        The slices that hold them.
    lower, upper : bool array (u, v)
        The pieces there.
    """

    first: int
    last: int
    lower: Mask
    upper: Mask

    def lies_in(self, other: _Gap) -> bool:
        """Whether another gap between the same slices covers this one."""
        return all(self._shared(other))

    def meets(self, other: _Gap) -> bool:
        """Whether both lie between the same slices and share a piece there, as where a shape forks."""
        return any(self._shared(other))

    def joined(self, other: _Gap) -> _Gap:
        """Both as one."""
        return _Gap(self.first, self.last, self.lower | other.lower, self.upper | other.upper)

    def _shared(self, other: _Gap) -> tuple[bool, bool]:
        """Whether the lower and the upper pieces overlap; neither between other slices."""
        if (self.first, self.last) != (other.first, other.last):
            return False, False
        return bool((self.lower & other.lower).any()), bool((self.upper & other.upper).any())


class _Seen:
    """Looks for gaps, and remembers why there are none.

    Parameters
    ----------
    step : float
        mm from slice to slice.
    spacing : list of float
        mm per voxel in a slice.
    """

    def __init__(self, step: float, spacing: list[float]) -> None:
        self._step, self._cell = step, spacing[0] * spacing[1]
        self._pieces = 0
        self._far = False

    def gaps(self, painted: Mask) -> list[_Gap]:
        """The gaps of a stack ``(slices, u, v)``, each piece with the next one that it faces."""
        parts, number = ndimage.label(painted, structure=NEIGHBORS_26)
        boxes = ndimage.find_objects(parts)
        self._pieces = max(self._pieces, number)
        found: list[_Gap] = []
        for piece, (depth, u, v) in enumerate(boxes, start=1):
            first = depth.stop - 1
            lower = parts[first] == piece
            above = parts[depth.stop :, u, v][:, lower[u, v]]
            facing = np.flatnonzero(above.any(axis=1))
            if not facing.size:
                continue
            last = depth.stop + int(facing[0])
            for other in np.unique(above[facing[0]]):
                if other and boxes[other - 1][0].start == last:
                    self._take(found, _Gap(first, last, lower, parts[last] == other))
        return found

    def refusal(self) -> UsageError:
        """Why there is no gap."""
        if self._far:
            return UsageError("the painted slices lie too far apart for their size", remedy="Paint one in between")
        if self._pieces > 1:
            return UsageError(
                "there is no gap between painted slices that face each other",
                remedy="Paint two that overlap when seen through the slices",
            )
        return UsageError("there is no gap: what is painted hangs together", remedy=_PAINT_TWO)

    def _take(self, found: list[_Gap], gap: _Gap) -> None:
        reach = sum(float(np.sqrt(np.count_nonzero(end) * self._cell)) for end in (gap.lower, gap.upper))
        if (gap.last - gap.first) * self._step > _REACH * reach:
            self._far = True
            return
        for other in [other for other in found if gap.meets(other)]:
            found.remove(other)
            gap = gap.joined(other)
        found.append(gap)


def _blend(filled: Labels, stack: Labels, gap: _Gap, values: list[int], spacing: list[float]) -> None:
    """Write into the background of `filled` what lies in a gap of `stack` ``(slices, u, v)``."""
    rows, columns = (slice(int(k[0]), int(k[-1]) + 1) for k in map(np.unique, np.nonzero(gap.lower | gap.upper)))
    pieces = np.stack([gap.lower, gap.upper])[:, rows, columns]
    shown = np.where(pieces, stack[[gap.first, gap.last], rows, columns], 0)
    ends = [_end_distances(shown == value, spacing) for value in values]
    union = _end_distances(np.isin(shown, values), spacing)
    codes = np.asarray(values, dtype=stack.dtype)
    for k in range(gap.first + 1, gap.last):
        part = (k - gap.first) / (gap.last - gap.first)
        here = filled[k, rows, columns]
        inside: Mask = ((1 - part) * union[0] + part * union[1] > 0) & (here == 0)
        depths = np.stack([(1 - part) * start[inside] + part * end[inside] for start, end in ends])
        here[inside] = codes[depths.argmax(axis=0)]


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

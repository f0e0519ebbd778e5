"""A stroke: from button press to release, written live, one step in the history."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import LabelScheme
from seg_editor.editing.brush import Brush, PaintOver, paintable
from seg_editor.editing.delta import Box, Change, Labels, Mask, box_shape
from seg_editor.editing.edit import Patch, Spacing, Voxel
from seg_editor.editing.restrict import Gate
from seg_editor.editing.segmentation import LiveEdit, Segmentation
from seg_editor.errors import UsageError

Point = tuple[float, float, float]


class Block(StrEnum):
    """Why a stroke that met labels or background left all of it as it was."""

    LOCKED = "locked"
    RULE = "rule"
    GATE = "gate"
    OUTSIDE = "outside"
    SAME = "same"


class Stroke:
    """Paint or erase along the mouse path.

    Parameters
    ----------
    segmentation : Segmentation
    brush : Brush
    axis : int
        Normal of the plane painted in: 0 sagittal, 1 coronal, 2 axial. The plane is that of the first point.
    value : int
        Label to paint; 0 erases.
    over : PaintOver
        What paint may cover; erasing ignores it.
    only_label : int, optional
        The label that ``PaintOver.ACTIVE`` covers, or the only one that erasing takes away.
    locked : frozenset of int
        Labels that never change.
    gate : callable, optional
        Box -> bool array of its shape: where paint may go (an intensity range). Erasing ignores it.

    Attributes
    ----------
    block : Block or None
        Why the last move changed nothing; None when it changed something.

    Raises
    ------
    UsageError
        ``PaintOver.ACTIVE`` without a label or with the one painted; a call out of order.
    """

    def __init__(
        self,
        segmentation: Segmentation,
        brush: Brush,
        axis: int,
        value: int,
        over: PaintOver | str = PaintOver.ALL,
        only_label: int | None = None,
        *,
        locked: frozenset[int] = frozenset(),
        gate: Gate | None = None,
        name: str = "",
    ) -> None:
        over = PaintOver(over)
        if value != 0 and over is PaintOver.ACTIVE and only_label is None:
            raise UsageError("no label to paint over is chosen")
        if value != 0 and over is PaintOver.ACTIVE and only_label == value:
            raise UsageError("painting a label over itself changes nothing", remedy="Choose which label to paint over")
        self.name = name or ("Paint" if value else "Erase")
        self._segmentation = segmentation
        self._footprint = brush.footprint(segmentation.spacing, axis)
        self._flat_axis = None if brush.three_d else axis
        self._value = value
        self._over = over
        self._only_label = only_label
        self._locked = locked
        self._gate = gate
        self._live: LiveEdit | None = None
        self._last: NDArray[np.float64] | None = None
        self._plane = 0.0
        self.block: Block | None = None

    @property
    def running(self) -> bool:
        """Between :meth:`begin` and :meth:`commit` or :meth:`cancel`."""
        return self._live is not None

    def begin(self, point: Point) -> Box | None:
        """Press at `point` (voxels, may lie outside); the box just changed, or None."""
        if self._last is not None:
            raise UsageError("this stroke has begun already")
        live = self._segmentation.begin_live(self.name)
        self._live = live
        start = np.asarray(point, dtype=np.float64)
        if self._flat_axis is not None:
            self._plane = math.floor(start[self._flat_axis] + 0.5)
        self._last = self._in_plane(start)
        return self._stamp(live, np.floor(self._last[None] + 0.5).astype(np.intp))

    def extend(self, point: Point) -> Box | None:
        """Move to `point`, painting all the way; the box just changed, or None."""
        if self._live is None or self._last is None:
            raise UsageError("this stroke is not running")
        target = self._in_plane(np.asarray(point, dtype=np.float64))
        centers = line_voxels(self._last, target)
        self._last = target
        return self._stamp(self._live, centers)

    def commit(self) -> Change | None:
        """Release: the one step that the stroke made, or None when no voxel changed."""
        if self._live is None:
            raise UsageError("this stroke is not running")
        live, self._live = self._live, None
        return live.commit()

    def cancel(self) -> None:
        """Put everything back as before the stroke; harmless when it is over."""
        if self._live is not None:
            live, self._live = self._live, None
            live.cancel()

    def _in_plane(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._flat_axis is not None:
            point = point.copy()
            point[self._flat_axis] = self._plane
        return point

    def _stamp(self, live: LiveEdit, centers: NDArray[np.intp]) -> Box | None:
        swept = sweep(self._footprint, centers, self._segmentation.shape)
        if swept is None:
            self.block = Block.OUTSIDE
            return None
        box, swath = swept
        mask = swath
        allowed = paintable(self._segmentation.labels[box], self._value, self._over, self._only_label, self._locked)
        if allowed is not None:
            mask = mask & allowed
        if self._gate is not None and self._value:
            mask = mask & self._gate(box)
        written = live.write(box, mask, self._value)
        self.block = self._why_not(box, swath) if written is None else None
        return written

    def _why_not(self, box: Box, swath: Mask) -> Block:
        """The first rule that alone keeps the stroke from changing anything here."""
        region = self._segmentation.labels[box]
        mask = swath & (region != self._value)
        if not mask.any():
            return Block.SAME
        free = paintable(region, self._value, self._over, self._only_label)
        mask = mask if free is None else mask & free
        if not mask.any():
            return Block.RULE
        free = paintable(region, self._value, PaintOver.ALL, None, self._locked)
        if free is not None and not (mask & free).any():
            return Block.LOCKED
        return Block.GATE


@dataclass(frozen=True)
class PaintStroke:
    """A whole stroke as one edit, for scripts and tests; the parameters are those of :class:`Stroke`."""

    points: tuple[Point, ...]
    brush: Brush
    axis: int
    value: int
    over: PaintOver = PaintOver.ALL
    only_label: int | None = None
    spacing: Spacing = (1.0, 1.0, 1.0)

    @property
    def name(self) -> str:
        """``"Paint"`` or ``"Erase"``."""
        return "Paint" if self.value else "Erase"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> PaintStroke:
        """The same stroke on a grid of `spacing`."""
        return replace(self, spacing=spacing)

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of everything the stroke covers."""
        points = np.asarray(self.points, dtype=np.float64)
        if not self.brush.three_d:
            points[:, self.axis] = math.floor(points[0, self.axis] + 0.5)
        pieces = [np.floor(points[:1] + 0.5).astype(np.intp)]
        pieces += [line_voxels(a, b) for a, b in pairwise(points)]
        swept = sweep(self.brush.footprint(self.spacing, self.axis), np.concatenate(pieces), labels.shape)
        if swept is None:
            return None
        box, mask = swept
        allowed = paintable(labels[box], self.value, self.over, self.only_label)
        return Patch(box, mask if allowed is None else mask & allowed, self.value)


def line_voxels(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.intp]:
    """Voxels (n, 3) from `start` (left out) to `end` (included), each touching the one before (26-connected)."""
    pieces = math.ceil(float(np.abs(end - start).max())) + 1
    t = np.arange(1, pieces + 1)[:, None] / pieces
    line = np.floor(start + t * (end - start) + 0.5).astype(np.intp)
    fresh = np.ones(len(line), dtype=np.bool_)
    fresh[1:] = (line[1:] != line[:-1]).any(axis=1)
    return line[fresh]


def sweep(footprint: Mask, centers: NDArray[np.intp], shape: tuple[int, ...]) -> tuple[Box, Mask] | None:
    """Union of `footprint` at all `centers` (n, 3), clipped to `shape`: its box and mask; None when all is outside."""
    half = np.array(footprint.shape) // 2
    low, high = centers - half, centers + half + 1
    inside = ((high > 0) & (low < shape)).all(axis=1)
    if not inside.any():
        return None
    low, high = low[inside], high[inside]
    start = np.maximum(low.min(axis=0), 0)
    stop = np.minimum(high.max(axis=0), shape)
    box: Box = (
        slice(int(start[0]), int(stop[0])),
        slice(int(start[1]), int(stop[1])),
        slice(int(start[2]), int(stop[2])),
    )
    mask = np.zeros(box_shape(box), dtype=np.bool_)
    first, last = np.maximum(low, start) - start, np.minimum(high, stop) - start
    skip = np.maximum(start - low, 0)
    for (i, j, k), (m, n, o), (a, b, c) in zip(first.tolist(), last.tolist(), skip.tolist(), strict=True):
        mask[i:m, j:n, k:o] |= footprint[a : a + m - i, b : b + n - j, c : c + o - k]
    return box, mask


def nearest_voxel(point: Point) -> Voxel:
    """The voxel that holds `point` (float voxel coordinates; a voxel's center is its index)."""
    x, y, z = (math.floor(c + 0.5) for c in point)
    return x, y, z

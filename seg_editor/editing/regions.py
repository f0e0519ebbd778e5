"""Edits of a given region: erase, fill, polygon, remove the tumor, replace everything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seg_editor.cases import LabelScheme, Subregion
from seg_editor.editing.brush import PaintOver, paintable
from seg_editor.editing.delta import Box, Labels, Mask, box_shape, outer_box, tight_box, whole_box
from seg_editor.editing.edit import OriginalRule, Patch, Spacing, Voxel
from seg_editor.errors import UsageError

NEIGHBORS_26: NDArray[np.bool_] = np.ones((3, 3, 3), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class PaintMask:
    """Set `value` at the voxels of `mask` in `box`, by the rule of :class:`PaintOver`."""

    box: Box
    mask: Mask
    value: int
    over: PaintOver = PaintOver.ALL
    only_label: int | None = None
    locked: frozenset[int] = frozenset()
    name: str = "Paint region"

    def __call__(self, labels: Labels) -> Patch:
        """Patch of the region."""
        allowed = paintable(labels[self.box], self.value, self.over, self.only_label, self.locked)
        return Patch(self.box, self.mask if allowed is None else self.mask & allowed, self.value)


@dataclass(frozen=True, eq=False)
class Erase:
    """Clear the voxels of `mask` in `box` (all of the box without a mask); with `only_label` only that label goes."""

    box: Box
    mask: Mask | None = None
    only_label: int | None = None
    name: str = "Erase"

    def __call__(self, labels: Labels) -> Patch:
        """Patch of the region."""
        mask = np.ones(box_shape(self.box), dtype=np.bool_) if self.mask is None else self.mask
        if self.only_label is not None:
            mask = mask & (labels[self.box] == self.only_label)
        return Patch(self.box, mask, 0)


class Scope(StrEnum):
    """How much tumor to remove."""

    WHOLE = "whole"
    COMPONENT = "component"
    SUBREGION = "subregion"


@dataclass(frozen=True)
class RemoveTumor:
    """Clear tumor, so that a model can make the place healthy.

    Parameters
    ----------
    scope : "whole", "component" or "subregion"
        All labels; the 26-connected piece of tumor under `at`; one label.
    at : (x, y, z), optional
        Voxel inside the piece, for "component".
    subregion : Subregion or int, optional
        Which label, for "subregion".
    scheme : LabelScheme, optional
        Gives a Subregion its value; `Segmentation.apply` fills it in.
    """

    scope: Scope | str = Scope.WHOLE
    at: Voxel | None = None
    subregion: Subregion | int | None = None
    scheme: LabelScheme | None = None

    @property
    def name(self) -> str:
        """What the undo menu says."""
        if self.scope == Scope.SUBREGION and self.subregion is not None:
            what = self.subregion.display if isinstance(self.subregion, Subregion) else f"label {self.subregion}"
            if self.scheme is not None and not isinstance(self.subregion, Subregion):
                what = self.scheme.name_of(self.subregion)
            return f"Remove {what}"
        return "Remove tumor" if self.scope == Scope.WHOLE else "Remove this tumor"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> RemoveTumor:
        """The same edit with label values."""
        return replace(self, scheme=self.scheme or scheme)

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the tumor to clear.

        Raises
        ------
        UsageError
            No tumor under `at`; a subregion that the scheme does not have.
        """
        if self.scope == Scope.SUBREGION:
            mask: Mask = labels == self._label()
        else:
            mask = labels > 0
        if self.scope == Scope.COMPONENT:
            return self._component(labels)
        box = tight_box(mask)
        return None if box is None else Patch(box, mask[box], 0, OriginalRule.ADOPT)

    def _label(self) -> int:
        if self.subregion is None:
            raise UsageError("no subregion to remove is chosen")
        if not isinstance(self.subregion, Subregion):
            return int(self.subregion)
        if self.scheme is None or self.subregion not in dict(self.scheme.values):
            raise UsageError(f"this segmentation has no label for {self.subregion.display}")
        return self.scheme.value(self.subregion)

    def _component(self, labels: Labels) -> Patch:
        if self.at is None or not _inside(self.at, labels.shape) or labels[self.at] == 0:
            raise UsageError("there is no tumor under the cursor", remedy="Click on the part to remove")
        box, mask = component_at(labels > 0, self.at)
        return Patch(box, mask, 0, OriginalRule.ADOPT)


@dataclass(frozen=True)
class Fill:
    """Flood fill: the region under `at` gets `value`, in one plane or in all directions.

    Parameters
    ----------
    at : (x, y, z)
    axis : int or None
        Normal of the plane: 0 sagittal, 1 coronal, 2 axial; None fills the region in 3D.
    value : int
    over : PaintOver
        Which voxels of the region may change.
    only_label : int, optional
        For ``PaintOver.ACTIVE``.
    """

    at: Voxel
    axis: int | None
    value: int
    over: PaintOver = PaintOver.ALL
    only_label: int | None = None
    locked: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """What the undo menu says."""
        return "Fill in 3D" if self.axis is None else "Fill"

    def __call__(self, labels: Labels) -> Patch:
        """Patch of the region that has the label under `at`, connected by faces of voxels.

        Raises
        ------
        UsageError
            `at` lies outside, or on background that is not enclosed.
        """
        if not _inside(self.at, labels.shape):
            raise UsageError("the cursor is outside the picture")
        seen = list(whole_box(labels.shape))
        if self.axis is not None:
            seen[self.axis] = slice(self.at[self.axis], self.at[self.axis] + 1)
        slab: Box = (seen[0], seen[1], seen[2])
        value = int(labels[self.at])
        same: Mask = labels[slab] == value
        inner = tight_box(same if value else ~same)
        box = slab if inner is None else outer_box(inner, slab)
        if inner is None or not all(s.start <= i < s.stop for i, s in zip(self.at, box, strict=True)):
            raise self._open()
        parts, _ = ndimage.label(same[inner])
        a, b, c = (i - s.start for i, s in zip(self.at, box, strict=True))
        region: Mask = parts == parts[a, b, c]
        ends = (region.take((0, -1), axis) for axis in range(3) if axis != self.axis)
        if value == 0 and any(end.any() for end in ends):
            raise self._open()
        return PaintMask(box, region, self.value, self.over, self.only_label, self.locked)(labels)

    def _open(self) -> UsageError:
        """Background that touches the edge of the box around all labels goes on to the edge of the picture."""
        edge = "volume" if self.axis is None else "picture"
        return UsageError(f"the region is open: it reaches the edge of the {edge}", remedy="Close its outline first")


@dataclass(frozen=True)
class Polygon:
    """Paint the inside of a closed outline drawn in one plane.

    Parameters
    ----------
    points : sequence of (float, float)
        Corners in voxels along the two axes of the plane, in their order x, y, z.
    axis : int
        Normal of the plane.
    index : int or None
        Its place along that axis; None goes through every slice.
    value : int
        0 erases.
    """

    points: tuple[tuple[float, float], ...]
    axis: int
    index: int | None
    value: int
    over: PaintOver = PaintOver.ALL
    only_label: int | None = None
    locked: frozenset[int] = frozenset()
    name: str = "Polygon"

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the voxels whose centers lie inside (even-odd rule), or None when there are none."""
        depth = labels.shape[self.axis]
        if len(self.points) < 3 or (self.index is not None and not 0 <= self.index < depth):
            return None
        u_size, v_size = (n for axis, n in enumerate(labels.shape) if axis != self.axis)
        flat = polygon_mask(np.asarray(self.points, dtype=np.float64), (u_size, v_size))
        region: Mask = np.expand_dims(flat, self.axis)
        inner = tight_box(region)
        if inner is None:
            return None
        slices = slice(0, depth) if self.index is None else slice(self.index, self.index + 1)
        x, y, z = (slices if axis == self.axis else side for axis, side in enumerate(inner))
        mask: Mask = np.repeat(region[inner], slices.stop - slices.start, self.axis)
        return PaintMask((x, y, z), mask, self.value, self.over, self.only_label, self.locked)(labels)


@dataclass(frozen=True, eq=False)
class ReplaceAll:
    """Replace every label, e.g. by an automatic segmentation.

    Parameters
    ----------
    labels : integer array (x, y, z)
    name : str
    as_original : bool
        The new labels say where the picture's tumor is (an automatic segmentation), not what the user wants it to be.
    """

    labels: Labels
    name: str = "Segment automatically"
    as_original: bool = True

    def __call__(self, labels: Labels) -> Patch:
        """Patch of the whole volume.

        Raises
        ------
        UsageError
            The shapes differ.
        """
        if self.labels.shape != labels.shape:
            raise UsageError(f"a segmentation of shape {self.labels.shape} does not fit this case of {labels.shape}")
        rule = OriginalRule.REPLACE if self.as_original else OriginalRule.KEEP
        box = whole_box(labels.shape)
        return Patch(box, np.ones(labels.shape, dtype=np.bool_), self.labels.ravel(), rule)


def component_at(mask: Mask, at: Voxel) -> tuple[Box, Mask]:
    """Box and mask of the 26-connected piece of `mask` that holds the voxel `at` (True in `mask`)."""
    outer = tight_box(mask)
    assert outer is not None
    parts, _ = ndimage.label(mask[outer], structure=NEIGHBORS_26)
    a, b, c = (i - s.start for i, s in zip(at, outer, strict=True))
    region: Mask = parts == parts[a, b, c]
    inner = tight_box(region)
    assert inner is not None
    return outer_box(inner, outer), region[inner]


def polygon_mask(corners: NDArray[np.float64], shape: tuple[int, int]) -> Mask:
    """Cells of a (u, v) picture whose centers lie inside the closed polygon `corners` (n, 2), by the even-odd rule."""
    inside = np.zeros(shape, dtype=np.bool_)
    u = np.arange(shape[0], dtype=np.float64)
    v = np.arange(shape[1], dtype=np.float64)
    for (u0, v0), (u1, v1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if u0 == u1:
            continue
        rows = np.flatnonzero((u >= min(u0, u1)) & (u < max(u0, u1)))
        crossing = v0 + (u[rows] - u0) * (v1 - v0) / (u1 - u0)
        inside[rows] ^= v[None] < crossing[:, None]
    return inside


def _inside(voxel: Voxel, shape: tuple[int, ...]) -> bool:
    return all(0 <= i < n for i, n in zip(voxel, shape, strict=True))

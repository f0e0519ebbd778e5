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
from seg_editor.editing.segmentation import OriginalRule, Patch, Spacing, Voxel
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
    """Flood fill: the region under `at` in one plane gets `value`.

    Parameters
    ----------
    at : (x, y, z)
    axis : int
        Normal of the plane: 0 sagittal, 1 coronal, 2 axial.
    value : int
    over : PaintOver
        Which voxels of the region may change.
    only_label : int, optional
        For ``PaintOver.ACTIVE``.
    """

    at: Voxel
    axis: int
    value: int
    over: PaintOver = PaintOver.ALL
    only_label: int | None = None
    locked: frozenset[int] = frozenset()
    name: str = "Fill"

    def __call__(self, labels: Labels) -> Patch:
        """Patch of the 4-connected region that has the label under `at`.

        Raises
        ------
        UsageError
            `at` lies outside, or on background that is not enclosed.
        """
        if not _inside(self.at, labels.shape):
            raise UsageError("the cursor is outside the picture")
        plane = list(whole_box(labels.shape))
        plane[self.axis] = slice(self.at[self.axis], self.at[self.axis] + 1)
        box: Box = (plane[0], plane[1], plane[2])
        flat = labels[box].squeeze(axis=self.axis)
        u, v = (c for axis, c in enumerate(self.at) if axis != self.axis)
        parts, _ = ndimage.label(flat == flat[u, v])
        region: Mask = parts == parts[u, v]
        if flat[u, v] == 0 and (region[[0, -1]].any() or region[:, [0, -1]].any()):
            raise UsageError("the region is open: it reaches the edge of the picture", remedy="Close its outline first")
        mask = np.expand_dims(region, self.axis)
        allowed = paintable(labels[box], self.value, self.over, self.only_label, self.locked)
        return Patch(box, mask if allowed is None else mask & allowed, self.value)


@dataclass(frozen=True)
class Polygon:
    """Paint the inside of a closed outline drawn in one plane.

    Parameters
    ----------
    points : sequence of (float, float)
        Corners in voxels along the two axes of the plane, in their order x, y, z.
    axis, index : int
        Normal of the plane and its place along it.
    value : int
        0 erases.
    """

    points: tuple[tuple[float, float], ...]
    axis: int
    index: int
    value: int
    over: PaintOver = PaintOver.ALL
    only_label: int | None = None
    locked: frozenset[int] = frozenset()
    name: str = "Polygon"

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the voxels whose centers lie inside (even-odd rule), or None when there are none."""
        if len(self.points) < 3 or not 0 <= self.index < labels.shape[self.axis]:
            return None
        u_size, v_size = (n for axis, n in enumerate(labels.shape) if axis != self.axis)
        region = polygon_mask(np.asarray(self.points, dtype=np.float64), (u_size, v_size))
        plane = list(whole_box(labels.shape))
        plane[self.axis] = slice(self.index, self.index + 1)
        box: Box = (plane[0], plane[1], plane[2])
        mask = np.expand_dims(region, self.axis)
        return PaintMask(box, mask, self.value, self.over, self.only_label, self.locked)(labels)


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

"""Any edit, kept to one slice, to an intensity range, and away from locked labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seg_editor.cases import LabelScheme
from seg_editor.editing.delta import Box, Labels, Mask, between, outer_box, whole_box
from seg_editor.editing.edit import Edit, Patch, Spacing, bound

Gate = Callable[[Box], Mask]


@dataclass(frozen=True, eq=False)
class RangeGate:
    """True where a volume lies in a closed range; paint goes only there.

    Parameters
    ----------
    raw : array (x, y, z)
        Stored values.
    low, high : float
        In stored units.
    """

    raw: Labels
    low: float
    high: float

    def __call__(self, box: Box) -> Mask:
        """Bool array of the shape of `box`."""
        part = self.raw[box]
        inside: Mask = (part >= self.low) & (part <= self.high)
        return inside


@dataclass(frozen=True, eq=False)
class MaskGate:
    """True inside a mask, and where a second gate lets paint in.

    Parameters
    ----------
    mask : bool array (x, y, z)
    other : callable, optional
        Box -> bool array of its shape.
    """

    mask: Mask
    other: Gate | None = None

    def __call__(self, box: Box) -> Mask:
        """Bool array of the shape of `box`."""
        inside = self.mask[box]
        return inside if self.other is None else inside & self.other(box)


@dataclass(frozen=True, eq=False)
class Within:
    """An edit that changes only what it may.

    Parameters
    ----------
    edit : Edit
    axis, index : int, optional
        Normal and place of the one slice that may change; the whole volume by default.
    sees_all : bool
        The edit looks at the whole volume though only the slice changes: needed by edits that name places in it, and
        by reflections. By default the edit sees the slice alone, as an array of thickness 1.
    locked : frozenset of int
        Labels whose voxels stay as they are: none is lost, and none is gained.
    gate : callable, optional
        Box -> bool array of its shape: where labels may be set. Clearing ignores it.
    called : str
        Name of the step, in place of the edit's.
    """

    edit: Edit
    axis: int | None = None
    index: int = 0
    sees_all: bool = False
    locked: frozenset[int] = frozenset()
    gate: Gate | None = None
    called: str = ""

    @property
    def name(self) -> str:
        """Name of the step, with a word on the slice."""
        name = self.called or self.edit.name
        return name if self.axis is None else f"{name} in slice"

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> Within:
        """The same with label values and millimeters for the edit inside."""
        return replace(self, edit=bound(self.edit, scheme, spacing))

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of what is left of the edit."""
        seen = whole_box(labels.shape)
        if self.axis is not None:
            parts = list(seen)
            parts[self.axis] = slice(self.index, self.index + 1)
            seen = parts[0], parts[1], parts[2]
        result = self.edit(labels if self.sees_all else labels[seen])
        if result is None:
            return None
        patch = Patch(*result)
        if self.axis is not None and not self.sees_all:
            patch = patch._replace(box=outer_box(patch.box, seen))
        return self._cut(patch, labels, seen)

    def _cut(self, patch: Patch, labels: Labels, seen: Box) -> Patch | None:
        allowed: Mask = np.ones(patch.mask.shape, dtype=np.bool_)
        if self.sees_all and self.axis is not None:
            places = np.arange(patch.box[self.axis].start, patch.box[self.axis].stop) == self.index
            allowed &= places.reshape([-1 if axis == self.axis else 1 for axis in range(3)])
        if self.locked:
            locked = list(self.locked)
            gained = np.zeros(patch.mask.shape, dtype=np.bool_)
            gained[patch.mask] = np.isin(patch.new, locked)
            allowed &= ~gained & ~np.isin(labels[patch.box], locked)
        if self.gate is not None:
            setting = np.zeros(patch.mask.shape, dtype=np.bool_)
            setting[patch.mask] = np.asarray(patch.new) != 0
            allowed &= ~setting | self.gate(patch.box)
        kept = patch.mask & allowed
        new = patch.new if isinstance(patch.new, int) else patch.new[kept[patch.mask]]
        return patch._replace(mask=kept, new=new)


@dataclass(frozen=True, eq=False)
class Ready:
    """An edit whose patch was computed before, on a copy of the labels, away from the thread that edits."""

    name: str
    patch: Patch

    def __call__(self, labels: Labels) -> Patch:
        """The patch."""
        return self.patch


def compute(edit: Edit, labels: Labels, scheme: LabelScheme, spacing: Spacing) -> Ready | None:
    """Work out what `edit` does to `labels` (x, y, z), cut to what really changes; None when nothing does.

    Raises
    ------
    UsageError
        The edit refuses.
    """
    ready = bound(edit, scheme, spacing)
    result = ready(labels)
    if result is None:
        return None
    patch = Patch(*result)
    wanted = labels[patch.box].copy()
    wanted[patch.mask] = patch.new
    delta = between(labels[patch.box], wanted, patch.box)
    if delta is None:
        return None
    mask = delta.mask
    return Ready(ready.name, Patch(delta.box, mask, delta.new, patch.original))

"""The hole: the voxels that are to be generated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.boxes import EMPTY, Box, bounding_box

BoolArray = NDArray[np.bool_]

DEFAULT_MARGIN = 3


@dataclass(frozen=True, eq=False)
class Hole:
    """Voxels to be generated, as a boolean volume on the case's grid.

    Two holes are equal when their content hashes are. The arrays are read-only.

    Parameters
    ----------
    mask : (x, y, z) bool array
        All voxels that may change, with the margin, inside the brain.
    core : (x, y, z) bool array
        The voxels that were tumor (or whatever was cut out), without the margin; a part of `mask`.
    margin : int
        How far `mask` reaches beyond `core`, in mm (voxels on a 1 mm grid).

    Raises
    ------
    ValueError
        If the shapes differ, an array isn't three-dimensional, or `core` leaves `mask`.
    """

    mask: BoolArray = field(repr=False)
    core: BoolArray = field(repr=False)
    margin: int = DEFAULT_MARGIN

    def __post_init__(self) -> None:
        if self.mask.ndim != 3 or self.mask.shape != self.core.shape:
            raise ValueError(f"hole arrays must be 3D and alike, not {self.mask.shape} and {self.core.shape}")
        if self.margin < 0:
            raise ValueError("the margin cannot be negative")
        object.__setattr__(self, "mask", _frozen(self.mask))
        object.__setattr__(self, "core", _frozen(self.core))
        if (self.core & ~self.mask).any():
            raise ValueError("the core must lie inside the mask")

    @classmethod
    def from_mask(
        cls,
        mask: NDArray[Any],
        brain: BoolArray,
        margin: int = 0,
        *,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> Hole:
        """Make a hole of any mask (nonzero = to be filled), kept inside the brain.

        Parameters
        ----------
        mask, brain : (x, y, z) arrays
        margin : int
            Dilation of the mask in units of `spacing`.
        spacing : 3 floats
            Voxel size in mm.
        """
        core = (np.asarray(mask) != 0) & brain
        return cls(_frozen(_grow(core, margin, spacing) & brain, own=True), _frozen(core, own=True), margin)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over shape, margin, mask and core."""
        digest = hashlib.sha256(repr((self.mask.shape, self.margin)).encode())
        for array in (self.mask, self.core):
            box = bounding_box(array) or EMPTY
            digest.update(repr([(s.start, s.stop) for s in box]).encode())
            digest.update(np.packbits(array[box], axis=None).tobytes())
        return digest.hexdigest()

    @cached_property
    def box(self) -> Box:
        """The smallest box around the mask; empty slices for an empty hole."""
        return bounding_box(self.mask) or EMPTY

    @cached_property
    def slices(self) -> tuple[int, ...]:
        """Indices of the axial slices (third axis) that hold hole voxels, ascending."""
        x, y, z = self.box
        return tuple(int(k) + z.start for k in np.flatnonzero(self.mask[x, y, z].any(axis=(0, 1))))

    @cached_property
    def voxels(self) -> int:
        """Number of voxels in the mask."""
        return int(np.count_nonzero(self.mask[self.box]))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to generate."""
        return self.voxels == 0

    def restricted(self, slices: Iterable[int]) -> Hole:
        """Return the part of the hole that lies in the given axial slices.

        Parameters
        ----------
        slices : iterable of int
            Axial indices; indices outside the volume raise ``IndexError``.
        """
        keep = np.zeros(self.mask.shape[2], dtype=bool)
        keep[np.asarray(list(slices), dtype=np.intp)] = True
        if all(keep[k] for k in self.slices):
            return self
        return Hole(_frozen(self.mask & keep, own=True), _frozen(self.core & keep, own=True), self.margin)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hole) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)


def find_hole(
    original_labels: NDArray[np.integer[Any]],
    edited_labels: NDArray[np.integer[Any]],
    *,
    brain: BoolArray,
    margin: int = DEFAULT_MARGIN,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Hole:
    """Find where the picture must become healthy after an edit.

    The core is every brain voxel that was tumor and is background now. The mask is the core dilated
    by a ball, kept inside the brain and off every voxel that is still labelled.

    Parameters
    ----------
    original_labels, edited_labels : (x, y, z) integer arrays
        The segmentation as read and as edited; 0 is background.
    brain : (x, y, z) bool array
    margin : int
        Radius of the ball in units of `spacing`: voxels by default, mm when `spacing` is given.
    spacing : 3 floats
        Voxel size in mm.

    Returns
    -------
    Hole
        Possibly empty (``hole.empty``).
    """
    kept = edited_labels != 0
    core = (original_labels != 0) & ~kept & brain
    mask = _grow(core, margin, spacing)
    mask &= brain
    mask &= ~kept
    return Hole(_frozen(mask, own=True), _frozen(core, own=True), margin)


def _grow(core: BoolArray, margin: int, spacing: Sequence[float]) -> BoolArray:
    """Dilate by a ball of `margin` mm, computed in the core's own box."""
    from scipy import ndimage

    grown = core.copy()
    inner = bounding_box(core)
    if margin <= 0 or inner is None:
        return grown
    reach = [int(np.floor(margin / s)) for s in spacing]
    box = tuple(
        slice(max(s.start - r, 0), min(s.stop + r, n)) for s, r, n in zip(inner, reach, core.shape, strict=True)
    )
    distance = ndimage.distance_transform_edt(~core[box], sampling=tuple(spacing))
    grown[box] = distance <= margin + 1e-6
    return grown


def _frozen(array: NDArray[Any], *, own: bool = False) -> BoolArray:
    """Return a C-contiguous read-only bool array; a writable one is copied unless it is `own`."""
    frozen: BoolArray = np.ascontiguousarray(array, dtype=bool)
    if frozen is array and frozen.flags.writeable and not own:
        frozen = frozen.copy()
    frozen.setflags(write=False)
    return frozen

"""Edits that move labels: a piece dragged elsewhere, and Boolean operations with the mirrored side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seg_editor.cases import LabelScheme
from seg_editor.editing.brush import PaintOver
from seg_editor.editing.delta import Box, Labels, Mask, common_box, inner_box, outer_box, tight_box, union_box
from seg_editor.editing.edit import Patch, Spacing, Voxel
from seg_editor.editing.regions import component_at
from seg_editor.editing.restrict import Gate
from seg_editor.errors import UsageError
from seg_editor.wording import milliliters


@dataclass(frozen=True, eq=False)
class Piece:
    """A 26-connected piece of labels, as it lies in the volume.

    Parameters
    ----------
    box : Box
    mask : bool array of the shape of the box
    shape : (int, int, int)
        Of the volume.
    """

    box: Box
    mask: Mask
    shape: tuple[int, int, int]

    @classmethod
    def at(
        cls,
        labels: Labels,
        voxel: Voxel,
        label: int | None = None,
        axis: int | None = None,
        locked: frozenset[int] = frozenset(),
    ) -> Piece:
        """The piece of tumor, or of one label, under a voxel; with `axis` only its part in that slice.

        Voxels of `locked` labels hold the piece together, but are left out of it.

        Raises
        ------
        UsageError
            Nothing lies there, or all of it is locked.
        """
        inside = all(0 <= i < n for i, n in zip(voxel, labels.shape, strict=True))
        if not inside or labels[voxel] == 0 or (label is not None and labels[voxel] != label):
            raise UsageError("there is no tumor under the mouse", remedy="Press on the part to move")
        selected: Mask = labels > 0 if label is None else labels == label
        if axis is not None:
            places = np.arange(labels.shape[axis]) == voxel[axis]
            selected = selected & places.reshape([-1 if a == axis else 1 for a in range(3)])
        box, mask = component_at(selected, voxel)
        if locked:
            free: Mask = mask & ~np.isin(labels[box], list(locked))
            tight = tight_box(free)
            if tight is None:
                raise UsageError("what lies under the mouse is locked", remedy="Its lock in the panel opens it")
            box, mask = outer_box(tight, box), free[tight]
        nx, ny, nz = labels.shape
        return cls(box, mask, (nx, ny, nz))

    def kept_inside(self, offset: Voxel) -> Voxel:
        """The offset nearest to the wanted one that keeps the whole piece inside the volume."""
        x, y, z = (
            min(max(d, -part.start), n - part.stop) for d, part, n in zip(offset, self.box, self.shape, strict=True)
        )
        return x, y, z

    def moved(self, offset: Voxel) -> Box:
        """The box after moving by `offset` voxels."""
        x, y, z = (slice(s.start + d, s.stop + d) for s, d in zip(self.box, offset, strict=True))
        return x, y, z


@dataclass(frozen=True, eq=False)
class MovePiece:
    """Move a piece by whole voxels; the place it leaves becomes background. It arrives whole, or stays where it is.

    It has these rules itself, for all of the piece or nothing: :class:`Within` around it would cut a part away.

    Parameters
    ----------
    piece : Piece
    offset : (int, int, int)
        Voxels along x, y, z; see :meth:`Piece.kept_inside`.
    over : "all" or "background"
        What the piece may cover where it arrives; "active" is a rule for paint.
    locked : frozenset of int
        Labels that it never covers.
    gate : callable, optional
        Box -> bool array of its shape, the brain: what lies inside it stays inside.
    scheme : LabelScheme, optional
    spacing : (float, float, float)
        Names and mm per voxel for the reason of a refusal; `Segmentation.apply` fills them in.

    Raises
    ------
    UsageError
        Another rule than "all" or "background".
    """

    piece: Piece
    offset: Voxel
    over: PaintOver = PaintOver.ALL
    locked: frozenset[int] = frozenset()
    gate: Gate | None = None
    scheme: LabelScheme | None = None
    spacing: Spacing = (1.0, 1.0, 1.0)
    name: str = "Move piece"

    def __post_init__(self) -> None:
        if self.over not in (PaintOver.ALL, PaintOver.BACKGROUND):
            raise UsageError(f"a piece cannot move over {self.over}", remedy="Move it over all or background")

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> MovePiece:
        """The same edit with the names of labels, on a grid of `spacing`."""
        return replace(self, scheme=self.scheme or scheme, spacing=spacing)

    def stranded(self, labels: Labels) -> Mask:
        """Voxels of the piece that may not lie where they would arrive; bool array of the shape of the piece."""
        stranded = np.zeros(self.piece.mask.shape, dtype=np.bool_)
        for _, there in self._obstacles(labels):
            stranded |= there
        return stranded

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of both places.

        Raises
        ------
        UsageError
            A part of the piece may not lie where it would arrive, or would leave the volume.
        """
        if not any(self.offset):
            return None
        if self.piece.kept_inside(self.offset) != self.offset:
            raise UsageError("the piece would leave the picture")
        obstacles = self._obstacles(labels)
        if obstacles:
            raise self._refusal(obstacles)
        target = self.piece.moved(self.offset)
        box = union_box(self.piece.box, target)
        wanted = labels[box].copy()
        wanted[inner_box(self.piece.box, box)][self.piece.mask] = 0
        wanted[inner_box(target, box)][self.piece.mask] = labels[self.piece.box][self.piece.mask]
        changed: Mask = wanted != labels[box]
        return Patch(box, changed, wanted[changed])

    def _obstacles(self, labels: Labels) -> list[tuple[str, Mask]]:
        """Where a part of the piece would land that may not, in words, and which part."""
        piece, target = self.piece, self.piece.moved(self.offset)
        ground = labels[target].copy()
        shared = common_box(piece.box, target)
        if shared is not None:
            ground[inner_box(shared, target)][piece.mask[inner_box(shared, piece.box)]] = 0
        found: list[tuple[str, Mask]] = []
        for value in sorted(self.locked):
            name = f"label {value}" if self.scheme is None else self.scheme.name_of(value)
            found.append((f"on locked {name}", piece.mask & (ground == value)))
        if self.gate is not None:
            found.append(("outside the brain", piece.mask & self.gate(piece.box) & ~self.gate(target)))
        if self.over == PaintOver.BACKGROUND:
            found.append(("on other labels", piece.mask & (ground != 0) & ~np.isin(ground, list(self.locked))))
        return [(where, there) for where, there in found if there.any()]

    def _refusal(self, obstacles: list[tuple[str, Mask]]) -> UsageError:
        """How much would land where it may not."""
        voxel_ml = float(np.prod(self.spacing)) / 1000.0
        parts = [(milliliters(np.count_nonzero(there) * voxel_ml), where) for where, there in obstacles]
        (amount, where), *others = parts
        text = ", ".join([f"{amount} would land {where}", *(" ".join(other) for other in others)])
        return UsageError(text, remedy="The piece stays where it was")


class MirrorOperation(StrEnum):
    """What to do with the other side."""

    ADD = "add"
    SUBTRACT = "subtract"
    INTERSECT = "intersect"


@dataclass(frozen=True, eq=False)
class Mirrored:
    """Combine the tumor, or one label, with its reflection in the mid-sagittal plane.

    Parameters
    ----------
    operation : "add", "subtract" or "intersect"
        Add what the other side has (onto background only), clear what the other side has too, or clear what the other
        side does not have.
    matrix : float array (3, 3)
    shift : float array (3,)
        The reflection of a voxel p is ``matrix @ p + shift``.
    label : int, optional
        Only this label; the whole tumor by default.
    within : bool array (x, y, z), optional
        Adding stays inside it (the brain).
    """

    operation: MirrorOperation | str
    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    label: int | None = None
    within: Mask | None = None

    @property
    def name(self) -> str:
        """What the undo menu says."""
        words = {"add": "Add mirrored side", "subtract": "Subtract mirrored side", "intersect": "Keep what is mirrored"}
        return words[str(self.operation)]

    def __call__(self, labels: Labels) -> Patch | None:
        """Patch of the voxels set or cleared; None when nothing is selected."""
        mask: Mask = labels > 0 if self.label is None else labels == self.label
        here = tight_box(mask)
        if here is None:
            return None
        if self.operation == MirrorOperation.ADD:
            box = self._reflected_box(here, labels.shape)
            if box is None:
                return None
            other = self._reflection(np.where(mask, labels, 0), box)
            gained: Mask = (other != 0) & (labels[box] == 0)
            if self.within is not None:
                gained &= self.within[box]
            return Patch(box, gained, other[gained])
        other = self._reflection(mask.view(np.uint8), here)
        lost = mask[here] & ((other != 0) == (self.operation == MirrorOperation.SUBTRACT))
        return Patch(here, lost, 0)

    def _reflection(self, volume: Labels, box: Box) -> Labels:
        """The reflected volume inside `box`, each voxel with the value nearest to its reflection."""
        start = np.array([s.start for s in box], dtype=np.float64)
        size = tuple(s.stop - s.start for s in box)
        moved: Labels = ndimage.affine_transform(
            volume, self.matrix, self.matrix @ start + self.shift, output_shape=size, order=0
        )
        return moved

    def _reflected_box(self, box: Box, shape: tuple[int, ...]) -> Box | None:
        ends = [(s.start, s.stop - 1) for s in box]
        corners = np.array(np.meshgrid(*ends, indexing="ij"), dtype=np.float64).reshape(3, -1)
        places = self.matrix @ corners + self.shift[:, None]
        low = np.maximum(np.floor(places.min(axis=1)).astype(int), 0)
        high = np.minimum(np.ceil(places.max(axis=1)).astype(int) + 1, shape)
        if (low >= high).any():
            return None
        x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return x, y, z

"""What one edit did to an array of labels, small enough to keep hundreds of them."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]
Labels = NDArray[Any]
Mask = NDArray[np.bool_]
Values = int | Labels

_SQUEEZE_FROM = 16 << 10
_OVERHEAD = 256


def box_shape(box: Box) -> tuple[int, int, int]:
    """Shape of the array that `box` cuts out; its slices need a start and a stop."""
    x, y, z = box
    return x.stop - x.start, y.stop - y.start, z.stop - z.start


def whole_box(shape: tuple[int, ...]) -> Box:
    """The box of a full volume of `shape` (x, y, z)."""
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


def union_box(first: Box, second: Box) -> Box:
    """The smallest box that holds both."""
    x, y, z = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return x, y, z


def common_box(first: Box, second: Box) -> Box | None:
    """The box of the voxels that lie in both, or None when there are none."""
    x, y, z = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return (x, y, z) if all(s.start < s.stop for s in (x, y, z)) else None


def inner_box(inner: Box, outer: Box) -> Box:
    """`inner` in the coordinates of an array cut out by `outer`."""
    x, y, z = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True))
    return x, y, z


def outer_box(inner: Box, outer: Box) -> Box:
    """`inner`, given in the coordinates of an array cut out by `outer`, in those of the whole array."""
    x, y, z = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(inner, outer, strict=True))
    return x, y, z


def grow_box(box: Box, margin: tuple[int, int, int], shape: tuple[int, ...]) -> Box:
    """`box` widened by `margin` voxels an axis and clipped to `shape`."""
    x, y, z = (slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in zip(box, margin, shape, strict=True))
    return x, y, z


def tight_box(mask: Mask) -> Box | None:
    """The smallest box around the True voxels of `mask` (x, y, z), or None when there are none."""
    flat: Mask = np.any(mask, axis=2)
    xs = np.flatnonzero(flat.any(axis=1))
    if xs.size == 0:
        return None
    ys = np.flatnonzero(flat.any(axis=0))
    x, y = slice(int(xs[0]), int(xs[-1]) + 1), slice(int(ys[0]), int(ys[-1]) + 1)
    zs = np.flatnonzero(mask[x, y].any(axis=(0, 1)))
    return x, y, slice(int(zs[0]), int(zs[-1]) + 1)


def focus_of(mask: Mask, box: Box) -> tuple[int, int, int]:
    """A changed voxel to look at: in the axial slice that changed most, nearest to the middle of its change."""
    deep = np.min_scalar_type(len(mask))  # the narrowest sums are the fastest
    k = int(np.argmax(mask.view(np.uint8).sum(axis=0, dtype=deep).sum(axis=0, dtype=np.int64)))
    points = np.argwhere(mask[:, :, k])
    i, j = points[int(np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1)))]
    return box[0].start + int(i), box[1].start + int(j), box[2].start + k


def _as_scalar(values: Values) -> Values:
    if isinstance(values, int):
        return values
    first = int(values[0])
    alike: Mask = values == first
    return first if alike.all() else values


@dataclass(frozen=True, eq=False)
class Delta:
    """Voxels of `box` that went from `old` to `new`.

    Parameters
    ----------
    box : Box
        Where, in voxels of the volume.
    bits : bytes
        The changed voxels of the box: bits in C order, deflated when `squeezed`.
    squeezed : bool
    count : int
        How many voxels changed.
    old, new : int or 1-D array
        Labels before and after at those voxels in C order; an int when all are alike.
    """

    box: Box
    bits: bytes
    squeezed: bool
    count: int
    old: Values
    new: Values

    @classmethod
    def make(cls, box: Box, mask: Mask, old: Values, new: Values) -> Delta:
        """Pack `mask` (the shape of `box`, at least one voxel True) and the labels at its voxels."""
        bits = np.packbits(mask, axis=None).tobytes()
        squeezed = len(bits) >= _SQUEEZE_FROM
        if squeezed:
            bits = zlib.compress(bits, 1)
        return cls(box, bits, squeezed, int(np.count_nonzero(mask)), _as_scalar(old), _as_scalar(new))

    @property
    def mask(self) -> Mask:
        """Bool array of the shape of the box (unpacked anew at each call)."""
        shape = box_shape(self.box)
        size = -(-math.prod(shape) // 8)
        raw = zlib.decompressobj().decompress(self.bits, size) if self.squeezed else self.bits
        bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=math.prod(shape))
        return bits.view(np.bool_).reshape(shape)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        arrays = sum(v.nbytes for v in (self.old, self.new) if not isinstance(v, int))
        return len(self.bits) + arrays + _OVERHEAD

    @property
    def inverse(self) -> Delta:
        """The delta that takes this one back."""
        return Delta(self.box, self.bits, self.squeezed, self.count, self.new, self.old)


def fits(array: Labels, delta: Delta) -> bool:
    """Whether `delta` is sound and `array` holds its old labels where it would write."""
    limits = np.iinfo(array.dtype)
    lowest, highest = (
        (delta.new, delta.new) if isinstance(delta.new, int) else (int(delta.new.min()), int(delta.new.max()))
    )
    if lowest < limits.min or highest > limits.max:
        return False
    if any(not 0 <= s.start < s.stop <= n for s, n in zip(delta.box, array.shape, strict=True)):
        return False
    try:
        mask = delta.mask
    except (ValueError, zlib.error):
        return False
    old = array[delta.box][mask]
    return old.size == delta.count and bool((old == delta.old).all())


def difference(labels: Labels, box: Box, mask: Mask, new: Values) -> Delta | None:
    """The delta of writing `new` at `mask` in `box`, cut to the voxels that really change."""
    region = labels[box]
    if not isinstance(new, int):
        wanted = region.copy()
        wanted[mask] = new
        return between(region, wanted, box)
    touched: Mask = mask & (region != new)
    return _cut(touched, region, new, box)


def between(old: Labels, new: Labels, box: Box) -> Delta | None:
    """The delta from one content of `box` to another, None when they are alike."""
    touched: Mask = old != new
    return _cut(touched, old, new, box)


def _cut(touched: Mask, old: Labels, new: Values, box: Box) -> Delta | None:
    tight = tight_box(touched)
    if tight is None:
        return None
    inside = touched[tight]
    x, y, z = (slice(b.start + t.start, b.start + t.stop) for b, t in zip(box, tight, strict=True))
    after: Values = new if isinstance(new, int) else new[tight][inside]
    return Delta.make((x, y, z), inside, old[tight][inside], after)


@dataclass(frozen=True, eq=False)
class Change:
    """One committed step: what undo takes back and redo does again.

    Parameters
    ----------
    name : str
        What the user did, e.g. ``"Paint"``.
    delta : Delta or None
        Change of the label voxels; None when only the reference tumor changed.
    base : Delta or None
        Change of the reference tumor (`Segmentation.original`), if any.
    focus : (x, y, z)
        A voxel of the change, for the view to jump to.
    before, after : int
        Revision of the segmentation before and after.
    """

    name: str
    delta: Delta | None
    base: Delta | None
    focus: tuple[int, int, int]
    before: int
    after: int

    @property
    def box(self) -> Box:
        """The voxels that a view has to draw again."""
        boxes = [d.box for d in (self.delta, self.base) if d is not None]
        return boxes[0] if len(boxes) == 1 else union_box(boxes[0], boxes[1])

    @property
    def mask(self) -> Mask:
        """Changed label voxels, in the shape of `box`."""
        mask = np.zeros(box_shape(self.box), dtype=np.bool_)
        if self.delta is not None:
            mask[inner_box(self.delta.box, self.box)] = self.delta.mask
        return mask

    @property
    def old(self) -> Labels:
        """Labels before at the voxels of `mask` in C order, 1-D."""
        if self.delta is None:
            return np.zeros(0, dtype=np.uint8)
        old = self.delta.old
        return np.full(self.delta.count, old) if isinstance(old, int) else old

    @property
    def new(self) -> Values:
        """Label or 1-D labels after."""
        return 0 if self.delta is None else self.delta.new

    @property
    def count(self) -> int:
        """How many label voxels changed."""
        return 0 if self.delta is None else self.delta.count

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(d.nbytes for d in (self.delta, self.base) if d is not None)

"""Holes to train on: real tumors' shapes and random blobs, anywhere in healthy brain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

Mask = NDArray[np.bool_]

#: Voxel size in mm of the grid on which the tumor shapes are stored.
SHAPE_SPACING = (1.875, 1.875, 1.2109375)
_ML_RANGE = (1.5, 110.0)


class TumorShapes:
    """The 363 tumor shapes of BraTS 2020, as masks on a 1 mm grid."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as f, np.load(f, allow_pickle=False) as z:
            self._labels = z["labels"]
            self._offset = z["offset"]
            self._box = z["box"]

    def __len__(self) -> int:
        return len(self._offset) - 1

    def labels(self, index: int) -> NDArray[np.uint8]:
        """Label block of one tumor on its own grid, values {0, 1, 2, 4}."""
        low, high = self._box[index].reshape(2, 3)
        flat = self._labels[self._offset[index] : self._offset[index + 1]]
        return np.asarray(flat.reshape(tuple(high - low)), np.uint8)

    def sample(self, rng: np.random.Generator) -> Mask:
        """A whole tumor or its core, flipped, rotated about z, brought to a random volume."""
        labels = self.labels(int(rng.integers(len(self))))
        core = np.isin(labels, (1, 4))
        mask = core if rng.random() < 0.3 and core.sum() > 60 else labels > 0
        ml = float(mask.sum()) * float(np.prod(SHAPE_SPACING)) / 1000
        goal = float(np.exp(rng.uniform(*np.log(_ML_RANGE))))
        factor = float(np.clip((goal / max(ml, 0.05)) ** (1 / 3), 0.4, 1.6))
        for axis in range(3):
            if rng.random() < 0.5:
                mask = np.flip(mask, axis)
        zoomed = ndi.zoom(mask.astype(np.float32), [s * factor for s in SHAPE_SPACING], order=1)
        turned = ndi.rotate(zoomed, float(rng.uniform(0, 360)), axes=(0, 1), order=1, reshape=True)
        return np.asarray(turned > 0.5)


def random_blob(rng: np.random.Generator) -> Mask:
    """A smooth random shape of 1.5 to 60 ml."""
    goal = float(np.exp(rng.uniform(np.log(1.5), np.log(60.0)))) * 1000
    size = int(np.clip(2.2 * (goal * 0.75 / np.pi) ** (1 / 3), 16, 84))
    noise = ndi.gaussian_filter(rng.standard_normal((size, size, size)).astype(np.float32), size / 9)
    noise /= noise.std()
    axes = [np.linspace(-1, 1, size)] * 3
    radius = np.sqrt(sum(g**2 for g in np.meshgrid(*axes, indexing="ij")))
    field = noise * 0.5 - 2.2 * radius
    threshold = np.partition(field.ravel(), -min(int(goal), field.size - 1))[-min(int(goal), field.size - 1)]
    labels, _ = ndi.label(field > threshold)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


@dataclass(frozen=True)
class HoleSet:
    """Holes placed in one case: their healthy voxels are the target, tumor stays unknown and unscored."""

    hole: Mask


def place_holes(
    brain: Mask, tumor: Mask, shapes: TumorShapes, rng: np.random.Generator, *, count: int = 3, gap: int = 5
) -> HoleSet:
    """Put up to `count` holes into healthy brain.

    Parameters
    ----------
    brain, tumor : bool (x, y, z)
    shapes : TumorShapes
    rng : numpy Generator
    count : int
        Holes to try for.
    gap : int
        Voxels kept between two holes.
    """
    hole = np.zeros_like(brain)
    taken = np.zeros_like(brain)
    candidates = np.flatnonzero(brain)
    for _ in range(count * 6):
        if count <= 0:
            break
        mask = random_blob(rng) if rng.random() < 0.15 else shapes.sample(rng)
        center = np.unravel_index(int(candidates[rng.integers(candidates.size)]), brain.shape)
        placed = paste(mask, np.array(center), brain.shape)
        inside = placed & brain
        healthy = inside & ~tumor
        if inside.sum() < 0.65 * mask.sum() or healthy.sum() < max(500, 0.6 * inside.sum()) or (inside & taken).any():
            continue
        hole |= inside
        taken |= ndi.binary_dilation(inside, iterations=gap)
        count -= 1
    return HoleSet(hole)


def paste(mask: Mask, center: NDArray[np.integer], shape: tuple[int, ...]) -> Mask:
    """Put a small mask into a volume of `shape`, centered at a voxel; what sticks out is cut."""
    out = np.zeros(shape, bool)
    low = np.asarray(center) - np.array(mask.shape) // 2
    target = tuple(slice(max(a, 0), min(a + n, s)) for a, n, s in zip(low, mask.shape, shape, strict=True))
    source = tuple(slice(t.start - a, t.stop - a) for t, a in zip(target, low, strict=True))
    if all(t.stop > t.start for t in target):
        out[target] = mask[source]
    return out

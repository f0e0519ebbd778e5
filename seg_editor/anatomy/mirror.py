"""The mid-sagittal plane and the brain seen in it.

The other hemisphere tells what this one probably looked like. The plane is estimated a case, from context voxels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TILT = 0.26  # the tangent of about 15 degrees
_LARGE = 96  # voxels along every axis: coarser blocks will do


@dataclass(frozen=True)
class MirrorPlane:
    """A plane in voxel units: points p with ``normal . p == offset``; `normal` has unit length."""

    normal: tuple[float, float, float]
    offset: float

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Householder matrix of the reflection, (3, 3)."""
        n = np.asarray(self.normal)
        return np.asarray(np.eye(3) - 2 * np.outer(n, n), np.float64)

    @property
    def shift(self) -> NDArray[np.float64]:
        """Translation of the reflection: ``p' = matrix @ p + shift``."""
        return np.asarray(2 * self.offset * np.asarray(self.normal), np.float64)

    def lateral(self, shape: tuple[int, int, int]) -> NDArray[np.float32]:
        """Signed distance to the plane in voxels, (x, y, z)."""
        x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
        a, b, c = self.normal
        return np.asarray(a * x + b * y + c * z - self.offset, np.float32)


def estimate_plane(volume: NDArray[np.float32], weight: NDArray[np.bool_]) -> MirrorPlane:
    """Find the plane in which the brain is most symmetric.

    Parameters
    ----------
    volume : float32 array (x, y, z)
        Normalized intensities, RAS+ (the first axis runs left to right).
    weight : bool array (x, y, z)
        Voxels that may be looked at (brain outside hole and tumor).

    Returns
    -------
    MirrorPlane
        Minimizes the mean squared difference between the voxels and their reflections over the weight, from the
        plane through the center of mass; tilt is limited to about 15 degrees.
    """
    from scipy import ndimage as ndi
    from scipy.optimize import minimize

    step = 6 if min(volume.shape) >= _LARGE else 4
    small_weight = _block_mean(weight.astype(np.float32), step)
    small = _block_mean(np.where(weight, volume, 0).astype(np.float32), step)
    small = np.where(small_weight > 0, small / np.maximum(small_weight, 1e-3), 0)
    small = np.clip(small, -4, 4)
    if small_weight.sum() < 50:
        return MirrorPlane((1.0, 0.0, 0.0), (volume.shape[0] - 1) / 2)
    solid = small_weight > 0.5
    center = np.array(ndi.center_of_mass(ndi.binary_closing(solid, iterations=2) | solid))

    def cost(p: NDArray[np.float64]) -> float:
        plane = _plane(p, center)
        moved = ndi.affine_transform(small, plane.matrix, plane.shift, order=1)
        seen = ndi.affine_transform(small_weight, plane.matrix, plane.shift, order=1)
        both = seen * small_weight
        either = np.abs(seen - small_weight).mean()
        mismatch = (both * (moved - small) ** 2).sum() / max(both.sum(), 1.0)
        return float(mismatch + 4.0 * either + 10 * max(abs(p[0]), abs(p[1]), _TILT) - 10 * _TILT)

    simplex = [[0, 0, 0], [0.08, 0, 0], [0, 0.08, 0], [0, 0, 1.2]]
    options = {"xatol": 0.01, "fatol": 2e-4, "maxfev": 160, "initial_simplex": simplex}
    best = minimize(cost, np.zeros(3), method="Nelder-Mead", options=options)
    plane = _plane(best.x, center)
    # block centers lie at step * i + (step - 1) / 2
    offset = plane.offset * step + (step - 1) / 2 * float(np.sum(plane.normal))
    return MirrorPlane(plane.normal, offset)


def reflect(
    volumes: NDArray[np.float32], usable: NDArray[np.bool_], plane: MirrorPlane
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflect volumes in the plane.

    Parameters
    ----------
    volumes : float32 array (m, x, y, z)
    usable : bool array (x, y, z)
        Voxels that may be looked at.
    plane : MirrorPlane

    Returns
    -------
    mirrored : float32 array (m, x, y, z)
        Zero where not valid.
    valid : bool array (x, y, z)
        True where every voxel that the interpolation touched was usable.
    """
    from scipy import ndimage as ndi

    full = ndi.affine_transform(usable.astype(np.float32), plane.matrix, plane.shift, order=1)
    valid = full > 0.999
    mirrored = np.empty(volumes.shape, np.float32)
    for m, volume in enumerate(volumes):
        moved = ndi.affine_transform(np.where(usable, volume, 0).astype(np.float32), plane.matrix, plane.shift, order=1)
        mirrored[m] = np.where(valid, moved, 0)
    return mirrored, valid


def reflect_slice(
    volumes: NDArray[np.float32], usable: NDArray[np.bool_], plane: MirrorPlane, k: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflect one axial slice: what :func:`reflect` gives at ``[..., k]``, without computing the rest."""
    from scipy import ndimage as ndi

    x, y, depth = usable.shape
    shift = plane.shift + plane.matrix[:, 2] * k
    corners = np.array([[i, j, 0] for i in (0, x - 1) for j in (0, y - 1)]) @ plane.matrix.T + shift
    low = int(np.clip(np.floor(corners[:, 2].min()) - 1, 0, depth - 1))
    high = int(np.clip(np.ceil(corners[:, 2].max()) + 2, low + 1, depth))
    slab = (slice(None), slice(None), slice(low, high))
    inside = usable[slab]
    moved_shift = shift - np.array([0, 0, low])

    def move(block: NDArray[np.generic]) -> NDArray[np.float32]:
        out = ndi.affine_transform(block.astype(np.float32), plane.matrix, moved_shift, output_shape=(x, y, 1), order=1)
        return np.asarray(out[..., 0], np.float32)

    valid = move(inside) > 0.999
    mirrored = np.stack([np.where(valid, move(np.where(inside, v[slab], 0)), 0) for v in volumes])
    return mirrored.astype(np.float32), valid


def _plane(p: NDArray[np.float64], center: NDArray[np.float64]) -> MirrorPlane:
    normal = np.array([1.0, p[0], p[1]])
    normal /= np.linalg.norm(normal)
    return MirrorPlane((float(normal[0]), float(normal[1]), float(normal[2])), float(normal @ center + p[2]))


def _block_mean(a: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    x, y, z = (s // step for s in a.shape)
    blocks = a[: x * step, : y * step, : z * step].reshape(x, step, y, step, z, step)
    return np.asarray(blocks.mean((1, 3, 5)), np.float32)

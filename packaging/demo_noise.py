"""Smooth random fields and soft steps that the demo recipe is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Field = NDArray[np.float32]


def as_field(values: ArrayLike) -> Field:
    """`values` as float32."""
    return np.asarray(values, dtype=np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int, int], sigma: float) -> Field:
    """Gaussian random field of zero mean and unit variance.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (x, y, z) in voxels
    sigma : standard deviation of the smoothing kernel in voxels; wide kernels are drawn on a coarse grid

    Returns
    -------
    float32 array of `shape`
    """
    step = max(1, int(sigma / 2.0))
    coarse = tuple(n // step + 4 for n in shape)
    field = ndimage.gaussian_filter(rng.standard_normal(coarse).astype(np.float32), sigma / step, mode="wrap")
    if step == 1:
        field = field[: shape[0], : shape[1], : shape[2]]
    else:
        axes = [np.linspace(1.0, 1.0 + n / step, n, dtype=np.float32) for n in shape]
        field = resample_on_axes(field, axes)
    field -= field.mean()
    result: Field = (field / field.std()).astype(np.float32)
    return result


def resample_on_axes(field: Field, axes: list[Field]) -> Field:
    """Cubic resampling of `field` at the outer product of three coordinate vectors, one axis after the other."""
    result = field
    for axis, positions in enumerate(axes):
        result = _resample_axis(result, positions, axis)
    return result


def _resample_axis(field: Field, positions: Field, axis: int) -> Field:
    weights = ndimage.map_coordinates(
        np.eye(field.shape[axis], dtype=np.float32),
        np.stack(np.meshgrid(positions, np.arange(field.shape[axis]), indexing="ij")),
        order=3,
        mode="nearest",
    )
    moved = np.moveaxis(np.tensordot(weights.astype(np.float32), field, axes=(1, axis)), 0, axis)
    result: Field = np.ascontiguousarray(moved, dtype=np.float32)
    return result


def soft_step(level: Field, width: float) -> Field:
    """0 for level << 0, 1 for level >> 0, smooth over about `width` (same unit as `level`)."""
    result: Field = (0.5 * (1.0 + np.tanh(2.0 * level / width))).astype(np.float32)
    return result


def blur(field: Field, sigma: float) -> Field:
    """Gaussian blur, `sigma` in voxels."""
    result: Field = ndimage.gaussian_filter(field, sigma, mode="nearest")
    return result


def signed_distance(inside: NDArray[np.bool_]) -> Field:
    """Distance to the border in voxels: positive inside, negative outside, slightly smoothed to hide the grid."""
    inner = ndimage.distance_transform_edt(inside)
    outer = ndimage.distance_transform_edt(~inside)
    distance = np.where(inside, inner - 0.5, 0.5 - outer).astype(np.float32)
    return blur(distance, 0.6)

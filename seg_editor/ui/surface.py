"""Surfaces of masks as oriented points, from the smoothed field of the mask. Numpy and scipy only; no Qt here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seg_editor.cases import bounding_box

Floats = NDArray[np.float32]

_PADDING = 4
_TEXTURE_DEPTHS_MM = (2.0, 4.0, 6.0)


@dataclass(frozen=True, eq=False)
class Points:
    """Oriented points on a surface.

    Parameters
    ----------
    places : ndarray, shape (n, 3), float32
        Positions in mm along x, y, z: voxel index times voxel size.
    normals : ndarray, shape (n, 3), float32
        Outward unit normals.
    tones : ndarray, shape (n,), float32
        Brightness of the material, about 1.
    pitch : float
        Typical distance in mm between neighbors.
    light : Points or None
        The same surface with about a quarter of the points, for pictures in a hurry.
    """

    places: Floats
    normals: Floats
    tones: Floats
    pitch: float
    light: Points | None = None


def surface_points(
    mask: NDArray[np.bool_], spacing: Sequence[float], *, sigma: float = 0.8, both_sides: bool = True
) -> Points | None:
    """Return points on the smoothed surface of a mask, or None where there is nothing.

    Parameters
    ----------
    mask : ndarray, shape (nx, ny, nz), bool
    spacing : sequence of float
        Voxel size in mm.
    sigma : float
        Smoothing in voxels.
    both_sides : bool
        Take the voxels on both sides of the surface: twice as dense.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    smooth = np.pad(mask[box], _PADDING).astype(np.float32)
    smooth = ndimage.gaussian_filter(smooth, sigma, mode="constant", truncate=3.0)
    level = min(0.5, 0.5 * float(smooth.max()))
    inside = smooth > level
    near = np.zeros_like(inside)
    for axis in range(3):
        low, high = (_along(axis, slice(None, -1)), _along(axis, slice(1, None)))
        change = inside[low] != inside[high]
        near[low] |= change
        near[high] |= change
    if not both_sides:
        near &= inside
    near &= _interior(near.shape)
    index = np.argwhere(near)
    steps = np.asarray(spacing, dtype=np.float32)
    slopes = _slopes(smooth, index) / (2 * steps)
    steep = np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-6)
    away = (level - smooth[tuple(index.T)])[:, None] / steep
    normals = -slopes / steep
    reach = float(steps.max())
    start = np.array([part.start - _PADDING for part in box], dtype=np.float32)
    places = (index + start) * steps - normals * np.clip(away, -reach, reach)
    tones = np.ones(len(index), dtype=np.float32)
    pitch = 0.8 * reach if both_sides else reach
    return Points(places.astype(np.float32), normals.astype(np.float32), tones, pitch)


def with_light(points: Points, mask: NDArray[np.bool_], spacing: Sequence[float], *, sigma: float = 0.8) -> Points:
    """Return the points with a light version, made from every second voxel; what is too small for it has none."""
    light = surface_points(mask[::2, ::2, ::2], [2 * step for step in spacing], sigma=sigma, both_sides=False)
    return replace(points, light=light)


def textured(
    points: Points, volume: NDArray[np.generic], spacing: Sequence[float], window: tuple[float, float]
) -> Points:
    """Return the points with tones from the gray levels a few mm below the surface, so that sulci show.

    Parameters
    ----------
    points : Points
    volume : ndarray, shape (nx, ny, nz)
        Stored intensities, bright where tissue is.
    spacing : sequence of float
    window : (low, high)
        Black and white.
    """
    steps = np.asarray(spacing, dtype=np.float32)
    limit = np.array(volume.shape) - 1
    total = np.zeros(len(points.places), dtype=np.float32)
    for depth in _TEXTURE_DEPTHS_MM:
        index = np.rint((points.places - depth * points.normals) / steps).astype(np.intp)
        np.clip(index, 0, limit, out=index)
        total += volume[tuple(index.T)]
    gray = (total / len(_TEXTURE_DEPTHS_MM) - window[0]) / max(window[1] - window[0], 1e-6)
    light = None if points.light is None else textured(points.light, volume, spacing, window)
    return replace(points, tones=(0.45 + 0.85 * np.clip(gray, 0, 1)).astype(np.float32), light=light)


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if a == axis else slice(None) for a in range(3))


def _interior(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inside = np.zeros(shape, dtype=bool)
    inside[1:-1, 1:-1, 1:-1] = True
    return inside


def _slopes(field_: Floats, index: NDArray[np.intp]) -> Floats:
    """Return the differences across two voxels along x, y, z at voxels ``index`` (n, 3)."""
    out = np.empty(index.shape, dtype=np.float32)
    for axis in range(3):
        step = np.zeros(3, dtype=np.intp)
        step[axis] = 1
        out[:, axis] = field_[tuple((index + step).T)] - field_[tuple((index - step).T)]
    return out

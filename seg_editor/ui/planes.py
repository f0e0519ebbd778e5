"""Where a voxel lies on the screen: the three standard planes of an ``(x, y, z)`` RAS+ volume. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seg_editor.session import Plane

__all__ = ["Plane", "PlaneView", "boundary_segments", "dashes", "plane_name"]

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


def plane_name(plane: Plane) -> str:
    """Return the name for menus and captions."""
    return plane.name.capitalize()


@dataclass(frozen=True)
class PlaneView:
    """How one plane of a grid is laid out on the screen.

    Plane coordinates are millimeters ``(u, v)`` from the upper left corner of the picture; voxel indices are floats
    whose whole numbers are voxel centers.

    Parameters
    ----------
    plane : Plane
        Which plane.
    shape : tuple of int
        ``(nx, ny, nz)`` of the volume.
    spacing : tuple of float
        Voxel size in mm along x, y, z.
    radiological : bool
        True puts the patient's right on the left of axial and coronal pictures.
    nose_left : bool
        True lets sagittal pictures look to the left.
    """

    plane: Plane
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    radiological: bool = True
    nose_left: bool = True

    @property
    def axes(self) -> tuple[int, int]:
        """Array axes that run across and down the screen."""
        return {Plane.SAGITTAL: (1, 2), Plane.CORONAL: (0, 2), Plane.AXIAL: (0, 1)}[self.plane]

    @property
    def flip_across(self) -> bool:
        """True where the left edge of the screen is the high end of the axis."""
        return self.nose_left if self.plane is Plane.SAGITTAL else self.radiological

    @property
    def count(self) -> int:
        """Number of slices."""
        return self.shape[int(self.plane)]

    @property
    def size(self) -> tuple[int, int]:
        """Picture size in voxels, ``(columns, rows)``."""
        across, down = self.axes
        return self.shape[across], self.shape[down]

    @property
    def step(self) -> tuple[float, float]:
        """Voxel size in mm across and down."""
        across, down = self.axes
        return self.spacing[across], self.spacing[down]

    @property
    def size_mm(self) -> tuple[float, float]:
        """Picture size in mm."""
        (columns, rows), (du, dv) = self.size, self.step
        return columns * du, rows * dv

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """Orientation letters at the left, right, top and bottom edge."""
        across, down = self.axes
        low, high = _LETTERS[across]
        bottom, top = _LETTERS[down]
        left, right = (high, low) if self.flip_across else (low, high)
        return left, right, top, bottom

    def flat(self, plane_array: np.ndarray) -> np.ndarray:
        """Turn a slice in array order ``(across, down)`` into a contiguous ``(rows, columns)`` picture."""
        turned = plane_array[::-1, ::-1] if self.flip_across else plane_array[:, ::-1]
        return np.ascontiguousarray(turned.T)

    def cut(self, volume: np.ndarray, index: int) -> np.ndarray:
        """Return slice `index` of an ``(x, y, z)`` volume as a contiguous ``(rows, columns)`` picture."""
        selector: list[slice | int] = [slice(None)] * 3
        selector[int(self.plane)] = index
        return self.flat(volume[tuple(selector)])

    def crop(self, box: tuple[slice, slice, slice]) -> tuple[slice, slice]:
        """Return the ``(rows, columns)`` of the picture that show a voxel box."""
        across, down = self.axes
        columns, rows = self.size
        right, left = box[across].stop, box[across].start
        span = slice(columns - right, columns - left) if self.flip_across else slice(left, right)
        return slice(rows - box[down].stop, rows - box[down].start), span

    def to_voxel(self, u: float, v: float, index: float) -> tuple[float, float, float]:
        """Return the voxel position ``(x, y, z)`` of a point of the picture, in float indices."""
        across, down = self.axes
        du, dv = self.step
        column, row = u / du - 0.5, v / dv - 0.5
        point = [0.0, 0.0, 0.0]
        point[int(self.plane)] = float(index)
        point[across] = self.shape[across] - 1 - column if self.flip_across else column
        point[down] = self.shape[down] - 1 - row
        return point[0], point[1], point[2]

    def to_plane(self, point: tuple[float, float, float]) -> tuple[float, float]:
        """Return ``(u, v)`` in mm of a voxel position; the inverse of :meth:`to_voxel`."""
        across, down = self.axes
        du, dv = self.step
        column = self.shape[across] - 1 - point[across] if self.flip_across else point[across]
        row = self.shape[down] - 1 - point[down]
        return (column + 0.5) * du, (row + 0.5) * dv

    def region(self, box: tuple[slice, slice, slice], margin: float) -> tuple[float, float, float, float]:
        """Return ``(u, v, width, height)`` in mm of a voxel box in this plane, widened by `margin` mm on every side."""
        rows, columns = self.crop(box)
        du, dv = self.step
        width, height = (columns.stop - columns.start) * du, (rows.stop - rows.start) * dv
        return columns.start * du - margin, rows.start * dv - margin, width + 2 * margin, height + 2 * margin

    def holds(self, box: tuple[slice, slice, slice], index: int) -> bool:
        """True when slice `index` meets `box`."""
        part = box[int(self.plane)]
        return bool(part.start <= index < part.stop)


def boundary_segments(mask: np.ndarray, step: tuple[float, float]) -> np.ndarray:
    """Return the voxel edges between True and False of a ``(rows, columns)`` mask.

    Returns
    -------
    ndarray
        ``(2 n, 2)`` float64 points ``(u, v)`` in mm, two to a segment.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return np.empty((0, 2))
    columns = np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    part = np.zeros((int(rows[-1]) - top + 3, int(columns[-1]) - left + 3), dtype=bool)
    part[1:-1, 1:-1] = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    across_r, across_c = np.nonzero(part[1:] != part[:-1])
    down_r, down_c = np.nonzero(part[:, 1:] != part[:, :-1])
    points = np.empty((2 * (across_r.size + down_r.size), 2))
    flat = 2 * across_r.size
    points[0:flat:2, 0], points[1:flat:2, 0] = across_c - 1, across_c
    points[0:flat:2, 1] = points[1:flat:2, 1] = across_r
    points[flat::2, 0] = points[flat + 1 :: 2, 0] = down_c
    points[flat::2, 1], points[flat + 1 :: 2, 1] = down_r - 1, down_r
    points += (left, top)
    points *= step
    return points


def dashes(points: np.ndarray, length: float) -> np.ndarray:
    """Return every other `length` mm of voxel edges ``(2 n, 2)``, as :func:`boundary_segments` gives them.

    Edges across are told apart by their place across, edges down by their place down. A dashed pen would begin anew
    with each edge, and edges are often shorter than a dash.
    """
    edges = points.reshape(-1, 2, 2)
    down = edges[:, 0, 0] == edges[:, 1, 0]
    middle = edges.mean(axis=1)
    place = np.where(down, middle[:, 1], middle[:, 0])
    return np.asarray(edges[np.floor(place / length) % 2 == 0].reshape(-1, 2))

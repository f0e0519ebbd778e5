"""Where voxels lie: shape and affine of a volume in canonical (RAS+) order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

_AFFINE_TOLERANCE = 1e-3
_OBLIQUE = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxel grid of a canonical array.

    Parameters
    ----------
    shape : tuple of int
        Voxels along x (to the right), y (to the front), z (upward).
    affine : ndarray, shape (4, 4), float64
        Voxel index to world position in mm, RAS+.
    ambiguous : bool
        The file's qform and sform codes are both 0, so left and right are a guess.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    ambiguous: bool = False

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and bool(np.array_equal(self.affine, other.affine))

    def __hash__(self) -> int:
        return hash((self.shape, (self.affine + 0.0).tobytes()))

    def matches(self, other: Grid, tolerance: float = _AFFINE_TOLERANCE) -> bool:
        """Return whether the other grid is this one, affine entries compared within ``tolerance``."""
        return self.shape == other.shape and bool(np.allclose(self.affine, other.affine, rtol=0, atol=tolerance))

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along x, y, z in mm."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in milliliters."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def oblique(self) -> bool:
        """Whether the axes of the array are tilted against those of the scanner."""
        directions = self.affine[:3, :3] / np.array(self.spacing)
        return bool(np.abs(directions - np.diag(np.diag(directions))).max() > _OBLIQUE)

    @property
    def orientation_letters(self) -> tuple[tuple[str, str], tuple[str, str], tuple[str, str]]:
        """Letters at the low and the high end of each array axis; show "?" instead when ``ambiguous``."""
        return ("L", "R"), ("P", "A"), ("I", "S")

    def world(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """Return world positions in mm of voxel indices, shape (..., 3) both."""
        index = np.asarray(ijk, dtype=np.float64)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)

    def voxel(self, xyz: ArrayLike) -> NDArray[np.float64]:
        """Return voxel indices, not rounded, of world positions in mm, shape (..., 3) both."""
        inverse = np.linalg.inv(self.affine)
        position = np.asarray(xyz, dtype=np.float64)
        return np.asarray(position @ inverse[:3, :3].T + inverse[:3, 3], dtype=np.float64)

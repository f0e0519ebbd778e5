"""Where a volume came from: everything needed to write another volume exactly like the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases.block import nibabel_header, retyped_block, stored_dtype
from seg_editor.cases.grid import Grid

_FORM_TOLERANCE_MM = 0.1


@dataclass(frozen=True, eq=False)
class NiftiSource:
    """A NIfTI file's header and geometry, as stored.

    Parameters
    ----------
    path : Path
        The file.
    block : bytes
        Its first bytes, verbatim: header and extensions, up to the first voxel.
    version : int
        1 or 2, the NIfTI version.
    stored_shape : tuple of int
        Voxels along the file's own three axes.
    dtype : numpy.dtype
        The stored type, with the file's byte order.
    slope, inter : float
        Stored value to image value; 1 and 0 where the header asks for no scaling.
    affine : ndarray, shape (4, 4), float64
        Index along the file's axes to world position in mm, RAS+.
    axes, flips : tuple
        For each file axis the canonical axis that it becomes, and whether it is reversed.
    qform_code, sform_code : int
        As in the header.
    sha256 : str
        Of the file as it lay on disk; empty when only the header was read.
    is_labels : bool
        The canonical array holds label values (scaling applied) and not stored values.
    """

    path: Path
    block: bytes
    version: int
    stored_shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    slope: float
    inter: float
    affine: NDArray[np.float64]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    qform_code: int
    sform_code: int
    sha256: str = ""
    is_labels: bool = False

    @property
    def voxel_bytes(self) -> int:
        """Bytes of voxel data in the uncompressed file."""
        return int(np.prod(self.stored_shape)) * self.dtype.itemsize

    @property
    def scaled(self) -> bool:
        """Whether stored values differ from image values."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def header(self) -> Any:
        """A fresh nibabel header object (``Nifti1Header`` or ``Nifti2Header``) of the file."""
        return nibabel_header(self.block, self.version)

    @cached_property
    def grid(self) -> Grid:
        """The grid of the canonical array."""
        shape = [0, 0, 0]
        to_file = np.zeros((4, 4))
        to_file[3, 3] = 1.0
        for axis, (target, flipped) in enumerate(zip(self.axes, self.flips, strict=True)):
            length = self.stored_shape[axis]
            shape[target] = length
            to_file[axis, target] = -1.0 if flipped else 1.0
            to_file[axis, 3] = length - 1 if flipped else 0.0
        ambiguous = self.qform_code == 0 and self.sform_code == 0
        return Grid((shape[0], shape[1], shape[2]), self.affine @ to_file, ambiguous)

    @property
    def forms_disagree(self) -> bool:
        """Whether qform and sform are both set and place a corner of the volume differently by over 0.1 mm."""
        if self.qform_code == 0 or self.sform_code == 0:
            return False
        header = self.header
        try:
            qform = np.asarray(header.get_qform(), dtype=np.float64)
        except ValueError:
            return True
        corners = np.array([[0, 0, 0, 1], [*self.stored_shape, 1]], dtype=np.float64)
        return not np.allclose(corners @ qform.T, corners @ self.affine.T, rtol=0, atol=_FORM_TOLERANCE_MM)

    def canonical_view(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return a view of an array in file order as canonical (x, y, z); writing to it undoes the orientation."""
        flipped = stored[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]
        return flipped.transpose(tuple(int(axis) for axis in np.argsort(self.axes)))

    def with_dtype(self, dtype: np.dtype[Any] | type[Any], *, is_labels: bool = False) -> NiftiSource:
        """Return a source on the same grid that stores unscaled values of another type.

        For a new file beside the images, such as a first segmentation (``np.uint8, is_labels=True``).
        """
        block = retyped_block(self.block, self.version, np.dtype(dtype))
        return replace(
            self,
            block=block,
            dtype=stored_dtype(nibabel_header(block, self.version)),
            slope=1.0,
            inter=0.0,
            sha256="",
            is_labels=is_labels,
        )


def copy_blocked(target: NDArray[Any], origin: NDArray[Any]) -> None:
    """Copy between two views of one shape whose memory orders differ, in blocks that stay in the cache."""
    fast_in_target = int(np.argmin(np.abs(target.strides)))
    fast_in_origin = int(np.argmin(np.abs(origin.strides)))
    if fast_in_target == fast_in_origin:
        np.copyto(target, origin, casting="unsafe")
        return
    axis = 3 - fast_in_target - fast_in_origin
    for start in range(0, target.shape[axis], 16):
        block: tuple[slice, ...] = tuple(slice(start, start + 16) if k == axis else slice(None) for k in range(3))
        np.copyto(target[block], origin[block], casting="unsafe")

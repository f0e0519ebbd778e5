"""One volume in canonical order, in the type that its file stores."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases.grid import Grid
from seg_editor.cases.header import read_source
from seg_editor.cases.source import NiftiSource, copy_blocked
from seg_editor.cases.stream import read_errors, read_payload
from seg_editor.errors import CaseError

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Volume:
    """An image or a segmentation.

    Parameters
    ----------
    raw : ndarray, shape (x, y, z)
        RAS+ canonical, C-contiguous and read-only. Images: stored values in the stored type. Segmentations: label
        values, uint8 or, where they do not fit, int16.
    source : NiftiSource
        The file and how to write one like it.
    slope, inter : float
        ``raw * slope + inter`` are the image values.
    """

    raw: NDArray[Any]
    source: NiftiSource
    slope: float = 1.0
    inter: float = 0.0

    def __post_init__(self) -> None:
        self.raw.flags.writeable = False

    @property
    def grid(self) -> Grid:
        """The grid of ``raw``."""
        return self.source.grid

    @property
    def path(self) -> Path:
        """The file that the volume was read from."""
        return self.source.path

    def values(self, box: Box | None = None) -> NDArray[np.float32]:
        """Return image values (scaling applied) as a new float32 array, of the whole volume or of a box."""
        return self.scaled(self.raw if box is None else self.raw[box])

    def scaled(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return the image values of stored ones of this volume's kind, of any shape, as a new float32 array."""
        if (self.slope, self.inter) == (1.0, 0.0):
            return raw.astype(np.float32)
        exact = np.float64 if raw.dtype.itemsize >= 4 else np.float32
        return (raw * exact(self.slope) + exact(self.inter)).astype(np.float32, copy=False)

    @cached_property
    def sha256(self) -> str:
        """Hash of the voxels in canonical order, their type, shape, scaling and affine."""
        digest = hashlib.sha256()
        digest.update(f"{self.raw.dtype.str} {self.raw.shape} {self.slope!r} {self.inter!r}".encode())
        digest.update((self.grid.affine + 0.0).tobytes())
        digest.update(self.raw.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


def read_volume(path: Path | str, source: NiftiSource | None = None) -> Volume:
    """Read an image.

    Parameters
    ----------
    path : path-like
        A ``.nii`` or ``.nii.gz`` file.
    source : NiftiSource, optional
        Its header, where it was read before.

    Returns
    -------
    Volume
        With ``raw`` (x, y, z) in the stored type, native byte order.

    Raises
    ------
    CaseError
        Anything that keeps the file from being a usable 3-D image; see :func:`~seg_editor.cases.header.read_source`.
    """
    source = source or read_source(Path(path))
    stored, sha256 = _read_stored(source)
    source = replace(source, sha256=sha256)
    with read_errors(source.path):
        raw = _canonical(source, stored, stored.dtype.newbyteorder("="))
    _check_finite(source.path, raw)
    return Volume(raw, source, source.slope, source.inter)


def read_labels(path: Path | str, source: NiftiSource | None = None) -> Volume:
    """Read a segmentation; whole numbers stored as floats are accepted and come back as floats on saving.

    Parameters
    ----------
    path : path-like
        A ``.nii`` or ``.nii.gz`` file.
    source : NiftiSource, optional
        Its header, where it was read before.

    Returns
    -------
    Volume
        With ``raw`` (x, y, z) label values as uint8, or int16 where they do not fit.

    Raises
    ------
    CaseError
        As :func:`read_volume`, or the values are no whole numbers between -32768 and 32767.
    """
    source = source or read_source(Path(path))
    stored, sha256 = _read_stored(source)
    source = replace(source, sha256=sha256, is_labels=True)
    with read_errors(source.path):
        values: NDArray[Any] = stored
        if source.scaled:
            values = stored * np.float64(source.slope) + source.inter
            values = np.where(np.abs(values - np.rint(values)) < 1e-3, np.rint(values), values)
        if values.dtype.kind == "f":
            _check_finite(source.path, values)
            _check_whole(source.path, values)
        raw = _canonical(source, values, _label_type(source.path, values))
    return Volume(raw, source)


def _read_stored(source: NiftiSource) -> tuple[NDArray[Any], str]:
    offset = len(source.block)
    payload, sha256 = read_payload(source.path, offset + source.voxel_bytes)
    if payload[:offset] != source.block:
        raise CaseError("the file changed while it was read", path=source.path, remedy="Open it again")
    return np.frombuffer(payload, source.dtype, offset=offset).reshape(source.stored_shape, order="F"), sha256


def _canonical(source: NiftiSource, stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    view = source.canonical_view(stored)
    raw = np.empty(view.shape, dtype)
    copy_blocked(raw, view)
    return raw


def _check_finite(path: Path, values: NDArray[Any]) -> None:
    if values.dtype.kind != "f":
        return
    finite = np.isfinite(values)
    if values.dtype.itemsize > 4:
        finite &= np.abs(values) < np.finfo(np.float32).max
    if finite.all():
        return
    count = int(finite.size - np.count_nonzero(finite))
    raise CaseError(
        f"{count} voxel{'s are' if count > 1 else ' is'} not a finite number (NaN, Inf)",
        path=path,
        remedy="Replace them (by 0 outside the brain) and save the file again",
    )


def _check_whole(path: Path, values: NDArray[Any]) -> None:
    broken = values != np.rint(values)
    count = int(np.count_nonzero(broken))
    if count:
        shown = f"{count} voxel{'s' if count > 1 else ''} of the segmentation"
        raise CaseError(
            f"{shown} {'are no whole numbers' if count > 1 else 'is no whole number'} ({float(values[broken][0]):g})",
            path=path,
            remedy="Resample the segmentation with nearest neighbor, so that labels are not mixed",
        )


def _label_type(path: Path, values: NDArray[Any]) -> np.dtype[Any]:
    low, high = int(values.min()), int(values.max())
    for dtype in (np.uint8, np.int16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    raise CaseError(
        f"the label values run from {low} to {high}", path=path, remedy="Choose a segmentation, not an image"
    )

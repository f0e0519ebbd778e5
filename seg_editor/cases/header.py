"""Read and check a NIfTI header before any voxel is touched."""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases.block import HEADER_BYTES, stored_dtype
from seg_editor.cases.source import NiftiSource
from seg_editor.cases.stream import MAX_VOLUME_BYTES, read_head, size_text
from seg_editor.errors import CaseError

_MAX_OFFSET = 64 * 1024**2
_SINGULAR = 1e-6
_REAL_TYPES = {2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280}
_COMPLEX_TYPES = {32, 1792, 2048}
_COLOR_TYPES = {128, 2304}
_FLOAT128 = 1536
_EXPORT_AGAIN = "Export the image again as a 3-D NIfTI volume"
_NOT_NIFTI = "Choose a NIfTI file (.nii or .nii.gz) or download it again"
_SIGNATURES = (
    (b"<!doctype", "a web page, not a NIfTI file"),
    (b"<html", "a web page, not a NIfTI file"),
    (b"<?xml", "an XML text, not a NIfTI file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data itself"),
    (b"pk\x03\x04", "a zip archive, not a NIfTI file"),
    (b"nrrd", "an NRRD file, not a NIfTI file"),
    (b"\x89hdf", "an HDF5 file, not a NIfTI file"),
)

_quiet = logging.getLogger("seg_editor.cases.header.nibabel")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


def read_source(path: Path) -> NiftiSource:
    """Read and check the header of a NIfTI file.

    Raises
    ------
    CaseError
        The file is missing or unreadable, no single-file NIfTI, not one 3-D volume of real numbers, larger than
        :data:`~seg_editor.cases.stream.MAX_VOLUME_BYTES`, or its affine is unusable.
    """
    head = read_head(path, HEADER_BYTES[2])
    version, order = _version(path, head)
    header = _checked_header(path, head, version, order)
    shape = _shape(path, header)
    dtype = _dtype(path, header)
    offset = _offset(path, header, version)
    expected = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if expected > MAX_VOLUME_BYTES:
        raise CaseError(
            f"the header claims {size_text(expected)} of voxels; at most {size_text(MAX_VOLUME_BYTES)} are read",
            path=path,
            remedy="The file is damaged or no brain MRI; export or download it again",
        )
    slope, inter = _scaling(path, header)
    affine = _affine(path, header)
    axes, flips = closest_axes(affine)
    block = head[:offset] if offset <= len(head) else read_head(path, offset)
    return NiftiSource(
        path=path,
        block=block,
        version=version,
        stored_shape=shape,
        dtype=dtype,
        slope=slope,
        inter=inter,
        affine=affine,
        axes=axes,
        flips=flips,
        qform_code=int(header["qform_code"]),
        sform_code=int(header["sform_code"]),
    )


def closest_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return for each file axis the closest canonical axis, and whether it runs against it."""
    from nibabel.orientations import io_orientation

    orientation = io_orientation(affine)  # type: ignore[no-untyped-call]
    first, second, third = (int(axis) for axis in orientation[:, 0])
    flips = [bool(sign < 0) for sign in orientation[:, 1]]
    return (first, second, third), (flips[0], flips[1], flips[2])


def _version(path: Path, head: bytes) -> tuple[int, str]:
    """Return the NIfTI version and the byte order; say what the file is when it is no NIfTI."""
    for order in "<>":
        if len(head) < 4:
            break
        size = struct.unpack(f"{order}i", head[:4])[0]
        version = {348: 1, 540: 2}.get(size)
        if version is None:
            continue
        if len(head) < size:
            raise CaseError("the file ends within its header", path=path, remedy="Copy or download the file again")
        magic = head[344:347] if version == 1 else head[4:7]
        if magic in (b"n+1", b"n+2"):
            return version, order
        kind = "a NIfTI header whose voxels are in another file" if magic in (b"ni1", b"ni2") else "Analyze, not NIfTI"
        raise CaseError(f"it is {kind}", path=path, remedy="Convert it to a single .nii.gz file")
    start = head.lstrip()[:32].lower()
    for signature, kind in _SIGNATURES:
        if start.startswith(signature):
            raise CaseError(f"it is {kind}", path=path, remedy=_NOT_NIFTI)
    if head[128:132] == b"DICM":
        raise CaseError("it is a DICOM file", path=path, remedy="Convert the series to NIfTI first (dcm2niix)")
    raise CaseError("it is not a NIfTI file", path=path, remedy=_NOT_NIFTI)


def _checked_header(path: Path, head: bytes, version: int, order: str) -> Any:
    """Return the header with nibabel's repairs of harmless oddities."""
    import nibabel
    from nibabel.spatialimages import HeaderDataError

    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header: Any = kind(head[: HEADER_BYTES[version]], endianness=order, check=False)  # type: ignore[no-untyped-call]
    _shape(path, header)
    _dtype(path, header)
    _offset(path, header, version)
    sizes = np.array(header["pixdim"][1:4], dtype=np.float64)
    try:
        with np.errstate(all="ignore"):
            header.check_fix(logger=_quiet, error_level=40)
    except (HeaderDataError, ValueError, OverflowError) as error:
        raise CaseError(f"the header is invalid ({error})", path=path, remedy=_EXPORT_AGAIN) from error
    if int(header["sform_code"]) == 0 and not (np.isfinite(sizes) & (sizes != 0)).all():
        raise CaseError("the header holds no usable voxel size", path=path, remedy=_EXPORT_AGAIN)
    return header


def _shape(path: Path, header: Any) -> tuple[int, int, int]:
    dim = [int(n) for n in header["dim"]]
    count, sizes = dim[0], dim[1:]
    if not 1 <= count <= 7 or any(n < 1 for n in sizes[:count]):
        raise CaseError("the header holds impossible dimensions", path=path, remedy=_EXPORT_AGAIN)
    sizes = sizes[:count]
    shown = " x ".join(map(str, sizes))
    if count < 3:
        raise CaseError(f"it is a {count}-D image ({shown}), not a volume", path=path, remedy=_EXPORT_AGAIN)
    if any(n != 1 for n in sizes[3:]):
        raise CaseError(
            f"it is a {count}-D series ({shown}), not one volume", path=path, remedy="Split it into volumes"
        )
    return sizes[0], sizes[1], sizes[2]


def _dtype(path: Path, header: Any) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code in _REAL_TYPES:
        return stored_dtype(header)
    if code in _COMPLEX_TYPES:
        raise CaseError("the voxels are complex numbers", path=path, remedy="Export the magnitude image")
    if code in _COLOR_TYPES:
        raise CaseError("the voxels are colors (RGB)", path=path, remedy="Export the image in gray values")
    if code == _FLOAT128:
        raise CaseError("the voxels are 128-bit floats", path=path, remedy="Store them as float32")
    raise CaseError(f"the data type code {code} is unknown", path=path, remedy=_EXPORT_AGAIN)


def _offset(path: Path, header: Any, version: int) -> int:
    least = HEADER_BYTES[version] + 4
    offset = float(header["vox_offset"])
    if not np.isfinite(offset) or offset > _MAX_OFFSET or (offset != 0 and offset < least):
        raise CaseError(f"the header says voxels start at byte {offset:g}", path=path, remedy=_EXPORT_AGAIN)
    return max(int(offset), least)


def _scaling(path: Path, header: Any) -> tuple[float, float]:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        return 1.0, 0.0
    if not np.isfinite(inter):
        raise CaseError(f"the header's scl_inter is {inter}", path=path, remedy=_EXPORT_AGAIN)
    return slope, inter


def _affine(path: Path, header: Any) -> NDArray[np.float64]:
    try:
        with np.errstate(all="ignore"):
            affine = np.array(header.get_best_affine(), dtype=np.float64)
    except Exception as error:
        raise CaseError(f"the header's qform is invalid ({error})", path=path, remedy=_EXPORT_AGAIN) from error
    with np.errstate(all="ignore"):
        lengths = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
        directions = affine[:3, :3] / lengths
    if np.isfinite(affine).all() and np.isfinite(directions).all() and abs(np.linalg.det(directions)) > _SINGULAR:
        return affine
    raise CaseError(
        "the affine is singular: its axes do not span space", path=path, remedy="Export the image with a valid affine"
    )

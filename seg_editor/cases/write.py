"""Write a volume exactly like the file it came from, and never leave half a file."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases.block import described_block
from seg_editor.cases.naming import is_gzip_name, is_nifti_name
from seg_editor.cases.source import NiftiSource, copy_blocked
from seg_editor.cases.stream import read_payload
from seg_editor.errors import CaseError, ExportError

_STARTED = time.time()
_GZIP_LEVEL = 4
_STEM = 40
_GZIP_WBITS = 31
_CHUNK = 4 * 1024**2
_ELSEWHERE = "Choose another folder or change its permissions"
_WRITABLE = 0o222
_REMEDIES = {
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: "The disk is read-only; choose another folder",
    errno.ENOSPC: "The disk is full; free some space and save again",
    errno.EDQUOT: "Your disk quota is used up; free some space and save again",
    errno.ENOENT: "Create the folder or choose another",
    errno.ENOTDIR: "Choose another folder",
    errno.EISDIR: "Choose a file name, not a folder",
    errno.ENAMETOOLONG: "Choose a shorter name",
}


def write_like(source: NiftiSource, raw: NDArray[Any], path: Path | str, *, descrip: str | None = None) -> Path:
    """Write a canonical array as a NIfTI file like ``source``.

    The header and its extensions are those of the source byte by byte, except ``descrip`` where given. The file is
    written beside its place, flushed, read back, compared, and only then put in its place.

    Parameters
    ----------
    source : NiftiSource
        Whose shape, orientation, affine, codes, type and scaling the file takes.
    raw : ndarray, shape (x, y, z)
        RAS+ canonical. Stored values, or label values where ``source.is_labels``. Any type, if the values fit.
    path : path-like
        Ends in ``.nii`` or ``.nii.gz``; an existing file is replaced.
    descrip : str, optional
        Text for the header, cut to 79 bytes.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        Nothing was written; a file that was there is as it was.
    """
    path = Path(path)
    if not is_nifti_name(path):
        raise ExportError("the file name must end in .nii or .nii.gz", path=path, remedy="Choose such a name")
    target = Path(os.path.realpath(path))
    with _write_errors(path):
        refuse_protected(path)
        payload = _payload(source, raw, path, descrip)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        temporary = _write_beside(target, payload)
        try:
            _compare(temporary, payload, path)
            os.replace(temporary, target)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
    return path


def refuse_protected(path: Path | str) -> None:
    """Refuse to put another file in the place of one that is write-protected, though its folder would allow that.

    The permission bits count even for an administrator, who may write to anything.

    Raises
    ------
    ExportError
        The file is there and cannot be written.
    """
    path = Path(path)
    if os.path.isfile(path) and not (path.stat().st_mode & _WRITABLE and os.access(path, os.W_OK)):
        raise ExportError(
            "the file is write-protected", path=path, remedy="Save under another name, or allow writing to the file"
        )


def remove_leftovers(path: Path | str, before: float = _STARTED) -> list[Path]:
    """Remove the hidden temporary files that a program killed in the middle of writing `path` left beside it.

    Parameters
    ----------
    path : path-like
        A file written by :func:`write_like`.
    before : float
        Only files last written before this time (seconds since the epoch; by default the start of this process) go:
        younger ones may belong to a save that is running.

    Returns
    -------
    list of Path
        What was removed.
    """
    target = Path(os.path.realpath(path))
    own = re.compile(rf"\.{re.escape(target.name[:_STEM])}\.[0-9a-f]{{8}}\.part")
    removed = []
    with suppress(OSError):
        for found in target.parent.iterdir():
            if own.fullmatch(found.name) is None:
                continue
            with suppress(OSError):
                if found.stat().st_mtime < before:
                    found.unlink()
                    removed.append(found)
    return removed


def _payload(source: NiftiSource, raw: NDArray[Any], path: Path, descrip: str | None) -> bytearray:
    """Return the uncompressed bytes of the file: header block, then voxels in file order."""
    if raw.shape != source.grid.shape:
        here, there = (" x ".join(map(str, shape)) for shape in (raw.shape, source.grid.shape))
        raise ExportError(f"the volume is {here}, the source is {there}", path=path, remedy="Open the case again")
    block = source.block if descrip is None else described_block(source.block, source.version, descrip)
    stored = _stored_values(source, raw, path)
    payload = bytearray(len(block) + source.voxel_bytes)
    payload[: len(block)] = block
    voxels = np.frombuffer(payload, source.dtype, offset=len(block)).reshape(source.stored_shape, order="F")
    copy_blocked(source.canonical_view(voxels), stored)
    return payload


def _stored_values(source: NiftiSource, raw: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return the values to store, of the source's type; refuse values that it cannot hold."""
    dtype = source.dtype.newbyteorder("=")
    if raw.dtype.kind == "f" and not np.isfinite(raw).all():
        raise ExportError("the volume holds voxels that are not finite numbers", path=path, remedy="Compute it again")
    if raw.dtype == dtype and not (source.is_labels and source.scaled):
        return raw
    with np.errstate(all="ignore"):
        if source.is_labels and source.scaled:
            exact = (raw.astype(np.float64) - source.inter) / source.slope
            stored = (np.rint(exact) if dtype.kind in "iu" else exact).astype(dtype)
            same = bool((np.rint(stored * np.float64(source.slope) + source.inter) == raw).all())
        else:
            stored = raw.astype(dtype)
            same = np.can_cast(raw.dtype, dtype, "safe") or bool(np.array_equal(stored, raw))
    if not same:
        raise ExportError(
            f"some values do not fit the source's data type {dtype.name}",
            path=path,
            remedy="Save it with a data type that holds them",
        )
    return stored


def _write_beside(target: Path, payload: bytearray) -> Path:
    """Write and flush a hidden temporary file in the target's folder, with the permissions it will need."""
    temporary = target.with_name(f".{target.name[:_STEM]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            for piece in _encoded(payload, is_gzip_name(target)):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            with suppress(OSError):
                temporary.chmod(target.stat().st_mode & 0o777)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return temporary


def _encoded(payload: bytearray, gzipped: bool) -> Iterator[bytes | memoryview]:
    view = memoryview(payload)
    pieces = (view[start : start + _CHUNK] for start in range(0, len(view), _CHUNK))
    if not gzipped:
        yield from pieces
        return
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _compare(temporary: Path, payload: bytearray, path: Path) -> None:
    try:
        same = read_payload(temporary, len(payload))[0] == payload
    except CaseError as error:
        raise ExportError(f"the written file could not be read back ({error.what})", path=path) from error
    if not same:
        raise ExportError("the written file differs from what was to be saved", path=path, remedy="Check the disk")


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "Choose another place and save again")
        raise ExportError(f"it cannot be written ({error.strerror or error})", path=path, remedy=remedy) from error
    except MemoryError as error:
        raise ExportError("there is not enough memory to write it", path=path, remedy="Close other programs") from error


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entry, where the system has such a thing."""
    with suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

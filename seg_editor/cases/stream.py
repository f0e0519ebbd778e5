"""Bytes of a NIfTI file, plain or gzipped, read with an upper bound and one-line errors."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from seg_editor.errors import CaseError

MAX_VOLUME_BYTES = 2 * 1024**3
_CHUNK = 256 * 1024
_HEAD_CHUNK = 16 * 1024
_PIECE = 4 * 1024**2
_SLACK = 1024**2
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_MAX_RATIO = 1033
_GZIP_WBITS = 31
_AGAIN = "Copy or download the file again"


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system and zlib raise into a :class:`CaseError` that names ``path``."""
    try:
        yield
    except FileNotFoundError as error:
        raise CaseError("there is no such file or folder", path=path, remedy="Check the path") from error
    except PermissionError as error:
        raise CaseError(
            "it may not be read (permission denied)", path=path, remedy="Ask for read access or open a copy of it"
        ) from error
    except IsADirectoryError as error:
        raise CaseError("it is a folder, not a file", path=path, remedy="Choose a NIfTI file") from error
    except OSError as error:
        raise CaseError(f"it cannot be read ({error.strerror or error})", path=path, remedy=_AGAIN) from error
    except zlib.error as error:
        raise CaseError("the gzip data is damaged", path=path, remedy=_AGAIN) from error
    except MemoryError as error:
        raise CaseError("there is not enough memory to read it", path=path, remedy="Close other programs") from error


def size_text(count: float) -> str:
    """Return a byte count for people: ``352 bytes``, ``17.0 MiB``, ``7.3 TiB``."""
    if count < 1024:
        return f"{int(count)} bytes"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} PiB"


def read_head(path: Path, count: int) -> bytes:
    """Return the first ``count`` bytes of the file, decompressed if it is gzipped; fewer where it ends.

    Raises
    ------
    CaseError
        The file is missing, empty, unreadable or no valid gzip stream.
    """
    head = bytearray()
    with read_errors(path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise CaseError("it is not a file", path=path, remedy="Choose a NIfTI file")
    with read_errors(path), path.open("rb") as file:
        for piece in _pieces(iter(lambda: file.read(_HEAD_CHUNK), b""), count):
            head += piece
            if len(head) >= count:
                break
    if not head:
        raise CaseError("the file is empty", path=path, remedy=_AGAIN)
    return bytes(head[:count])


def read_payload(path: Path, expected: int) -> tuple[bytearray, str]:
    """Return the first ``expected`` bytes, decompressed if gzipped, and the sha256 of the file as it lies on disk.

    No more than ``expected`` bytes and a little slack are ever decompressed. A gzip checksum is verified where the
    stream ends within the slack.

    Raises
    ------
    CaseError
        The file holds fewer bytes, is damaged or cannot be read.
    """
    digest = hashlib.sha256()
    filled = 0
    with read_errors(path), path.open("rb") as file:
        on_disk = os.fstat(file.fileno()).st_size
        gzipped = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if expected > (on_disk * _GZIP_MAX_RATIO if gzipped else on_disk):
            raise _truncated(path, on_disk, expected, gzipped)
        payload = bytearray(expected)
        view = memoryview(payload)
        for piece in _pieces(_hashed(file, digest.update)):
            taken = piece[: max(expected - filled, 0)]
            view[min(filled, expected) : min(filled, expected) + len(taken)] = taken
            filled += len(piece)
            if filled > expected + _SLACK:
                break
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    if filled < expected:
        raise _truncated(path, filled, expected, False)
    return payload, digest.hexdigest()


def _truncated(path: Path, found: int, expected: int, gzipped: bool) -> CaseError:
    kind = " of gzip data" if gzipped else ""
    return CaseError(
        f"the file is cut short: {size_text(found)}{kind} where the header promises {size_text(expected)}",
        path=path,
        remedy=_AGAIN,
    )


def _hashed(file: BinaryIO, update: Callable[[bytes], None]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        update(chunk)
        yield chunk


def _pieces(chunks: Iterator[bytes], size: int = _PIECE) -> Iterator[bytes]:
    """Yield the chunks, decompressed if they begin as gzip, in pieces of at most ``size`` bytes."""
    first = next(chunks, b"")
    if not first.startswith(_GZIP_MAGIC):
        yield first
        yield from chunks
        return
    member = zlib.decompressobj(_GZIP_WBITS)
    chunk = first
    while True:
        yield member.decompress(chunk, size)
        if member.eof:
            chunk = member.unused_data
            if len(chunk) < len(_GZIP_MAGIC):
                chunk += next(chunks, b"")
            if not chunk.startswith(_GZIP_MAGIC):
                return
            member = zlib.decompressobj(_GZIP_WBITS)
        else:
            chunk = member.unconsumed_tail or next(chunks, b"")
            if not chunk:
                return

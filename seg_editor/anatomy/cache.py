"""Arrays kept on disk by content: write beside and replace; a broken entry is thrown away."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.process import Arrays, load_arrays

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the user's cache folder of this program (it need not exist yet)."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("seg-editor", appauthor=False))


def digest(*parts: str | bytes | NDArray[Any]) -> str:
    """Return the sha256 hex digest of texts, bytes and arrays (shape and type included), in order."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).tobytes())
        else:
            total.update(part.encode() if isinstance(part, str) else part)
        total.update(b"\0")
    return total.hexdigest()


def load(path: Path) -> Arrays | None:
    """Read an entry.

    Returns
    -------
    dict of str to array, or None
        None when there is no entry, or when it was broken; a broken entry is removed.
    """
    if not path.exists():
        return None
    try:
        return load_arrays(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        discard(path, str(error))
        return None


def discard(path: Path, reason: str) -> None:
    """Remove an entry and say why in the log."""
    _log.warning("cache entry %s discarded: %s", path.name, reason)
    path.unlink(missing_ok=True)


def store(path: Path, arrays: Arrays) -> None:
    """Write an entry beside its place, then move it there.

    A full disk or a read-only folder costs the entry, never the computation: the failure is logged.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        _log.warning("cache entry %s not written: %s", path.name, error)
        if temporary is not None:
            temporary.unlink(missing_ok=True)

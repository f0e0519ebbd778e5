"""The folders that this program holds against others: one lock a folder, shared by all here who hold it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO

from seg_editor.session.journal import lock

_SUFFIX = ".lock"
_guard = threading.Lock()
_held: dict[Path, tuple[BinaryIO, int]] = {}


def lock_of(folder: Path) -> Path:
    """The file beside a folder that whoever has the case open holds."""
    return folder.with_name(folder.name + _SUFFIX)


def hold(folder: Path) -> bool:
    """Hold a folder until as many calls of :func:`let_go`; False while another program holds it.

    Raises
    ------
    OSError
        Where the lock cannot be made.
    """
    with _guard:
        if folder in _held:
            file, holders = _held[folder]
        else:
            file, holders = lock_of(folder).open("ab"), 0
            if not lock(file):
                file.close()
                return False
        _held[folder] = file, holders + 1
    return True


def let_go(folder: Path) -> None:
    """Leave a folder to others, once all here let go that hold it."""
    with _guard:
        file, holders = _held.pop(folder)
        if holders > 1:
            _held[folder] = file, holders - 1
        else:
            file.close()

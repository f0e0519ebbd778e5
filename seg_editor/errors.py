"""One exception type per boundary: what went wrong, which file, what to do — in one line."""

from __future__ import annotations

import errno
import re
from pathlib import Path

NO_MEMORY = "not enough memory. Close other programs, then try again."
_ALLOCATION = re.compile(r"bad_?alloc|out of memory|not enough memory|allocate (host )?memory", re.IGNORECASE)


class SegEditorError(Exception):
    """An error that the user can act on.

    Parameters
    ----------
    what : str
        What went wrong, without a trailing period.
    path : path-like, optional
        The file or folder concerned; it leads the line.
    remedy : str, optional
        What the user can do, as a sentence without a trailing period.
    """

    def __init__(self, what: str, *, path: Path | str | None = None, remedy: str = "") -> None:
        self.what = " ".join(what.split())
        self.path = None if path is None else Path(path)
        self.remedy = " ".join(remedy.split())
        super().__init__(self.what)

    def __str__(self) -> str:
        lead = f"{self.path}: " if self.path is not None else ""
        tail = f". {self.remedy}" if self.remedy else ""
        return f"{lead}{self.what}{tail}."


class CaseError(SegEditorError):
    """A case, volume or segmentation cannot be read."""


class ModelError(SegEditorError):
    """Weights or a model card cannot be used."""


class DeviceMemoryError(ModelError):
    """The device ran out of memory."""


class ExportError(SegEditorError):
    """A result cannot be written."""


class UsageError(SegEditorError):
    """The request makes no sense as it stands."""


def reason(error: Exception) -> str:
    """What an error says, without the path and the number that the operating system's errors carry."""
    said = error.strerror if isinstance(error, OSError) else None
    return said.lower() if said else str(error)


def out_of_memory(error: object) -> bool:
    """True for an error that stands for memory that could not be had, whatever library raised it."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, Exception) and _ALLOCATION.search(str(error)) is not None


def told(error: object) -> str:
    """What to tell the user of any error, in one line that is never empty: its words, or else the name of its type.

    What a library says when memory runs out is for programmers: :data:`NO_MEMORY` stands for it.
    """
    if isinstance(error, SegEditorError):
        return str(error)
    if out_of_memory(error):
        return NO_MEMORY
    return " ".join(str(error).split()) or type(error).__name__

"""A folder that gets all files of an export, or none."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seg_editor.cases.write import refuse_protected
from seg_editor.errors import ExportError

_ELSEWHERE = "Choose another folder or change its permissions"
_REMEDIES = {
    errno.ENOSPC: "The disk is full; free some space and export again",
    errno.EDQUOT: "Your disk quota is used up; free some space and export again",
    errno.EROFS: "The disk is read-only; choose another folder",
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
}


class Staging:
    """A hidden folder beside the final files; `publish` moves everything in place, or nothing."""

    def __init__(self, out: Path, folder: Path) -> None:
        self.out = out
        self.folder = folder
        self.names: list[str] = []

    def path(self, name: str) -> Path:
        """Return where to write the file that will be called `name`, and remember it."""
        self.names.append(name)
        return self.folder / name

    def write_json(self, name: str, data: Any) -> None:
        """Write indented JSON, flushed to the disk."""
        self.write_bytes(name, (json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file, flushed to the disk."""
        with self.path(name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def publish(self) -> tuple[Path, ...]:
        """Move all files to the output folder; what was there is put back if a move fails."""
        for name in self.names:
            if (self.out / name).is_dir():
                raise ExportError("there is a folder of that name", path=self.out / name, remedy="Rename or remove it")
            refuse_protected(self.out / name)
        backup = self.folder / "replaced"
        backup.mkdir()
        done: list[str] = []
        try:
            for name in self.names:
                done.append(name)
                if (self.out / name).exists():
                    os.replace(self.out / name, backup / name)
                os.replace(self.folder / name, self.out / name)
        except BaseException:
            _roll_back(self.out, self.folder, backup, done)
            raise
        return tuple(self.out / name for name in self.names)


@contextmanager
def staging(out: Path) -> Iterator[Staging]:
    """Make the output folder and a hidden folder in it; the latter is gone at the end, whatever happens.

    Parameters
    ----------
    out : Path
        The folder for the files; it is made where missing, and removed again if the export fails.

    Raises
    ------
    ExportError
        One line with a remedy, for anything that the file system refuses.
    """
    made = _make_folder(out)
    folder: Path | None = None
    try:
        with _refusals(out):
            folder = Path(tempfile.mkdtemp(prefix=".seg-editor-", dir=out))
            yield Staging(out, folder)
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _make_folder(out: Path) -> list[Path]:
    """Make the folder with its parents and return those that are new, the deepest first."""
    made: list[Path] = []
    with _refusals(out):
        missing = [out, *out.parents]
        missing = missing[: next((i for i, p in enumerate(missing) if os.path.lexists(p)), len(missing))]
        if not missing and not out.is_dir():
            raise ExportError("it is a file, not a folder", path=out, remedy="Choose a folder to export into")
        try:
            for parent in reversed(missing):
                parent.mkdir(exist_ok=True)
                made.insert(0, parent)
        except OSError:
            for parent in made:
                with suppress(OSError):
                    parent.rmdir()
            raise
    return made


@contextmanager
def _refusals(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "Choose another folder")
        what = f"nothing can be written here ({error.strerror or error})"
        raise ExportError(what, path=out, remedy=remedy) from error
    except ExportError as error:
        if error.path is None or ".seg-editor-" not in error.path.parent.name:
            raise
        raise ExportError(error.what, path=out / error.path.name, remedy=error.remedy) from error


def _roll_back(out: Path, folder: Path, backup: Path, done: Sequence[str]) -> None:
    for name in reversed(done):
        with suppress(OSError):
            if not (folder / name).exists():
                os.replace(out / name, folder / name)
            if (backup / name).exists():
                os.replace(backup / name, out / name)

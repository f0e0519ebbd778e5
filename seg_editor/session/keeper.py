"""The history of a case on the disk: a file a result, written beside and replaced, in a thread of its own.

A killed program loses what was still waiting to be written; what was written is whole or not there. A file that cannot
be read is set aside and told; the others are not touched by it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.process import load_arrays
from seg_editor.session.journal import lock
from seg_editor.session.kept import Kept, Opened, from_arrays, is_starred, to_arrays
from seg_editor.session.results import Entry, Mask, Packed, Results
from seg_editor.signal import Signal

log = logging.getLogger(__name__)

TOTAL_BUDGET = 1 << 30
"""Bytes for the histories of all cases; pictures of those not opened for longest go first.

What is starred stays, and so does all of a case that some window has open.
"""

CLOSE_SECONDS = 1.5
"""How long closing a case may wait for what is still to be written."""

_SUFFIX, _PART, _DAMAGED, _LOCK = ".npz", ".part", ".damaged", ".lock"
_UNWRITTEN = ".unwritten"
_NAME = 40
_HASH = 16
_STARTED = time.time()


@dataclass(frozen=True)
class _State:
    """What of an entry is on its way to the disk; figures and stars come after the picture."""

    packed: Packed
    metrics: Any
    starred: bool

    @classmethod
    def of(cls, entry: Entry) -> _State:
        return cls(entry.packed, entry.metrics, entry.starred)


class Keeper:
    """Keeps the results of one case in a folder.

    A write that fails (disk full, folder gone) ends the keeping, not the session; an entry that cannot be written down
    for another reason is left out. Either way `error` says why and `failed` emits it, in the writing thread.

    Parameters
    ----------
    root : Path
        Folder of all cases; nothing is made in it before there is something to keep.
    case_hash : str
        ``Case.content_hash``.
    opened : array (x, y, z)
        The segmentation as it was opened.
    """

    def __init__(self, root: Path, case_hash: str, opened: NDArray[Any]) -> None:
        self.folder = root / case_hash[:_HASH]
        self.error: str | None = None
        self.failed = Signal()
        self._case_hash = case_hash
        self._opened = Opened.of(opened)
        self._session = secrets.token_hex(4)
        self._when: dict[str, float] = {}
        self._states: dict[str, _State] = {}
        self._pending: dict[str, tuple[Entry, float] | None] = {}
        self._wake = threading.Condition()
        self._stop = False
        self._over = False
        self._hold: BinaryIO | None = None
        self._thread: threading.Thread | None = None
        self._ends: list[Callable[[], None]] = []

    def load(self) -> tuple[list[Entry], str]:
        """Read what earlier sessions kept, oldest first, and say in one line what could not be read."""
        kept: list[Kept] = []
        damaged: list[Path] = []
        masks: dict[str, Mask] = {}
        with contextlib.suppress(OSError):
            os.utime(self.folder)
            self._claim()
        for path in self._files():
            try:
                found = from_arrays(load_arrays(path), self._opened, masks)
                if found.entry.request.case_hash != self._case_hash or path.name != _name(found.entry.key):
                    raise ValueError("it is of another request")
            except Exception:  # damage can raise anything, and a case opens without its history all the same
                log.warning("%s cannot be read", path, exc_info=True)
                damaged.append(path)
                with contextlib.suppress(OSError):
                    os.replace(path, path.with_suffix(_DAMAGED))
            else:
                kept.append(found)
        kept.sort(key=lambda one: one.when)
        self._when = {one.entry.key: one.when for one in kept}
        self._states = {one.entry.key: _State.of(one.entry) for one in kept}
        return [one.entry for one in kept], _told(damaged, self._take_unwritten(), self.folder)

    def follow(self, results: Results) -> None:
        """Write down what comes, changes and goes in `results` from now on."""

        def look() -> None:
            self._look(results)

        self._ends = [results.changed.connect(look), results.noted.connect(look)]

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything is on the disk; False when it is not by then."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._pending or self._over, seconds)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is waiting, and end; after so many seconds the rest goes on without the caller.

        Where the program ends before the rest is written, the next :meth:`load` says how many pictures are missing.
        """
        while self._ends:
            self._ends.pop()()
        with self._wake:
            self._stop = True
            self._wake.notify_all()
        if self._thread is None:
            self._let_go()
            return
        self._thread.join(seconds)
        with self._wake:
            waiting = sum(entry is not None for entry in self._pending.values())
            if waiting and not self._over:
                log.warning("%s: %d pictures of the history are still to be written", self.folder, waiting)
                self._note_unwritten(waiting)

    def _note_unwritten(self, count: int) -> None:
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / _UNWRITTEN).write_text(str(count))

    def _take_unwritten(self) -> int:
        """How many pictures an earlier session could not write before its program ended; asked once."""
        note, count = self.folder / _UNWRITTEN, 0
        with contextlib.suppress(OSError, ValueError):
            count = int(note.read_text())
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)
        return count

    def _let_go(self) -> None:
        """Leave the folder to other windows, with all in it that was to be."""
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    def _claim(self) -> None:
        """Hold the folder against the pruning of other windows; a second window of the case goes without."""
        if self._hold is None:
            file = _lock_of(self.folder).open("ab")
            if lock(file):
                self._hold = file
            else:
                file.close()

    def _files(self) -> Iterable[Path]:
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f".*{_PART}"):
                if path.stat().st_mtime < _STARTED:
                    path.unlink()
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def _look(self, results: Results) -> None:
        now = {entry.key: entry for entry in results.entries}
        changed: dict[str, tuple[Entry, float] | None] = {key: None for key in self._states if key not in now}
        for key in changed:
            self._when.pop(key, None)
        for key, entry in now.items():
            if self._states.get(key) != _State.of(entry):
                changed[key] = replace(entry), self._when.setdefault(key, time.time())
        self._states = {key: _State.of(entry) for key, entry in now.items()}
        if changed and not self._over:
            self._queue(changed)

    def _queue(self, changed: dict[str, tuple[Entry, float] | None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="history", daemon=True)
            self._thread.start()
        with self._wake:
            self._pending |= changed
            self._wake.notify_all()

    def _work(self) -> None:
        try:
            self._prune()
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: bool(self._pending) or self._stop)
                    if not self._pending:
                        self._take_unwritten()
                        return
                    key = next(iter(self._pending))
                    waiting = self._pending[key]
                self._write_or_skip(key, waiting)
                with self._wake:
                    if self._pending.get(key, self) is waiting:
                        del self._pending[key]
                    self._wake.notify_all()
        except OSError as error:
            with self._wake:
                self._over = True
                self._pending.clear()
                self._wake.notify_all()
            self._tell(f"{self.folder}: the history is not kept: {error.strerror or error}.")
        finally:
            self._let_go()

    def _tell(self, message: str) -> None:
        self.error = message
        self.failed.emit(message)

    def _write_or_skip(self, key: str, waiting: tuple[Entry, float] | None) -> None:
        """Write or remove the file of an entry; what is wrong with one entry leaves the others alone."""
        try:
            if waiting is None:
                (self.folder / _name(key)).unlink(missing_ok=True)
            else:
                self._write(key, *waiting)
        except OSError:
            raise
        except Exception as error:  # a result of any kind, packed by several libraries: one of them is not all
            log.exception("picture %s of the history cannot be written", key)
            what = f"{type(error).__name__} {error}".rstrip()
            self._tell(f"{self.folder}: a picture of the history is not kept: {what}.")

    def _write(self, key: str, entry: Entry, when: float) -> None:
        path = self.folder / _name(key)
        token = None if entry.mask is None else entry.mask.token
        kept = isinstance(token, tuple) and token[:1] == ("kept",)
        group = str(token[1]) if isinstance(token, tuple) and kept else f"{self._session}:{token!r}"
        arrays = to_arrays(entry, self._opened, when, group)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim()
        temporary = self.folder / f".{path.stem}.{secrets.token_hex(4)}{_PART}"
        try:
            with temporary.open("xb") as stream:
                np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _prune(self) -> None:
        """Drop pictures of cases that no window has open until all histories fit the budget."""
        with contextlib.suppress(FileNotFoundError):
            folders = [folder for folder in self.folder.parent.iterdir() if folder.is_dir()]
            excess = sum(_size(file) for folder in folders for file in folder.iterdir()) - TOTAL_BUDGET
            folders.sort(key=lambda one: one.stat().st_mtime)
            for folder in folders:
                if excess > 0 and folder != self.folder:
                    excess -= _thin(folder, excess)


def _thin(folder: Path, excess: int) -> int:
    """Remove unstarred pictures, oldest first, until so many bytes are gone; how many went."""
    freed = 0
    with contextlib.suppress(OSError), _lock_of(folder).open("ab") as file:
        if not lock(file):
            return 0
        opened = folder.stat().st_mtime
        for path in sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime):
            if freed < excess and not (path.suffix == _SUFFIX and is_starred(path)):
                size = _size(path)
                path.unlink()
                freed += size
        if any(folder.iterdir()):
            os.utime(folder, (opened, opened))
        else:
            folder.rmdir()
            _lock_of(folder).unlink()
    return freed


def _lock_of(folder: Path) -> Path:
    """The file beside a folder that whoever has the case open holds."""
    return folder.with_name(folder.name + _LOCK)


def _size(file: Path) -> int:
    with contextlib.suppress(OSError):
        return file.stat().st_size
    return 0


def _name(key: str) -> str:
    return f"{key[:_NAME]}{_SUFFIX}"


def _told(damaged: list[Path], unwritten: int, folder: Path) -> str:
    lines = []
    if damaged:
        what = _pictures(len(damaged))
        lines.append(f"{what} of the history in {folder} could not be read and stays out of it; the rest is there")
    if unwritten:
        lines.append(f"{_pictures(unwritten)} made last went unwritten when the program ended")
    return "; ".join(lines)


def _pictures(count: int) -> str:
    return "One picture" if count == 1 else f"{count} pictures"

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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.process import Arrays, load_arrays
from seg_editor.session.holding import hold, let_go, lock_of
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

_SUFFIX, _PART, _DAMAGED = ".npz", ".part", ".damaged"
_UNWRITTEN = ".unwritten"
_NAME = 40
_HASH = 16
_STARTED = time.time()
_Pending = dict[str, tuple[Entry, float] | None]
_closing: dict[Path, list[Keeper]] = {}
"""Keepers that were closed and still write, by folder: who opens the case again reads from them, too."""
_guard = threading.RLock()


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
        self._pending: _Pending = {}
        self._wake = threading.Condition()
        self._stop = False
        self._over = False
        self._done = False
        self._holds = False
        self._thread: threading.Thread | None = None
        self._before: list[threading.Thread] = []
        self._ends: list[Callable[[], None]] = []

    def load(self) -> tuple[list[Entry], str]:
        """Read what earlier sessions kept, oldest first, and say in one line what could not be read.

        What a closed session of this program is still writing comes from its memory.
        """
        damaged: list[Path] = []
        masks: dict[str, Mask] = {}
        with contextlib.suppress(OSError):
            os.utime(self.folder)
            self._claim()
        unwritten, writers = self._meet_writers()
        kept, coming = self._take_from(writers, masks)
        for path in self._files():
            if path.name in coming:
                continue
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
        return [one.entry for one in kept], _told(damaged, unwritten, self.folder)

    def _meet_writers(self) -> tuple[int, list[Keeper]]:
        """What an ended program left unwritten, and who here still writes; their note is of no loss."""
        with _guard:
            writers = list(_closing.get(self.folder, ()))
            unwritten = self._take_unwritten() if self._holds and not writers else 0
        self._before = [one._thread for one in writers if one._thread is not None]
        return unwritten, writers

    def _take_from(self, writers: list[Keeper], masks: dict[str, Mask]) -> tuple[list[Kept], set[str]]:
        """Take the entries that others are still writing, and the names of the files that are theirs to write."""
        kept: dict[str, Kept] = {}
        coming: set[str] = set()
        for writer in writers:
            with writer._wake:
                pending = dict(writer._pending)
            for key, waiting in pending.items():
                coming.add(_name(key))
                kept.pop(key, None)
                if waiting is not None:
                    with contextlib.suppress(Exception):  # the writer meets it, too, and tells
                        kept[key] = from_arrays(writer._arrays(*waiting), self._opened, masks)
        return list(kept.values()), coming

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
        with _guard:
            if self._done:
                return
            writers = _closing.setdefault(self.folder, [])
            if self not in writers:
                writers.append(self)
            waiting = _note_unwritten(self.folder)
        if waiting:
            log.warning("%s: %d pictures of the history are still to be written", self.folder, waiting)

    @property
    def _unwritten(self) -> int:
        """How many pictures wait to be written."""
        with self._wake:
            return sum(waiting is not None for waiting in self._pending.values())

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
        if self._holds:
            self._holds = False
            let_go(self.folder)

    def _claim(self) -> None:
        """Hold the folder against the pruning of other programs; a second program of the case goes without."""
        self._holds = self._holds or hold(self.folder)

    def _files(self) -> Iterable[Path]:
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f".*{_PART}"):
                if path.stat().st_mtime < _STARTED:
                    path.unlink()
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def _look(self, results: Results) -> None:
        now = {entry.key: entry for entry in results.entries}
        changed: _Pending = {key: None for key in self._states if key not in now}
        for key in changed:
            self._when.pop(key, None)
        for key, entry in now.items():
            if self._states.get(key) != _State.of(entry):
                changed[key] = replace(entry), self._when.setdefault(key, time.time())
        self._states = {key: _State.of(entry) for key, entry in now.items()}
        if changed and not self._over:
            self._queue(changed)

    def _queue(self, changed: _Pending) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="history", daemon=True)
            self._thread.start()
        with self._wake:
            self._pending |= changed
            self._wake.notify_all()

    def _work(self) -> None:
        try:
            for thread in self._before:
                thread.join()
            self._prune()
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: bool(self._pending) or self._stop)
                    if not self._pending:
                        return
                    key = next(iter(self._pending))
                    waiting = self._pending[key]
                self._write_or_skip(key, waiting)
                with self._wake:
                    if self._pending.get(key, self) is waiting:
                        del self._pending[key]
                    self._wake.notify_all()
                self._note_progress()
        except OSError as error:
            with self._wake:
                self._over = True
                self._pending.clear()
                self._wake.notify_all()
            self._tell(f"{self.folder}: the history is not kept: {error.strerror or error}.")
        finally:
            self._finish()

    def _note_progress(self) -> None:
        """After closing the note says what is missing now, should the program end."""
        with _guard:
            if self in _closing.get(self.folder, ()):
                _note_unwritten(self.folder)

    def _finish(self) -> None:
        with _guard:
            self._done = True
            writers = _closing.get(self.folder, [])
            if self in writers:
                if not self._over:
                    _note_unwritten(self.folder)
                writers.remove(self)
            if not writers:
                _closing.pop(self.folder, None)
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

    def _arrays(self, entry: Entry, when: float) -> Arrays:
        token = None if entry.mask is None else entry.mask.token
        kept = isinstance(token, tuple) and token[:1] == ("kept",)
        group = str(token[1]) if isinstance(token, tuple) and kept else f"{self._session}:{token!r}"
        return to_arrays(entry, self._opened, when, group)

    def _write(self, key: str, entry: Entry, when: float) -> None:
        path, arrays = self.folder / _name(key), self._arrays(entry, when)
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


def _note_unwritten(folder: Path) -> int:
    """Write down how many pictures closed Keepers of a folder have still to write, and return it."""
    count = sum(one._unwritten for one in _closing.get(folder, ()))
    with contextlib.suppress(OSError):
        if count:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _UNWRITTEN).write_text(str(count))
        else:
            (folder / _UNWRITTEN).unlink(missing_ok=True)
    return count


def _thin(folder: Path, excess: int) -> int:
    """Remove unstarred pictures, oldest first, until so many bytes are gone; how many went."""
    freed = 0
    with contextlib.suppress(OSError), lock_of(folder).open("ab") as file:
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
            lock_of(folder).unlink()
    return freed


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

"""The history of a case on the disk: a file a result, written beside and replaced, in a thread of its own.

A killed program loses what was still waiting to be written; what was written is whole or not there. A file that cannot
be read is set aside and told; the others are not touched by it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.process import load_arrays
from seg_editor.session.kept import Kept, Opened, from_arrays, to_arrays
from seg_editor.session.results import Entry, Mask, Packed, Results
from seg_editor.signal import Signal

log = logging.getLogger(__name__)

TOTAL_BUDGET = 1 << 30
"""Bytes for the histories of all cases; those not opened for longest go first."""

_SUFFIX, _PART, _DAMAGED = ".npz", ".part", ".damaged"
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

    A write that fails (disk full, folder gone) ends the keeping, not the session: `error` says why and `failed` emits
    it, in the writing thread.

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
        self._pending: dict[str, Entry | None] = {}
        self._wake = threading.Condition()
        self._stop = False
        self._thread: threading.Thread | None = None
        self._ends: list[Callable[[], None]] = []

    def load(self) -> tuple[list[Entry], str]:
        """Read what earlier sessions kept, oldest first, and say in one line what could not be read."""
        kept: list[Kept] = []
        damaged: list[Path] = []
        masks: dict[str, Mask] = {}
        with contextlib.suppress(OSError):
            os.utime(self.folder)
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
        return [one.entry for one in kept], _told(damaged, self.folder)

    def follow(self, results: Results) -> None:
        """Write down what comes, changes and goes in `results` from now on."""

        def look() -> None:
            self._look(results)

        self._ends = [results.changed.connect(look), results.noted.connect(look)]

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything is on the disk; False when it is not by then."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._pending or self.error is not None, seconds)

    def close(self) -> None:
        """Write what is waiting, and end."""
        while self._ends:
            self._ends.pop()()
        with self._wake:
            self._stop = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _files(self) -> Iterable[Path]:
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f".*{_PART}"):
                if path.stat().st_mtime < _STARTED:
                    path.unlink()
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def _look(self, results: Results) -> None:
        now = {entry.key: entry for entry in results.entries}
        changed: dict[str, Entry | None] = {key: None for key in self._states if key not in now}
        for key, entry in now.items():
            if self._states.get(key) != _State.of(entry):
                changed[key] = replace(entry)
                self._when.setdefault(key, time.time())
        self._states = {key: _State.of(entry) for key, entry in now.items()}
        if changed and self.error is None:
            self._queue(changed)

    def _queue(self, changed: dict[str, Entry | None]) -> None:
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
                        return
                    key = next(iter(self._pending))
                    entry = self._pending[key]
                self._write(key, entry)
                with self._wake:
                    if self._pending.get(key, self) is entry:
                        del self._pending[key]
                    self._wake.notify_all()
        except OSError as error:
            self.error = f"{self.folder}: the history is not kept: {error.strerror or error}."
            with self._wake:
                self._pending.clear()
                self._wake.notify_all()
            self.failed.emit(self.error)

    def _write(self, key: str, entry: Entry | None) -> None:
        path = self.folder / _name(key)
        if entry is None:
            path.unlink(missing_ok=True)
            return
        token = None if entry.mask is None else entry.mask.token
        kept = isinstance(token, tuple) and token[:1] == ("kept",)
        group = str(token[1]) if isinstance(token, tuple) and kept else f"{self._session}:{token!r}"
        arrays = to_arrays(entry, self._opened, self._when[key], group)
        self.folder.mkdir(parents=True, exist_ok=True)
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
        """Drop the histories of other cases, those opened longest ago first, until all fit the budget."""
        with contextlib.suppress(FileNotFoundError):
            others = [folder for folder in self.folder.parent.iterdir() if folder.is_dir() and folder != self.folder]
            sizes = {folder: sum(file.stat().st_size for file in folder.iterdir()) for folder in others}
            excess = sum(sizes.values()) - TOTAL_BUDGET
            for folder in sorted(others, key=lambda one: one.stat().st_mtime):
                if excess > 0:
                    shutil.rmtree(folder, ignore_errors=True)
                    excess -= sizes[folder]


def _name(key: str) -> str:
    return f"{key[:_NAME]}{_SUFFIX}"


def _told(damaged: list[Path], folder: Path) -> str:
    if not damaged:
        return ""
    what = "One picture" if len(damaged) == 1 else f"{len(damaged)} pictures"
    return f"{what} of the history in {folder} could not be read and stays out of it; the rest is there"

"""Crash recovery: every committed step goes to an append-only file at once.

A file is a run of records: magic, sequence number, length, CRC-32, payload. A payload is a length, JSON, raw bytes.
Reading stops at the first record that is not whole, so a torn last record costs that step. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seg_editor.editing import Change, Delta
from seg_editor.session.records import Record, RecordKind, decode, encode
from seg_editor.signal import Signal

KEPT_DAYS = 90
"""How long a journal of labels that are not there any more is kept."""

_HEAD = struct.Struct("<4sIQI")
_MAGIC = b"SGJ1"
_SUFFIX = ".journal"
_LOCK_AT = 0x7FFFFFFE
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


def default_journal_folder() -> Path:
    """Where journals live: ``SEG_EDITOR_STATE``, or the platform's folder for a program's state."""
    chosen = os.environ.get("SEG_EDITOR_STATE")
    if chosen:
        return Path(chosen) / "journal"
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return root / "seg-editor" / "journal"


@dataclass(frozen=True)
class Start:
    """The state that the steps of a journal follow.

    Parameters
    ----------
    case_hash, labels_hash : str
        Content of the case, and of its labels before the first step.
    base : Delta or None
        From those labels to the reference tumor.
    file : str
        The file that holds those labels; empty where the journal need not name it.
    """

    case_hash: str
    labels_hash: str
    base: Delta | None = None
    file: str = ""


class Journal:
    """The journal of one session, open for writing.

    A write that fails (disk full, folder gone) ends the journal, not the edit: `error` says why and `failed` emits it.

    Parameters
    ----------
    folder : Path
        Created when missing.
    start : Start

    Raises
    ------
    OSError
        The file cannot be created.
    """

    def __init__(self, folder: Path, start: Start) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{start.case_hash[:16]}-{secrets.token_hex(8)}{_SUFFIX}"
        self.error: str | None = None
        self.failed = Signal()
        self._file: BinaryIO = self.path.open("xb", buffering=0)
        lock(self._file)
        self._sequence = 0
        self._due = threading.Event()
        self._stop = False
        self._discard = False
        self._syncer = threading.Thread(target=self._sync_loop, name="journal-fsync", daemon=True)
        self._syncer.start()
        self._write(_opening(RecordKind.START, start))

    def write(self, kind: RecordKind, change: Change) -> None:
        """Append a step done, undone or redone; returns once the system has the bytes; the disk gets them soon."""
        self._write(Record.of(kind, change))

    def saved_elsewhere(self, start: Start) -> None:
        """Note that the present labels were saved to a file that the case does not open with."""
        self._write(_opening(RecordKind.SAVED, start))

    def sync(self) -> bool:
        """Wait until the disk has what was written; False when it has not all of it, see `error`."""
        if self.error is None and not self._stop:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                self._fail(error)
        return self.error is None

    def close(self, *, discard: bool) -> None:
        """End the session; `discard` removes the file (everything is saved, or the user gave the edits up)."""
        if self._stop:
            return
        self._discard = discard
        self._stop = True
        if discard:
            self._remove()
        self._due.set()
        if not discard:
            self._syncer.join(timeout=10)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # where open files cannot be removed, the thread does it once it closed it
            self.path.unlink(missing_ok=True)

    def _write(self, record: Record) -> None:
        if self.error is not None or self._stop:
            return
        payload = encode(record)
        head = _HEAD.pack(_MAGIC, self._sequence, len(payload), _checksum(self._sequence, payload))
        data = memoryview(head + payload)
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            self._fail(error)
            return
        self._sequence += 1
        self._due.set()

    def _fail(self, error: OSError) -> None:
        self.error = f"{self.path}: crash recovery is off: {error.strerror or error}."
        self.failed.emit(self.error)

    def _sync_loop(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if not self._discard:
                with contextlib.suppress(OSError, ValueError):
                    os.fsync(self._file.fileno())
            if self._stop:
                self._file.close()
                if self._discard:
                    self._remove()
                return


@dataclass(frozen=True)
class Recovery:
    """Steps of a session that ended without saving.

    Parameters
    ----------
    path : Path
        The journal.
    records : tuple of Record
        What to do again, in order.
    base : Delta or None
        From the labels before the first step to the reference tumor.
    when : float
        Time of the last step, seconds since the epoch.
    file : str
        See :class:`Start`.
    """

    path: Path
    records: tuple[Record, ...]
    base: Delta | None
    when: float
    file: str = ""

    @property
    def steps(self) -> int:
        """How many steps stand after all undos."""
        return _standing(self.records)

    def discard(self) -> None:
        """Remove the journal for good."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def read_records(path: Path) -> list[Record]:
    """All whole records of a journal in order; whatever follows the first damaged one is left out."""
    with path.open("rb") as file:
        return list(_records(file))


def find_recovery(folder: Path, case_hash: str, labels_hash: str | None) -> Recovery | None:
    """The newest journal of a session on this case and these labels that ended without saving, if any.

    With None, on whatever labels the session began with. Journals of sessions still running are left alone. Those with
    nothing to recover are removed; those of other labels, which may come back, when they are older than `KEPT_DAYS`.
    """
    found: list[Recovery] = []
    for path in sorted(folder.glob(f"{case_hash[:16]}-*{_SUFFIX}")):
        with contextlib.suppress(OSError):
            recovery = _examine(path, case_hash, labels_hash)
            if recovery is not None:
                found.append(recovery)
    return max(found, key=lambda r: r.when, default=None)


def _examine(path: Path, case_hash: str, labels_hash: str | None) -> Recovery | None:
    with path.open("r+b") as file:
        if not lock(file):
            return None
        records = list(_records(file))
        when = os.fstat(file.fileno()).st_mtime
    if records and records[-1].kind in (RecordKind.START, RecordKind.SAVED):
        path.unlink()
        return None
    if records and records[0].case_hash != case_hash:
        return None
    wanted = records[0].labels_hash if records and labels_hash is None else labels_hash
    for index in range(len(records) - 1, -1, -1):
        start = records[index]
        if start.kind in (RecordKind.START, RecordKind.SAVED) and start.labels_hash == wanted:
            steps = tuple(r for r in records[index + 1 :] if r.kind is not RecordKind.SAVED)
            if _standing(steps) > 0:
                return Recovery(path, steps, start.base, when, start.name)
            path.unlink()
            return None
    if time.time() - when > KEPT_DAYS * 86400:
        path.unlink()
    return None


def _opening(kind: RecordKind, start: Start) -> Record:
    return Record(kind, start.file, case_hash=start.case_hash, labels_hash=start.labels_hash, base=start.base)


def _standing(records: tuple[Record, ...]) -> int:
    depth = 0
    extra = 0
    for record in records:
        if record.kind is not RecordKind.UNDO:
            depth += 1
        elif depth:
            depth -= 1
        else:
            extra += 1
    return depth + extra


def _records(file: BinaryIO) -> Iterator[Record]:
    sequence = 0
    while True:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        magic, number, length, checksum = _HEAD.unpack(head)
        if magic != _MAGIC or number != sequence:
            return
        payload = file.read(length) if length <= _remaining(file) else b""
        if len(payload) < length or _checksum(number, payload) != checksum:
            return
        record = decode(payload)
        if record is None:
            return
        yield record
        sequence += 1


def _remaining(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size - file.tell()


def _checksum(sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, sequence)


def lock(file: BinaryIO) -> bool:
    """Lock an open file against other sessions until it closes; False when another holds it.

    True where the file system cannot lock at all.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            place = file.tell()
            file.seek(_LOCK_AT)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(place)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD
    return True

"""One set of labels that can be edited: the tumor or the tissue map, with its own undo and crash recovery."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import BACKGROUND, TISSUE_NAMES, TISSUES
from seg_editor.cases import LabelScheme
from seg_editor.editing import Change, Delta, History, Segmentation
from seg_editor.errors import UsageError
from seg_editor.session.journal import Journal, Recovery, Start, find_recovery
from seg_editor.session.records import Record, RecordKind
from seg_editor.signal import Signal

TISSUE_MAP = "tissue map"


@dataclass(frozen=True)
class TissueScheme(LabelScheme):
    """The label values of a tissue map."""

    name: str = "tissue"
    values: tuple[Any, ...] = ()

    @property
    def label_values(self) -> tuple[int, ...]:
        """1 CSF, 2 gray matter, 3 white matter."""
        return TISSUES

    def name_of(self, value: int) -> str:
        """What to call a value."""
        return TISSUE_NAMES[value] if value in (BACKGROUND, *TISSUES) else f"Label {value}"


class Layer:
    """Labels with history and journal.

    Parameters
    ----------
    segmentation : Segmentation
    case_hash : str
        Names the case, and the layer within it, in the journal.
    folder : Path or None
        Where every step is written down; nowhere with None.
    home : Path
        The file that a later session opens the labels from.
    read : bool
        Whether the labels were read from `home`.

    Attributes
    ----------
    home : Path
    path : Path
        Where a save goes, `home` until the user chooses another file.
    saving : Path or None
        Where a save is going at present.
    history : History
        Every committed step arrives here by itself.
    recovery : Recovery or None
        Steps of an earlier session that ended without saving.
    journal_error : str or None
        Why crash recovery is off; ``journal_failed`` emits it when that happens.
    """

    def __init__(
        self, segmentation: Segmentation, case_hash: str, folder: Path | None, *, home: Path, read: bool = False
    ) -> None:
        self.segmentation = segmentation
        self.home = self.path = home
        self.saving: Path | None = None
        self.history = History(segmentation)
        self.journal_failed = Signal()
        self.journal_error: str | None = None
        self.journal: Journal | None = None
        self._folder = folder
        self._start = Start(case_hash, labels_hash(segmentation.labels), file=str(home) if read else "")
        self._since: list[tuple[RecordKind, Change]] | None = None
        self._spare: Recovery | None = None
        self.recovery = None if folder is None else find_recovery(folder, *self.start_hashes)
        segmentation.committed.connect(self._committed)
        self.history.undone.connect(lambda change: self._note(RecordKind.UNDO, change))
        self.history.redone.connect(lambda change: self._note(RecordKind.REDO, change))

    @property
    def name(self) -> str:
        """What the user calls the layer."""
        return TISSUE_MAP if isinstance(self.segmentation.scheme, TissueScheme) else "segmentation"

    @property
    def start_hashes(self) -> tuple[str, str]:
        """Hashes of the case and of the labels that the journal begins with."""
        return self._start.case_hash, self._start.labels_hash

    @property
    def dirty(self) -> bool:
        """Whether closing now would lose work."""
        return self.segmentation.dirty

    def recover(self, *, take_back: bool = False) -> int:
        """Do the steps of the session that ended without saving again; how many stand now.

        Their journal goes as soon as the new one holds them on the disk. Where that cannot be written, the old one
        stays until the labels are saved or the layer is closed, and `journal_failed` says so.

        Parameters
        ----------
        take_back : bool
            Undo the steps made since opening first, for good.

        Raises
        ------
        UsageError
            Nothing to recover, edits were made before (with `take_back`: some of them cannot be undone), or a record
            does not fit (the steps before it are done).
        """
        recovery = self.recovery
        if recovery is None:
            raise UsageError("there is nothing to recover")
        while take_back and self.history.can_undo:
            self.history.undo()
        if self.segmentation.revision != 0:
            raise UsageError("edits were made before recovering", remedy="Undo them all first")
        self._adopt_base(recovery)
        done: list[int] = []
        for record in recovery.records:
            self._redo_record(record, done)
        self.recovery = None
        if self.journal is not None and self.journal.sync():
            recovery.discard()
        else:
            self._keep(recovery)
        return len(self.history)

    def dismiss_recovery(self) -> None:
        """Give up the steps of the session that ended without saving, for good."""
        if self.recovery is not None:
            self.recovery.discard()
            self.recovery = None

    def begin_save(self, target: Path) -> None:
        """From now on remember the steps made, until :meth:`end_save`: the file being written will not hold them."""
        self.saving = target
        self._since = []

    def end_save(self, start: Start | None) -> None:
        """The save that began ended; what was saved, or None when saving failed."""
        since, self._since = self._since or [], None
        self.saving = None
        if start is None:
            return
        if Path(start.file).resolve() == self.home.resolve():
            self._start = start
            self._drop_spare()
            self._begin_anew(since)
        elif self.journal is not None and not since:
            self.journal.saved_elsewhere(start)

    def crash_stop(self) -> None:
        """End the session as a killed process would: the journal's file stays, its lock goes. For tests."""
        if self.journal is not None:
            self.journal.close(discard=False)
            self.journal = None
        self._folder = None

    def close(self) -> None:
        """End the session; the journal goes."""
        self._drop_spare()
        if self.journal is not None:
            self.journal.close(discard=True)
            self.journal = None
        self._folder = None

    def _keep(self, recovery: Recovery) -> None:
        """Leave the only whole copy of the recovered steps on the disk; drop the broken one beside it."""
        self._spare = recovery
        if self.journal is not None:
            self.journal.close(discard=True)
            self.journal = None
        why = self.journal_error or "Crash recovery is off."
        self._broke(f"{why} The restored edits stay in {recovery.path} until you save.")

    def _drop_spare(self) -> None:
        if self._spare is not None:
            self._spare.discard()
            self._spare = None

    def _begin_anew(self, since: list[tuple[RecordKind, Change]]) -> None:
        """Start a new journal with the steps that the saved file lacks, then drop the old one."""
        old, self.journal = self.journal, None
        for kind, change in since:
            self._write(kind, change)
        if old is not None and self.journal_error is None:
            old.close(discard=True)

    def _committed(self, change: Change) -> None:
        self.history.push(change)
        self._note(RecordKind.DO, change)

    def _note(self, kind: RecordKind, change: Change) -> None:
        if self._since is not None:
            self._since.append((kind, change))
        self._write(kind, change)

    def _write(self, kind: RecordKind, change: Change) -> None:
        if self.journal is None and self._folder is not None and self.journal_error is None:
            try:
                self.journal = Journal(self._folder, self._start)
            except OSError as error:
                self._broke(f"{self._folder}: crash recovery is off: {error.strerror or error}.")
                return
            self.journal.failed.connect(self._broke)
            if self.journal.error is not None:
                self._broke(self.journal.error)
        if self.journal is not None:
            self.journal.write(kind, change)

    def _broke(self, message: str) -> None:
        self.journal_error = message
        self.journal_failed.emit(message)

    def _adopt_base(self, recovery: Recovery) -> None:
        base: Delta | None = recovery.base
        if base is None:
            return
        original = self.segmentation.labels.copy()
        original[base.box][base.mask] = base.new
        self.segmentation.set_original(original)
        self._start = replace(self._start, base=base)

    def _redo_record(self, record: Record, done: list[int]) -> None:
        if record.kind is RecordKind.UNDO and done and done[-1] == record.step:
            done.pop()
            self.history.undo()
        elif record.kind is RecordKind.UNDO:
            delta = None if record.delta is None else record.delta.inverse
            base = None if record.base is None else record.base.inverse
            self.segmentation.replay(f"Undo {record.name}", delta, base)
            done.append(-1)
        elif record.kind is RecordKind.REDO and self.history.can_redo:
            self.history.redo()
            done.append(record.step)
        else:
            self.segmentation.replay(record.name, record.delta, record.base)
            done.append(record.step)


def labels_hash(labels: NDArray[Any]) -> str:
    """SHA-256 over shape, dtype and voxels of a label array (x, y, z), C-contiguous."""
    digest = hashlib.sha256(f"{labels.dtype.str}{labels.shape}".encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()

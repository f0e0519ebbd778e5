"""One opened case with everything that the user does to it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, open_case, write_like
from seg_editor.editing import Change, Edit, History, PaintOver, Segmentation, Stroke
from seg_editor.errors import ExportError, UsageError
from seg_editor.session.journal import Journal, Recovery, Start, default_journal_folder, find_recovery
from seg_editor.session.records import Record, RecordKind
from seg_editor.session.results import Results
from seg_editor.session.view import ViewState
from seg_editor.signal import Signal

if TYPE_CHECKING:
    from seg_editor.generation.hole import Hole


class Workspace:
    """A case, its segmentation with history, the view, and the results.

    Parameters
    ----------
    case : Case
    journal_folder : Path, optional
        Where every step is written down for recovery after a crash; nowhere by default (:meth:`open` has a folder).

    Attributes
    ----------
    case : Case
    segmentation : Segmentation
    history : History
        Every committed step arrives here by itself.
    view : ViewState
    results : Results
    segmentation_path : Path
        Where :meth:`save_segmentation` writes.
    recovery : Recovery or None
        Steps of an earlier session that ended without saving; :meth:`recover` or :meth:`dismiss_recovery`.
    journal_error : str or None
        Why crash recovery is off; ``journal_failed`` emits it when that happens.
    """

    def __init__(self, case: Case, *, journal_folder: Path | None = None) -> None:
        self.case = case
        self.segmentation = Segmentation(_editable_labels(case), case.scheme, case.grid.spacing)
        self.history = History(self.segmentation)
        self.view = ViewState(case)
        self.results = Results()
        self.segmentation_path = case.labels_path
        self._home = case.labels_path.resolve()
        self._last_seen = {self._home: _file_hash(self._home) if case.labels is None else case.labels.source.sha256}
        self.journal_failed = Signal()
        self.journal_error: str | None = None
        self._folder = journal_folder
        self._journal: Journal | None = None
        self._start = Start(case.content_hash, labels_hash(self.segmentation.labels))
        self.recovery = None if journal_folder is None else find_recovery(journal_folder, *self._start_hashes())
        self.segmentation.committed.connect(self._committed)
        self.history.undone.connect(lambda change: self._note(RecordKind.UNDO, change))
        self.history.redone.connect(lambda change: self._note(RecordKind.REDO, change))

    @classmethod
    def open(cls, path: Path | str, *, journal_folder: Path | None = None, journal: bool = True) -> Workspace:
        """Open the case in a folder, or the one that a file belongs to.

        Parameters
        ----------
        path : path-like
        journal_folder : Path, optional
            In place of the platform's folder.
        journal : bool
            Whether to keep a journal at all.

        Raises
        ------
        CaseError
            See :func:`seg_editor.cases.open_case`.
        """
        folder = (journal_folder or default_journal_folder()) if journal else None
        return cls(open_case(path), journal_folder=folder)

    @property
    def dirty(self) -> bool:
        """Whether closing now would lose work on the segmentation."""
        return self.segmentation.dirty

    def apply(self, edit: Edit) -> Change | None:
        """Do `edit` as one step; None when it changes nothing. Raises `UsageError` when the edit refuses."""
        return self.segmentation.apply(edit)

    def stroke(self, axis: int | None = None, *, erase: bool = False) -> Stroke:
        """A stroke with the brush and rules of the view, in the plane with normal `axis` (the view's by default)."""
        view = self.view
        only = view.only_label if view.paint_over is PaintOver.ACTIVE else None
        if erase:
            only = view.active_label if view.erase_active_only else None
        return Stroke(
            self.segmentation,
            view.brush,
            int(view.plane) if axis is None else axis,
            0 if erase else view.active_label,
            view.paint_over,
            only,
            locked=view.locked,
        )

    def undo(self) -> Change | None:
        """Take the newest step back and look at it; None when there is none."""
        change = self.history.undo()
        self._look_at(change)
        return change

    def redo(self) -> Change | None:
        """Do the step undone last again and look at it; None when there is none."""
        change = self.history.redo()
        self._look_at(change)
        return change

    def hole(self, margin: int = 3) -> Hole:
        """The voxels that have to become healthy after the edits so far, widened by `margin` mm."""
        from seg_editor.generation.hole import find_hole

        seg = self.segmentation
        return find_hole(seg.original, seg.labels, brain=self.case.brain, margin=margin, spacing=self.case.grid.spacing)

    def save_segmentation(self, path: Path | str | None = None, *, overwrite: bool = False) -> Path:
        """Write the segmentation, and count it as saved once the file was read back and found equal.

        Parameters
        ----------
        path : path-like, optional
            `segmentation_path` by default; a path given becomes that. The file gets the grid, dtype and label values of
            the segmentation that was opened; where there was none, the grid of an image and uint8.
        overwrite : bool
            Write over `segmentation_path` even if another program changed it meanwhile.

        Returns
        -------
        Path

        Raises
        ------
        UsageError
            A stroke is running.
        ExportError
            The file cannot be written, is one of the case's images, or was changed by another program. The segmentation
            stays unsaved.
        """
        seg = self.segmentation
        if seg.in_stroke:
            raise UsageError("a stroke is running", remedy="Finish it, then save")
        target = self.segmentation_path if path is None else Path(path)
        self._refuse_target(target, overwrite=overwrite or path is not None)
        revision = seg.revision
        written = write_like(self.case.labels_source, seg.labels, target)
        self.segmentation_path = written
        self._last_seen[written.resolve()] = _file_hash(written)
        seg.mark_saved(revision)
        self._journal_saved(written)
        return written

    def recover(self) -> int:
        """Do the steps of the session that ended without saving again; how many stand now.

        Raises
        ------
        UsageError
            Nothing to recover, edits were made before, or a record does not fit (the steps before it are done).
        """
        recovery = self.recovery
        if recovery is None:
            raise UsageError("there is nothing to recover")
        if self.segmentation.revision != 0:
            raise UsageError("edits were made before recovering", remedy="Undo them all first")
        self._adopt_base(recovery)
        done: list[int] = []
        for record in recovery.records:
            self._redo_record(record, done)
        self.recovery = None
        recovery.discard()
        return len(self.history)

    def dismiss_recovery(self) -> None:
        """Give up the steps of the session that ended without saving, for good."""
        if self.recovery is not None:
            self.recovery.discard()
            self.recovery = None

    def close(self) -> None:
        """End the session. Ask about unsaved work before: the journal goes, too."""
        if self._journal is not None:
            self._journal.close(discard=True)
            self._journal = None
        self._folder = None

    def _committed(self, change: Change) -> None:
        self.history.push(change)
        self._note(RecordKind.DO, change)

    def _look_at(self, change: Change | None) -> None:
        if change is None:
            return
        shown = int(self.view.plane)
        if not change.box[shown].start <= self.view.cursor[shown] < change.box[shown].stop:
            self.view.cursor = change.focus

    def _note(self, kind: RecordKind, change: Change) -> None:
        if self._journal is None and self._folder is not None and self.journal_error is None:
            try:
                self._journal = Journal(self._folder, self._start)
            except OSError as error:
                self._journal_broke(f"{self._folder}: crash recovery is off: {error.strerror or error}.")
                return
            self._journal.failed.connect(self._journal_broke)
        if self._journal is not None:
            self._journal.write(kind, change)

    def _journal_broke(self, message: str) -> None:
        self.journal_error = message
        self.journal_failed.emit(message)

    def _journal_saved(self, written: Path) -> None:
        start = Start(self.case.content_hash, labels_hash(self.segmentation.labels), self.segmentation.base_delta())
        if written.resolve() == self._home:
            self._start = start
            if self._journal is not None:
                self._journal.restart(start)
        elif self._journal is not None:
            self._journal.saved_elsewhere(start, written)

    def _adopt_base(self, recovery: Recovery) -> None:
        if recovery.base is None:
            return
        original = self.segmentation.labels.copy()
        original[recovery.base.box][recovery.base.mask] = recovery.base.new
        self.segmentation.set_original(original)
        self._start = Start(self._start.case_hash, self._start.labels_hash, recovery.base)

    def _redo_record(self, record: Record, done: list[int]) -> None:
        if record.kind is RecordKind.UNDO and done and done[-1] == record.step:
            done.pop()
            self.undo()
        elif record.kind is RecordKind.UNDO:
            delta = None if record.delta is None else record.delta.inverse
            base = None if record.base is None else record.base.inverse
            self.segmentation.replay(f"Undo {record.name}", delta, base)
            done.append(-1)
        elif record.kind is RecordKind.REDO and self.history.can_redo:
            self.redo()
            done.append(record.step)
        else:
            self.segmentation.replay(record.name, record.delta, record.base)
            done.append(record.step)

    def _start_hashes(self) -> tuple[str, str]:
        return self._start.case_hash, self._start.labels_hash

    def _refuse_target(self, target: Path, *, overwrite: bool) -> None:
        resolved = target.resolve()
        if any(volume.source.path.resolve() == resolved for volume in self.case.volumes.values()):
            raise ExportError("this is an image of the case", path=target, remedy="Choose another name")
        if not overwrite and _file_hash(target) not in (self._last_seen.get(resolved, ""), ""):
            raise ExportError(
                "another program changed this file since it was opened", path=target, remedy="Save under another name"
            )


def labels_hash(labels: NDArray[Any]) -> str:
    """SHA-256 over shape, dtype and voxels of a label array (x, y, z), C-contiguous."""
    digest = hashlib.sha256(f"{labels.dtype.str}{labels.shape}".encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def _editable_labels(case: Case) -> NDArray[Any]:
    if case.labels is None:
        return np.zeros(case.grid.shape, dtype=np.uint8)
    return case.labels.raw


def _file_hash(path: Path) -> str:
    """SHA-256 of a file, ``""`` when it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""

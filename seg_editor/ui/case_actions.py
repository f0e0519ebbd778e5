"""Opening, saving, closing and recovering a case, with the question about unsaved changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QEventLoop, QObject, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QMessageBox, QWidget

from seg_editor.cases import Case, Modality
from seg_editor.cases.stream import read_errors
from seg_editor.errors import CaseError, SegEditorError
from seg_editor.resources import resource_path
from seg_editor.session import Workspace
from seg_editor.session.saving import Loss, Save, Written, copy_path
from seg_editor.ui.error_bar import ErrorBar, sentence
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.questions import question
from seg_editor.ui.recovery import Confirm, Recoveries, make_confirm
from seg_editor.ui.workers import Cancelled, Progress, Task, Tasks

log = logging.getLogger(__name__)
SAVE, DISCARD, CANCEL = "save", "discard", "cancel"
SAVE_EMPTY, SAVE_LESS, SAVE_AS, REPLACE = "Save without tumor", "Save anyway", "Save as…", "Replace"
OPEN = "open another case"


def demo_folder() -> Path | None:
    """Return the folder of the bundled demo case, or None."""
    folders = sorted(p for p in resource_path("demo").glob("*") if p.is_dir())
    return folders[0] if folders else None


class CaseActions(QObject):
    """What the File menu does.

    Signals
    -------
    opened(object)
        A new :class:`Workspace`, or None after closing.
    opening(str)
        What is being opened; empty when it ended.
    save_changed(str)
        What is being saved; empty when it ended.
    """

    opened = pyqtSignal(object)
    opening = pyqtSignal(str)
    save_changed = pyqtSignal(str)
    _save_ended = pyqtSignal()

    def __init__(self, window: QWidget, errors: ErrorBar, tasks: Tasks, preferences: Preferences) -> None:
        super().__init__(window)
        self._window = window
        self._errors = errors
        self._tasks = tasks
        self._preferences = preferences
        self._task: Task | None = None
        self._save_task: Task | None = None
        self.workspace: Workspace | None = None
        self.journal = True
        self.ask: Callable[[str], str] = self._ask
        self.confirm: Confirm = make_confirm(window)
        self.recoveries = Recoveries(errors, lambda *question: self.confirm(*question))
        self.ahead: Callable[[Path], Case | None] = lambda _path: None
        self.segment: Callable[[], object] = lambda: None

    @property
    def loading(self) -> bool:
        """True while a case is being read."""
        return self._task is not None

    def choose_folder(self) -> None:
        """Ask for a folder and open it."""
        start = str(self._preferences.recent[0].parent) if self._preferences.recent else ""
        name = QFileDialog.getExistingDirectory(self._window, "Open case: choose its folder", start)
        if name:
            self.open(Path(name))

    def choose_file(self) -> None:
        """Ask for one file of a case and open the case."""
        pattern = "NIfTI images (*.nii *.nii.gz)"
        name, _ = QFileDialog.getOpenFileName(self._window, "Open case: choose any of its files", "", pattern)
        if name:
            self.open(Path(name))

    def open_demo(self) -> None:
        """Open the bundled demo case."""
        folder = demo_folder()
        if folder is None:
            self._errors.show_error("The demo case is missing: install the program again.")
        else:
            self.open(folder)

    def open(self, path: Path) -> None:
        """Read a case in the background and show it; the case shown until then stays until the new one is ready."""
        try:
            with read_errors(path):
                path.expanduser().stat()
        except CaseError as error:
            self._errors.show_error(error)
            return
        if not self.may_leave(OPEN):
            return
        self.cancel_opening()
        asked = self._states()
        journal, ahead = self.journal, self.ahead(path)

        def work(progress: Progress, cancelled: Cancelled) -> Workspace:
            workspace = Workspace.open(path, journal=journal, case=ahead)
            for modality in workspace.case.modalities:
                workspace.view.window(modality)
            return workspace

        self._task = task = self._tasks.start(work, "open case")
        task.done.connect(lambda workspace: self._finish(path, workspace, asked))
        task.failed.connect(self._fail)
        self.opening.emit(f"Opening {path.name}…")

    def cancel_opening(self) -> None:
        """Forget the case that is being read."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self.opening.emit("")

    def _states(self) -> tuple[int, ...]:
        """Name the state of every layer: equal numbers, no edit in between."""
        layers = () if self.workspace is None else self.workspace.layers
        return tuple(layer.segmentation.revision for layer in layers)

    def _finish(self, path: Path, workspace: Workspace, asked: tuple[int, ...]) -> None:
        """Show a case that was read; `asked` is the state in which the user agreed to leave the one before."""
        self._task = None
        self.opening.emit("")
        old, now = self.workspace, self._states()
        if old is not None and now != asked:
            if not self.may_leave(OPEN):
                workspace.close()
                return
            if not old.dirty and old.segmentation_path.resolve() == workspace.segmentation_path.resolve():
                workspace.close()  # it was read before the labels were saved
                self.open(path)
                return
        self._release()
        self.workspace = workspace
        self._preferences.add_recent(path)
        self._errors.clear()
        self.opened.emit(workspace)
        self._say_notes(workspace)
        self.recoveries.offer(workspace.tumor)

    def _say_notes(self, workspace: Workspace) -> None:
        notes = " ".join(f"{sentence(note.rstrip('.'))}." for note in workspace.notes)
        if workspace.case.labels is None and Modality.FLAIR in workspace.case.volumes:
            text = notes or "This case has no segmentation."
            self._errors.show_note(text, (("Segment automatically", lambda: self.segment()),))
        elif notes:
            self._errors.show_note(notes)

    def _fail(self, error: object) -> None:
        self._task = None
        self.opening.emit("")
        self._errors.show_error(error if isinstance(error, BaseException) else str(error))

    def recover(self) -> None:
        """Restore what the last session with the open case left unsaved."""
        for layer in () if self.workspace is None else self.workspace.layers:
            self.recoveries.restore(layer)

    def may_leave(self, purpose: str) -> bool:
        """Wait for a running save, then ask about unsaved changes.

        False when the user wants to stay, or saving failed.
        """
        self.wait_for_save()
        if self.workspace is None or not self.workspace.dirty:
            return True
        answer = self.ask(purpose)
        return answer == DISCARD or (answer == SAVE and self._save_all())

    def _ask(self, purpose: str) -> str:
        assert self.workspace is not None
        loss = self.workspace.loss if self.workspace.tumor.dirty else None
        target = self.workspace.segmentation_path
        how = "writes over" if target.exists() else "writes"
        what = f"Save {how} {target.name}."
        tissue = self.workspace.tissue
        if tissue is not None and tissue.dirty:
            what = f"{what[:-1]} and the tissue map." if self.workspace.tumor.dirty else "Save writes the tissue map."
        if loss is not None and target.exists():
            what = f"{what} {lost_text(loss, target)}"
        text = f"Save the changes to the segmentation of {self.workspace.case.case_id}?"
        detail = f"{what} The changes are lost if you {purpose} without saving."
        box = question(self._window, text, detail, title="Unsaved changes")
        save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
        discard = box.addButton("Don't save", QMessageBox.ButtonRole.DestructiveRole)
        cancel = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(save if loss is None else cancel)
        box.exec()
        pressed = box.clickedButton()
        return SAVE if pressed is save else DISCARD if pressed is discard else CANCEL

    @property
    def saving(self) -> bool:
        """True while a file is being written."""
        return self._save_task is not None

    def save(self) -> bool:
        """Save the segmentation into its file, new when the case has none. False when that could not begin.

        Asks before more than half of the tumor in the file is lost.
        """
        workspace = self.workspace
        if workspace is None:
            return False
        loss, path = workspace.loss, workspace.segmentation_path
        if loss is not None and path.exists():
            text = "Save without most of the tumor?" if loss.left_ml else "Save a segmentation without tumor?"
            go_on = SAVE_LESS if loss.left_ml else SAVE_EMPTY
            chosen = self.confirm(text, lost_text(loss, path), (SAVE_AS, go_on))
            if chosen != go_on:
                return chosen == SAVE_AS and self.save_as()
        return self._begin_save(None)

    def save_tissue(self) -> bool:
        """Save the tissue map beside the case. False when that could not begin.

        Asks before it replaces a file that this session neither read nor wrote.
        """
        workspace = self.workspace
        if workspace is None:
            return False
        known = workspace.knows(workspace.tissue_path)
        if not known:
            name = workspace.tissue_path.name
            detail = "The file was there before this case was opened, and may hold edits that the map shown now lacks."
            if self.confirm(f"Replace {name}?", detail, (REPLACE,)) != REPLACE:
                return False
        return self._begin_save(None, tissue=True, overwrite=not known)

    def save_as(self) -> bool:
        """Ask for a file and save the segmentation into it."""
        if self.workspace is None:
            return False
        start, pattern = str(self.workspace.segmentation_path), "NIfTI images (*.nii.gz *.nii)"
        name, _ = QFileDialog.getSaveFileName(self._window, "Save segmentation as", start, pattern)
        return bool(name) and self._begin_save(Path(name))

    def _begin_save(self, path: Path | None, *, tissue: bool = False, overwrite: bool = False) -> bool:
        """Copy what is to be written here, write it in a worker; editing may go on."""
        workspace = self.workspace
        assert workspace is not None
        target = (path or workspace.segmentation_path).resolve()
        ends_recovery = not tissue and target == workspace.case.labels_path.resolve()
        if self.saving or (ends_recovery and not self.recoveries.may_save(workspace.tumor)):
            return False
        try:
            job = workspace.begin_save(path, tissue=tissue, overwrite=overwrite)
        except SegEditorError as error:
            self._save_failed(error, tissue=tissue)
            return False
        self._save_task = task = self._tasks.start(lambda _progress, _cancelled: job.run(), "save")
        task.done.connect(lambda written: self._saved(workspace, job, written))
        task.failed.connect(lambda error: self._not_saved(workspace, job, error, tissue=tissue))
        self.save_changed.emit(f"Saving {job.path.name}…")
        return True

    def _saved(self, workspace: Workspace, job: Save, written: Written) -> None:
        workspace.end_save(job, written)
        if job.layer is workspace.tumor and written.path.resolve() == workspace.case.labels_path.resolve():
            self.recoveries.give_up(workspace.tumor)
        self._end_save()
        kept = "" if written.copy is None else f", the one before is kept as {written.copy.name}"
        meanwhile = " Edits made meanwhile are not in it." if workspace.dirty else ""
        self._errors.show_note(f"Saved {written.path.name}{kept}.{meanwhile}")

    def _not_saved(self, workspace: Workspace, job: Save, error: object, *, tissue: bool) -> None:
        workspace.end_save(job, None)
        self._end_save()
        self._save_failed(error, tissue=tissue)

    def _save_failed(self, error: object, *, tissue: bool) -> None:
        shown = error if isinstance(error, BaseException) else str(error)
        self._errors.show_error(shown, () if tissue else (("Save as…", self.save_as),))

    def _end_save(self) -> None:
        self._save_task = None
        self.save_changed.emit("")
        self._save_ended.emit()

    def wait_for_save(self) -> None:
        """Let the window live until the save that is running has ended; the user's input waits."""
        while self.saving:
            loop = QEventLoop()
            self._save_ended.connect(loop.quit)
            loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)

    def _save_all(self) -> bool:
        """Save every layer that is dirty and wait; False when one could not be."""
        workspace = self.workspace
        assert workspace is not None
        for layer in workspace.layers:
            if layer.dirty:
                _ = self._begin_save(None) if layer is workspace.tumor else self.save_tissue()
                self.wait_for_save()
        return not workspace.dirty

    def close(self) -> bool:
        """Close the case; False when the user wants to stay."""
        if not self.may_leave("close the case"):
            return False
        self._release()
        self._errors.clear()
        self.opened.emit(None)
        return True

    def _release(self) -> None:
        if self.workspace is not None:
            self.workspace.close()
            self.workspace = None

    def shut_down(self) -> None:
        """End the session of the open case; ask before."""
        self.cancel_opening()
        self.wait_for_save()
        self._release()


def lost_text(loss: Loss, path: Path) -> str:
    """Say what a save over a file leaves of the tumor in it, and where the file is kept."""
    left = f"; {_milliliters(loss.left_ml)} would be left" if loss.left_ml else " and would be left without tumor"
    return (
        f"{path.name} holds {_milliliters(loss.held_ml)} of tumor{left}. "
        f"The file as it is now is kept as {copy_path(path).name}."
    )


def _milliliters(volume: float) -> str:
    return f"{volume:.2g} ml" if volume < 1 else f"{volume:.1f} ml"

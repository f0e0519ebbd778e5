"""Opening, closing and recovering a case, with the question about unsaved changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QMessageBox, QWidget

from seg_editor.cases import Case, Modality
from seg_editor.cases.stream import read_errors
from seg_editor.errors import CaseError
from seg_editor.resources import resource_path
from seg_editor.session import Workspace
from seg_editor.ui.error_bar import ErrorBar, sentence
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.questions import question
from seg_editor.ui.recovery import Confirm, Recoveries, make_confirm
from seg_editor.ui.saves import Saves, changed_layers, lost_text, written_text
from seg_editor.ui.workers import Cancelled, Progress, Task, Tasks

SAVE, DISCARD, CANCEL = "save", "discard", "cancel"
OPEN = "open another case"


def demo_folder() -> Path | None:
    """Return the folder of the bundled demo case, or None."""
    folders = sorted(p for p in resource_path("demo").glob("*") if p.is_dir())
    return folders[0] if folders else None


class CaseActions(QObject):
    """What the Case menu does.

    Signals
    -------
    opened(object)
        A new :class:`Workspace`, or None after closing.
    opening(str)
        What is being opened; empty when it ended.

    Attributes
    ----------
    saves : Saves
    """

    opened = pyqtSignal(object)
    opening = pyqtSignal(str)

    def __init__(self, window: QWidget, errors: ErrorBar, tasks: Tasks, preferences: Preferences) -> None:
        super().__init__(window)
        self._window = window
        self._errors = errors
        self._tasks = tasks
        self._preferences = preferences
        self._task: Task | None = None
        self.workspace: Workspace | None = None
        self.journal = True
        self.ask: Callable[[str], str] = self._ask
        self.confirm: Confirm = make_confirm(window)
        self.recoveries = Recoveries(errors, self._confirmed)
        self.saves = Saves(window, errors, tasks, self.recoveries, lambda: self.workspace, self._confirmed)
        self.ahead: Callable[[Path], Case | None] = lambda _path: None
        self.segment: Callable[[], object] = lambda: None
        self.compute_tissue: Callable[[], object] = lambda: None
        self.read_tissue: Callable[[], object] = lambda: None

    def _confirmed(self, text: str, detail: str, choices: Sequence[str]) -> str:
        return self.confirm(text, detail, choices)

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
            workspace.find_tissue_steps()
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
        self.offer_tissue_steps()
        self.recoveries.offer(workspace.tumor)

    def offer_tissue_steps(self) -> None:
        """Offer what the last session left unsaved of the tissue map; once more when computing it ended."""
        if self.workspace is not None:
            self.recoveries.offer_tissue(self.workspace, lambda: self.compute_tissue(), lambda: self.read_tissue())

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
        if self.workspace is not None and self.workspace.tissue_left is not None:
            self.offer_tissue_steps()

    def may_leave(self, purpose: str) -> bool:
        """Wait for a running save, then ask about unsaved changes.

        False when the user wants to stay, or saving failed.
        """
        self.saves.wait()
        if self.workspace is None or not self.workspace.dirty:
            return True
        answer = self.ask(purpose)
        return answer == DISCARD or (answer == SAVE and self.saves.save_to_leave())

    def _ask(self, purpose: str) -> str:
        workspace = self.workspace
        assert workspace is not None
        layers = changed_layers(workspace)
        what = f"Save {written_text([layer.path for layer in layers])}."
        loss = workspace.loss if workspace.tumor.dirty else None
        if loss is not None and workspace.segmentation_path.exists():
            what = f"{what} {lost_text(loss, workspace.segmentation_path)}"
        names = " and ".join(f"the {layer.name}" for layer in layers)
        text = f"Save the changes to {names} of {workspace.case.case_id}?"
        detail = f"{what} The changes are lost if you {purpose} without saving."
        box = question(self._window, text, detail, title="Unsaved changes")
        save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
        discard = box.addButton("Don't save", QMessageBox.ButtonRole.DestructiveRole)
        cancel = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(save if loss is None else cancel)
        box.exec()
        pressed = box.clickedButton()
        return SAVE if pressed is save else DISCARD if pressed is discard else CANCEL

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
        self.saves.wait()
        self._release()

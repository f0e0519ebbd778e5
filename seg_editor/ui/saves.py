"""Saving the open case: every layer with unsaved changes into its own file, beside the thread that edits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PyQt6.QtCore import QEventLoop, QObject, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QWidget

from seg_editor.cases.naming import is_nifti_name
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.session.layer import Layer
from seg_editor.session.saving import Loss, Save, Written, copy_path
from seg_editor.ui.error_bar import ErrorBar, traceback_of, worded
from seg_editor.ui.recovery import Confirm, Recoveries
from seg_editor.ui.workers import Task, Tasks
from seg_editor.wording import milliliters

log = logging.getLogger(__name__)
SAVE_EMPTY, SAVE_LESS, SAVE_AS, REPLACE = "Save without tumor", "Save anyway", "Save as…", "Replace"
NOTHING = "Nothing to save: there are no unsaved changes"
WAITING = "Nothing to save yet: the edits of the last session wait to be restored (Case menu)"
_EXTENSION = ".nii.gz"


class Plan(NamedTuple):
    """A layer to save, where (None: into its own file), and whether a file of unknown content is replaced."""

    layer: Layer
    path: Path | None = None
    overwrite: bool = False


class Saves(QObject):
    """Writes the segmentation and the tissue map.

    Parameters
    ----------
    window : QWidget
    errors : ErrorBar
    tasks : Tasks
    recoveries : Recoveries
        Asked before a save after which the edits of the last session could not be restored.
    workspace : callable
        Returns the open case, or None.
    confirm : callable
        See :func:`~seg_editor.ui.recovery.make_confirm`.

    Signals
    -------
    changed(str)
        What is being saved; empty when it ended.
    refused(str)
        Why there is nothing to do.
    """

    changed = pyqtSignal(str)
    refused = pyqtSignal(str)
    _ended = pyqtSignal()

    def __init__(
        self,
        window: QWidget,
        errors: ErrorBar,
        tasks: Tasks,
        recoveries: Recoveries,
        workspace: Callable[[], Workspace | None],
        confirm: Confirm,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._errors = errors
        self._tasks = tasks
        self._recoveries = recoveries
        self._workspace = workspace
        self._confirm = confirm
        self._task: Task | None = None

    @property
    def running(self) -> bool:
        """True while files are being written."""
        return self._task is not None

    def save(self) -> bool:
        """Save every layer with unsaved changes into its own file; a segmentation without a file, in any case.

        Asks before most of the tumor in a file is lost, and before a tissue map of another session is replaced.
        False when nothing could begin.
        """
        workspace = self._workspace()
        if workspace is None or self.running:
            return False
        layers = changed_layers(workspace)
        if not layers and not workspace.segmentation_path.exists():
            layers = (workspace.tumor,)
        if not layers:
            self.refused.emit(WAITING if any(layer.recovery for layer in workspace.layers) else NOTHING)
        return self._begin([self._asked(workspace, layer) for layer in layers])

    def save_tissue(self) -> bool:
        """Save the tissue map beside the case, edited or not; asks as :meth:`save`. False when that could not begin."""
        workspace = self._workspace()
        if workspace is None or workspace.tissue is None or self.running:
            return False
        return self._begin([self._asked(workspace, workspace.tissue)])

    def save_as(self, layer: Layer | None = None) -> bool:
        """Ask for a file and save a layer into it, the segmentation by default. False when that could not begin."""
        workspace = self._workspace()
        if workspace is None or self.running:
            return False
        layer = layer or workspace.tumor
        try:
            workspace.check_layer(layer)
        except SegEditorError as error:
            self._errors.show_error(error)
            return False
        return self._begin([self._elsewhere(layer)])

    def save_to_leave(self) -> bool:
        """Save every layer with unsaved changes and wait; False when one could not be.

        For a user who was told what the save loses.
        """
        workspace = self._workspace()
        if workspace is None:
            return True
        self._begin([self._asked(workspace, layer, told=True) for layer in changed_layers(workspace)])
        self.wait()
        return not workspace.dirty

    def wait(self) -> None:
        """Let the window live until the save that is running has ended; the user's input waits."""
        while self.running:
            loop = QEventLoop()
            self._ended.connect(loop.quit)
            loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)

    def _asked(self, workspace: Workspace, layer: Layer, *, told: bool = False) -> Plan | None:
        """Ask what a save of a layer into its own file needs to know; None when it is not to be saved."""
        known = workspace.knows(layer.path)
        text, detail, go_on = "", "", REPLACE
        if not known:
            text = f"Replace {layer.path.name}?"
            detail = "The file was there before this case was opened, and may hold edits that the map shown now lacks."
        elif layer is workspace.tumor and not told:
            loss = workspace.loss
            if loss is not None and layer.path.exists():
                text = "Save without most of the tumor?" if loss.left_ml else "Save a segmentation without tumor?"
                detail, go_on = lost_text(loss, layer.path), SAVE_LESS if loss.left_ml else SAVE_EMPTY
        if text:
            chosen = self._confirm(text, detail, (SAVE_AS, go_on))
            if chosen != go_on:
                return self._elsewhere(layer) if chosen == SAVE_AS else None
        return Plan(layer, overwrite=not known)

    def _elsewhere(self, layer: Layer) -> Plan | None:
        """Ask for the file; ask again before one is replaced whose name the user did not type."""
        title, pattern = f"Save {layer.name} as", "NIfTI images (*.nii.gz *.nii)"
        name, _ = QFileDialog.getSaveFileName(self._window, title, str(layer.path), pattern)
        if not name:
            return None
        path = with_extension(Path(name))
        if path.name != Path(name).name and path.exists():
            detail = f"You typed {Path(name).name}, and a file is already there under the full name."
            if self._confirm(f"Replace {path.name}?", detail, (REPLACE,)) != REPLACE:
                return None
        return Plan(layer, path)

    def _begin(self, plans: Sequence[Plan | None]) -> bool:
        """Copy what is to be written here, write it in a worker; editing may go on."""
        workspace = self._workspace()
        if workspace is None or self.running:
            return False
        jobs: list[Save] = []
        failed: list[tuple[Layer, Exception]] = []
        for plan in filter(None, plans):
            layer, path = plan.layer, plan.path
            if ends_recovery(layer, path or layer.path) and not self._recoveries.may_save(layer):
                continue
            try:
                jobs.append(workspace.begin_save(layer, path, overwrite=plan.overwrite))
            except SegEditorError as error:
                failed.append((layer, error))
        if not jobs:
            self._report(workspace, [], failed)
            return False
        self._task = task = self._tasks.start(lambda _progress, _cancelled: [attempt(job) for job in jobs], "save")
        task.done.connect(lambda outcomes: self._finish(workspace, jobs, outcomes, failed))
        self.changed.emit(f"Saving {' and '.join(job.path.name for job in jobs)}…")
        return True

    def _finish(
        self,
        workspace: Workspace,
        jobs: Sequence[Save],
        outcomes: Sequence[Written | Exception],
        failed: list[tuple[Layer, Exception]],
    ) -> None:
        done: list[tuple[Save, Written]] = []
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                workspace.end_save(job, None)
                failed.append((job.layer, outcome))
                continue
            ends = ends_recovery(job.layer, outcome.path)
            workspace.end_save(job, outcome)
            done.append((job, outcome))
            if ends:
                self._recoveries.give_up(job.layer)
        self._task = None
        self.changed.emit("")
        self._report(workspace, done, failed)
        self._ended.emit()

    def _report(
        self,
        workspace: Workspace,
        done: Sequence[tuple[Save, Written]],
        failed: Sequence[tuple[Layer, Exception]],
    ) -> None:
        """Say what was written, what was not, and why."""
        said = saved_text([written for _, written in done])
        said += rest_text(workspace, [job for job, _ in done], [layer for layer, _ in failed])
        if not failed:
            if said:
                self._errors.show_note(said)
            return
        choices = [
            (SAVE_AS if layer is workspace.tumor else f"Save {layer.name} as…", partial(self.save_as, layer))
            for layer, _ in failed
        ]
        errors = [error for _, error in failed]
        details = "\n".join(filter(None, map(traceback_of, errors)))
        lines = [f"{worded(error).rstrip('.')}." for error in errors]
        self._errors.show_error(" ".join(filter(None, (*lines, said))), choices, details)


def changed_layers(workspace: Workspace) -> tuple[Layer, ...]:
    """Return the layers with unsaved changes, the segmentation first."""
    return tuple(layer for layer in workspace.layers if layer.dirty)


def ends_recovery(layer: Layer, target: Path) -> bool:
    """Whether the edits of the last session, if there are any, no longer fit once `target` is written."""
    return layer.recovery is not None and target.resolve() == layer.home.resolve()


def attempt(job: Save) -> Written | Exception:
    """Run a save; what goes wrong is the answer, so that the next one can run."""
    try:
        return job.run()
    except Exception as error:
        if not isinstance(error, SegEditorError):
            log.exception("saving failed")
        return error


def with_extension(path: Path) -> Path:
    """Return the path with ``.nii.gz``, unless it ends as a NIfTI file does."""
    return path if is_nifti_name(path) else path.with_name(f"{path.name.rstrip('.')}{_EXTENSION}")


def saved_text(written: Sequence[Written]) -> str:
    """Say which files were written, and where those before them are kept."""
    if not written:
        return ""
    files = [(w.path.name, "" if w.copy is None else f", the one before is kept as {w.copy.name}") for w in written]
    joint = ", and " if len(files) > 1 and files[0][1] else " and "
    return f"Saved {joint.join(f'{name}{kept}' for name, kept in files)}."


def rest_text(workspace: Workspace, jobs: Sequence[Save], failed: Sequence[Layer]) -> str:
    """Say what is still unsaved after `jobs`, with a space before; `failed` are left to their errors."""
    said = ""
    for layer in changed_layers(workspace):
        job = next((job for job in jobs if job.layer is layer), None)
        if job is not None:
            said += f" Edits made meanwhile are not in {'it' if len(jobs) == 1 else job.path.name}."
        elif jobs and layer not in failed:
            said += f" The changes of the {layer.name} are still unsaved."
    return said


def written_text(files: Sequence[Path]) -> str:
    """Say what a save does with files: ``writes over a.nii.gz and writes b.nii.gz``."""
    said, before = [], ""
    for file in files:
        verb = "writes over " if file.exists() else "writes "
        said.append(f"{'' if verb == before else verb}{file.name}")
        before = verb
    return " and ".join(said)


def lost_text(loss: Loss, path: Path) -> str:
    """Say what a save over a file leaves of the tumor in it, and where the file is kept."""
    left = f"; {milliliters(loss.left_ml)} would be left" if loss.left_ml else " and would be left without tumor"
    return (
        f"{path.name} holds {milliliters(loss.held_ml)} of tumor{left}. "
        f"The file as it is now is kept as {copy_path(path).name}."
    )

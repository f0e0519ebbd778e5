"""Offers the edits that a crash left behind, until the user restores or discards them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from PyQt6.QtWidgets import QMessageBox, QWidget

from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.session.journal import Recovery
from seg_editor.session.layer import TISSUE_MAP, Layer
from seg_editor.ui.error_bar import Choice, ErrorBar
from seg_editor.ui.questions import question

Confirm = Callable[[str, str, Sequence[str]], str]
RESTORE, SAVE_WITHOUT, TAKE_BACK = "Restore the edits", "Save without them", "Take back and restore"
COMPUTE, OPEN, DISCARD = "Compute the tissue map", "Open the saved map", "Discard them"


def make_confirm(window: QWidget) -> Confirm:
    """Return a question in a dialog: text, detail and choices; the answer is a choice, or ``""`` for Cancel."""

    def confirm(text: str, detail: str, choices: Sequence[str]) -> str:
        box = question(window, text, detail)
        buttons = {choice: box.addButton(choice, QMessageBox.ButtonRole.AcceptRole) for choice in choices}
        box.setDefaultButton(box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole))
        box.exec()
        pressed = box.clickedButton()
        return next((choice for choice, button in buttons.items() if button is pressed), "")

    return confirm


class Recoveries:
    """Asks about the steps of a session that ended without saving.

    Parameters
    ----------
    errors : ErrorBar
        Where the offer stands.
    confirm : callable
        See :func:`make_confirm`; looked up at every question.
    """

    def __init__(self, errors: ErrorBar, confirm: Confirm) -> None:
        self._errors = errors
        self._confirm = confirm
        self._shown: dict[str, str] = {}
        self.on_change: Callable[[], object] = lambda: None

    def offer(self, layer: Layer) -> None:
        """Offer what can be recovered of a layer, if anything, in place of an offer for a layer of that name before."""
        self._withdraw(layer.name)
        if layer.recovery is not None:
            choices = ((RESTORE, lambda: self.restore(layer)), (DISCARD, lambda: self.give_up(layer)))
            text = self._shown[layer.name] = left_text(layer.name, layer.recovery)
            self._errors.offer(text, choices)

    def offer_tissue(self, workspace: Workspace, compute: Callable[[], object], read: Callable[[], object]) -> None:
        """Offer what can be recovered of the tissue map: to restore it, or to compute or read the map first.

        Where it belongs to another map than the one there is, say to which.
        """
        self._withdraw(TISSUE_MAP)
        tissue, left = workspace.tissue, workspace.tissue_left
        if tissue is not None and tissue.recovery is not None:
            self.offer(tissue)
        elif left is not None:
            text = left_text(TISSUE_MAP, left)
            choices: list[Choice] = [(DISCARD, workspace.dismiss_tissue_steps)]
            if tissue is None:
                choices.insert(0, (COMPUTE, compute))
                if workspace.tissue_path.exists():
                    choices.insert(0, (OPEN, read))
            else:
                text = f"{text} {unfit_text(left)}"
            self._shown[TISSUE_MAP] = text
            self._errors.offer(text, choices)

    def _withdraw(self, name: str) -> None:
        if text := self._shown.pop(name, ""):
            self._errors.withdraw(text)

    def restore(self, layer: Layer) -> None:
        """Do the steps again; ask first when steps made since opening have to go for that."""
        if layer.recovery is None:
            return
        self._withdraw(layer.name)
        made = len(layer.history)
        detail = (
            "The edits of the last session belong to the labels as they were opened. "
            f"What was done since ({made} step{'s' if made > 1 else ''}) is taken back for good."
        )
        if made and not self._confirm("Take back what was done since opening?", detail, (TAKE_BACK,)):
            self.offer(layer)
            return
        try:
            steps = layer.recover(take_back=True)
        except SegEditorError as error:
            self.offer(layer)
            self._errors.show_error(error)
        else:
            self._errors.show_note(f"{steps} unsaved step{'s were' if steps != 1 else ' was'} restored.")

    def may_save(self, layer: Layer) -> bool:
        """Ask before a save after which the steps could not be restored any more."""
        if layer.recovery is None:
            return True
        chosen = self._confirm(
            "Save before the edits of the last session are restored?",
            "They belong to the labels as they were opened: after this save they cannot be restored.",
            (RESTORE, SAVE_WITHOUT),
        )
        if chosen == RESTORE:
            self.restore(layer)
        return chosen == SAVE_WITHOUT

    def give_up(self, layer: Layer) -> None:
        """Drop what can be recovered, for good."""
        layer.dismiss_recovery()
        self._withdraw(layer.name)
        self.on_change()


def left_text(name: str, recovery: Recovery) -> str:
    """Say how many edits of a layer were not saved, and when the newest was made."""
    edits = f"{recovery.steps} edit{'' if recovery.steps == 1 else 's'}"
    newest = said_time(datetime.fromtimestamp(recovery.when), datetime.now())
    return f"The last session left {edits} of the {name} unsaved (last edit: {newest})."


def unfit_text(recovery: Recovery) -> str:
    """Say which tissue map the edits need that do not fit the present one."""
    they, them = ("It needs", "it") if recovery.steps == 1 else ("They need", "them")
    needed = f"{Path(recovery.file).name} as it was then" if recovery.file else "the map as it was computed then"
    return f"{they} {needed}, not this map; the journal keeps {them}."


def said_time(when: datetime, now: datetime) -> str:
    """Say a local time as a person would: ``today 14:32``, ``yesterday 14:32``, ``2026-03-12 14:32``."""
    days = {now.date(): "today", now.date() - timedelta(days=1): "yesterday"}
    return f"{days.get(when.date(), when.date().isoformat())} {when:%H:%M}"

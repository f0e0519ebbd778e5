"""Ties the tools, operations, automatic segmentation, tissue editing and saving to the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from seg_editor.editing import Box
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.segmenting import FOUND_NOTHING

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow


def connect_editing(window: MainWindow) -> None:
    """Connect the parts of editing with the rest of the window."""
    tools, reshape, segmenting, status = window.tools, window.reshape, window.segmenting, window.status
    tools.beside = reshape.run_here
    tools.refused.connect(status.flash)
    tools.stroke_changed.connect(lambda _on: window.later())
    reshape.changed.connect(window.later)
    reshape.refused.connect(lambda why: refuse(window, why))
    reshape.applied.connect(lambda name: status.flash(f"Done: {name}"))
    reshape.progress.connect(lambda what: status.show_work(what, -1.0, reshape.cancel))
    segmenting.progress.connect(lambda what, part: status.show_work(what, part, segmenting.cancel))
    segmenting.progress.connect(lambda *_: window.later())
    segmenting.found.connect(lambda labels: offer_segmentation(window, labels))
    segmenting.failed.connect(window.errors.show_error)
    window.cases.segment = segmenting.start
    window.cases.compute_tissue = window.tissue.start
    window.cases.read_tissue = lambda: use_saved_tissue(window)
    window.cases.recoveries.on_change = window.later
    window.cases.saves.changed.connect(lambda what: status.show_work(what, -1.0))
    window.cases.saves.changed.connect(lambda _what: window.later())
    window.cases.saves.refused.connect(status.flash)
    window.tissue.edited.connect(lambda box: draw_tissue(window, box))
    window.tissue.progress.connect(lambda what, _part: None if what else window.cases.offer_tissue_steps())
    window.tissue.ready.connect(lambda labels: offer_tissue(window) if labels is not None else None)


def follow_workspace(window: MainWindow, workspace: Workspace) -> Callable[[], None]:
    """Follow the tissue layer of a case that was opened; its own history enables undo.

    Returns
    -------
    callable
        Ends it.
    """
    layer_ends: list[Callable[[], None]] = []

    def leave_layer() -> None:
        while layer_ends:
            layer_ends.pop()()

    def on_tissue() -> None:
        leave_layer()
        if workspace.tissue is not None:
            layer_ends.append(bind(window, workspace.tissue.history.changed, window.later))
            layer_ends.append(bind(window, workspace.tissue.segmentation.saved, window.later))
            layer_ends.append(bind(window, workspace.tissue.segmentation.committed, lambda _c: window.status.refresh()))
        window.later()

    end = bind(window, workspace.tissue_changed, on_tissue)

    def stop() -> None:
        end()
        leave_layer()

    return stop


def refuse(window: MainWindow, why: str) -> None:
    """Say why an operation did nothing, in the pane in use and in the status bar."""
    if window.viewer.active is not None:
        window.tools.overlays.flash(window.viewer.active, why)
    window.status.flash(why)


def offer_segmentation(window: MainWindow, labels: np.ndarray) -> None:
    """Adopt an automatic segmentation, but ask before anything that is labeled would go."""
    workspace = window.workspace
    if workspace is None:
        return
    if not labels.any():
        window.errors.show_note(FOUND_NOTHING)
        return
    segmentation = workspace.segmentation
    if segmentation.in_stroke:  # it waits for the end of the stroke

        def at_the_end(_running: bool) -> None:
            window.tools.stroke_changed.disconnect(at_the_end)
            if window.workspace is workspace:
                offer_segmentation(window, labels)

        window.tools.stroke_changed.connect(at_the_end)
        return
    lost = sum(
        segmentation.volume_ml(value) for value in segmentation.counts if value and value not in workspace.view.locked
    )
    if not lost:
        adopt(window, labels, keep=False)
        return
    window.errors.show_note(
        f"The automatic segmentation is ready. Replacing would clear the {lost:.1f} ml that are labeled now.",
        (
            ("Add where nothing is labeled", lambda: adopt(window, labels, keep=True)),
            ("Replace", lambda: adopt(window, labels, keep=False)),
            ("Drop it", lambda: None),
        ),
    )


def adopt(window: MainWindow, labels: np.ndarray, *, keep: bool) -> None:
    """Make an automatic segmentation one step."""
    try:
        done = window.segmenting.adopt(labels, keep=keep)
    except SegEditorError as error:
        window.errors.show_error(error)
        return
    workspace = window.workspace
    if not done or workspace is None:
        window.errors.show_note("The automatic segmentation changes nothing. Locked labels stay as they are.")
        return
    volume = np.count_nonzero(labels) * float(np.prod(workspace.case.grid.spacing)) / 1000.0
    window.errors.show_note(
        f"M4 marked {volume:.3g} ml as possible tumor, all of it as edema: check every slice. Undo takes it back."
    )


def draw_tissue(window: MainWindow, box: Box) -> None:
    """Draw the tissue overlay again where an edit shows."""
    for content in window.viewer.contents:
        if content.meets(box):
            content.draw_tissue()


def offer_tissue(window: MainWindow) -> None:
    """Offer the tissue map that was saved with the case, and the edits that a crash left behind."""
    workspace = window.workspace
    if workspace is None or workspace.tissue is None:
        return
    window.cases.offer_tissue_steps()
    if not workspace.knows(workspace.tissue_path):
        text = f"{workspace.tissue_path.name} holds the tissue map saved with this case."
        choices = (("Use the saved map", lambda: use_saved_tissue(window)), ("Keep the new one", lambda: None))
        window.errors.offer(text, choices)


def use_saved_tissue(window: MainWindow) -> None:
    """Take the saved tissue map; ask first when the one there is was edited."""
    workspace = window.workspace
    if workspace is None:
        return
    detail = "Its unsaved edits are lost."
    edited = workspace.tissue is not None and workspace.tissue.dirty
    if edited and not window.cases.confirm("Replace the tissue map?", detail, ("Replace",)):
        return
    try:
        window.tissue.open_saved()
    except SegEditorError as error:
        window.errors.show_error(error)

"""The Export menu: the panes as they are on screen as a PNG, and the counterfactual as files.

The picture of the view has the zoom, smoothing and overlays of the screen, twice as fine. Pictures at an integer
zoom, in which every voxel is a rectangle of equal pixels, are in the panel that goes with the counterfactual
(:mod:`seg_editor.export.panel`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PyQt6.QtCore import QObject
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QFileDialog, QWidget

from seg_editor.cases.write import refuse_protected
from seg_editor.errors import ExportError
from seg_editor.export import SYNTHETIC_ASCII, Kind, Shown, Step, sealed, view_record
from seg_editor.export.view import VIEW_CHUNK
from seg_editor.session import Workspace
from seg_editor.session.results import opened_labels
from seg_editor.ui.captions import slice_number
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.content import Pictures
from seg_editor.ui.error_bar import ErrorBar
from seg_editor.ui.generation import Generation
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.state import Role
from seg_editor.ui.viewer import Viewer
from seg_editor.ui.workers import Cancelled, Progress, Tasks

if TYPE_CHECKING:
    from seg_editor.generation.request import GenerationRequest

VIEW_TITLE = "Export the view as on screen"
FOLDER_TITLE = "Export counterfactual into a folder: volumes, pictures at integer zoom, metrics"
_NAMES = {Role.SOURCE: "source", Role.RESULT: "counterfactual", Role.DIFFERENCE: "difference"}


class Exports(QObject):
    """Writes files in the background and tells their names."""

    def __init__(self, window: QWidget, errors: ErrorBar, tasks: Tasks, viewer: Viewer, generation: Generation) -> None:
        super().__init__(window)
        self._window = window
        self._errors = errors
        self._tasks = tasks
        self._viewer = viewer
        self._generation = generation
        self.workspace: Workspace | None = None
        self.choose_png: Callable[[str], str] = self._choose_png
        self.choose_folder: Callable[[], str] = self._choose_folder
        self.on_work: Callable[[str], None] = lambda _what: None

    def _choose_png(self, start: str) -> str:
        name, _ = QFileDialog.getSaveFileName(self._window, VIEW_TITLE, start, "PNG pictures (*.png)")
        return name

    def _choose_folder(self) -> str:
        return QFileDialog.getExistingDirectory(self._window, FOLDER_TITLE)

    def png_name(self) -> str:
        """Return the suggested file name; pictures with generated pixels say so."""
        assert self.workspace is not None
        view, case = self.workspace.view, self.workspace.case
        tail = "_synthetic" if self._synthetic else ""
        number = slice_number(case, view.plane, view.cursor[int(view.plane)])
        return f"{case.case_id}_{view.modality}_slice{number}{tail}.png"

    def export_png(self) -> None:
        """Save the panes as they are on screen, twice as fine, with what they show in a text chunk."""
        if self.workspace is None:
            return
        name = self.choose_png(str(self.workspace.case.folder / self.png_name()))
        if not name:
            return
        path = Path(name if name.lower().endswith(".png") else f"{name}.png")
        if self._synthetic and "synthetic" not in path.name.lower():
            path = path.with_name(f"{path.stem}_synthetic.png")
        if path.name != Path(name).name and path.exists():  # the dialog has asked about another name
            self._errors.show_error(ExportError("is there already", path=path, remedy="Choose another name"))
            return
        try:
            save_picture(self.picture(), path, self.provenance())
        except ExportError as error:
            self._errors.show_error(error)
        else:
            self._errors.show_note(f"Saved {path}.")

    @property
    def _synthetic(self) -> bool:
        """True when a pane on display holds generated voxels."""
        return any(pane.synthetic for pane in self.shown())

    def shown(self) -> list[Shown]:
        """Return what every pane on display shows."""
        pictures, following = self._viewer.pictures, self._viewer.following
        if following.pending:
            following.finish()
        if pictures is None:
            return []
        return [shown_in(made, pictures) for made in self._viewer.contents if made.pane.isVisible()]

    def provenance(self) -> dict[str, Any]:
        """Return what the panes show, and the request of every result in sight. Plain JSON types."""
        assert self.workspace is not None
        view = self.workspace.view
        return view_record(self.workspace.case.case_id, view.cursor, view.modality, self.shown())

    def picture(self, scale: float = 2.0) -> QImage:
        """Return the panes as a picture, without what is there for the hand: buttons, and which pane is in use."""
        host = self._viewer.panes_widget
        image = QImage(host.size() * scale, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(scale)
        with self._viewer.without_controls():
            host.render(image)
        return image

    def export_result(self) -> None:
        """Write the counterfactual on display into a folder, with the mask that it was made for."""
        workspace = self.workspace
        result = None if workspace is None else workspace.results.current
        if workspace is None or result is None:
            return
        name = self.choose_folder()
        if not name:
            return
        case, measured = workspace.case, self._generation.measured()
        metrics = None if measured is None or not measured.complete else measured.metrics
        entry = workspace.results.entry(result.request.key)
        if entry is not None and entry.mask is not None:
            labels = entry.mask.labels_on(opened_labels(case))
        else:
            labels = workspace.segmentation.labels.copy()

        def work(progress: Progress, cancelled: Cancelled) -> str:
            from seg_editor.export import write_counterfactual

            written = write_counterfactual(case, result, edited_labels=labels, metrics=metrics, out=Path(name))
            return f": {written.gap}." if written.gap else "."

        self.on_work("Exporting…")
        task = self._tasks.start(work, "export")
        task.done.connect(lambda gap: self._errors.show_note(f"Exported the counterfactual into {name}{gap}"))
        task.failed.connect(self._errors.show_error)
        task.finished.connect(lambda: self.on_work(""))


def shown_in(made: PaneContent, pictures: Pictures) -> Shown:
    """Return what a pane shows: whose result, mean, deviation or step it is, and what is mixed with it."""
    rank, against, compare = made.slot.rank or 0, made.against, pictures.compare
    alone = Shown(_NAMES[made.role], made.modality, made.plane.name.lower(), made.index)
    if not made.pane.marks.synthetic:
        return alone
    first = None if against is None else against.request
    alone = replace(alone, outdated=made.pane.marks.outdated, brightness=made.pane.picture.brightness)
    if made.role is Role.SOURCE:
        return _beside(alone, first, pictures)
    spread = made.averaging and compare.ensemble is EnsembleView.SD
    if made.role is Role.RESULT and not spread:
        first, alone = None if compare.mode is Mode.PLAIN else first, replace(alone, mode=str(compare.mode))
    alone = _beside(alone, first, pictures)
    if made.averaging and pictures.ensemble is not None:
        requests = tuple(result.request for result in pictures.ensemble.results)
        return replace(alone, kind=Kind.SD if spread else Kind.MEAN, requests=requests)
    result, preview = pictures.rank(rank), pictures.preview
    if made.stepping and preview is not None:
        led_to = () if result is None or result.request.key != preview.key else (result.request,)
        step = Step(preview.k, preview.total, preview.model, preview.seed)
        return replace(alone, kind=Kind.STEP, requests=led_to, step=step)
    return replace(alone, kind=Kind.SINGLE, requests=() if result is None else (result.request,))


def _beside(shown: Shown, first: GenerationRequest | None, pictures: Pictures) -> Shown:
    """Add the result that stands in the place of the source, where there is one."""
    return replace(shown, against=first, against_outdated=first is not None and pictures.outdated(first.key))


def save_picture(image: QImage, path: Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Write a PNG beside its place and move it there; `provenance` goes into a text chunk, sealed with the pixels.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        told = dict(provenance or {})
        image.setText("Comment", SYNTHETIC_ASCII if told.get("synthetic") else "seg-editor: not for clinical use")
        if provenance is not None:
            image.setText(VIEW_CHUNK, json.dumps(sealed(told, _pixels(image)), sort_keys=True))
        if not image.save(str(beside), "PNG"):
            raise ExportError("the picture cannot be written", path=path, remedy="Choose another folder")
        refuse_protected(path)
        beside.replace(path)
    except OSError as error:
        what = f"the picture cannot be written ({error.strerror})"
        raise ExportError(what, path=path, remedy="Choose another folder") from error
    finally:
        beside.unlink(missing_ok=True)


def _pixels(image: QImage) -> np.ndarray:
    """Return the colors of an image, (rows, columns, 3)."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    bits = plain.constBits()
    assert bits is not None
    rows = np.frombuffer(bits.asstring(plain.sizeInBytes()), np.uint8).reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : 3 * plain.width()].reshape(plain.height(), plain.width(), 3)

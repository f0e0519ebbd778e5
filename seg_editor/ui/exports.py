"""The Export menu: the panes as a PNG, the counterfactual as NIfTI with panel and metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QFileDialog, QWidget

from seg_editor import __version__
from seg_editor.errors import ExportError
from seg_editor.session import Workspace
from seg_editor.session.results import opened_labels
from seg_editor.ui.captions import slice_number
from seg_editor.ui.error_bar import ErrorBar
from seg_editor.ui.generation import Generation
from seg_editor.ui.viewer import Viewer
from seg_editor.ui.workers import Cancelled, Progress, Tasks


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
        name, _ = QFileDialog.getSaveFileName(self._window, "Export picture", start, "PNG pictures (*.png)")
        return name

    def _choose_folder(self) -> str:
        return QFileDialog.getExistingDirectory(self._window, "Export counterfactual into a folder")

    def png_name(self) -> str:
        """Return the suggested file name; pictures with generated pixels say so."""
        assert self.workspace is not None
        view, case = self.workspace.view, self.workspace.case
        tail = "_synthetic" if self._synthetic else ""
        number = slice_number(case, view.plane, view.cursor[int(view.plane)])
        return f"{case.case_id}_{view.modality}_slice{number}{tail}.png"

    def export_png(self) -> None:
        """Save what the panes show, twice as fine as the screen."""
        if self.workspace is None:
            return
        name = self.choose_png(str(self.workspace.case.folder / self.png_name()))
        if not name:
            return
        path = Path(name if name.lower().endswith(".png") else f"{name}.png")
        if self._synthetic and "synthetic" not in path.name.lower():
            path = path.with_name(f"{path.stem}_synthetic.png")
        try:
            save_picture(self.picture(), path, self.provenance())
        except ExportError as error:
            self._errors.show_error(error)
        else:
            self._errors.show_note(f"Saved {path}.")

    @property
    def _synthetic(self) -> bool:
        """True when a pane on display holds generated voxels."""
        return any(made.pane.isVisible() and made.pane.marks.synthetic for made in self._viewer.contents)

    def provenance(self) -> dict[str, Any]:
        """Return what the panes show: case, slice, and the request of every result in sight. Plain JSON types."""
        workspace, pictures = self.workspace, self._viewer.pictures
        assert workspace is not None
        view = workspace.view
        told: dict[str, Any] = {
            "seg_editor": __version__,
            "case_id": workspace.case.case_id,
            "synthetic": self._synthetic,
        }
        told |= {"cursor": list(view.cursor), "modality": str(view.modality), "requests": []}
        if self._synthetic and pictures is not None:
            ranks = {made.slot.rank or 0 for made in self._viewer.contents}
            shown = [pictures.against, *(pictures.rank(rank) for rank in sorted(ranks))]
            told["requests"] = [result.request.to_dict() for result in shown if result is not None]
        return told

    def picture(self, scale: float = 2.0) -> QImage:
        """Return the panes as a picture."""
        host = self._viewer.panes_widget
        image = QImage(host.size() * scale, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(scale)
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


def save_picture(image: QImage, path: Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Write a PNG beside its place and move it there; `provenance` goes into a text chunk, as JSON.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        image.setText("Comment", "seg-editor: not for clinical use")
        if provenance is not None:
            image.setText("seg-editor", json.dumps(provenance, sort_keys=True))
        if not image.save(str(beside), "PNG"):
            raise ExportError("the picture cannot be written", path=path, remedy="Choose another folder")
        beside.replace(path)
    except OSError as error:
        what = f"the picture cannot be written ({error.strerror})"
        raise ExportError(what, path=path, remedy="Choose another folder") from error
    finally:
        beside.unlink(missing_ok=True)

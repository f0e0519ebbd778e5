"""The Export menu: the panes as a PNG, the counterfactual as NIfTI with panel and metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QFileDialog, QWidget

from seg_editor.errors import ExportError
from seg_editor.session import Workspace
from seg_editor.ui.captions import slice_number
from seg_editor.ui.error_bar import ErrorBar
from seg_editor.ui.generation import Generation
from seg_editor.ui.state import Role
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
        made = any(content.role is not Role.SOURCE for content in self._viewer.contents)
        view, case = self.workspace.view, self.workspace.case
        tail = "_synthetic" if made and self.workspace.results.current is not None else ""
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
        if "_synthetic" in self.png_name() and "synthetic" not in path.name.lower():
            path = path.with_name(f"{path.stem}_synthetic.png")
        try:
            save_picture(self.picture(), path)
        except ExportError as error:
            self._errors.show_error(error)
        else:
            self._errors.show_note(f"Saved {path}.")

    def picture(self, scale: float = 2.0) -> QImage:
        """Return the panes as a picture."""
        host = self._viewer.panes_widget
        image = QImage(host.size() * scale, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(scale)
        host.render(image)
        return image

    def export_result(self) -> None:
        """Write the counterfactual on display into a folder."""
        workspace = self.workspace
        result = None if workspace is None else workspace.results.current
        if workspace is None or result is None:
            return
        name = self.choose_folder()
        if not name:
            return
        case, metrics = workspace.case, self._generation.metrics()
        labels = workspace.segmentation.labels.copy()

        def work(progress: Progress, cancelled: Cancelled) -> Path:
            from seg_editor.export import write_counterfactual

            write_counterfactual(case, result, edited_labels=labels, metrics=metrics, out=Path(name))
            return Path(name)

        self.on_work("Exporting…")
        task = self._tasks.start(work, "export")
        task.done.connect(lambda path: self._errors.show_note(f"Exported the counterfactual into {path}."))
        task.failed.connect(self._errors.show_error)
        task.finished.connect(lambda: self.on_work(""))


def save_picture(image: QImage, path: Path) -> None:
    """Write a PNG beside its place and move it there.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        image.setText("Comment", "seg-editor: not for clinical use")
        if not image.save(str(beside), "PNG"):
            raise ExportError("the picture cannot be written", path=path, remedy="Choose another folder")
        beside.replace(path)
    except OSError as error:
        what = f"the picture cannot be written ({error.strerror})"
        raise ExportError(what, path=path, remedy="Choose another folder") from error
    finally:
        beside.unlink(missing_ok=True)

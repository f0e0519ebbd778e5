"""The viewer: panes arranged by the layout, linked, and redrawn when the state changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from seg_editor.editing import Box
from seg_editor.editing.delta import union_box
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.content import Pictures, Preview, Profile
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.pane_content import PaneContent, Slot
from seg_editor.ui.planes import Plane
from seg_editor.ui.slice_bar import SliceBar
from seg_editor.ui.state import Camera, Layout, Role, UiState

LAYOUTS: dict[Layout, tuple[Slot, ...]] = {
    Layout.SINGLE: (Slot(),),
    Layout.COMPARE: (Slot(role=Role.SOURCE), Slot(role=Role.RESULT), Slot(role=Role.DIFFERENCE)),
    Layout.PLANES: (Slot(plane=Plane.AXIAL), Slot(plane=Plane.CORONAL), Slot(plane=Plane.SAGITTAL)),
}
_CELLS: dict[Layout, tuple[tuple[int, int, int, int], ...]] = {
    Layout.SINGLE: ((0, 0, 1, 1),),
    Layout.COMPARE: ((0, 0, 1, 1), (0, 1, 1, 1), (0, 2, 1, 1)),
    Layout.PLANES: ((0, 0, 2, 1), (0, 1, 1, 1), (1, 1, 1, 1)),
}
_THROTTLE_MS = 33


class Viewer(QWidget):
    """Shows one workspace in the panes of a layout.

    Signals
    -------
    pane_made(SlicePane, PaneContent)
        A pane was made; tools connect to its mouse.
    hovered(object)
        The voxel ``(x, y, z)`` under the mouse, or None.
    """

    pane_made = pyqtSignal(object, object)
    hovered = pyqtSignal(object)

    def __init__(self, ui: UiState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("viewer")
        self._ui = ui
        self._workspace: Workspace | None = None
        self.pictures: Pictures | None = None
        self.contents: list[PaneContent] = []
        self._cameras = {plane: Camera() for plane in Plane}
        self._unbind: list[Callable[[], None]] = []
        self._active = 0
        self.live: PaneContent | None = None
        self._tissue: np.ndarray | None = None
        self._stale = False
        self._accent = QColor("#3FBFAD")
        self._grid_host = QWidget()
        self._grid_host.setObjectName("panes")
        self._grid = QGridLayout(self._grid_host)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(1)
        self.slice_bar = SliceBar()
        self.slice_bar.chosen.connect(self._go_to)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._grid_host, 1)
        row.addWidget(self.slice_bar)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(_THROTTLE_MS)
        self._late.timeout.connect(self._draw_late)
        self._waiting: set[int] = set()
        self._changed_box: Box | None = None
        self._profile = Profile()
        self._hole_key: object = None
        bind(self, ui.changed, self._on_ui)

    @property
    def panes(self) -> list[SlicePane]:
        """The panes of the layout in force."""
        return [content.pane for content in self.contents]

    @property
    def panes_widget(self) -> QWidget:
        """The widget that holds the panes, for pictures of them."""
        return self._grid_host

    @property
    def active(self) -> PaneContent | None:
        """The pane that keys act on: the one that the mouse visited last."""
        return self.contents[min(self._active, len(self.contents) - 1)] if self.contents else None

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show another case, or none."""
        for unbind in self._unbind:
            unbind()
        self._unbind = []
        self._workspace = workspace
        self._tissue = None
        self._stale = False
        self._profile, self._changed_box, self._hole_key = Profile(), None, None
        self.pictures = None if workspace is None else Pictures(workspace.case)
        for camera in self._cameras.values():
            camera.fit()
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.view.changed, self._on_view),
                bind(self, workspace.segmentation.changed, self._on_labels),
                bind(self, workspace.results.changed, self._on_results),
            ]
        self._rebuild()

    def _rebuild(self) -> None:
        for made in self.contents:
            self._grid.removeWidget(made.pane)
            made.pane.hide()
            made.pane.deleteLater()
        self.contents = []
        workspace, pictures = self._workspace, self.pictures
        if workspace is None or pictures is None:
            return
        self._active = 0
        layout = self._ui.layout
        for slot, cell in zip(LAYOUTS[layout], _CELLS[layout], strict=True):
            pane = SlicePane(self._grid_host)
            made = PaneContent(pane, slot, workspace, self._ui, pictures)
            made.tissue_map, made.stale, made.accent = self._tissue, self._stale, self._accent
            self.contents.append(made)
            self._grid.addWidget(pane, *cell)
            pane.moved.connect(lambda p, made=made: self._on_move(made, p))
            pane.left.connect(lambda: self.hovered.emit(None))
            pane.double_clicked.connect(lambda _p, made=made: self._toggle_maximized(made))
            self.pane_made.emit(pane, made)
        split = layout is Layout.PLANES
        self._grid.setColumnStretch(0, 3 if split else 1)
        self._grid.setColumnStretch(1, 2 if split else (1 if layout is Layout.COMPARE else 0))
        self._grid.setColumnStretch(2, 1 if layout is Layout.COMPARE else 0)
        self._grid.setRowStretch(0, 1)
        self._grid.setRowStretch(1, 1 if split else 0)
        self._place()
        self.draw()

    def _place(self) -> None:
        for number, made in enumerate(self.contents):
            made.pane.set_camera(self._cameras[made.plane])
            made.pane.setVisible(self._ui.maximized in (None, number))

    def _toggle_maximized(self, made: PaneContent) -> None:
        if len(self.contents) > 1:
            number = self.contents.index(made)
            self._ui.maximized = None if self._ui.maximized == number else number

    def set_theme(self, accent: QColor) -> None:
        """Take the accent color of the theme."""
        self._accent = accent
        self.slice_bar.set_accent(accent)
        for made in self.contents:
            made.accent = made.pane.marks.accent = accent
            made.pane.refresh()

    def set_tissue(self, labels: np.ndarray | None) -> None:
        """Give the tissue map for the overlay."""
        self._tissue = labels
        for made in self.contents:
            made.tissue_map = labels
            made.draw_tissue()

    def set_stale(self, stale: bool) -> None:
        """Say whether the mask changed since the result on display."""
        if stale != self._stale:
            self._stale = stale
            for made in self.contents:
                made.stale = stale
                made.draw_picture()

    def set_preview(self, preview: Preview | None) -> None:
        """Show a step of the running generation in the counterfactual panes, or stop doing so."""
        if self.pictures is not None:
            self.pictures.preview = preview
            for made in self.contents:
                if made.role is not Role.SOURCE:
                    made.draw_picture()

    def draw(self) -> None:
        """Redraw everything."""
        for made in self.contents:
            made.draw()
        self._update_bar()

    def fit(self) -> None:
        """Show the whole picture in every pane."""
        for camera in self._cameras.values():
            camera.fit()

    def zoom(self, factor: float) -> None:
        """Zoom the active pane about its middle."""
        if self.active is not None:
            pane = self.active.pane
            pane.zoom_at(pane.rect().center().toPointF(), factor)

    def step(self, slices: int) -> None:
        """Move the active pane's plane by some slices."""
        if self.active is not None:
            self._go_to(self.active.index + slices)

    def _go_to(self, index: int) -> None:
        made, workspace = self.active, self._workspace
        if made is not None and workspace is not None:
            cursor = list(workspace.view.cursor)
            cursor[int(made.plane)] = min(max(index, 0), made.view.count - 1)
            workspace.view.cursor = (cursor[0], cursor[1], cursor[2])

    def _on_move(self, made: PaneContent, pointer: object) -> None:
        number = self.contents.index(made)
        if number != self._active and self.live is None:
            self._active = number
            self._update_bar()
        u, v = getattr(pointer, "u", 0.0), getattr(pointer, "v", 0.0)
        point = made.view.to_voxel(u, v, made.index)
        voxel = tuple(int(np.floor(c + 0.5)) for c in point)
        inside = all(0 <= i < n for i, n in zip(voxel, made.view.shape, strict=True))
        self.hovered.emit(voxel if inside else None)

    def _on_ui(self, name: str) -> None:
        if name == "layout":
            self._ui.maximized = None
            self._rebuild()
        elif name == "maximized":
            self._place()
        elif name in ("picture", "radiological", "smooth", "peek"):
            self.draw()
        elif name == "tissue":
            for made in self.contents:
                made.draw_tissue()
        elif name == "hidden_labels":
            for made in self.contents:
                made.draw_labels()
        elif name in ("tool", "crosshair"):
            for made in self.contents:
                made.draw_marks()

    def _on_view(self, name: str) -> None:
        if name == "cursor":
            for made in self.contents:
                made.follow_cursor()
            self._update_bar()
        elif name == "plane":
            self._place()
            self.draw()
        elif name in ("modality", "windows"):
            for made in self.contents:
                made.draw_picture()
        elif name in ("overlay", "outline"):
            for made in self.contents:
                made.draw_labels()
        elif name in ("opacity", "fill"):
            for made in self.contents:
                made.color_labels()
        elif name == "brush":
            for made in self.contents:
                made.draw_marks()

    def _on_labels(self, box: Box) -> None:
        self._changed_box = box if self._changed_box is None else union_box(self._changed_box, box)
        for number, made in enumerate(self.contents):
            if not made.meets(box):
                continue
            if self.live is None or made is self.live:
                made.draw_labels()
            else:
                self._waiting.add(number)
        if not self._late.isActive():
            self._late.start()

    def _draw_late(self) -> None:
        for number in sorted(self._waiting):
            if number < len(self.contents):
                self.contents[number].draw_labels()
        self._waiting.clear()
        if self.live is None:
            self._update_bar()
        else:
            self._late.start()

    def _on_results(self) -> None:
        if self._workspace is not None and self.pictures is not None:
            self.pictures.set_result(self._workspace.results.current)
            for made in self.contents:
                made.draw()
            self._update_bar()

    def _update_bar(self) -> None:
        made, workspace = self.active, self._workspace
        if made is None or workspace is None:
            self.slice_bar.show_slices(0, 0)
            return
        self.slice_bar.show_slices(made.index, made.view.count)
        box, self._changed_box = self._changed_box, None
        if box is not None or self._profile.plane is not made.plane:
            self._profile.recount(workspace.segmentation.labels, made.plane, box)
            self.slice_bar.show_tumor(self._profile.counts)
        key = (made.plane, id(workspace.results.current))
        if key != self._hole_key:
            self._hole_key = key
            result = workspace.results.current
            axes = tuple(axis for axis in range(3) if axis != int(made.plane))
            self.slice_bar.show_hole(None if result is None else np.asarray(result.hole.mask.any(axis=axes)))

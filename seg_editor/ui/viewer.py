"""The viewer: panes arranged by the layout, linked, and redrawn when the state changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QApplication, QHBoxLayout, QWidget

from seg_editor.editing import Box
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.chrome import STRIP
from seg_editor.ui.content import Pictures, Preview
from seg_editor.ui.following import Following
from seg_editor.ui.label_updates import LabelUpdates
from seg_editor.ui.layouts import Plan, Slot, plan_of
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.pane_grid import PaneGrid
from seg_editor.ui.planes import Plane
from seg_editor.ui.slice_bar import SliceBar
from seg_editor.ui.state import Camera, Role, Tool, UiState
from seg_editor.ui.surface_model import SurfaceModel
from seg_editor.ui.surface_pane import SurfacePane
from seg_editor.ui.workers import Tasks

_PARTS: dict[Callable[[PaneContent], None], tuple[str, ...]] = {
    PaneContent.draw_picture: ("windows",),
    PaneContent.draw_labels: ("overlay", "outline"),
    PaneContent.color_labels: ("opacity", "fill"),
    PaneContent.recolor_labels: ("hidden_labels", "label_colors"),
    PaneContent.draw_tissue: ("tissue",),
    PaneContent.color_tissue: ("tissue_opacity",),
    PaneContent.draw_marks: ("tool", "crosshair", "brush"),
}
"""What every pane draws again, and the fields of view and window state that it depends on."""


class Viewer(QWidget):
    """Shows one workspace in the panes of a layout.

    Attributes
    ----------
    pinned : callable() -> bool
        Whether something is being drawn in the panes, so that they stay; call :meth:`fit_plan` when it ends.

    Signals
    -------
    pane_made(SlicePane, PaneContent)
        A pane was made; tools connect to its mouse.
    hovered(object)
        The voxel ``(x, y, z)`` under the mouse, or None.
    panes_going()
        The panes are about to be replaced; what is being drawn in them ends now.
    """

    panes_going = pyqtSignal()
    pane_made = pyqtSignal(object, object)
    hovered = pyqtSignal(object)

    def __init__(self, ui: UiState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("viewer")
        self._ui = ui
        self._tasks = Tasks(self)
        self._workspace: Workspace | None = None
        self.pictures: Pictures | None = None
        self.contents: list[PaneContent] = []
        self.surface: SurfacePane | None = None
        self._surfaces: SurfaceModel | None = None
        self._cameras = {plane: Camera() for plane in Plane}
        self._unbind: list[Callable[[], None]] = []
        self._active = 0
        self._plan: Plan | None = None
        self._tissue: np.ndarray | None = None
        self._footer = 0.0
        self._accent = QColor("#3FBFAD")
        self._grid = PaneGrid()
        self.slice_bar = SliceBar()
        self.slice_bar.chosen.connect(self._go_to)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._grid, 1)
        row.addWidget(self.slice_bar)
        self.label_updates = LabelUpdates(lambda: self.contents, self._update_bar, self)
        self.following = Following(lambda: self.contents, lambda: self.active, self._update_bar, self)
        self.pinned: Callable[[], bool] = lambda: False
        bind(self, ui.changed, self._on_ui)

    @property
    def panes(self) -> list[SlicePane]:
        """The panes of the layout in force."""
        return [content.pane for content in self.contents]

    @property
    def panes_widget(self) -> QWidget:
        """The widget that holds the panes, for pictures of them."""
        return self._grid

    @property
    def active(self) -> PaneContent | None:
        """The pane that keys act on: the one that the mouse visited last."""
        return self.contents[min(self._active, len(self.contents) - 1)] if self.contents else None

    @property
    def planes(self) -> frozenset[int]:
        """Normals of the planes on display."""
        return frozenset(int(made.plane) for made in self.contents if not made.pane.isHidden())

    @property
    def shown_result(self) -> Counterfactual | None:
        """The counterfactual that belongs to the active pane."""
        made = self.active
        return None if made is None or self.pictures is None else self.pictures.rank(made.slot.rank or 0)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show another case, or none."""
        for unbind in self._unbind:
            unbind()
        self._unbind = []
        self._workspace = workspace
        self._tissue = None
        self._footer = 0.0 if workspace is None or not workspace.results.entries else STRIP
        self.slice_bar.set_workspace(workspace)
        self._clear()
        if self._surfaces is not None:
            self._surfaces.end()
            self._surfaces = None
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

    def shut_down(self) -> None:
        """End the background work."""
        self._tasks.shut_down()

    def _rebuild(self) -> None:
        self._plan = None
        self.panes_going.emit()
        focus = QApplication.focusWidget()
        keyboard_here = focus is not None and self.isAncestorOf(focus)
        self._clear()
        workspace, pictures = self._workspace, self.pictures
        if workspace is None or pictures is None:
            return
        self._active = 0
        plan = self._plan = plan_of(self._ui.layout, len(pictures.others) + 1)
        self._grid.arrange(plan, [self._make_pane(slot, workspace, pictures) for slot in plan.slots])
        self._place()
        self.draw()
        if keyboard_here:
            self.contents[0].pane.setFocus()

    def fit_plan(self) -> None:
        """Take more panes, or fewer, where the layout shows as many results as there are, and none is drawn in."""
        pictures = self.pictures
        if pictures is None or self._plan is None or self.pinned():
            return
        if plan_of(self._ui.layout, len(pictures.others) + 1) is not self._plan:
            self._rebuild()

    def _clear(self) -> None:
        if self.surface is not None:
            self.surface.shut_down()
        self._grid.clear()
        self.contents, self.surface = [], None

    def _make_pane(self, slot: Slot, workspace: Workspace, pictures: Pictures) -> QWidget:
        if slot.surface:
            return self._make_surface(workspace, pictures)
        pane = SlicePane(self._grid)
        made = PaneContent(pane, slot, workspace, self._ui, pictures)
        made.tissue_map, made.accent = self._tissue, self._accent
        pane.set_footer(self._footer)
        self.contents.append(made)
        pane.moved.connect(lambda p: self._on_move(made, p))
        pane.pressed.connect(lambda _p: self._activate(made))
        pane.wheeled.connect(lambda _p, _notches: self._activate(made))
        pane.left.connect(lambda: self.hovered.emit(None))
        pane.double_clicked.connect(lambda _p: self._toggle_maximized(made))
        self.pane_made.emit(pane, made)
        return pane

    def _make_surface(self, workspace: Workspace, pictures: Pictures) -> SurfacePane:
        if self._surfaces is None:
            self._surfaces = SurfaceModel(workspace, self._tasks, self)
        box = pictures.brain_box
        self.surface = pane = SurfacePane(workspace, self._ui, self._surfaces, self._tasks, box, self._grid)
        pane.accent, pane.footer = self._accent, self._footer
        pane.focus_changed.connect(self._mark_active)
        pane.double_clicked.connect(lambda: self._toggle_maximized(None))
        return pane

    def _place(self) -> None:
        for made in self.contents:
            made.pane.set_camera(self._cameras[made.plane])
        self._grid.show_only(self._ui.maximized)
        self._mark_active()

    @property
    def _surface_active(self) -> bool:
        return self.surface is not None and self.surface.hasFocus()

    def _mark_active(self) -> None:
        several = self._ui.maximized is None and len(self.contents) > 1 and not self._surface_active
        for number, made in enumerate(self.contents):
            active = several and number == self._active
            if made.pane.marks.active != active:
                made.pane.marks.active = active
                made.pane.refresh()

    @contextmanager
    def without_controls(self) -> Iterator[None]:
        """The panes without buttons and without the line over the active one, for a picture of them."""
        active = [made.pane.marks for made in self.contents if made.pane.marks.active]
        for marks in active:
            marks.active = False
        if self.surface is not None:
            self.surface.set_bare(True)
        try:
            yield
        finally:
            for marks in active:
                marks.active = True
            if self.surface is not None:
                self.surface.set_bare(False)

    def _toggle_maximized(self, made: PaneContent | None) -> None:
        if len(self.contents) > 1 and self._ui.tool is not Tool.POLYGON:
            number = len(self.contents) if made is None else self.contents.index(made)
            self._ui.maximized = None if self._ui.maximized == number else number

    def toggle_maximized(self) -> None:
        """Let the active pane fill the viewer, or bring the others back."""
        if self._ui.maximized is not None:
            self._ui.maximized = None
        elif self.active is not None:
            self._toggle_maximized(None if self._surface_active else self.active)

    def next_pane(self) -> None:
        """Let the keys act on the next pane."""
        stops: list[QWidget] = [*self.panes, *([self.surface] if self.surface is not None else [])]
        if not stops:
            return
        number = ((len(self.contents) if self._surface_active else self._active) + 1) % len(stops)
        if number < len(self.contents):
            self._active = number
        if self._ui.maximized is not None:
            self._ui.maximized = number
        stops[number].setFocus()
        self._mark_active()
        self._update_bar()

    def set_theme(self, accent: QColor) -> None:
        """Take the accent color of the theme."""
        self._accent = accent
        self.slice_bar.set_accent(accent)
        for made in self.contents:
            made.accent = made.pane.marks.accent = accent
            made.pane.refresh()
        if self.surface is not None:
            self.surface.accent = accent
            self.surface.update()

    def set_tissue(self, labels: np.ndarray | None) -> None:
        """Give the tissue map for the overlay."""
        self._tissue = labels
        for made in self.contents:
            made.tissue_map = labels
            made.draw_tissue()

    def follow_age(self) -> None:
        """Say in every pane whether the mask changed since its picture was made."""
        for made in self.contents:
            made.follow_age()

    def set_preview(self, preview: Preview | None) -> None:
        """Show a step of the running generation in the counterfactual panes, or stop doing so."""
        if self.pictures is not None:
            self.pictures.preview = preview
            if preview is not None:
                self.make_room()
            for made in self.contents:
                if made.role is not Role.SOURCE:
                    made.draw_picture()

    def make_room(self) -> None:
        """Keep room for the warning strip in every pane, so that linked panes stay alike; it stays for this case."""
        if self._footer:
            return
        self._footer = STRIP
        for pane in self.panes:
            pane.set_footer(STRIP)
        if self.surface is not None:
            self.surface.footer = STRIP
            self.surface.update()

    def draw(self) -> None:
        """Redraw everything."""
        for made in self.contents:
            made.draw()
        self._update_bar()

    def fit(self) -> None:
        """Show the whole picture in every pane."""
        for camera in self._cameras.values():
            camera.fit()
        if self.surface is not None:
            self.surface.fit()

    def zoom(self, factor: float) -> None:
        """Zoom the active pane about its middle."""
        if self.surface is not None and self._surface_active:
            self.surface.zoom(factor)
        elif self.active is not None:
            pane = self.active.pane
            pane.zoom_at(pane.rect().center().toPointF(), factor)

    def pan(self, across: float, down: float) -> None:
        """Move the picture of the active pane by fractions of the pane."""
        if self.surface is not None and self._surface_active:
            self.surface.move_by(across * self.surface.width(), down * self.surface.height())
        elif self.active is not None:
            pane = self.active.pane
            pane.pan(across * pane.width(), down * pane.height())

    def auto_window(self) -> None:
        """Set brightness and contrast of the active pane's modality from its whole volume."""
        if self.active is not None and self._workspace is not None:
            self._workspace.view.set_window(self.active.modality, None)

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

    def _activate(self, made: PaneContent) -> None:
        """Let the keys act on a pane, unless a stroke is running in another."""
        number = self.contents.index(made) if made in self.contents else self._active
        if number != self._active and self.label_updates.live is None:
            self._active = number
            self._mark_active()
            self.following.later()

    def _on_move(self, made: PaneContent, pointer: object) -> None:
        self._activate(made)
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
        elif name in ("picture", "radiological", "nose_left", "smooth", "peek"):
            self.draw()
        else:
            self._draw_parts(name)

    def _on_view(self, name: str) -> None:
        if name == "cursor":
            self.following.follow()
        elif name == "plane":
            self._place()
            self.draw()
        elif name == "modality":
            for made in self.contents:
                if made.slot.modality is None:
                    made.draw_picture()
        else:
            self._draw_parts(name)

    def _draw_parts(self, name: str) -> None:
        for draw, fields in _PARTS.items():
            if name in fields:
                for made in self.contents:
                    draw(made)

    def _on_labels(self, box: Box) -> None:
        self.slice_bar.note_change(box)
        self.follow_age()
        if self.following.jumping:
            self.following.relabel(box)
            return
        if self.following.pending:
            self.following.finish()
        self.label_updates.draw(box)

    def _on_results(self) -> None:
        if self._workspace is not None and self.pictures is not None:
            self.pictures.set_result(self._workspace.results.current)
            if self._workspace.results.current is not None:
                self.make_room()
            for made in self.contents:
                made.draw()
            self._update_bar()

    def _update_bar(self) -> None:
        made = self.active
        if made is not None and self._workspace is not None:
            self.slice_bar.follow(made.view, made.index)

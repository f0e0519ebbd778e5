"""Fills one pane: follows the cursor, the modality, the labels and the result, and redraws only what changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PyQt6.QtGui import QColor

from seg_editor.editing import Box
from seg_editor.session import Workspace
from seg_editor.ui import chrome, content
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.planes import Plane, PlaneView, boundary_segments, plane_name
from seg_editor.ui.state import Role, UiState
from seg_editor.ui.theme import TISSUE_COLORS, label_colors
from seg_editor.ui.windowing import to_gray

NEEDS_REMOVAL = "Remove the tumor (or erase a part of it), then press Generate."
NEEDS_RUN = "Press Generate to see this brain without the removed tumor."
NOT_THIS_SLICE = "nothing generated in this slice"
NOT_GENERATED = "not generated"
EARLIER_MASK = "from an earlier mask"
_FRAME_MM = 8.0
_GHOST = QColor(235, 239, 243, 190)


@dataclass(frozen=True)
class Slot:
    """What a pane of a layout shows; None leaves it to the state."""

    plane: Plane | None = None
    role: Role | None = None


class PaneContent:
    """Binds one :class:`SlicePane` to a workspace. The viewer calls it; it never calls the viewer."""

    def __init__(
        self, pane: SlicePane, slot: Slot, workspace: Workspace, ui: UiState, pictures: content.Pictures
    ) -> None:
        self.pane = pane
        self.slot = slot
        self._workspace = workspace
        self._ui = ui
        self._pictures = pictures
        self._drawn: tuple[PlaneView, int] | None = None
        self.tissue_map: np.ndarray | None = None
        self.stale = False
        self.accent = QColor("#3FBFAD")
        self.brush_color: QColor | None = None

    @property
    def plane(self) -> Plane:
        """The plane on display."""
        return self._workspace.view.plane if self.slot.plane is None else self.slot.plane

    @property
    def role(self) -> Role:
        """The picture on display; the source while the user peeks."""
        if self._ui.peek:
            return Role.SOURCE
        return self._ui.picture if self.slot.role is None else self.slot.role

    @property
    def index(self) -> int:
        """The slice on display."""
        return self._workspace.view.cursor[int(self.plane)]

    @property
    def view(self) -> PlaneView:
        """Geometry of the plane on display."""
        grid = self._workspace.case.grid
        return PlaneView(self.plane, grid.shape, grid.spacing, self._ui.radiological)

    def follow_cursor(self) -> None:
        """Redraw after the cursor moved: everything if the slice changed, else only the crosshair."""
        if self._drawn != (self.view, self.index):
            self.draw()
        else:
            self.draw_marks()

    def draw(self) -> None:
        """Redraw every layer."""
        self.draw_picture()
        self.draw_tissue()
        self.draw_labels()

    def draw_picture(self) -> None:
        """Redraw the gray picture or the difference, and the marks."""
        view, index = self.view, self.index
        self._drawn = (view, index)
        box = self._pictures.brain_box
        self.pane.set_view(view, None if box is None else view.region(box, _FRAME_MM))
        state = self._workspace.view
        modality, window = state.modality, state.window()
        crop = None if box is None else view.crop(box)
        source = self._pictures.source(modality, view, index)
        role = self.role
        generated = None if role is Role.SOURCE else self._pictures.generated(modality, view, index)
        signed = role is Role.DIFFERENCE and generated is not None
        item, difference = self.pane.picture, self.pane.difference
        item.smooth = self._ui.smooth
        shown = source if generated is None or signed else generated
        part = crop or (slice(None), slice(None))
        item.show_levels(to_gray(shown[part], window, self._strength(role, signed, generated is None)), view, crop)
        if signed and generated is not None:
            difference.setLookupTable(chrome.difference_table(), update=False)
            difference.show_levels(content.difference_picture(source[part], generated[part], window), view, crop)
        difference.setVisible(signed)
        self._mark(role, generated is not None)
        self.draw_marks()

    def _strength(self, role: Role, signed: bool, missing: bool) -> float:
        if role is Role.SOURCE:
            return 1.0
        if signed:
            return 0.22
        return 0.35 if missing else 0.6 if self.stale and self._pictures.preview is None else 1.0

    def _mark(self, role: Role, generated: bool) -> None:
        marks, state = self.pane.marks, self._workspace.view
        view, index = self.view, self.index
        marks.accent = self.accent
        marks.ambiguous = bool(getattr(self._workspace.case.grid, "ambiguous", False))
        marks.title = role.display
        marks.subtitle = f"{state.modality.display} · {plane_name(view.plane)} {index + 1} / {view.count}"
        low, high = state.window()
        marks.corner = f"W {high - low:.4g}  L {(high + low) / 2:.4g}"
        marks.synthetic = role is not Role.SOURCE and generated
        marks.badge = ""
        marks.message = ""
        marks.color_bar = None
        if role is Role.SOURCE:
            return
        preview = self._pictures.preview
        if not generated and preview is not None:
            marks.message = f"Generating axial slice {preview.slice_index + 1}…"
            return
        if not generated:
            any_hole = bool(self._workspace.segmentation.revision) or self._workspace.results.current is not None
            marks.message = NEEDS_RUN if any_hole else NEEDS_REMOVAL
            return
        previewing = preview is not None
        if not previewing:
            marks.badge = self._badge(view, index)
            if view.plane is not Plane.AXIAL and not self._pictures.covers(view, index):
                marks.subtitle += f" · {NOT_THIS_SLICE}"
        if role is Role.DIFFERENCE:
            marks.corner = ""
            reach = content.difference_reach(state.window())
            text = f"{reach:.0f}" if reach >= 10 else f"{reach:.2g}"
            marks.color_bar = (f"−{text}", f"+{text}")

    def _badge(self, view: PlaneView, index: int) -> str:
        result = self._pictures.result
        if result is None:
            return ""
        made = result.slices
        if view.plane is Plane.AXIAL and index not in made:
            return NOT_GENERATED
        if self.stale:
            return EARLIER_MASK
        if view.plane is not Plane.AXIAL and self._holes(view, index) - set(made):
            return f"only {len(made)} axial {'slice' if len(made) == 1 else 'slices'} generated"
        return ""

    def _holes(self, view: PlaneView, index: int) -> set[int]:
        """Axial slices in which the tumor was removed, as far as this coronal or sagittal slice meets them."""
        segmentation, axis = self._workspace.segmentation, int(view.plane)
        gone = (segmentation.original.take(index, axis) > 0) & (segmentation.labels.take(index, axis) == 0)
        return set(np.flatnonzero(gone.any(axis=0)).tolist())

    def draw_marks(self) -> None:
        """Redraw the crosshair and the brush outline."""
        ui, state = self._ui, self._workspace.view
        x, y, z = state.cursor
        self.pane.marks.crosshair = self.view.to_plane((x, y, z)) if ui.crosshair else None
        self.pane.brush = (str(state.brush.shape), state.brush.radius_mm) if ui.tool.brushes else None
        self.pane.refresh()

    def draw_tissue(self) -> None:
        """Redraw the tissue overlay."""
        shown = self._ui.tissue and self.tissue_map is not None and self.role is Role.SOURCE
        if shown and self.tissue_map is not None:
            colors = {i + 1: QColor(c).getRgb()[:3] for i, c in enumerate(TISSUE_COLORS)}
            self.pane.tissue.setLookupTable(content.label_table(colors, 0.45), update=False)
            self.pane.tissue.show_levels(content.label_codes(self.tissue_map, self.view, self.index), self.view)
        self.pane.tissue.setVisible(shown)

    def draw_labels(self) -> None:
        """Redraw label fill and outlines of this slice."""
        state, segmentation = self._workspace.view, self._workspace.segmentation
        pane, view, index = self.pane, self.view, self.index
        if not state.overlay:
            pane.labels.setVisible(False)
            pane.set_outlines([])
            return
        codes = self._pictures.labels(segmentation.labels, segmentation.revision, view, index)
        crop = content.used_part(codes)
        if crop is not None and self.role is not Role.DIFFERENCE:
            self.color_labels()
            pane.labels.show_levels(np.ascontiguousarray(codes[crop]), view, crop)
            pane.labels.setVisible(True)
        else:
            pane.labels.setVisible(False)
        self._outline(codes)

    def _outline(self, codes: np.ndarray) -> None:
        state, ui = self._workspace.view, self._ui
        if not state.outline:
            self.pane.set_outlines([])
            return
        view = self.view
        colors = label_colors(self._workspace.case.scheme)
        shown = [value for value in colors if value not in ui.hidden_labels]
        outlines = [
            (points, QColor(*colors[value])) for value, points in content.label_outlines(codes, view, shown)
        ]
        hole = None if self.role is Role.SOURCE else self._pictures.hole(view, self.index)
        if hole is not None and hole.any():
            outlines.append((boundary_segments(hole, view.step), _GHOST))
        elif self._workspace.segmentation.revision:
            gone = (view.cut(self._workspace.segmentation.original, self.index) > 0) & (codes == 0)
            outlines.append((boundary_segments(gone, view.step), _GHOST))
        self.pane.set_outlines(outlines)

    def color_labels(self) -> None:
        """Change colors, opacity and visibility of the labels without touching a pixel."""
        state = self._workspace.view
        colors = label_colors(self._workspace.case.scheme)
        table = content.label_table(colors, state.opacity, self._ui.hidden_labels, fill=state.fill)
        self.pane.labels.setLookupTable(table)

    def meets(self, box: Box) -> bool:
        """True when a change in `box` shows in this pane."""
        return self.view.holds(box, self.index)

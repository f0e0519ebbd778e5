"""Draws what lies over the picture of a pane: labels, outlines, tissue, and what the referee sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PyQt6.QtGui import QColor

from seg_editor.cases import Modality
from seg_editor.session import Workspace
from seg_editor.ui import content
from seg_editor.ui.captions import slice_number
from seg_editor.ui.compare import Mode
from seg_editor.ui.comparison import Comparison
from seg_editor.ui.layouts import Slot
from seg_editor.ui.pane import Outline, SlicePane
from seg_editor.ui.planes import Plane, PlaneView, boundary_segments, dashes
from seg_editor.ui.state import Role, UiState
from seg_editor.ui.theme import TISSUE_COLORS, label_colors

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual

_DASH_MM = 2.0
_GHOST = QColor(235, 239, 243, 190)
_REFEREE = QColor(255, 102, 178)
REMOVED_LINE = "dashed: removed"
GENERATED_LINE = "white: generated"
REFEREE_LINE = "pink: referee"
REFEREE_NONE = "referee: no tumor seen"
REFEREE_PART = "referee: {} only"


class PaneLabels:
    """What a pane shows of which slice, and labels, outlines, tissue and the referee's view over it."""

    def __init__(
        self, pane: SlicePane, slot: Slot, workspace: Workspace, ui: UiState, pictures: content.Pictures
    ) -> None:
        self.pane = pane
        self.slot = slot
        self._workspace = workspace
        self._ui = ui
        self._pictures = pictures
        self._view: tuple[tuple[Plane, bool, bool], PlaneView] | None = None
        self._comparison: Comparison | None = None
        self.tissue_map: np.ndarray | None = None
        self._told = False

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
    def modality(self) -> Modality:
        """The modality on display; it may be one that the case lacks."""
        return self._workspace.view.modality if self.slot.modality is None else self.slot.modality

    @property
    def index(self) -> int:
        """The slice on display."""
        return self._workspace.view.cursor[int(self.plane)]

    @property
    def view(self) -> PlaneView:
        """Geometry of the plane on display."""
        key = (self.plane, self._ui.radiological, self._ui.nose_left)
        if self._view is None or self._view[0] != key:
            grid = self._workspace.case.grid
            self._view = key, PlaneView(key[0], grid.shape, grid.spacing, *key[1:])
        return self._view[1]

    @property
    def averaging(self) -> bool:
        """True when the pane shows mean or deviation of several seeds."""
        return self._comparison is not None and self._comparison.averaged is not None

    @property
    def against(self) -> Counterfactual | None:
        """The result in the place of the source, where it has generated voxels in this slice."""
        return self._pictures.compared(self.modality, self.view, self.index)

    @property
    def stepping(self) -> bool:
        """True when the pane shows a step of a run in place of its result."""
        shown, preview = self.role is not Role.SOURCE and not self.slot.rank, self._pictures.preview
        if not shown or self.averaging or preview is None or not self._pictures.previewed(self.view, self.index):
            return False
        return self.modality in preview.pictures

    def draw_tissue(self) -> None:
        """Redraw the tissue overlay."""
        shown = self._ui.tissue and self.tissue_map is not None and self.role is Role.SOURCE
        if shown and self.tissue_map is not None:
            self.color_tissue()
            self.pane.tissue.show_levels(content.label_codes(self.tissue_map, self.view, self.index), self.view)
        self.pane.tissue.setVisible(shown)

    def color_tissue(self) -> None:
        """Change the opacity of the tissue overlay without touching a pixel."""
        colors = {i + 1: QColor(c).getRgb()[:3] for i, c in enumerate(TISSUE_COLORS)}
        self.pane.tissue.setLookupTable(content.label_table(colors, self._workspace.view.tissue_opacity))

    @property
    def _labels_shown(self) -> bool:
        return self._workspace.view.overlay and self.modality in self._workspace.case.volumes

    def draw_labels(self) -> None:
        """Redraw label fill and outlines of this slice."""
        segmentation = self._workspace.segmentation
        pane, view, index = self.pane, self.view, self.index
        if not self._labels_shown:
            pane.labels.setVisible(False)
            self._draw_outlines([], [])
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
            self._draw_outlines([], [])
            return
        view = self.view
        colors = label_colors(self._workspace.case.scheme, self._ui.label_colors)
        found = self._pictures.outlines(codes, self._workspace.segmentation.revision, view, self.index)
        outlines = [Outline(points, QColor(*colors[v])) for v, points in found if v not in ui.hidden_labels]
        legend = []
        rank = self.slot.rank or 0
        lacks = self.role is not Role.SOURCE and self._lacks_modality
        shown = self.against if self.role is Role.SOURCE else self._pictures.rank(rank)
        made = self._pictures.hole_outline(None if lacks else shown, view, self.index)
        if made.size:
            outlines.append(Outline(made, _GHOST, halo=True))
            legend.append(GENERATED_LINE)
        elif self._workspace.segmentation.revision:
            gone = (view.cut(self._workspace.segmentation.original, self.index) > 0) & (codes == 0)
            if gone.any():
                lines = dashes(boundary_segments(gone, view.step), _DASH_MM)
                outlines.append(Outline(lines, _GHOST, halo=True))
                legend.append(REMOVED_LINE)
        self._told = self._judged
        seen = self._pictures.seen(self.role, view, self.index, rank) if self._told else None
        if seen is not None and self._pictures.compare.referee:
            outlines.append(Outline(boundary_segments(seen, view.step), _REFEREE, halo=True))
            legend.insert(0, self._verdict(bool(seen.any())))
        self._draw_outlines(outlines, legend)

    @property
    def _lacks_modality(self) -> bool:
        """True when there is a result for this pane, and its model did not make the modality on display."""
        result = self._pictures.rank(self.slot.rank or 0)
        return result is not None and self.modality not in result.modalities

    @property
    def _judged(self) -> bool:
        """True when the pane shows a picture that the referee looks at: no mixture, no mean and no step of a run."""
        if self.role is not Role.RESULT:
            return self.role is Role.SOURCE
        shown = self._comparison
        if shown is None or shown.second is None or shown.averaged is not None or self._lacks_modality:
            return False
        return self._pictures.compare.mode is Mode.PLAIN and not self.stepping

    def _verdict(self, tumor: bool) -> str:
        """What the referee says, and about which part of this slice where it did not look at all of it."""
        part = self._pictures.unseen(self.role, self.view, self.index, self.slot.rank or 0)
        if part is None:
            return REFEREE_LINE if tumor else REFEREE_NONE
        number = slice_number(self._workspace.case, Plane.AXIAL, part[0])
        where = f"axial {number}" if len(part) == 1 else f"{len(part)} axial slices"
        return f"{REFEREE_LINE} ({where} only)" if tumor else REFEREE_PART.format(where)

    def _draw_outlines(self, outlines: list[Outline], legend: list[str]) -> None:
        self.pane.set_outlines(outlines)
        self.pane.marks.legend = " · ".join(legend)

    def color_labels(self) -> None:
        """Change colors, opacity and visibility of the labels without touching a pixel."""
        state = self._workspace.view
        colors = label_colors(self._workspace.case.scheme, self._ui.label_colors)
        table = content.label_table(colors, state.opacity, self._ui.hidden_labels, fill=state.fill)
        self.pane.labels.setLookupTable(table)

    def recolor_labels(self) -> None:
        """Change colors and visibility of the labels and of their outlines without touching a pixel."""
        self.color_labels()
        if self._labels_shown:
            segmentation = self._workspace.segmentation
            self._outline(self._pictures.labels(segmentation.labels, segmentation.revision, self.view, self.index))

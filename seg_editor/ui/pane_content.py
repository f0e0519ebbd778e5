"""Fills one pane: follows the cursor, the modality, the labels and the result, and redraws only what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PyQt6.QtGui import QColor

from seg_editor.cases import Modality
from seg_editor.editing import Box
from seg_editor.export.view import EARLIER_MASK
from seg_editor.session import Workspace
from seg_editor.ui import chrome, content
from seg_editor.ui.captions import (
    CLICK_ONE,
    FOR_COMPARISON,
    Heading,
    for_comparison,
    one_seed,
    orientation_warning,
    picture_names,
    slice_number,
)
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.comparison import Comparison
from seg_editor.ui.layouts import Slot
from seg_editor.ui.naming import names_of
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.pane_labels import PaneLabels
from seg_editor.ui.planes import Plane, PlaneView
from seg_editor.ui.state import Role, UiState
from seg_editor.ui.windowing import in_file_units, is_black

if TYPE_CHECKING:
    pass

NEEDS_REMOVAL = "Remove the tumor (or erase a part of it), then press Generate."
NEEDS_RUN = "Press Generate to see this brain without the removed tumor."
UNDERWAY = "Generating…"
NOT_GENERATED = "not generated"
NOT_IN_MODALITY = "not generated in {}"
FREE_PLACE = "No other result yet"
NEEDS_ANOTHER = "Generate this slice with another model or seed to see it here."
_FRAME_MM = 8.0


class PaneContent(PaneLabels):
    """Binds one :class:`SlicePane` to a workspace. The viewer calls it; it never calls the viewer."""

    def __init__(
        self, pane: SlicePane, slot: Slot, workspace: Workspace, ui: UiState, pictures: content.Pictures
    ) -> None:
        super().__init__(pane, slot, workspace, ui, pictures)
        self._orientation = orientation_warning(workspace.case.grid)
        self._drawn: tuple[PlaneView, int] | None = None
        self._dated = False
        self._old = (False, False)
        self.accent = QColor("#3FBFAD")
        self.brush_color: QColor | None = None

    @property
    def at_cursor(self) -> bool:
        """True while the pane shows the slice that the cursor is in."""
        return self._drawn == (self.view, self.index)

    def follow_cursor(self) -> None:
        """Redraw after the cursor moved: everything if the slice changed, else only the crosshair."""
        if self.at_cursor:
            self.draw_marks()
        else:
            self.draw()

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
        modality = self.modality
        if modality not in self._workspace.case.volumes:
            self._show_missing(modality)
            return
        window = self._workspace.view.window(modality)
        air = self._workspace.case.volumes[modality].raw[0, 0, 0]
        crop = None if box is None or not is_black(air, window) else view.crop(box)
        role, rank = self.role, self.slot.rank or 0
        first = self._pictures.first(modality, view, index)
        generated = None if role is Role.SOURCE else self._pictures.generated(modality, view, index, rank)
        averaged = self._pictures.averaged(modality, view, index) if role is Role.RESULT and not rank else None
        untouched = generated is not None and not self._made_here(view, index, rank)
        if untouched:
            generated = averaged = None
        if role is not Role.SOURCE and generated is None and averaged is None:
            first = self._pictures.source(modality, view, index)
        self._comparison = Comparison(
            self._pictures.compare, role, first, generated, averaged, self._workspace.case.volumes[modality]
        )
        item = self.pane.picture
        item.smooth = self._ui.smooth
        part = crop or (slice(None), slice(None))
        patch = content.patch_of(view, first[part].shape, crop)
        item.show_levels(self._comparison.gray(window, part, patch, untouched), view, crop)
        self._draw_codes(self._comparison.codes(part), crop)
        item.setVisible(True)
        self._mark(role, generated is not None or averaged is not None, untouched)
        self._mark_age()
        self._comparison.guide(self.pane.marks, patch)
        self.draw_marks()
        if self._judged != self._told and self._pictures.compare.referee:
            self.draw_labels()

    def _draw_codes(self, codes: np.ndarray | None, crop: tuple[slice, slice] | None) -> None:
        difference = self.pane.difference
        if codes is not None:
            difference.setLookupTable(chrome.difference_table(), update=False)
            difference.show_levels(codes, self.view, crop)
        difference.setVisible(codes is not None)

    def _show_missing(self, modality: Modality) -> None:
        self._comparison = None
        self.pane.picture.setVisible(False)
        self.pane.difference.setVisible(False)
        self._mark(self.role, False)
        self._mark_age()
        self.pane.marks.message = f"This case has no {modality.display}."
        self.draw_marks()

    def _made_here(self, view: PlaneView, index: int, rank: int) -> bool:
        """True when this pane's counterfactual differs from the source by being generated in this slice."""
        pictures = self._pictures
        return (not rank and pictures.previewed(view, index)) or pictures.made_in(pictures.rank(rank), view, index)

    @property
    def _outdated(self) -> bool:
        """True when the result on display, or the run whose step it is, was ordered for an earlier mask."""
        pictures, preview = self._pictures, self._pictures.preview
        if self.stepping and preview is not None:
            return pictures.outdated(preview.key) if preview.key else not pictures.fits(preview.token)
        shown = pictures.against if self.role is Role.SOURCE else pictures.rank(self.slot.rank or 0)
        return shown is not None and pictures.outdated(shown.request.key)

    @property
    def _ages(self) -> tuple[bool, bool]:
        """Whether what is on display, and what that is mixed with or taken from, were made for an earlier mask."""
        first, shown = self.against, self._comparison
        mixed = first is not None and shown is not None and shown.paired
        return self._outdated, first is not None and mixed and self._pictures.outdated(first.request.key)

    @property
    def _split(self) -> bool:
        """True when each part of the pane shows one of two pictures: a dark one would be taken for darker tissue."""
        shown = self._comparison
        if self.role is not Role.RESULT or shown is None or shown.spread_shown:
            return False
        return self._pictures.compare.mode in (Mode.SWIPE, Mode.LENS, Mode.CHECKER)

    def _mark(self, role: Role, generated: bool, untouched: bool = False) -> None:
        marks, case = self.pane.marks, self._workspace.case
        view, index, modality = self.view, self.index, self.modality
        marks.accent = self.accent
        marks.ambiguous, marks.warning = self._orientation
        number = slice_number(case, view.plane, index)
        heading = Heading(self.slot, modality, view.plane, number, view.count - 1)
        heading.write(marks, picture_names(role, untouched))
        marks.corner = ""
        if modality in case.volumes:
            low, high = in_file_units(self._workspace.view.window(modality), case.volumes[modality])
            marks.corner = f"W {high - low:.4g}  L {(high + low) / 2:.4g}"
        marks.synthetic = role is not Role.SOURCE and generated
        marks.badge = NOT_GENERATED if untouched else ""
        marks.message = ""
        marks.color_bar, marks.color_ticks = None, ()
        self._dated = False
        if role is Role.SOURCE:
            self._mark_first(heading)
            return
        if untouched:
            return
        preview = self._pictures.preview
        if not generated and preview is not None:
            marks.message = f"Generating axial slice {slice_number(case, Plane.AXIAL, preview.slice_index)}…"
            return
        if not generated and self._lacks_modality:
            marks.badge = NOT_IN_MODALITY.format(modality.display)
            return
        if not generated:
            any_hole = self._workspace.segmentation.removed_slices.any()
            marks.message = NEEDS_RUN if any_hole else self._needs_first
            if self._pictures.underway and any_hole and not self.slot.rank:
                marks.message = UNDERWAY
            if self.slot.rank:
                heading.write(marks, (FREE_PLACE,))
                marks.message = NEEDS_ANOTHER if any_hole else self._needs_first
            return
        self._dated = True
        if self._comparison is not None:
            hole = self._pictures.hole(view, index, self.slot.rank or 0)
            step = preview.title if preview is not None and self.stepping else ""
            self._comparison.mark(marks, heading, self._pictures, self.slot.rank, self.against, hole, step)

    def _mark_first(self, heading: Heading) -> None:
        """Say when another result stands in the place of the source, and when it has nothing to show here."""
        marks, wanted, shown = self.pane.marks, self._pictures.against, self.against
        if wanted is None:
            return
        if shown is not None:
            self._dated = marks.synthetic = True
            note = FOR_COMPARISON if for_comparison(shown.request.model) else ""
            heading.write(marks, names_of(shown, self._pictures), note=note)
        elif self.modality in wanted.modalities:
            heading.write(marks, picture_names(Role.SOURCE, True))
            marks.badge = NOT_GENERATED
        else:
            marks.badge = NOT_IN_MODALITY.format(self.modality.display)

    @property
    def _needs_first(self) -> str:
        """What there is to do where nothing is removed: pictures of an earlier mask only wait to be chosen."""
        results = self._workspace.results
        return f"{CLICK_ONE}." if len(results) and results.current is None else NEEDS_REMOVAL

    def follow_age(self) -> None:
        """Say whether the mask changed since the picture on display was made; the picture is not made again."""
        if self._dated and self._ages != self._old:
            self._mark_age()
            self.pane.refresh()

    def _mark_age(self) -> None:
        marks = self.pane.marks
        self._old = self._ages if self._dated else (False, False)
        marks.outdated = self._old[0]
        if self._dated:
            marks.badge = self._badge(self.view, self.index)
        self.pane.set_dimmed(marks.outdated and not self._split)

    def _badge(self, view: PlaneView, index: int) -> str:
        pictures, result = self._pictures, self._pictures.rank(self.slot.rank or 0)
        paired = self._comparison is not None and self._comparison.paired
        if any(self._old):
            return f"{self._older_of_two} {EARLIER_MASK}" if paired and self.against is not None else EARLIER_MASK
        if paired and pictures.against is not None and self.against is None:
            return f"{names_of(pictures.against, pictures)[-1]} {NOT_GENERATED} here"
        if result is None or self.role is Role.SOURCE:
            return ""
        wanted, ensemble = pictures.compare.ensemble, pictures.ensemble
        single = self.role is Role.RESULT and not (self.slot.rank or self.averaging or self.stepping)
        if single and ensemble is not None and wanted is not EnsembleView.OFF:
            return one_seed(self._workspace.case, wanted, ensemble, result)
        made = result.slices
        if view.plane is not Plane.AXIAL and self._holes(view, index) - set(made):
            return f"only {len(made)} axial {'slice' if len(made) == 1 else 'slices'} generated"
        return ""

    @property
    def _older_of_two(self) -> str:
        """Which of two results in one pane were made for an earlier mask."""
        second, first = self._old
        if first and second:
            return "both"
        if first:
            return f"{names_of(self.against, self._pictures)[-1]} is"
        if self.averaging:
            return "mean is"
        shown = self._pictures.rank(self.slot.rank or 0)
        return "step is" if self.stepping else f"{names_of(shown, self._pictures)[-1]} is"

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

    def meets(self, box: Box) -> bool:
        """True when a change in `box` shows in this pane."""
        return self.view.holds(box, self.index)

"""What a pane shows of two pictures: the gray picture, the colors over it, and what is written about them. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from seg_editor.metrics import difference_range, display_window
from seg_editor.ui.captions import FOR_COMPARISON, Heading, Wordings, for_comparison
from seg_editor.ui.compare import CompareState, EnsembleView, Mode, Patch, blend, changed_voxels, damped, weight
from seg_editor.ui.naming import both, difference_of, names_of
from seg_editor.ui.state import Role
from seg_editor.ui.windowing import GrayWindow, to_gray, to_signed

if TYPE_CHECKING:
    from seg_editor.cases import Volume
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.ui.chrome import Marks
    from seg_editor.ui.content import Pictures

UNDER_COLORS = 0.22
SPREAD_SHARE = 0.125
NOT_THERE = 0.35
UNTOUCHED = 0.6
Part = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Comparison:
    """One slice of the first picture and of the second, in stored units ``(rows, columns)``.

    Parameters
    ----------
    state : CompareState
    role : Role
        What the pane is there for.
    first : array
        The source, or another result.
    second : array or None
        The counterfactual; None where there is none.
    averaged : array or None
        Mean or standard deviation of the ensemble, when that is asked for.
    volume : Volume
        The source's, for its gray scale and units.
    """

    state: CompareState
    role: Role
    first: np.ndarray
    second: np.ndarray | None
    averaged: np.ndarray | None
    volume: Volume

    @cached_property
    def reach(self) -> float:
        """The difference in stored units that gets full color."""
        return difference_range(display_window(self.volume.raw))

    @property
    def spread_shown(self) -> bool:
        """True when the standard deviation of the ensemble is on display."""
        return self.averaged is not None and self.state.ensemble is EnsembleView.SD

    @property
    def paired(self) -> bool:
        """True where two pictures are on display in one: mixed, or one taken from the other."""
        if self.role is Role.DIFFERENCE:
            return self.second is not None
        there = self.second is not None or self.averaged is not None
        return self.role is Role.RESULT and there and not self.spread_shown and self.state.mode is not Mode.PLAIN

    def gray(self, window: GrayWindow, part: Part, patch: Patch, untouched: bool) -> np.ndarray:
        """Return the gray picture of a part, uint8; both sides of a comparison share the window.

        `untouched` says that the source stands in for a counterfactual without anything generated in this slice.
        """
        first = to_gray(self.first[part], window)
        if self.role is Role.SOURCE:
            return first
        if untouched:
            return to_gray(self.first[part], window, UNTOUCHED)
        if self.role is Role.DIFFERENCE or self.spread_shown:
            missing = self.second is None and self.averaged is None
            return to_gray(self.first[part], window, NOT_THERE if missing else UNDER_COLORS)
        second = self.averaged if self.averaged is not None else self.second
        if second is None:
            return to_gray(self.first[part], window, NOT_THERE)
        shown = to_gray(second[part], window)
        return blend(first, shown, weight(self.state, patch))

    def codes(self, part: Part) -> np.ndarray | None:
        """Return the colors over it as codes of :func:`~seg_editor.ui.chrome.difference_table`, or None."""
        if self.averaged is not None and self.spread_shown:
            spread = self.averaged[part]
            return to_signed(np.zeros_like(spread), spread, self.reach * SPREAD_SHARE)
        if self.role is not Role.DIFFERENCE or self.second is None:
            return None
        codes = to_signed(self.first[part], self.second[part], self.reach)
        changed = changed_voxels(
            self.first[part], self.second[part], display_window(self.volume.raw), self.state.threshold
        )
        return damped(codes, changed)

    def guide(self, marks: Marks, patch: Patch) -> None:
        """Place the swipe handle or the rim of the lens, where there are two pictures to see."""
        state = self.state
        mixed = self.paired and self.role is Role.RESULT
        marks.swipe = marks.lens = None
        if mixed and state.mode is Mode.SWIPE:
            marks.swipe = patch.left + state.fraction * patch.shape[1] * patch.step[0]
        if mixed and state.mode is Mode.LENS and state.point is not None and state.point[0] == patch.plane:
            marks.lens = (state.point[1], state.point[2], state.lens_mm)

    def _ends(self) -> tuple[str, str]:
        """What the ends of the color bar stand for, in image units; where the slice goes beyond they say so."""
        reach = self.reach * abs(self.volume.slope)
        if self.averaged is not None and self.spread_shown:
            beyond = float(self.averaged.max()) > self.reach * SPREAD_SHARE
            return "", f"SD {'≥ ' if beyond else ''}{short(reach * SPREAD_SHARE)}"
        low = high = 0.0
        if self.second is not None:
            difference = np.subtract(self.second, self.first, dtype=np.float32)
            low, high = float(difference.min()), float(difference.max())
        under, over = "≤ " if low < -self.reach else "", "≥ " if high > self.reach else ""
        return f"{under}−{short(reach)}", f"{over}+{short(reach)}"

    def mark(
        self,
        marks: Marks,
        heading: Heading,
        pictures: Pictures,
        rank: int | None,
        against: Counterfactual | None,
        hole: np.ndarray | None,
        step: str = "",
    ) -> None:
        """Write what is shown: which results, the mode, the color bar in image units, the change outside the hole.

        Parameters
        ----------
        marks : Marks
        heading : Heading
        pictures : Pictures
        rank : int or None
            Of the pane's result, see :class:`~seg_editor.ui.layouts.Slot`.
        against : Counterfactual or None
            What stands in the place of the source in this slice.
        hole : array or None
            The generated voxels, ``(rows, columns)``.
        step : str
            What the step of a run is called that shows in place of its result; empty for none.
        """
        shown, mode = pictures.rank(rank or 0), ""
        if self.spread_shown or self.role is Role.DIFFERENCE:
            marks.color_bar = self._ends()
            marks.corner = ""
        instead = step
        if self.averaged is not None and pictures.ensemble is not None:
            instead = f"{'SD' if self.spread_shown else 'Mean'} of {len(pictures.ensemble.results)} seeds"
        names: Wordings = (self.role.display,)
        if self.role is Role.RESULT and self.paired:
            names, mode = both(shown, against, pictures, instead), self.state.mode.display
        elif self.role is Role.RESULT and instead:
            names = (instead,)
        elif self.role is Role.RESULT and (rank is not None or pictures.against is not None):
            names = names_of(shown, pictures)
        elif self.paired:
            names = difference_of(shown, against, pictures, step)
            self._mark_change(marks, None if against is not None else hole)
        compact = shown is not None and for_comparison(shown.request.model)
        heading.write(marks, names, mode, FOR_COMPARISON if compact else "")

    def _mark_change(self, marks: Marks, hole: np.ndarray | None) -> None:
        """Write the threshold beside the color bar, and how much of the source changed outside the hole."""
        window = display_window(self.volume.raw)
        marks.color_ticks = (self.state.threshold * (window.high - window.low) / self.reach,)
        if hole is not None:
            count = int(np.count_nonzero((self.first != self.second) & ~hole))
            marks.corner = f"{count} {'voxel' if count == 1 else 'voxels'} changed outside"


def short(value: float) -> str:
    """Return a number for the end of a color bar."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"

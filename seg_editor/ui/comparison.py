"""What a pane shows of two pictures: the gray picture, the colors over it, and what is written about them. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from seg_editor.export.names import steps_text
from seg_editor.metrics import difference_range, display_window
from seg_editor.ui.captions import FOR_COMPARISON, for_comparison, model_name
from seg_editor.ui.compare import CompareState, EnsembleView, Mode, Patch, blend, changed_voxels, damped, weight
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
        mixed = self.role is Role.RESULT and not self.spread_shown
        mixed = mixed and (self.second is not None or self.averaged is not None)
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

    def mark(self, marks: Marks, pictures: Pictures, rank: int | None, hole: np.ndarray | None, step: str = "") -> None:
        """Write what is shown: which results, the mode, the color bar in image units, the change outside the hole.

        `step` is what the step of a run is called that shows in place of its result; empty for none.
        """
        shown = pictures.rank(rank or 0)
        if self.spread_shown or self.role is Role.DIFFERENCE:
            marks.color_bar = self._ends()
            marks.corner = ""
        if self.averaged is not None and pictures.ensemble is not None:
            what = "SD" if self.spread_shown else "Mean"
            rename(marks, Role.RESULT, f"{what} of {len(pictures.ensemble.results)} seeds")
        elif self.role is Role.RESULT:
            if self.state.mode is not Mode.PLAIN and self.second is not None:
                rename(marks, Role.RESULT, both(shown, pictures, step), self.state.mode.display)
            elif step or rank is not None or pictures.against is not None:
                rename(marks, Role.RESULT, step or name_of(shown, pictures))
        if shown is not None and self.role is not Role.SOURCE and for_comparison(shown.request.model):
            marks.subtitle = f"{marks.subtitle} · {FOR_COMPARISON}"
        if self.role is Role.DIFFERENCE and self.second is not None:
            rename(marks, Role.DIFFERENCE, f"{Role.DIFFERENCE.display}: {difference_of(shown, pictures, step)}")
            low, high = display_window(self.volume.raw).low, display_window(self.volume.raw).high
            marks.color_ticks = (self.state.threshold * (high - low) / self.reach,)
            if pictures.against is None and hole is not None:
                count = int(np.count_nonzero((self.first != self.second) & ~hole))
                marks.corner = f"{count} {'voxel' if count == 1 else 'voxels'} changed outside"


def short(value: float) -> str:
    """Return a number for the end of a color bar."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def rename(marks: Marks, role: Role, text: str, mode: str = "") -> None:
    """Put a name in the place of a role's in the heading, and a mode beside it.

    Plane, slice and modality stay: in the second line they come first, for its end is cut where the room ends.
    """
    if role.display in marks.title:
        marks.title = marks.title.replace(role.display, text)
        marks.subtitle = f"{mode} · {marks.subtitle}" if mode else marks.subtitle
    else:
        place = [part for part in marks.subtitle.split(" · ") if part != role.display]
        marks.subtitle = " · ".join(filter(None, (*place, mode, text)))


def title_of(result: Counterfactual | None, beside: Counterfactual | None = None, number: int = 0) -> str:
    """Return what tells a result from another: model, steps and seed; of the first two what `beside` has otherwise.

    `number` is that of the history, where all three are alike; 0 for none.
    """
    if result is None:
        return Role.RESULT.display
    request, other = result.request, None if beside is None else beside.request
    parts = [f"seed {request.seed}"]
    if other is None or (other.model, other.steps) != (request.model, request.steps):
        parts.insert(0, steps_text(request.steps))
    if other is None or other.model != request.model:
        parts.insert(0, model_name(request.model))
    return " · ".join([f"#{number}", *parts] if number else parts)


def name_of(result: Counterfactual | None, pictures: Pictures) -> str:
    """Return the title of a result; its number leads where another one in the history has the same title."""
    return title_of(result, number=0 if result is None else pictures.number_of(result.request.key))


def _numbers(shown: Counterfactual | None, pictures: Pictures) -> tuple[str, str]:
    """The numbers of the result on display and of the one it is compared with, if nothing else tells them apart."""
    against = pictures.against
    if shown is None or against is None or title_of(shown) != title_of(against):
        return "", ""
    one, other = pictures.number_of(shown.request.key), pictures.number_of(against.request.key)
    return (f"#{one}", f"#{other}") if one != other else ("", "")


def both(shown: Counterfactual | None, pictures: Pictures, step: str = "") -> str:
    """Return the names of the two pictures of a mixture, first and second."""
    second, first = _numbers(shown, pictures)
    if first and not step:
        return f"{first} | {second} · {title_of(shown)}"
    left = Role.SOURCE.display if pictures.against is None else name_of(pictures.against, pictures)
    return f"{left} | {step or name_of(shown, pictures)}"


def difference_of(shown: Counterfactual | None, pictures: Pictures, step: str = "") -> str:
    """Return what is taken from what; the steps of a result only where they tell it from the other one."""
    against, source = pictures.against, Role.SOURCE.display.lower()
    if step:
        return f"{step} − {source if against is None else name_of(against, pictures)}"
    if shown is None:
        return f"counterfactual − {source}"
    if against is None:
        return f"{model_name(shown.request.model)} · seed {shown.request.seed} − {source}"
    second, first = _numbers(shown, pictures)
    return f"{second} − {first}" if first else f"{title_of(shown)} − {title_of(against, shown)}"


def title_of_first(marks: Marks, pictures: Pictures, synthetic: bool) -> None:
    """Say when another result stands in the place of the source; `synthetic` where it has generated voxels."""
    if pictures.against is not None:
        rename(marks, Role.SOURCE, name_of(pictures.against, pictures))
        marks.synthetic = synthetic

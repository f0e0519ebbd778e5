"""The words in the corners of a pane: what it shows, where, and what to beware of. No Qt here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seg_editor.cases import Case, Grid, Modality, NiftiSource
from seg_editor.session import Plane
from seg_editor.ui.compare import EnsembleView
from seg_editor.ui.layouts import Slot
from seg_editor.ui.planes import plane_name
from seg_editor.ui.state import Role

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.session.ensemble import Ensemble
    from seg_editor.ui.chrome import Marks

Wordings = tuple[str, ...]
CLICK_ONE = "Click a picture below to compare"

UNKNOWN_SIDES = "orientation unknown: no qform or sform"
TILTED_DEGREES = 20.0
_SEEN_DEGREES = 0.5
NOTHING_HERE = "nothing generated here"
FOR_COMPARISON = "for comparison"
COMPARED = frozenset(("m1", "m2", "m3", "m3k", "m3c"))


def file_voxel(source: NiftiSource, voxel: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the indices, along the file's own axes and from 0, of a canonical voxel."""
    i, j, k = (
        source.stored_shape[axis] - 1 - voxel[target] if flipped else voxel[target]
        for axis, (target, flipped) in enumerate(zip(source.axes, source.flips, strict=True))
    )
    return i, j, k


def file_slice(source: NiftiSource, plane: Plane, index: int) -> int:
    """Return the number of a slice as its file counts: along the file's own axis, from 0."""
    axis = tuple(source.axes).index(int(plane))
    return source.stored_shape[axis] - 1 - index if source.flips[axis] else index


def slice_number(case: Case, plane: Plane, index: int) -> int:
    """Return the number that every caption and read-out uses for a slice of a case: the file's, from 0."""
    volume = next(iter(case.volumes.values()))
    return file_slice(volume.source, plane, index)


def picture_names(role: Role, untouched: bool) -> Wordings:
    """Return what a pane's picture is; `untouched` says that nothing was generated in this slice."""
    if untouched:
        shown = Role.SOURCE if role is Role.RESULT else role
        return f"{shown.display} ({NOTHING_HERE})", shown.display
    return (role.display,)


def model_name(name: str) -> str:
    """Return a model's short name as people write it, such as ``M3c``."""
    return name[:1].upper() + name[1:]


def for_comparison(name: str) -> bool:
    """True for the paper's compact models, which are there to be compared with M5."""
    return name in COMPARED


def kept_text(kept: Mapping[str, int]) -> str:
    """Return which labels of the tumor were left where they are, where there is little room."""
    return f"{next(iter(kept))} kept" if len(kept) == 1 else f"{len(kept)} kept"


def seeds_of(case: Case, ensemble: Ensemble, result: Counterfactual | None) -> str:
    """Return what the seeds of an ensemble are of, in as far as that tells them from a result."""
    made = ensemble.results[0].request
    if result is None or result.request.hole_hash != made.hole_hash:
        return "another mask"
    if result.request.model != made.model:
        return "another model"
    if not ensemble.alike(result.request):
        return "other settings"
    count = len(made.slices)
    return f"axial {slice_number(case, Plane.AXIAL, made.slices[0])}" if count == 1 else f"{count} axial slices"


def one_seed(case: Case, wanted: EnsembleView, ensemble: Ensemble, result: Counterfactual) -> str:
    """Return why a pane shows the picture of one seed where mean or deviation are asked for."""
    return f"one seed: {'SD' if wanted is EnsembleView.SD else 'mean'} is of {seeds_of(case, ensemble, result)}"


@dataclass(frozen=True)
class Heading:
    """The two lines over a pane: the title is what tells it from the other panes of the layout.

    Parameters
    ----------
    slot : Slot
    modality, plane
        What the pane shows.
    number, last : int
        The slice and the last slice, as the file counts from 0.
    """

    slot: Slot
    modality: Modality
    plane: Plane
    number: int
    last: int

    def write(self, marks: Marks, names: Wordings, mode: str = "", note: str = "") -> None:
        """Write title and subtitle, each with what may stand for it where it does not fit.

        In the subtitle plane, slice and modality come first, for its end is cut where the room ends. The range of
        slices is given up first, then the longer names of the picture, the note last.

        Parameters
        ----------
        marks : Marks
        names : tuple of str
            What the picture is, longest first.
        mode, note : str
            How two pictures are mixed; what else to know about it.
        """
        short = f"{plane_name(self.plane)} {self.number}"
        place, shown, titles = f"{short} (0–{self.last})", self.modality.display, names
        places: Wordings
        if self.slot.plane is not None:
            titles, places = (place, short), (shown,)
        elif self.slot.modality is not None:
            titles, places = (shown,), (place if self.slot.role is None else short, short)
        else:
            lead = f"{mode} · {shown}" if mode else shown
            places = f"{lead} · {place if self.slot.rank is None else short}", f"{lead} · {short}"
            names, mode = ("",), ""
        lines: list[Wordings] = [(places[0], mode, names[0], note), *((places[-1], mode, name, note) for name in names)]
        lines.append((places[-1], mode, names[-1]))
        subtitles = dict.fromkeys(" · ".join(filter(None, line)) for line in lines)
        (marks.title, *titles_left), (marks.subtitle, *subtitles_left) = titles, subtitles
        marks.shorter = tuple(titles_left), tuple(subtitles_left)


def tilt_degrees(grid: Grid) -> float:
    """Return the largest angle in degrees between an axis of the array and the patient axis that it is named after."""
    steps = grid.affine[:3, :3]
    cosines = np.abs(np.diag(steps)) / np.linalg.norm(steps, axis=0)
    return math.degrees(math.acos(min(1.0, float(cosines.min()))))


def orientation_warning(grid: Grid) -> tuple[bool, str]:
    """Return whether the letters would be a guess ("?" is shown instead), and a short warning for the pane."""
    if grid.ambiguous:
        return True, UNKNOWN_SIDES
    tilt = tilt_degrees(grid)
    if tilt < _SEEN_DEGREES:
        return False, ""
    return tilt > TILTED_DEGREES, f"tilted by {tilt:.0f}°" if tilt >= 1 else f"tilted by {tilt:.1f}°"

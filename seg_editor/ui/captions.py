"""The words in the corners of a pane: what it shows, where, and what to beware of. No Qt here."""

from __future__ import annotations

import math
from collections.abc import Mapping
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


def picture_name(role: Role, untouched: bool) -> str:
    """Return what a pane's picture is; `untouched` says that nothing was generated in this slice."""
    if untouched:
        shown = Role.SOURCE if role is Role.RESULT else role
        return f"{shown.display} ({NOTHING_HERE})"
    return role.display


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


def headings(slot: Slot, name: str, modality: Modality, plane: Plane, number: int, last: int) -> tuple[str, str]:
    """Return title and subtitle of a pane: the title is what tells it from the other panes of the layout.

    Parameters
    ----------
    slot : Slot
    name : str
        What the picture is (:func:`picture_name`).
    modality, plane
        What the pane shows.
    number, last : int
        The slice and the last slice, as the file counts from 0.
    """
    short = f"{plane_name(plane)} {number}"
    place = f"{short} (0–{last})"
    if slot.plane is not None:
        return place, f"{name} · {modality.display}"
    if slot.modality is not None:
        return modality.display, f"{name} · {place if slot.role is None else short}"
    return name, f"{modality.display} · {place if slot.rank is None else short}"


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

"""The operations on whole shapes as data: what they are called, what they need, and the edit that they make. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seg_editor.anatomy.mirror import MirrorPlane, estimate_plane
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import Case, LabelScheme
from seg_editor.editing import (
    Border,
    CopySlice,
    FillHoles,
    GrowShrink,
    InterpolateSlices,
    KeepLargest,
    Mirrored,
    Ready,
    RemoveSmall,
    RemoveTumor,
    Smooth,
    Within,
)
from seg_editor.editing.delta import Box, Labels, Mask
from seg_editor.editing.edit import Edit, Spacing, Voxel
from seg_editor.session.observable import Field, Observable
from seg_editor.wording import milliliters

REACH_MM = 10.0
NOTHING = "This changes nothing here"
MOVED_ON = "The labels changed meanwhile: try again"
IN_THE_WAY = "There is no background to grow into: let it grow over other labels"
LOCKED_ITSELF = "This label is locked: its lock in the panel opens it"
LOCKED_AROUND = "The labels around it are locked: their locks in the panel open them"
BRAIN_ENDS = "The brain ends here: growing stays inside it"


@dataclass(frozen=True)
class Operation:
    """One operation of the list.

    Parameters
    ----------
    key, text, tip : str
    unit : str
        What its amount is measured in: ``mm``, ``±mm``, ``ml`` or nothing.
    slices : bool
        Whether it can be kept to one slice.
    whole : bool
        Whether it can work on the whole tumor.
    mirrors : bool
        Whether it needs the mid-sagittal plane.
    """

    key: str
    text: str
    tip: str
    unit: str = ""
    slices: bool = True
    whole: bool = True
    mirrors: bool = False


OPERATIONS: tuple[Operation, ...] = (
    Operation("grow", "Grow or shrink", "Move the border outward or inward, inside the brain", "±mm"),
    Operation(
        "smooth", "Smooth", "Smooth the border: each voxel takes the label that most of its surroundings have", "mm"
    ),
    Operation("largest", "Keep the largest piece", "Clear all pieces but the largest"),
    Operation("small", "Remove small pieces", "Clear the pieces that are smaller than this", "ml"),
    Operation("holes", "Fill holes", "Fill background that is enclosed on all sides"),
    Operation(
        "interpolate",
        "Interpolate slices",
        "Fill the slices between painted ones, across the pane in use",
        "",
        False,
    ),
    Operation("copy_next", "Copy to the next slice", "Copy the labels of this slice one slice up", "", False),
    Operation("copy_previous", "Copy to the previous slice", "Copy the labels of this slice one slice down", "", False),
    Operation("mirror_add", "Add the mirrored side", "Label here what is labeled on the other side", mirrors=True),
    Operation("mirror_subtract", "Subtract the mirrored side", "Clear what is labeled on both sides", mirrors=True),
    Operation("mirror_intersect", "Keep what is on both sides", "Clear what is labeled on one side only", mirrors=True),
)
BY_KEY = {operation.key: operation for operation in OPERATIONS}


class ReshapeSettings(Observable):
    """What the next operation does.

    Attributes
    ----------
    operation : str
        Key of an :class:`Operation`.
    grow_mm : float
        Positive grows, negative shrinks.
    smooth_mm, small_ml : float
    whole : bool
        The whole tumor; else the active label.
    whole_piece : bool
        The same for a piece that is moved.
    covers : bool
        A piece that is moved may land on other labels; else on background only.
    over_labels : bool
        One label may grow over the others; else into background only.
    flat : bool
        Only the slice on display.
    """

    operation = Field("grow")
    grow_mm = Field(1.0)
    smooth_mm = Field(2.0)
    small_ml = Field(0.5)
    whole = Field(False)
    whole_piece = Field(True)
    covers = Field(True)
    over_labels = Field(False)
    flat = Field(False)


@dataclass(frozen=True, eq=False)
class Scene:
    """What an operation works on.

    Parameters
    ----------
    labels : array (x, y, z)
        A copy, safe to read in another thread.
    spacing : (float, float, float)
    label : int
        The active one.
    axis, index : int
        Of the slice on display.
    locked : frozenset of int
    scheme : LabelScheme
    brain : bool array (x, y, z)
    mirror : callable
        Gives the mid-sagittal plane, in voxels; may take seconds.
    border : callable(make)
        Returns the border made last for the same selection, or makes it.
    """

    labels: Labels
    spacing: Spacing
    label: int
    axis: int
    index: int
    locked: frozenset[int]
    scheme: LabelScheme
    brain: Mask
    mirror: Callable[[], MirrorPlane]
    border: Callable[[Callable[[], Border]], Border]


def build(key: str, settings: ReshapeSettings, scene: Scene) -> Edit:
    """Return the edit of an operation; may compute, so call it beside the GUI thread."""
    operation = BY_KEY[key]
    label = None if settings.whole and operation.whole else scene.label
    flat = settings.flat and operation.slices
    axis = scene.axis if flat else None
    if operation.mirrors:
        plane = scene.mirror()
        edit: Edit = Mirrored(key.removeprefix("mirror_"), plane.matrix, plane.shift, label, scene.brain)
    elif key == "grow":
        edit = _grow(settings, label, scene, flat=flat)
    else:
        edit = _simple(key, settings, scene, label, axis)
    called = _called(key, settings.grow_mm, scope_name(scene.scheme, label))
    return Within(edit, axis, scene.index, sees_all=operation.mirrors, locked=scene.locked, called=called)


def scope_name(scheme: LabelScheme, label: int | None) -> str:
    """What an operation works on, short: ``NCR``, ``Label 7``, or ``tumor`` for all labels (None)."""
    if label is None:
        return "tumor"
    part = scheme.subregion(label)
    return scheme.name_of(label) if part is None else part.short


def _called(key: str, mm: float, what: str) -> str:
    """Name of the step; empty where the edit's own says enough."""
    names = {
        "grow": f"{'Grow' if mm > 0 else 'Shrink'} {what} by {abs(mm):g} mm",
        "smooth": f"Smooth {what}",
        "largest": f"Keep largest piece of {what}",
        "small": f"Remove small pieces of {what}",
        "holes": f"Fill holes of {what}",
        "copy_next": f"Copy {what} to the next slice",
        "copy_previous": f"Copy {what} to the previous slice",
        "mirror_add": f"Add mirrored {what}",
        "mirror_subtract": f"Subtract mirrored {what}",
        "mirror_intersect": f"Keep {what} of both sides",
    }
    return names.get(key, "")


def _simple(key: str, settings: ReshapeSettings, scene: Scene, label: int | None, axis: int | None) -> Edit:
    edits: dict[str, Edit] = {
        "smooth": Smooth(settings.smooth_mm, label),
        "largest": KeepLargest(label),
        "small": RemoveSmall(settings.small_ml, label),
        "holes": FillHoles(of=label, axis=axis),
        "interpolate": InterpolateSlices(scene.axis, label),
        "copy_next": CopySlice(scene.axis, scene.index, scene.index + 1, label),
        "copy_previous": CopySlice(scene.axis, scene.index, scene.index - 1, label),
    }
    return edits[key]


def _region(scene: Scene, *, flat: bool) -> Box:
    """The whole volume, or the slice on display."""
    part = [slice(None)] * 3
    if flat:
        part[scene.axis] = slice(scene.index, scene.index + 1)
    return part[0], part[1], part[2]


def _grow(settings: ReshapeSettings, label: int | None, scene: Scene, *, flat: bool) -> GrowShrink:
    region = _region(scene, flat=flat)

    def make() -> Border:
        return Border(scene.labels[region], label, scene.spacing, REACH_MM, scene.brain[region])

    mm, over = settings.grow_mm, scene.scheme.label_values if settings.over_labels and label is not None else ()
    return GrowShrink(mm, label, border=scene.border(make) if abs(mm) <= REACH_MM else None, over=over)


def why_not_grown(settings: ReshapeSettings, scene: Scene) -> str:
    """Why growing gains nothing; computes distances, so call it beside the GUI thread."""
    label = None if settings.whole else scene.label
    region = _region(scene, flat=settings.flat)
    border = Border(scene.labels[region], label, scene.spacing, settings.grow_mm)
    around = border.patch(settings.grow_mm, scene.scheme.label_values)
    if around is None or not around.mask.any():
        return NOTHING
    inside = around.mask & scene.brain[region][around.box]
    if not inside.any():
        return BRAIN_ENDS
    if label in scene.locked:
        return LOCKED_ITSELF
    covered = np.unique(scene.labels[region][around.box][inside])
    if not covered.any() or scene.locked.issuperset(covered[covered > 0].tolist()):
        return LOCKED_AROUND
    return NOTHING if label is None or settings.over_labels else IN_THE_WAY


def removal(key: str, at: Voxel, locked: frozenset[int], value: int | None = None) -> Edit:
    """Return the edit that removes a piece (``component``) or one label (``subregion``)."""
    edit = RemoveTumor("component", at) if key == "component" else RemoveTumor("subregion", subregion=value)
    return Within(edit, locked=locked)


def gained_and_lost(ready: Ready, labels: np.ndarray, label: int | None, voxel_ml: float) -> tuple[float, float]:
    """Milliliters that a label, or with None all labels together, gains and loses by an edit of `labels`."""
    patch = ready.patch
    old, new = labels[patch.box][patch.mask], np.asarray(patch.new)
    was, is_now = (old > 0, new > 0) if label is None else (old == label, new == label)
    return float(np.count_nonzero(is_now & ~was)) * voxel_ml, float(np.count_nonzero(was & ~is_now)) * voxel_ml


def volumes(gained: float, lost: float) -> tuple[str, ...]:
    """Return what was gained and lost as ``+2.1 ml`` and ``−0.3 ml``, without what is zero."""
    changes = (("+", gained), ("−", lost))
    return tuple(f"{sign}{milliliters(ml)}" for sign, ml in changes if ml)


def mid_sagittal(case: Case) -> MirrorPlane:
    """The mid-sagittal plane of a case, from the brain outside the tumor as opened; in voxels of the volume."""
    known = case.brain if case.tumor is None else case.brain & ~case.tumor
    values = case.volumes[case.modalities[0]].values()
    scale = IntensityScale.of(values, known)
    return estimate_plane(np.asarray(scale.normalize(values), np.float32), np.asarray(known))

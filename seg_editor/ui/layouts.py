"""What each layout shows, pane by pane, and where: the viewer's plan as data. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seg_editor.cases import MODALITIES, Modality
from seg_editor.session import Plane
from seg_editor.ui.state import Layout, Role


@dataclass(frozen=True)
class Slot:
    """What a pane of a layout shows; None leaves it to the state.

    Parameters
    ----------
    plane : Plane or None
    role : Role or None
        Source, counterfactual or difference.
    modality : Modality or None
    surface : bool
        The 3D view instead of a slice.
    rank : int or None
        Which result, named by model and seed: 0 the one on display, 1 and up those of other models or seeds beside it.
        None is the one on display, named as the counterfactual.
    """

    plane: Plane | None = None
    role: Role | None = None
    modality: Modality | None = None
    surface: bool = False
    rank: int | None = None


@dataclass(frozen=True)
class Plan:
    """The panes of a layout on a grid.

    Parameters
    ----------
    slots : tuple of Slot
    cells : tuple of (row, column, rows, columns)
        Where each slot goes.
    columns, rows : tuple of int
        How the grid shares its room.
    """

    slots: tuple[Slot, ...]
    cells: tuple[tuple[int, int, int, int], ...]
    columns: tuple[int, ...] = (1,)
    rows: tuple[int, ...] = (1,)


_SQUARE = ((0, 0, 1, 1), (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 1, 1))
_PLANES = tuple(Slot(plane=plane) for plane in (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL))

PLANS: Mapping[Layout, Plan] = {
    Layout.SINGLE: Plan((Slot(),), ((0, 0, 1, 1),)),
    Layout.COMPARE: Plan(
        tuple(Slot(role=role) for role in (Role.SOURCE, Role.RESULT, Role.DIFFERENCE)),
        ((0, 0, 1, 1), (0, 1, 1, 1), (0, 2, 1, 1)),
        (1, 1, 1),
    ),
    Layout.PLANES: Plan(_PLANES, ((0, 0, 2, 1), (0, 1, 1, 1), (1, 1, 1, 1)), (3, 2), (1, 1)),
    Layout.MODALITIES: Plan(tuple(Slot(modality=m) for m in MODALITIES), _SQUARE, (1, 1), (1, 1)),
    Layout.EIGHT: Plan(
        tuple(Slot(role=role, modality=m) for role in (Role.SOURCE, Role.RESULT) for m in MODALITIES),
        tuple((row, column, 1, 1) for row in (0, 1) for column in range(4)),
        (1, 1, 1, 1),
        (1, 1),
    ),
    Layout.MODELS: Plan(
        (Slot(role=Role.SOURCE), *(Slot(role=Role.RESULT, rank=rank) for rank in range(3))), _SQUARE, (1, 1), (1, 1)
    ),
    Layout.VOLUME: Plan((*_PLANES, Slot(surface=True)), _SQUARE, (1, 1), (1, 1)),
}

_MANY = Plan(
    (Slot(role=Role.SOURCE), *(Slot(role=Role.RESULT, rank=rank) for rank in range(6)), Slot(role=Role.DIFFERENCE)),
    ((0, 0, 1, 1), *((row, column, 1, 1) for row in (0, 1) for column in (1, 2, 3)), (1, 0, 1, 1)),
    (1, 1, 1, 1),
    (1, 1),
)


def plan_of(layout: Layout, results: int) -> Plan:
    """Return the panes of a layout where there are so many results of the slice; the models' grows to six of them."""
    few = len(PLANS[Layout.MODELS].slots) - 1
    return _MANY if layout is Layout.MODELS and results > few else PLANS[layout]

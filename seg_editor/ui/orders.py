"""What the settings ask for, as an order, a place and a kind; and the settings that a result was made with. No Qt."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from seg_editor.session.layer import labels_hash
from seg_editor.session.live import Kind
from seg_editor.session.recall import Place
from seg_editor.session.results import Entry, Known
from seg_editor.ui.backend import ModelInfo, Order

if TYPE_CHECKING:
    from seg_editor.session import Workspace
    from seg_editor.ui.state import GenerationSettings


def order_of(
    workspace: Workspace, settings: GenerationSettings, models: Iterable[ModelInfo], token: Hashable, model: str = ""
) -> Order:
    """Return the order that mask, slice and settings of this moment make; `model` in place of the chosen one."""
    segmentation, z = workspace.segmentation, workspace.view.cursor[2]
    name = model or settings.model
    tissue, found = _tissue(workspace, models, name)
    return Order(
        case=workspace.case,
        original=segmentation.original.copy(),
        labels=segmentation.labels.copy(),
        token=token,
        model=name,
        preset=settings.preset,
        steps=settings.steps,
        slices=(z,) if settings.slices == "slice" else settings.slices,
        seed=settings.seed,
        first=z,
        device=settings.device,
        known=Known(workspace.results),
        tissue=None if tissue is None else tissue.copy(),
        tissue_name=found,
        weights=_weights(models, name),
    )


def place_of(workspace: Workspace, settings: GenerationSettings, models: Iterable[ModelInfo], token: Hashable) -> Place:
    """Return where the picture of all slices is found that the settings ask for."""
    s = settings
    tissue, found = _tissue(workspace, models, s.model)
    identity = found if tissue is None else labels_hash(tissue)
    return Place(token, s.model, s.device, s.preset, s.steps, s.seed, "all", identity, _weights(models, s.model))


def _tissue(workspace: Workspace, models: Iterable[ModelInfo], model: str) -> tuple[np.ndarray | None, str]:
    """The tissue map as it was edited, or the name of the one found before, where a model looks at it."""
    if not any(info.name == model and info.uses_tissue for info in models):
        return None, ""
    if workspace.tissue is not None:
        return workspace.tissue.segmentation.labels, ""
    from seg_editor.anatomy.tissue import tissue_name

    return None, tissue_name(workspace.case)


def _weights(models: Iterable[ModelInfo], model: str) -> str:
    """What stands behind the name of a model."""
    return next((info.weights for info in models if info.name == model), "")


def presets_of(models: Iterable[ModelInfo], model: str) -> Mapping[str, int]:
    """Return the network passes a slice of each preset of a model; nothing for one that is not there."""
    return next((info.presets for info in models if info.name == model), {})


def fitting_preset(models: Iterable[ModelInfo], settings: GenerationSettings) -> str:
    """Return the preset of the settings where their model has it, else one that it has."""
    presets = presets_of(models, settings.model)
    if not presets or settings.preset in presets:
        return settings.preset
    return "standard" if "standard" in presets else next(iter(presets))


def next_kind(settings: GenerationSettings, models: Iterable[ModelInfo], slices: int) -> Kind:
    """Return the kind of run that the settings ask for, over so many slices."""
    steps = settings.steps or presets_of(models, settings.model).get(settings.preset, 1)
    return Kind(settings.model, settings.device, steps, max(1, slices))


def order_kind(order: Order, models: Iterable[ModelInfo], slices: int) -> Kind:
    """Return the kind of run of an order that has not begun; `slices` are those of an order for all."""
    steps = order.steps or presets_of(models, order.model).get(order.preset, 1)
    return order.kind(steps, len(order.slices) if isinstance(order.slices, tuple) else max(1, slices))


def kind_of(order: Order, total: int) -> Kind:
    """Return the kind of a run of so many network passes in all."""
    steps = max(1, total // len(order.slices)) if isinstance(order.slices, tuple) else max(1, total)
    return order.kind(steps, total // steps)


def restore_settings(settings: GenerationSettings, entry: Entry, models: Iterable[ModelInfo]) -> None:
    """Set what makes a result again; while live, a single slice leaves the choice of slices as it is."""
    request, place = entry.request, entry.place
    settings.seed = request.seed
    if request.model in {info.name for info in models}:
        settings.model = request.model
        settings.preset = request.preset
        settings.steps = request.steps if place is None else place.steps
    if place is not None:
        settings.device = place.device
        if place.slices == "all" or not settings.live:
            settings.slices = "all" if place.slices == "all" else "slice"

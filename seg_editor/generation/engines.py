"""The engine of a model, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seg_editor.errors import ModelError

if TYPE_CHECKING:
    from seg_editor.generation.engine import Engine
    from seg_editor.generation.paper_engine import DiffusionEngine
    from seg_editor.generation.registry import LoadedModel
    from seg_editor.generation.tissue_source import Tissue

#: Kinds of models that make pictures.
GENERATING = ("inpaint", "diffusion")


def engine_for(model: LoadedModel, *, tissue: Tissue | None = None) -> Engine | DiffusionEngine:
    """The engine that runs a model; both have ``plan`` and ``run`` of the same form.

    Parameters
    ----------
    model : LoadedModel
    tissue : Tissue, optional
        Where a diffusion model's masks come from; by default the cached tissue map, else the referee.

    Raises
    ------
    ModelError
        The model does not fill holes.
    """
    if model.card.kind == "inpaint":
        from seg_editor.generation.engine import Engine

        return Engine(model)
    if model.card.kind == "diffusion":
        from seg_editor.generation.paper_engine import DiffusionEngine

        return DiffusionEngine(model, tissue=tissue)
    kinds = " or ".join(GENERATING)
    raise ModelError(f"{model.card.name} does not fill holes", remedy=f"Choose a model of kind {kinds}")

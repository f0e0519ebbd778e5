"""The engine of a model, whatever its kind."""

from __future__ import annotations

import time
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


def pass_seconds(engine: Engine | DiffusionEngine) -> float | None:
    """Seconds of a network pass of one of the paper's models here and now, measured on an empty slice.

    Their pictures can take an hour, which has to be known before one is begun. None for M5, which takes seconds.
    """
    import torch

    from seg_editor.generation.paper_engine import DiffusionEngine

    if not isinstance(engine, DiffusionEngine):
        return None
    size, window, device = engine.network.config.image_size, engine.input.window, engine.model.device
    shape = (size, size) if window is None else tuple(part.stop - part.start for part in window)
    noisy = torch.zeros((1, 1, *shape), device=device)
    masks = torch.zeros((1, *shape), dtype=torch.int64, device=device)
    when = torch.zeros(1, dtype=torch.int64, device=device)
    taken = 0.0
    for _ in range(2):  # the first pass also prepares
        began = time.perf_counter()
        with torch.inference_mode():
            engine.network(noisy, masks, when).cpu()
        taken = time.perf_counter() - began
    return taken

"""What every engine decides before it runs: slices, steps, modalities, and the tumor that stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import MODALITIES, Case, Modality
from seg_editor.errors import UsageError
from seg_editor.generation.hole import Hole
from seg_editor.generation.request import GenerationRequest

if TYPE_CHECKING:
    from seg_editor.generation.registry import LoadedModel, ModelCard

Cancel = Callable[[], bool]


class GenerationCancelled(Exception):
    """The caller asked to stop; nothing was kept."""


def check_cancel(cancel: Cancel | None) -> None:
    """Raise :class:`GenerationCancelled` when the caller wants to stop."""
    if cancel is not None and cancel():
        raise GenerationCancelled


def choose_slices(hole: Hole, slices: str | Sequence[int]) -> tuple[int, ...]:
    """``auto`` and ``all`` are every slice that holds hole voxels; listed slices must hold some.

    Raises
    ------
    UsageError
        The hole is empty, or a slice holds none of it.
    """
    if hole.empty:
        raise UsageError("there is nothing to generate", remedy="Remove some tumor first")
    if isinstance(slices, str):
        if slices not in ("auto", "all"):
            raise UsageError(f"slices {slices!r} is neither auto, all nor a list", remedy="Write for example 70,71,72")
        return hole.slices
    wanted = tuple(sorted({int(k) for k in slices}))
    empty = sorted(set(wanted) - set(hole.slices))
    if empty:
        first, last = hole.slices[0], hole.slices[-1]
        raise UsageError(f"slice {empty[0]} holds no hole", remedy=f"The hole spans slices {first} to {last}")
    return wanted


def choose_steps(card: ModelCard, preset: str, steps: int | None) -> int:
    """The steps asked for, else the preset's; the preset must be one of the card's."""
    if preset not in card.presets:
        raise UsageError(
            f"{card.name} has no preset {preset}", remedy=f"Choose one of {', '.join(card.presets) or 'none'}"
        )
    return card.presets[preset]["steps"] if steps is None else steps


def choose_modalities(case: Case, wanted: Sequence[Modality] | None) -> tuple[Modality, ...]:
    """What was asked for, in order, else all that the case has."""
    chosen = tuple(m for m in MODALITIES if m in (case.modalities if wanted is None else wanted))
    absent = [m for m in chosen if m not in case.volumes]
    if absent:
        raise UsageError(f"the case has no {absent[0].display}", remedy="Choose modalities that it has")
    return chosen


def staying(case: Case, tumor: NDArray[np.bool_] | None) -> Hole | None:
    """The tumor that stays as a mask inside the brain; None when there is none."""
    if tumor is None or not tumor.any():
        return None
    return Hole.from_mask(tumor, case.brain)


def tumor_hash(stays: Hole | None) -> str:
    """Identity of the tumor that stays; empty for none."""
    return "" if stays is None else stays.content_hash


def request_for(
    model: LoadedModel,
    case: Case,
    hole: Hole,
    *,
    slices: tuple[int, ...],
    modalities: tuple[Modality, ...],
    seed: int,
    steps: int,
    preset: str,
    tumor: NDArray[np.bool_] | None,
    recipe: str,
) -> GenerationRequest:
    """The request of a run: what was chosen is handed in, what follows from case, hole and model is added."""
    return GenerationRequest(
        case_hash=case.content_hash,
        hole_hash=hole.content_hash,
        slices=slices,
        modalities=modalities,
        model=model.card.name,
        model_hash=model.card.weights_sha256,
        seed=seed,
        steps=steps,
        preset=preset,
        margin=hole.margin,
        runtime=model.runtime,
        tumor_hash=tumor_hash(staying(case, tumor)),
        recipe=recipe,
    )


def slice_order(request: GenerationRequest, first: int | None) -> tuple[int, ...]:
    """The request's slices, `first` before the others and these by distance from it."""
    if first is None:
        return request.slices
    return tuple(sorted(request.slices, key=lambda k: abs(k - first)))

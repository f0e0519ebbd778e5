"""Results for tests: a counterfactual of a tiny case, filled with a constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, Modality
from seg_editor.generation.counterfactual import Counterfactual, to_raw
from seg_editor.generation.hole import Hole, find_hole
from seg_editor.generation.request import GenerationRequest


def make_request(case: Case, hole: Hole, **changes: Any) -> GenerationRequest:
    """A request for the hole, with fields replaced."""
    fields: dict[str, Any] = {
        "case_hash": case.content_hash,
        "hole_hash": hole.content_hash,
        "slices": hole.slices,
        "modalities": case.modalities,
        "model": "m5",
        "model_hash": "ab" * 32,
        "seed": 7,
        "steps": 4,
        "preset": "standard",
        "margin": hole.margin,
        "runtime": "torch-cpu",
    }
    return GenerationRequest(**{**fields, **changes})


def make_counterfactual(
    case: Case,
    hole: Hole | None = None,
    fills: Mapping[Modality, float] | None = None,
    slices: Sequence[int] | None = None,
) -> Counterfactual:
    """The whole tumor replaced by a constant a modality (white matter of the tiny case on FLAIR)."""
    if hole is None:
        assert case.labels is not None
        labels: NDArray[Any] = case.labels.raw
        hole = find_hole(labels, np.zeros_like(labels), brain=case.brain, margin=1)
    if slices is not None:
        hole = hole.restricted(slices)
    fills = fills or dict.fromkeys(case.modalities, 320.0)
    patches = {m: to_raw(case.volumes[m], np.full(hole.voxels, v, np.float32)) for m, v in fills.items()}
    request = make_request(case, hole, modalities=tuple(fills))
    return Counterfactual(request, hole, patches, dict.fromkeys(hole.slices, 0.25), "cpu", "torch-cpu")

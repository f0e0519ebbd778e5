from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seg_editor.cases import Case, Modality
from seg_editor.errors import ModelError, UsageError
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.generation.diffusion import HoleFill, Sampling, Solver, Start
from seg_editor.generation.engine import Engine, GenerationCancelled, Step
from seg_editor.generation.engines import engine_for
from seg_editor.generation.hole import Hole
from seg_editor.generation.paper_engine import DiffusionEngine, read_recipe, whole_volume
from seg_editor.generation.registry import list_models, load_model
from seg_editor.generation.request import GenerationRequest
from seg_editor.generation.tissue_source import TissueSource
from seg_editor.generation.unet import NoiseNet, UNetConfig
from tests.generation.emptied import scrambled
from tests.models import write_model, write_referee
from tests.tiny import tiny_maps

SIZE = 32
CONFIG = UNetConfig(
    image_size=SIZE, mask_scale=60.0, fold=2, widths=(8, 8), layers=1, attention_level=1, head_size=4, groups=4
)
CARD: dict[str, Any] = {
    "kind": "diffusion",
    "network": "UNet2DModel",
    "presets": {"fast": {"steps": 2}, "standard": {"steps": 4}},
}
SLICES = (9, 11)
NOISE = Sampling(Start.NOISE, Solver.DDPM)


def diffusion_folder(folder: Path, name: str = "m3", config: UNetConfig = CONFIG, **slices: str) -> Path:
    torch.manual_seed(0)
    settings = {"slices": slices} if slices else {}
    return write_model(folder / name, NoiseNet(config), name=name, training={"settings": settings}, **CARD)


def tissue(case: Case, slices: Sequence[int]) -> NDArray[np.uint8]:
    labels = tiny_maps(case.grid.shape)[0][::-1, ::-1]
    return np.ascontiguousarray(np.moveaxis(labels[:, :, list(slices)], 2, 0))


def engine_of(folder: Path, **slices: str) -> DiffusionEngine:
    found = engine_for(load_model(diffusion_folder(folder, **slices), device="cpu"), tissue=tissue)
    assert isinstance(found, DiffusionEngine)
    return found


@pytest.fixture
def paper(tmp_path: Path) -> DiffusionEngine:
    return engine_of(tmp_path)


def steps_of(engine: DiffusionEngine, case: Case, hole: Hole, **plan: Any) -> list[Step]:
    request = engine.plan(case, hole, **{"slices": SLICES, **plan})
    return list(engine.run(case, hole, request, tumor=plan.get("tumor")))


def generate(engine: DiffusionEngine, case: Case, hole: Hole, **plan: Any) -> Counterfactual:
    result = steps_of(engine, case, hole, **plan)[-1].result
    assert result is not None
    return result


def patch(result: Counterfactual) -> NDArray[Any]:
    return result.patches[Modality.FLAIR]


# -- which engine


def test_every_generating_kind_has_its_engine(tmp_path: Path, engine: Engine) -> None:
    assert isinstance(engine_for(engine.model), Engine)
    assert isinstance(engine_for(load_model(diffusion_folder(tmp_path), device="cpu")), DiffusionEngine)
    assert [c.kind for c in list_models(tmp_path)] == ["diffusion"]


def test_a_referee_makes_no_pictures(tmp_path: Path) -> None:
    referee = load_model(write_referee(tmp_path / "m4"), device="cpu")
    with pytest.raises(ModelError, match="m4 does not fill holes"):
        engine_for(referee)
    with pytest.raises(ModelError, match="no diffusion model"):
        DiffusionEngine(referee)


# -- the request


def test_a_request_holds_whatever_decides_a_pixel(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    def key(**plan: Any) -> str:
        return paper.plan(tiny_case, hole, **plan).key

    plans: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"steps": 5},
        {"preset": "fast"},
        {"slices": SLICES},
        {"tumor": hole.core & (np.arange(hole.core.shape[2]) < 8)},
        {"sampling": Sampling(Start.NOISE, Solver.DDIM)},
        {"sampling": Sampling(Start.STRENGTH)},
        {"sampling": Sampling(Start.STRENGTH, strength=0.5)},
        {"sampling": Sampling(hole=HoleFill.PRIOR)},
    ]
    keys = [key(**p) for p in plans]
    assert len(set(keys)) == len(plans)
    assert keys == [key(**p) for p in plans]


def test_the_model_s_slices_are_part_of_the_request(tmp_path: Path, tiny_case: Case, hole: Hole) -> None:
    one, other = engine_of(tmp_path / "a"), engine_of(tmp_path / "b", normalisation="paper")
    requests = [engine.plan(tiny_case, hole, slices=SLICES) for engine in (one, other)]
    assert requests[0].model_hash == requests[1].model_hash
    assert requests[0].key != requests[1].key
    with pytest.raises(UsageError, match="model is not that of the request"):
        next(one.run(tiny_case, hole, requests[1]))


def test_another_engine_is_another_request(
    paper: DiffusionEngine, tiny_case: Case, hole: Hole, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = paper.plan(tiny_case, hole, slices=SLICES)
    monkeypatch.setattr("seg_editor.generation.paper_engine.ENGINE_VERSION", 99)
    assert paper.plan(tiny_case, hole, slices=SLICES).key != before.key
    with pytest.raises(UsageError, match="Plan the run again"):
        next(paper.run(tiny_case, hole, before))


def test_the_recipe_comes_back(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    how = Sampling(Start.STRENGTH, Solver.DDIM, 1, 0.4, HoleFill.NEAREST, 99)
    request = paper.plan(tiny_case, hole, sampling=how, steps=7, seed=3)
    again = GenerationRequest.from_json(request.to_json())
    assert read_recipe(again)[0] == replace(how, steps=7, seed=3)
    assert again.modalities == (Modality.FLAIR,)
    broken = replace(request, recipe=json.dumps({"masks": ""}))
    with pytest.raises(UsageError, match="no sampling settings"):
        next(paper.run(tiny_case, hole, broken))
    with pytest.raises(UsageError, match="another kind of model"):
        next(paper.run(tiny_case, hole, replace(request, recipe="mean")))
    with pytest.raises(UsageError, match="contradicts itself"):
        next(paper.run(tiny_case, hole, replace(request, seed=4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices": [0]}, "slice 0 holds no hole"),
        ({"preset": "fine"}, r"m3 has no preset fine\. Choose one of fast, standard"),
        ({"steps": 0}, "0 sampling steps"),
        ({"steps": 1001}, "1001 sampling steps"),
        ({"seed": -1}, "cannot be negative"),
        ({"modalities": [Modality.T1]}, "m3 makes FLAIR only"),
    ],
)
def test_plans_that_make_no_sense(
    paper: DiffusionEngine, tiny_case: Case, hole: Hole, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        paper.plan(tiny_case, hole, **options)


def test_a_request_for_something_else_is_refused(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    request = paper.plan(tiny_case, hole, slices=SLICES)
    with pytest.raises(UsageError, match="another case, hole or model"):
        next(paper.run(scrambled(tiny_case, hole.mask), hole, request))
    with pytest.raises(UsageError, match="tumor, tissue or model is not that of the request"):
        next(paper.run(tiny_case, hole, request, tumor=hole.core))
    paper._tissue = lambda case, slices: np.minimum(tissue(case, slices), 2)
    paper.plan(tiny_case, hole, slices=SLICES)
    with pytest.raises(UsageError, match="tumor, tissue or model is not that of the request"):
        next(paper.run(tiny_case, hole, request))


# -- pictures


@pytest.mark.parametrize(("sampling", "executed"), [(NOISE, 4), (Sampling(Start.STRENGTH, strength=0.7), 4)])
def test_steps_are_counted_as_they_are(
    paper: DiffusionEngine, tiny_case: Case, hole: Hole, sampling: Sampling, executed: int
) -> None:
    steps = steps_of(paper, tiny_case, hole, sampling=sampling)
    assert [(s.k, s.total) for s in steps] == [(k, 2 * executed) for k in range(1, 2 * executed + 1)]
    assert [s.slice_index for s in steps] == [9] * executed + [11] * executed
    assert [s.result is not None for s in steps] == [False] * (len(steps) - 1) + [True]


def test_a_strength_start_runs_the_tail_only(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    steps = steps_of(paper, tiny_case, hole, sampling=Sampling(Start.STRENGTH, strength=0.5), steps=9)
    assert steps[0].total == 2 * 5


def test_only_the_hole_changes(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    steps = steps_of(paper, tiny_case, hole)
    source = tiny_case.volumes[Modality.FLAIR].raw
    for step in steps:
        assert step.preview is not None
        outside = ~hole.mask[:, :, step.slice_index]
        picture = step.preview[Modality.FLAIR]
        assert np.array_equal(picture[outside], source[:, :, step.slice_index][outside])
    result = steps[-1].result
    assert result is not None
    raw = result.raw(tiny_case, Modality.FLAIR)
    made = np.zeros(source.shape, bool)
    made[:, :, SLICES] = hole.mask[:, :, SLICES]
    assert np.array_equal(raw[~made], source[~made])
    assert (raw[made] != source[made]).mean() > 0.8
    assert raw.min() >= source.min()
    final = steps[-1].preview
    assert final is not None
    np.testing.assert_allclose(final[Modality.FLAIR], result.slice_raw(tiny_case, Modality.FLAIR, 11), atol=0.51)


def test_a_whole_volume_keeps_the_whole_slice(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    whole = whole_volume(hole.core)
    everywhere = generate(paper, tiny_case, whole).slice_raw(tiny_case, Modality.FLAIR, 9)
    inside = generate(paper, tiny_case, hole).slice_raw(tiny_case, Modality.FLAIR, 9)
    here = hole.mask[:, :, 9]
    assert np.array_equal(everywhere[here], inside[here])
    source = tiny_case.volumes[Modality.FLAIR].raw[:, :, 9]
    assert (everywhere[~here] != source[~here]).mean() > 0.8


def test_slices_do_not_depend_on_each_other_or_on_their_order(
    paper: DiffusionEngine, tiny_case: Case, hole: Hole
) -> None:
    both = generate(paper, tiny_case, hole)
    alone = generate(paper, tiny_case, hole, slices=[11])
    request = paper.plan(tiny_case, hole, slices=SLICES)
    backward = list(paper.run(tiny_case, hole, request, first=11))
    assert [s.slice_index for s in backward] == [11] * 4 + [9] * 4
    assert backward[-1].result is not None
    assert patch(backward[-1].result).tobytes() == patch(both).tobytes()
    for result in (alone, both):
        assert np.array_equal(
            result.slice_raw(tiny_case, Modality.FLAIR, 11), both.slice_raw(tiny_case, Modality.FLAIR, 11)
        )


def test_from_noise_nothing_leaks_and_from_the_source_it_does(
    paper: DiffusionEngine, tiny_case: Case, hole: Hole
) -> None:
    other = scrambled(tiny_case, hole.mask)
    assert np.array_equal(patch(generate(paper, tiny_case, hole)), patch(generate(paper, other, hole)))
    leak = Sampling(Start.STRENGTH, strength=0.3)
    a, b = (patch(generate(paper, c, hole, sampling=leak, steps=50)) for c in (tiny_case, other))
    assert not np.array_equal(a, b)


def test_what_the_mask_says_matters(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    made = [patch(generate(paper, tiny_case, hole, sampling=Sampling(hole=fill))) for fill in HoleFill]
    assert not np.array_equal(made[0], made[1])
    half = hole.core & (np.arange(hole.core.shape[0]) < 16)[:, None, None]
    assert half.any()
    stays = patch(generate(paper, tiny_case, Hole(hole.mask, hole.core & ~half, 1), tumor=half))
    assert not np.array_equal(stays, made[0])


@pytest.mark.parametrize("normalisation", ["robust", "paper"])
@pytest.mark.parametrize("preset", ["compact", "paper"])
def test_a_perfect_network_gives_the_source_back(
    tmp_path: Path, tiny_case: Case, hole: Hole, preset: str, normalisation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(tmp_path, preset=preset, normalisation=normalisation)
    monkeypatch.setattr(
        "seg_editor.generation.paper_engine.sampling_passes", lambda *_, source, **__: iter([source, source])
    )
    sampling = Sampling(Start.STRENGTH, strength=0.5)
    result = generate(engine, tiny_case, hole, steps=3, sampling=sampling)
    source = tiny_case.volumes[Modality.FLAIR].raw.astype(float)
    made = hole.mask[:, :, 9]
    error = np.abs(result.slice_raw(tiny_case, Modality.FLAIR, 9) - source[:, :, 9])[made]
    bound = np.ptp(source[tiny_case.brain]) / 60
    assert np.median(error) < (bound if preset == "compact" else 8 * bound)


def test_a_picture_is_made_in_the_window_of_the_training(
    tmp_path: Path, tiny_case: Case, hole: Hole, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = engine_of(tmp_path / "whole")
    across = np.flatnonzero(tiny_case.brain.any((1, 2))) + (SIZE - tiny_case.brain.shape[0]) // 2
    low = int(across[0])
    window = [[low, low + 4 * -(-(int(across[-1]) + 1 - low) // 4)], [0, SIZE]]
    torch.manual_seed(0)
    folder = write_model(
        tmp_path / "m3", NoiseNet(CONFIG), name="m3", training={"settings": {"window": window}}, **CARD
    )
    engine = DiffusionEngine(load_model(folder, device="cpu"), tissue=tissue)
    shapes: list[tuple[int, ...]] = []

    def look(*_: Any, source: NDArray[np.float32], **__: Any) -> Any:
        shapes.append(source.shape)
        return iter([source, source])

    monkeypatch.setattr("seg_editor.generation.paper_engine.sampling_passes", look)
    how = Sampling(Start.STRENGTH, strength=0.5)
    made = [patch(generate(e, tiny_case, hole, steps=3, sampling=how)) for e in (whole, engine)]
    assert shapes[0] == (1, SIZE, SIZE)
    assert shapes[-1] == (1, window[0][1] - low, SIZE)
    assert np.array_equal(made[0], made[1])


@pytest.mark.parametrize("window", [[[0, 99], [0, 8]], [[8, 8], [0, 8]], [[1, 2]], "all"])
def test_a_window_that_cannot_be_is_refused(tmp_path: Path, window: Any) -> None:
    folder = write_model(
        tmp_path / "m3", NoiseNet(CONFIG), name="m3", training={"settings": {"window": window}}, **CARD
    )
    with pytest.raises(ModelError, match="no usable window"):
        DiffusionEngine(load_model(folder, device="cpu"), tissue=tissue)


def test_cancel_between_passes(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    request = paper.plan(tiny_case, hole, slices=SLICES)
    seen: list[int] = []
    run = paper.run(tiny_case, hole, request, cancel=lambda: len(seen) >= 2)
    seen += [next(run).k]
    seen += [next(run).k]
    assert seen == [1, 2]
    with pytest.raises(GenerationCancelled):
        next(run)


def test_numbers_that_are_not_finite_are_an_error(paper: DiffusionEngine, tiny_case: Case, hole: Hole) -> None:
    with torch.no_grad():
        next(paper.network.parameters()).fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        generate(paper, tiny_case, hole)


# -- what a card says


def test_a_network_without_mask_needs_no_tissue(tmp_path: Path, tiny_case: Case, hole: Hole) -> None:
    def nobody(case: Case, slices: Sequence[int]) -> NDArray[np.uint8]:
        raise AssertionError("asked for tissue")

    folder = diffusion_folder(tmp_path, "m1", replace(CONFIG, mask=False))
    engine = DiffusionEngine(load_model(folder, device="cpu"), tissue=nobody)
    assert patch(generate(engine, tiny_case, hole)).size == hole.restricted(SLICES).voxels


@pytest.mark.parametrize("slices", [{"preset": "other"}, {"modality": "pet"}, {"size": 128}])
def test_a_card_of_unknown_slices_is_refused(tmp_path: Path, slices: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        engine_of(tmp_path, **slices)


def test_the_referee_stands_in_for_a_tissue_map(tmp_path: Path, tiny_case: Case) -> None:
    from seg_editor.generation.referee import Referee

    referee = Referee(load_model(write_referee(tmp_path / "m4"), device="cpu"))
    source = TissueSource(lambda _: None, referee)
    planes = source(tiny_case, (8, 10))
    brain = np.moveaxis(tiny_case.brain[:, :, [8, 10]], 2, 0)
    assert np.array_equal(planes > 0, brain & (planes > 0).any((1, 2), keepdims=True))
    assert set(np.unique(planes)) <= {0, 1, 2, 3}
    assert np.array_equal(source(tiny_case, (10,))[0], planes[1])

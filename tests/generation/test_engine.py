from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seg_editor.cases import MODALITIES, Case, Modality, open_case, read_labels
from seg_editor.errors import ModelError, UsageError
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.generation.engine import Engine, GenerationCancelled, Step
from seg_editor.generation.hole import Hole, find_hole
from seg_editor.generation.registry import load_model
from seg_editor.generation.request import GenerationRequest
from seg_editor.resources import resource_path
from tests.generation.emptied import scrambled
from tests.models import write_model
from tests.tiny import make_case

SLICES = (9, 10, 11)


def last(steps: list[Step]) -> Counterfactual:
    assert [s.result is not None for s in steps] == [False] * (len(steps) - 1) + [True]
    result = steps[-1].result
    assert result is not None
    return result


def generate(engine: Engine, case: Case, hole: Hole, **plan: Any) -> Counterfactual:
    request = engine.plan(case, hole, **{"slices": SLICES, **plan})
    return last(list(engine.run(case, hole, request, tumor=plan.get("tumor"))))


def same(a: Counterfactual, b: Counterfactual) -> bool:
    return a.modalities == b.modalities and all(a.patches[m].tobytes() == b.patches[m].tobytes() for m in a.modalities)


# -- planning


def test_a_plan_holds_everything(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    request = engine.plan(tiny_case, hole, seed=5)
    assert request.case_hash == tiny_case.content_hash
    assert request.hole_hash == hole.content_hash
    assert request.slices == hole.slices
    assert request.modalities == MODALITIES
    assert (request.model, request.model_hash) == ("m5", engine.model.card.weights_sha256)
    assert (request.seed, request.steps, request.preset) == (5, 3, "standard")
    assert (request.margin, request.runtime, request.tumor_hash) == (1, "torch-cpu", "")
    assert engine.plan(tiny_case, hole, seed=5, slices="all").key == request.key
    assert engine.plan(tiny_case, hole, seed=6).key != request.key


def test_presets_and_steps(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    assert engine.plan(tiny_case, hole, preset="preview").steps == 1
    assert engine.plan(tiny_case, hole, preset="preview", steps=7).steps == 7


def test_slices_and_modalities_are_put_in_order(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    request = engine.plan(tiny_case, hole, slices=[11, 9, 11], modalities=[Modality.FLAIR, Modality.T1])
    assert request.slices == (9, 11)
    assert request.modalities == (Modality.T1, Modality.FLAIR)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices": "some"}, "neither auto, all nor a list"),
        ({"slices": [0]}, r"slice 0 holds no hole\. The hole spans slices \d+ to \d+"),
        ({"slices": [10, 999]}, "slice 999 holds no hole"),
        ({"slices": []}, "no slice to generate"),
        ({"preset": "paper"}, r"m5 has no preset paper\. Choose one of preview, standard"),
        ({"steps": 0}, "0 sampling steps"),
        ({"seed": -1}, "cannot be negative"),
        ({"modalities": []}, "no modality to generate"),
    ],
)
def test_plans_that_make_no_sense(
    engine: Engine, tiny_case: Case, hole: Hole, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        engine.plan(tiny_case, hole, **options)


def test_nothing_to_generate(engine: Engine, tiny_case: Case) -> None:
    empty = Hole.from_mask(np.zeros(tiny_case.grid.shape, bool), tiny_case.brain)
    with pytest.raises(UsageError, match="nothing to generate"):
        engine.plan(tiny_case, empty)


def test_a_modality_that_the_case_lacks(engine: Engine, tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "BraTS2021_90005", modalities=(Modality.T1, Modality.FLAIR)))
    hole = Hole.from_mask(case.tumor, case.brain)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the case has no T2"):
        engine.plan(case, hole, modalities=[Modality.T2])


def test_a_request_for_something_else_is_refused(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    request = engine.plan(tiny_case, hole, slices=SLICES)
    other = Hole.from_mask(hole.core, tiny_case.brain)
    for case, wanted in ((scrambled(tiny_case, hole.mask), hole), (tiny_case, other)):
        with pytest.raises(UsageError, match="Plan the run again"):
            next(engine.run(case, wanted, request))


# -- results


def test_steps_come_with_previews_and_the_last_with_the_result(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    request = engine.plan(tiny_case, hole, slices=SLICES)
    steps = list(engine.run(tiny_case, hole, request))
    assert [s.k for s in steps] == list(range(1, 10))
    assert {s.total for s in steps} == {9}
    assert [s.slice_index for s in steps] == [9] * 3 + [10] * 3 + [11] * 3
    result = last(steps)
    assert result.request == request
    assert result.slices == SLICES
    assert set(result.seconds) == set(SLICES)
    assert (result.device, result.runtime, result.finished) == ("cpu", "torch-cpu", True)
    for step in steps:
        assert step.preview is not None
        for m, picture in step.preview.items():
            outside = ~hole.mask[:, :, step.slice_index]
            source = tiny_case.volumes[m].raw[:, :, step.slice_index]
            assert np.array_equal(picture[outside], source[outside])
    final = steps[-1].preview
    assert final is not None
    for m in MODALITIES:
        np.testing.assert_allclose(final[m], result.slice_raw(tiny_case, m, 11), atol=0.51)


def test_outside_the_hole_nothing_changes(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    result = generate(engine, tiny_case, hole)
    for m in MODALITIES:
        raw = result.raw(tiny_case, m)
        source = tiny_case.volumes[m].raw
        assert raw.dtype == source.dtype
        generated = np.zeros(source.shape, bool)
        generated[:, :, SLICES] = hole.mask[:, :, SLICES]
        assert np.array_equal(raw[~generated], source[~generated])
        assert (raw[generated] != source[generated]).mean() > 0.8


def test_no_byte_depends_on_what_was_in_the_hole(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    other = scrambled(tiny_case, hole.mask)
    assert same(generate(engine, tiny_case, hole), generate(engine, other, hole))


def test_a_sample_is_finished_with_the_cards_detail(
    engine: Engine, tiny_case: Case, hole: Hole, tmp_path: Path
) -> None:
    plain = Engine(load_model(write_model(tmp_path / "plain" / "m5"), device="cpu"))
    rough = Engine(load_model(write_model(tmp_path / "rough" / "m5", detail=[[2.0, 0, 0, 0, 0]] * 4), device="cpu"))
    one, two = generate(plain, tiny_case, hole), generate(rough, tiny_case, hole)
    assert same(generate(engine, tiny_case, hole), one)
    assert not same(one, two)
    assert one.request.key != two.request.key
    means = [generate(e, tiny_case, hole, steps=1) for e in (plain, rough)]
    assert same(*means)


def test_tumor_that_stays_is_hidden_with_its_margin(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    from scipy import ndimage as ndi

    part = Hole.from_mask(hole.mask & (np.arange(20) < 11), tiny_case.brain)
    stays = hole.core & ~part.mask
    hidden = ndi.binary_dilation(stays, iterations=4) & tiny_case.brain
    one = generate(engine, tiny_case, part, slices=(9, 10), tumor=stays)
    two = generate(engine, scrambled(tiny_case, hidden | part.mask), part, slices=(9, 10), tumor=stays)
    assert same(one, two)
    plain = generate(engine, tiny_case, part, slices=(9, 10))
    assert plain.request.key != one.request.key
    assert not same(plain, one)
    with pytest.raises(UsageError, match="Plan the run again"):
        next(engine.run(tiny_case, part, plain.request, tumor=stays))


def test_the_same_seed_gives_the_same_result(model_folder: Path, tiny_case: Case, hole: Hole) -> None:
    engines = [Engine(load_model(model_folder, device="cpu")) for _ in range(2)]
    one, two = (generate(e, tiny_case, hole, seed=3) for e in engines)
    assert same(one, two)
    assert same(generate(engines[0], tiny_case, hole, seed=3), one)
    assert not same(generate(engines[0], tiny_case, hole, seed=4), one)


def test_a_subset_of_slices_has_the_same_pixels(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    whole = generate(engine, tiny_case, hole, slices="all")
    assert whole.slices == hole.slices
    for slices in ((10,), (9, 12)):
        part = generate(engine, tiny_case, hole, slices=slices)
        for k in slices:
            for m in MODALITIES:
                wanted = whole.slice_raw(tiny_case, m, k)
                assert np.array_equal(part.slice_raw(tiny_case, m, k), wanted)


def test_fewer_modalities_have_the_same_pixels(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    whole = generate(engine, tiny_case, hole)
    part = generate(engine, tiny_case, hole, modalities=[Modality.FLAIR])
    assert part.modalities == (Modality.FLAIR,)
    assert np.array_equal(part.patches[Modality.FLAIR], whole.patches[Modality.FLAIR])


def test_one_step_is_the_mean_and_needs_no_noise(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    request = engine.plan(tiny_case, hole, slices=SLICES, steps=1)
    steps = list(engine.run(tiny_case, hole, request))
    assert len(steps) == len(SLICES)
    other_seed = generate(engine, tiny_case, hole, steps=1, seed=99)
    assert same(last(steps), other_seed)
    assert not same(last(steps), generate(engine, tiny_case, hole, steps=2))


def test_missing_modalities(engine: Engine, tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "BraTS2021_90006", modalities=(Modality.T1, Modality.FLAIR)))
    hole = Hole.from_mask(case.tumor, case.brain)  # type: ignore[arg-type]
    result = generate(engine, case, hole)
    assert result.modalities == (Modality.T1, Modality.FLAIR)
    for m in result.modalities:
        assert np.isfinite(result.raw(case, m)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_stored_types(engine: Engine, tmp_path: Path, dtype: type) -> None:
    case = open_case(make_case(tmp_path / "BraTS2021_90007", dtype=dtype))
    hole = Hole.from_mask(case.tumor, case.brain)  # type: ignore[arg-type]
    result = generate(engine, case, hole)
    for m in MODALITIES:
        assert result.patches[m].dtype == dtype
        assert result.raw(case, m).dtype == dtype


def test_uint8_does_not_wrap_around(tmp_path: Path, tiny_case: Case) -> None:
    folder = write_model(tmp_path / "m")
    wild = load_model(folder, device="cpu")
    with torch.no_grad():
        wild.network.head.bias.fill_(60.0)  # type: ignore[union-attr,operator]
    case = open_case(make_case(tmp_path / "BraTS2021_90008", dtype=np.uint8))
    hole = Hole.from_mask(case.tumor, case.brain)  # type: ignore[arg-type]
    result = generate(Engine(wild), case, hole, steps=1)
    assert (result.patches[Modality.T1] == 255).all()


def test_a_wide_slice_is_cut_to_a_window(engine: Engine, tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "BraTS2021_90009", shape=(136, 150, 10)))
    hole = Hole.from_mask(case.tumor, case.brain)  # type: ignore[arg-type]
    k = hole.slices[len(hole.slices) // 2]
    result = generate(engine, case, hole, slices=[k], steps=2)
    raw, source = result.raw(case, Modality.T1), case.volumes[Modality.T1].raw
    here = np.zeros(source.shape, bool)
    here[:, :, k] = hole.mask[:, :, k]
    assert np.array_equal(raw[~here], source[~here])
    assert np.abs(raw[here].astype(float) - source[here]).max() > 0


# -- trouble


@pytest.mark.parametrize("allowed", [0, 1, 2, 3, 5, 10])
def test_cancel_is_asked_before_every_pass(engine: Engine, tiny_case: Case, hole: Hole, allowed: int) -> None:
    request = engine.plan(tiny_case, hole, slices=SLICES)
    asked: list[int] = []

    def cancel() -> bool:
        asked.append(1)
        return len(asked) > allowed

    seen: list[Step] = []
    with pytest.raises(GenerationCancelled):
        seen.extend(engine.run(tiny_case, hole, request, cancel=cancel))
    assert len(asked) == allowed + 1
    assert all(s.result is None for s in seen)


def test_no_pass_runs_after_cancel(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    request = engine.plan(tiny_case, hole, slices=SLICES)
    passes: list[int] = []
    engine.model.network.register_forward_hook(lambda *_: passes.append(1))
    stop = False
    run = engine.run(tiny_case, hole, request, cancel=lambda: stop)
    for _ in range(4):
        next(run)
    assert len(passes) == 4
    stop = True
    with pytest.raises(GenerationCancelled):
        next(run)
    assert len(passes) == 4


def test_after_a_cancelled_run_the_engine_goes_on(engine: Engine, tiny_case: Case, hole: Hole) -> None:
    wanted = generate(engine, tiny_case, hole)
    with pytest.raises(GenerationCancelled):
        list(engine.run(tiny_case, hole, wanted.request, cancel=lambda: True))
    assert same(generate(engine, tiny_case, hole), wanted)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(tmp_path: Path, tiny_case: Case, hole: Hole, value: float) -> None:
    model = load_model(write_model(tmp_path / "m"), device="cpu")
    with torch.no_grad():
        model.network.stem.weight[0, 0, 0, 0] = value  # type: ignore[union-attr,index]
    with pytest.raises(ModelError, match="not finite"):
        generate(Engine(model), tiny_case, hole)


def test_out_of_memory_is_said(engine: Engine, tiny_case: Case, hole: Hole, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(type(engine.model.network), "forward", fail)
    with pytest.raises(ModelError, match=r"ran out of memory\. Generate on the CPU"):
        generate(engine, tiny_case, hole)


def test_the_context_is_kept_for_the_next_slice(
    engine: Engine, tiny_case: Case, hole: Hole, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seg_editor.generation import engine as module

    made: list[int] = []
    original: Callable[..., Any] = module.CaseContext.of.__func__  # type: ignore[attr-defined]

    def counted(cls: type, *arguments: Any, **more: Any) -> Any:
        made.append(1)
        return original(cls, *arguments, **more)

    monkeypatch.setattr(module.CaseContext, "of", classmethod(counted))
    generate(engine, tiny_case, hole, slices=[9])
    generate(engine, tiny_case, hole, slices=[10], seed=8)
    assert len(made) == 1
    generate(engine, tiny_case, Hole.from_mask(hole.core, tiny_case.brain), slices=[10])
    assert len(made) == 2


@pytest.mark.realdata
@pytest.mark.skipif(not resource_path("models", "m5").is_dir(), reason="the model m5 is not bundled yet")
def test_real_holes_are_filled_better_than_with_a_constant(real_data: Path) -> None:
    """The fixed healthy holes of a held-out case: the truth is known."""
    folder = next(iter(sorted((real_data / "brats").glob("*/*_holes.nii.gz"))), None)
    if folder is None:
        pytest.skip("no case with benchmark holes here")
    case = open_case(folder.parent)
    labels = read_labels(folder).raw
    hole = Hole.from_mask(labels > 0, case.brain)
    k = int(hole.mask.sum((0, 1)).argmax())
    engine = Engine(load_model("m5", device="cpu"))
    request: GenerationRequest = engine.plan(case, hole, slices=[k], steps=1, tumor=case.tumor)
    result = last(list(engine.run(case, hole, request, tumor=case.tumor)))
    here = hole.mask[:, :, k]
    for m in result.modalities:
        truth = case.volumes[m].raw[:, :, k][here].astype(float)
        filled = result.slice_raw(case, m, k)[here].astype(float)
        constant = np.median(case.volumes[m].raw[case.brain & ~hole.mask])
        assert np.mean((filled - truth) ** 2) < np.mean((constant - truth) ** 2)


def test_find_hole_and_engine_agree_on_slices(engine: Engine, tiny_case: Case) -> None:
    assert tiny_case.labels is not None
    edited = tiny_case.labels.raw.copy()
    edited[:, :, :10] = 0
    hole = find_hole(tiny_case.labels.raw, edited, brain=tiny_case.brain)
    request = engine.plan(tiny_case, hole, tumor=edited > 0)
    assert request.slices == hole.slices
    assert request.tumor_hash

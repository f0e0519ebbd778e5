from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seg_editor.errors import UsageError
from seg_editor.generation.diffusion import (
    PAPER_SAMPLING,
    HoleFill,
    Sampling,
    Solver,
    Start,
    fill_hole,
    make_scheduler,
    reconstruction,
    sample,
    start_index,
    to_bytes,
)
from seg_editor.generation.unet import NoiseNet, UNetConfig

SIZE = 16
CONFIG = UNetConfig(image_size=SIZE, fold=2, widths=(8, 8), layers=1, attention_level=1, head_size=4, groups=4)
FEW = Sampling(Start.NOISE, Solver.DDPM, 4)


@pytest.fixture(scope="module")
def network() -> NoiseNet:
    torch.manual_seed(0)
    return NoiseNet(CONFIG).eval()


def rings() -> NDArray[np.uint8]:
    """Three masks (3, 16, 16) with a tumor in the first two; the third is empty but for tumor."""
    masks = np.zeros((3, SIZE, SIZE), np.uint8)
    masks[:2, 2:14, 2:8], masks[:2, 2:14, 8:14] = 2, 3
    masks[:2, 6:10, 6:12] = 4
    masks[2, 4:6, 4:6] = 4
    return masks


@pytest.mark.parametrize(
    ("strength", "index", "time", "executed"),
    [(0.70, 14, 700, 36), (0.30, 34, 300, 16), (0.20, 39, 200, 11), (0.35, 31, 360, 19)],
)
def test_a_strength_start_is_where_the_paper_s_code_starts(
    strength: float, index: int, time: int, executed: int
) -> None:
    sampling = Sampling(Start.STRENGTH, Solver.DDPM, 50, strength)
    assert start_index(strength, 50) == sampling.first == index
    assert sampling.executed == executed
    assert int(make_scheduler(Solver.DDPM, 50).timesteps[index]) == time


@pytest.mark.parametrize("solver", Solver)
@pytest.mark.parametrize(("steps", "first", "second"), [(50, 980, 960), (20, 950, 900), (1000, 999, 998), (1, 0, None)])
def test_the_grid_of_times_is_leading(solver: Solver, steps: int, first: int, second: int | None) -> None:
    times = make_scheduler(solver, steps).timesteps.tolist()
    assert len(times) == steps
    assert (times[0], times[1] if steps > 1 else None, times[-1]) == (first, second, 0)


def test_schedulers_are_the_paper_s() -> None:
    ddpm, ddim = (make_scheduler(s, 50) for s in (Solver.DDPM, Solver.DDIM))
    for scheduler in (ddpm, ddim):
        assert (scheduler.config.clip_sample, scheduler.config.prediction_type) == (True, "epsilon")
        assert len(scheduler.betas) == 1000
    assert ddpm.config.variance_type == "fixed_small"


def test_labels_say_what_was_done() -> None:
    assert PAPER_SAMPLING["healthy"].label == "strength 0.70 from the source, DDPM, 36 of 50 steps, hole zero, seed 42"
    assert PAPER_SAMPLING["text"].label == "from noise, DDPM, 1000 of 1000 steps, hole zero, seed 42"
    assert reconstruction(FEW).label == "strength 0.20 from the source, DDPM, 2 of 4 steps, hole zero, seed 42"
    assert FEW.to_json()["strength"] is None


@pytest.mark.parametrize("bad", [{"steps": 0}, {"steps": 1001}, {"strength": 0.0}, {"strength": 1.2}])
def test_settings_that_make_no_sense(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        dataclasses.replace(FEW, **bad)


def test_words_become_choices() -> None:
    words: dict[str, Any] = {"start": "strength", "solver": "ddim", "hole": "prior"}
    how = Sampling(**words)
    assert how == Sampling(Start.STRENGTH, Solver.DDIM, hole=HoleFill.PRIOR)
    assert how.solver is Solver.DDIM
    with pytest.raises(UsageError, match="Choose one of ddpm, ddim"):
        Sampling(Start.NOISE, "euler")  # type: ignore[arg-type]


def test_a_hole_of_zero_is_air() -> None:
    masks = rings()
    filled = fill_hole(masks, HoleFill.ZERO)
    assert (filled[masks == 4] == 0).all()
    assert (filled[masks != 4] == masks[masks != 4]).all()
    assert (masks == 4).any()


def test_a_hole_of_the_nearest_tissue() -> None:
    masks = rings()
    filled = fill_hole(masks, HoleFill.NEAREST)
    assert set(np.unique(filled[:2][masks[:2] == 4])) == {2, 3}
    assert (filled[0, 6:10, 6] == 2).all()
    assert (filled[0, 6:10, 11] == 3).all()
    assert not filled[2].any()


def test_a_hole_of_the_prior_and_a_part_of_the_tumor() -> None:
    masks = rings()
    prior = np.full_like(masks, 1)
    prior[:, :, 8:] = 0
    hole = np.zeros(masks.shape, bool)
    hole[0, 6:10, 6:12] = True
    filled = fill_hole(masks, HoleFill.PRIOR, hole=hole, prior=prior)
    assert (filled[0, 6:10, 6:8] == 1).all()
    assert (filled[0, 6:10, 8:12] == 0).all()
    assert (filled[1] == masks[1]).all()
    with pytest.raises(UsageError, match="needs a tissue prior"):
        fill_hole(masks, HoleFill.PRIOR)


@pytest.mark.parametrize("solver", Solver)
@pytest.mark.parametrize("start", Start)
def test_a_picture_depends_on_its_own_slice_only(network: NoiseNet, solver: Solver, start: Start) -> None:
    masks = rings()
    source = (masks / 4).astype(np.float32)
    sampling = Sampling(start, solver, 4, 0.7)
    both = sample(network, sampling, masks[:2], source=source[:2], numbers=[7, 8])
    alone = sample(network, sampling, masks[1:2], source=source[1:2], numbers=[8])
    assert both is not None
    assert alone is not None
    assert both.shape == (2, SIZE, SIZE)
    assert both.dtype == np.float32
    assert 0 <= both.min() <= both.max() <= 1
    np.testing.assert_allclose(both[1], alone[0], atol=1e-5)
    other = sample(network, dataclasses.replace(sampling, seed=1), masks[:2], source=source[:2], numbers=[7, 8])
    assert other is not None
    assert not np.allclose(both, other)


def test_noise_starts_ignore_the_source_and_strength_starts_do_not(network: NoiseNet) -> None:
    masks = rings()[:1]
    dark, light = (np.full(masks.shape, v, np.float32) for v in (0.0, 1.0))
    made = [sample(network, FEW, masks, source=s) for s in (dark, light)]
    assert np.array_equal(*made)  # type: ignore[arg-type]
    weak = Sampling(Start.STRENGTH, Solver.DDIM, 50, 0.05)
    near = [sample(network, weak, masks, source=s) for s in (dark, light)]
    assert near[0] is not None
    assert near[1] is not None
    assert near[1].mean() - near[0].mean() > 0.5


def test_progress_and_cancel(network: NoiseNet) -> None:
    told: list[float] = []
    sample(network, FEW, rings(), progress=lambda share, _: told.append(share))
    assert told == [0.25, 0.5, 0.75, 1.0]
    assert sample(network, FEW, rings(), cancel=lambda: True) is None


def test_an_unconditional_network_needs_a_count() -> None:
    alone = NoiseNet(dataclasses.replace(CONFIG, mask=False)).eval()
    made = sample(alone, FEW, None, count=2)
    assert made is not None
    assert made.shape == (2, SIZE, SIZE)
    with pytest.raises(UsageError, match="how many"):
        sample(alone, FEW, None)


def test_inputs_that_do_not_fit(network: NoiseNet) -> None:
    masks = rings()
    with pytest.raises(UsageError, match="needs masks"):
        sample(network, FEW, None, count=1)
    with pytest.raises(UsageError, match="needs the source"):
        sample(network, Sampling(Start.STRENGTH), masks)
    with pytest.raises(UsageError, match="Pad to multiples of 4"):
        sample(network, FEW, masks[:, :15])
    with pytest.raises(UsageError, match="do not fit"):
        sample(network, FEW, masks, source=np.zeros((1, SIZE, SIZE), np.float32))
    with pytest.raises(UsageError, match="2 slice numbers for 3"):
        sample(network, FEW, masks, numbers=[1, 2])


def test_eight_bits_are_cut_not_rounded() -> None:
    assert to_bytes(np.array([0.0, 0.999 / 255, 0.5, 1.0])).tolist() == [0, 0, 127, 255]

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from seg_editor.generation.conditioning import BRAIN_CHANNEL, CONTEXT_CHANNELS, LATERAL_CHANNEL, UNKNOWN_CHANNEL
from tests.models import SMALL_INPAINT, randomize
from training.models.inpaint import InpaintSample, InpaintSampler, InpaintSettings, inpaint_loss
from training.prepare.bank import BankedCase, PlacedHoles

CROP = 32
PLAIN = InpaintSettings(crop=CROP, drop_modality=0, drop_mirror=0, flip=0, gain=0, offset=0)
NAMES = [f.name for f in dataclasses.fields(InpaintSample) if f.name != "range"]


@pytest.fixture(scope="module")
def sampler(banked: list[BankedCase], bank: list[PlacedHoles]) -> InpaintSampler:
    return InpaintSampler(banked, bank, InpaintSettings(crop=CROP))


def draw(sampler: InpaintSampler, seed: int, **settings: float) -> InpaintSample:
    before = sampler.settings
    sampler.settings = dataclasses.replace(before, **settings)  # type: ignore[arg-type]
    try:
        return sampler.sample(np.random.default_rng(seed))
    finally:
        sampler.settings = before


def test_a_batch_is_a_function_of_seed_and_step(
    sampler: InpaintSampler, banked: list[BankedCase], bank: list[PlacedHoles]
) -> None:
    one = sampler.batch(4, 3, 70)
    sampler.batch(2, 9, 9)
    torch.manual_seed(1)
    fresh = InpaintSampler(banked, bank, InpaintSettings(crop=CROP)).batch(4, 3, 70)
    assert one.keys() == fresh.keys()
    assert all(torch.equal(one[k], fresh[k]) for k in one)
    for other in (sampler.batch(4, 3, 71), sampler.batch(4, 4, 70)):
        assert not torch.equal(one["context"], other["context"])
        assert not torch.equal(one["noise"], other["noise"])


def test_shapes_and_noise_levels(sampler: InpaintSampler) -> None:
    batch = sampler.batch(8, 0, 0)
    assert batch["context"].shape == (8, CONTEXT_CHANNELS, CROP, CROP)
    assert batch["residual"].shape == batch["weight"].shape == batch["noise"].shape == (8, 4, CROP, CROP)
    assert batch["hole"].shape == (8, CROP, CROP)
    assert torch.isinf(batch["sigma"]).sum() == 4
    finite = batch["sigma"][4:]
    low, high = sampler.settings.sigma_range
    assert ((finite >= low) & (finite <= high)).all()
    assert all(bool(torch.isfinite(batch[k]).all()) for k in ("context", "residual", "hole", "weight", "noise"))


@pytest.mark.parametrize("seed", range(6))
def test_loss_only_on_healthy_hole_voxels(sampler: InpaintSampler, seed: int) -> None:
    sample = draw(sampler, seed)
    scored = sample.weight > 0
    assert scored.any()
    assert not (scored & ~(sample.hole > 0)).any()
    assert not sample.residual[:, sample.hole == 0].any()
    brain_hole = (sample.context[UNKNOWN_CHANNEL] > 0) & (sample.context[BRAIN_CHANNEL] > 0)
    assert np.array_equal(sample.hole > 0, brain_hole)


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_sample_is_the_sample_flipped(sampler: InpaintSampler, seed: int) -> None:
    straight, flipped = draw(sampler, seed, flip=0.0), draw(sampler, seed, flip=1.0)
    wanted = straight.context.copy()
    wanted[LATERAL_CHANNEL] *= -1
    np.testing.assert_array_equal(flipped.context, np.flip(wanted, -2))
    for name in NAMES[1:]:
        np.testing.assert_array_equal(getattr(flipped, name), np.flip(getattr(straight, name), -2))
    assert all(getattr(flipped, name).flags.c_contiguous for name in NAMES)


def test_the_residual_leads_from_the_fill_to_the_truth(banked: list[BankedCase], bank: list[PlacedHoles]) -> None:
    sampler = InpaintSampler(banked[:1], bank, PLAIN)
    truth = banked[0].volumes.astype(np.float32)
    sample = sampler.sample(np.random.default_rng(2))
    filled = sample.context[:20].reshape(4, 5, CROP, CROP)[:, 2]
    restored = filled + sample.residual
    scored = sample.weight[0] > 0
    found = any(
        np.allclose(truth[z, :, x : x + CROP, y : y + CROP][:, scored], restored[:, scored], atol=1e-3)
        for z in range(truth.shape[0])
        for x in range(truth.shape[2] - CROP + 1)
        for y in range(truth.shape[3] - CROP + 1)
    )
    assert found


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_the_tumor_is_ever_seen(banked: list[BankedCase], bank: list[PlacedHoles], seed: int) -> None:
    others = []
    for b in banked:
        volumes = b.case.volumes.copy()
        volumes[:, b.case.tumor] = 6
        others.append(BankedCase.of(dataclasses.replace(b.case, volumes=volumes)))
    settings = InpaintSettings(crop=CROP)
    one, two = (InpaintSampler(c, bank, settings).sample(np.random.default_rng(seed)) for c in (banked, others))
    for name in NAMES:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_dropping(sampler: InpaintSampler) -> None:
    without = draw(sampler, 5, drop_mirror=1.0)
    at = LATERAL_CHANNEL - 5
    assert not without.context[at : at + 5].any()
    for seed in range(20):
        sample = draw(sampler, seed, drop_modality=1.0)
        flags = sample.context[-4:].max((1, 2))
        assert flags.any()
        assert np.array_equal(sample.weight.any((1, 2)), flags > 0)


def test_a_crop_larger_than_the_brain_is_padded(banked: list[BankedCase], bank: list[PlacedHoles]) -> None:
    sampler = InpaintSampler(banked, bank, InpaintSettings(crop=64))
    batch = sampler.batch(3, 0, 0)
    assert batch["context"].shape == (3, CONTEXT_CHANNELS, 64, 64)
    assert (batch["weight"].sum((1, 2, 3)) > 0).all()


def test_an_empty_bank_is_refused(banked: list[BankedCase]) -> None:
    with pytest.raises(ValueError, match="holds nothing for these cases"):
        InpaintSampler(banked, [], PLAIN)


class Oracle(torch.nn.Module):
    """Says what it was told."""

    config = SMALL_INPAINT

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, noisy: torch.Tensor, context: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return self.answer


def test_the_loss_is_zero_for_the_truth_and_blind_elsewhere(sampler: InpaintSampler) -> None:
    batch = sampler.batch(4, 0, 1)
    loss, figures = inpaint_loss(Oracle(batch["residual"]), batch)  # type: ignore[arg-type]
    assert float(loss) == 0
    assert figures["mean_vs_harmonic"] == 0
    elsewhere = torch.where(batch["weight"] > 0, batch["residual"], torch.full_like(batch["residual"], 1e3))
    assert float(inpaint_loss(Oracle(elsewhere), batch)[0]) == 0  # type: ignore[arg-type]
    nothing = torch.zeros_like(batch["residual"])
    worse, harmonic = inpaint_loss(Oracle(nothing), batch)  # type: ignore[arg-type]
    assert float(worse) > 0
    assert harmonic["mean_vs_harmonic"] == pytest.approx(1, abs=1e-5)


def test_the_mean_pass_does_not_look_at_the_noise(sampler: InpaintSampler) -> None:
    from seg_editor.generation.networks import InpaintNet

    network = randomize(InpaintNet(SMALL_INPAINT)).eval()
    batch = sampler.batch(4, 0, 2)
    with torch.inference_mode():
        mean = torch.full((4,), float("inf"))
        one = network(batch["noise"], batch["context"], mean)
        two = network(torch.zeros_like(batch["noise"]), batch["context"], mean)
        noisy = network(batch["noise"], batch["context"], torch.full((4,), 0.5))
    assert torch.equal(one, two)
    assert not torch.allclose(one, noisy)

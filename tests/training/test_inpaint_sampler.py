from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seg_editor.errors import UsageError
from seg_editor.generation import conditioning
from seg_editor.generation.conditioning import BRAIN_CHANNEL, CONTEXT_CHANNELS, LATERAL_CHANNEL, UNKNOWN_CHANNEL
from tests.models import SMALL_INPAINT, randomize
from training.models.inpaint import InpaintSampler, InpaintSettings, inpaint_loss
from training.models.inpaint_task import slice_context
from training.models.resident import Planes, gathered
from training.prepare.bank import BankedCase, PlacedHoles, unpack

CROP = 32
PLAIN = InpaintSettings(crop=CROP, warp=0, drop_modality=0, drop_mirror=0, flip=0, gain=0, offset=0)
NAMES = ["context", "residual", "hole", "weight"]
Batch = dict[str, Tensor]


@pytest.fixture(scope="module")
def sampler(banked: list[BankedCase], bank: list[PlacedHoles]) -> InpaintSampler:
    return InpaintSampler(banked, bank, InpaintSettings(crop=CROP))


def draw(sampler: InpaintSampler, seed: int, **settings: float) -> Batch:
    """The first sample of a batch."""
    before = sampler.settings
    sampler.settings = dataclasses.replace(before, **settings)  # type: ignore[arg-type]
    try:
        return {k: v[0] for k, v in sampler.batch(1, seed, 0).items()}
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


@pytest.mark.parametrize("rows", [range(6), range(0, 6, 2), range(1, 6, 2), range(5, 6)])
def test_rows_are_the_rows_of_the_batch(sampler: InpaintSampler, rows: range) -> None:
    whole, some = sampler.batch(6, 1, 4), sampler.batch_rows(6, 1, 4, rows)
    assert whole.keys() == some.keys()
    for name, values in whole.items():
        assert torch.equal(some[name], values[list(rows)]), name


@pytest.mark.parametrize("together", [1, 2, 8])
def test_a_sample_depends_neither_on_the_size_nor_on_its_company(
    sampler: InpaintSampler, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    alone = [sampler.batch(size, 2, 5) for size in (3, 8)]
    monkeypatch.setattr("training.models.inpaint._CPU_ROWS", together)
    batch = sampler.batch(8, 2, 5)
    for name in batch.keys() - {"sigma"}:
        assert torch.equal(alone[0][name], batch[name][:3]), name
        assert torch.equal(alone[1][name], batch[name]), name


@pytest.mark.parametrize("together", [1, 8])
def test_steps_made_together_are_the_steps(
    sampler: InpaintSampler, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr("training.models.inpaint._CPU_ROWS", together)
    rows = [range(0, 4, 2), range(1, 4, 2)]
    for step, parts in zip((7, 8, 3), sampler.several(4, 2, (7, 8, 3), rows), strict=True):
        for part, made in zip(rows, parts, strict=True):
            alone = sampler.batch_rows(4, 2, step, part)
            assert alone.keys() == made.keys()
            assert all(torch.equal(alone[k], made[k]) and made[k].is_contiguous() for k in alone)


def test_what_a_gpu_gathers_is_what_lies_in_the_spans() -> None:
    table = torch.arange(40).half()
    spans = np.array([[3, 7], [7, 7], [30, 40], [0, 2]])
    wanted = torch.cat([table[start:stop] for start, stop in spans])
    assert torch.equal(gathered(table, spans), wanted)
    assert not gathered(table, spans[1:2]).numel()


def test_shapes_and_noise_levels(sampler: InpaintSampler) -> None:
    batch = sampler.batch(8, 0, 0)
    assert batch["context"].shape == (8, CONTEXT_CHANNELS, CROP, CROP)
    assert batch["residual"].shape == batch["weight"].shape == batch["noise"].shape == (8, 4, CROP, CROP)
    assert batch["hole"].shape == (8, CROP, CROP)
    assert batch["range"].shape == (8, 2, 4)
    assert torch.isinf(batch["sigma"]).sum() == 4
    finite = batch["sigma"][4:]
    low, high = sampler.settings.sigma_range
    assert ((finite >= low) & (finite <= high)).all()
    assert {v.dtype for v in batch.values()} == {torch.float32}
    assert all(v.is_contiguous() for v in batch.values())
    assert all(bool(torch.isfinite(batch[k]).all()) for k in ("context", "residual", "hole", "weight", "noise"))


@pytest.mark.parametrize("seed", range(6))
def test_loss_only_on_healthy_hole_voxels(sampler: InpaintSampler, seed: int) -> None:
    sample = draw(sampler, seed)
    scored = sample["weight"] > 0
    assert scored.any()
    assert not (scored & ~(sample["hole"] > 0)).any()
    assert not sample["residual"][:, sample["hole"] == 0].any()
    brain_hole = (sample["context"][UNKNOWN_CHANNEL] > 0) & (sample["context"][BRAIN_CHANNEL] > 0)
    assert torch.equal(sample["hole"] > 0, brain_hole)


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_sample_is_the_sample_flipped(sampler: InpaintSampler, seed: int) -> None:
    straight, flipped = draw(sampler, seed, flip=0.0), draw(sampler, seed, flip=1.0)
    wanted = straight["context"].clone()
    wanted[LATERAL_CHANNEL] *= -1
    assert torch.equal(flipped["context"], wanted.flip(-2))
    for name in NAMES[1:]:
        assert torch.equal(flipped[name], straight[name].flip(-2)), name


@pytest.fixture(params=["as shipped", "nine neighbors"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The channels of today, and others."""
    if request.param == "nine neighbors":
        neighbors, brains = (-8, -4, -2, -1, 0, 1, 2, 4, 8), (0, 3, 4, 5, 8)
        n, b = len(neighbors), len(brains)
        others = {
            "NEIGHBORS": neighbors,
            "BRAIN_AT": brains,
            "CONTEXT_CHANNELS": 5 * n + b + 13,
            "UNKNOWN_CHANNEL": 4 * n + n // 2,
            "BRAIN_CHANNEL": 5 * n + b // 2,
            "LATERAL_CHANNEL": 5 * n + b + 5,
        }
        for name, value in others.items():
            monkeypatch.setattr(conditioning, name, value)


def windows(context: np.ndarray) -> Iterator[tuple[slice, slice]]:
    for x in range(context.shape[1] - CROP + 1):
        for y in range(context.shape[2] - CROP + 1):
            yield slice(x, x + CROP), slice(y, y + CROP)


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("step", range(3))
def test_a_plain_sample_is_a_window_of_the_context_the_editor_makes(
    banked: list[BankedCase], bank: list[PlacedHoles], step: int
) -> None:
    sampler = InpaintSampler(banked, bank, PLAIN)
    batch = sampler.batch(2, 0, step)
    drawn = sampler._draw(2, 0, step)
    bank = [b for b in bank if int(b.area.max()) >= 30]
    for row in range(2):
        case, z = banked[sampler.data.case_of[drawn.hole[row]]], int(drawn.z[row])
        context, truth, filled = slice_context(case, bank[drawn.hole[row]], z)
        residual = (truth - filled) * unpack(bank[drawn.hole[row]].target[z : z + 1], case.brain.shape[1:])
        seen = batch["context"][row].numpy()
        found = [w for w in windows(context) if np.allclose(context[:, *w], seen, atol=1e-5)]
        assert len(found) == 1
        np.testing.assert_allclose(batch["residual"][row].numpy(), residual[:, *found[0]], atol=1e-6)


def test_a_warp_interpolates_images_and_lets_masks_vote(sampler: InpaintSampler) -> None:
    drawn = sampler._draw(1, 0, 0)[[0]]
    target = sampler.data.targets(drawn.hole, drawn.z)
    planes = sampler.data.planes(drawn.hole, drawn.z, target)
    grid = torch.tensor([[[[5.25, 20.0]], [[7.5, 21.0]]]])  # (5.25, 7.5) and (20, 21)
    seen, whole = planes.sampled(grid, "bilinear").stack[0, :, 0], planes.stack[0]
    between = whole[:, 5:7, 7:9].mean(2) @ torch.tensor([0.75, 0.25])
    torch.testing.assert_close(seen, torch.stack([between, whole[:, 20, 21]], 1), atol=1e-4, rtol=0)
    warped = draw(sampler, 4, warp=1.0)
    masks = [*range(UNKNOWN_CHANNEL - 2, UNKNOWN_CHANNEL + 3), BRAIN_CHANNEL, LATERAL_CHANNEL - 1]
    assert set(warped["context"][masks].unique().tolist()) <= {0.0, 1.0}
    assert set(warped["weight"].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("warp", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_the_tumor_is_ever_seen(
    banked: list[BankedCase], bank: list[PlacedHoles], seed: int, warp: float
) -> None:
    others = []
    for b in banked:
        volumes = b.case.volumes.copy()
        volumes[:, b.case.tumor] = 6
        others.append(BankedCase.of(dataclasses.replace(b.case, volumes=volumes)))
    settings = InpaintSettings(crop=CROP, warp=warp)
    one, two = (InpaintSampler(c, bank, settings).batch(2, seed, 0) for c in (banked, others))
    for name in NAMES:
        assert torch.equal(one[name], two[name]), name


@pytest.mark.parametrize("warp", [0.0, 1.0])
def test_nothing_of_the_truth_reaches_the_context(
    banked: list[BankedCase], bank: list[PlacedHoles], warp: float
) -> None:
    """The volumes inside a placement's hole are changed; its mirrored volumes are those of the patient."""
    settings = InpaintSettings(crop=CROP, warp=warp)
    placed = next(b for b in bank if b.case_id == banked[0].case.case_id and int(b.area.max()) >= 30)
    hole = unpack(placed.target, banked[0].brain.shape[1:])
    volumes = banked[0].volumes.copy()
    volumes.transpose(0, 2, 3, 1)[hole] += 3
    other = dataclasses.replace(banked[0], volumes=volumes)
    one, two = (InpaintSampler([c], [placed], settings).batch(4, 0, 0) for c in (banked[0], other))
    assert torch.equal(one["context"], two["context"])
    assert not torch.equal(one["residual"], two["residual"])


def test_dropping(sampler: InpaintSampler) -> None:
    without = draw(sampler, 5, drop_mirror=1.0)
    at = LATERAL_CHANNEL - 5
    assert not without["context"][at : at + 5].any()
    for seed in range(20):
        sample = draw(sampler, seed, drop_modality=1.0)
        flags = sample["context"][-4:].amax((1, 2))
        assert flags.any()
        assert torch.equal(sample["weight"].any(2).any(1), flags > 0)


def test_a_crop_larger_than_the_brain_is_padded(banked: list[BankedCase], bank: list[PlacedHoles]) -> None:
    sampler = InpaintSampler(banked, bank, InpaintSettings(crop=64))
    batch = sampler.batch(3, 0, 0)
    assert batch["context"].shape == (3, CONTEXT_CHANNELS, 64, 64)
    assert (batch["weight"].sum((1, 2, 3)) > 0).all()


def test_cases_of_any_size_share_planes(banked: list[BankedCase], bank: list[PlacedHoles]) -> None:
    """A second, larger case changes nothing about the samples of the first."""
    first = [b for b in bank if b.case_id == banked[0].case.case_id]
    pads = [(0, 0), (0, 9), (0, 11), (0, 0)]
    case = banked[1].case
    grown = {k: np.pad(getattr(case, k), pads[1:]) for k in ("brain", "tumor", "labels", "tissue")}
    wide = BankedCase.of(dataclasses.replace(case, volumes=np.pad(case.volumes, pads), **grown))
    alone = InpaintSampler(banked[:1], first, InpaintSettings(crop=CROP))
    both = InpaintSampler([banked[0], wide], first, InpaintSettings(crop=CROP))
    assert both.data.size > alone.data.size
    assert both.data.nbytes > alone.data.nbytes
    one, two = (s.batch(4, 0, 0) for s in (alone, both))
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-4, rtol=0)


def test_a_planes_parts_are_its_channels(sampler: InpaintSampler) -> None:
    planes = Planes(F.pad(torch.arange(sum(Planes.sizes().values())).float()[None, :, None, None], [1, 1]))
    assert torch.equal(torch.cat(list(planes.parts().values()), 1), planes.stack)


def test_an_empty_bank_is_refused(banked: list[BankedCase]) -> None:
    with pytest.raises(ValueError, match="holds nothing for these cases"):
        InpaintSampler(banked, [], PLAIN)
    with pytest.raises(ValueError, match="holds nothing for these cases"):
        InpaintSampler([], [], PLAIN)


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


@pytest.mark.parametrize("offset", [0.0, 0.12])
def test_a_case_without_a_modality_gives_a_finite_loss(
    banked: list[BankedCase], bank: list[PlacedHoles], offset: float
) -> None:
    """With the structure's term of the mean pass, which divides by the range of each modality."""
    present, volumes = np.array([True, True, False, True]), banked[0].case.volumes.copy()
    volumes[2] = 0
    lacking = BankedCase.of(dataclasses.replace(banked[0].case, volumes=volumes, present=present))
    settings = InpaintSettings(crop=CROP, mean_share=1.0, offset=offset)
    batch = InpaintSampler([lacking], bank, settings).batch(2, 0, 0)
    assert not batch["weight"][:, 2].any()
    guess = torch.zeros_like(batch["residual"])
    for half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            assert torch.isfinite(inpaint_loss(Oracle(guess), batch, 0.25)[0])  # type: ignore[arg-type]


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


def test_a_setting_is_changed_by_name() -> None:
    changed = InpaintSettings().changed(["mean_share=0.25", "crop=96"])
    assert (changed.mean_share, changed.crop) == (0.25, 96)
    assert isinstance(changed.crop, int)
    assert InpaintSettings().changed([]) == InpaintSettings()


@pytest.mark.parametrize("number", ["much", "-3", "inf", "nan"])
@pytest.mark.parametrize("name", ["mean_share", "crop"])
def test_a_number_that_means_nothing_is_refused(name: str, number: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        InpaintSettings().changed([f"{name}={number}"])


@pytest.mark.parametrize("change", ["sharpness=1", "mean_share", "sigma_range=1", "crop=100.9", "crop=4", "changed=1"])
def test_a_change_that_means_nothing_is_refused(change: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        InpaintSettings().changed([change])

"""M5's training task: samples from the hole bank, EDM loss on healthy hole voxels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seg_editor.generation.conditioning import LATERAL_CHANNEL, NEIGHBORS, assemble, positions
from seg_editor.generation.networks import InpaintNet
from training.models.similarity import similarity_map
from training.prepare.bank import BankedCase, PlacedHoles, unpack
from training.prepare.prepared import healthy_range

#: Voxels around a crop that a warp may draw from.
_REACH = 32


@dataclass(frozen=True)
class InpaintSettings:
    """Everything that shapes M5's samples and loss."""

    crop: int = 128
    mean_share: float = 0.5
    log_sigma_mean: float = -1.1
    log_sigma_std: float = 1.0
    sigma_range: tuple[float, float] = (0.03, 2.0)
    warp: float = 0.5
    angle: float = 0.4
    zoom: float = 0.15
    elastic: float = 3.0
    ssim_weight: float = 0.25
    drop_modality: float = 0.12
    drop_mirror: float = 0.15
    flip: float = 0.5
    gain: float = 0.12
    offset: float = 0.12


@dataclass
class InpaintSample:
    """One slice.

    Attributes
    ----------
    context : (c, h, w)
    residual : (4, h, w)
    hole : (h, w)
        Where noise lives.
    weight : (4, h, w)
        Of the loss.
    range : (2, 4)
        0.5 and 99.5 percentile of the healthy voxels, in the sample's units.
    """

    context: NDArray[np.float32]
    residual: NDArray[np.float32]
    hole: NDArray[np.float32]
    weight: NDArray[np.float32]
    range: NDArray[np.float32]


@dataclass
class _Maps:
    """Everything of one slice that a warp moves, in a window: images and masks, (channels, h, w)."""

    truth: NDArray[np.float32]
    filled: NDArray[np.float32]
    mirrored: NDArray[np.float32]
    position: NDArray[np.float32]
    depth: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    target: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    def warped(self, grid: Tensor) -> _Maps:
        """Sample at `grid` (h, w, 2), voxels of the window; masks by majority."""
        fields = [getattr(self, f.name) for f in dataclasses.fields(self)]
        planes = [a.reshape(-1, *a.shape[-2:]).astype(np.float32) for a in fields]
        size = planes[0].shape[-1]
        at = (2 * grid / (size - 1) - 1).flip(-1)[None]
        stack = torch.from_numpy(np.concatenate(planes))[None]
        moved = F.grid_sample(stack, at, mode="bilinear", padding_mode="zeros", align_corners=True)[0].numpy()
        ends = np.cumsum([len(p) for p in planes])[:-1]
        parts = [p.reshape(*a.shape[:-2], *grid.shape[:2]) for p, a in zip(np.split(moved, ends), fields, strict=True)]
        values: list[Any] = [p > 0.5 if a.dtype == bool else p for p, a in zip(parts, fields, strict=True)]
        made = _Maps(*values)
        made.target &= made.unknown[len(NEIGHBORS) // 2]
        return made


class InpaintSampler:
    """Draws training samples; a sample is a pure function of its random generator."""

    def __init__(self, cases: list[BankedCase], bank: list[PlacedHoles], settings: InpaintSettings) -> None:
        self.settings = settings
        self.cases = {c.case.case_id: c for c in cases}
        self.bank = [b for b in bank if b.case_id in self.cases and int(b.area.max()) >= 30]
        if not self.bank:
            raise ValueError("the hole bank holds nothing for these cases")
        self._ranges = {c.case.case_id: healthy_range(c.case) for c in cases}

    def sample(self, rng: np.random.Generator) -> InpaintSample:
        """Draw one augmented sample."""
        holes = self.bank[int(rng.integers(len(self.bank)))]
        chance = np.where(holes.area >= 30, np.sqrt(holes.area), 0.0)
        z = int(rng.choice(chance.size, p=chance / chance.sum()))
        return self._cut(holes, z, rng)

    def _cut(self, holes: PlacedHoles, z: int, rng: np.random.Generator) -> InpaintSample:
        s = self.settings
        banked = self.cases[holes.case_id]
        target = unpack(holes.target[z : z + 1], banked.brain.shape[1:])[0]
        warp = rng.random() < s.warp
        maps = self._maps(banked, holes, z, target, self._window(target, rng, 2 * _REACH if warp else 0))
        if warp:
            maps = maps.warped(self._grid(rng))
        present = banked.case.present.copy()
        if rng.random() < s.drop_modality:
            present &= rng.random(4) < 0.6
            if not present.any():
                present = banked.case.present.copy()
        gain = 1 + s.gain * rng.uniform(-1, 1, 4).astype(np.float32)
        offset = s.offset * rng.uniform(-1, 1, 4).astype(np.float32) * (rng.random() < 0.7)
        middle = len(NEIGHBORS) // 2
        filled = (maps.filled * gain[:, None, None, None] + offset[:, None, None, None]) * maps.brain
        truth = (maps.truth * gain[:, None, None] + offset[:, None, None]) * maps.brain[middle]
        mirrored, valid = (maps.mirrored * gain[:, None, None] + offset[:, None, None]) * maps.valid, maps.valid
        if rng.random() < s.drop_mirror:
            mirrored, valid = np.zeros_like(mirrored), np.zeros_like(valid)
        context = assemble(filled, maps.unknown, maps.brain, mirrored, valid, maps.position, maps.depth, present)
        weight = maps.target[None] * present[:, None, None].astype(np.float32)
        hole = np.asarray(maps.unknown[middle] & maps.brain[middle], np.float32)
        # tumor voxels are unknown but have no healthy truth: the network sees plain noise there
        residual = (truth - filled[:, middle]) * maps.target
        if rng.random() < s.flip:
            context, residual, hole, weight = (np.flip(a, -2) for a in (context, residual, hole, weight))
            context = context.copy()
            context[LATERAL_CHANNEL] *= -1
        arrays = (context, residual, hole, weight, self._ranges[holes.case_id] * gain + offset)
        return InpaintSample(*(np.ascontiguousarray(a, np.float32) for a in arrays))

    def _maps(
        self,
        banked: BankedCase,
        holes: PlacedHoles,
        z: int,
        target: NDArray[np.bool_],
        window: tuple[slice, slice],
    ) -> _Maps:
        """Cut a slice and its neighbors, unaugmented; beyond the volume everything is 0."""
        depth_count, w, h = banked.brain.shape
        zs = np.clip([z + d for d in NEIGHBORS], 0, depth_count - 1)
        inside = tuple(slice(max(part.start, 0), min(part.stop, n)) for part, n in zip(window, (w, h), strict=True))
        pads = [(i.start - part.start, part.stop - i.stop) for part, i in zip(window, inside, strict=True)]

        def crop(a: NDArray[Any]) -> NDArray[Any]:
            part = a[..., inside[0], inside[1]]
            return np.pad(part, [(0, 0)] * (part.ndim - 2) + pads) if any(map(any, pads)) else part

        unknown = unpack(holes.unknown[zs], (w, h))
        filled = banked.volumes[zs][..., inside[0], inside[1]].astype(np.float32).transpose(1, 0, 2, 3)
        for i, k in enumerate(zs):
            rows = unknown[i][inside]
            filled[:, i, rows] = holes.fill[holes.start[k] : holes.start[k + 1]][_kept(unknown[i], inside)].T
        depth = np.zeros((w, h), np.float32)
        middle = len(NEIGHBORS) // 2
        depth[unknown[middle]] = holes.depth[holes.start[z] : holes.start[z + 1]]
        filled = np.pad(filled, [(0, 0), (0, 0), *pads])
        healthy = crop(target | ~unknown[middle])
        truth = np.where(healthy, crop(banked.volumes[z]).astype(np.float32), filled[:, middle])
        valid = crop(unpack(holes.mirror_valid[z : z + 1], (w, h))[0])
        lateral = np.asarray(crop(banked.lateral[z]), np.float32)
        return _Maps(
            truth=truth,
            filled=filled,
            mirrored=crop(banked.mirrored[z]).astype(np.float32) * valid,
            position=positions(lateral, banked.box, (window[0].start, window[1].start), z),
            depth=np.asarray(crop(depth), np.float32),
            unknown=crop(unknown),
            brain=crop(banked.brain[zs]),
            target=crop(target),
            valid=valid,
        )

    def _grid(self, rng: np.random.Generator) -> Tensor:
        """Where each voxel of the crop comes from, in voxels of the larger window; (crop, crop, 2)."""
        s = self.settings
        a = s.angle * rng.uniform(-1, 1)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag(1 + s.zoom * rng.uniform(-1, 1, 2))
        axis = torch.arange(s.crop, dtype=torch.float32) - (s.crop - 1) / 2
        place = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1) @ torch.from_numpy(turn.T.astype(np.float32))
        knots = torch.from_numpy((s.elastic * rng.standard_normal((1, 2, 7, 7))).astype(np.float32))
        bend = F.interpolate(knots, size=(s.crop, s.crop), mode="bicubic", align_corners=True)[0]
        return place + bend.permute(1, 2, 0) + (s.crop + 2 * _REACH - 1) / 2

    def _window(self, target: NDArray[np.bool_], rng: np.random.Generator, wider: int) -> tuple[slice, slice]:
        """A window near some target voxel, inside the slice where it fits; `wider` voxels are added around it."""
        size = self.settings.crop
        points = np.argwhere(target)
        center = points[int(rng.integers(len(points)))] + rng.integers(-20, 21, 2)
        starts = [int(np.clip(c - size // 2, 0, max(n - size, 0))) for c, n in zip(center, target.shape, strict=True)]
        x, y = (slice(start - wider // 2, start + size + wider // 2) for start in starts)
        return x, y

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        """Batch of a step: depends on nothing but (seed, step)."""
        samples = [self.sample(np.random.default_rng([seed, step, i])) for i in range(size)]
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
        s = self.settings
        count = len(samples)
        low, high = s.sigma_range
        log_sigma = torch.randn(count, generator=generator) * s.log_sigma_std + s.log_sigma_mean
        sigma = log_sigma.exp().clamp(low, high)
        sigma[: round(s.mean_share * count)] = float("inf")
        stack = {
            name: torch.from_numpy(np.stack([getattr(x, name) for x in samples]))
            for name in ("context", "residual", "hole", "weight", "range")
        }
        noise = torch.randn(stack["residual"].shape, generator=generator)
        return {**stack, "sigma": sigma, "noise": noise}


def _kept(unknown: NDArray[np.bool_], window: tuple[slice, ...]) -> NDArray[np.intp]:
    """Which of a slice's unknown voxels (C order) lie in the window."""
    i, j = np.nonzero(unknown)
    x, y = window
    return np.flatnonzero((i >= x.start) & (i < x.stop) & (j >= y.start) & (j < y.stop))


def inpaint_loss(
    model: InpaintNet, batch: dict[str, Tensor], ssim_weight: float = 0.0
) -> tuple[Tensor, dict[str, float]]:
    """EDM-weighted squared error on healthy hole voxels; of the mean pass also `ssim_weight` times one minus SSIM."""
    sigma, residual, weight = batch["sigma"], batch["residual"], batch["weight"]
    mean = torch.isinf(sigma)
    level = torch.where(mean, torch.zeros_like(sigma), sigma)[:, None, None, None]
    noisy = (residual + level * batch["noise"]) * batch["hole"][:, None]
    predicted = model(noisy, batch["context"], sigma)
    data = model.config.sigma_data
    scale = torch.where(mean, torch.full_like(sigma, 1 / data**2), (sigma**2 + data**2) / (sigma * data) ** 2)
    error = weight * (predicted - residual) ** 2
    each = error.sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)
    loss = (scale * each).mean()
    if ssim_weight > 0 and bool(mean.any()):
        loss = loss + ssim_weight * (1 - _similarity(predicted[mean], {k: v[mean] for k, v in batch.items()}))
    base = (weight * residual**2).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)
    ratio = each[mean].sum() / base[mean].sum().clamp(min=1e-6) if mean.any() else each.new_tensor(float("nan"))
    return loss, {"mean_vs_harmonic": float(ratio.detach()), "loss": float(loss.detach())}


def _similarity(predicted: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Mean SSIM of the composed slices over healthy hole voxels; (b, 4, h, w) in, a scalar out."""
    from seg_editor.generation.conditioning import BRAIN_CHANNEL, N_MODALITIES

    middle, count = len(NEIGHBORS) // 2, len(NEIGHBORS)
    context, weight = batch["context"], batch["weight"]
    filled = context[:, middle : N_MODALITIES * count : count]
    brain = context[:, BRAIN_CHANNEL][:, None]
    low, high = (batch["range"][:, k, :, None, None] for k in (0, 1))
    made, truth = (((filled + r * weight) - low) / (high - low) * brain for r in (predicted, batch["residual"]))
    flat = [v.reshape(-1, 1, *v.shape[-2:]) for v in (made, truth, weight)]
    values = similarity_map(flat[0], flat[1])
    return torch.as_tensor((values * flat[2]).sum() / weight.sum().clamp(min=1))

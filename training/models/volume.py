"""Training samples for M5's volume network: blocks with holes, warped in 3D, and the loss on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seg_editor.generation.volume_net import BRAIN, LATERAL, VolumeNet, volume_context
from training.models.similarity import similarity_map
from training.prepare.bank import BankedCase, PlacedHoles, unpack


@dataclass(frozen=True)
class VolumeSettings:
    """Everything that shapes the samples and the loss of the volume network."""

    crop: int = 96
    warp: float = 0.7
    angle: float = 0.35
    zoom: float = 0.15
    elastic: float = 4.0
    flip: float = 0.5
    drop_modality: float = 0.12
    drop_mirror: float = 0.2
    gain: float = 0.15
    offset: float = 0.15
    bias: float = 0.15
    ssim_weight: float = 0.3
    ssim_slices: int = 12


@dataclass
class _Block:
    """Raw arrays of one crop, (channels, x, y, z)."""

    images: Tensor
    masks: Tensor
    smooth: Tensor


class VolumeSampler:
    """Draws blocks; a block is a pure function of its random generator.

    Parameters
    ----------
    cases : list of BankedCase
    bank : list of PlacedHoles
    settings : VolumeSettings
    ranges : dict of case to float32 (2, 4)
        0.5 and 99.5 percentile of the healthy intensities, between which errors are measured.
    """

    def __init__(
        self,
        cases: list[BankedCase],
        bank: list[PlacedHoles],
        settings: VolumeSettings,
        ranges: dict[str, NDArray[np.float32]],
    ) -> None:
        self.settings, self.ranges = settings, ranges
        self.cases = {c.case.case_id: c for c in cases}
        self.bank = [b for b in bank if b.case_id in self.cases and int(b.area.max()) >= 30]
        if not self.bank:
            raise ValueError("the hole bank holds nothing for these cases")

    def sample(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw one augmented block: context, residual, weight (all (c, x, y, z)) and the range (2, 4)."""
        s = self.settings
        holes = self.bank[int(rng.integers(len(self.bank)))]
        banked = self.cases[holes.case_id]
        warped = bool(rng.random() < s.warp)
        reach = s.crop // 2 + (16 if warped else 0)
        center = self._center(holes, banked, rng)
        block = _cut(banked, holes, center, reach)
        grid = self._grid(2 * reach, rng) if warped else None
        images, masks, smooth = _warp(block, grid, s.crop)
        truth, filled, mirrored = images[:4], images[4:8], images[8:12]
        unknown, brain, target, valid = (masks > 0.5).float()
        brain = torch.maximum(brain, unknown * (masks[1] > 0.5))
        target = target * unknown * brain
        depth, position = smooth[0] * unknown, smooth[1:]
        present = torch.from_numpy(banked.case.present.copy())
        if rng.random() < s.drop_modality:
            kept = present & torch.from_numpy(rng.random(4) < 0.6)
            present = kept if bool(kept.any()) else present
        gain, offset = self._intensity(rng)
        bias = _bias_field(s.crop, s.bias, rng) if rng.random() < 0.5 else 1.0
        truth = (truth * gain * bias + offset) * brain
        filled = (filled * gain * bias + offset) * brain
        mirrored = (mirrored * gain + offset) * valid
        if rng.random() < s.drop_mirror:
            mirrored, valid = torch.zeros_like(mirrored), torch.zeros_like(valid)
        filled = torch.where(unknown > 0, filled, truth)
        context = volume_context(filled, unknown, brain, depth, mirrored, valid, position, present)
        weight = target[None] * present[:, None, None, None].float()
        return {
            "context": context,
            "residual": (truth - filled) * target,
            "weight": weight,
            "range": torch.from_numpy(self.ranges[holes.case_id]) * gain[:, 0, 0, 0] + offset[:, 0, 0, 0],
        }

    def _center(self, holes: PlacedHoles, banked: BankedCase, rng: np.random.Generator) -> NDArray[np.int64]:
        chance = np.where(holes.area >= 20, np.sqrt(holes.area), 0.0)
        z = int(rng.choice(chance.size, p=chance / chance.sum()))
        points = np.argwhere(unpack(holes.target[z : z + 1], banked.brain.shape[1:])[0])
        x, y = points[int(rng.integers(len(points)))]
        return np.array([x, y, z]) + rng.integers(-16, 17, 3)

    def _intensity(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        s = self.settings
        gain = 1 + s.gain * rng.uniform(-1, 1, 4)
        offset = s.offset * rng.uniform(-1, 1, 4) * (rng.random() < 0.7)
        return tuple(torch.from_numpy(a.astype(np.float32))[:, None, None, None] for a in (gain, offset))  # type: ignore[return-value]

    def _grid(self, size: int, rng: np.random.Generator) -> Tensor:
        """Where each voxel of the crop comes from, in voxels of the larger block; (crop, crop, crop, 3)."""
        s = self.settings
        a, b, c = rng.uniform(-1, 1, 3) * s.angle
        turn = _rotation(a, b * 0.6, c * 0.6) @ np.diag(1 + s.zoom * rng.uniform(-1, 1, 3))
        axis = torch.arange(s.crop, dtype=torch.float32) - (s.crop - 1) / 2
        place = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
        there = place @ torch.from_numpy(turn.T.astype(np.float32))
        knots = torch.from_numpy((s.elastic * rng.standard_normal((1, 3, 6, 6, 6)) * 0.6).astype(np.float32))
        bend = F.interpolate(knots, size=(s.crop,) * 3, mode="trilinear", align_corners=True)[0]
        return there + bend.permute(1, 2, 3, 0) + (size - 1) / 2

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        """Batch of a step: depends on nothing but (seed, step)."""
        drawn = [self._flipped(np.random.default_rng([seed, step, i])) for i in range(size)]
        return {key: torch.stack([d[key] for d in drawn]) for key in drawn[0]}

    def _flipped(self, rng: np.random.Generator) -> dict[str, Tensor]:
        drawn = self.sample(rng)
        if rng.random() < self.settings.flip:
            drawn = {k: v.flip(1) if v.ndim == 4 else v for k, v in drawn.items()}
            drawn["context"][LATERAL] *= -1
        return drawn


def _rotation(a: float, b: float, c: float) -> NDArray[np.float64]:
    """Turns about z, y and x by a, b and c radians."""

    def turn(i: int, j: int, angle: float) -> NDArray[np.float64]:
        m = np.eye(3)
        m[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        return m

    return np.asarray(turn(0, 1, a) @ turn(0, 2, b) @ turn(1, 2, c))


def _bias_field(size: int, strength: float, rng: np.random.Generator) -> Tensor:
    knots = torch.from_numpy(rng.uniform(-1, 1, (1, 4, 3, 3, 3)).astype(np.float32)) * strength
    return torch.exp(F.interpolate(knots, size=(size,) * 3, mode="trilinear", align_corners=True)[0])


def _cut(banked: BankedCase, holes: PlacedHoles, center: NDArray[np.int64], reach: int) -> _Block:
    """Crop of side 2 * reach around a voxel; beyond the volume everything is 0."""
    depth_count, width, height = banked.brain.shape
    shape = np.array([width, height, depth_count])
    low, high = center - reach, center + reach
    a, b = np.clip(low, 0, shape), np.clip(high, 0, shape)
    z, x, y = slice(a[2], b[2]), slice(a[0], b[0]), slice(a[1], b[1])
    pads = [(int(p), int(q)) for p, q in zip(a - low, high - b, strict=True)]

    def padded(array: NDArray[Any]) -> Tensor:
        """(…, z, x, y) to (c, x, y, z) with padding."""
        moved = np.moveaxis(array, 0, -1)
        moved = moved[None] if moved.ndim == 3 else moved
        return torch.from_numpy(np.pad(np.asarray(moved, np.float32), [(0, 0), *pads]))

    unknown = unpack(holes.unknown[z], (width, height))
    target = unpack(holes.target[z], (width, height))[:, x, y]
    valid = unpack(holes.mirror_valid[z], (width, height))[:, x, y]
    truth = banked.volumes[z, :, x, y]
    filled = truth.copy()
    depth = np.zeros(target.shape, np.float32)
    where = np.stack(np.nonzero(unknown))
    inside = (where[1] >= x.start) & (where[1] < x.stop) & (where[2] >= y.start) & (where[2] < y.stop)
    k, i, j = where[:, inside]
    span = slice(int(holes.start[z.start]), int(holes.start[z.stop]))
    filled[k, :, i - x.start, j - y.start] = holes.fill[span][inside]
    depth[k, i - x.start, j - y.start] = holes.depth[span][inside]
    images = torch.cat([padded(truth), padded(filled), padded(banked.mirrored[z, :, x, y])])
    masks = torch.cat([padded(m) for m in (unknown[:, x, y], banked.brain[z, x, y], target, valid)])
    box = banked.box
    axes = [np.arange(low[n], high[n], dtype=np.float32) for n in (1, 2)]
    anterior, superior = (
        2 * (axis - box[n].start) / max(box[n].stop - box[n].start, 1) - 1 for n, axis in zip((1, 2), axes, strict=True)
    )
    size = 2 * reach
    smooth = torch.stack(
        [
            padded(depth)[0],
            padded(banked.lateral[z, x, y])[0] / 70.0,
            torch.from_numpy(anterior)[None, :, None].expand(size, size, size),
            torch.from_numpy(superior)[None, None, :].expand(size, size, size),
        ]
    )
    return _Block(images, masks, smooth)


def whole_block(banked: BankedCase, holes: PlacedHoles) -> tuple[Tensor, Tensor]:
    """Context (VOLUME_CHANNELS, x, y, z) and truth (4, x, y, z) of a whole case, unaugmented."""
    depth_count, width, height = banked.brain.shape
    shape = np.array([width, height, depth_count])
    reach = int(-(-shape.max() // 2))
    block = _cut(banked, holes, shape // 2, reach)
    cut = tuple(slice(reach - n // 2, reach - n // 2 + n) for n in shape)
    images, masks, smooth = (a[(slice(None), *cut)] for a in (block.images, block.masks, block.smooth))
    unknown, brain, _, valid = masks
    present = torch.from_numpy(banked.case.present.copy())
    mirrored = images[8:12] * valid
    context = volume_context(images[4:8], unknown, brain, smooth[0], mirrored, valid, smooth[1:], present)
    return context, images[:4]


def _warp(block: _Block, grid: Tensor | None, crop: int) -> tuple[Tensor, Tensor, Tensor]:
    if grid is None:
        return block.images, block.masks, block.smooth
    stack = torch.cat([block.images, block.masks, block.smooth])
    size = stack.shape[-1]
    at = (2 * grid / (size - 1) - 1).flip(-1)
    moved = F.grid_sample(stack[None], at[None], mode="bilinear", padding_mode="zeros", align_corners=True)[0]
    n, m = len(block.images), len(block.masks)
    return moved[:n], moved[n : n + m], moved[n + m :]


def volume_loss(
    model: VolumeNet, batch: dict[str, Tensor], settings: VolumeSettings
) -> tuple[Tensor, dict[str, float]]:
    """Squared error in the healthy range's units on target voxels, and one minus SSIM on some axial slices."""
    residual, weight = batch["residual"], batch["weight"]
    predicted = model(batch["context"])
    low, high = batch["range"].unbind(1)
    spread = (high - low)[:, :, None, None, None]
    count = weight.sum((1, 2, 3, 4)).clamp(min=1)
    mse = (weight * ((predicted - residual) / spread) ** 2).sum((1, 2, 3, 4)) / count
    base = (weight * (residual / spread) ** 2).sum((1, 2, 3, 4)) / count
    floor = 0.004
    loss = (mse / (base.detach() + floor)).mean()
    ratio = mse.detach().sum() / base.sum().clamp(min=1e-6)
    figures = {"mse": float(mse.detach().mean()), "mse_vs_harmonic": float(ratio)}
    if settings.ssim_weight > 0:
        similarity = _slice_ssim(predicted, batch, settings.ssim_slices)
        loss = loss + settings.ssim_weight * (1 - similarity) / 0.4
        figures["ssim"] = float(similarity.detach())
    figures["loss"] = float(loss.detach())
    return loss, figures


def _slice_ssim(predicted: Tensor, batch: dict[str, Tensor], count: int) -> Tensor:
    """Mean SSIM (gaussian, sigma 1.5) over target voxels of `count` axial slices a block."""
    images, truths, weights = [], [], []
    for b in range(len(predicted)):
        weight = batch["weight"][b]
        areas = weight.sum((0, 1, 2))
        best = torch.topk(areas, min(4 * count, len(areas))).indices[::4]
        fill = batch["context"][b, :4]
        brain = batch["context"][b, BRAIN][..., best]
        low, high = (v[:, None, None, None] for v in batch["range"][b])
        truth, made = (
            ((fill + r)[..., best] - low) / (high - low) * brain for r in (batch["residual"][b], predicted[b] * weight)
        )
        images.append(made.permute(0, 3, 1, 2).reshape(-1, 1, *made.shape[1:3]))
        truths.append(truth.permute(0, 3, 1, 2).reshape(-1, 1, *truth.shape[1:3]))
        weights.append(weight[..., best].permute(0, 3, 1, 2).reshape(-1, 1, *weight.shape[1:3]))
    mask = torch.cat(weights)
    values = similarity_map(torch.cat(images), torch.cat(truths))
    return torch.as_tensor((values * mask).sum() / mask.sum().clamp(min=1))

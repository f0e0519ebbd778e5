"""M5's training task: samples from the hole bank, EDM loss on healthy hole voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seg_editor.generation.conditioning import LATERAL_CHANNEL, NEIGHBORS, assemble, positions
from seg_editor.generation.networks import InpaintNet
from training.prepare.bank import BankedCase, PlacedHoles, unpack


@dataclass(frozen=True)
class InpaintSettings:
    """Everything that shapes M5's samples and loss."""

    crop: int = 128
    mean_share: float = 0.5
    log_sigma_mean: float = -1.1
    log_sigma_std: float = 1.0
    sigma_range: tuple[float, float] = (0.03, 2.0)
    drop_modality: float = 0.12
    drop_mirror: float = 0.15
    flip: float = 0.5
    gain: float = 0.12
    offset: float = 0.12


@dataclass
class InpaintSample:
    """One slice: context (c, h, w), residual (4, h, w), hole (h, w) where noise lives, weight (4, h, w) of the loss."""

    context: NDArray[np.float32]
    residual: NDArray[np.float32]
    hole: NDArray[np.float32]
    weight: NDArray[np.float32]


class InpaintSampler:
    """Draws training samples; a sample is a pure function of its random generator."""

    def __init__(self, cases: list[BankedCase], bank: list[PlacedHoles], settings: InpaintSettings) -> None:
        self.settings = settings
        self.cases = {c.case.case_id: c for c in cases}
        self.bank = [b for b in bank if b.case_id in self.cases and int(b.area.max()) >= 30]
        if not self.bank:
            raise ValueError("the hole bank holds nothing for these cases")

    def sample(self, rng: np.random.Generator) -> InpaintSample:
        """Draw one augmented sample."""
        holes = self.bank[int(rng.integers(len(self.bank)))]
        chance = np.where(holes.area >= 30, np.sqrt(holes.area), 0.0)
        z = int(rng.choice(chance.size, p=chance / chance.sum()))
        return self._cut(holes, z, rng)

    def _cut(self, holes: PlacedHoles, z: int, rng: np.random.Generator) -> InpaintSample:
        s = self.settings
        banked = self.cases[holes.case_id]
        depth_count, w, h = banked.brain.shape
        zs = np.clip([z + d for d in NEIGHBORS], 0, depth_count - 1)
        unknown = unpack(holes.unknown[zs], (w, h))
        target = unpack(holes.target[z : z + 1], (w, h))[0]
        valid = unpack(holes.mirror_valid[z : z + 1], (w, h))[0]
        truth = banked.volumes[z].astype(np.float32)
        filled = banked.volumes[zs].astype(np.float32).transpose(1, 0, 2, 3)
        for i, k in enumerate(zs):
            filled[:, i, unknown[i]] = holes.fill[holes.start[k] : holes.start[k + 1]].T
        depth = np.zeros((w, h), np.float32)
        depth[unknown[2]] = holes.depth[holes.start[z] : holes.start[z + 1]]
        window = self._window(target, rng)
        present = banked.case.present.copy()
        if rng.random() < s.drop_modality:
            present &= rng.random(4) < 0.6
            if not present.any():
                present = banked.case.present.copy()
        gain = 1 + s.gain * rng.uniform(-1, 1, 4).astype(np.float32)
        offset = s.offset * rng.uniform(-1, 1, 4).astype(np.float32) * (rng.random() < 0.7)
        brain = banked.brain[zs]

        pads = [max(part.stop - n, 0) for part, n in zip(window, (w, h), strict=True)]

        def crop(a: NDArray[Any]) -> NDArray[Any]:
            part = a[..., window[0], window[1]]
            return np.pad(part, [(0, 0)] * (part.ndim - 2) + [(0, p) for p in pads]) if any(pads) else part

        filled_c, truth_c, brain_c = crop(filled), crop(truth), crop(brain)
        mirrored, valid_c = crop(banked.mirrored[z]).astype(np.float32), crop(valid)
        filled_c = (filled_c * gain[:, None, None, None] + offset[:, None, None, None]) * brain_c
        truth_c = (truth_c * gain[:, None, None] + offset[:, None, None]) * brain_c[2]
        mirrored = (mirrored * gain[:, None, None] + offset[:, None, None]) * valid_c
        if rng.random() < s.drop_mirror:
            mirrored, valid_c = np.zeros_like(mirrored), np.zeros_like(valid_c)
        lateral = crop(banked.lateral[z])
        position = positions(np.asarray(lateral, np.float32), banked.box, (window[0].start, window[1].start), z)
        unknown_c, target_c = crop(unknown), crop(target)
        context = assemble(
            filled_c, unknown_c, brain_c, mirrored, valid_c, position, np.asarray(crop(depth), np.float32), present
        )
        residual = (truth_c - filled_c[:, 2]) * unknown_c[2]
        weight = target_c[None] * present[:, None, None].astype(np.float32)
        hole = np.asarray(unknown_c[2] & brain_c[2], np.float32)
        # tumor voxels are unknown but have no healthy truth: the network sees plain noise there
        residual = residual * target_c
        if rng.random() < s.flip:
            context, residual, hole, weight = (np.flip(a, -2) for a in (context, residual, hole, weight))
            context = context.copy()
            context[LATERAL_CHANNEL] *= -1
        return InpaintSample(
            np.ascontiguousarray(context),
            np.ascontiguousarray(residual),
            np.ascontiguousarray(hole),
            np.ascontiguousarray(weight),
        )

    def _window(self, target: NDArray[np.bool_], rng: np.random.Generator) -> tuple[slice, slice]:
        size = self.settings.crop
        points = np.argwhere(target)
        center = points[int(rng.integers(len(points)))] + rng.integers(-20, 21, 2)
        starts = [int(np.clip(c - size // 2, 0, max(n - size, 0))) for c, n in zip(center, target.shape, strict=True)]
        return slice(starts[0], starts[0] + size), slice(starts[1], starts[1] + size)

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
            for name in ("context", "residual", "hole", "weight")
        }
        noise = torch.randn(stack["residual"].shape, generator=generator)
        return {**stack, "sigma": sigma, "noise": noise}


def inpaint_loss(model: InpaintNet, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """EDM-weighted squared error on healthy hole voxels; also the plain error of the mean pass."""
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
    base = (weight * residual**2).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)
    ratio = each[mean].sum() / base[mean].sum().clamp(min=1e-6) if mean.any() else each.new_tensor(float("nan"))
    return loss, {"mean_vs_harmonic": float(ratio.detach()), "loss": float(loss.detach())}

"""M5's training task: samples from the hole bank, EDM loss on healthy hole voxels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seg_editor.errors import UsageError
from seg_editor.generation import conditioning
from seg_editor.generation.networks import InpaintNet
from training.models.batches import parted
from training.models.noise import draw_noise
from training.models.resident import CaseFacts, Ints, Planes, ResidentSet
from training.models.similarity import similarity_map
from training.prepare.bank import BankedCase, PlacedHoles

#: What some settings may be; the others 0 or more.
_RANGES = {
    "crop": (32.0, 256.0),
    "log_sigma_mean": (-math.inf, math.inf),
    "zoom": (0.0, 0.9),
    **dict.fromkeys(("mean_share", "warp", "drop_modality", "drop_mirror", "flip", "gain"), (0.0, 1.0)),
}
#: Rows that a CPU makes at a time: their planes stay in its cache.
_CPU_ROWS = 1
_KNOTS = 7
_JITTER = 20
#: Of a modality that a case lacks the range is 0; its weight is 0 too, but nothing times NaN is NaN.
_LEAST_RANGE = 1e-3


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

    def changed(self, changes: Iterable[str]) -> InpaintSettings:
        """With other values: each change is ``name=number``.

        Raises
        ------
        UsageError
            No such setting, or no number.
        """
        single = {f.name for f in fields(self) if isinstance(getattr(self, f.name), int | float)}
        values: dict[str, Any] = {}
        for change in changes:
            name, _, number = change.partition("=")
            try:
                wanted = float(number) if name in single else math.nan
            except ValueError:
                wanted = math.nan
            whole = isinstance(getattr(self, name, 0.0), int)
            if not math.isfinite(wanted) or (whole and wanted != int(wanted)):
                raise UsageError(f"--set {change}: no such setting or number", remedy=f"One of {sorted(single)}")
            least, most = _RANGES.get(name, (0.0, math.inf))
            if not least <= wanted <= most:
                raise UsageError(f"--set {change}", remedy=f"Give {least:g} to {most:g}")
            values[name] = int(wanted) if whole else wanted
        return replace(self, **values)


@dataclass
class _Draws:
    """What chance says about some rows of a batch, on the host; each array has a row's values in its first axis."""

    hole: Ints
    z: Ints
    warped: NDArray[np.bool_]
    key: Ints
    values: dict[str, NDArray[np.float32]]

    def __getitem__(self, rows: list[int]) -> _Draws:
        values = {name: v[rows] for name, v in self.values.items()}
        return _Draws(self.hole[rows], self.z[rows], self.warped[rows], self.key[rows], values)

    @classmethod
    def joined(cls, parts: Sequence[_Draws]) -> _Draws:
        """The rows of all."""
        if len(parts) == 1:
            return parts[0]
        hole, z, warped, key = (
            np.concatenate([getattr(p, name) for p in parts]) for name in ("hole", "z", "warped", "key")
        )
        values = {name: np.concatenate([p.values[name] for p in parts]) for name in parts[0].values}
        return cls(hole, z, warped, key, values)

    def on(self, device: torch.device) -> dict[str, Tensor]:
        """The values on a device, (b, k) each; they travel as one."""
        block = torch.from_numpy(np.concatenate(list(self.values.values()), 1)).to(device, non_blocking=True)
        parts = torch.split(block, [v.shape[1] for v in self.values.values()], 1)
        return dict(zip(self.values, parts, strict=True))


class InpaintSampler:
    """Makes training batches on the device that holds the data; a batch is a function of (size, seed, step).

    Parameters
    ----------
    cases, bank : iterable
        Read once: see :class:`training.models.resident.ResidentSet`.
    settings : InpaintSettings

    Raises
    ------
    ValueError
        No placement belongs to these cases.
    """

    def __init__(self, cases: Iterable[BankedCase], bank: Iterable[PlacedHoles], settings: InpaintSettings) -> None:
        self.settings = settings
        self.data = ResidentSet(cases, bank)

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        """The whole batch of a step; see :meth:`batch_rows`."""
        return self.batch_rows(size, seed, step, range(size))

    def batch_rows(self, size: int, seed: int, step: int, rows: range) -> dict[str, Tensor]:
        """Rows of the batch of a step: a function of (size, seed, step) alone, whoever asks for which rows.

        Returns
        -------
        dict
            On the data's device: ``context`` (b, c, h, w); ``residual`` and ``noise`` (b, 4, h, w); ``hole``
            (b, h, w), where noise lives; ``weight`` of the loss (b, 4, h, w); ``range`` (b, 2, 4), 0.5 and 99.5
            percentile of the healthy voxels in the sample's units; ``sigma`` (b), infinite for the mean pass.
        """
        return self.several(size, seed, [step], [rows])[0][0]

    @torch.no_grad()
    def several(
        self, size: int, seed: int, steps: Sequence[int], rows: Sequence[range]
    ) -> list[list[dict[str, Tensor]]]:
        """Parts (ranges of `rows`) of the batches of several steps, made together: the calls of one for all.

        What :meth:`batch_rows` gives for each step and range; the parts share memory.
        """
        at = [row for part in rows for row in part]
        made = self._made(_Draws.joined([self._draw(size, seed, step)[at] for step in steps]))
        return parted(made, [len(part) for part in rows], len(steps))

    def _made(self, drawn: _Draws) -> dict[str, Tensor]:
        """All samples of some draws."""
        device, count = self.data.device, len(drawn.hole)
        made = self._room(count)
        for part in self._chunks(drawn):
            if len(part) == 1:
                self._make(drawn[part], {k: v.narrow(0, part[0], 1) for k, v in made.items()})
                continue
            some = self._room(len(part))
            self._make(drawn[part], some)
            at = torch.tensor(part, device=device)
            for name, whole in made.items():
                whole.index_copy_(0, at, some[name])
        ranges, sigma = (torch.from_numpy(drawn.values[k]).to(device) for k in ("range", "sigma"))
        noise = draw_noise(made["residual"].shape[1:], torch.from_numpy(drawn.key).to(device))[:, 0]
        return {**made, "noise": noise, "range": ranges.view(count, 2, -1), "sigma": sigma[:, 0]}

    def _room(self, count: int) -> dict[str, Tensor]:
        """Where samples go, on the data's device."""
        m, size = conditioning.N_MODALITIES, [self.settings.crop] * 2
        shapes = {"context": [conditioning.CONTEXT_CHANNELS], "residual": [m], "weight": [m], "hole": []}
        return {k: torch.empty(count, *shape, *size, device=self.data.device) for k, shape in shapes.items()}

    def _chunks(self, drawn: _Draws) -> Iterator[list[int]]:
        """Rows that are made together: all warped or all straight."""
        for warped in (False, True):
            rows = np.flatnonzero(drawn.warped == warped).tolist()
            most = _CPU_ROWS if self.data.device.type == "cpu" else max(len(rows), 1)
            yield from (rows[i : i + most] for i in range(0, len(rows), most))

    def _draw(self, size: int, seed: int, step: int) -> _Draws:
        """All that is random about a batch but the pixels of the noise, for which there is a key.

        The first rows are the same whatever the size, but for the share of mean passes.
        """
        s, m = self.settings, conditioning.N_MODALITIES
        counts = {"hole": 1, "slice": 1, "voxel": 1, "jitter": 2, "warp": 1, "angle": 1, "zoom": 2, "flip": 1}
        counts |= {"drop": 1, "keep": m, "gain": m, "offset": m, "shifted": 1, "mirror": 1}
        rngs = [np.random.default_rng([seed, step, k]) for k in range(3)]
        chance = _columns(rngs[0].random((size, sum(counts.values()))), counts)
        normal = _columns(rngs[1].standard_normal((size, 1 + 2 * _KNOTS**2)), {"sigma": 1, "knots": 2 * _KNOTS**2})
        hole, z, area = self.data.choose(chance["hole"][:, 0], chance["slice"][:, 0])
        facts = self.data.facts[self.data.case_of[hole]]
        present = facts.present
        left = present & ((chance["drop"] >= s.drop_modality) | (chance["keep"] < 0.6))
        present = np.where(left.any(1, keepdims=True), left, present)
        gain = 1 + s.gain * (2 * chance["gain"] - 1)
        offset = s.offset * (2 * chance["offset"] - 1) * (chance["shifted"] < 0.7)
        low, high = s.sigma_range
        sigma = np.exp(normal["sigma"] * s.log_sigma_std + s.log_sigma_mean).clip(low, high)
        sigma[: round(s.mean_share * size)] = np.inf
        ranges = facts.range * gain[:, None] + offset[:, None]
        values = {
            "voxel": np.floor(chance["voxel"] * area[:, None]),
            "jitter": np.floor(chance["jitter"] * (2 * _JITTER + 1)) - _JITTER,
            "turn": _turns(s.angle * (2 * chance["angle"] - 1), 1 + s.zoom * (2 * chance["zoom"] - 1)),
            "knots": s.elastic * normal["knots"],
            "flip": chance["flip"] < s.flip,
            "gain": gain,
            "offset": offset,
            "present": present,
            "mirror": chance["mirror"] >= s.drop_mirror,
            "place": _place(facts, z),
            "range": ranges.reshape(size, -1),
            "sigma": sigma,
        }
        key = rngs[2].integers(2**62, size=size)
        floats = {name: np.asarray(v, np.float32) for name, v in values.items()}
        return _Draws(hole, z, chance["warp"][:, 0] < s.warp, key, floats)

    def _make(self, drawn: _Draws, to: dict[str, Tensor]) -> None:
        """Write samples that are all warped or all straight."""
        v = drawn.on(self.data.device)
        target = self.data.targets(drawn.hole, drawn.z)
        warped = bool(drawn.warped[0])
        grid = self._grid(v, self._corner(v, target), warped)
        planes = self.data.planes(drawn.hole, drawn.z, target)
        seen = planes.sampled(grid, "bilinear" if warped else "nearest")  # straight ones meet the voxels exactly
        self._assemble(seen, grid, v, to)

    def _corner(self, v: dict[str, Tensor], target: Tensor) -> Tensor:
        """First voxel (b, 2) of a window near some target voxel, inside the slice where it fits."""
        size = self.settings.crop
        before = (target.flatten(1).cumsum(1, dtype=torch.int32) <= v["voxel"].int()).sum(1)
        center = torch.stack([before // target.shape[2], before % target.shape[2]], 1) + v["jitter"]
        last = (v["place"][:, :2] - size).clamp(min=0)
        return torch.minimum((center - size // 2).clamp(min=0), last)

    def _grid(self, v: dict[str, Tensor], corner: Tensor, warped: bool) -> Tensor:
        """Where each voxel of the crops comes from, in voxels of the planes; (b, 2, crop, crop)."""
        size = self.settings.crop
        half = (size - 1) / 2 if warped else 0.0
        i, j = torch.meshgrid([torch.arange(size, device=corner.device) - half] * 2, indexing="ij")
        if warped:
            a, b, c, d = v["turn"].T[:, :, None, None]
            knots = torch.unflatten(v["knots"], 1, (2, _KNOTS, _KNOTS))
            bend = F.interpolate(knots, size=(size, size), mode="bicubic", align_corners=True)
            grid = torch.stack([a * i + b * j, c * i + d * j], 1) + bend
        else:
            grid = torch.stack([i, j])[None]
        grid = grid + (corner + half)[:, :, None, None]
        return torch.where(v["flip"][:, :, None, None] > 0, grid.flip(2), grid)

    def _assemble(self, seen: Planes, grid: Tensor, v: dict[str, Tensor], to: dict[str, Tensor]) -> None:
        """Change intensities, drop modalities and mirror, lay out the channels of :func:`conditioning.assemble`."""
        m, middle = conditioning.N_MODALITIES, len(conditioning.NEIGHBORS) // 2
        parts = seen.parts()
        for name in ("unknown", "brain", "valid", "target"):
            parts[name].gt_(0.5)  # majority
        unknown, brain = parts["unknown"], parts["brain"]
        hole = torch.mul(unknown[:, middle], brain[:, middle], out=to["hole"])
        target = parts["target"].mul_(unknown[:, middle, None])
        valid = parts["valid"].mul_(v["mirror"][..., None, None])
        gain, offset, present = (v[k][:, :, None, None] for k in ("gain", "offset", "present"))
        n = len(conditioning.NEIGHBORS)
        sizes = [m * n, n, len(conditioning.BRAIN_AT), m, 1, 3, 1, m]
        filled, to_unknown, to_brain, mirrored, to_valid, position, depth, flags = torch.split(to["context"], sizes, 1)
        lit = torch.unflatten(filled, 1, (m, n))
        torch.mul(torch.unflatten(parts["filled"], 1, (m, n)), (gain * present)[:, :, None], out=lit)
        lit.add_((offset * present)[:, :, None]).mul_(brain[:, None])
        to_unknown.copy_(unknown)
        to_brain.copy_(brain[:, list(conditioning.BRAIN_AT)])
        torch.mul(parts["mirrored"], gain * present, out=mirrored).add_(offset * present).mul_(valid)
        to_valid.copy_(valid)
        position.copy_(_positions(grid, v))
        torch.clamp(parts["depth"], max=conditioning.DEPTH_LIMIT, out=depth).div_(conditioning.DEPTH_SCALE)
        flags.copy_(present.expand_as(flags))
        # tumor voxels are unknown but have no healthy truth: the network sees plain noise there
        torch.mul(parts["change"], gain, out=to["residual"]).mul_(target * hole[:, None])
        torch.mul(target, present, out=to["weight"])


def _columns(table: NDArray[np.float64], counts: dict[str, int]) -> dict[str, NDArray[np.float64]]:
    """Name the columns of (b, k)."""
    ends = np.cumsum(list(counts.values()))[:-1]
    return dict(zip(counts, np.split(table, ends, axis=1), strict=True))


def _turns(angle: NDArray[np.float64], zoom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation after zoom: (b, 1) and (b, 2) to (b, 4), the rows of each matrix."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([cos * zoom[:, :1], -sin * zoom[:, 1:], sin * zoom[:, :1], cos * zoom[:, 1:]], 1)


def _place(facts: CaseFacts, z: Ints) -> NDArray[np.float64]:
    """What positions need, (b, 8): width, height, lateral distance a x + b y + c, first brain row, rows, superior."""
    a, b, c, offset = facts.lateral.T
    start, stop = facts.box[:, 1:].transpose(2, 1, 0)
    rows, slices = np.maximum(stop - start, 1)
    superior = 2 * (z - start[1]) / slices - 1
    return np.stack([*facts.shape[:, :2].T, a, b, c * z - offset, start[0], rows, superior], 1)


def _positions(grid: Tensor, v: dict[str, Tensor]) -> Tensor:
    """:func:`conditioning.positions` at `grid`, (b, 3, h, w); a flip changes the sign of the lateral distance."""
    w, h, a, b, c, first, rows, superior = v["place"].T[:, :, None, None]
    x, y = grid.unbind(1)
    inside = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
    sign = 1 - 2 * v["flip"][:, :, None]
    lateral = (a * x + b * y + c) * inside * sign / conditioning.LATERAL_SCALE
    return torch.stack([lateral, 2 * (y - first) / rows - 1, superior.expand_as(x)], 1)


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
    middle, count = len(conditioning.NEIGHBORS) // 2, len(conditioning.NEIGHBORS)
    context, weight = batch["context"], batch["weight"]
    filled = context[:, middle : conditioning.N_MODALITIES * count : count]
    brain = context[:, conditioning.BRAIN_CHANNEL][:, None]
    low, high = (batch["range"][:, k, :, None, None] for k in (0, 1))
    there = brain * (high - low > _LEAST_RANGE)  # a modality that is absent has no range
    width = (high - low).clamp(min=_LEAST_RANGE)
    made, truth = (((filled + r * weight) - low) / width * there for r in (predicted, batch["residual"]))
    flat = [v.reshape(-1, 1, *v.shape[-2:]) for v in (made, truth, weight)]
    values = similarity_map(flat[0], flat[1])
    return torch.as_tensor((values * flat[2]).sum() / weight.sum().clamp(min=1))

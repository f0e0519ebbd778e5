"""M4's training task: five classes from a FLAIR slice, with hard augmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seg_editor.anatomy.names import TUMOR
from seg_editor.errors import UsageError
from seg_editor.generation.conditioning import AIR, CHANNEL_SCALE
from seg_editor.generation.networks import RefereeConfig, RefereeUNet, count_parameters
from training.models.batches import cut, has_room, parted
from training.models.noise import draw_noise
from training.prepare.prepared import PreparedCase
from training.prepare.slices import CLASSES, COLORS

_FLAIR = 3
_MULTIPLE = 32
_GRID_CASES = 3
#: Pixels that a slice needs to be drawn: of tumor, of brain.
_LEAST_TUMOR, _LEAST_BRAIN = 10, 300


@dataclass(frozen=True)
class RefereeSettings:
    """Sampling and augmentation."""

    size: tuple[int, int] = (160, 192)
    tumor_share: float = 0.6
    rotate: float = 20.0
    zoom: float = 0.15
    shear: float = 0.08
    gain: float = 0.2
    offset: float = 0.25
    gamma: float = 0.3
    bias: float = 0.25
    noise: float = 0.12
    blur: float = 0.2
    tumor_weight: float = 1.5


@dataclass
class RefereeCase:
    """FLAIR scaled over the whole brain (slice first, (z, x, y)) and its five-class map."""

    case_id: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]

    @classmethod
    def of(cls, case: PreparedCase) -> RefereeCase:
        flair = case.volumes[_FLAIR].astype(np.float32) * CHANNEL_SCALE[_FLAIR]
        inside = flair[case.brain]
        low, middle, high = np.percentile(inside, [25, 50, 75])
        image = np.where(case.brain, (flair - middle) / max(high - low, 1e-3), AIR)
        five = np.where(case.labels > 0, TUMOR, case.tissue)
        return cls(
            case.case_id,
            np.ascontiguousarray(image.transpose(2, 0, 1), np.float32),
            np.ascontiguousarray(five.transpose(2, 0, 1), np.uint8),
        )


class RefereeTask:
    """Trains M4 on the cases of a prepared folder that have a tissue map."""

    name = "m4"

    def __init__(
        self,
        data: Path,
        *,
        train_ids: list[str],
        val_ids: list[str],
        config: RefereeConfig | None = None,
        settings: RefereeSettings | None = None,
        compile_network: bool = False,
    ) -> None:
        self.config = config or RefereeConfig(base=24)
        self.settings = settings or RefereeSettings()
        self.compile_network = compile_network
        self.cases = [RefereeCase.of(PreparedCase.load(data / "cases" / f"{i}.npz")) for i in train_ids]
        self.held_out = [RefereeCase.of(PreparedCase.load(data / "cases" / f"{i}.npz")) for i in val_ids]
        self._resident: tuple[Tensor, Tensor] | None = None
        self.index()
        if not len(self.any) or not any(((case.labels > 0) & (case.labels < TUMOR)).any() for case in self.cases):
            raise UsageError(f"{data} holds no tissue maps", remedy="Run seg-train prepare with tissue maps")

    def index(self) -> None:
        """Number the slices through all cases and find those to draw."""
        self._first = np.cumsum([0, *(len(case.labels) for case in self.cases)])
        counts = [[(case.labels == TUMOR).sum((1, 2)), (case.labels > 0).sum((1, 2))] for case in self.cases]
        tumor, brain = np.concatenate(counts, 1)
        self.tumor, self.any = np.flatnonzero(tumor > _LEAST_TUMOR), np.flatnonzero(brain > _LEAST_BRAIN)

    def build(self) -> nn.Module:
        return RefereeUNet(self.config)

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        """The whole batch of a step, augmented; see :meth:`batch_rows`."""
        return self.finish(self.batch_rows(size, seed, step, range(size)))

    def batch_rows(self, size: int, seed: int, step: int, rows: range) -> dict[str, Tensor]:
        """Rows of the batch of a step: a function of (size, seed, step) alone, whoever asks for which rows.

        Returns
        -------
        dict
            ``image`` float16 and ``labels`` uint8 (b, x, y); what :func:`draw_augmentation` gave for these rows.
        """
        drawn = self._drawn(size, seed, step, list(rows))
        images, labels = zip(*(self._slice(place) for place in drawn.pop("place").tolist()), strict=True)
        return {"image": torch.from_numpy(np.stack(images)), "labels": torch.from_numpy(np.stack(labels)), **drawn}

    def _slice(self, place: int) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        """Image and labels of a slice, counted through all cases."""
        c = int(np.searchsorted(self._first, place, side="right")) - 1
        z, (w, h) = place - self._first[c], self.settings.size
        case = self.cases[c]
        return fit(case.image[z], w, h, AIR).astype(np.float16), fit(case.labels[z], w, h)

    def _drawn(self, size: int, seed: int, step: int, rows: list[int]) -> dict[str, Tensor]:
        """What chance says about some rows of a batch."""
        chance = np.random.default_rng([seed, step]).random((size, 2))[rows]
        tumor = self.tumor if len(self.tumor) else self.any
        chosen = (pool[(chance[:, 1] * len(pool)).astype(np.int64)] for pool in (tumor, self.any))
        place = np.where(chance[:, 0] < self.settings.tumor_share, *chosen)
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
        drawn = draw_augmentation(size, self.settings, generator)
        if rows != list(range(size)):
            index = torch.tensor(rows)
            drawn = {k: v.index_select(0, index) for k, v in drawn.items()}
        return {"place": torch.from_numpy(place), **drawn}

    @property
    def nbytes(self) -> int:
        """Of the data that a GPU gets."""
        return 3 * int(self._first[-1]) * math.prod(self.settings.size)

    def settle(self, device: torch.device) -> bool:
        """Copy the training slices to a GPU with room for them, where batches are then made."""
        if has_room(device, self.nbytes):
            self._resident = self._table(device)
        return self._resident is not None

    def _table(self, device: torch.device) -> tuple[Tensor, Tensor]:
        shape = (int(self._first[-1]), *self.settings.size)
        images = torch.empty(shape, dtype=torch.float16, device=device)
        labels = torch.empty(shape, dtype=torch.uint8, device=device)
        for case, first in zip(self.cases, self._first, strict=False):
            slices = [self._slice(int(first) + z) for z in range(len(case.image))]
            for to, arrays in zip((images, labels), zip(*slices, strict=True), strict=True):
                to[first : first + len(slices)] = torch.from_numpy(np.stack(arrays))
        return images, labels

    def several(
        self, size: int, seed: int, steps: Sequence[int], rows: Sequence[range]
    ) -> list[list[dict[str, Tensor]]]:
        """Parts of the batches of several steps, cut from the slices on the device; see :meth:`batch_rows`."""
        images, labels = self._resident or self._table(torch.device("cpu"))
        at = [row for part in rows for row in part]
        drawn = [self._drawn(size, seed, step, at) for step in steps]
        return parted(cut({"image": images, "labels": labels}, drawn), [len(part) for part in rows], len(steps))

    def finish(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Augment, on the batch's device."""
        return augment(batch["image"].float()[:, None], batch["labels"], batch)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        logits = model(batch["image"]).float()
        labels = batch["labels"]
        weight = torch.ones(self.config.classes, device=logits.device)
        weight[-1] = self.settings.tumor_weight
        entropy = F.cross_entropy(logits, labels, weight)
        chance = logits.softmax(1)
        truth = F.one_hot(labels, self.config.classes).movedim(-1, 1).to(chance.dtype)
        overlap = (chance * truth).sum((0, 2, 3))
        dice = (2 * overlap + 1) / (chance.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)
        loss = entropy + (1 - dice[1:].mean())
        return loss, {
            "loss": float(loss.detach()),
            "entropy": float(entropy.detach()),
            "soft_dice_tumor": float(dice[-1].detach()),
        }

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Dice a class and case over whole volumes, averaged over cases."""
        rows = [referee_dice(cast(RefereeUNet, model), case, device) for case in self.held_out]
        mean = np.nanmean([r for r, _ in rows], 0)
        figures = {f"dice_{name}": round(float(v), 4) for name, v in zip(CLASSES, mean, strict=True)}
        false_positive = float(np.mean([f for _, f in rows]))
        score = float(mean[TUMOR] + 0.25 * mean[1:TUMOR].mean())
        return {"score": score, "false_positive_share": false_positive, **figures}

    def samples(self, model: nn.Module, device: torch.device) -> tuple[NDArray[np.uint8], dict[str, float]]:
        """The slice with the most tumor of some held-out cases: FLAIR, its classes, and what the network says.

        Returns
        -------
        uint8 (h, w, 3), dict
            A row a case; no figures, for :meth:`validate` has them.
        """
        rows = []
        for case in self.held_out[:_GRID_CASES]:
            z = int((case.labels == TUMOR).sum((1, 2)).argmax())
            image, labels = case.image[z], case.labels[z]
            said = predict_volume(cast(RefereeUNet, model), image[None], device)[0]
            gray = np.clip((image + 3) / 6, 0, 1)[..., None].repeat(3, -1) * 255
            row = [fit(v, *self.settings.size) for v in (gray.astype(np.uint8), COLORS[labels], COLORS[said])]
            rows.append(np.concatenate(row, 1))
        return np.concatenate(rows), {}

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "config": self.config.to_json(),
            "settings": asdict(self.settings),
            "parameters": count_parameters(RefereeUNet(self.config)),
            "cases": len(self.cases),
        }


def fit(a: NDArray[Any], w: int, h: int, air: float = 0) -> NDArray[Any]:
    """Pad (x, y, ...) with `air`, or cut it, to (w, h, ...) around the center."""
    out = np.full((w, h, *a.shape[2:]), air, a.dtype)
    x0, y0 = (w - a.shape[0]) // 2, (h - a.shape[1]) // 2
    sx, sy = max(-x0, 0), max(-y0, 0)
    part = a[sx : sx + w, sy : sy + h]
    out[max(x0, 0) : max(x0, 0) + part.shape[0], max(y0, 0) : max(y0, 0) + part.shape[1]] = part
    return out


def draw_augmentation(size: int, s: RefereeSettings, generator: torch.Generator) -> dict[str, Tensor]:
    """What happens to each of `size` pictures: everything but the pixels of the noise, for which there is a ``key``."""

    def uniform(scale: float, *shape: int) -> Tensor:
        return (2 * torch.rand(size, *shape, generator=generator) - 1) * scale

    return {
        "angle": uniform(math.radians(s.rotate)),
        "zoom": torch.exp(uniform(s.zoom)),
        "shear": uniform(s.shear),
        "flip": torch.where(torch.rand(size, generator=generator) < 0.5, -1.0, 1.0),
        "shift": uniform(0.04, 2),
        "gamma": torch.exp(uniform(s.gamma, 1, 1, 1)),
        "gain": 1 + uniform(s.gain, 1, 1, 1),
        "offset": uniform(s.offset, 1, 1, 1),
        "bias": uniform(s.bias, 1, 3, 4),
        "soft": torch.rand(size, 1, 1, 1, generator=generator) < s.blur,
        "noise": torch.rand(size, 1, 1, 1, generator=generator) * s.noise,
        "key": torch.randint(2**62, (size,), generator=generator),
    }


def augment(image: Tensor, labels: Tensor, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
    """Flip, rotate, zoom and shear; gain, offset, gamma, bias field, blur and noise.

    Parameters
    ----------
    image : float (b, 1, x, y)
    labels : integer (b, x, y)
    drawn : dict
        What :func:`draw_augmentation` gave.
    """
    b, _, w, h = image.shape
    flip, shear = drawn["flip"], drawn["shear"]
    cos, sin = drawn["angle"].cos() * drawn["zoom"], drawn["angle"].sin() * drawn["zoom"]
    # affine_grid runs (column, row) = (y, x); the flip mirrors left and right, the first image axis
    theta = torch.zeros(b, 2, 3, device=image.device)
    theta[:, 0, 0], theta[:, 0, 1] = cos, -sin * flip * (w / h)
    theta[:, 1, 0], theta[:, 1, 1] = (sin + shear) * (h / w), cos * flip
    theta[:, :, 2] = drawn["shift"]
    grid = F.affine_grid(theta, [b, 1, w, h], align_corners=False)
    classes = labels[:, None].float()
    lit = ((classes > 0) | (image != AIR)).float()
    shown = F.grid_sample(torch.cat([classes, lit], 1), grid, mode="nearest", align_corners=False)
    moved, inside = shown[:, 0].long(), shown[:, 1:] > 0
    image = F.grid_sample(image, grid, align_corners=False)
    low, span = -4.0, 10.0
    image = ((image - low).clamp(min=0) / span) ** drawn["gamma"] * span + low
    center = ((0.0 - low) / span) ** drawn["gamma"] * span + low
    image = (image - center) * drawn["gain"] + drawn["offset"]
    field = F.interpolate(drawn["bias"], (w, h), mode="bicubic", align_corners=True)
    image = image + field * (image + 2.5)
    image = torch.where(drawn["soft"], F.avg_pool2d(image, 3, 1, 1), image)
    image = image + drawn["noise"] * draw_noise((w, h), drawn["key"])
    return {"image": torch.where(inside, image, AIR), "labels": moved}


def referee_dice(model: RefereeUNet, case: RefereeCase, device: torch.device) -> tuple[NDArray[np.float64], float]:
    """Dice a class over the volume, and the share of brain called tumor on slices without any."""
    predicted = predict_volume(model, case.image, device)
    dice = np.full(len(CLASSES), np.nan)
    for k in range(len(CLASSES)):
        a, b = predicted == k, case.labels == k
        if b.any():
            dice[k] = 2 * float((a & b).sum()) / float(a.sum() + b.sum())
    clean = ~(case.labels == TUMOR).any((1, 2)) & (case.labels > 0).any((1, 2))
    brain = float((case.labels[clean] > 0).sum())
    return dice, float((predicted[clean] == TUMOR).sum()) / max(brain, 1.0)


def predict_volume(model: RefereeUNet, image: NDArray[np.float32], device: torch.device) -> NDArray[np.uint8]:
    """Classes (z, x, y) of a scaled FLAIR volume (z, x, y)."""
    _, w, h = image.shape
    padded = np.pad(image, [(0, 0), (0, -w % _MULTIPLE), (0, -h % _MULTIPLE)], constant_values=AIR)
    out = np.zeros(image.shape, np.uint8)
    for z in range(0, len(image), 8):
        x = torch.from_numpy(padded[z : z + 8, None]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            logits = model(x)
        out[z : z + 8] = logits[:, :, :w, :h].argmax(1).byte().cpu().numpy()
    return np.where(image != AIR, out, 0).astype(np.uint8)

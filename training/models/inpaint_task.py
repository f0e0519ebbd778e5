"""M5 as a :class:`training.train.loop.Task`, with the healthy-hole figure as its validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seg_editor.errors import UsageError
from seg_editor.generation.networks import InpaintConfig, InpaintNet, count_parameters, posterior_mean
from seg_editor.metrics.structural import ssim_map
from training.models.batches import has_room
from training.models.inpaint import InpaintSampler, InpaintSettings, inpaint_loss
from training.prepare.bank import BANK_KEYS, BankedCase, PlacedHoles, bank_hash, read_bank, unpack
from training.prepare.prepared import PreparedCase, healthy_range

#: Held-out cases in a grid of samples.
_GRID_CASES = 3


@dataclass
class HeldOut:
    """A held-out case with its fixed benchmark holes (label volume, slice first)."""

    banked: BankedCase
    placed: PlacedHoles
    labels: NDArray[np.uint8]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, case: PreparedCase, holes: NDArray[np.uint8], placed: PlacedHoles | None = None) -> HeldOut:
        """Lay out a case; `placed` is what :meth:`PlacedHoles.make` would compute."""
        placed = PlacedHoles.make(case, (holes > 0) & case.brain) if placed is None else placed
        healthy = case.brain & ~case.tumor & (holes == 0)
        spread = np.array(
            [np.subtract(*np.percentile(v[healthy].astype(np.float32), [99.5, 0.5])) for v in case.volumes], np.float32
        )
        return cls(BankedCase.of(case), placed, np.ascontiguousarray(holes.transpose(2, 0, 1)), spread)


class InpaintTask:
    """Trains M5 on a prepared folder (``cases/``, ``holes/``, ``val_holes/``)."""

    name = "m5"

    def __init__(
        self,
        data: Path,
        *,
        config: InpaintConfig | None = None,
        settings: InpaintSettings | None = None,
        train_ids: list[str],
        val_ids: list[str],
        compile_network: bool = False,
    ) -> None:
        self.data = data
        self.config = config or InpaintConfig()
        self.settings = settings or InpaintSettings()
        self.compile_network = compile_network
        cases = (BankedCase.of(PreparedCase.load(data / "cases" / f"{i}.npz")) for i in train_ids)
        try:
            self.sampler = InpaintSampler(cases, read_bank(data / "holes"), self.settings)
        except ValueError as error:
            raise UsageError(f"{data / 'holes'}: {error}", remedy="Run seg-train prepare with --shapes") from error
        self.held_out = [read_held_out(data, i) for i in val_ids]
        self._fast: nn.Module | None = None

    def build(self) -> nn.Module:
        return InpaintNet(self.config)

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        return self.sampler.batch(size, seed, step)

    def batch_rows(self, size: int, seed: int, step: int, rows: range) -> dict[str, Tensor]:
        return self.sampler.batch_rows(size, seed, step, rows)

    @property
    def nbytes(self) -> int:
        """Of the data that a GPU gets."""
        return self.sampler.data.nbytes

    def several(
        self, size: int, seed: int, steps: Sequence[int], rows: Sequence[range]
    ) -> list[list[dict[str, Tensor]]]:
        return self.sampler.several(size, seed, steps, rows)

    def settle(self, device: torch.device) -> bool:
        """Move the data to a GPU, where batches are then made; False where they stay on the host.

        They do so for want of memory: of what is free at most half is taken.
        """
        if has_room(device, self.nbytes):
            self.sampler.data.to(device)
        return self.sampler.data.device.type == device.type != "cpu"

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        if self.compile_network:
            if self._fast is None:
                self._fast = cast(nn.Module, torch.compile(model))
                self._fast.config = self.config  # type: ignore[assignment]
            model = self._fast
        return inpaint_loss(cast(InpaintNet, model), batch, self.settings.ssim_weight)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Mean-pass MSE in the holes of held-out cases over the harmonic fill's, range 0.5-99.5 percentile."""
        ratios, mse, base = [], [], []
        for case in self.held_out:
            errors, floor = held_out_errors(cast(InpaintNet, model), case, device)
            mse.append(errors.mean())
            base.append(floor.mean())
            ratios.append(errors.mean(0) / floor.mean(0))
        total = float(np.mean(mse) / np.mean(base))
        per_modality = np.mean(ratios, 0)
        figures = {"score": -total, "mse": float(np.mean(mse)), "mse_harmonic": float(np.mean(base)), "ratio": total}
        names = ("t1", "t1c", "t2", "flair")
        return figures | {f"ratio_{n}": round(float(v), 4) for n, v in zip(names, per_modality, strict=True)}

    def samples(self, model: nn.Module, device: torch.device) -> tuple[NDArray[np.uint8], dict[str, float]]:
        """The largest cut through the holes of some held-out cases, a row for each modality.

        Returns
        -------
        uint8 (h, w), dict
            Columns: truth, the hole emptied, the harmonic fill, the mean pass. ``val_ssim`` and ``val_ssim_harmonic``:
            SSIM with the truth over the healthy hole voxels, mean over the cases.
        """
        rows, alike = [], []
        for case in self.held_out[:_GRID_CASES]:
            z, present = int(case.placed.area.argmax()), case.banked.case.present
            predicted, filled, truth = mean_pass(cast(InpaintNet, model), case.banked, case.placed, z, device)
            bits = (case.placed.unknown, case.placed.target)
            unknown, target = (unpack(b[z : z + 1], truth.shape[1:])[0] for b in bits)
            low, high = healthy_range(case.banked.case)[..., None, None]
            pictures = (truth, filled, np.where(unknown, predicted, truth))
            brain = case.banked.brain[z]
            real, fill, made = (np.clip((v - low) / (high - low), 0, 1)[present] * brain for v in pictures)
            alike += [[ssim_map(real, v)[:, target].mean() for v in (made, fill)]]
            rows += [np.concatenate(row, 1) for row in zip(real, real * ~unknown, fill, made, strict=True)]
        size = np.max([row.shape for row in rows], 0)
        grid = [np.pad(row, [(0, n - m) for n, m in zip(size, row.shape, strict=True)]) for row in rows]
        ours, harmonic = np.mean(alike, 0).tolist()
        return (np.concatenate(grid) * 255).astype(np.uint8), {"val_ssim": ours, "val_ssim_harmonic": harmonic}

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "config": self.config.to_json(),
            "settings": asdict(self.settings),
            "parameters": count_parameters(InpaintNet(self.config)),
            "bank": bank_hash(self.data / "holes"),
            "placements": len(self.sampler.data.first),
        }


def read_held_out(data: Path, case_id: str) -> HeldOut:
    """Read a held-out case and its benchmark holes from a prepared folder.

    Raises
    ------
    UsageError
        The holes are missing or damaged.
    """
    path = data / "val_holes" / f"{case_id}.npz"
    try:
        with path.open("rb") as f, np.load(f, allow_pickle=False) as z:
            holes = z["holes"]
            ready = PlacedHoles(case_id, *(z[k] for k in BANK_KEYS)) if "fill" in z else None
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise UsageError(f"{path} holds no holes ({error})", remedy="Run seg-train prepare with --shapes") from error
    return HeldOut.of(PreparedCase.load(data / "cases" / f"{case_id}.npz"), holes, ready)


def held_out_errors(
    model: InpaintNet, case: HeldOut, device: torch.device, stride: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared errors of the mean pass and of the harmonic fill, (holes, 4), in units of the healthy range squared.

    Every `stride`-th slice is scored.
    """
    banked, placed = case.banked, case.placed
    _, w, h = banked.brain.shape
    count = int(case.labels.max())
    sums = np.zeros((2, count + 1, 4))
    sizes = np.zeros(count + 1)
    for z in np.flatnonzero(placed.area)[::stride]:
        predicted, filled, truth = mean_pass(model, banked, placed, int(z), device)
        target = unpack(placed.target[z : z + 1], (w, h))[0]
        labels = case.labels[z]
        for k in np.unique(labels[target]):
            where = target & (labels == k)
            sizes[k] += where.sum()
            for row, image in enumerate((predicted, filled)):
                error = (image[:, where] - truth[:, where]) / case.spread[:, None]
                sums[row, k] += (error.astype(np.float64) ** 2).sum(1)
    keep = np.flatnonzero(sizes)
    return sums[0, keep] / sizes[keep, None], sums[1, keep] / sizes[keep, None]


def mean_pass(
    model: InpaintNet, banked: BankedCase, placed: PlacedHoles, z: int, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Predicted slice, its harmonic fill and the truth, (4, x, y) each in network units."""
    context, truth, filled = slice_context(banked, placed, z)
    _, w, h = truth.shape
    inputs = torch.from_numpy(context[None]).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        residual = posterior_mean(model, inputs)
    return filled + residual[0, :, :w, :h].float().cpu().numpy(), filled, truth


def slice_context(
    banked: BankedCase, placed: PlacedHoles, z: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Whole-slice conditioning (padded to a multiple of 16), truth and harmonic fill (4, x, y), unaugmented."""
    from seg_editor.generation.conditioning import NEIGHBORS, assemble, positions

    depth_count, w, h = banked.brain.shape
    zs = np.clip([z + d for d in NEIGHBORS], 0, depth_count - 1)
    unknown = unpack(placed.unknown[zs], (w, h))
    valid = unpack(placed.mirror_valid[z : z + 1], (w, h))[0]
    filled = banked.volumes[zs].astype(np.float32).transpose(1, 0, 2, 3).copy()
    for i, k in enumerate(zs):
        filled[:, i, unknown[i]] = placed.fill[placed.start[k] : placed.start[k + 1]].T
    depth = np.zeros((w, h), np.float32)
    middle = len(NEIGHBORS) // 2
    depth[unknown[middle]] = placed.depth[placed.start[z] : placed.start[z + 1]]
    context = assemble(
        filled,
        unknown,
        banked.brain[zs],
        banked.mirrored[z].astype(np.float32) * valid,
        valid,
        positions(banked.lateral[z], banked.box, (0, 0), z),
        depth,
        banked.case.present,
    )
    pads = [(0, 0), (0, -w % 16), (0, -h % 16)]
    return np.pad(context, pads), banked.volumes[z].astype(np.float32), filled[:, middle]

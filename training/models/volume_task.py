"""M5's volume network as a :class:`training.train.loop.Task`, with the healthy-hole figures as its validation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seg_editor.errors import UsageError
from seg_editor.generation.networks import count_parameters
from seg_editor.generation.volume_net import MULTIPLE, VolumeConfig, VolumeNet
from training.models.inpaint_task import HeldOut, read_held_out
from training.models.similarity import similarity_map
from training.models.volume import VolumeSampler, VolumeSettings, volume_loss, whole_block
from training.prepare.bank import BankedCase, bank_hash, load_bank, unpack
from training.prepare.prepared import PreparedCase


class VolumeTask:
    """Trains the volume network on a prepared folder (``cases/``, ``holes/``, ``val_holes/``)."""

    name = "m5-volume"

    def __init__(
        self,
        data: Path,
        *,
        config: VolumeConfig | None = None,
        settings: VolumeSettings | None = None,
        train_ids: list[str],
        val_ids: list[str],
    ) -> None:
        self.data = data
        self.config = config or VolumeConfig()
        self.settings = settings or VolumeSettings()
        cases = [PreparedCase.load(data / "cases" / f"{i}.npz") for i in train_ids]
        ranges = {c.case_id: healthy_range(c) for c in cases}
        banked = [BankedCase.of(c) for c in cases]
        try:
            self.sampler = VolumeSampler(banked, load_bank(data / "holes"), self.settings, ranges)
        except ValueError as error:
            raise UsageError(f"{data / 'holes'}: {error}", remedy="Run seg-train prepare with --shapes") from error
        self.held_out = [read_held_out(data, i) for i in val_ids]

    def build(self) -> nn.Module:
        return VolumeNet(self.config)

    def batch(self, size: int, seed: int, step: int) -> dict[str, Tensor]:
        return self.sampler.batch(size, seed, step)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        return volume_loss(cast(VolumeNet, model), batch, self.settings)

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """MSE over the harmonic fill's and SSIM in the holes of held-out cases, range 0.5-99.5 percentile."""
        rows = [held_out_figures(cast(VolumeNet, model), case, device) for case in self.held_out]
        mse, base, ssim, plain = (np.array([r[k] for r in rows]) for k in range(4))
        ratio = float(mse.mean() / base.mean())
        figures = {
            "score": -ratio + float(ssim.mean() - plain.mean()),
            "ratio": ratio,
            "mse": float(mse.mean()),
            "mse_harmonic": float(base.mean()),
            "ssim_gain": float(ssim.mean() - plain.mean()),
        }
        names = ("t1", "t1c", "t2", "flair")
        by_modality = mse.mean(0) / base.mean(0)
        return figures | {f"ratio_{n}": round(float(v), 4) for n, v in zip(names, by_modality, strict=True)}

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "config": self.config.to_json(),
            "settings": asdict(self.settings),
            "parameters": count_parameters(VolumeNet(self.config)),
            "bank": bank_hash(self.data / "holes"),
            "placements": len(self.sampler.bank),
        }


def healthy_range(case: PreparedCase, holes: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """0.5 and 99.5 percentile of each modality's healthy voxels, (2, 4), network units."""
    healthy = case.brain & ~case.tumor
    if holes is not None:
        healthy &= ~holes
    return np.stack([np.percentile(v[healthy].astype(np.float32), [0.5, 99.5]) for v in case.volumes], 1).astype(
        np.float32
    )


def held_out_figures(
    model: VolumeNet, case: HeldOut, device: torch.device
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """MSE and SSIM of the network and of the harmonic fill, each (4,): means over the holes.

    Returns
    -------
    mse, mse_harmonic, ssim, ssim_harmonic
        SSIM on every second slice.
    """
    context, truth = whole_block(case.banked, case.placed)
    shape = truth.shape[1:]
    pads = [p for n in reversed(shape) for p in (0, -n % MULTIPLE)]
    padded = torch.nn.functional.pad(context[None], pads).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        residual = model(padded)[0].float().cpu()[:, : shape[0], : shape[1], : shape[2]]
    fill = context[:4]
    labels = torch.from_numpy(case.labels.transpose(1, 2, 0).astype(np.int64))
    target = torch.from_numpy(unpack(case.placed.target, (shape[0], shape[1])).transpose(1, 2, 0).copy())
    extent = healthy_range(case.banked.case, case.labels.transpose(1, 2, 0) > 0)
    low, high = (torch.from_numpy(v)[:, None, None, None] for v in extent)
    unit = [((v - low) / (high - low)).clamp(0, 1) * context[5] for v in (truth, fill + residual * target, fill)]
    slices = torch.nonzero(target.any(0).any(0)).flatten()[::2]
    stacks = [v[..., slices].permute(0, 3, 1, 2).reshape(-1, 1, *shape[:2]) for v in unit]
    maps = [similarity_map(stacks[0], s).reshape(4, len(slices), *shape[:2]) for s in stacks[1:]]
    out: list[list[NDArray[np.float64]]] = [[], [], [], []]
    for k in range(1, int(labels.max()) + 1):
        where = target & (labels == k)
        if not bool(where.any()):
            continue
        flat = where[..., slices].permute(2, 0, 1)
        for row, made in enumerate(unit[1:]):
            out[row].append(((made - unit[0])[:, where] ** 2).double().mean(1).numpy())
            out[2 + row].append(maps[row][:, flat].double().mean(1).numpy())
    mse, base, ssim, plain = (np.mean(o, 0) for o in out)
    return mse, base, ssim, plain

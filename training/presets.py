"""Presets and arms of the paper's models as frozen data: ``paper`` is as published, ``compact`` ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from seg_editor.errors import UsageError
from seg_editor.generation.networks import InpaintConfig, RefereeConfig
from seg_editor.generation.unet import UNetConfig
from training.models.ablation import Ablation
from training.train.settings import LoopSettings


@dataclass(frozen=True)
class Arm:
    """What distinguishes one of the paper's models from the others."""

    title: str
    mask: bool
    ablation: Ablation


#: M1 to M3 and the two readings of M3's code.
ARMS: dict[str, Arm] = {
    "m1": Arm("M1 unconditional diffusion", False, Ablation()),
    "m2": Arm("M2 diffusion with the full mask", True, Ablation()),
    "m3": Arm("M3 diffusion, tumor ablated as written", True, Ablation(tumor=0.3)),
    "m3k": Arm("M3k diffusion, classes ablated", True, Ablation(classes=0.5)),
    "m3c": Arm("M3c diffusion, both ablations as coded", True, Ablation(tumor=0.3, classes=0.5)),
}


@dataclass(frozen=True)
class DiffusionPreset:
    """Network, optimizer and protocol of a training run.

    Attributes
    ----------
    epochs : int
        Length of the run and of the cosine schedule, in passes over the training slices.
    drop_last : bool
        Whether the partial batch at the end of a pass is left out of that length.
    precision : str
        ``fp16`` (automatic mixed precision with a gradient scaler on CUDA; full precision on a CPU), ``bf16``, ``off``.
    keep_epochs : int
        A numbered checkpoint and sample grids every so many passes.
    crop : bool
        Leave out what is air in every slice while training.
    monitor_solver : str
        Of the sample grids.
    """

    name: str
    network: UNetConfig
    batch: int
    epochs: int
    learning_rate: float
    warmup: int
    precision: str
    ema: float
    clip: float = 1.0
    weight_decay: float = 0.01
    adam_betas: tuple[float, float] = (0.9, 0.999)
    drop_last: bool = True
    keep_epochs: int = 10
    validate_epochs: int = 1
    crop: bool = False
    monitor_solver: str = "ddim"
    monitor_steps: int = 50

    def network_of(self, arm: Arm, mask_scale: float = 1.0) -> UNetConfig:
        """The network with or without its mask channel."""
        return replace(self.network, mask=arm.mask, mask_scale=mask_scale)

    def loop_settings(self, slices: int, *, batch: int | None = None, epochs: int | None = None) -> LoopSettings:
        """The protocol in steps, for a training split of `slices` slices."""
        size = batch or self.batch
        each = max(slices // size if self.drop_last else -(-slices // size), 1)
        return LoopSettings(
            steps=each * (epochs or self.epochs),
            batch=size,
            learning_rate=self.learning_rate,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            adam_betas=self.adam_betas,
            ema=self.ema,
            clip=self.clip,
            amp=self.precision,
            final_fraction=0.0,
            validate_every=each * self.validate_epochs,
            keep_every=each * self.keep_epochs,
        )


PRESETS: dict[str, DiffusionPreset] = {
    "paper": DiffusionPreset(
        name="paper",
        network=UNetConfig(),
        batch=64,
        epochs=200,
        learning_rate=1e-4,
        warmup=500,
        precision="fp16",
        ema=0.0,
    ),
    "compact": DiffusionPreset(
        name="compact",
        network=UNetConfig(
            fold=4, widths=(64, 64, 96, 128), layers=1, attention_level=2, groups=16, velocity=True, detail=8
        ),
        batch=8,
        epochs=60,
        learning_rate=6e-4,
        warmup=100,
        precision="bf16",
        ema=0.999,
        keep_epochs=3,
        validate_epochs=2,
        crop=True,
        monitor_steps=25,
    ),
}


@dataclass(frozen=True)
class Ours:
    """Network, picture size and loop settings of M4 and M5, which have the preset ``compact`` only."""

    title: str
    config: InpaintConfig | RefereeConfig
    picture: tuple[int, int]
    loop: dict[str, Any]


OURS: dict[str, Ours] = {
    "m4": Ours(
        "M4 referee",
        RefereeConfig(base=24),
        (160, 192),
        {"steps": 3000, "batch": 8, "learning_rate": 1e-3, "keep_every": 1000},
    ),
    "m5": Ours(
        "M5 context-guided inpainting",
        InpaintConfig(),
        (128, 128),
        {"steps": 4000, "batch": 16, "learning_rate": 6e-4, "keep_every": 1000},
    ),
}


def preset_of(name: str, model: str, *, as_coded: bool = False) -> DiffusionPreset:
    """Look a preset up; `as_coded` gives M1's own protocol (10 epochs, batch 24, full precision).

    Raises
    ------
    UsageError
        There is no such preset, or `as_coded` with another model than m1.
    """
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name} for {model}", remedy=f"Choose {' or '.join(PRESETS)}")
    preset = PRESETS[name]
    if not as_coded:
        return preset
    if model != "m1":
        raise UsageError(f"--as-coded is M1's own protocol, not {model}'s", remedy="Use m3c for M3 as coded")
    return replace(preset, batch=24, epochs=10, precision="off", drop_last=False)


def arm_of(model: str, *, per_batch: bool = False) -> Arm:
    """Look an arm up; `per_batch` draws the tumor's removal once a batch, as the paper's sentence reads.

    Raises
    ------
    UsageError
        There is no such arm, or `per_batch` for one that does not ablate the tumor by itself.
    """
    if model not in ARMS:
        raise UsageError(f"there is no model {model}", remedy=f"Choose one of {', '.join(ARMS)}")
    arm = ARMS[model]
    if not per_batch:
        return arm
    if arm.ablation.tumor == 0:
        raise UsageError(f"--per-batch means nothing for {model}", remedy="Use it with m3 or m3c")
    return replace(arm, ablation=replace(arm.ablation, per_batch=True))

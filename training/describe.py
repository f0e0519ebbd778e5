"""What a model and preset cost: parameters, FLOPs, memory, every setting. Nothing is allocated: meta tensors only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from seg_editor.errors import UsageError
from seg_editor.generation.networks import InpaintConfig, InpaintNet, RefereeUNet, count_parameters
from seg_editor.generation.unet import BETAS, TRAIN_STEPS, NoiseNet
from training.presets import OURS, arm_of, preset_of
from training.train.settings import LoopSettings

#: Training slices of the paper's run: the length of its schedule when no data is given.
PAPER_SLICES = 9_671
#: Peak half-precision TFLOP/s of a card and the share of it that we expect to reach; an assumption, said so.
CARDS = {"A100": (312.0, 0.35), "H100": (989.0, 0.25)}
_GIB = 2**30


@dataclass(frozen=True)
class Cost:
    """Of one picture: FLOPs forward, forward and backward, and bytes that wait for the backward pass (fp32)."""

    forward: int
    training: int
    activations: int


def measure(build: Callable[[], nn.Module], inputs: Callable[[], tuple[Tensor, ...]]) -> Cost:
    """Count the work of one picture by running it on meta tensors."""
    with torch.device("meta"):
        model, given = build().train(), inputs()
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model(*given)
    with (
        FlopCounterMode(display=False) as training,
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        model(*given).sum().backward()
    size = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in weights)
    return Cost(forward.get_total_flops(), training.get_total_flops(), size)


def describe(
    model: str,
    preset: str,
    *,
    slices: int = PAPER_SLICES,
    batch: int | None = None,
    epochs: int | None = None,
    as_coded: bool = False,
    per_batch: bool = False,
    mask_scale: float = 1.0,
    picture: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Everything about a run before it starts, JSON-able.

    `slices` and `picture` tell of the data: how many there are, and what is left of them where the preset crops.

    Raises
    ------
    UsageError
        There is no such model or preset.
    """
    if model in OURS:
        return _describe_ours(model, preset)
    arm = arm_of(model, per_batch=per_batch)
    chosen = preset_of(preset, model, as_coded=as_coded)
    config = chosen.network_of(arm, mask_scale)
    settings = chosen.loop_settings(slices, batch=batch, epochs=epochs)
    fits = picture is not None and not any(n % config.multiple for n in picture)
    size = picture if picture is not None and fits else (config.image_size, config.image_size)

    def inputs() -> tuple[Tensor, ...]:
        return torch.empty(1, 1, *size), torch.empty(1, *size, dtype=torch.uint8), torch.zeros(1).long()

    with torch.device("meta"):
        parameters = count_parameters(NoiseNet(config))
    return {
        "model": model,
        "title": arm.title,
        "preset": preset,
        **_costs(parameters, measure(lambda: NoiseNet(config), inputs), settings),
        "schedule": {
            "train_steps": TRAIN_STEPS,
            "betas": list(BETAS),
            "kind": "linear",
            "prediction": config.prediction,
        },
        "network": {"class": "UNet2DModel", **config.to_json(), "arguments": config.unet_arguments()},
        "ablation": arm.ablation.to_json(),
        "monitor": {"solver": chosen.monitor_solver, "steps": chosen.monitor_steps},
        "picture": list(size),
        "slices": slices,
        "epochs": epochs or chosen.epochs,
    }


def _describe_ours(model: str, preset: str) -> dict[str, Any]:
    if preset != "compact":
        raise UsageError(f"there is no preset {preset} for {model}", remedy="Choose compact")
    ours = OURS[model]
    settings = LoopSettings(**ours.loop)
    width, height = ours.picture
    config = ours.config

    def build() -> nn.Module:
        return InpaintNet(config) if isinstance(config, InpaintConfig) else RefereeUNet(config)

    def inputs() -> tuple[Tensor, ...]:
        if isinstance(config, InpaintConfig):
            context = torch.empty(1, config.context_channels, width, height)
            return torch.empty(1, config.modalities, width, height), context, torch.ones(1)
        return (torch.empty(1, config.inputs, width, height),)

    with torch.device("meta"):
        parameters = count_parameters(build())
    return {
        "model": model,
        "title": ours.title,
        "preset": preset,
        **_costs(parameters, measure(build, inputs), settings),
        "network": {"class": type(config).__name__.replace("Config", ""), **config.to_json()},
        "picture": [width, height],
    }


def _costs(parameters: int, cost: Cost, settings: LoopSettings) -> dict[str, Any]:
    mixed = settings.amp != "off"
    state = parameters * (4 + 4 + 8 + (4 if settings.ema else 0) + (2 if mixed else 0))
    part = settings.batch // settings.accumulate
    activations = cost.activations * part * (0.5 if mixed else 1.0)
    total = cost.training * settings.batch * settings.steps
    return {
        "parameters": parameters,
        "weights_fp16_mb": round(parameters * 2 / 1e6, 2),
        "gflop_forward": round(cost.forward / 1e9, 2),
        "gflop_training": round(cost.training / 1e9, 2),
        "gflop_step": round(cost.training * settings.batch / 1e9, 1),
        "memory_gib": {
            "weights_gradients_optimizer": round(state / _GIB, 2),
            "activations": round(activations / _GIB, 2),
            "total": round((state + activations) / _GIB, 2),
            "activations_per_image": round(activations / part / _GIB, 3),
        },
        "hours": {_card(name): round(total / _rate(name) / 3600, 2) for name in CARDS},
        "images_per_second": {_card(name): round(_rate(name) / cost.training, 1) for name in CARDS},
        "settings": asdict(settings),
    }


def _rate(card: str) -> float:
    """FLOP/s that we expect of a card."""
    peak, share = CARDS[card]
    return peak * share * 1e12


def _card(name: str) -> str:
    peak, share = CARDS[name]
    return f"{name} at {share:.0%} of {peak:.0f} TFLOP/s (assumed)"


def as_text(description: dict[str, Any]) -> str:
    """The same for reading."""
    lines = [f"{description['title']}, preset {description['preset']}"]
    for key, value in description.items():
        if key in ("title", "preset"):
            continue
        if isinstance(value, dict):
            lines.append(f"{key}:")
            lines += [f"  {k:28} {_plain(v)}" for k, v in value.items()]
        else:
            lines.append(f"{key:30} {_plain(value)}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    return f"{value:,}" if isinstance(value, int) else str(value)

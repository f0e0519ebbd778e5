"""The networks: M5's inpainting U-Net and M4's segmentation U-Net. Both work on a folded grid (pixel-unshuffle 2)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seg_editor.generation.conditioning import (
    CONTEXT_CHANNELS,
    LATERAL_CHANNEL,
    N_MODALITIES,
    NEIGHBORS,
    UNKNOWN_CHANNEL,
)


@dataclass(frozen=True)
class InpaintConfig:
    """Shape of an :class:`InpaintNet`."""

    context_channels: int = CONTEXT_CHANNELS
    modalities: int = 4
    widths: tuple[int, ...] = (64, 128, 224)
    blocks: int = 2
    embedding: int = 192
    sigma_data: float = 0.42
    detail: int = 32

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> InpaintConfig:
        return cls(**{**data, "widths": tuple(data["widths"])})


def _groups(channels: int) -> int:
    return math.gcd(channels, 16)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with group norm, SiLU and a scale-shift from the noise level."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_groups(inputs), inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * outputs)
        self.norm2 = nn.GroupNorm(_groups(outputs), outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, 1)
        h = self.norm2(h) * (1 + scale) + shift
        return torch.as_tensor(self.skip(x) + self.conv2(F.silu(h)))


class Attention(nn.Module):
    """Self-attention over the coarsest grid."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(_groups(channels), channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, h * w).transpose(-1, -2).unbind(1)
        y = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(b, c, h, w)
        return torch.as_tensor(x + self.out(y))


class DetailHead(nn.Module):
    """Three full-resolution convolutions that see the noisy input itself.

    The folded grid passes single-voxel noise on only slowly; here it is at hand, so that low noise levels are denoised
    and texture comes out.
    """

    def __init__(self, inputs: int, width: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.film = nn.Linear(embedding, 2 * width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, outputs, 3, padding=1)
        nn.init.zeros_(self.conv3.weight)
        nn.init.zeros_(self.conv3.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, 1)
        x = F.silu(self.conv1(x) * (1 + scale) + shift)
        return torch.as_tensor(self.conv3(F.silu(self.conv2(x))))


class InpaintNet(nn.Module):
    """M5: a U-Net that predicts the residual to the harmonic fill at a given noise level.

    ``forward(noisy, context, sigma)`` returns the denoised residual D(x; sigma) with the preconditioning of Karras et
    al. 2022 (EDM, table 1). ``sigma = inf`` asks for the posterior mean in one pass; the noisy input is ignored then.
    """

    def __init__(self, config: InpaintConfig) -> None:
        super().__init__()
        self.config = config
        widths, e = config.widths, config.embedding
        folded = 4 * (config.context_channels + config.modalities)
        self.embed = nn.Sequential(nn.Linear(33, e), nn.SiLU(), nn.Linear(e, e), nn.SiLU())
        self.stem = nn.Conv2d(folded, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        self.shrink = nn.ModuleList()
        self.up = nn.ModuleList()
        self.grow = nn.ModuleList()
        for i, width in enumerate(widths):
            self.down.append(nn.ModuleList(ResidualBlock(width, width, e) for _ in range(config.blocks)))
            if i + 1 < len(widths):
                self.shrink.append(nn.Conv2d(width, widths[i + 1], 3, stride=2, padding=1))
                self.grow.append(nn.Conv2d(widths[i + 1], width, 1))
                self.up.append(
                    nn.ModuleList(ResidualBlock(2 * width if j == 0 else width, width, e) for j in range(config.blocks))
                )
        self.attention = Attention(widths[-1])
        self.middle = ResidualBlock(widths[-1], widths[-1], e)
        self.norm = nn.GroupNorm(_groups(widths[0]), widths[0])
        self.unfold = nn.Conv2d(widths[0], 4 * 16, 3, padding=1)
        self.head = nn.Conv2d(16, config.modalities, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        seen = 16 + 2 * config.modalities + 1
        self.detail = DetailHead(seen, config.detail, config.modalities, e) if config.detail else None

    def forward(self, noisy: Tensor, context: Tensor, sigma: Tensor) -> Tensor:
        """Denoise.

        Parameters
        ----------
        noisy : (b, 4, h, w)
            Residual plus noise inside the hole, 0 outside; h and w divisible by 8.
        context : (b, context_channels, h, w)
        sigma : (b,)
            Noise level in network units; ``inf`` for the posterior mean.

        Returns
        -------
        (b, 4, h, w)
            Denoised residual.
        """
        data = self.config.sigma_data
        mean = torch.isinf(sigma)
        level = torch.where(mean, torch.ones_like(sigma), sigma)
        total = torch.sqrt(level**2 + data**2)
        c_skip = torch.where(mean, torch.zeros_like(level), data**2 / total**2)[:, None, None, None]
        c_out = torch.where(mean, torch.full_like(level, data), level * data / total)[:, None, None, None]
        c_in = torch.where(mean, torch.zeros_like(level), 1 / total)[:, None, None, None]
        noisy = torch.where(mean[:, None, None, None], torch.zeros_like(noisy), noisy)
        embedding = self.embed(_embed_level(torch.log(level) / 4, mean))
        scaled = c_in * noisy
        features = F.silu(self._unet(torch.cat([scaled, context], 1), embedding))
        out = self.head(features)
        if self.detail is not None:
            middle = len(NEIGHBORS) // 2
            filled = context[:, middle : N_MODALITIES * len(NEIGHBORS) : len(NEIGHBORS)]
            unknown = context[:, UNKNOWN_CHANNEL : UNKNOWN_CHANNEL + 1]
            out = out + self.detail(torch.cat([features, scaled, filled, unknown], 1), embedding)
        return torch.as_tensor(c_skip * noisy + c_out * out.float())

    def _unet(self, x: Tensor, embedding: Tensor) -> Tensor:
        x = self.stem(F.pixel_unshuffle(x, 2))
        skips = []
        for i, blocks in enumerate(self.down):
            for block in cast(nn.ModuleList, blocks):
                x = block(x, embedding)
            if i < len(self.shrink):
                skips.append(x)
                x = self.shrink[i](x)
        x = self.middle(self.attention(x), embedding)
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.grow[i](x), scale_factor=2.0, mode="nearest")
            x = torch.cat([x, skips[i]], 1)
            for block in cast(nn.ModuleList, self.up[i]):
                x = block(x, embedding)
        return F.pixel_shuffle(self.unfold(F.silu(self.norm(x))), 2)


def posterior_mean(network: nn.Module, context: Tensor) -> Tensor:
    """The mean pass over slices and over their mirror images, averaged: the two err in part differently.

    Parameters
    ----------
    network : InpaintNet
    context : (b, context_channels, h, w)

    Returns
    -------
    (b, 4, h, w)
        Residual.
    """
    mirrored = context.flip(2)
    mirrored[:, LATERAL_CHANNEL] *= -1
    both = torch.cat([context, mirrored])
    made = network(
        torch.zeros_like(both[:, :N_MODALITIES]), both, torch.full((len(both),), math.inf, device=both.device)
    )
    straight, turned = made.chunk(2)
    return torch.as_tensor((straight + turned.flip(2)) / 2)


def _embed_level(level: Tensor, mean: Tensor) -> Tensor:
    frequencies = torch.exp(torch.linspace(0.0, 4.0, 16, device=level.device))
    angles = level[:, None] * frequencies
    waves = torch.cat([angles.cos(), angles.sin()], 1) * (~mean)[:, None]
    return torch.cat([waves, mean[:, None].to(waves.dtype)], 1)


@dataclass(frozen=True)
class RefereeConfig:
    """Shape of a :class:`RefereeUNet`; ``fold`` 1 is the paper's full-resolution network."""

    inputs: int = 1
    classes: int = 5
    base: int = 32
    depth: int = 4
    fold: int = 2

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RefereeConfig:
        return cls(**data)


class DoubleConv(nn.Sequential):
    """conv3-BN-ReLU twice."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class RefereeUNet(nn.Module):
    """M4: U-Net with batch norm, max pooling and transposed convolutions."""

    def __init__(self, config: RefereeConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.base * 2**i for i in range(config.depth + 1)]
        pairs = list(pairwise(widths))
        self.first = DoubleConv(config.inputs * config.fold**2, widths[0])
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in pairs)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairs)
        self.up = nn.ModuleList(DoubleConv(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], config.classes * config.fold**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (b, inputs, h, w) to logits (b, classes, h, w); h and w divisible by ``fold * 2**depth``."""
        logits, _ = self.features(x)
        return logits

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and the bottleneck (b, base * 2**depth, h', w')."""
        fold = self.config.fold
        x = self.first(F.pixel_unshuffle(x, fold) if fold > 1 else x)
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(F.max_pool2d(x, 2))
        bottom = x
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([skips[i], self.grow[i](x)], 1))
        logits = self.head(x)
        return (F.pixel_shuffle(logits, fold) if fold > 1 else logits), bottom


def count_parameters(model: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

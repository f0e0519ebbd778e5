"""M5's first network: the posterior mean of a whole hole in one 3D pass.

A 3D U-Net on a folded grid (2x2x2 voxels to one cell). It sees a block of the case with the unknown part filled
harmonically and predicts the residual to that fill, for all four modalities and every slice at once. The slice network
(:mod:`seg_editor.generation.networks`) starts from this mean and adds what a mean lacks: texture.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

#: Fill 4, unknown, brain, depth, mirror 4 + validity, position 3, presence 4.
VOLUME_CHANNELS = 19
FILL = slice(0, 4)
UNKNOWN, BRAIN, DEPTH = 4, 5, 6
MIRROR = slice(7, 11)
MIRROR_VALID = 11
POSITION = slice(12, 15)
LATERAL = 12
PRESENT = slice(15, 19)
#: Sides of a block are multiples of this.
MULTIPLE = 16

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class VolumeConfig:
    """Shape of a :class:`VolumeNet`."""

    context_channels: int = VOLUME_CHANNELS
    modalities: int = 4
    widths: tuple[int, ...] = (32, 64, 96, 128)
    blocks: int = 2

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> VolumeConfig:
        return cls(**{**data, "widths": tuple(data["widths"])})


class Block3d(nn.Module):
    """Two 3x3x3 convolutions with group norm and SiLU around a skip."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(math.gcd(inputs, 16), inputs)
        self.conv1 = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(math.gcd(outputs, 16), outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return torch.as_tensor(self.skip(x) + self.conv2(F.silu(self.norm2(h))))


class Attention3d(nn.Module):
    """Self-attention over the coarsest grid: one hemisphere can look at the other."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(math.gcd(channels, 16), channels)
        self.qkv = nn.Conv3d(channels, 3 * channels, 1)
        self.out = nn.Conv3d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        b, c = x.shape[:2]
        parts = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, -1)
        q, k, v = parts.transpose(-1, -2).unbind(1)
        y = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(x.shape)
        return torch.as_tensor(x + self.out(y))


class VolumeNet(nn.Module):
    """``forward(context)`` gives the expected residual to the harmonic fill."""

    def __init__(self, config: VolumeConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.stem = nn.Conv3d(config.context_channels, widths[0], 2, stride=2)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            self.down.append(nn.ModuleList(Block3d(width, width) for _ in range(config.blocks)))
            if i + 1 < len(widths):
                self.shrink.append(nn.Conv3d(width, widths[i + 1], 2, stride=2))
                self.grow.append(nn.Conv3d(widths[i + 1], width, 1))
                self.up.append(
                    nn.ModuleList(Block3d(2 * width if j == 0 else width, width) for j in range(config.blocks))
                )
        self.attention = Attention3d(widths[-1])
        self.middle = Block3d(widths[-1], widths[-1])
        self.norm = nn.GroupNorm(math.gcd(widths[0], 16), widths[0])
        self.head = nn.Conv3d(widths[0], 8 * config.modalities, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, context: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        context : (b, VOLUME_CHANNELS, x, y, z)
            See :func:`volume_context`; sides divisible by 16.

        Returns
        -------
        (b, 4, x, y, z)
            Residual to the harmonic fill in network units; meaningful inside the unknown part only.
        """
        x = self.stem(context)
        skips = []
        for i, blocks in enumerate(self.down):
            for block in cast(nn.ModuleList, blocks):
                x = block(x)
            if i < len(self.shrink):
                skips.append(x)
                x = self.shrink[i](x)
        x = self.middle(self.attention(x))
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.grow[i](x), scale_factor=2.0, mode="nearest")
            x = torch.cat([x, skips[i]], 1)
            for block in cast(nn.ModuleList, self.up[i]):
                x = block(x)
        return unfold(self.head(F.silu(self.norm(x))).float())


def unfold(folded: Tensor) -> Tensor:
    """Cells of 2x2x2 voxels to voxels: (b, 8 m, x, y, z) to (b, m, 2x, 2y, 2z)."""
    b, c, x, y, z = folded.shape
    cells = folded.reshape(b, c // 8, 2, 2, 2, x, y, z).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return cells.reshape(b, c // 8, 2 * x, 2 * y, 2 * z)


def volume_context(
    filled: Tensor,
    unknown: Tensor,
    brain: Tensor,
    depth: Tensor,
    mirrored: Tensor,
    mirror_valid: Tensor,
    position: Tensor,
    present: Tensor,
) -> Tensor:
    """Stack a block's context into channels.

    Parameters
    ----------
    filled, mirrored : (4, x, y, z)
        Network units; the unknown part of `filled` is the harmonic fill, `mirrored` is 0 where not valid.
    unknown, brain, mirror_valid : (x, y, z)
        0 or 1.
    depth : (x, y, z)
        Voxels to the nearest known one.
    position : (3, x, y, z)
        Lateral (in 70 mm), anterior and superior (-1..1 over the brain's box).
    present : (4,)
        Which modalities the case has; absent ones are zeroed.

    Returns
    -------
    (VOLUME_CHANNELS, x, y, z)
    """
    flags = present.to(filled.dtype)[:, None, None, None]
    return torch.cat(
        [
            filled * flags,
            unknown[None],
            brain[None],
            (depth.clamp(max=30) / 10)[None],
            mirrored * flags,
            mirror_valid[None],
            position,
            flags.expand(-1, *unknown.shape),
        ]
    )

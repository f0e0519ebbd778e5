"""The paper's network: ``UNet2DModel`` of diffusers with the mask as one more input channel. diffusers loads on use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Steps of the diffusion's training schedule and its linear betas.
TRAIN_STEPS = 1000
BETAS = (1e-4, 0.02)


@dataclass(frozen=True)
class UNetConfig:
    """Shape of a :class:`NoiseNet`.

    Attributes
    ----------
    mask : bool
        Whether a mask channel is concatenated to the noisy picture.
    mask_scale : float
        Factor on ``class_id / 255``; 1 is the paper's, 63.75 brings the tumor to 1.
    fold : int
        Pixel-unshuffle factor in front of the network; 1 is the paper's.
    attention_level : int
        Resolution level with self-attention, down and up; the middle always has it.
    velocity : bool
        The U-Net predicts velocity (Salimans & Ho 2022, appendix D), from which the noise follows: where the picture is
        nearly all noise a small network need not copy it. The paper's predicts the noise.
    detail : int
        Features a pixel for a head of three convolutions at full resolution, which also sees the noisy picture; 0 is
        the paper's. On a folded grid fine noise is hard to tell from the picture.
    """

    mask: bool = True
    mask_scale: float = 1.0
    image_size: int = 256
    fold: int = 1
    widths: tuple[int, ...] = (128, 128, 256, 256, 512, 512)
    layers: int = 2
    attention_level: int = 4
    head_size: int = 8
    groups: int = 32
    velocity: bool = False
    detail: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for a card."""
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> UNetConfig:
        """The reverse of :meth:`to_json`; raises TypeError or KeyError for other data."""
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise TypeError(f"unknown settings {sorted(unknown)}")
        return cls(**{**data, "widths": tuple(data["widths"])})

    def unet_arguments(self) -> dict[str, Any]:
        """Arguments of ``diffusers.UNet2DModel``."""
        levels = range(len(self.widths))
        area = self.fold**2
        return {
            "sample_size": self.image_size // self.fold,
            "in_channels": (2 if self.mask else 1) * area,
            "out_channels": area * max(self.detail, 1),
            "layers_per_block": self.layers,
            "block_out_channels": self.widths,
            "down_block_types": tuple(
                "AttnDownBlock2D" if i == self.attention_level else "DownBlock2D" for i in levels
            ),
            "up_block_types": tuple(
                "AttnUpBlock2D" if i == self.attention_level else "UpBlock2D" for i in reversed(levels)
            ),
            "attention_head_dim": self.head_size,
            "norm_num_groups": self.groups,
        }

    @property
    def prediction(self) -> str:
        """What the U-Net predicts."""
        return "velocity" if self.velocity else "epsilon"

    @property
    def multiple(self) -> int:
        """Height and width of a picture must be divisible by this."""
        return self.fold * int(2 ** (len(self.widths) - 1))


class NoiseNet(nn.Module):
    """Predicts the noise of a picture in [-1, 1], given the class ids of its mask."""

    def __init__(self, config: UNetConfig) -> None:
        from diffusers.models.unets.unet_2d import UNet2DModel

        super().__init__()
        self.config = config
        self.unet: nn.Module = UNet2DModel(**config.unet_arguments())
        self.head = _head(config.detail, 2 if config.mask else 1) if config.detail else None

    def forward(self, noisy: Tensor, masks: Tensor | None, steps: Tensor) -> Tensor:
        """Noise in `noisy`.

        Parameters
        ----------
        noisy : float (b, 1, h, w)
        masks : integer (b, h, w)
            Class ids 0-4; ignored by a network without a mask channel.
        steps : int64 (b,)
            Place in the training schedule, 0 to 999.

        Returns
        -------
        float32 (b, 1, h, w)
        """
        fold = self.config.fold
        x = noisy
        if self.config.mask:
            if masks is None:
                raise ValueError("this network needs a mask")
            x = torch.cat([x, encode_mask(masks, self.config.mask_scale).to(x.dtype)], 1)
        out = self.unet(F.pixel_unshuffle(x, fold) if fold > 1 else x, steps).sample
        out = F.pixel_shuffle(out, fold) if fold > 1 else out
        if self.head is not None:
            out = self.head(torch.cat([out, x.to(out.dtype)], 1))
        out = out.float()
        if self.config.velocity:
            share = signal_shares().to(noisy.device)[steps][:, None, None, None]
            out = share.sqrt() * out + (1 - share).sqrt() * noisy.float()
        return torch.as_tensor(out)


def _head(features: int, inputs: int) -> nn.Module:
    width = 2 * features
    return nn.Sequential(
        nn.Conv2d(features + inputs, width, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(width, 1, 3, padding=1),
    )


def encode_mask(masks: Tensor, scale: float = 1.0) -> Tensor:
    """Class ids (b, h, w) to the mask channel (b, 1, h, w): ``class_id / 255 * scale``."""
    return masks[:, None].float() / 255 * scale


def signal_shares() -> Tensor:
    """Share of the picture's variance left at each of the 1,000 steps (alpha bar), float32."""
    betas = torch.linspace(BETAS[0], BETAS[1], TRAIN_STEPS, dtype=torch.float32)
    return torch.cumprod(1 - betas, 0)


def add_noise(pictures: Tensor, noise: Tensor, steps: Tensor, shares: Tensor) -> Tensor:
    """Pictures (b, 1, h, w) as they look at `steps` (b,) of the schedule."""
    share = shares[steps][:, None, None, None]
    return share.sqrt() * pictures + (1 - share).sqrt() * noise

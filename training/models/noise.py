"""Noise of a batch: each picture's from its own key, so that it does not matter who draws which pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def draw_noise(shape: Sequence[int], keys: Sequence[int], device: torch.device) -> Tensor:
    """Normal noise (b, 1, *shape), each picture's from its own key; the same on one kind of device."""
    noise = torch.empty(len(keys), 1, *shape, device=device)
    generator = torch.Generator(device)
    for one, key in zip(noise, keys, strict=True):
        one.normal_(generator=generator.manual_seed(key))
    return noise

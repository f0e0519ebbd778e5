"""Noise of a batch: each picture's from its own key, so that it does not matter who draws which pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: SplitMix64 (Steele, Lea and Flood 2014): step of the state, then shift and factor of each round.
_STEP = 0x9E3779B97F4A7C15 - 2**64
_ROUNDS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64), (31, 1))
_FRACTION = 24


def draw_noise(shape: Sequence[int], keys: Tensor) -> Tensor:
    """Normal noise (b, 1, *shape) where `keys`, int64 (b,), lie; the same on one kind of device.

    A CPU seeds a generator for each key; elsewhere :func:`counted_noise` takes a few calls for the whole batch.
    """
    if keys.device.type != "cpu":
        return counted_noise(shape, keys)
    noise = torch.empty(len(keys), 1, *shape)
    generator = torch.Generator()
    for one, key in zip(noise, keys.tolist(), strict=True):
        one.normal_(generator=generator.manual_seed(key))
    return noise


def counted_noise(shape: Sequence[int], keys: Tensor) -> Tensor:
    """Normal noise (b, 1, *shape), a function of key and place: SplitMix64 from each key, then Box and Muller's pairs.

    The same on every device up to rounding, in a number of calls that does not depend on the size.
    """
    count = math.prod(shape)
    bits = torch.arange(1, -(-count // 2) + 1, device=keys.device).mul_(_STEP) + keys[:, None]
    for shift, factor in _ROUNDS:
        bits ^= (bits >> shift).bitwise_and_((1 << (64 - shift)) - 1)
        bits *= factor
    low = (1 << _FRACTION) - 1
    radius = (bits >> 40).bitwise_and_(low).float().add_(0.5).mul_(2.0**-_FRACTION).log_().mul_(-2).sqrt_()
    angle = bits.bitwise_and_(low).float().mul_(2 * math.pi * 2.0**-_FRACTION)
    pairs = torch.stack([angle.cos() * radius, angle.sin() * radius], -1)
    return pairs.flatten(1)[:, :count].reshape(-1, 1, *shape)

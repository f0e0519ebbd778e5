"""How M5 goes from the mean to a sample: start from the posterior mean, add noise, denoise in a few steps."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from seg_editor.generation.detail import DetailModel
from seg_editor.generation.request import ENGINE_VERSION

#: Noise levels, in network units, between which a sample is refined.
SIGMA_START, SIGMA_END = 1.2, 0.06
_Z_WEIGHTS = (0.35, 0.8, 1.0, 0.8, 0.35)


def noise_levels(steps: int) -> tuple[float, ...]:
    """Levels of the refinement after the mean pass: ``steps - 1`` values, falling geometrically."""
    count = steps - 1
    if count <= 0:
        return ()
    if count == 1:
        return (SIGMA_START / 2,)
    return tuple(float(v) for v in np.geomspace(SIGMA_START, SIGMA_END, count))


def sampling_recipe(steps: int, detail: DetailModel | None) -> str:
    """What, beside model, seed and steps, decides a sample; part of the request."""
    engine = f"engine {ENGINE_VERSION}, mean of both sides"
    if steps <= 1:
        return engine
    noise = f"sigma {SIGMA_START:g}-{SIGMA_END:g}, z {','.join(f'{v:g}' for v in _Z_WEIGHTS)}"
    return f"{engine}, {noise}, {detail.recipe if detail else 'detail as sampled'}"


def slice_noise(seed: int, k: int, shape: tuple[int, int], channels: int = 4) -> NDArray[np.float32]:
    """Unit Gaussian noise of slice `k`, (channels, x, y), correlated with its neighbors' against flicker along z.

    A pure function of (seed, k, shape): any subset of slices gets the same noise.
    """
    out = np.zeros((channels, *shape), np.float32)
    for weight, d in zip(_Z_WEIGHTS, range(-2, 3), strict=True):
        digest = hashlib.sha256(f"{seed}:{k + d}:{shape}:{channels}".encode()).digest()
        rng = np.random.Generator(np.random.Philox(int.from_bytes(digest[:16], "little")))
        out += np.float32(weight) * rng.standard_normal(out.shape, np.float32)
    return out / np.float32(np.sqrt(np.sum(np.square(_Z_WEIGHTS))))

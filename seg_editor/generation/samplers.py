"""How M5 goes from the mean to a sample: start from the posterior mean, add noise, denoise in a few steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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


def sampling_recipe(steps: int, gains: Sequence[float] | None) -> str:
    """What, beside model, seed and steps, decides a sample; part of the request."""
    if steps <= 1:
        return "mean"
    detail = ",".join(f"{g:g}" for g in gains) if gains else "1"
    return f"sigma {SIGMA_START:g}-{SIGMA_END:g}, detail {detail}"


def sharpen_detail(
    picture: NDArray[np.float32], hole: NDArray[np.bool_], gains: Sequence[float]
) -> NDArray[np.float32]:
    """Scale the finest detail (what a Gaussian of sigma 1 takes away) inside the hole.

    Few network passes leave some modalities too smooth; the gains that bring their detail energy to that of real
    tissue are measured on validation patients and stand in the model card.

    Parameters
    ----------
    picture : float32 (4, h, w)
        The composed slice: generated in the hole, source around it.
    hole : bool (h, w)
    gains : 4 floats
        1 leaves a modality as it is.
    """
    from scipy import ndimage as ndi

    fine = picture - ndi.gaussian_filter(picture, (0, 1, 1))
    gain = np.asarray(gains, np.float32)[:, None, None] - 1
    return np.asarray(picture + np.where(hole, gain * fine, 0), np.float32)


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

"""How M5 goes from the mean to a sample: start from the posterior mean, add noise, denoise in a few steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seg_editor.generation.request import ENGINE_VERSION

#: Noise levels, in network units, between which a sample is refined.
SIGMA_START, SIGMA_END = 1.2, 0.06
_Z_WEIGHTS = (0.35, 0.8, 1.0, 0.8, 0.35)
#: Voxels of a slice that a variance needs, around the hole and in it, and how far detail is scaled at most.
_MIN_AROUND, _MIN_INSIDE = 200, 50
_GAIN_LIMITS = (0.7, 3.0)


def noise_levels(steps: int) -> tuple[float, ...]:
    """Levels of the refinement after the mean pass: ``steps - 1`` values, falling geometrically."""
    count = steps - 1
    if count <= 0:
        return ()
    if count == 1:
        return (SIGMA_START / 2,)
    return tuple(float(v) for v in np.geomspace(SIGMA_START, SIGMA_END, count))


def sampling_recipe(steps: int, shares: Sequence[float] | None) -> str:
    """What, beside model, seed and steps, decides a sample; part of the request."""
    engine = f"engine {ENGINE_VERSION}"
    if steps <= 1:
        return f"{engine}, mean"
    noise = f"sigma {SIGMA_START:g}-{SIGMA_END:g}, z {_listed(_Z_WEIGHTS)}"
    if not shares:
        return f"{engine}, {noise}, detail as sampled"
    limits = f"gain {_listed(_GAIN_LIMITS)}, voxels {_MIN_AROUND} {_MIN_INSIDE}"
    return f"{engine}, {noise}, detail match {_listed(shares)}, {limits}"


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{v:g}" for v in values)


def match_detail(
    picture: NDArray[np.float32], hole: NDArray[np.bool_], brain: NDArray[np.bool_], shares: Sequence[float]
) -> NDArray[np.float32]:
    """Bring the finest detail (what a Gaussian of sigma 1 takes away) in the hole to the patient's own.

    Few network passes leave a sample too smooth, by how much depends on the scanner: the variance of the detail
    differs tenfold between patients, but in healthy holes it follows that of the tissue around. So the detail in
    the hole is scaled until its variance is a share of the variance in the slice's healthy tissue. At the rim nothing
    is scaled, so that no step arises there; from the third voxel on all is.

    Parameters
    ----------
    picture : float32 (4, h, w)
        The composed slice: generated in the hole, source around it.
    hole, brain : bool (h, w)
        Generated voxels; all of the brain.
    shares : 4 floats
        Variance in the hole over that around it, a modality; measured on validation patients, in the model card.

    Returns
    -------
    float32 (4, h, w)
        `picture` itself when there is too little tissue to measure.
    """
    from scipy import ndimage as ndi

    square = np.ones((3, 3), bool)
    around = ndi.binary_erosion(brain & ~hole, square, iterations=2)
    if np.count_nonzero(around) < _MIN_AROUND:
        return picture
    eroded = (ndi.binary_erosion(hole, square, iterations=n) for n in (2, 1))
    inside = next((core for core in eroded if np.count_nonzero(core) >= _MIN_INSIDE), hole)
    fine = picture - ndi.gaussian_filter(picture, (0, 1, 1))
    wanted = fine[:, around].var(axis=1) * np.asarray(shares, np.float32)
    gain = np.sqrt(wanted / np.maximum(fine[:, inside].var(axis=1), 1e-9)).clip(*_GAIN_LIMITS)
    weight = np.clip((ndi.distance_transform_edt(hole) - 1) / 2, 0, 1)
    return np.asarray(picture + (gain[:, None, None] - 1) * fine * weight, np.float32)


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

"""Figures of a filled hole whose truth is known: one hole, one modality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.metrics.structural import PERCENTILES, psnr

MIN_VOXELS = 200
_MIN_CORE = 100
_REACH = 10


@dataclass(frozen=True)
class HoleScore:
    """Figures of one hole; the truth's own texture and seam are 1.

    Parameters
    ----------
    hole : int
        Its label.
    milliliters : float
    mse, psnr, ssim : float
        On the scale where healthy brain's 0.5 and 99.5 percentile are 0 and 1.
    texture : float or None
        Variance of the fine detail in the hole's inside over the truth's; None for a small hole.
    seam : float
        Mean step across the rim over the truth's.
    """

    hole: int
    milliliters: float
    mse: float
    psnr: float
    ssim: float
    texture: float | None
    seam: float


def score_holes(
    truth: NDArray[np.floating[Any]],
    filled: NDArray[np.floating[Any]],
    holes: NDArray[np.integer[Any]],
    brain: NDArray[np.bool_],
    tumor: NDArray[np.bool_],
    *,
    slices: NDArray[np.bool_] | None = None,
) -> Iterator[HoleScore]:
    """Score every hole of a volume.

    Parameters
    ----------
    truth, filled : (x, y, z) arrays
        One modality, as it was and with the holes filled; outside them `filled` is not looked at.
    holes : (x, y, z) integer array
        0, and a label a hole.
    brain, tumor : (x, y, z) bool arrays
        Tumor is neither scored nor part of the scale.
    slices : (z,) bool array, optional
        Axial slices that were filled, when not all were.

    Yields
    ------
    HoleScore
        Of every hole with at least 200 brain voxels on the slices.
    """
    from scipy import ndimage as ndi

    low, high = np.percentile(truth[brain & (holes == 0) & ~tumor], PERCENTILES)
    whole = np.where(holes > 0, filled, truth)
    for label, found in enumerate(ndi.find_objects(holes.astype(np.int32)), start=1):
        if found is None:
            continue
        box = tuple(slice(max(s.start - _REACH, 0), s.stop + _REACH) for s in found)
        inside = brain[box]
        hole = (holes[box] == label) & inside
        if slices is not None:
            hole &= slices[box[2]]
        if hole.sum() < MIN_VOXELS:
            continue
        a, b = (np.clip((np.asarray(v[box], np.float64) - low) / (high - low), 0, 1) for v in (truth, whole))
        yield _score_one(label, a, b, hole, inside)


def _score_one(
    label: int,
    truth: NDArray[np.float64],
    filled: NDArray[np.float64],
    hole: NDArray[np.bool_],
    brain: NDArray[np.bool_],
) -> HoleScore:
    """Score the box around one hole, both volumes on the scale 0 to 1."""
    from scipy import ndimage as ndi

    mse = float(((truth - filled)[hole] ** 2).mean())
    core = ndi.binary_erosion(hole, np.ones((3, 3, 1)), iterations=2)
    texture = None
    if core.sum() > _MIN_CORE:
        detail = [float((v - ndi.gaussian_filter(v, (1, 1, 0)))[core].var()) for v in (truth, filled)]
        texture = detail[1] / max(detail[0], 1e-9)
    steps = [_rim_step(v, hole, brain) for v in (truth, filled)]
    return HoleScore(
        hole=label,
        milliliters=float(hole.sum() / 1000),
        mse=mse,
        psnr=psnr(mse),
        ssim=_axial_ssim(truth, filled, hole),
        texture=texture,
        seam=steps[1] / max(steps[0], 1e-9),
    )


def _axial_ssim(truth: NDArray[np.float64], filled: NDArray[np.float64], hole: NDArray[np.bool_]) -> float:
    """scikit-image's SSIM map of the axial planes (its borders, for boxes narrower than the window), over the hole."""
    from skimage import metrics

    structural_similarity: Any = metrics.structural_similarity
    found = []
    for z in np.flatnonzero(hole.any((0, 1))):
        _, full = structural_similarity(
            truth[..., z],
            filled[..., z],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            full=True,
        )
        found.append(full[hole[..., z]])
    return float(np.concatenate(found).mean())


def _rim_step(values: NDArray[np.float64], hole: NDArray[np.bool_], brain: NDArray[np.bool_]) -> float:
    """Mean absolute step between in-plane neighbors on either side of the rim, inside the brain."""
    steps = []
    for axis in (0, 1):
        n = values.shape[axis]
        before, after = (
            tuple(s if a == axis else slice(None) for a in range(3)) for s in (slice(0, n - 1), slice(1, n))
        )
        across = (hole[before] ^ hole[after]) & brain[before] & brain[after]
        steps.append(np.abs(values[before] - values[after])[across])
    joined = np.concatenate(steps)
    return float(joined.mean()) if joined.size else 0.0

"""How alike two pictures are: SSIM, mean squared error, PSNR, and histogram matching. numpy only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGMA = 1.5
WINDOW = 11
PERCENTILES = (0.5, 99.5)
_SMALLEST = 1e-12


def ssim_map(
    a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], *, data_range: float = 1.0
) -> NDArray[np.float64]:
    """Structural similarity of every pixel (Wang 2004): Gaussian window of 11 pixels, sigma 1.5, mirrored borders.

    Parameters
    ----------
    a, b : (..., h, w) float arrays
        Planes in the last two axes, both at least 6 pixels wide and high.
    data_range : float
        Span of possible values.

    Returns
    -------
    float64 array of the same shape
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape}, {b.shape}")
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mx, my = _blur(x), _blur(y)
    xx, yy = np.maximum(_blur(x * x) - mx * mx, 0), np.maximum(_blur(y * y) - my * my, 0)
    xy = _blur(x * y) - mx * my
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    above = (2 * mx * my + c1) * (2 * xy + c2)
    found: NDArray[np.float64] = above / ((mx * mx + my * my + c1) * (xx + yy + c2))
    return found


def ssim(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], *, data_range: float = 1.0) -> float:
    """Mean of :func:`ssim_map` over the whole frame, as torchmetrics 1.9 has it."""
    return float(ssim_map(a, b, data_range=data_range).mean())


def ssim_inside(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], where: NDArray[np.bool_]) -> float | None:
    """Mean of :func:`ssim_map` over some pixels; None when there are none. Arrays (n, h, w) in [0, 1]."""
    used = where.any(axis=(1, 2))
    if not used.any():
        return None
    return float(ssim_map(a[used], b[used])[where[used]].mean())


def mean_squared_error(
    a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], where: NDArray[np.bool_]
) -> float | None:
    """Mean of the squared differences over some voxels; None when there are none."""
    if not where.any():
        return None
    return float(np.mean((a[where].astype(np.float64) - b[where]) ** 2))


def psnr(mse: float, data_range: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB; at most 120 dB for a range of 1."""
    return 10 * math.log10(data_range**2 / max(mse, _SMALLEST))


def match_histogram(picture: NDArray[np.floating[Any]], reference: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Give `picture` the distribution of values of `reference` (any shapes)."""
    _, inverse, counts = np.unique(picture.ravel(), return_inverse=True, return_counts=True)
    values, wanted = np.unique(reference.ravel(), return_counts=True)
    matched = np.interp(np.cumsum(counts) / picture.size, np.cumsum(wanted) / reference.size, values)
    return np.asarray(matched[inverse].reshape(picture.shape), np.float32)


def challenge_scores(
    prediction: NDArray[np.floating[Any]],
    target: NDArray[np.floating[Any]],
    voided: NDArray[np.floating[Any]],
    mask: NDArray[np.bool_],
) -> Mapping[str, float]:
    """The figures of the BraTS inpainting challenge (Kofler 2023) of one volume.

    Both volumes are zeroed outside the mask, scaled by the 0.5 and 99.5 percentile of the volume that the model saw
    (its void and the air counted; the lower one at least 0) and clipped. SSIM is computed in the planes of the last two
    axes with the span of the two as range and averaged over the mask; MSE and PSNR (range 1) are over the mask.

    Parameters
    ----------
    prediction, target, voided : (x, y, z) float arrays
    mask : (x, y, z) bool array
        The healthy voxels that were to be filled.

    Returns
    -------
    mapping
        ``ssim``, ``mse``, ``psnr``.
    """
    low, high = (float(v) for v in np.percentile(voided, PERCENTILES))
    low = max(low, 0.0)
    a, b = (
        (np.clip(np.where(mask, v, 0).astype(np.float32), low, high) - low) / (high - low) for v in (prediction, target)
    )
    span = max(float(np.ptp(a)), float(np.ptp(b)))
    mse = float(np.mean((a[mask].astype(np.float64) - b[mask]) ** 2))
    used = mask.any(axis=(1, 2))
    alike = float(ssim_map(a[used], b[used], data_range=span)[mask[used]].mean())
    return {"ssim": alike, "mse": mse, "psnr": psnr(mse)}


def _blur(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian window over the last two axes, borders mirrored without repeating the edge."""
    half = WINDOW // 2
    offsets = np.arange(-half, half + 1)
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    for axis in (-1, -2):
        pads = [(0, 0)] * a.ndim
        pads[axis] = (half, half)
        padded = np.pad(a, pads, mode="reflect")
        length = a.shape[axis]
        a = np.sum(
            [w * np.take(padded, range(k, k + length), axis) for k, w in enumerate(weights)], axis=0, dtype=np.float64
        )
    return a

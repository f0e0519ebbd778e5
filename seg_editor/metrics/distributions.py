"""Distances between sets of feature vectors: Fréchet (FID) and kernel (KID)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating[Any]]


def frechet_distance(first: Features, second: Features) -> float:
    """Squared Fréchet distance of two Gaussians fitted to features (Heusel 2017).

    The trace of the matrix root comes from singular values of the centered sets, which is exact and needs no
    ``d x d`` root. With fewer samples than features the fit is rank-deficient and the figure biased upward: print a
    real-against-real floor of the same sizes beside it.

    Parameters
    ----------
    first, second : (n, d) and (m, d) arrays, n and m at least 2
    """
    a, b = _checked(first, second)
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    total = ((mean_a - mean_b) ** 2).sum() + (a * a).sum() + (b * b).sum() - 2 * root
    return float(max(total, 0.0))


def kernel_distance(first: Features, second: Features) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel ``(x . y / d + 1)^3`` (Binkowski 2018), on all samples.

    Parameters
    ----------
    first, second : (n, d) and (m, d) arrays, n and m at least 2
    """
    a, b = _checked(first, second)
    n, m = len(a), len(b)
    within = (_off_diagonal(_kernel(a, a)) / (n * (n - 1))) + (_off_diagonal(_kernel(b, b)) / (m * (m - 1)))
    return float(within - 2 * _kernel(a, b).mean())


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (a @ b.T / a.shape[1] + 1) ** 3
    return found


def _off_diagonal(kernel: NDArray[np.float64]) -> float:
    return float(kernel.sum() - np.trace(kernel))


def _checked(first: Features, second: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise ValueError(f"two sets of at least two feature vectors are needed, not {first.shape} and {second.shape}")
    return np.asarray(first, np.float64), np.asarray(second, np.float64)

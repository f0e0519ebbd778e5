"""SSIM and histogram matching in plain numpy and torch, for the monitor of a training run."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_SIGMA, _WINDOW = 1.5, 11


def match_histogram(picture: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give `picture` the distribution of values of `reference` (any shapes)."""
    _, inverse, counts = np.unique(picture.ravel(), return_inverse=True, return_counts=True)
    values, wanted = np.unique(reference.ravel(), return_counts=True)
    matched = np.interp(np.cumsum(counts) / picture.size, np.cumsum(wanted) / reference.size, values)
    return matched[inverse].reshape(picture.shape).astype(np.float32)


def similarity_map(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity at every pixel of pictures (n, 1, h, w) of range 1; the Gaussian window of :func:`ssim`."""
    offsets = torch.arange(_WINDOW, device=a.device) - _WINDOW // 2
    window = torch.exp(-(offsets.float() ** 2) / (2 * _SIGMA**2))
    window = window / window.sum()
    half = _WINDOW // 2
    stack = F.pad(torch.cat([a, b, a * a, b * b, a * b]), [half] * 4, mode="reflect")
    blurred = F.conv2d(F.conv2d(stack, window[None, None, :, None]), window[None, None, None, :])
    ma, mb, aa, bb, ab = blurred.chunk(5)
    c1, c2 = 0.01**2, 0.03**2
    above = (2 * ma * mb + c1) * (2 * (ab - ma * mb) + c2)
    return torch.as_tensor(above / ((ma**2 + mb**2 + c1) * (aa - ma**2 + bb - mb**2 + c2)))


def ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Structural similarity of two pictures (h, w) in [0, 1]: Gaussian window 11, sigma 1.5, mean over the frame."""
    offsets = torch.arange(_WINDOW) - _WINDOW // 2
    window = torch.exp(-(offsets.double() ** 2) / (2 * _SIGMA**2))
    kernel = torch.outer(window, window) / window.sum() ** 2
    x, y = (torch.from_numpy(np.asarray(v, np.float64))[None, None] for v in (a, b))
    stack = torch.cat([x, y, x * x, y * y, x * y])
    padded = F.pad(stack, [_WINDOW // 2] * 4, mode="reflect")
    mx, my, xx, yy, xy = F.conv2d(padded, kernel[None, None])[:, 0]
    c1, c2 = 0.01**2, 0.03**2
    above = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    below = (mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2)
    value = float((above / below).mean())
    return value if math.isfinite(value) else 0.0

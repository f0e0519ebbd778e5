"""SSIM that has gradients, for the loss of a training run."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seg_editor.metrics.structural import SIGMA, WINDOW


def similarity_map(a: Tensor, b: Tensor) -> Tensor:
    """:func:`seg_editor.metrics.structural.ssim_map` in torch: at every pixel of pictures (n, 1, h, w) of range 1.

    Always in single precision: a variance is a small difference of means of squares, in half precision mostly rounding.
    """
    with torch.autocast(a.device.type, enabled=False):
        return _similarity_map(a.float(), b.float())


def _similarity_map(a: Tensor, b: Tensor) -> Tensor:
    offsets = torch.arange(WINDOW, device=a.device) - WINDOW // 2
    window = torch.exp(-(offsets.float() ** 2) / (2 * SIGMA**2))
    window = window / window.sum()
    half = WINDOW // 2
    stack = F.pad(torch.cat([a, b, a * a, b * b, a * b]), [half] * 4, mode="reflect")
    blurred = F.conv2d(F.conv2d(stack, window[None, None, :, None]), window[None, None, None, :])
    ma, mb, aa, bb, ab = blurred.chunk(5)
    c1, c2 = 0.01**2, 0.03**2
    above = (2 * ma * mb + c1) * (2 * (ab - ma * mb) + c2)
    return torch.as_tensor(above / ((ma**2 + mb**2 + c1) * (aa - ma**2 + bb - mb**2 + c2)))

"""The SSIM of M5's loss is the SSIM that we print."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_editor.metrics.structural import ssim_map
from training.models.similarity import similarity_map


@settings(max_examples=15, deadline=None)
@given(st.integers(6, 20), st.integers(6, 20), st.integers(0, 99), st.sampled_from([0.0, 0.1, 1.0]))
def test_with_gradients_it_is_the_same(width: int, height: int, seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    a = rng.random((2, width, height), np.float32)
    b = (a + noise * rng.random(a.shape, np.float32)).clip(0, 1)
    x = torch.from_numpy(a)[:, None].requires_grad_()
    found = similarity_map(x, torch.from_numpy(b)[:, None])
    np.testing.assert_allclose(found[:, 0].detach().numpy(), ssim_map(a, b), atol=2e-3)
    found.mean().backward()
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


def test_half_precision_does_not_reach_it() -> None:
    """Its variances are small differences of large numbers: in bfloat16 the gradient was mostly rounding."""
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(0.4 + 0.02 * rng.standard_normal((2, 1, 24, 24), np.float32)) for _ in range(2))
    a.requires_grad_()
    maps, gradients = [], []
    for half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            maps.append(similarity_map(a, b))
        gradients.append(torch.autograd.grad(maps[-1].sum(), a)[0])
    assert maps[1].dtype == torch.float32
    torch.testing.assert_close(maps[1], maps[0])
    torch.testing.assert_close(gradients[1], gradients[0])

"""The posterior mean: what the network says of a slice and of its mirror image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seg_editor.generation.conditioning import BRAIN_AT, CONTEXT_CHANNELS, NEIGHBORS
from seg_editor.generation.networks import posterior_mean


class Lopsided(nn.Module):
    """Says more on the right of the picture, and more of the second half of a batch; keeps what it was shown."""

    def forward(self, noisy: Tensor, context: Tensor, sigma: Tensor) -> Tensor:
        assert torch.isinf(sigma).all()
        assert not noisy.any()
        self.seen = context.clone()
        ramp = torch.linspace(0, 1, context.shape[2])[None, None, :, None]
        return ramp + torch.arange(len(context))[:, None, None, None].div(4) + torch.zeros_like(noisy)


def test_the_mean_is_that_of_slices_and_their_mirror_images() -> None:
    """Left stays left for the network, and what it says of the mirror image is turned back."""
    lateral, network = 5 * len(NEIGHBORS) + len(BRAIN_AT) + 5, Lopsided()
    context = torch.rand(2, CONTEXT_CHANNELS, 16, 8)
    before = context.clone()
    mean = posterior_mean(network, context)
    turned = network.seen[2:].flip(2)
    turned[:, lateral] *= -1
    assert torch.equal(context, before)
    assert torch.equal(network.seen[:2], context)
    assert torch.equal(turned, context)
    expected = torch.tensor([0.5 + 0.25, 0.5 + 0.5])[:, None, None, None]
    torch.testing.assert_close(mean, expected.expand_as(mean))

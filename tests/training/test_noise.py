"""Noise from keys: by a generator each on a CPU, by counting elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from training.models.noise import counted_noise, draw_noise

KEYS = torch.tensor([3, 2**61 + 17, 0])


@pytest.mark.parametrize("draw", [draw_noise, counted_noise])
def test_a_picture_has_its_key_s_noise_whatever_its_company(draw: type[draw_noise]) -> None:
    whole = draw((3, 5, 7), KEYS)
    assert whole.shape == (3, 1, 3, 5, 7)
    assert whole.dtype == torch.float32
    assert torch.equal(draw((3, 5, 7), KEYS[[1]]), whole[[1]])
    assert not torch.equal(whole[0], whole[1])


def test_a_cpu_s_noise_is_that_of_its_generator() -> None:
    """What runs were trained with so far: resuming them must not change their samples."""
    wanted = [torch.empty(4, 6).normal_(generator=torch.Generator().manual_seed(int(k))) for k in KEYS]
    assert torch.equal(draw_noise((4, 6), KEYS)[:, 0], torch.stack(wanted))


def split_mix(key: int, count: int) -> list[int]:
    """The published generator, in whole numbers."""
    found, whole = [], 2**64 - 1
    for i in range(1, count + 1):
        z = (key + i * 0x9E3779B97F4A7C15) & whole
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & whole
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & whole
        found.append(z ^ (z >> 31))
    return found


def test_counted_noise_is_box_and_muller_of_the_published_generator() -> None:
    assert split_mix(0, 1) == [0xE220A8397B1DCDAF]
    for row, key in zip(counted_noise((9,), KEYS)[:, 0], KEYS.tolist(), strict=True):
        bits = np.array(split_mix(key, 5), np.uint64)
        uniform = ((bits >> np.uint64(40)).astype(float) + 0.5) / 2**24
        angle = 2 * np.pi * (bits & np.uint64(2**24 - 1)).astype(float) / 2**24
        radius = np.sqrt(-2 * np.log(uniform))
        wanted = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[:9]
        np.testing.assert_allclose(row.numpy(), wanted, atol=2e-5)


def test_counted_noise_is_normal_and_white() -> None:
    noise = counted_noise((400, 250), KEYS)[:, 0]
    for picture in noise.double().numpy():
        assert stats.kstest(picture.ravel(), "norm").pvalue > 0.001
        for other in (picture[1:] * picture[:-1], picture[:, 1:] * picture[:, :-1]):
            assert abs(other.mean()) < 4 / np.sqrt(other.size)
    assert abs(float((noise[0] * noise[2]).mean())) < 4 / np.sqrt(noise[0].numel())

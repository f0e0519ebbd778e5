from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from seg_editor.generation.samplers import SIGMA_END, SIGMA_START, noise_levels, sharpen_detail, slice_noise


@pytest.mark.parametrize("steps", [2, 3, 6, 12, 50])
def test_levels_fall_and_there_is_one_for_every_pass_after_the_mean(steps: int) -> None:
    levels = noise_levels(steps)
    assert len(levels) == steps - 1
    assert all(a > b for a, b in pairwise(levels))
    assert levels[-1] >= SIGMA_END * 0.999
    assert levels[0] <= SIGMA_START * 1.001


def test_one_step_is_the_mean() -> None:
    assert noise_levels(1) == ()


def test_the_ends_of_the_grid() -> None:
    levels = noise_levels(7)
    assert levels[0] == pytest.approx(SIGMA_START)
    assert levels[-1] == pytest.approx(SIGMA_END)


def test_noise_is_a_function_of_seed_slice_and_shape() -> None:
    noise = slice_noise(3, 70, (20, 24))
    assert noise.dtype == np.float32
    assert noise.shape == (4, 20, 24)
    assert np.array_equal(noise, slice_noise(3, 70, (20, 24)))
    assert not np.array_equal(noise, slice_noise(4, 70, (20, 24)))
    assert not np.array_equal(noise, slice_noise(3, 71, (20, 24)))


def test_noise_is_standard_and_smooth_along_z() -> None:
    planes = np.stack([slice_noise(0, k, (64, 64)) for k in range(12)])
    assert planes.mean() == pytest.approx(0, abs=0.02)
    assert planes.std() == pytest.approx(1, abs=0.02)

    def correlation(distance: int) -> float:
        return float((planes[:-distance] * planes[distance:]).mean())

    assert correlation(1) > 0.7
    assert correlation(1) > correlation(2) > correlation(3)
    assert abs(correlation(6)) < 0.05


def test_modalities_get_noise_of_their_own() -> None:
    noise = slice_noise(0, 5, (128, 128)).reshape(4, -1)
    assert np.abs(np.corrcoef(noise) - np.eye(4)).max() < 0.05


def test_sharpening_scales_the_finest_detail_in_the_hole_only() -> None:
    picture = np.random.default_rng(0).standard_normal((4, 40, 40)).astype(np.float32)
    hole = np.zeros((40, 40), bool)
    hole[10:30, 10:30] = True
    sharp = sharpen_detail(picture, hole, (1.0, 2.0, 1.5, 1.0))
    assert np.array_equal(sharp[:, ~hole], picture[:, ~hole])
    assert np.array_equal(sharp[[0, 3]], picture[[0, 3]])
    assert sharp[1][hole].std() > sharp[2][hole].std() > picture[1:3, hole].std()

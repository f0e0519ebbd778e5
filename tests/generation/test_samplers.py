from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from seg_editor.generation import samplers
from seg_editor.generation.request import ENGINE_VERSION
from seg_editor.generation.samplers import (
    SIGMA_END,
    SIGMA_START,
    noise_levels,
    sampling_recipe,
    slice_noise,
)

#: One voxel of each modality, see ``test_pixels_of_this_engine_version``.
GOLDEN_NOISE = [-1.058422, -1.196456, -0.400894, 0.882250]


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


@pytest.mark.parametrize(
    ("name", "other"),
    [("ENGINE_VERSION", 99), ("SIGMA_END", 0.1), ("_Z_WEIGHTS", (0, 0, 1, 0, 0))],
)
def test_the_recipe_holds_what_makes_a_sample(name: str, other: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sampling_recipe(6, None)
    monkeypatch.setattr(samplers, name, other)
    assert sampling_recipe(6, None) != before


def test_pixels_of_this_engine_version() -> None:
    """When these numbers change, so do kept pictures: raise ``request.ENGINE_VERSION``."""
    assert ENGINE_VERSION == 1
    noise = slice_noise(3, 70, (20, 24))
    assert noise[:, 3, 5] == pytest.approx(GOLDEN_NOISE, abs=1e-5)

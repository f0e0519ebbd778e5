from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.metrics.healthy_hole import score_holes

SHAPE = (48, 48, 10)


def volume() -> NDArray[np.float64]:
    noise = np.random.default_rng(0).normal(size=SHAPE)
    return 100 + 10 * ndi.gaussian_filter(noise, (1, 1, 0))


@pytest.fixture
def setting() -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    holes = np.zeros(SHAPE, np.uint8)
    holes[6:18, 6:18, 2:8], holes[28:42, 28:42, 2:8], holes[30:33, 5:8, 1:3] = 1, 2, 3
    brain = np.zeros(SHAPE, bool)
    brain[2:46, 2:46] = True
    return holes, brain, np.zeros(SHAPE, bool)


def test_the_truth_is_perfect(setting: tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]) -> None:
    found = list(score_holes(volume(), volume(), *setting))
    assert [f.hole for f in found] == [1, 2]  # the third is too small
    for f in found:
        assert (f.mse, f.psnr) == (0.0, 120.0)
        assert f.ssim == pytest.approx(1)
        assert f.texture == pytest.approx(1)
        assert f.seam == pytest.approx(1)
    assert found[0].milliliters == pytest.approx(12 * 12 * 6 / 1000)


def test_a_shift_by_hand(setting: tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]) -> None:
    holes, brain, _ = setting
    truth = volume()
    low, high = np.percentile(truth[brain & (holes == 0)], [0.5, 99.5])
    shift = 0.05 * (high - low)
    inside = truth + np.where(holes == 2, shift, 0)
    first, second = score_holes(truth, inside, *setting)
    assert first.mse == 0
    a, b = (np.clip((v - low) / (high - low), 0, 1) for v in (truth, inside))
    assert second.mse == pytest.approx(((a - b)[holes == 2] ** 2).mean())
    assert second.psnr == pytest.approx(-10 * math.log10(second.mse))
    assert second.seam > 1


def test_a_constant_has_no_texture(setting: tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]) -> None:
    holes, _, _ = setting
    found = list(score_holes(volume(), np.where(holes > 0, 100.0, volume()), *setting))
    assert all(f.texture is not None and f.texture < 0.05 for f in found)
    assert all(f.ssim < 0.5 for f in found)


def test_outside_the_hole_nothing_is_looked_at(
    setting: tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    holes, _, _ = setting
    filled = volume() * 1.02
    assert list(score_holes(volume(), filled, *setting)) == list(
        score_holes(volume(), np.where(holes > 0, filled, -5.0), *setting)
    )


def test_only_the_slices_that_were_filled(
    setting: tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    holes, _, _ = setting
    used = np.zeros(SHAPE[2], bool)
    used[3:5] = True
    filled = np.where((holes > 0) & ~used, 0.0, volume())
    found = list(score_holes(volume(), filled, *setting, slices=used))
    assert [f.mse for f in found] == [0.0, 0.0]

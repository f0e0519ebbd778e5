from __future__ import annotations

import numpy as np
import pytest

from seg_editor.anatomy.scale import IntensityScale

RNG = np.random.default_rng(3)


def test_median_becomes_zero_and_the_quartiles_lie_one_apart() -> None:
    values = RNG.gamma(4.0, 90.0, (20, 18, 16)).astype(np.float32)
    healthy = RNG.random(values.shape) < 0.7
    normalized = IntensityScale.of(values, healthy).normalize(values)[healthy]
    low, middle, high = np.percentile(normalized, [25, 50, 75])
    assert middle == pytest.approx(0, abs=1e-5)
    assert high - low == pytest.approx(1, abs=1e-5)


def test_what_is_not_healthy_has_no_part_in_it() -> None:
    values = RNG.normal(300, 40, (12, 12, 12)).astype(np.float32)
    healthy = np.ones(values.shape, bool)
    healthy[3:8, 3:8, 3:8] = False
    scale = IntensityScale.of(values, healthy)
    values[~healthy] = np.nan
    assert IntensityScale.of(values, healthy) == scale


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_the_way_back_is_exact(dtype: type) -> None:
    values = RNG.integers(1, 250, (16, 16, 8)).astype(dtype)
    scale = IntensityScale.of(values, values > 0)
    back = scale.invert(scale.normalize(values))
    assert back.dtype == np.float32
    assert np.array_equal(np.rint(back).astype(dtype), values)


def test_nothing_healthy_changes_nothing() -> None:
    scale = IntensityScale.of(np.ones((3, 3, 3), np.int16), np.zeros((3, 3, 3), bool))
    assert scale == IntensityScale(0.0, 1.0)


def test_even_images_have_a_usable_scale() -> None:
    even = np.full((4, 4, 4), 7, np.int16)
    assert IntensityScale.of(even, even > 0) == IntensityScale(7.0, 1.0)
    mostly = even.copy()
    mostly[0, 0, 0] = 70
    scale = IntensityScale.of(mostly, mostly > 0)
    assert scale.iqr > 0
    assert np.isfinite(scale.normalize(mostly)).all()


def test_large_volumes_are_sampled_and_agree() -> None:
    values = RNG.normal(500, 80, (110, 100, 100)).astype(np.float32)
    whole = np.ones(values.shape, bool)
    scale = IntensityScale.of(values, whole)
    assert scale == IntensityScale.of(values, whole)
    low, middle, high = np.percentile(values, [25, 50, 75])
    assert scale.median == pytest.approx(middle, abs=1.0)
    assert scale.iqr == pytest.approx(high - low, rel=0.02)

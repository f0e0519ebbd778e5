from __future__ import annotations

import numpy as np
import pytest

from seg_editor.metrics.intervals import bootstrap, bootstrap_mean, bootstrap_ratio


def test_the_figure_is_that_of_everyone() -> None:
    found = bootstrap_mean([1.0, 2.0, 6.0])
    assert found.value == 3.0
    assert 1 <= found.low < 3 < found.high <= 6
    assert bootstrap_mean([1.0, 2.0, 6.0]) == found


def test_one_patient_has_no_interval() -> None:
    assert bootstrap_mean([2.0]) == bootstrap_ratio([4.0], [2.0])
    assert bootstrap_mean([2.0]).low == bootstrap_mean([2.0]).high == 2.0


def test_a_ratio_is_pooled() -> None:
    found = bootstrap_ratio([1.0, 30.0], [1.0, 60.0])
    assert found.value == pytest.approx(31 / 61)
    assert (found.low, found.high) == (0.5, 1.0)
    assert np.isnan(bootstrap_ratio([0.0, 0.0], [0.0, 0.0]).value)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for k in range(60):
        f = bootstrap_mean(list(rng.normal(0, 1, 25)), resamples=300, seed=k)
        hits += f.low <= 0 <= f.high
    assert hits >= 50


def test_draws_without_a_value_are_left_out() -> None:
    found = bootstrap(lambda chosen: float("nan") if len(set(chosen)) < 3 else 1.0, 3, resamples=100)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)

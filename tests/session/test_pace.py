"""Elapsed and expected seconds of a run, on a clock that the test holds."""

from __future__ import annotations

import pytest

from seg_editor.session.live import Kind
from seg_editor.session.pace import Pace


def test_loading_a_model_and_preparing_do_not_stretch_the_estimate() -> None:
    pace = Pace()
    pace.begin(0.0)
    pace.begin(8.0)
    assert pace.elapsed(13.0) == 5.0
    assert pace.expected(None, 13.0) is None
    pace.step(1, 11, 13.0)
    assert pace.expected(None, 13.0) is None
    pace.step(2, 11, 14.0)
    assert pace.expected(None, 14.0) == pytest.approx(5 + 1 + 9)


def test_earlier_runs_of_the_kind_come_first() -> None:
    pace, kind = Pace(), Kind("m5", "cpu", 2, 1)
    pace.times.add(kind, 3.0)
    pace.begin(0.0)
    pace.step(2, 4, 100.0)
    assert pace.expected(kind, 100.0) == 3.0

"""The rules of live generation: states of the chip, grace, interruption, honest times; previews of the steps."""

from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import Modality
from seg_editor.session.live import (
    ChipFacts,
    Kind,
    RunTimes,
    Status,
    duration,
    grace,
    may_be_long,
    may_finish,
    status_of,
    too_long,
)
from seg_editor.session.previews import StepPicture, StepPreviews


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (ChipFacts(), Status.IDLE),
        (ChipFacts(has_result=True, stale=True), Status.STALE),
        (ChipFacts(has_result=True, stale=True, waiting=True), Status.WAITING),
        (ChipFacts(running=True, waiting=True), Status.WAITING),
        (ChipFacts(running=True, preparing=True), Status.PREPARING),
        (ChipFacts(running=True), Status.RUNNING),
        (ChipFacts(running=True, preparing=True, stopping=True), Status.STOPPING),
        (ChipFacts(running=True, scoring=True, has_result=True), Status.SCORING),
        (ChipFacts(has_result=True), Status.FRESH),
        (ChipFacts(has_result=True, here=False), Status.ELSEWHERE),
        (ChipFacts(has_result=True, here=False, stale=True), Status.ELSEWHERE),
        (ChipFacts(here=False), Status.IDLE),
        (ChipFacts(ended=Status.CANCELLED, has_result=True, stale=True), Status.CANCELLED),
        (ChipFacts(ended=Status.FAILED, paused="slow"), Status.FAILED),
        (ChipFacts(paused="a picture takes about 60 min", has_result=True, stale=True), Status.PAUSED),
    ],
)
def test_states_of_the_chip(facts: ChipFacts, expected: Status) -> None:
    assert status_of(facts) is expected


def test_only_slow_runs_wait_for_the_next_stroke() -> None:
    assert [grace(mean) for mean in (None, 0.6, 1.5, 1.6)] == [0.0, 0.0, 0.0, 0.25]


def test_a_run_that_is_nearly_done_may_finish() -> None:
    assert may_finish(0.75, background=False)
    assert not may_finish(0.7, background=False)
    assert not may_finish(0.99, background=True)


def test_times_of_the_last_ten_runs() -> None:
    times, kind = RunTimes(), Kind("m5", "cpu", 6, 1)
    assert times.expected(kind) is None
    for seconds in (100.0, *[1.2] * 10):
        times.add(kind, seconds)
    assert times.mean(kind) == pytest.approx(1.2)
    assert times.mean(Kind("m5", "cpu", 6, 40)) is None


@pytest.mark.parametrize(
    ("runs", "pauses"),
    [
        ([180.0], True),
        ([180.0, 2.0], False),
        ([2.0, 180.0], False),
        ([2.0, 180.0, 180.0], True),
        ([180.0, 180.0, 180.0, 2.0], False),
        ([2.0, 2.0, 2.0, 180.0], False),
        ([3600.0] * 10, True),
    ],
)
def test_one_slow_run_does_not_stop_live_and_a_quick_one_brings_it_back(runs: list[float], pauses: bool) -> None:
    times, kind = RunTimes(), Kind("m5", "cpu", 6, 1)
    for seconds in runs:
        times.add(kind, seconds)
    assert too_long(times.likely(kind)) is pauses
    assert times.expected(kind) == pytest.approx(sum(runs) / len(runs))


def test_preparation_comes_once_a_run() -> None:
    times = RunTimes()
    times.add(Kind("m5", "cpu", 6, 1), 8.0, generating=3.0)
    assert times.expected(Kind("m5", "cpu", 6, 10)) == pytest.approx(5.0 + 30.0)
    assert times.expected(Kind("m5", "cpu", 6, 1)) == pytest.approx(8.0)


def test_a_model_that_never_ran_counts_as_fast_as_another() -> None:
    times, unknown = RunTimes(), Kind("m3", "cpu", 20, 2)
    assert times.expected_like(unknown, "m5") == 0.0
    times.add(Kind("m5", "cpu", 6, 1), 3.0)
    assert times.expected(unknown) is None
    assert times.expected_like(unknown, "m5") == pytest.approx(20.0)
    times.add(unknown, 7.0)
    assert times.expected_like(unknown, "m5") == pytest.approx(7.0)


def test_the_hour_is_told_before_it_starts() -> None:
    times = RunTimes()
    times.add(Kind("m3", "cpu", 20, 1), 72.0)
    expected = times.expected(Kind("m3", "cpu", 1000, 1))
    assert expected == pytest.approx(3600.0)
    assert too_long(expected)
    assert not too_long(None)
    assert duration(expected) == "60 min"
    assert [duration(s) for s in (None, 0.61, 45.0, 7200.0)] == ["?", "0.6 s", "45 s", "2.0 h"]


def _step(k: int, z: int = 5) -> StepPicture:
    return StepPicture(k, z, {Modality.FLAIR: np.full((2, 2), float(k))})


def test_previews_keep_the_first_slice_of_the_run() -> None:
    previews = StepPreviews()
    for k in range(1, 5):
        previews.add(_step(k))
    previews.add(_step(5, z=6))
    assert [previews[n].k for n in range(len(previews))] == [1, 2, 3, 4]
    previews.finish("key")
    assert previews.key == "key"
    previews.clear()
    assert (len(previews), previews.key) == (0, "")


def test_previews_of_a_thousand_steps_are_thinned_evenly() -> None:
    previews = StepPreviews(limit=16)
    for k in range(1, 1001):
        previews.add(_step(k))
    kept = [previews[n].k for n in range(len(previews))]
    assert len(kept) <= 17
    assert kept[0] == 1
    assert set(np.diff(kept)) == {64}


def test_a_measured_pass_stands_in_until_the_first_run() -> None:
    times, kind = RunTimes(), Kind("m3", "cpu", 1000, 1)
    assert may_be_long(kind, times.expected(kind))
    assert not may_be_long(Kind("m5", "cpu", 12, 1), None)
    times.suppose("m3", "cpu", None)
    assert times.expected(kind) is None
    times.suppose("m3", "cpu", 3.6)
    assert times.expected(kind) == pytest.approx(3600.0)
    assert too_long(times.expected(kind))
    times.add(Kind("m3", "cpu", 10, 1), 5.0)
    assert times.expected(kind) == pytest.approx(500.0)

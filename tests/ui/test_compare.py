"""Compare modes as arithmetic: which voxels come from which picture, in what time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_editor.metrics import Window, difference_range, diffmap_iou, display01
from seg_editor.ui.compare import (
    CompareState,
    Mode,
    Patch,
    blend,
    changed_voxels,
    checker_weight,
    damped,
    lens_weight,
    swipe_weight,
    weight,
)

PATCH = Patch((20, 30), 10.0, 5.0, (1.0, 1.0))
FIRST, SECOND = np.full((20, 30), 40, np.uint8), np.full((20, 30), 200, np.uint8)


def shown(**values: object) -> np.ndarray:
    state = CompareState()
    for name, value in values.items():
        setattr(state, name, value)
    return blend(FIRST, SECOND, weight(state, PATCH))


def test_plain_is_the_second_picture_itself() -> None:
    assert shown() is SECOND


@given(st.floats(0, 1))
def test_fading_mixes_in_proportion(fraction: float) -> None:
    picture = shown(mode=Mode.FADE, fraction=fraction)
    assert picture.dtype == np.uint8
    assert np.all(np.abs(picture - (40 + 160 * fraction)) <= 0.51)


def test_blinking_shows_one_or_the_other() -> None:
    assert shown(mode=Mode.BLINK, second_shown=False) is FIRST
    assert shown(mode=Mode.BLINK, second_shown=True) is SECOND


@given(st.floats(0, 1))
def test_swipe_has_the_first_picture_left_of_the_handle(fraction: float) -> None:
    share = swipe_weight(PATCH, fraction)
    handle = fraction * 30
    assert np.all(share[:, : int(handle)] == 0)
    assert np.all(share[:, int(np.ceil(handle)) :] == 1)
    assert share[0].sum() == pytest.approx(30 - handle, abs=1e-4)


def test_the_lens_is_round_and_where_the_mouse_is() -> None:
    share = lens_weight(PATCH, (20.0, 12.0), 4.0)
    assert share[7, 10] == 1
    assert share[7, 20] == 0
    assert share.sum() == pytest.approx(np.pi * 16, rel=0.05)
    assert shown(mode=Mode.LENS) is FIRST
    assert shown(mode=Mode.LENS, point=(0, 20.0, 12.0)) is FIRST
    assert (shown(mode=Mode.LENS, point=(2, 20.0, 12.0), lens_mm=4.0) == 200).any()


def test_the_lens_is_round_in_millimeters() -> None:
    tall = Patch((10, 30), 0.0, 0.0, (1.0, 3.0))
    share = lens_weight(tall, (15.0, 15.0), 9.0)
    assert share[5].sum() > 2.5 * share[:, 15].sum()


def test_checkerboard_is_fixed_to_the_plane() -> None:
    share = checker_weight(PATCH, 5.0)
    assert share[0, 0] == share[0, 4] != share[0, 5]
    assert share[0, 0] != share[5, 0]
    moved = checker_weight(Patch((20, 30), 11.0, 5.0, (1.0, 1.0)), 5.0)
    assert np.array_equal(share[:, 1:], moved[:, :-1])


def test_faint_colors_keep_their_sign() -> None:
    codes = np.array([[1, 100, 128, 160, 255]], np.uint8)
    counted = np.array([[True, False, False, False, True]])
    assert damped(codes, counted).tolist() == [[1, 120, 128, 138, 255]]


def test_changed_voxels_are_those_of_diffmap_iou() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 400, (20, 30)).astype(np.int16)
    second = np.where(rng.random((20, 30)) < 0.3, first + 60, first).astype(np.int16)
    tumor, window = rng.random((20, 30)) < 0.2, Window(20.0, 380.0)
    changed = changed_voxels(first, second, window, 0.1)
    found = diffmap_iou(display01(first, window)[None], display01(second, window)[None], tumor[None])
    assert found is not None
    assert found.value == pytest.approx((changed & tumor).sum() / (changed | tumor).sum())


@pytest.mark.parametrize(("low", "high", "expected"), [(17.0, 246.0, 250.0), (0.0, 2.0, 2.0), (-3.0, 4.0, 8.0)])
def test_the_difference_range_is_a_round_number_that_no_gray_exceeds(low: float, high: float, expected: float) -> None:
    assert difference_range(Window(low, high)) == pytest.approx(expected)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_frame_is_computed_in_time(mode: Mode) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 255, (240, 240)).astype(np.uint8) for _ in range(2))
    state, patch = CompareState(), Patch((240, 240), 0.0, 0.0, (1.0, 1.0))
    state.mode, state.point = mode, (2, 100.0, 100.0)
    times = []
    for _ in range(7):
        start = time.thread_time()
        blend(first, second, weight(state, patch))
        times.append(time.thread_time() - start)
    assert min(times) < 0.016

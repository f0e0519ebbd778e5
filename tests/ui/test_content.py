"""Gray levels, lookup tables and counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_editor.ui.chrome import difference_colors, scale_bar_mm
from seg_editor.ui.content import Profile, label_table, used_part
from seg_editor.ui.planes import Plane
from seg_editor.ui.state import stepped_radius
from seg_editor.ui.windowing import dragged, to_gray, to_signed


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.uint8])
def test_gray_levels(dtype: type) -> None:
    picture = np.array([[0, 100], [150, 200]], dtype=dtype)
    assert to_gray(picture, (100.0, 200.0)).tolist() == [[0, 0], [127, 255]]


def test_a_flat_window_does_not_divide_by_zero() -> None:
    assert to_gray(np.array([[1, 2]], np.int16), (2.0, 2.0)).tolist() == [[0, 0]]


def test_signed_difference_is_symmetric_and_zero_is_the_middle() -> None:
    source = np.zeros((1, 3), np.int16)
    generated = np.array([[-50, 0, 50]], np.int16)
    codes = to_signed(source, generated, 50.0)
    assert codes.tolist() == [[1, 128, 255]]
    assert difference_colors()[128].max() <= 3


def test_difference_colors_are_blue_below_and_orange_above() -> None:
    colors = difference_colors().astype(int)
    assert colors[30, 2] > colors[30, 0]
    assert colors[225, 0] > colors[225, 2]


def test_dragging_right_widens_and_down_brightens() -> None:
    low, high = dragged((0.0, 100.0), 0.5, 0.0, 100.0)
    assert high - low > 100
    assert dragged((0.0, 100.0), 0.0, 0.5, 100.0) == pytest.approx((-50.0, 50.0))


def test_hidden_labels_are_transparent() -> None:
    table = label_table({1: (255, 0, 0), 2: (0, 255, 0)}, 0.5, {2})
    assert table[1].tolist() == [255, 0, 0, 128]
    assert table[2].tolist() == table[0].tolist() == [0, 0, 0, 0]


def test_used_part_is_tight() -> None:
    codes = np.zeros((6, 8), np.uint8)
    assert used_part(codes) is None
    codes[2, 3] = codes[4, 6] = 1
    assert used_part(codes) == (slice(2, 5), slice(3, 7))


@given(st.sampled_from(list(Plane)), st.integers(0, 1000))
def test_counts_by_boxes_equal_a_recount(plane: Plane, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random((6, 7, 8)) < 0.2).astype(np.uint8)
    profile = Profile()
    profile.recount(labels, plane)
    for box, seen in (((1, 4), (0, 5), (2, 8)), Plane.AXIAL), (((3, 6), (2, 3), (0, 1)), plane):
        part = tuple(slice(a, b) for a, b in box)
        labels[part] = rng.random(labels[part].shape) < 0.5
        profile.recount(labels, seen, part)  # type: ignore[arg-type]
    for other in Plane:
        profile.recount(labels, other)
        fresh = Profile()
        fresh.recount(labels, other)
        assert profile.counts.tolist() == fresh.counts.tolist()


def test_brush_steps() -> None:
    assert stepped_radius(4.0, 1) == 4.5
    assert stepped_radius(0.5, -1) == 0.5
    assert stepped_radius(10.0, 1) == 11.0
    assert stepped_radius(40.0, 3) == 40.0


def test_scale_bar_is_round_and_fits() -> None:
    assert scale_bar_mm(2.0, 150.0) == 50
    assert scale_bar_mm(50.0, 40.0) == 1

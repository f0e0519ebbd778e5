"""Interpolation between painted slices, alone and beside a tumor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_editor.cases import SCHEME_124
from seg_editor.editing import InterpolateSlices, Segmentation
from seg_editor.errors import UsageError

SIZE = 26
U, V = np.mgrid[:SIZE, :SIZE]
DISCS = st.tuples(st.integers(15, 20), st.integers(5, 20), st.integers(2, 4))
BALLS = st.tuples(st.integers(0, 10), st.integers(0, 25), st.integers(0, 25), st.integers(1, 5))


def of(stack: np.ndarray, axis: int = 0) -> Segmentation:
    """Labels whose slices along `axis` are those of `stack`."""
    return Segmentation(np.moveaxis(stack, 0, axis).astype(np.uint8), SCHEME_124)


def disc(u: float, v: float, radius: float) -> np.ndarray:
    return (U - u) ** 2 + (V - v) ** 2 <= radius**2


def filled(stack: np.ndarray, label: int | None, axis: int = 0) -> np.ndarray:
    """What interpolating adds, slices first."""
    segmentation = of(stack, axis)
    segmentation.apply(InterpolateSlices(axis, label))
    made = np.moveaxis(segmentation.labels, axis, 0)
    np.testing.assert_array_equal(made[stack > 0], stack[stack > 0])
    return np.where(stack > 0, 0, made)


@settings(max_examples=100, deadline=None)
@given(
    DISCS,
    st.tuples(st.integers(-1, 1), st.integers(-1, 1), st.integers(2, 4)),
    st.integers(2, 10),
    st.lists(BALLS, min_size=1, max_size=3),
    st.sampled_from([None, 2]),
    st.sampled_from([1, 2]),
    st.integers(0, 2),
)
def test_a_lesion_beside_any_tumor_is_interpolated_as_without_it(
    first: tuple[int, int, int],
    change: tuple[int, int, int],
    gap: int,
    balls: list[tuple[int, int, int, int]],
    label: int | None,
    value: int,
    axis: int,
) -> None:
    """The tumor lies in the half where the discs are not; whatever is filled there is between its own pieces."""
    (u, v, radius), (du, dv, other) = first, change
    alone = np.zeros((SIZE, SIZE, SIZE), np.uint8)
    alone[6][disc(u, v, radius)] = 2
    alone[6 + gap][disc(u + du, v + dv, other)] = 2
    both, tumor = alone.copy(), np.zeros(alone.shape, np.bool_)
    k = np.arange(SIZE)[:, None, None]
    for center_u, center_v, center_k, size in balls:
        tumor |= (k - center_k) ** 2 + (U - center_u) ** 2 + (V - center_v) ** 2 <= size**2
    tumor[:, 10:] = False
    both[tumor] = value
    wanted = filled(alone, 2, axis)
    assert wanted.any()
    np.testing.assert_array_equal(filled(both, label, axis)[:, 10:], wanted[:, 10:])


def test_a_hollow_of_one_piece_is_no_gap() -> None:
    stack = np.zeros((SIZE, SIZE, SIZE), np.uint8)
    stack[5:15, 3:6, 3:12] = 2
    stack[[5, 14], 3:20, 3:12] = 2
    with pytest.raises(UsageError, match="hangs together"):
        of(stack).apply(InterpolateSlices(0, 2))
    stack[[8, 11]] += (2 * disc(20, 20, 3)).astype(np.uint8)
    added = filled(stack, 2)
    assert set(np.argwhere(added)[:, 0]) == {9, 10}
    assert not (added[9:11] > 0)[:, ~disc(20, 20, 3)].any()


def test_a_fork_is_one_shape_and_slices_in_between_count() -> None:
    stack = np.zeros((SIZE, SIZE, SIZE), np.uint8)
    stack[4][disc(12, 12, 9)] = 1
    stack[10][disc(6, 12, 4) | disc(18, 12, 4)] = 1
    stack[14][disc(6, 12, 4)] = 1
    added = filled(stack, 1)
    areas = np.count_nonzero(added, axis=(1, 2))
    assert (np.diff(areas[5:10]) < 0).all()
    assert set(np.flatnonzero(areas)) == {5, 6, 7, 8, 9, 11, 12, 13}
    assert not added[11:14, 14:].any()


@pytest.mark.parametrize(
    ("painted", "reason"),
    [
        ({}, "nothing to interpolate"),
        ({8: disc(10, 10, 3)}, "hangs together"),
        ({8: disc(10, 10, 3), 9: disc(10, 10, 3)}, "hangs together"),
        ({4: disc(6, 6, 3), 12: disc(18, 18, 3)}, "face each other"),
        ({0: disc(10, 10, 1), 25: disc(10, 10, 1)}, "too far apart"),
    ],
)
@pytest.mark.parametrize("label", [None, 2])
def test_a_refusal_names_the_real_cause(painted: dict[int, np.ndarray], reason: str, label: int | None) -> None:
    stack = np.zeros((SIZE, SIZE, SIZE), np.uint8)
    for place, mask in painted.items():
        stack[place][mask] = 2
    segmentation = of(stack)
    with pytest.raises(UsageError, match=reason):
        segmentation.apply(InterpolateSlices(0, label))
    np.testing.assert_array_equal(segmentation.labels, stack)


def test_a_gap_full_of_another_label_says_so() -> None:
    stack = np.zeros((SIZE, SIZE, SIZE), np.uint8)
    stack[4:11][:, disc(10, 10, 5)] = 1
    stack[[4, 10]] *= 2
    with pytest.raises(UsageError, match="labeled already"):
        of(stack).apply(InterpolateSlices(0, 2))

from __future__ import annotations

import numpy as np
import pytest

from seg_editor.metrics import residual_floor, tumor_residual


def planes(n: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted classes, a 2 x 5 tumor on the first slice, a gray image."""
    tumor = np.zeros((n, 8, 8), bool)
    tumor[0, :2, :5] = True
    return np.zeros((n, 8, 8), np.uint8), tumor, np.full((n, 8, 8), 0.5, np.float32)


def test_all_gone_is_zero() -> None:
    residual = tumor_residual(*planes())
    assert residual is not None
    assert residual.value == 0
    assert residual.tumor_voxels == 10


def test_an_unchanged_picture_is_one() -> None:
    predicted, tumor, image = planes()
    predicted[tumor] = 4
    residual = tumor_residual(predicted, tumor, image)
    assert residual is not None
    assert residual.value == 1
    assert residual.parts == {"inside": 1, "outside": 0, "void": 0}


def test_all_void_is_two() -> None:
    predicted, tumor, image = planes()
    image[tumor] = 0.0
    residual = tumor_residual(predicted, tumor, image)
    assert residual is not None
    assert residual.value == 2
    assert residual.void == 1


def test_parts_add_up_and_count_twice() -> None:
    predicted, tumor, image = planes()
    predicted[0, 0, :3] = 4  # inside, two of them also void
    predicted[0, 7, :5] = 4  # elsewhere in the slice
    predicted[0, 6, :] = 3  # white matter does not count
    image[0, 0, 1:5] = 0.049
    image[0, 1, 0] = 0.05  # not below the threshold
    image[0, 5, :] = 0.0  # dark outside the tumor does not count
    residual = tumor_residual(predicted, tumor, image)
    assert residual is not None
    assert residual.parts == pytest.approx({"inside": 0.3, "outside": 0.5, "void": 0.4})
    assert residual.value == pytest.approx(0.3 + 0.5 + 2 * 0.4)
    assert tumor_residual(predicted, tumor, image, void_weight=0.0).value == pytest.approx(0.8)  # type: ignore[union-attr]


def test_slices_are_pooled_and_those_without_tumor_left_out() -> None:
    predicted, tumor, image = planes(3)
    tumor[1, 0, :2] = True
    predicted[1, 0, :2] = 4
    predicted[2] = 4  # no tumor here: not counted
    residual = tumor_residual(predicted, tumor, image)
    assert residual is not None
    assert residual.slices == 2
    assert residual.value == pytest.approx(2 / 12)


def test_paper_to_the_letter() -> None:
    predicted, tumor, image = planes(2)
    predicted[0, 7, :3] = 4
    image[0, 0, 0] = 0.0
    remaining = np.zeros_like(tumor)
    remaining[0, 7] = True
    paper = tumor_residual(predicted, tumor, image, remaining=remaining, paper=True)
    assert paper is not None
    assert paper.value == (3 + 2.0 * 1) / (10 + 1e-6)


def test_tumor_that_stays_is_not_held_against_it() -> None:
    predicted, tumor, image = planes()
    predicted[0, 6:] = 4
    remaining = np.zeros_like(tumor)
    remaining[0, 7] = True
    residual = tumor_residual(predicted, tumor, image, remaining=remaining)
    assert residual is not None
    assert residual.outside == pytest.approx(0.8)


def test_no_tumor_no_figure() -> None:
    predicted, tumor, image = planes()
    assert tumor_residual(predicted, np.zeros_like(tumor), image) is None
    with pytest.raises(ValueError, match="shapes"):
        tumor_residual(predicted, tumor[:, :3], image)


def test_the_floor_is_what_the_referee_sees_outside_the_hole() -> None:
    predicted, tumor, _ = planes(2)
    hole = tumor.copy()
    hole[0, 2] = True
    predicted[0, :4] = 4
    assert residual_floor(predicted, tumor, hole) == pytest.approx((2 * 3 + 8) / 10)
    remaining = np.zeros_like(tumor)
    remaining[0, 3] = True
    assert residual_floor(predicted, tumor, hole, remaining) == pytest.approx(2 * 3 / 10)
    assert residual_floor(predicted, np.zeros_like(tumor), hole) is None

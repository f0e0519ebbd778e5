from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import SCHEME_124
from seg_editor.editing import Brush, PaintOver, Segmentation, Stroke, nearest_voxel
from seg_editor.editing.delta import Box
from seg_editor.errors import UsageError

DOT = Brush("round", 0.5)


def test_smallest_brush_is_one_voxel() -> None:
    for shape in ("round", "square"):
        for three_d in (False, True):
            assert Brush(shape, 0.5, three_d).footprint((1.0, 1.0, 1.0), 2).shape == (1, 1, 1)


def test_footprint_is_in_millimeters() -> None:
    disc = Brush("round", 5.0).footprint((1.0, 2.5, 1.0), 2)
    assert disc.shape == (11, 5, 1)
    assert disc[:, 2, 0].all()
    assert np.flatnonzero(disc[5, :, 0]).tolist() == [0, 1, 2, 3, 4]
    assert not disc[0, 0, 0]
    ball = Brush("round", 5.0, three_d=True).footprint((1.0, 2.5, 5.0), 0)
    assert ball.shape == (11, 5, 3)
    x, y, z = np.mgrid[-5:6, -2:3, -1:2]
    np.testing.assert_array_equal(ball, x**2 + (2.5 * y) ** 2 + (5 * z) ** 2 <= 25)
    assert Brush("square", 5.0).footprint((1.0, 2.5, 1.0), 1).all()


def test_footprint_is_cached_and_read_only() -> None:
    first = Brush("round", 7.0).footprint((1.0, 1.0, 1.0), 0)
    assert Brush("round", 7.0).footprint((1.0, 1.0, 1.0), 0) is first
    assert not first.flags.writeable
    assert first.shape == (1, 15, 15)


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_radius(radius: float) -> None:
    with pytest.raises(UsageError, match="radius"):
        Brush("round", radius)


def test_unknown_shape() -> None:
    with pytest.raises(UsageError, match="star"):
        Brush("star")


def test_coronal_stroke_changes_exactly_that_plane(segmentation: Segmentation) -> None:
    before = segmentation.labels.copy()
    stroke = Stroke(segmentation, Brush("round", 2.0), 1, 4)
    stroke.begin((5.0, 6.2, 5.0))
    stroke.extend((15.0, 9.9, 5.0))
    change = stroke.commit()
    x, z = np.meshgrid(np.arange(24), np.arange(16), indexing="ij")
    expected = np.zeros((24, 16), dtype=bool)
    for center in range(5, 16):
        expected |= (x - center) ** 2 + (z - 5) ** 2 <= 4
    after = before.copy()
    after[:, 6, :][expected] = 4
    np.testing.assert_array_equal(segmentation.labels, after)
    assert change is not None
    assert change.focus[1] == 6
    assert change.name == "Paint"


@pytest.mark.parametrize(
    ("over", "only", "expected"),
    [
        (PaintOver.ALL, None, [4, 4, 4, 4]),
        (PaintOver.BACKGROUND, None, [4, 1, 2, 4]),
        (PaintOver.ACTIVE, 2, [0, 1, 4, 4]),
        ("all", None, [4, 4, 4, 4]),
    ],
)
def test_paint_over(over: PaintOver, only: int | None, expected: list[int]) -> None:
    labels = np.zeros((4, 1, 1), dtype=np.uint8)
    labels[:, 0, 0] = [0, 1, 2, 4]
    segmentation = Segmentation(labels, SCHEME_124)
    stroke = Stroke(segmentation, DOT, 2, 4, over, only)
    stroke.begin((0, 0, 0))
    stroke.extend((3, 0, 0))
    stroke.commit()
    assert segmentation.labels[:, 0, 0].tolist() == expected


@pytest.mark.parametrize(("only", "expected"), [(None, [0, 0, 0, 0]), (2, [0, 1, 0, 4])])
def test_erasing_ignores_paint_over(only: int | None, expected: list[int]) -> None:
    labels = np.zeros((4, 1, 1), dtype=np.uint8)
    labels[:, 0, 0] = [0, 1, 2, 4]
    segmentation = Segmentation(labels, SCHEME_124)
    stroke = Stroke(segmentation, DOT, 2, 0, PaintOver.BACKGROUND, only)
    stroke.begin((0, 0, 0))
    stroke.extend((3, 0, 0))
    change = stroke.commit()
    assert segmentation.labels[:, 0, 0].tolist() == expected
    assert change is not None
    assert change.name == "Erase"


def test_locked_labels_and_gate(segmentation: Segmentation) -> None:
    def upper_half(box: Box) -> np.ndarray:
        mask = np.zeros(segmentation.labels[box].shape, dtype=bool)
        mask[:, max(0, 8 - box[1].start) :] = True
        return mask

    stroke = Stroke(segmentation, Brush("square", 10), 2, 1, locked=frozenset({4}), gate=upper_half)
    before = segmentation.labels.copy()
    stroke.begin((8, 8, 7))
    stroke.commit()
    changed = segmentation.labels != before
    assert changed.any()
    assert not changed[:, :8].any()
    assert not changed[before == 4].any()


def test_active_without_a_label_is_refused(segmentation: Segmentation) -> None:
    with pytest.raises(UsageError, match="no label to paint over"):
        Stroke(segmentation, DOT, 2, 1, PaintOver.ACTIVE)
    with pytest.raises(UsageError, match="over itself"):
        Stroke(segmentation, DOT, 2, 1, PaintOver.ACTIVE, 1)


def test_order_of_calls(segmentation: Segmentation) -> None:
    stroke = Stroke(segmentation, DOT, 2, 1)
    for call in (stroke.commit, lambda: stroke.extend((0, 0, 0))):
        with pytest.raises(UsageError, match="not running"):
            call()
    stroke.cancel()
    stroke.begin((0, 0, 0))
    assert stroke.running
    with pytest.raises(UsageError, match="begun already"):
        stroke.begin((0, 0, 0))
    stroke.commit()
    stroke.cancel()
    assert segmentation.labels[0, 0, 0] == 1


def test_outside_the_volume_nothing_happens(segmentation: Segmentation) -> None:
    stroke = Stroke(segmentation, Brush("round", 3), 2, 1)
    assert stroke.begin((-10, -10, 5)) is None
    assert stroke.extend((-12, 40, 5)) is None
    assert stroke.commit() is None
    off_plane = Stroke(segmentation, Brush("round", 3), 2, 1)
    assert off_plane.begin((5, 5, 99)) is None
    assert off_plane.commit() is None
    assert not segmentation.dirty


def test_boxes_follow_the_mouse(empty: Segmentation) -> None:
    stroke = Stroke(empty, Brush("round", 1.0), 2, 1)
    assert stroke.begin((5, 5, 5)) == (slice(4, 7), slice(4, 7), slice(5, 6))
    assert stroke.extend((5, 5, 5)) is None
    assert stroke.extend((8, 5, 5)) == (slice(5, 10), slice(4, 7), slice(5, 6))
    stroke.cancel()
    assert not empty.labels.any()


def test_nearest_voxel() -> None:
    assert nearest_voxel((0.5, -0.4, 2.49)) == (1, 0, 2)

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from seg_editor.cases import SCHEME_124
from seg_editor.editing import (
    CopySlice,
    FillHoles,
    GrowShrink,
    InterpolateSlices,
    KeepLargest,
    RemoveSmall,
    Segmentation,
    Smooth,
)
from seg_editor.errors import UsageError


def of(labels: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Segmentation:
    return Segmentation(labels.astype(np.uint8), SCHEME_124, spacing)


def test_grow_is_a_distance_in_millimeters() -> None:
    labels = np.zeros((21, 21, 21))
    labels[10, 10, 10] = 4
    segmentation = of(labels, (1.0, 2.0, 3.0))
    segmentation.apply(GrowShrink(4.0))
    x, y, z = np.mgrid[-10:11, -10:11, -10:11]
    np.testing.assert_array_equal(segmentation.labels == 4, x**2 + (2 * y) ** 2 + (3 * z) ** 2 <= 16)


def test_grow_keeps_subregions_and_takes_the_nearest_label(segmentation: Segmentation) -> None:
    before = segmentation.labels.copy()
    segmentation.apply(GrowShrink(2.0))
    after = segmentation.labels
    np.testing.assert_array_equal(after[before > 0], before[before > 0])
    assert set(np.unique(after[(before == 0) & (after > 0)])) == {2}


def test_growing_one_label_never_covers_another(segmentation: Segmentation) -> None:
    before = segmentation.labels.copy()
    segmentation.apply(GrowShrink(3.0, label=4))
    np.testing.assert_array_equal(segmentation.labels[before > 0], before[before > 0])


def test_grow_stays_within(segmentation: Segmentation) -> None:
    brain = np.zeros(segmentation.shape, dtype=bool)
    brain[:, :, 4:] = True
    segmentation.apply(GrowShrink(2.0, within=brain))
    assert not segmentation.labels[:10, :, :4].any()


def test_shrink_and_shrink_away(segmentation: Segmentation) -> None:
    change = segmentation.apply(GrowShrink(-1.0))
    assert change is not None
    assert change.name == "Shrink"
    assert segmentation.labels[5:11, 5:11, 5:11].all()
    assert np.count_nonzero(segmentation.labels) == 216
    segmentation.apply(GrowShrink(-50.0))
    assert not segmentation.labels.any()
    assert segmentation.apply(GrowShrink(3.0)) is None


def test_shrink_of_a_full_volume_does_nothing() -> None:
    assert of(np.ones((5, 5, 5))).apply(GrowShrink(-1.0)) is None


def test_keep_largest_and_remove_small(segmentation: Segmentation) -> None:
    change = segmentation.apply(KeepLargest())
    assert change is not None
    assert change.count == 8
    assert segmentation.apply(KeepLargest()) is None
    segmentation.revert(change)
    assert segmentation.apply(RemoveSmall(0.008)) is None
    gone = segmentation.apply(RemoveSmall(0.009))
    assert gone is not None
    assert gone.count == 8


def test_fill_holes_in_three_and_two_dimensions() -> None:
    labels = np.zeros((12, 12, 12))
    labels[2:9, 2:9, 2:9] = 2
    labels[4:6, 4:6, 4:6] = 0
    segmentation = of(labels)
    assert np.count_nonzero(segmentation.apply(FillHoles()).mask) == 8  # type: ignore[union-attr]
    assert segmentation.counts[2] == 343
    labels[4:6, 4:6, 2:9] = 0
    tunnel = of(labels)
    assert tunnel.apply(FillHoles()) is None
    change = tunnel.apply(FillHoles(label=4, axis=2))
    assert change is not None
    assert tunnel.counts[4] == 28


@pytest.mark.parametrize("method", ["median", "gaussian"])
def test_smooth_drops_specks_and_keeps_the_bulk(method: str) -> None:
    labels = np.zeros((30, 30, 30))
    labels[8:22, 8:22, 8:22] = 2
    labels[15, 15, 15] = 4
    labels[3, 3, 3] = 4
    segmentation = of(labels)
    segmentation.apply(Smooth(1.5, method=method))
    assert segmentation.counts[4] == 0
    inner = ndimage.binary_erosion(labels > 0, iterations=3)
    assert (segmentation.labels[inner] == 2).all()
    assert not segmentation.labels[~ndimage.binary_dilation(labels == 2)].any()


def test_smooth_of_one_label_leaves_other_borders(segmentation: Segmentation) -> None:
    before = segmentation.labels.copy()
    segmentation.apply(Smooth(1.5, label=4))
    changed = segmentation.labels != before
    assert changed.any()
    assert ((before == 4) | (segmentation.labels == 4))[changed].all()


def test_smooth_refuses_nonsense(segmentation: Segmentation) -> None:
    with pytest.raises(UsageError, match="radius"):
        segmentation.apply(Smooth(0))
    with pytest.raises(UsageError, match="method"):
        segmentation.apply(Smooth(1.0, method="magic"))


def test_copy_slice(segmentation: Segmentation) -> None:
    segmentation.apply(CopySlice(1, 7, 15))
    np.testing.assert_array_equal(segmentation.labels[:, 15], segmentation.labels[:, 7])
    segmentation.apply(CopySlice(1, 7, 17, label=4))
    np.testing.assert_array_equal(segmentation.labels[:, 17] == 4, segmentation.labels[:, 7] == 4)
    with pytest.raises(UsageError, match="no slice"):
        segmentation.apply(CopySlice(1, 7, 20))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_interpolation_between_discs(axis: int) -> None:
    u, v = np.mgrid[:40, :40]
    labels = np.zeros((40, 40, 40))
    stack = np.moveaxis(labels, axis, 0)
    stack[10] = (u - 20) ** 2 + (v - 20) ** 2 <= 25
    stack[20] = (u - 20) ** 2 + (v - 20) ** 2 <= 225
    segmentation = of(labels)
    segmentation.apply(InterpolateSlices(axis, 1))
    areas = np.count_nonzero(np.moveaxis(segmentation.labels, axis, 0), axis=(1, 2))
    assert (np.diff(areas[10:21]) > 0).all()
    assert areas[15] == pytest.approx(np.pi * 100, rel=0.12)
    assert not areas[:10].any()
    assert not areas[21:].any()
    with pytest.raises(UsageError, match="no gap"):
        segmentation.apply(InterpolateSlices(axis, 1))


def _nested(stack: np.ndarray, k: int, radii: tuple[float, float]) -> None:
    u, v = np.mgrid[: stack.shape[1], : stack.shape[2]]
    away = np.hypot(u - 20, v - 20)
    stack[k][away <= radii[0]] = 2
    stack[k][away <= radii[1]] = 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_interpolation_of_all_labels_keeps_them_nested(axis: int) -> None:
    labels = np.moveaxis(np.zeros((24, 40, 40)), 0, axis)
    stack = np.moveaxis(labels, axis, 0)
    _nested(stack, 4, (8, 4))
    _nested(stack, 14, (14, 8))
    segmentation = of(labels)
    change = segmentation.apply(InterpolateSlices(axis))
    assert change is not None
    assert change.name == "Interpolate all labels"
    made = np.moveaxis(segmentation.labels, axis, 0)
    u, v = np.mgrid[:40, :40]
    away = np.hypot(u - 20, v - 20)
    for k in range(5, 14):
        part = (k - 4) / 10
        outer, inner = 8 + part * 6, 4 + part * 4
        assert (made[k][away <= inner - 1.5] == 1).all()
        assert (made[k][(away >= inner + 1.5) & (away <= outer - 1.5)] == 2).all()
        assert not made[k][away >= outer + 1.5].any()
    np.testing.assert_array_equal(made[[4, 14]], stack[[4, 14]])


def test_interpolation_of_all_labels_lets_one_that_ends_fade_away() -> None:
    labels = np.zeros((40, 40, 24))
    _nested(np.moveaxis(labels, 2, 0), 4, (10, 6))
    _nested(np.moveaxis(labels, 2, 0), 14, (10, -1))
    segmentation = of(labels)
    segmentation.apply(InterpolateSlices(2))
    areas = np.count_nonzero(segmentation.labels == 1, axis=(0, 1))
    assert (np.diff(areas[4:15]) <= 0).all()
    assert areas[13] < areas[5] / 8
    union = np.count_nonzero(segmentation.labels, axis=(0, 1))
    assert len(set(union[4:15])) == 1


def test_interpolation_of_all_labels_fills_the_gap_of_one_beside_another() -> None:
    labels = np.zeros((40, 40, 24))
    labels[2:6, 2:6, :] = 4
    for k in (6, 10):
        _nested(np.moveaxis(labels, 2, 0), k, (8, -1))
    segmentation = of(labels)
    segmentation.apply(InterpolateSlices(2))
    assert (segmentation.labels[20, 20, 6:11] == 2).all()
    np.testing.assert_array_equal(segmentation.labels == 4, labels == 4)

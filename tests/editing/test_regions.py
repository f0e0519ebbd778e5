from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import SCHEME_123, Subregion
from seg_editor.editing import (
    Erase,
    Fill,
    PaintMask,
    PaintOver,
    Polygon,
    RemoveTumor,
    ReplaceAll,
    Scope,
    Segmentation,
)
from seg_editor.editing.regions import polygon_mask
from seg_editor.errors import UsageError

WHOLE = (slice(0, 24), slice(0, 20), slice(0, 16))


def test_remove_whole(segmentation: Segmentation, tumor_labels: np.ndarray) -> None:
    change = segmentation.apply(RemoveTumor())
    assert change is not None
    assert change.name == "Remove tumor"
    assert change.count == np.count_nonzero(tumor_labels)
    assert not segmentation.labels.any()
    np.testing.assert_array_equal(segmentation.removed, tumor_labels > 0)
    assert segmentation.apply(RemoveTumor()) is None


def test_remove_component_across_labels(segmentation: Segmentation, tumor_labels: np.ndarray) -> None:
    segmentation.apply(RemoveTumor(Scope.COMPONENT, (7, 7, 7)))
    left = tumor_labels.copy()
    left[:14, :14, :14] = 0
    np.testing.assert_array_equal(segmentation.labels, left)


def test_component_joins_at_corners(empty: Segmentation) -> None:
    diagonal = np.eye(3, dtype=bool)[:, :, None] & np.ones((3, 3, 1), dtype=bool)
    empty.apply(PaintMask((slice(0, 3), slice(0, 3), slice(0, 1)), diagonal, 2))
    change = empty.apply(RemoveTumor("component", (0, 0, 0)))
    assert change is not None
    assert change.count == 3


@pytest.mark.parametrize("at", [None, (0, 0, 0), (99, 0, 0), (-1, 5, 5)])
def test_remove_component_needs_tumor(segmentation: Segmentation, at: tuple[int, int, int] | None) -> None:
    with pytest.raises(UsageError, match="no tumor under the cursor"):
        segmentation.apply(RemoveTumor("component", at))


def test_remove_subregion_by_scheme(tumor_labels: np.ndarray) -> None:
    labels = np.where(tumor_labels == 4, 3, tumor_labels).astype(np.uint8)
    segmentation = Segmentation(labels, SCHEME_123)
    change = segmentation.apply(RemoveTumor("subregion", subregion=Subregion.ET))
    assert change is not None
    assert change.name == "Remove Enhancing (ET)"
    assert (segmentation.counts[3], segmentation.counts[1]) == (0, 8)
    by_value = segmentation.apply(RemoveTumor("subregion", subregion=1))
    assert by_value is not None
    assert by_value.name == "Remove Necrosis (NCR)"
    with pytest.raises(UsageError, match="Non-enhancing"):
        segmentation.apply(RemoveTumor("subregion", subregion=Subregion.NET))
    with pytest.raises(UsageError, match="no subregion"):
        segmentation.apply(RemoveTumor("subregion"))


def test_erase_only_one_label(segmentation: Segmentation) -> None:
    segmentation.apply(Erase(WHOLE, only_label=2))
    assert segmentation.counts[2] == 0
    assert segmentation.counts[4] == 56


def test_fill_takes_the_region_of_one_label(segmentation: Segmentation, tumor_labels: np.ndarray) -> None:
    segmentation.apply(Fill((6, 6, 8), 2, 1))
    expected = tumor_labels.copy()
    plane = expected[:, :, 8]
    plane[plane == 4] = 1
    np.testing.assert_array_equal(segmentation.labels, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_fill_inside_a_ring(empty: Segmentation, axis: int) -> None:
    ring = np.ones((5, 5), dtype=bool)
    ring[1:4, 1:4] = False
    box = [slice(5, 10)] * 3
    box[axis] = slice(7, 8)
    empty.apply(PaintMask((box[0], box[1], box[2]), np.expand_dims(ring, axis), 2))
    change = empty.apply(Fill((7, 7, 7), axis, 4))
    assert change is not None
    assert change.count == 9
    assert empty.counts[2] == 16


def test_fill_of_an_open_region_is_refused(segmentation: Segmentation) -> None:
    with pytest.raises(UsageError, match="open"):
        segmentation.apply(Fill((0, 0, 0), 2, 1))
    with pytest.raises(UsageError, match="outside"):
        segmentation.apply(Fill((0, 0, 99), 2, 1))


def test_fill_in_3d_takes_the_whole_region_or_an_enclosed_hollow(
    segmentation: Segmentation, tumor_labels: np.ndarray
) -> None:
    change = segmentation.apply(Fill((6, 6, 8), None, 1))
    assert change is not None
    assert change.name == "Fill in 3D"
    np.testing.assert_array_equal(segmentation.labels == 1, (tumor_labels == 4) | (tumor_labels == 1))
    segmentation.apply(Erase(WHOLE, only_label=1))
    hollow = segmentation.apply(Fill((7, 7, 7), None, 4))
    assert hollow is not None
    assert hollow.count == 64
    segmentation.apply(Erase((slice(7, 8), slice(7, 8), slice(4, 12))))
    with pytest.raises(UsageError, match="edge of the volume"):
        segmentation.apply(Fill((7, 7, 7), None, 1))


def test_fill_obeys_the_rule(segmentation: Segmentation) -> None:
    assert segmentation.apply(Fill((4, 4, 4), 2, 1, PaintOver.BACKGROUND)) is None
    assert segmentation.apply(Fill((4, 4, 4), 2, 1, locked=frozenset({2}))) is None


def test_polygon_covers_the_centers_inside() -> None:
    corners = np.array([(1.0, 1.0), (1.0, 5.0), (4.0, 5.0), (4.0, 1.0)])
    mask = polygon_mask(corners, (8, 8))
    expected = np.zeros((8, 8), dtype=bool)
    expected[1:4, 1:5] = True
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(polygon_mask(corners[::-1], (8, 8)), expected)
    triangle = polygon_mask(np.array([(0.5, 0.5), (20.5, 0.5), (0.5, 20.5)]), (30, 30))
    assert abs(np.count_nonzero(triangle) - 200) < 25


def test_polygon_in_a_sagittal_plane(empty: Segmentation) -> None:
    change = empty.apply(Polygon(((2.5, 2.5), (2.5, 9.5), (9.5, 9.5), (9.5, 2.5)), 0, 11, 4))
    assert change is not None
    assert change.count == 49
    assert empty.labels[11, 3:10, 3:10].all()
    assert empty.apply(Polygon(((0, 0), (1, 1)), 0, 11, 4)) is None


def test_polygon_through_every_slice(empty: Segmentation) -> None:
    corners = ((2.5, 2.5), (2.5, 9.5), (9.5, 9.5), (9.5, 2.5))
    change = empty.apply(Polygon(corners, 1, None, 4))
    assert change is not None
    assert change.count == 49 * empty.labels.shape[1]
    assert (empty.labels[3:10, :, 3:10] == 4).all()


def test_replace_all_needs_the_same_grid(segmentation: Segmentation) -> None:
    with pytest.raises(UsageError, match="does not fit"):
        segmentation.apply(ReplaceAll(np.zeros((3, 3, 3), dtype=np.uint8)))

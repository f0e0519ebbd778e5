from __future__ import annotations

import numpy as np
import pytest

from seg_editor.metrics import diffmap_iou, diffmap_sweep, iou_bound, iou_of_full_change


def planes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two slices; the tumor (8 pixels) on the first only; 6 of its pixels and 2 others changed by 0.2."""
    source = np.full((2, 6, 6), 0.5)
    generated = source.copy()
    tumor = np.zeros((2, 6, 6), bool)
    tumor[0, 0:2, 0:4] = True
    generated[0, 0:2, 1:5] -= 0.2
    return source, generated, tumor


def test_ours_counts_tumor_slices_only() -> None:
    source, generated, tumor = planes()
    generated[1, 0, 0] = 1.0
    found = diffmap_iou(source, generated, tumor)
    assert found is not None
    assert (found.intersection, found.union, found.changed, found.slices) == (6, 10, 8, 1)
    assert found.value == found.pooled == 0.6


def test_paper_counts_changed_slices_without_tumor() -> None:
    source, generated, tumor = planes()
    still = diffmap_iou(source, generated, tumor, paper=True)
    assert still is not None
    assert still.slices == 1
    assert still.value == (6 + 1e-6) / (10 + 1e-6)
    generated[1, 0, :4] = 1.0
    found = diffmap_iou(source, generated, tumor, paper=True)
    assert found is not None
    assert found.slices == 2
    assert found.value == pytest.approx(((6 + 1e-6) / (10 + 1e-6) + 1e-6 / (4 + 1e-6)) / 2, rel=1e-12)


def test_the_threshold_is_strict() -> None:
    source = np.zeros((1, 2, 2))
    generated = np.array([[[0.10, 0.11], [0.0, 0.0]]])
    found = diffmap_iou(source, generated, np.ones((1, 2, 2), bool))
    assert found is not None
    assert found.changed == 1


def test_mean_over_slices_is_not_pooled() -> None:
    source, generated, tumor = planes()
    tumor[1, 0, 0] = True
    found = diffmap_iou(source, generated, tumor)
    assert found is not None
    assert found.value == 0.3
    assert found.pooled == pytest.approx(6 / 11)


def test_sweep() -> None:
    assert diffmap_sweep(*planes(), thresholds=(0.1, 0.3)) == {0.1: 0.6, 0.3: 0.0}
    source, generated, tumor = planes()
    assert diffmap_sweep(source, generated, np.zeros_like(tumor)) == {}


def test_hole_against_tumor() -> None:
    _, _, tumor = planes()
    hole = tumor.copy()
    hole[0, 2, :4] = True
    assert iou_of_full_change(hole, tumor) == pytest.approx(8 / 12)
    assert iou_of_full_change(hole, np.zeros_like(tumor)) is None


def test_the_bound_is_one_where_all_tumor_lies_in_the_hole() -> None:
    _, _, tumor = planes()
    assert iou_bound(np.ones_like(tumor), tumor) == 1.0
    half = tumor & (np.arange(tumor.shape[2]) < 2)
    assert iou_bound(half, tumor) == pytest.approx(
        np.mean([half[i].sum() / t.sum() for i, t in enumerate(tumor) if t.any()])
    )
    assert iou_bound(half, np.zeros_like(tumor)) is None


def test_nothing_to_count() -> None:
    source, _, tumor = planes()
    assert diffmap_iou(source, source, np.zeros_like(tumor), paper=True) is None
    with pytest.raises(ValueError, match="shapes"):
        diffmap_iou(source, source[:1], tumor)

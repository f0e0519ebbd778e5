from __future__ import annotations

import numpy as np
import pytest

from seg_editor.metrics.overlap import Overlap, class_overlaps, mean_dice, paper_gen_dice


def test_counts_by_hand() -> None:
    first = np.array([[0, 1, 1, 2], [4, 4, 0, 0]])
    second = np.array([[0, 1, 2, 2], [4, 0, 0, 0]])
    found = class_overlaps(first, second)
    assert found == (Overlap(3, 3, 4), Overlap(1, 2, 1), Overlap(1, 1, 2), Overlap(0, 0, 0), Overlap(1, 2, 1))
    assert [o.dice for o in found] == [6 / 7, 2 / 3, 2 / 3, None, 2 / 3]
    assert [o.iou for o in found] == [3 / 4, 1 / 2, 1 / 2, None, 1 / 2]
    assert mean_dice(found) == pytest.approx(2 / 3)
    assert mean_dice(found, background=True) == pytest.approx((6 / 7 + 2) / 4)
    assert mean_dice(class_overlaps(np.zeros(3, int), np.zeros(3, int))) is None
    assert Overlap(1, 2, 3) + Overlap(1, 1, 1) == Overlap(2, 3, 4)


def test_maps_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        class_overlaps(np.zeros(3, int), np.zeros(4, int))
    with pytest.raises(ValueError, match="below 5"):
        class_overlaps(np.zeros(3, int), np.array([0, 0, 5]))


def test_gen_dice_pools_eight_slices_and_weights_batches() -> None:
    wanted = np.zeros((10, 4, 4), int)
    wanted[:, :2] = 3
    right = wanted.copy()
    assert paper_gen_dice(right, wanted) == pytest.approx(1)
    wrong = wanted.copy()
    wrong[8:] = 0
    batch = (0 + 2 * 16 / (32 + 16)) / 2
    assert paper_gen_dice(wrong, wanted) == pytest.approx((8 * 1 + 2 * batch) / 10, abs=1e-6)
    assert paper_gen_dice(wrong, wanted, iou=True) == pytest.approx((8 * 1 + 2 * 0.25) / 10, abs=1e-6)
    assert paper_gen_dice(wanted[:0], wanted[:0]) is None


def test_against_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    jaccard = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is in the extra 'train'"
    )
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 4, 30, 30))
    theirs = jaccard.multiclass_jaccard_index(torch.from_numpy(a), torch.from_numpy(b), 5, average="none").numpy()
    f1 = jaccard.multiclass_f1_score(torch.from_numpy(a), torch.from_numpy(b), 5, average="none").numpy()
    found = class_overlaps(a, b)
    np.testing.assert_allclose([o.iou for o in found], theirs, rtol=1e-5)
    np.testing.assert_allclose([o.dice for o in found], f1, rtol=1e-5)

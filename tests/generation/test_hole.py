from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.morphology import ball, dilation

from seg_editor.generation.hole import Hole, find_hole

SHAPE = (16, 14, 12)
BRAIN = np.ones(SHAPE, bool)


def labels_at(*voxels: tuple[int, int, int], value: int = 1) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    for voxel in voxels:
        labels[voxel] = value
    return labels


def test_nothing_removed_is_an_empty_hole() -> None:
    labels = labels_at((5, 5, 5))
    hole = find_hole(labels, labels, brain=BRAIN)
    assert hole.empty
    assert hole.slices == ()
    assert hole.voxels == 0
    assert hole.box == (slice(0, 0),) * 3
    assert hole.restricted([3]).empty


@pytest.mark.parametrize("margin", [0, 1, 2, 3])
def test_the_margin_is_a_ball(margin: int) -> None:
    labels = labels_at((7, 7, 6))
    hole = find_hole(labels, np.zeros_like(labels), brain=BRAIN, margin=margin)
    expected = dilation(labels > 0, ball(margin)) if margin else labels > 0
    assert np.array_equal(hole.mask, expected)
    assert hole.core.sum() == 1
    assert hole.slices == tuple(range(6 - margin, 7 + margin))
    assert hole.box == (slice(7 - margin, 8 + margin), slice(7 - margin, 8 + margin), slice(6 - margin, 7 + margin))


def test_the_margin_follows_the_spacing() -> None:
    labels = labels_at((7, 7, 6))
    hole = find_hole(labels, np.zeros_like(labels), brain=BRAIN, margin=3, spacing=(1.0, 1.0, 3.0))
    assert hole.slices == (5, 6, 7)
    assert hole.mask[10, 7, 6]
    assert not hole.mask[11, 7, 6]


def test_it_stays_in_the_brain_and_off_what_is_still_tumor() -> None:
    original = labels_at((5, 5, 5), (7, 5, 5))
    brain = BRAIN.copy()
    brain[:5] = False
    hole = find_hole(original, labels_at((7, 5, 5), value=2), brain=brain, margin=3)
    assert hole.mask[5, 5, 5]
    assert hole.mask[6, 5, 5]
    assert not hole.mask[7, 5, 5]
    assert not hole.mask[4, 5, 5]


def test_relabeling_and_new_tumor_make_no_hole() -> None:
    assert find_hole(labels_at((5, 5, 5)), labels_at((5, 5, 5), (6, 6, 6), value=2), brain=BRAIN).empty


def test_a_hole_in_the_corner_is_cut_at_the_border() -> None:
    labels = labels_at((0, 0, 0), (15, 13, 11))
    hole = find_hole(labels, np.zeros_like(labels), brain=BRAIN, margin=2)
    assert np.array_equal(hole.mask, dilation(labels > 0, ball(2)))


def test_restricted_keeps_only_the_slices() -> None:
    labels = labels_at((7, 7, 4), (7, 7, 8))
    hole = find_hole(labels, np.zeros_like(labels), brain=BRAIN, margin=1)
    part = hole.restricted([4, 5])
    assert part.slices == (4, 5)
    assert part.core.sum() == 1
    assert np.array_equal(part.mask[:, :, 4:6], hole.mask[:, :, 4:6])
    assert hole.restricted(range(12)) is hole
    assert part != hole
    assert part.content_hash != hole.content_hash


def test_equal_content_is_equal() -> None:
    labels = labels_at((7, 7, 4))
    first, second = (find_hole(labels, np.zeros_like(labels), brain=BRAIN) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != find_hole(labels, np.zeros_like(labels), brain=BRAIN, margin=2)


def test_the_arrays_belong_to_the_hole() -> None:
    mask = labels_at((7, 7, 4)) > 0
    hole = Hole(mask, mask, 0)
    with pytest.raises(ValueError, match="read-only"):
        hole.mask[0, 0, 0] = True
    before = hole.content_hash
    mask[:] = True
    assert hole.voxels == 1
    assert Hole(hole.mask, hole.core, 0).content_hash == before


def test_from_mask_takes_any_nonzero_value() -> None:
    mask = labels_at((7, 7, 4), value=8).astype(np.float32)
    brain = BRAIN.copy()
    brain[8:] = False
    assert Hole.from_mask(mask, brain).voxels == 1
    grown = Hole.from_mask(mask, brain, margin=1)
    assert grown.voxels == 6
    assert grown.core.sum() == 1


def test_wrong_arrays_are_refused() -> None:
    mask = np.zeros((3, 3, 3), bool)
    with pytest.raises(ValueError, match="inside"):
        Hole(mask, ~mask)
    with pytest.raises(ValueError, match="alike"):
        Hole(mask, mask[:2])
    with pytest.raises(ValueError, match="negative"):
        Hole(mask, mask, -1)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(bool, (5, 4, 6)))
def test_box_and_slices_agree_with_numpy(mask: np.ndarray) -> None:
    hole = Hole(mask, np.zeros_like(mask), 0)
    assert mask[hole.box].sum() == mask.sum()
    assert hole.slices == tuple(np.flatnonzero(mask.any(axis=(0, 1))))


@settings(max_examples=25, deadline=None)
@given(arrays.arrays(np.uint8, (6, 5, 5), elements=st.integers(0, 2)), st.integers(0, 3))
def test_invariants(original: np.ndarray, margin: int) -> None:
    edited = np.where(np.arange(5) < 3, original, 0).astype(np.uint8)
    brain = np.ones(original.shape, bool)
    brain[0] = False
    hole = find_hole(original, edited, brain=brain, margin=margin)
    assert not (hole.mask & ~brain).any()
    assert not (hole.mask & (edited > 0)).any()
    assert np.array_equal(hole.core, (original > 0) & (edited == 0) & brain)
    assert not (hole.core & ~hole.mask).any()

"""Names of mask states, and the pictures found again by them."""

from __future__ import annotations

import numpy as np

from seg_editor.cases import Case
from seg_editor.session.recall import Place, Recall
from seg_editor.session.results import mask_of, opened_labels

PLACE = Place(1, "m5", "auto", "standard", None, 0, (5,))


def test_a_picture_is_found_by_what_made_it() -> None:
    recall = Recall()
    recall.put(PLACE, "one")
    assert recall.find(PLACE, 5) == ("one",)
    assert recall.find(PLACE, 6) == ()
    for changed in ({"token": 2}, {"device": "cpu"}, {"steps": 7}, {"seed": 1}, {"tissue": "edited"}):
        assert recall.find(PLACE._replace(**changed), 5) == ()


def test_all_slices_come_before_one() -> None:
    recall = Recall()
    recall.put(PLACE, "one")
    recall.put(PLACE._replace(slices="all"), "all")
    assert recall.find(PLACE, 5) == ("all", "one")
    assert recall.find(PLACE, 6) == ("all",)


def test_an_open_seed_takes_its_own_picture_before_the_newest() -> None:
    recall = Recall()
    for seed in (3, 4):
        recall.put(PLACE._replace(seed=seed), f"seed {seed}")
    assert recall.find(PLACE._replace(seed=3), 5, open_seed=True) == ("seed 3",)
    assert recall.find(PLACE._replace(seed=9), 5, open_seed=True) == ("seed 4",)
    assert recall.find(PLACE._replace(seed=9), 5) == ()


def test_states_with_the_same_pictures_keep_their_own_masks() -> None:
    recall = Recall()
    recall.put(PLACE, "one")
    recall.same_picture(2, 1)
    assert recall.find(PLACE._replace(token=2), 5) == ("one",)
    assert (recall.token(2), recall.picture_token(2)) == (2, 1)
    recall.same_mask(3, 1)
    assert recall.token(3) == 1


def test_masks_are_equal_only_voxel_by_voxel(tiny_case: Case) -> None:
    opened = opened_labels(tiny_case)
    erased, relabeled = opened.copy(), opened.copy()
    at = tuple(np.argwhere(opened > 0)[0])
    erased[at] = 0
    values = np.unique(opened[opened > 0])
    relabeled[at] = values[0] if opened[at] != values[0] else values[-1]
    masks = [mask_of(tiny_case, labels, opened) for labels in (opened, erased, relabeled, erased)]
    assert masks[1].equals(masks[3])
    assert masks[0].equals(masks[0])
    assert not masks[0].equals(masks[1])
    assert not masks[1].equals(masks[2])

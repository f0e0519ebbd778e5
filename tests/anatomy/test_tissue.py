"""Tissue maps: names by anatomy, contrast, the tumor pasted in, and healthy tissue in its place."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.atlas import dice_with_prior, prior_agreement
from seg_editor.anatomy.atropos import contrast
from seg_editor.anatomy.classes import evidence, name_classes
from seg_editor.anatomy.names import CSF, GM, TUMOR, WM
from seg_editor.anatomy.tissue import TissueMap, five_class, healthy_tissue, positive, tissue_map, without_white_rim
from seg_editor.cases import Modality, open_case
from tests.anatomy.conftest import SHAPE, dice
from tests.tiny import tiny_maps

LEVELS = {
    Modality.T1: (0.0, 120.0, 300.0, 420.0),
    Modality.T1C: (0.0, 130.0, 310.0, 430.0),
    Modality.T2: (0.0, 700.0, 420.0, 300.0),
    Modality.FLAIR: (0.0, 110.0, 380.0, 320.0),
}


FLAIR_OF_AN_INFANT = (0.0, 110.0, 320.0, 380.0)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize("modality", list(Modality))
def test_names_do_not_depend_on_the_numbers(
    phantom: NDArray[np.uint8], modality: Modality, order: tuple[int, int, int]
) -> None:
    image = np.array(LEVELS[modality])[phantom]
    shuffled = np.array((0, *order), np.uint8)[phantom]
    assert np.array_equal(name_classes(shuffled, image, modality, phantom > 0), phantom)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_flair_is_named_by_depth_when_white_is_brighter(
    phantom: NDArray[np.uint8], order: tuple[int, int, int]
) -> None:
    image = np.array(FLAIR_OF_AN_INFANT)[phantom]
    shuffled = np.array((0, *order), np.uint8)[phantom]
    assert np.array_equal(name_classes(shuffled, image, Modality.FLAIR, phantom > 0), phantom)


def test_a_missing_class_cannot_be_named(phantom: NDArray[np.uint8]) -> None:
    two = np.where(phantom == 3, 2, phantom).astype(np.uint8)
    with pytest.raises(ValueError, match="only 2 of 3"):
        name_classes(two, phantom.astype(np.float32), Modality.T1, phantom > 0)


def test_evidence_tells_a_permuted_map(phantom: NDArray[np.uint8]) -> None:
    images = {m: np.array(levels)[phantom] for m, levels in LEVELS.items()}
    brain = phantom > 0
    right = evidence(phantom, images, brain, brain)
    assert {right[k] for k in ("depth", "t1", "t1c", "t2", "flair")} == {1.0}
    for order in list(permutations((1, 2, 3)))[1:]:
        wrong = evidence(np.array((0, *order), np.uint8)[phantom], images, brain, brain)
        assert 0.0 in {wrong[k] for k in ("depth", "t1", "t2")}, order


def test_contrast_orders_tissue_and_cancels_shading(phantom: NDArray[np.uint8]) -> None:
    brain = phantom > 0
    shading = np.linspace(0.4, 1.6, SHAPE[1])[None, :, None]
    t1, t2 = (np.asarray(np.array(LEVELS[m])[phantom] * shading, np.float32) for m in (Modality.T1, Modality.T2))
    combined = contrast(t1, t2, brain)
    means = [float(combined[phantom == k].mean()) for k in (CSF, GM, WM)]
    assert means[0] < means[1] < means[2]
    assert max(float(combined[phantom == k].std()) for k in (CSF, GM, WM)) < 1
    assert combined[~brain].max() == 0


def test_positive_takes_negative_values() -> None:
    values = np.random.default_rng(0).normal(0, 1, (12, 12, 12))
    use = np.ones(values.shape, bool)
    use[0] = False
    image = positive(values, use)
    assert image.dtype == np.float32
    assert image[use].min() >= 1
    assert image[use].max() <= 1000
    assert not image[0].any()
    assert np.corrcoef(image[use], values[use])[0, 1] > 0.99


def test_no_white_matter_at_the_rim(phantom: NDArray[np.uint8]) -> None:
    brain = phantom > 0
    wrong = phantom.copy()
    wrong[:, :8] = np.where(brain[:, :8], WM, 0)
    right = without_white_rim(wrong, brain)
    rim = brain & ~ndi.binary_erosion(brain, iterations=2)
    assert not np.any(right[rim] == WM)
    assert np.array_equal(right[~rim], wrong[~rim])
    cut = np.full((12, 12, 12), WM, np.uint8)
    assert np.array_equal(without_white_rim(cut, cut > 0), cut)


def test_five_class_pastes_the_tumor(phantom: NDArray[np.uint8]) -> None:
    tumor = np.zeros(SHAPE, bool)
    tumor[10:14, 10:14, 10:14] = True
    five = five_class(TissueMap(phantom, "atropos"), tumor)
    assert five.dtype == np.uint8
    assert np.array_equal(five == TUMOR, tumor)
    assert np.array_equal(five[~tumor], phantom[~tumor])
    copy = five_class(phantom, None)
    copy[:] = 0
    assert phantom.any()


def test_healthy_tissue_comes_from_the_other_side() -> None:
    shape = (41, 44, 36)
    truth = tiny_maps(shape)[0]
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    for side in (10, 30):
        truth[((x - side) ** 2 + (y - 22) ** 2 + (z - 18) ** 2) < 10] = CSF
    tumor = np.broadcast_to(((x - 30) ** 2 + (y - 22) ** 2 + (z - 18) ** 2) < 36, shape) & (truth > 0)
    with_tumor = truth.copy()
    with_tumor[tumor] = GM
    kept = with_tumor.copy()
    healed = healthy_tissue(with_tumor, tumor)
    assert np.array_equal(with_tumor, kept)
    assert np.array_equal(healed[~tumor], truth[~tumor])
    assert float((healed[tumor] == truth[tumor]).mean()) > 0.9
    assert dice(healed == CSF, truth == CSF) > 0.8


def test_healthy_tissue_takes_the_nearest_where_both_sides_are_ill(phantom: NDArray[np.uint8]) -> None:
    tumor = np.zeros(SHAPE, bool)
    tumor[:, 8:12, :] = phantom[:, 8:12, :] > 0
    healed = healthy_tissue(phantom, tumor)
    assert healed[phantom > 0].min() >= CSF
    assert not healed[phantom == 0].any()
    assert not healthy_tissue(np.zeros_like(phantom), tumor).any()


def test_dice_with_prior_tells_permuted_names(phantom: NDArray[np.uint8]) -> None:
    right = dice_with_prior(phantom, phantom)
    assert right["CSF"] == right["Gray matter"] == right["White matter"] == 1.0
    assert right["permuted"] < 0.5
    assert right["CSF by another name"] == right["White matter by another name"] == 0.0
    permuted = dice_with_prior(np.array([0, 2, 3, 1], np.uint8)[phantom], phantom)
    assert permuted["permuted"] == permuted["CSF by another name"] == 1.0


@pytest.mark.realdata
@pytest.mark.slow
def test_names_agree_with_the_atlas(real_data: Path, tmp_path: Path) -> None:
    case = open_case(real_data / "brats" / "BraTS2021_00014")
    made = tissue_map(case, cache_dir=tmp_path, threads=1)
    found = prior_agreement(case, made, real_data / "atlas", threads=1)
    names = [found[k] for k in ("CSF", "Gray matter", "White matter")]
    assert min(names) > 0.3
    assert float(np.mean(names)) > found["permuted"] + 0.1

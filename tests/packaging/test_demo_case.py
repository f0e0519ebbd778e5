"""The shipped demo case: geometry, values, contrasts and size."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

CASE_ID = "SegEditor-Demo-001"
FOLDER = Path(__file__).resolve().parents[2] / "resources" / "demo" / CASE_ID
MODALITIES = ("t1", "t1ce", "t2", "flair")
AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=np.float64)


def image(name: str) -> nib.nifti1.Nifti1Image:
    loaded = nib.loadsave.load(FOLDER / f"{CASE_ID}_{name}.nii.gz")
    assert isinstance(loaded, nib.nifti1.Nifti1Image)
    return loaded


@cache
def voxels(name: str) -> NDArray[np.int16]:
    return np.asarray(image(name).dataobj)


def median(name: str, where: NDArray[np.bool_]) -> float:
    return float(np.median(voxels(name)[where]))


@cache
def tissues() -> dict[str, NDArray[np.bool_]]:
    """Healthy CSF, gray and white matter away from the tumor, by T1 brightness inside the brain."""
    far = ~ndimage.binary_dilation(voxels("seg") > 0, iterations=8)
    inner = ndimage.binary_erosion(voxels("t1") > 0, iterations=6) & far
    t1 = ndimage.gaussian_filter(voxels("t1").astype(np.float32), 0.7)
    white = float(np.percentile(t1[inner], 90))
    return {
        "csf": inner & (t1 < 0.4 * white),
        "gm": inner & (t1 > 0.68 * white) & (t1 < 0.82 * white),
        "wm": inner & (t1 > 0.93 * white),
    }


@pytest.mark.parametrize("name", [*MODALITIES, "seg"])
def test_grid_is_that_of_brats(name: str) -> None:
    loaded = image(name)
    assert loaded.shape == (240, 240, 155)
    assert loaded.get_data_dtype() == np.int16  # type: ignore[no-untyped-call]
    assert np.array_equal(loaded.affine, AFFINE)
    assert int(loaded.header["qform_code"]) == 1
    assert int(loaded.header["sform_code"]) == 1


def test_the_folder_holds_five_files_within_eight_megabytes() -> None:
    files = sorted(path.name for path in FOLDER.iterdir())
    assert files == sorted(f"{CASE_ID}_{name}.nii.gz" for name in (*MODALITIES, "seg"))
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 8_000_000


@pytest.mark.parametrize("name", MODALITIES)
def test_values_are_positive_inside_one_common_brain(name: str) -> None:
    values = voxels(name)
    assert values.min() == 0
    assert np.array_equal(values > 0, voxels("t1") > 0)
    assert 1.2e6 < np.count_nonzero(values) < 1.7e6
    assert 150 < np.unique(values).size <= 700


def test_brain_is_placed_as_in_brats() -> None:
    places = np.argwhere(voxels("t1") > 0)
    extent = places.max(axis=0) - places.min(axis=0) + 1
    assert np.all(np.abs(extent - (140, 176, 138)) <= 12)
    center = (places.max(axis=0) + places.min(axis=0)) / 2
    assert np.all(np.abs(center - (120, 120, 72)) <= 8)


def test_labels_and_tumor_volume() -> None:
    labels = voxels("seg")
    assert set(np.unique(labels)) == {0, 1, 2, 4}
    milliliters = {value: np.count_nonzero(labels == value) / 1000 for value in (1, 2, 4)}
    assert 40 <= milliliters[2] <= 80
    assert 4 <= milliliters[1] <= 30
    assert 4 <= milliliters[4] <= 30
    assert not np.any((labels > 0) & (voxels("t1") == 0))


def test_healthy_tissue_has_the_contrast_of_each_modality() -> None:
    part = tissues()
    assert median("t1", part["csf"]) < median("t1", part["gm"]) < median("t1", part["wm"])
    assert median("t1ce", part["csf"]) < median("t1ce", part["gm"]) < median("t1ce", part["wm"])
    assert median("t2", part["csf"]) > 1.5 * median("t2", part["gm"]) > 1.5 * median("t2", part["wm"])
    assert median("flair", part["csf"]) < 0.6 * median("flair", part["wm"])
    assert median("flair", part["gm"]) > 1.05 * median("flair", part["wm"])


def test_tumor_is_seen_where_the_labels_say() -> None:
    labels, white = voxels("seg"), tissues()["wm"]
    edema, rim, necrosis = labels == 2, labels == 4, labels == 1
    assert median("flair", edema) > 1.4 * median("flair", white)
    assert median("t2", edema) > 1.4 * median("t2", white)
    assert median("t1", edema) < 0.9 * median("t1", white)
    assert median("t1ce", rim) > 1.4 * median("t1ce", white)
    assert median("t1ce", rim) > 1.5 * median("t1", rim)
    assert median("t1ce", necrosis) < 0.75 * median("t1ce", white)
    assert median("t1", necrosis) < median("t1", edema)
    assert median("t2", necrosis) > median("t2", rim)
    assert median("flair", necrosis) < median("flair", edema)


def test_edema_fades_out_beyond_its_label() -> None:
    tumor = voxels("seg") > 0
    near = ndimage.binary_dilation(tumor, iterations=1) & ~tumor
    assert median("flair", tumor & (voxels("seg") == 2)) > median("flair", near) > median("flair", tissues()["wm"])

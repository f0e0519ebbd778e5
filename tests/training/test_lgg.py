"""Heads with skull, in thick slices, become cases: the brain is found, and how large its voxels are."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seg_editor.cases import Modality, open_case
from seg_editor.errors import CaseError
from tests.training.conftest import write_shapes
from training.prepare import lgg
from training.prepare.bank import load_shard
from training.prepare.volumes import prepare_case

PIXEL, DISTANCE = 0.9, 5.0
#: Half axes of the atlas' brain in mm: x, y, z.
HALF = np.array([66.0, 84.0, 62.0])


@pytest.fixture(scope="module")
def atlas() -> lgg.Atlas:
    """An ellipsoid on the grid of the SRI24 atlas."""
    grid = np.indices((240, 240, 155), np.float32)
    middle = np.array([120.0, 125.0, 75.0])
    away = sum(((grid[k] - middle[k]) / HALF[k]) ** 2 for k in range(3))
    brain = np.asarray(away < 1)
    return lgg.Atlas(brain, np.array([lgg.extents(plane.T) for plane in brain.transpose(2, 0, 1)]))


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices through the same brain, off center, with CSF, bone and bright scalp around it and a tumor in it."""
    folder = tmp_path_factory.mktemp("kaggle_3m") / "TCGA_XX_0001_19990101"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows, columns = np.indices((256, 256)).astype(np.float32)
    for number in range(1, 29):
        z = (number - 14) * DISTANCE
        away = _distance((columns - 120) * PIXEL, (rows - 131) * PIXEL, z)
        tumor = ((columns - 90) ** 2 + (rows - 120) ** 2 + (4 * (number - 17)) ** 2) < 15**2
        image = np.zeros((256, 256, 3), np.float32)
        for channel, (brain, lesion) in enumerate(((110, 80), (90, 150), (115, 120))):
            image[..., channel] = np.where(away < 0, brain + rng.normal(0, 6, rows.shape), 0)
            image[..., channel][(away < 0) & tumor] = lesion
            image[..., channel][(away >= 10) & (away < 16)] = 220
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{folder.name}_{number}.tif")
        mask = (tumor & (away < 0)).astype(np.uint8) * 255
        Image.fromarray(mask).save(folder / f"{folder.name}_{number}_mask.tif")
    return folder


def _distance(x: NDArray[np.float32], y: NDArray[np.float32], z: float) -> NDArray[np.float64]:
    """About how far outside of the brain, mm."""
    scale = np.sqrt((x / HALF[0]) ** 2 + (y / HALF[1]) ** 2 + (z / HALF[2]) ** 2)
    return np.asarray((scale - 1) * np.sqrt(HALF[0] * HALF[1]))


@pytest.fixture(scope="module")
def written(patient: Path, atlas: lgg.Atlas, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case of the patient."""
    out = tmp_path_factory.mktemp("cases")
    lgg.write_case(patient, out, atlas)
    return out / "TCGA_XX_0001"


def test_slices_come_in_the_order_of_their_numbers(patient: Path) -> None:
    images, tumor = lgg.read_stack(patient)
    assert images.shape == (28, 256, 256, 3)
    assert 15 < np.average(np.arange(28), weights=tumor.sum((1, 2))) < 17


def test_the_brain_is_stripped(patient: Path) -> None:
    images, _ = lgg.read_stack(patient)
    found = lgg.strip(images)
    rows, columns = np.indices((256, 256)).astype(np.float32)
    for k in range(10, 22):
        brain = _distance((columns - 120) * PIXEL, (rows - 131) * PIXEL, (k - 13) * DISTANCE) < 0
        assert 2 * (found[k] & brain).sum() / (found[k].sum() + brain.sum()) > 0.97


def test_sizes_and_place_are_found(patient: Path, atlas: lgg.Atlas) -> None:
    images, _ = lgg.read_stack(patient)
    found = lgg.fit_geometry(lgg.strip(images), atlas)
    assert found.pixel == pytest.approx(PIXEL, rel=0.03)
    assert found.distance == pytest.approx(DISTANCE, rel=0.1)
    assert found.center == pytest.approx((131, 120), abs=1.5)


def test_a_case_lies_on_the_atlas(written: Path, atlas: lgg.Atlas) -> None:
    case = open_case(written)
    assert case.modalities == (Modality.T1, Modality.T1C, Modality.FLAIR)
    found, wanted = case.brain[::-1, ::-1, 65:], atlas.brain[:, :, 65:]  # RAS to LPS
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.97
    assert not case.brain[:, :, :52].any()
    assert case.tumor is not None
    flair = case.volumes[Modality.FLAIR].raw
    assert flair[case.tumor].mean() > 1.3 * flair[case.brain & ~case.tumor].mean()
    assert flair.max() < 215
    affine = nib.load(written / "TCGA_XX_0001_t1.nii.gz").affine
    assert np.array_equal(affine, [[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_training_draws_near_real_slices(written: Path, tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    shapes = write_shapes(tmp_path / "shapes.npz")
    prepared = prepare_case(written)
    prepared.save(tmp_path / "cases" / "TCGA_XX_0001.npz")
    assert lgg.add_to_bank(tmp_path, written.parent, shapes, per_case=1) == 1
    (path,) = (tmp_path / "holes").iterdir()
    before = path.read_bytes()
    assert lgg.add_to_bank(tmp_path, written.parent, shapes, per_case=1) == 1
    assert path.read_bytes() == before
    (placed,) = load_shard(path)
    at = np.array(json.loads((written / lgg.GEOMETRY).read_text())["slices"])[prepared.origin[2] :][: len(placed.area)]
    drawn = np.flatnonzero(placed.area)
    assert len(drawn)
    assert (np.abs(at - np.round(at))[drawn] * DISTANCE < 1).all()


def test_useless_folders_are_left_out(
    patient: Path, atlas: lgg.Atlas, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dark, empty = tmp_path / "in" / "TCGA_XX_0002_1", tmp_path / "in" / "TCGA_XX_0003_1"
    for folder in (dark, empty):
        folder.mkdir(parents=True)
    for number in (1, 2):
        Image.new("RGB", (256, 256)).save(dark / f"{dark.name}_{number}.tif")
        Image.new("L", (256, 256)).save(dark / f"{dark.name}_{number}_mask.tif")
    for folder, why in ((dark, "no T1"), (empty, "no .*_mask.tif files")):
        with pytest.raises(CaseError, match=why):
            lgg.write_case(folder, tmp_path / "out", atlas)
    assert not (tmp_path / "out").exists()
    assert lgg.main([str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert "--atlas are needed" in capsys.readouterr().err

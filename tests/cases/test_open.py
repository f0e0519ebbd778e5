"""Opening a case: every layout, what may be missing, and what does not fit together."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seg_editor.cases import (
    MODALITIES,
    SCHEME_123,
    SCHEME_124,
    SCHEME_2013,
    Case,
    Layout,
    Modality,
    find_cases,
    open_case,
)
from seg_editor.errors import CaseError
from tests.tiny import SCHEMES, brats_affine, make_case, tiny_maps, write_nifti

SHAPE = (24, 28, 20)


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(CaseError) as caught:
        open_case(path)
    line = str(caught.value)
    assert caught.value.remedy
    assert "\n" not in line
    for part in parts:
        assert part in line, line


@pytest.mark.parametrize("layout", list(Layout))
def test_a_folder_and_each_of_its_files_open_the_same_case(case_of: Callable[[Layout], Path], layout: Layout) -> None:
    folder = case_of(layout)
    case = open_case(folder)
    assert (case.case_id, case.layout, case.folder) == (folder.name, layout, folder)
    assert case.modalities == MODALITIES
    assert case.scheme is SCHEMES[layout]
    assert case.notes == ()
    assert case.shape == SHAPE
    assert case.labels is not None
    assert set(np.unique(case.labels.raw)) == {0, *(value for value in case.scheme.label_values if value != 3)} | (
        {3} if case.scheme is SCHEME_123 else set()
    )
    for file in folder.iterdir():
        again = open_case(file)
        assert again.case_id == case.case_id
        assert again.content_hash == case.content_hash
        assert again.labels_hash == case.labels_hash


@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".NII.GZ", ".Nii"])
def test_extensions(tmp_path: Path, extension: str) -> None:
    assert open_case(make_case(tmp_path / "a", extension=extension)).modalities == MODALITIES


def test_voxels_are_canonical(tiny_case: Case) -> None:
    tissue, parts = tiny_maps(SHAPE)
    assert tiny_case.grid.affine[0, 0] == tiny_case.grid.affine[1, 1] == 1
    assert np.array_equal(tiny_case.brain, (tissue > 0)[::-1, ::-1])
    assert np.array_equal(tiny_case.tumor, (parts > 0)[::-1, ::-1])
    for volume in (*tiny_case.volumes.values(), tiny_case.labels):
        assert volume is not None
        assert volume.raw.flags.c_contiguous
        assert not volume.raw.flags.writeable


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "a", modalities=[Modality.FLAIR, Modality.T1], segmentation=False))
    assert case.modalities == (Modality.T1, Modality.FLAIR)
    assert case.notes == ("T1c is missing", "T2 is missing", "there is no segmentation")
    assert case.labels is case.tumor is case.labels_hash is None
    assert case.labels_path == tmp_path / "a" / "a_seg.nii.gz"


def test_odd_things_are_said(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "a", tumor=False, codes=(0, 0))
    write_nifti(folder / "a_t2.nii.gz", np.zeros(SHAPE, np.int16), brats_affine(SHAPE), (0, 0))
    noise = np.random.default_rng(0).integers(0, 99, SHAPE).astype(np.int16)
    write_nifti(folder / "a_t1.nii.gz", noise, brats_affine(SHAPE), (0, 0))
    case = open_case(folder)
    assert case.grid.ambiguous
    t1, t2, orientation, segmentation = case.notes
    assert "skull-stripped" in t1
    assert t2 == "T2 is empty: every voxel is 0"
    assert "left and right are uncertain" in orientation
    assert segmentation == "the segmentation is empty"


def test_headers_to_doubt_are_said(tmp_path: Path) -> None:
    affine = brats_affine(SHAPE)
    folder = make_case(tmp_path / "a", modalities=[Modality.T1], segmentation=False, spacing=(30, 1, 1))
    assert "the voxel size 30 x 1 x 1 mm is unusual" in open_case(folder).notes[-2]
    image = np.pad(np.ones((20, 24, 16), np.int16), 2)
    write_nifti(folder / "a_t1.nii.gz", image, affine, (1, 2), qoffset_x=5)
    assert "qform and sform disagree, the sform is used: a_t1.nii.gz" in open_case(folder).notes


def test_four_with_names_of_2023_is_said(tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "a", layout=Layout.BRATS2023, scheme=SCHEME_124))
    assert case.scheme is SCHEME_124
    assert "label 4" in case.notes[0]


def test_other_schemes_by_values(tmp_path: Path) -> None:
    assert open_case(make_case(tmp_path / "a", scheme=SCHEME_123)).scheme is SCHEME_123
    assert open_case(make_case(tmp_path / "b", layout=Layout.BRATS2013)).scheme is SCHEME_2013


def test_brain_mask_file_wins_and_cavities_are_filled_without_one(tmp_path: Path) -> None:
    tissue, _ = tiny_maps(SHAPE)
    folder = make_case(tmp_path / "a", layout=Layout.BRATS2013)
    mask = np.zeros(SHAPE, np.int32)
    mask[5:9, 5:9, 5:9] = 7
    write_nifti(folder / "brainmask.nii.gz", mask, brats_affine(SHAPE))
    assert open_case(folder).brain.sum() == 64
    folder = make_case(tmp_path / "b", modalities=[Modality.T1])
    image = np.where(tissue == 1, 0, tissue * 100).astype(np.int16) - 7
    write_nifti(folder / "b_t1.nii.gz", image, brats_affine(SHAPE))
    assert np.array_equal(open_case(folder).brain, (tissue > 0)[::-1, ::-1])


def test_hashes_follow_voxels_and_grid_but_not_names_or_labels(tmp_path: Path) -> None:
    first = open_case(make_case(tmp_path / "a"))
    same = open_case(make_case(tmp_path / "b", extension=".nii", scheme=SCHEME_123))
    assert same.content_hash == first.content_hash
    assert same.labels_hash != first.labels_hash
    others = [
        make_case(tmp_path / "c", seed=1),
        make_case(tmp_path / "d", modalities=MODALITIES[:3]),
        make_case(tmp_path / "e", spacing=(1, 1, 2)),
    ]
    assert len({first.content_hash, *(open_case(other).content_hash for other in others)}) == 4


def test_the_brain_mask_is_part_of_the_identity(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "a", layout=Layout.BRATS2013)
    found = {open_case(folder).content_hash}
    for edge in (9, 10):
        mask = np.zeros(SHAPE, np.int32)
        mask[5:edge, 5:9, 5:9] = 1
        write_nifti(folder / "brainmask.nii.gz", mask, brats_affine(SHAPE))
        found.add(open_case(folder).content_hash)
    assert len(found) == 3


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    refused(tmp_path, str(tmp_path), "no image", "<id>_flair", "-t2f", "OTMultiClass")
    make_case(tmp_path / "deep" / "a")
    refused(tmp_path / "deep", "A case lies below it: open a.")
    refused(tmp_path / "notes.txt", "no NIfTI file")
    refused(write_nifti(tmp_path / "x.nii", np.zeros((3, 3, 3), np.uint8)), "name does not say")
    make_case(tmp_path / "s", modalities=[])
    refused(tmp_path / "s" / "s_seg.nii.gz", "no modality of case s lies beside it")


def test_several_cases_in_one_folder(tmp_path: Path) -> None:
    for case_id in ("A1", "A2"):
        make_case(tmp_path, case_id=case_id)
    refused(tmp_path, "files of 2 cases (A1, A2)", "Choose one file")
    assert open_case(tmp_path / "A2_t2.nii.gz").case_id == "A2"
    assert open_case(tmp_path / "A1_seg.nii.gz").case_id == "A1"


def test_a_stray_segmentation_is_left_aside_and_said(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "a", segmentation=False)
    write_nifti(folder / "W39_Segm.nii", np.zeros(SHAPE, np.uint8), brats_affine(SHAPE))
    case = open_case(folder)
    assert case.labels is None
    assert case.notes[0] == "W39_Segm.nii is left aside: its name does not begin with a"


def test_packed_and_unpacked_side_by_side(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "a")
    write_nifti(folder / "a_seg.nii", np.zeros(SHAPE, np.uint8), brats_affine(SHAPE))
    refused(folder, "a_seg.nii and a_seg.nii.gz are the same part", "Move one of the two away")
    assert open_case(folder / "a_seg.nii").tumor.sum() == 0  # type: ignore[union-attr]
    assert open_case(folder / "a_seg.nii.gz").tumor.sum() > 0  # type: ignore[union-attr]
    assert open_case(folder / "a_t1.nii.gz").tumor.sum() > 0  # type: ignore[union-attr]


def test_files_that_do_not_fit_together_are_both_named(case_folder: Path) -> None:
    path = case_folder / f"{case_folder.name}_t2.nii.gz"
    data = np.ones(SHAPE, np.int16)
    write_nifti(path, data[:-1], brats_affine(SHAPE))
    refused(case_folder, str(path), "shape 23 x 28 x 20 differs from 24 x 28 x 20", f"{case_folder.name}_t1.nii.gz")
    affine = brats_affine(SHAPE)
    affine[0, 3] += 0.01
    write_nifti(path, data, affine)
    refused(case_folder, str(path), "affine", f"{case_folder.name}_t1.nii.gz")
    affine[0, 3] -= 0.0095
    write_nifti(path, data, affine)
    assert open_case(case_folder).modalities == MODALITIES


def test_files_of_different_orientation_on_one_grid_fit(case_folder: Path) -> None:
    path = case_folder / f"{case_folder.name}_seg.nii.gz"
    before = open_case(case_folder)
    assert before.labels is not None
    write_nifti(path, np.asarray(before.labels.raw), before.grid.affine)
    after = open_case(case_folder)
    assert after.labels is not None
    assert np.array_equal(after.labels.raw, before.labels.raw)


def test_unknown_labels_name_the_file(case_folder: Path) -> None:
    path = case_folder / f"{case_folder.name}_seg.nii.gz"
    write_nifti(path, np.full(SHAPE, 9, np.uint8), brats_affine(SHAPE))
    refused(case_folder, str(path), "unknown label values: 9")


def test_relative_and_home_paths(case_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case_folder)
    assert open_case(".").case_id == case_folder.name
    assert open_case(f"{case_folder.name}_t1.nii.gz").folder == case_folder
    monkeypatch.setenv("HOME", str(case_folder.parent))
    monkeypatch.setenv("USERPROFILE", str(case_folder.parent))
    assert open_case(f"~/{case_folder.name}").case_id == case_folder.name


def test_find_cases(tmp_path: Path) -> None:
    names = {"modalities": [Modality.T1], "shape": (4, 4, 4)}
    folders = [
        make_case(tmp_path / name, **names)  # type: ignore[arg-type]
        for name in ("b", "a", "x/y/c", ".hidden/h", "1/2/3/4")
    ]
    flat = [make_case(tmp_path / "flat", case_id=case_id, **names) for case_id in ("P1", "P2")]  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    found = find_cases(tmp_path)
    assert found == sorted([folders[1], folders[0], folders[2], flat[0] / "P1_t1.nii.gz", flat[0] / "P2_t1.nii.gz"])
    assert [open_case(path).case_id for path in found] == ["a", "b", "P1", "P2", "c"]
    assert find_cases(folders[0]) == [folders[0]]
    with pytest.raises(CaseError, match="no such"):
        find_cases(tmp_path / "none")
    os.symlink(tmp_path, tmp_path / "empty" / "loop")
    assert set(found) <= set(find_cases(tmp_path))

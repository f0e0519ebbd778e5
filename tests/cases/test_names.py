"""File names of the BraTS years."""

from __future__ import annotations

from pathlib import Path

import pytest

from seg_editor.cases import Layout, Modality
from seg_editor.cases.naming import Role, parse_name, segmentation_name


@pytest.mark.parametrize(
    ("name", "case_id", "layout", "role"),
    [
        ("BraTS2021_00014_flair.nii.gz", "BraTS2021_00014", Layout.BRATS, Modality.FLAIR),
        ("BraTS2021_00014_T1.NII.GZ", "BraTS2021_00014", Layout.BRATS, Modality.T1),
        ("BraTS20_Training_001_t1ce.nii", "BraTS20_Training_001", Layout.BRATS, Modality.T1C),
        ("BraTS20_Training_001_t2.nii", "BraTS20_Training_001", Layout.BRATS, Modality.T2),
        ("BraTS20_Training_001_Seg.nii", "BraTS20_Training_001", Layout.BRATS, Role.SEGMENTATION),
        ("BraTS-GLI-00027-000-t2f.nii.gz", "BraTS-GLI-00027-000", Layout.BRATS2023, Modality.FLAIR),
        ("BraTS-GLI-00027-000-t1n.nii.gz", "BraTS-GLI-00027-000", Layout.BRATS2023, Modality.T1),
        ("BraTS-GLI-00027-000-t1c.nii.gz", "BraTS-GLI-00027-000", Layout.BRATS2023, Modality.T1C),
        ("BraTS-GLI-00027-000-t2w.nii.gz", "BraTS-GLI-00027-000", Layout.BRATS2023, Modality.T2),
        ("BraTS-GLI-00027-000-seg.nii.gz", "BraTS-GLI-00027-000", Layout.BRATS2023, Role.SEGMENTATION),
        ("Flair_subtrMeanDivStd.nii.gz", "pat7", Layout.BRATS2013, Modality.FLAIR),
        ("T1c_subtrMeanDivStd.nii.gz", "pat7", Layout.BRATS2013, Modality.T1C),
        ("T1_subtrMeanDivStd.nii", "pat7", Layout.BRATS2013, Modality.T1),
        ("T2_subtrMeanDivStd.nii.gz", "pat7", Layout.BRATS2013, Modality.T2),
        ("OTMultiClass.nii.gz", "pat7", Layout.BRATS2013, Role.SEGMENTATION),
        ("brainmask.nii.gz", "pat7", Layout.BRATS2013, Role.BRAIN_MASK),
        ("flair.nii.gz", "pat7", Layout.BRATS, Modality.FLAIR),
    ],
)
def test_a_name_says_whose_file_it_is_and_what_it_holds(
    name: str, case_id: str, layout: Layout, role: Modality | Role
) -> None:
    parsed = parse_name(Path("pat7") / name)
    assert parsed is not None
    assert (parsed.case_id, parsed.layout, parsed.role) == (case_id, layout, role)


@pytest.mark.parametrize(
    "name",
    [
        "BraTS2021_00014_holes.nii.gz",
        "License.txt",
        "._x_t1.nii.gz",
        ".x_seg.nii.gz.1f.part",
        "x_t1.nii.gz.bak",
        "t3.nii",
    ],
)
def test_other_files_are_no_part_of_a_case(name: str) -> None:
    assert parse_name(Path("a") / name) is None


@pytest.mark.parametrize("layout", list(Layout))
def test_the_name_of_a_new_segmentation_is_read_as_one(layout: Layout) -> None:
    parsed = parse_name(Path("pat7") / segmentation_name("pat7", layout))
    assert parsed is not None
    assert (parsed.case_id, parsed.layout, parsed.role) == ("pat7", layout, Role.SEGMENTATION)

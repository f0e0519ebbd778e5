from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from seg_editor.cases import Layout, Modality
from tests.cli.conftest import SHAPE, Run, file_slice
from tests.tiny import SEGMENTATION, brats_affine, make_case, write_nifti


def test_remove_writes_everything_and_says_so(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    out, k = tmp_path / "out", file_slice(case_folder)
    answer = run("remove", case_folder, "--out", out, "--slices", f"{k},{k + 1}", "--seed", 4, "--json")
    found = answer.document
    assert answer.out.count("\n") == 1
    assert (found["case_id"], found["model"], found["seed"], found["steps"]) == ("BraTS2021_90001", "m5", 4, 3)
    assert (found["device"], found["runtime"]) == ("cpu", "torch-cpu")
    assert [row["index"] for row in found["slices"]] == [k, k + 1]
    assert all(row["change_outside_max"] == 0 for row in found["slices"])
    assert all(row["tumor_residual"] is not None for row in found["slices"])
    assert sorted(found["files"]) == sorted(p.name for p in out.iterdir())
    metrics = next(out.glob("*_metrics.json"))
    assert json.loads(metrics.read_text()) == found
    source = nib.load(case_folder / "BraTS2021_90001_flair.nii.gz")
    written = nib.load(out / "BraTS2021_90001_flair_synthetic.nii.gz")
    assert written.get_data_dtype() == source.get_data_dtype()
    assert np.array_equal(written.affine, source.affine)
    before, after = np.asarray(source.dataobj), np.asarray(written.dataobj)
    changed = np.unique(np.nonzero(before != after)[2])
    assert changed.tolist() == [k, k + 1]
    labels = np.asarray(nib.load(case_folder / "BraTS2021_90001_seg.nii.gz").dataobj)
    edited = np.asarray(nib.load(out / "BraTS2021_90001_seg_edited.nii.gz").dataobj)
    assert not edited[:, :, k : k + 2].any()
    assert np.array_equal(np.delete(edited, [k, k + 1], 2), np.delete(labels, [k, k + 1], 2))


def test_remove_in_words(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    k = file_slice(case_folder)
    answer = run("remove", case_folder, "--out", tmp_path / "out", "--slices", k, "--modalities", "flair,t1ce")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("TumorResidual: ")
    assert lines[2] == "Change outside: 0.000"
    names = {Path(line).name for line in lines[3:]}
    assert "BraTS2021_90001_t1ce_synthetic.nii.gz" in names
    assert "BraTS2021_90001_t2_synthetic.nii.gz" not in names


def test_remove_opens_a_case_by_any_file(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    k = file_slice(case_folder)
    words = ("--slices", k, "--preset", "preview", "--json")
    one = run("remove", case_folder / "BraTS2021_90001_t2.nii.gz", "--out", tmp_path / "a", *words).document
    two = run("remove", case_folder, "--out", tmp_path / "b", *words).document
    assert one["hashes"]["results"].keys() == two["hashes"]["results"].keys()
    assert one["hashes"]["request"] == two["hashes"]["request"]


def test_remove_without_a_referee(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    (models / "m4" / "card.json").unlink()
    found = run("remove", case_folder, "--out", tmp_path / "o", "--slices", file_slice(case_folder), "--json").document
    assert found["overall"]["tumor_residual"] is None
    assert found["overall"]["tumor_residual_reason"]


def test_remove_in_the_2013_layout_with_two_modalities(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "pat", layout=Layout.BRATS2013, modalities=(Modality.T1C, Modality.FLAIR))
    answer = run("remove", folder, "--out", tmp_path / "out", "--preset", "preview", "--json")
    assert {n for n in answer.document["files"] if n.endswith("synthetic.nii.gz")} == {
        "pat_t1c_synthetic.nii.gz",
        "pat_flair_synthetic.nii.gz",
    }
    assert "note: T1 is missing" in answer.err


def test_a_missing_segmentation_has_a_remedy(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS-GLI-00027-000", layout=Layout.BRATS2023, segmentation=False)
    line = run("remove", folder, "--out", tmp_path / "out", "--json").line
    name = SEGMENTATION[Layout.BRATS2023].format("BraTS-GLI-00027-000")
    assert line == (
        f"seg-editor: {folder}: the case has no segmentation. "
        f"Add {name}.nii.gz, or make one with seg-editor segment and pass it with --seg."
    )
    assert not (tmp_path / "out").exists()


def test_a_segmentation_may_come_from_elsewhere(run: Run, models: Path, tmp_path: Path) -> None:
    whole = make_case(tmp_path / "BraTS2021_90011")
    bare = make_case(tmp_path / "bare", case_id="BraTS2021_90011", segmentation=False)
    seg = whole / "BraTS2021_90011_seg.nii.gz"
    words = ("--slices", file_slice(whole), "--preset", "preview", "--json")
    one = run("remove", bare, "--out", tmp_path / "a", "--seg", seg, *words)
    two = run("remove", whole, "--out", tmp_path / "b", *words)
    assert one.document["hashes"]["request"] == two.document["hashes"]["request"]
    assert "segmentation" not in one.err
    seg.write_bytes(b"<html></html>")
    assert str(seg) in run("remove", bare, "--out", tmp_path / "c", "--seg", seg).line


def test_a_segmentation_of_another_grid_or_scheme(run: Run, models: Path, tmp_path: Path) -> None:
    bare = make_case(tmp_path / "BraTS2021_90012", segmentation=False)
    other = make_case(tmp_path / "BraTS2021_90013", shape=(24, 28, 18)) / "BraTS2021_90013_seg.nii.gz"
    line = run("remove", bare, "--out", tmp_path / "out", "--seg", other).line
    assert "the grid (24x28x18) is not the case's (24x28x20)" in line
    strange = write_nifti(tmp_path / "seg.nii.gz", np.full(SHAPE, 9, np.uint8), brats_affine(SHAPE))
    line = run("remove", bare, "--out", tmp_path / "out", "--seg", strange).line
    assert str(strange) in line
    assert "unknown label values: 9" in line


def test_a_case_without_tumor(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90014", tumor=False)
    line = run("remove", folder, "--out", tmp_path / "out").line
    assert "holds no tumor. Fill any region with seg-editor inpaint" in line

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from seg_editor import __version__, api, cli
from seg_editor.cases import Modality, open_case
from seg_editor.errors import CaseError, UsageError
from tests.cli.conftest import SHAPE, Run, file_slice, write_hole
from tests.tiny import brats_affine, make_case


def test_inpaint_fills_the_hole_and_nothing_else(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    hole = write_hole(tmp_path / "hole.nii.gz")
    answer = run("inpaint", case_folder, "--hole", hole, "--out", tmp_path / "out", "--preset", "preview", "--json")
    assert [row["index"] for row in answer.document["slices"]] == [9, 10, 11]
    source = np.asarray(nib.load(case_folder / "BraTS2021_90001_t1.nii.gz").dataobj)
    written = np.asarray(nib.load(tmp_path / "out" / "BraTS2021_90001_t1_synthetic.nii.gz").dataobj)
    inside = np.asarray(nib.load(hole).dataobj) > 0
    assert np.array_equal(source[~inside], written[~inside])
    assert (source[inside] != written[inside]).mean() > 0.5
    assert not list((tmp_path / "out").glob("*seg_edited*"))


def test_inpaint_needs_no_segmentation(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90016", segmentation=False)
    hole = write_hole(tmp_path / "hole.nii.gz")
    answer = run("inpaint", folder, "--hole", hole, "--out", tmp_path / "out", "--preset", "preview", "--json")
    assert answer.document["case_id"] == "BraTS2021_90016"
    assert "note: there is no segmentation" in answer.err


def test_holes_that_do_not_fit(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    def line_for(hole: Path) -> str:
        return run("inpaint", case_folder, "--hole", hole, "--out", tmp_path / "out").line

    other = write_hole(tmp_path / "a.nii.gz", (24, 28, 16))
    assert f"{other}: the grid (24x28x16) is not the case's (24x28x20)" in line_for(other)
    moved = brats_affine(SHAPE)
    moved[2, 3] = 5
    assert "lies elsewhere. Resample it onto the grid" in line_for(write_hole(tmp_path / "b.nii.gz", affine=moved))
    assert "holds no brain voxel" in line_for(write_hole(tmp_path / "c.nii.gz", value=0))
    halves = write_hole(tmp_path / "d.nii.gz", dtype=np.float32, value=0.5)
    assert str(halves) in line_for(halves)
    absent = tmp_path / "absent.nii.gz"
    assert str(absent) in line_for(absent)
    assert not (tmp_path / "out").exists()


# -- segment, verify, doctor, open, demo, bench


def test_segment(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run("segment", case_folder, "--out", out, "--json").document
    assert found["files"] == ["BraTS2021_90001_seg_auto.nii.gz", "BraTS2021_90001_tissue_auto.nii.gz"]
    assert set(found["ml"]) == {"csf", "gm", "wm", "tumor"}
    five = np.asarray(nib.load(out / found["files"][1]).dataobj)
    assert five.dtype == np.uint8
    assert five.max() <= 4
    seg = np.asarray(nib.load(out / found["files"][0]).dataobj)
    assert np.array_equal(seg > 0, five == 4)
    assert set(np.unique(seg)) <= {0, 2}
    assert run("segment", case_folder, "--out", out).out.splitlines()[-1] == str(out / found["files"][1])


def test_what_segment_writes_can_be_removed(run: Run, models: Path, tmp_path: Path) -> None:
    bare = make_case(tmp_path / "BraTS2021_90017", segmentation=False)
    case = open_case(bare)
    five = np.where(case.brain, 2, 0).astype(np.uint8)
    five[8:14, 8:14, 8:11] = 4
    written = api.write_segmentation(case, five, tmp_path / "auto")
    answer = run(
        "remove", bare, "--seg", written[0], "--out", tmp_path / "out", "--preset", "preview", "--json", "--margin", 0
    )
    assert len(answer.document["slices"]) == 3


def test_segment_needs_flair(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90018", modalities=(Modality.T1,))
    assert "the referee needs FLAIR" in run("segment", folder, "--out", tmp_path / "out").line
    assert not (tmp_path / "out").exists()


def test_verify(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    k = file_slice(case_folder)
    assert run("remove", case_folder, "--out", out, "--slices", k, "--seed", 7, "--preset", "preview").code == 0
    volume = out / "BraTS2021_90001_flair_synthetic.nii.gz"
    answer = run("verify", volume)
    assert answer.code == 0
    assert answer.out == f"{volume}: intact, made from BraTS2021_90001 by m5, seed 7, 1 step\n"
    mask = out / "BraTS2021_90001_seg_edited.nii.gz"
    said = "intact, the edited segmentation of BraTS2021_90001, written with a result of m5, seed 7, 1 step"
    assert run("verify", mask).out == f"{mask}: {said}\n"
    image = nib.load(volume)
    data = np.asarray(image.dataobj).copy()
    data[0, 0, 0] += 1
    nib.save(nib.Nifti1Image(data, image.affine, image.header), volume)
    assert "it or its provenance was altered after it was written. Export it again." in run("verify", volume).line
    absent = out / "absent.nii.gz"
    assert f"{absent}: there is no such file" in run("verify", absent).line
    next(out.glob("*_provenance.json")).unlink()
    assert "no provenance file beside it" in run("verify", volume).line


def test_doctor(run: Run, models: Path) -> None:
    report = run("doctor", "--json").document
    assert report["seg_editor"] == __version__
    assert {m["name"]: m["state"] for m in report["models"]} == {"m4": "ready", "m5": "ready"}
    assert report["can"]["remove and inpaint"] == "yes"
    text = run("doctor").out
    assert "model m5: A small model for tests, ready" in text
    (models / "m5" / "weights.safetensors").write_bytes(b"")
    report = run("doctor", "--json").document
    assert "damaged" in next(m for m in report["models"] if m["name"] == "m5")["state"]
    assert report["can"]["remove and inpaint"].startswith("no")
    (models / "m5" / "weights.safetensors").unlink()
    assert "unreadable" in run("doctor").out


def test_open_needs_a_display(run: Run, case_folder: Path) -> None:
    for words in ((), ("open",), (case_folder,), ("open", case_folder)):
        assert "there is no display to open a window on. Use seg-editor remove" in run(*words).line


def test_a_path_alone_opens_the_window(run: Run, case_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import seg_editor.ui.app

    opened: list[object] = []

    def fake(case: Path | None = None) -> int:
        opened.append(case)
        return 0

    monkeypatch.setattr(seg_editor.ui.app, "run", fake)
    monkeypatch.setenv("DISPLAY", ":0")
    assert run(case_folder).code == run().code == run("open").code == 0
    assert opened == [case_folder, None, None]


def test_demo_without_a_display_removes_the_tumor(
    run: Run, models: Path, case_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "resource_path", lambda *parts: case_folder)
    answer = run("demo", "--out", tmp_path / "out")
    assert answer.code == 0
    assert "There is no display" in answer.err
    assert str(tmp_path / "out" / "BraTS2021_90001_metrics.json") in answer.out.splitlines()


def test_bench_prints_flat_figures(run: Run, models: Path, case_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = pytest.importorskip("seg_editor.bench")

    def run_bench(case: Path, *, generations: int) -> dict[str, object]:
        return {"case_open_ms": 1.5, "case": str(case), "generations": generations}

    monkeypatch.setattr(bench, "run_bench", run_bench)
    expected = {"case_open_ms": 1.5, "case": str(case_folder), "generations": 3}
    assert run("bench", case_folder, "--json", "--generations", "3").document == expected


# -- the functions behind it


def test_options_refuse_a_negative_margin() -> None:
    with pytest.raises(UsageError):
        api.Options(margin=-1)


def test_api_progress_counts_every_pass(models: Path, case_folder: Path) -> None:
    told: list[tuple[int, int]] = []
    case = open_case(case_folder)
    k = file_slice(case_folder)
    options = api.Options(slices=(k,), steps=2)
    outcome = api.remove(case, options, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert outcome.card["name"] == "m5"
    assert outcome.card["weights_sha256"] == outcome.counterfactual.request.model_hash
    assert "config" in outcome.card


def test_inpaint_keeps_the_tumor_that_stays(models: Path, case_folder: Path, tmp_path: Path) -> None:
    case = open_case(case_folder)
    hole = write_hole(tmp_path / "hole.nii.gz")
    outcome = api.inpaint(case, hole, api.Options(margin=0, preset="preview"))
    assert outcome.labels is None
    assert outcome.counterfactual.request.tumor_hash
    assert outcome.counterfactual.request.margin == 0


def test_remove_says_what_is_missing(case_folder: Path) -> None:
    case = open_case(case_folder)
    case.labels = None
    with pytest.raises(CaseError, match="no segmentation"):
        api.remove(case)

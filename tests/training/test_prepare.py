from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from seg_editor.anatomy.margins import TUMOR_MARGIN
from seg_editor.cases import MODALITIES, Case, Modality, open_case
from seg_editor.errors import CaseError, UsageError
from tests.tiny import brats_affine, make_case, write_nifti
from tests.training.conftest import SPLITS
from training.cli import main
from training.prepare import pipeline, volumes
from training.prepare.pipeline import Splits, list_cases, patient_of, read_manifest
from training.prepare.volumes import PreparedCase, prepare_case


def run_prepare(cases: Path, out: Path, *more: str) -> int:
    return main(["prepare", "--tissue", "off", "--cases", str(cases), "--out", str(out), *more])


# -- the set


def test_the_manifest_names_every_case_with_its_hash(prepared: Path) -> None:
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert manifest["format"] == 1
    for case_id, entry in manifest["cases"].items():
        data = (prepared / "cases" / f"{case_id}.npz").read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    assert read_manifest(prepared, "train", verify=True) == SPLITS["train"]
    assert read_manifest(prepared, "val", verify=True) == SPLITS["val"]


def test_the_test_split_is_never_prepared(prepared: Path) -> None:
    assert not (prepared / "cases" / f"{SPLITS['test'][0]}.npz").exists()
    with pytest.raises(UsageError, match="no case in the test split"):
        read_manifest(prepared, "test")


def test_nothing_half_written_is_left(prepared: Path) -> None:
    assert not [p for p in prepared.rglob("*") if p.name.startswith(".")]


def test_validation_cases_without_benchmark_holes_get_some(prepared: Path) -> None:
    with np.load(prepared / "val_holes" / f"{SPLITS['val'][0]}.npz") as z:
        holes = z["holes"]
    case = PreparedCase.load(prepared / "cases" / f"{SPLITS['val'][0]}.npz")
    assert holes.shape == case.shape
    assert holes.dtype == np.uint8
    assert (holes > 0).sum() > 500
    assert not (holes[~case.brain] > 0).any()


def test_benchmark_holes_are_cropped_like_the_case(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "raw" / "BraTS2021_80009")
    shape = (24, 28, 20)
    holes = np.zeros(shape, np.uint8)
    holes[5:10, 8:14, 6:12] = 1
    holes[10:14, 15:20, 9:13] = 2
    write_nifti(folder / "BraTS2021_80009_holes.nii.gz", holes, brats_affine(shape))
    splits = Splits((), ("BraTS2021_80009",), ())
    assert pipeline.prepare(tmp_path / "raw", tmp_path / "out", splits) == []
    case = PreparedCase.load(tmp_path / "out" / "cases" / "BraTS2021_80009.npz")
    with np.load(tmp_path / "out" / "val_holes" / "BraTS2021_80009.npz") as z:
        found = z["holes"]
    canonical = open_case(folder).volumes[Modality.T1].source.canonical_view(holes)
    whole = np.zeros(shape, np.uint8)
    box = tuple(slice(o, o + n) for o, n in zip(case.origin, case.shape, strict=True))
    whole[box] = found
    assert np.array_equal(whole, canonical)


def test_done_cases_are_skipped(
    raw_cases: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(prepared, out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    missing = out / "cases" / f"{SPLITS['train'][1]}.npz"
    missing.unlink()
    done: list[str] = []
    original = volumes.prepare_opened

    def noted(case: Case, **options: object) -> PreparedCase:
        done.append(case.case_id)
        return original(case, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(volumes, "prepare_opened", noted)
    words = ("--splits", str(raw_cases / "splits.json"), "--shapes", str(raw_cases / "shapes.npz"))
    assert run_prepare(raw_cases, out, *words, "--shards", "0:1", "--per-shard", "6") == 0
    assert done == [SPLITS["train"][1]]
    again = PreparedCase.load(missing)
    wanted = PreparedCase.load(prepared / "cases" / missing.name)
    assert np.array_equal(again.volumes, wanted.volumes)
    renewed = (missing, out / "manifest.json", out / "done" / f"{SPLITS['train'][1]}.json")
    assert all(p.read_bytes() == data for p, data in before.items() if p not in renewed)


def test_a_bad_case_is_reported_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "raw"
    for i in (1, 2, 3):
        make_case(root / f"BraTS2021_8010{i}")
    bad = root / "BraTS2021_80102" / "BraTS2021_80102_t2.nii.gz"
    bad.write_bytes(bad.read_bytes()[:2000])
    splits = {"train": ["BraTS2021_80101", "BraTS2021_80102"], "val": ["BraTS2021_80103"], "test": []}
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    code = run_prepare(root, tmp_path / "out", "--splits", str(tmp_path / "splits.json"))
    assert code == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(bad) in lines[0]
    assert read_manifest(tmp_path / "out", "train", verify=True) == ["BraTS2021_80101"]
    assert read_manifest(tmp_path / "out", "val") == ["BraTS2021_80103"]


def test_a_bad_case_is_not_lost_without_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "raw"
    for i in range(4):
        make_case(root / f"BraTS2021_8020{i}")
        bad = root / f"BraTS2021_8020{i}" / f"BraTS2021_8020{i}_t1.nii.gz"
        bad.write_bytes(b"<html></html>")
    assert run_prepare(root, tmp_path / "out") == 3
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_the_bank_does_without_the_bad_case(
    raw_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = {**SPLITS, "train": [SPLITS["train"][0], "BraTS2021_80666"]}
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    words = ("--splits", str(tmp_path / "splits.json"), "--shapes", str(raw_cases / "shapes.npz"))
    code = run_prepare(raw_cases, tmp_path / "out", *words, "--shards", "0:1", "--per-shard", "1")
    assert code == 3
    assert "BraTS2021_80666" in capsys.readouterr().err
    assert (tmp_path / "out" / "holes" / "holes_0000.npz").exists()


# -- splits


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_a_split_is_missing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({k: v for k, v in SPLITS.items() if k != name}))
    with pytest.raises(UsageError, match=rf"holds no train, val and test lists \('{name}'\)"):
        Splits.read(path)


@pytest.mark.parametrize("text", ["", "[]", '{"train": 3, "val": [], "test": []}'])
def test_splits_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "splits.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="Give --splits a JSON"):
        Splits.read(path)
    with pytest.raises(UsageError):
        Splits.read(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("one", "two"),
    [("BraTS2021_00001", "BraTS2021_00001"), ("BraTS-GLI-00027-000", "BraTS-GLI-00027-001")],
)
def test_two_splits_share_a_patient(tmp_path: Path, one: str, two: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"train": [one], "val": [two], "test": []}))
    assert run_prepare(tmp_path, tmp_path / "out", "--splits", str(path)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert one in lines[0]
    assert "is in train and in val. Keep every patient in one split" in lines[0]
    assert not (tmp_path / "out").exists()


def test_two_visits_in_one_split_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    ids = ["BraTS-GLI-00027-000", "BraTS-GLI-00027-001"]
    path.write_text(json.dumps({"train": ids, "val": [], "test": []}))
    assert Splits.read(path).train == tuple(ids)


def test_patients() -> None:
    assert patient_of("BraTS-GLI-00027-001") == "BraTS-GLI-00027"
    assert patient_of("BraTS2021_00027") == "BraTS2021_00027"
    assert patient_of("BraTS19_2013_10_1") == "BraTS19_2013_10_1"


def test_seeded_splits_keep_patients_together() -> None:
    ids = [f"BraTS-GLI-{p:05d}-{v:03d}" for p in range(40) for v in range(1 + p % 3)]
    splits = Splits.seeded(ids, 7)
    assert splits == Splits.seeded(list(reversed(ids)), 7)
    assert splits != Splits.seeded(ids, 8)
    assert sorted((*splits.train, *splits.val, *splits.test)) == sorted(ids)
    groups = [{patient_of(i) for i in part} for part in (splits.train, splits.val, splits.test)]
    assert [len(g) for g in groups] == [32, 4, 4]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


@pytest.mark.parametrize(("count", "sizes"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (1, 1, 1)), (20, (16, 2, 2))])
def test_seeded_sizes(count: int, sizes: tuple[int, int, int]) -> None:
    splits = Splits.seeded([f"case{i}" for i in range(count)])
    assert (len(splits.train), len(splits.val), len(splits.test)) == sizes


# -- the manifest


@pytest.mark.parametrize("text", [None, "", "[]", '{"cases": []}', '{"cases": {"a": 3}}'])
def test_unreadable_manifests(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match="Run seg-train prepare first"):
        read_manifest(tmp_path, "train")


@pytest.mark.parametrize("command", [["train", "--model", "m5"], ["referee"]])
def test_training_refuses_a_set_that_does_not_match(
    prepared: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(prepared, data)
    shutil.copy(data / "cases" / f"{SPLITS['val'][0]}.npz", data / "cases" / f"{SPLITS['train'][0]}.npz")
    assert main([*command, "--data", str(data), "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "does not match the manifest. Delete it and run seg-train prepare again" in lines[0]
    assert not (tmp_path / "run").exists()


def test_training_needs_holes(prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("holes", "val_holes"):
        data = tmp_path / part
        shutil.copytree(prepared, data)
        shutil.rmtree(data / part)
        assert main(["train", "--model", "m5", "--data", str(data), "--out", str(tmp_path / "run")]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert str(data / part) in lines[0]
        assert "Run seg-train prepare with --shapes" in lines[0]


# -- bad input


def test_no_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_prepare(tmp_path / "absent", tmp_path / "out") == 2
    (tmp_path / "empty").mkdir()
    assert run_prepare(tmp_path / "empty", tmp_path / "out") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "holds no case folders" in lines[1]


@pytest.mark.parametrize("content", [None, b"", b"<html>"])
def test_bad_shapes(raw_cases: Path, prepared: Path, tmp_path: Path, content: bytes | None) -> None:
    shapes = tmp_path / "shapes.npz"
    if content is not None:
        shapes.write_bytes(content)
    with pytest.raises(CaseError, match="not a file of tumor shapes"):
        pipeline.make_bank(tmp_path, Splits((), (), ()), shapes, shards=range(1), per_shard=1, seed=0)


def test_bad_shards(raw_cases: Path, prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--splits", str(raw_cases / "splits.json"), "--shapes", str(raw_cases / "shapes.npz"), "--shards", "x")
    assert run_prepare(raw_cases, prepared, *words) == 2
    assert "--shards x is not from:to" in capsys.readouterr().err


def test_list_cases_takes_direct_subfolders(raw_cases: Path) -> None:
    assert list_cases(raw_cases) == sorted(i for ids in SPLITS.values() for i in ids)


# -- one case


def test_a_prepared_case_survives_its_file(raw_cases: Path, tmp_path: Path) -> None:
    tissue = np.zeros((48, 56, 40), np.uint8)
    tissue[10:20] = 2
    case = prepare_case(raw_cases / SPLITS["train"][0], tissue=tissue)
    case.save(tmp_path / "a.npz")
    again = PreparedCase.load(tmp_path / "a.npz")
    for name in ("volumes", "brain", "tumor", "labels", "tissue", "present"):
        one, two = getattr(case, name), getattr(again, name)
        assert one.dtype == two.dtype
        assert np.array_equal(one, two)
    assert (again.plane, again.origin, again.content_hash) == (case.plane, case.origin, case.content_hash)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_tumor_is_widened_and_kept_from_the_scale(raw_cases: Path) -> None:
    case = prepare_case(raw_cases / SPLITS["train"][0])
    inside = case.labels > 0
    assert (case.tumor & inside).sum() == inside.sum()
    assert case.tumor.sum() > 1.5 * inside.sum()
    assert TUMOR_MARGIN == 4
    healthy = case.brain & ~case.tumor
    for volume in case.volumes.astype(np.float32):
        assert abs(np.median(volume[healthy])) < 0.02
        assert not volume[~case.brain].any()


def test_missing_modalities_are_flagged(tmp_path: Path) -> None:
    case = prepare_case(make_case(tmp_path / "BraTS2021_80301", modalities=(Modality.T2,)))
    assert case.present.tolist() == [m is Modality.T2 for m in MODALITIES]
    assert not case.volumes[[0, 1, 3]].any()


def test_a_case_without_tumor(tmp_path: Path) -> None:
    case = prepare_case(make_case(tmp_path / "BraTS2021_80302", tumor=False))
    assert not case.tumor.any()
    assert not prepare_case(make_case(tmp_path / "BraTS2021_80303", segmentation=False)).tumor.any()


def test_a_case_without_brain(tmp_path: Path) -> None:
    folder = tmp_path / "BraTS2021_80304"
    folder.mkdir()
    write_nifti(folder / "BraTS2021_80304_t1.nii.gz", np.zeros((8, 8, 8), np.int16), brats_affine((8, 8, 8)))
    with pytest.raises(CaseError, match="no brain in the images"):
        prepare_case(folder)


def test_a_tissue_map_of_another_grid(raw_cases: Path) -> None:
    with pytest.raises(CaseError, match="tissue map does not fit"):
        prepare_case(raw_cases / SPLITS["train"][0], tissue=np.zeros((3, 3, 3), np.uint8))


@pytest.mark.parametrize("keep", [0, 100, 3000])
def test_a_damaged_prepared_case(prepared: Path, tmp_path: Path, keep: int) -> None:
    data = (prepared / "cases" / f"{SPLITS['train'][0]}.npz").read_bytes()
    path = tmp_path / "a.npz"
    path.write_bytes(data[:keep])
    with pytest.raises(CaseError, match="not a readable prepared case"):
        PreparedCase.load(path)
    with pytest.raises(CaseError, match="not a readable prepared case"):
        PreparedCase.load(tmp_path / "absent.npz")

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import Modality, open_case
from seg_editor.errors import UsageError
from tests.tiny import make_case
from training.cli import main
from training.models.slice_set import SliceSet
from training.prepare import pipeline
from training.prepare import slices as module
from training.prepare.manifest import load_manifest
from training.prepare.pictures import remove_pictures, write_pictures
from training.prepare.pipeline import Splits, prepare
from training.prepare.slices import CaseSlices, SliceSettings, fit, minmax_code, robust_code, robust_value
from training.prepare.volumes import widened_tumor

IDS = ("BraTS2021_81001", "BraTS2021_81002", "BraTS2021_81003")
SHAPE = (32, 36, 24)


def write_maps(cases: Path, folder: Path) -> Path:
    """Tissue maps of tiny cases: CSF, gray and white matter by T1 intensity."""
    folder.mkdir()
    for path in sorted(p for p in cases.iterdir() if p.is_dir()):
        case = open_case(path)
        t1 = case.volumes[Modality.T1].values()
        tissue = np.where(case.brain, np.digitize(t1, [210, 360]) + 1, 0).astype(np.uint8)
        np.savez_compressed(folder / f"{path.name}.npz", tissue=tissue)
    return folder


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("slices")
    for seed, case_id in enumerate(IDS):
        make_case(root / "cases" / case_id, shape=SHAPE, seed=seed)
    write_maps(root / "cases", root / "tissue")
    (root / "splits.json").write_text(json.dumps({"train": IDS[:1], "val": IDS[1:2], "test": IDS[2:]}))
    return root


@pytest.fixture(scope="module")
def prepared(raw: Path) -> Path:
    words = ["--cases", str(raw / "cases"), "--splits", str(raw / "splits.json"), "--tissue", str(raw / "tissue")]
    assert main(["prepare", *words, "--out", str(raw / "out"), "--png-layout", "--include-test"]) == 0
    return raw / "out"


def test_every_split_has_its_three_files(raw: Path, prepared: Path) -> None:
    for split, case_id in zip(("train", "val", "test"), IDS, strict=True):
        found = SliceSet.open(prepared, split)
        assert set(found.cases) == {case_id}
        assert found.images.shape == found.masks.shape == (len(found), 256, 256)
        assert isinstance(found.images, np.memmap)
        assert set(np.unique(found.masks)) == {0, 1, 2, 3, 4}
    figures = load_manifest(prepared)["splits"]["train"]
    train = SliceSet.open(prepared, "train")
    assert figures["slices"] == len(train)
    assert figures["tumor_share"] == pytest.approx(len(train.tumor_slices()) / len(train), abs=1e-3)
    assert figures["pixels"]["tumor"] == int((train.masks == 4).sum())


@pytest.mark.parametrize(("least", "told"), [(0.01, False), (1.01, True)])
def test_a_split_with_little_tumor_is_told(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: float, told: bool
) -> None:
    monkeypatch.setattr(pipeline, "MIN_TUMOR_SHARE", least)
    heard: list[str] = []
    splits = Splits.read(raw / "splits.json")
    assert prepare(raw / "cases", tmp_path, splits, tissue=raw / "tissue", say=heard.append) == []
    assert any("train: tumor is on too few slices" in line for line in heard) is told


def test_slices_are_the_case(raw: Path, prepared: Path) -> None:
    case = open_case(raw / "cases" / IDS[0])
    train = SliceSet.open(prepared, "train")
    assert train.numbers == tuple(z for z in range(SHAPE[2]) if case.brain[:, :, z].mean() >= 0.05)
    assert len(train) < SHAPE[2]
    x0, y0 = (256 - SHAPE[0]) // 2, (256 - SHAPE[1]) // 2
    box = (slice(x0, x0 + SHAPE[0]), slice(y0, y0 + SHAPE[1]))
    index = json.loads((prepared / "slices" / "train_index.json").read_text())
    values = case.volumes[Modality.FLAIR].values()
    assert case.tumor is not None
    healthy = case.brain & ~widened_tumor(case)
    scale = IntensityScale.of(values, healthy)
    for row, z in enumerate(train.numbers):
        assert np.array_equal(train.masks[row][box] == 4, case.tumor[:, :, z] & case.brain[:, :, z])
        assert (train.images[row][box] > 0).sum() == case.brain[:, :, z].sum()
        entry = index[row]
        assert (entry["case_id"], entry["slice"]) == (IDS[0], z)
        assert (entry["median"], entry["iqr"]) == (scale.median, scale.iqr)
        back = robust_value(train.images[row][box]) * entry["iqr"] + entry["median"]
        inside = healthy[:, :, z]
        assert np.abs(back - values[:, :, z])[inside].max() <= module.ROBUST_STEP / 2 * scale.iqr * 1.01


def test_the_robust_code_is_its_inverse() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(robust_code(robust_value(codes), codes > 0), codes)
    far: NDArray[np.float32] = np.array([-99, 99, 0], np.float32)
    assert robust_code(far, np.array([True, True, False])).tolist() == [1, 255, 0]


def test_the_paper_scales_each_slice_by_itself() -> None:
    values: NDArray[np.float32] = np.array([[0, 50], [100, 200]], np.float32)
    code, low, high = minmax_code(values)
    assert code.tolist() == [[0, 63], [127, 255]]
    assert (low, high) == (0, 200)
    assert not minmax_code(np.full((2, 2), 7.0))[0].any()


def test_fit_pads_cuts_or_resizes() -> None:
    compact, paper = SliceSettings(), SliceSettings("paper", "paper")
    small, large = np.full((240, 240), 9, np.uint8), np.full((300, 250), 9, np.uint8)
    assert (fit(small, compact) == 9).sum() == 240 * 240
    assert (fit(large, compact) == 9).sum() == 256 * 250
    assert (fit(small, paper) == 9).all()
    labels = np.zeros((240, 240), np.uint8)
    labels[100:, :] = 4
    assert set(np.unique(fit(labels, paper, nearest=True))) == {0, 4}
    with pytest.raises(UsageError, match="Choose one of compact, paper"):
        SliceSettings("tiny")


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_papers_folders(prepared: Path) -> None:
    train = SliceSet.open(prepared, "train")
    row = int(train.tumor_slices()[0])
    name = f"{IDS[0]}_{train.numbers[row]:03d}.png"
    folder = prepared / "png" / "train"
    assert np.array_equal(read(folder / "flair" / name), train.images[row][::-1, ::-1])
    mask = read(folder / "mask" / name)
    assert np.array_equal((mask == (255, 0, 0)).all(-1), (train.masks[row] == 4)[::-1, ::-1])
    assert set(np.unique(np.asarray(Image.fromarray(mask).convert("L")))) == {0, 29, 150, 226, 76}
    assert read(folder / "overlay" / name).shape == (256, 256, 3)
    assert len(list((folder / "mask").iterdir())) == len(train)


def test_another_layout_replaces_the_pictures(prepared: Path, tmp_path: Path) -> None:
    found = CaseSlices.load(prepared / "slices" / "cases" / f"{IDS[0]}.npz")
    z = found.index[0]["slice"]
    for layout, name in (("text", f"{IDS[0]}_{z:03d}.png"), ("code", f"{IDS[0]}_slice_{z:03d}.png")):
        remove_pictures(tmp_path, IDS[0])
        assert write_pictures(found, tmp_path / "train", layout) == len(found.index)
        names = [path.name for path in (tmp_path / "train" / "mask").iterdir()]
        assert len(names) == len(found.index)
        assert name in names


def test_cases_without_what_slices_need(tmp_path: Path) -> None:
    make_case(tmp_path / "cases" / "BraTS2021_81102", modalities=(Modality.T1, Modality.T2))
    maps = write_maps(tmp_path / "cases", tmp_path / "tissue")
    splits = Splits(("BraTS2021_81102",), (), ())
    assert prepare(tmp_path / "cases", tmp_path / "out", splits, tissue=maps) == []
    assert load_manifest(tmp_path / "out")["cases"]["BraTS2021_81102"]["no_slices"] == "no FLAIR"
    with pytest.raises(UsageError, match="Run seg-train prepare"):
        SliceSet.open(tmp_path / "out", "train")
    assert prepare(tmp_path / "cases", tmp_path / "bare", splits) == []
    assert load_manifest(tmp_path / "bare")["settings"]["tissue"] == "off"


def test_cases_without_tumor_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_case(tmp_path / "cases" / "BraTS2021_81101", segmentation=False)
    make_case(tmp_path / "cases" / "BraTS2021_81103", tumor=False)
    (tmp_path / "splits.json").write_text(
        json.dumps({"train": ["BraTS2021_81101", "BraTS2021_81103"], "val": [], "test": []})
    )
    words = ["--cases", str(tmp_path / "cases"), "--out", str(tmp_path / "out"), "--tissue", "off"]
    assert main(["prepare", *words, "--splits", str(tmp_path / "splits.json")]) == 3
    one, two = (line for line in capsys.readouterr().err.splitlines() if line.startswith("seg-train"))
    assert "BraTS2021_81101: there is no segmentation: tumor would pass for healthy tissue. Add its" in one
    assert "BraTS2021_81103: there is no tumor in the segmentation." in two


def test_a_missing_or_damaged_tissue_map_is_reported(tmp_path: Path) -> None:
    for k in (1, 2, 3):
        make_case(tmp_path / "cases" / f"BraTS2021_8120{k}")
    maps = write_maps(tmp_path / "cases", tmp_path / "tissue")
    (maps / "BraTS2021_81201.npz").unlink()
    (maps / "BraTS2021_81202.npz").write_bytes(b"PK nothing")
    splits = Splits(tuple(f"BraTS2021_8120{k}" for k in (1, 2, 3)), (), ())
    lines = prepare(tmp_path / "cases", tmp_path / "out", splits, tissue=maps)
    assert len(lines) == 2
    assert "there is no tissue map" in lines[0]
    assert "not a tissue map" in lines[1]
    with np.load(maps / "BraTS2021_81203.npz") as z:
        tissue = z["tissue"]
    np.savez(maps / "BraTS2021_81201.npz", tissue=np.where(tissue == 3, 2, tissue))
    np.savez(maps / "BraTS2021_81202.npz", tissue=tissue[1:])
    lines = prepare(tmp_path / "cases", tmp_path / "again", splits, tissue=maps)
    assert "the tissue map says 0 % white matter" in lines[0]
    assert "does not fit the case" in lines[1]
    assert [*load_manifest(tmp_path / "out")["cases"]] == ["BraTS2021_81203"]

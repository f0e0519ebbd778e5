"""The extra yardsticks: quick, realism, oracle, on tiny cases with an untrained M5."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seg_editor.cases import Modality
from seg_editor.errors import CaseError, UsageError
from tests.models import write_model
from tests.threads import one_thread  # noqa: F401
from tests.tiny import make_case, tiny_maps, write_nifti
from training.evaluate import oracle, quick, realism
from training.evaluate.filling import HoleCase, baseline_filler, case_folders, engine_filler, open_engine

IDS = ("BraTS2021_90001", "BraTS2021_90002")
SHAPE = (80, 84, 24)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("yardsticks")
    for seed, case_id in enumerate(IDS):
        folder = make_case(root / case_id, shape=SHAPE, seed=seed)
        holes = np.zeros(SHAPE, np.uint8)
        holes[14:34, 40:62, 8:16] = 1
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        affine[1, 3] = SHAPE[1] - 1
        write_nifti(folder / f"{case_id}_holes.nii.gz", holes * (tiny_maps(SHAPE)[0] > 0), affine)
    (root / "splits.json").write_text(json.dumps({"train": [], "val": list(IDS), "test": ["BraTS2021_90003"]}))
    write_model(root / "m5")
    return root


@pytest.fixture
def item(data: Path) -> HoleCase:
    return HoleCase.read(data / IDS[0], limit=4)


def test_cases_with_holes(data: Path, tmp_path: Path) -> None:
    assert [f.name for f in case_folders(data, None, "val")] == list(IDS)
    with pytest.raises(UsageError, match="no case of test"):
        case_folders(data, None, "test")
    with pytest.raises(CaseError, match="no benchmark holes"):
        HoleCase.read(make_case(tmp_path / IDS[0]))


def test_fillers_change_the_holes_of_their_slices_only(item: HoleCase, data: Path) -> None:
    engine = open_engine(str(data / "m5"))
    for fill in (baseline_filler("harmonic"), baseline_filler("donor"), engine_filler(engine, 2)):
        for m, values in fill(item, 0).items():
            changed = values != item.volumes[m]
            assert changed.any()
            assert not (changed & ~item.hole.mask).any()
    changed = engine_filler(engine, 1)(item, 0)[Modality.T1] != item.volumes[Modality.T1]
    assert set(np.flatnonzero(changed.any((0, 1)))) == set(item.slices)


def test_quick_prints_six_figures(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(data / "m5"), "--data", str(data), "--limit-slices", "3", "--steps", "2"]
    assert quick.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(quick.MUST) <= set(found["rows"])
    assert found["slices"] == 6
    for f in found["rows"].values():
        assert f["lo"] <= f["value"] <= f["hi"] or f["lo"] <= f["hi"]
    ratio = found["rows"]["mean MSE"]["value"] / found["rows"]["harmonic MSE"]["value"]
    assert found["rows"]["mean MSE / harmonic's"]["value"] == pytest.approx(ratio)


def test_quick_says_what_is_wrong(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quick.main(["m9", "--data", str(data)]) == 2
    assert capsys.readouterr().err.startswith("quick: there is no model m9")


# -- realism


def test_the_area_by_hand() -> None:
    assert realism.area_under_curve(np.array([0.0, 1]), np.array([2.0, 3])) == 1
    assert realism.area_under_curve(np.array([0.0, 1]), np.array([0.0, 1])) == 0.5
    assert realism.area_under_curve(np.array([0.0, 2]), np.array([1.0])) == 0.5


def test_patches_are_pairs(item: HoleCase) -> None:
    filled = {m: v + 5 * item.hole.mask for m, v in item.volumes.items()}
    made, real = realism.patches(item, filled, np.random.default_rng(0), per_slice=3)
    assert made.shape == real.shape == (3 * len(item.slices), 5, 32, 32)
    assert (made != real).any((1, 2, 3)).all()
    same, other = realism.patches(item, item.volumes, np.random.default_rng(0), per_slice=3)
    assert np.array_equal(same, other)
    assert np.array_equal(other, real)


def test_a_classifier_finds_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)

    def patient(blur: float) -> tuple[np.ndarray, np.ndarray]:
        real = rng.normal(0.5, 0.1, (24, 3, 32, 32)).astype(np.float32)
        fake = rng.normal(0.5, 0.1 * blur, (24, 3, 32, 32)).astype(np.float32)
        real[:, 2] = fake[:, 2] = np.arange(32) > 12
        return fake, real

    smooth = realism.realism_auc([patient(0.2) for _ in range(3)], steps=40)
    assert smooth["value"] > 0.95
    assert smooth["patches"] == 72
    alike = realism.realism_auc([patient(1.0) for _ in range(3)], steps=40)
    assert 0.25 < alike["value"] < 0.75
    with pytest.raises(UsageError, match="two patients"):
        realism.realism_auc([patient(1.0)])


# -- oracle


def test_a_painted_lesion_lies_in_its_hole(item: HoleCase) -> None:
    painted = oracle.paint(item)
    again = oracle.paint(item)
    for m, values in painted.items():
        assert np.array_equal(values, again[m])
        difference = np.abs(values - item.volumes[m])
        far = ~oracle.painted_case(item, painted).hole.mask
        assert difference[far].max() < 0.2 * difference[item.holes > 0].max()
    flair, t1c = (painted[m] - item.volumes[m] for m in (Modality.FLAIR, Modality.T1C))
    assert np.median(flair[item.holes > 0]) > 0
    assert t1c[item.holes > 0].max() > 0 > t1c[item.holes > 0].min()


def test_a_perfect_removal_has_no_error(item: HoleCase) -> None:
    painted = oracle.painted_case(item, oracle.paint(item))
    assert oracle.removal_error(item, painted, item.volumes) == {"hole": 0, "lesion": 0, "rim": 0}
    left = oracle.removal_error(item, painted, oracle.paint(item))
    assert left["lesion"] > left["rim"] > 0


def test_the_oracle_compares_methods(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "oracle.json"
    arguments = ["--data", str(data), "--limit-slices", "3", "--models", "", "--baselines", "ring-mean,harmonic"]
    assert oracle.main([*arguments, "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["patients"] == list(IDS)
    values = {name: f["mae_hole"]["value"] for name, f in found["mae"].items()}
    assert set(values) == {"left as it is", "ring-mean", "harmonic"}
    assert values["harmonic"] < values["left as it is"]

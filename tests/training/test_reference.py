"""The healthy reference, with a registration that moves nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seg_editor.cases import Case, Grid, open_case
from seg_editor.errors import CaseError
from tests.tiny import make_case
from training.cli import main
from training.evaluate import reference
from training.evaluate.methods import Mode, ReferenceMethod
from training.evaluate.reference import MEAN_FILE, prepare_reference, read_reference
from training.evaluate.subject import Subject

SHAPE = (40, 44, 20)
TRAIN = ("BraTS2021_90011", "BraTS2021_90012", "BraTS2021_90013")
TEST = "BraTS2021_90014"


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for seed, case_id in enumerate((*TRAIN, TEST)):
        make_case(tmp_path / "cases" / case_id, shape=SHAPE, seed=seed)
    grid = Grid(SHAPE, np.eye(4))

    def stay(_: Case, __: object, volumes: Mapping[str, NDArray[Any]], **___: object) -> dict[str, NDArray[np.float32]]:
        return {name: np.asarray(v, np.float32) for name, v in volumes.items()}

    monkeypatch.setattr(reference, "read_template", lambda folder: (np.zeros(SHAPE, np.float32), grid))
    monkeypatch.setattr(reference, "to_template", stay)
    monkeypatch.setattr(reference, "from_template", stay)
    return tmp_path / "cases"


def prepared(cases: Path) -> Path:
    out = cases.parent / "reference"
    made = list(prepare_reference([cases / i for i in TRAIN], [cases / TEST], cases, out))
    assert made == [*TRAIN, TEST]
    return out


def test_it_is_the_mean_of_healthy_tissue(cases: Path) -> None:
    out = prepared(cases)
    total, count = np.zeros(SHAPE), np.zeros(SHAPE)
    for case_id in TRAIN:
        subject = Subject.read(cases / case_id, limit=1)
        healthy = subject.case.brain & ~subject.widened
        total += np.where(healthy, subject.scale.normalize(subject.flair), 0)
        count += healthy
    with np.load(out / f"{TEST}.npz") as z:
        assert np.array_equal(z["covered"], count >= 2)
        np.testing.assert_allclose(z["flair"][count >= 2], (total / np.maximum(count, 1))[count >= 2], atol=1e-5)


def test_the_baseline_pastes_it_into_the_hole(cases: Path) -> None:
    out = prepared(cases)
    subject = Subject.read(cases / TEST, limit=4)
    method = ReferenceMethod(out)
    assert [a.mode for a in method.arms] == [Mode.COUNTERFACTUAL, Mode.HEALTHY_HOLE]
    made = method.make(subject, method.arms[0], 0)
    hole, source = (subject.planes(v, subject.slices) for v in (subject.tumor_hole.mask, subject.flair))
    wanted, covered = (subject.planes(v, subject.slices) for v in read_reference(out, subject))
    assert hole.any()
    assert np.array_equal(made[~hole], source[~hole])
    assert np.array_equal(made[hole & covered], wanted[hole & covered])
    assert np.isfinite(made).all()


def test_what_is_there_is_kept(cases: Path) -> None:
    out = prepared(cases)
    assert list(prepare_reference([cases / i for i in TRAIN], [cases / TEST], cases, out)) == []
    (out / f"{TEST}.npz").unlink()
    assert list(prepare_reference([cases / i for i in TRAIN], [cases / TEST], cases, out)) == [TEST]
    (out / MEAN_FILE).write_bytes(b"PK broken")
    assert list(prepare_reference([cases / i for i in TRAIN], [cases / TEST], cases, out)) == list(TRAIN)


def test_another_mean_makes_the_cases_references_again(cases: Path) -> None:
    out = prepared(cases)
    first = (out / f"{TEST}.npz").read_bytes()
    fewer = [cases / i for i in TRAIN[:2]]
    assert list(prepare_reference(fewer, [cases / TEST], cases, out)) == [*TRAIN[:2], TEST]
    assert (out / f"{TEST}.npz").read_bytes() != first
    (out / f"{TEST}.npz").write_bytes(first)
    with pytest.raises(CaseError, match="of other cases"):
        read_reference(out, Subject.read(cases / TEST, limit=1))


def test_no_case_is_its_own_reference(cases: Path) -> None:
    with pytest.raises(CaseError, match="cannot be its own reference"):
        list(prepare_reference([cases / i for i in TRAIN], [cases / TRAIN[0]], cases, cases.parent / "out"))


def test_a_missing_or_foreign_reference_is_one_line(cases: Path) -> None:
    out = prepared(cases)
    subject = Subject.read(cases / TEST, limit=1)
    np.savez(out / f"{TEST}.npz", flair=np.zeros((2, 2, 2), np.float32), covered=np.zeros((2, 2, 2), bool))
    with pytest.raises(CaseError, match="does not fit the case"):
        read_reference(out, subject)
    (out / f"{TEST}.npz").unlink()
    with pytest.raises(CaseError, match="Run seg-train reference"):
        read_reference(out, subject)


def test_the_command_writes_it(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cases / "splits.json").write_text(json.dumps({"train": list(TRAIN), "val": [], "test": [TEST]}))
    out = cases.parent / "there"
    assert main(["reference", "--cases", str(cases), "--atlas", str(cases), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert {p.name for p in out.iterdir()} == {MEAN_FILE, f"{TEST}.npz"}
    assert open_case(cases / TEST).grid.shape == SHAPE

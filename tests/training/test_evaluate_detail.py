from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seg_editor.errors import UsageError
from seg_editor.generation.detail import TERMS, DetailModel
from seg_editor.generation.networks import InpaintNet
from tests.models import SMALL_INPAINT
from tests.training.conftest import SPLITS
from training.evaluate import detail
from training.evaluate.detail import fit, read_detail

TRUE = np.array([[1.2, 0.3, -0.1, 0.05, 0.4], [0.9, 0.2, 0.1, 0.0, 0.3], [1.0, 0.0, 0.0, 0.5, 0.1], [0, 1, 0, 0, 0]])


def _seen(patients: int, noise: float = 0.0) -> list[tuple[str, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    seen = []
    for i in range(patients):
        for _ in range(12):
            terms = rng.standard_normal((4, len(TERMS)))
            terms[:, 0] = 1
            seen.append((f"p{i}", terms, (terms * TRUE).sum(1) + noise * rng.standard_normal(4)))
    return seen


def test_the_fit_finds_the_coefficients() -> None:
    model, about = fit(_seen(5))
    assert np.asarray(model.coefficients) == pytest.approx(TRUE, abs=0.02)
    assert (about["patients"], about["slices"]) == (5, 60)
    assert np.asarray(about["ratio"]) == pytest.approx(np.ones((4, 3)), abs=0.02)


def test_every_patient_weighs_the_same() -> None:
    seen = _seen(4)
    odd = [(name, terms, true + (3.0 if name == "p0" else 0.0)) for name, terms, true in seen]
    once, many = fit(odd)[0], fit(odd + [s for s in odd if s[0] == "p0"] * 9)[0]
    assert np.asarray(many.coefficients) == pytest.approx(np.asarray(once.coefficients), abs=0.05)


def test_an_absent_modality_is_left_out_of_its_fit() -> None:
    seen = [
        (name, terms, np.where([True, name != "p0", True, True], true, np.nan))
        for name, terms, true in _seen(3, noise=0.01)
    ]
    assert np.asarray(fit(seen)[0].coefficients) == pytest.approx(TRUE, abs=0.05)


def test_the_variance_is_right_on_average_not_its_logarithm() -> None:
    exact, noisy = _seen(8), _seen(8, noise=0.8)
    model, about = fit(noisy)
    expected = [(terms * np.asarray(model.coefficients)).sum(1) for _, terms, _ in noisy]
    ratio = np.exp([true for _, _, true in noisy]).mean(0) / np.exp(expected).mean(0)
    assert ratio == pytest.approx(np.ones(4), abs=0.25)
    assert about["smearing"] == pytest.approx([0.8**2 / 2] * 4, abs=0.15)
    assert fit(exact)[1]["smearing"] == pytest.approx([0] * 4, abs=0.01)


def test_one_patient_is_too_few() -> None:
    with pytest.raises(UsageError, match="two patients"):
        fit(_seen(1))
    with pytest.raises(UsageError, match="no hole"):
        fit([])
    absent = [(n, terms, np.where([True, n == "p0", True, True], true, np.nan)) for n, terms, true in _seen(3)]
    with pytest.raises(UsageError, match="each modality"):
        fit(absent)


def test_two_visits_are_one_patient() -> None:
    visits = [(f"BraTS-GLI-0000{name[1]}-00{i % 2}", t, y) for i, (name, t, y) in enumerate(_seen(3))]
    assert fit(visits)[1]["patients"] == 3


def test_a_file_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "detail.json"
    path.write_text(json.dumps({"detail": TRUE.tolist()}))
    assert read_detail(path) == DetailModel.of(TRUE)
    path.write_text('{"detail": [1, 2]}')
    with pytest.raises(UsageError, match="holds no detail"):
        read_detail(path)


def test_a_wrong_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detail.main([str(tmp_path / "none.safetensors"), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_observations_of_a_prepared_set(prepared: Path) -> None:
    torch.manual_seed(0)
    network = InpaintNet(SMALL_INPAINT).eval()
    seen = list(detail.observations(network, prepared, placements=1))
    assert {name for name, _, _ in seen} <= set(SPLITS["train"]) | set(SPLITS["val"])
    assert not {name for name, _, _ in seen} & set(SPLITS["test"])
    assert len(seen) > 2
    for _, terms, true in seen:
        assert terms.shape == (4, len(TERMS))
        assert np.isfinite(terms).all()
        assert true.shape == (4,)

"""The tissue map of a case: computed, tried again, and kept in the cache."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seg_editor.anatomy import cache, tissue
from seg_editor.anatomy.names import CSF, GM, WM
from seg_editor.anatomy.process import Arrays, Cancelled
from seg_editor.anatomy.tissue import tissue_map
from seg_editor.cases import Case, Layout, Modality, open_case
from seg_editor.errors import UsageError
from tests.anatomy.conftest import SHAPE, dice, truth_of
from tests.tiny import make_case


def _must_not_run(*_: object, **__: object) -> Arrays:
    raise AssertionError("the cache was not used")


def _fake(case: Case, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the computation by the truth; returns a list that grows with every run."""
    runs: list[int] = []

    def run(_: str, arrays: Arrays, *__: object, **___: object) -> Arrays:
        runs.append(1)
        return {
            "classes": arrays["mask"] * (1 + (arrays["image0"] > 600) + (arrays["image0"] > 850)),
            "image": arrays["image0"],
        }

    monkeypatch.setattr(tissue, "run_job", run)
    return runs


def test_tissue_map_of_a_phantom_and_its_cache(
    phantom_case: Case, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    seen: list[tuple[float, str]] = []
    made = tissue_map(phantom_case, cache_dir=folder, threads=1, progress=lambda f, t: seen.append((f, t)))
    truth, tumor = truth_of(phantom_case), phantom_case.tumor
    assert tumor is not None
    assert made.labels.dtype == np.uint8
    assert np.array_equal(made.labels > 0, phantom_case.brain)
    for k in (CSF, GM, WM):
        assert dice((made.labels == k) & ~tumor, (truth == k) & ~tumor) > 0.85
    assert made.source == "atropos"
    assert {made.agreement[k] for k in ("depth", "t1", "t2", "flair")} == {1.0}
    assert seen[-1][0] == 1.0
    assert all(0 <= f <= 1 for f, _ in seen)
    assert not list(temporary.iterdir())

    monkeypatch.setattr(tissue, "run_job", _must_not_run)
    again = tissue_map(phantom_case, cache_dir=folder)
    assert np.array_equal(again.labels, made.labels)
    assert again.agreement == made.agreement


def test_a_z_scored_case_of_two_modalities(tmp_path: Path) -> None:
    modalities = (Modality.FLAIR, Modality.T1C)
    case = open_case(make_case(tmp_path / "pat01", layout=Layout.BRATS2013, shape=SHAPE, modalities=modalities))
    made = tissue_map(case, cache_dir=tmp_path / "cache", threads=1)
    truth, tumor = truth_of(case), case.tumor
    assert tumor is not None
    for k in (CSF, GM, WM):
        assert dice((made.labels == k) & ~tumor, (truth == k) & ~tumor) > 0.8


def test_cancelling_the_map_leaves_no_file(phantom_case: Case, tmp_path: Path, temporary: Path) -> None:
    texts: list[str] = []
    with pytest.raises(Cancelled):
        tissue_map(
            phantom_case,
            cache_dir=tmp_path / "cache",
            progress=lambda _, t: texts.append(t),
            cancel=lambda: "Loading ANTs" in texts,
        )
    assert not (tmp_path / "cache").exists()
    assert not list(temporary.iterdir())


def test_an_unknown_method_is_refused(phantom_case: Case) -> None:
    with pytest.raises(UsageError, match="magic"):
        tissue_map(phantom_case, method="magic")


def test_fat_is_left_out_of_what_is_clustered() -> None:
    brain = np.ones((12, 12, 12), bool)
    t1 = np.random.default_rng(0).uniform(80, 110, brain.shape).astype(np.float32)
    fat = np.zeros_like(brain)
    fat[0, :5] = True
    t1[fat] = 240
    kept = [tissue._inputs([t1], brain, brain, limit)["mask"] > 0 for limit in (np.inf, 1.5)]
    assert kept[0].all()
    assert np.array_equal(kept[1], ~fat)


def test_what_contradicts_is_tried_again_without_fat(
    phantom_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _fake(phantom_case, monkeypatch)
    judge = tissue._judge

    def doubtful(*given: Any) -> Any:
        attempt = judge(*given)
        assert attempt is not None
        return dataclasses.replace(attempt, against=["depth"]) if len(runs) < 3 else attempt

    monkeypatch.setattr(tissue, "_judge", doubtful)
    tissue_map(phantom_case, cache_dir=tmp_path)
    assert len(runs) == 3


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_a_broken_cache_entry_is_made_anew(
    phantom_case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    damage: bytes,
) -> None:
    runs = _fake(phantom_case, monkeypatch)
    first = tissue_map(phantom_case, cache_dir=tmp_path)
    (entry,) = (tmp_path / "tissue").iterdir()
    entry.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        second = tissue_map(phantom_case, cache_dir=tmp_path)
    assert "discarded" in caplog.text
    assert len(runs) == 2
    assert np.array_equal(first.labels, second.labels)
    tissue_map(phantom_case, cache_dir=tmp_path)
    assert len(runs) == 2


def test_a_foreign_cache_entry_is_made_anew(
    phantom_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _fake(phantom_case, monkeypatch)
    tissue_map(phantom_case, cache_dir=tmp_path)
    (entry,) = (tmp_path / "tissue").iterdir()
    cache.store(entry, {"tissue": np.full((3, 3, 3), 9, np.uint8)})
    tissue_map(phantom_case, cache_dir=tmp_path)
    np.savez(entry, tissue=np.array([{"pickled": 1}], dtype=object))
    tissue_map(phantom_case, cache_dir=tmp_path)
    assert len(runs) == 3


def test_the_key_follows_image_and_segmentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variants: tuple[dict[str, Any], ...] = ({}, {"seed": 1}, {"tumor": False}, {})
    cases = [
        open_case(make_case(tmp_path / f"BraTS2021_9001{k}", shape=SHAPE, **options))
        for k, options in enumerate(variants)
    ]
    runs = _fake(cases[0], monkeypatch)
    for case in cases:
        tissue_map(case, cache_dir=tmp_path / "cache")
    assert len(runs) == 3


def test_a_known_map_is_found_without_work(phantom_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = _fake(phantom_case, monkeypatch)
    assert tissue.known_tissue_map(phantom_case, tmp_path) is None
    made = tissue_map(phantom_case, cache_dir=tmp_path)
    known = tissue.known_tissue_map(phantom_case, tmp_path)
    assert known is not None
    assert np.array_equal(known.labels, made.labels)
    assert len(runs) == 1
    assert tissue.known_tissue_map(phantom_case, tmp_path) is known


def test_a_cache_that_cannot_be_written_costs_only_the_entry(
    phantom_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _fake(phantom_case, monkeypatch)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert tissue_map(phantom_case, cache_dir=blocked).labels.any()
    assert "not written" in caplog.text


def test_a_failed_write_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    cache.store(tmp_path / "entry.npz", {"a": np.zeros(3)})
    assert not list(tmp_path.iterdir())

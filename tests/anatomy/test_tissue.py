"""Tissue maps: names by anatomy, the process that computes them, the cache, and the fill inside the tumor."""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
import tempfile
import time
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy import cache, tissue
from seg_editor.anatomy.atlas import dice_with_prior, prior_agreement
from seg_editor.anatomy.atropos import contrast
from seg_editor.anatomy.classes import evidence, name_classes
from seg_editor.anatomy.names import CSF, GM, TUMOR, WM
from seg_editor.anatomy.process import Arrays, Cancelled, Report, run_job
from seg_editor.anatomy.tissue import TissueMap, five_class, healthy_tissue, positive, tissue_map, without_white_rim
from seg_editor.cases import Case, Layout, Modality, open_case
from seg_editor.errors import ModelError, UsageError
from tests.tiny import make_case, tiny_maps

SHAPE = (40, 44, 36)
LEVELS = {
    Modality.T1: (0.0, 120.0, 300.0, 420.0),
    Modality.T1C: (0.0, 130.0, 310.0, 430.0),
    Modality.T2: (0.0, 700.0, 420.0, 300.0),
    Modality.FLAIR: (0.0, 110.0, 380.0, 320.0),
}
FLAIR_OF_AN_INFANT = (0.0, 110.0, 320.0, 380.0)


def sleep_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    report(0.1, 0.9, 1.0, "Sleeping")
    time.sleep(60)
    return arrays


def exit_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    os._exit(3)


def import_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    import no_such_module_of_ants  # type: ignore[import-not-found]  # noqa: F401

    return arrays


def echo_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    report(0.0, 1.0, 1.0, "Echo")
    print("native noise")
    return {"a": arrays["a"] + options["plus"], "threads": np.array(os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"])}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, so that a test can see that none is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def phantom() -> NDArray[np.uint8]:
    return tiny_maps(SHAPE)[0]


@pytest.fixture
def phantom_case(tmp_path: Path) -> Case:
    return open_case(make_case(tmp_path / "BraTS2021_90002", shape=SHAPE))


def truth_of(case: Case) -> NDArray[np.uint8]:
    """The phantom's tissue in the case's canonical order (files are LPS)."""
    return np.ascontiguousarray(tiny_maps(case.grid.shape)[0][::-1, ::-1])


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


# names


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize("modality", list(Modality))
def test_names_do_not_depend_on_the_numbers(
    phantom: NDArray[np.uint8], modality: Modality, order: tuple[int, int, int]
) -> None:
    image = np.array(LEVELS[modality])[phantom]
    shuffled = np.array((0, *order), np.uint8)[phantom]
    assert np.array_equal(name_classes(shuffled, image, modality, phantom > 0), phantom)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_flair_is_named_by_depth_when_white_is_brighter(
    phantom: NDArray[np.uint8], order: tuple[int, int, int]
) -> None:
    image = np.array(FLAIR_OF_AN_INFANT)[phantom]
    shuffled = np.array((0, *order), np.uint8)[phantom]
    assert np.array_equal(name_classes(shuffled, image, Modality.FLAIR, phantom > 0), phantom)


def test_a_missing_class_cannot_be_named(phantom: NDArray[np.uint8]) -> None:
    two = np.where(phantom == 3, 2, phantom).astype(np.uint8)
    with pytest.raises(ValueError, match="only 2 of 3"):
        name_classes(two, phantom.astype(np.float32), Modality.T1, phantom > 0)


def test_evidence_tells_a_permuted_map(phantom: NDArray[np.uint8]) -> None:
    images = {m: np.array(levels)[phantom] for m, levels in LEVELS.items()}
    brain = phantom > 0
    right = evidence(phantom, images, brain, brain)
    assert {right[k] for k in ("depth", "t1", "t1c", "t2", "flair")} == {1.0}
    for order in list(permutations((1, 2, 3)))[1:]:
        wrong = evidence(np.array((0, *order), np.uint8)[phantom], images, brain, brain)
        assert 0.0 in {wrong[k] for k in ("depth", "t1", "t2")}, order


def test_contrast_orders_tissue_and_cancels_shading(phantom: NDArray[np.uint8]) -> None:
    brain = phantom > 0
    shading = np.linspace(0.4, 1.6, SHAPE[1])[None, :, None]
    t1, t2 = (np.asarray(np.array(LEVELS[m])[phantom] * shading, np.float32) for m in (Modality.T1, Modality.T2))
    combined = contrast(t1, t2, brain)
    means = [float(combined[phantom == k].mean()) for k in (CSF, GM, WM)]
    assert means[0] < means[1] < means[2]
    assert max(float(combined[phantom == k].std()) for k in (CSF, GM, WM)) < 1
    assert combined[~brain].max() == 0


def test_positive_takes_negative_values() -> None:
    values = np.random.default_rng(0).normal(0, 1, (12, 12, 12))
    use = np.ones(values.shape, bool)
    use[0] = False
    image = positive(values, use)
    assert image.dtype == np.float32
    assert image[use].min() >= 1
    assert image[use].max() <= 1000
    assert not image[0].any()
    assert np.corrcoef(image[use], values[use])[0, 1] > 0.99


def test_no_white_matter_at_the_rim(phantom: NDArray[np.uint8]) -> None:
    brain = phantom > 0
    wrong = phantom.copy()
    wrong[:, :8] = np.where(brain[:, :8], WM, 0)
    right = without_white_rim(wrong, brain)
    rim = brain & ~ndi.binary_erosion(brain, iterations=2)
    assert not np.any(right[rim] == WM)
    assert np.array_equal(right[~rim], wrong[~rim])
    cut = np.full((12, 12, 12), WM, np.uint8)
    assert np.array_equal(without_white_rim(cut, cut > 0), cut)


# map and tumor


def test_five_class_pastes_the_tumor(phantom: NDArray[np.uint8]) -> None:
    tumor = np.zeros(SHAPE, bool)
    tumor[10:14, 10:14, 10:14] = True
    five = five_class(TissueMap(phantom, "atropos"), tumor)
    assert five.dtype == np.uint8
    assert np.array_equal(five == TUMOR, tumor)
    assert np.array_equal(five[~tumor], phantom[~tumor])
    copy = five_class(phantom, None)
    copy[:] = 0
    assert phantom.any()


def test_healthy_tissue_comes_from_the_other_side() -> None:
    shape = (41, 44, 36)
    truth = tiny_maps(shape)[0]
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    for side in (10, 30):
        truth[((x - side) ** 2 + (y - 22) ** 2 + (z - 18) ** 2) < 10] = CSF
    tumor = np.broadcast_to(((x - 30) ** 2 + (y - 22) ** 2 + (z - 18) ** 2) < 36, shape) & (truth > 0)
    with_tumor = truth.copy()
    with_tumor[tumor] = GM
    kept = with_tumor.copy()
    healed = healthy_tissue(with_tumor, tumor)
    assert np.array_equal(with_tumor, kept)
    assert np.array_equal(healed[~tumor], truth[~tumor])
    assert float((healed[tumor] == truth[tumor]).mean()) > 0.9
    assert dice(healed == CSF, truth == CSF) > 0.8


def test_healthy_tissue_takes_the_nearest_where_both_sides_are_ill(phantom: NDArray[np.uint8]) -> None:
    tumor = np.zeros(SHAPE, bool)
    tumor[:, 8:12, :] = phantom[:, 8:12, :] > 0
    healed = healthy_tissue(phantom, tumor)
    assert healed[phantom > 0].min() >= CSF
    assert not healed[phantom == 0].any()
    assert not healthy_tissue(np.zeros_like(phantom), tumor).any()


# process


def test_a_job_runs_apart_and_leaves_nothing(temporary: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a = np.arange(6, dtype=np.int16).reshape(2, 3)
    seen: list[tuple[float, str]] = []
    found = run_job(f"{__name__}:echo_job", {"a": a}, {"plus": 2}, progress=lambda f, t: seen.append((f, t)), threads=1)
    assert np.array_equal(found["a"], a + 2)
    assert str(found["threads"]) == "1"
    assert not list(temporary.iterdir())
    assert "noise" not in capfd.readouterr().out
    assert all(0 <= f <= 1 for f, _ in seen)


def test_cancel_ends_the_process_at_once(temporary: Path) -> None:
    texts: list[str] = []
    began = 0.0

    def cancel() -> bool:
        nonlocal began
        if "Sleeping" in texts and not began:
            began = time.monotonic()
        return began > 0

    with pytest.raises(Cancelled):
        run_job(f"{__name__}:sleep_job", {}, {}, progress=lambda _, t: texts.append(t), cancel=cancel)
    assert time.monotonic() - began < 3
    assert not list(temporary.iterdir())
    assert not [p for p in multiprocessing.active_children() if p.name == "seg-editor-tissue"]


def test_cancel_before_the_start_starts_nothing(temporary: Path) -> None:
    with pytest.raises(Cancelled):
        run_job(f"{__name__}:sleep_job", {}, {}, cancel=lambda: True)


def test_a_dead_process_is_one_line(temporary: Path) -> None:
    with pytest.raises(ModelError, match="exit code 3"):
        run_job(f"{__name__}:exit_job", {}, {})
    assert not list(temporary.iterdir())


def test_missing_antspyx_says_what_to_install(temporary: Path) -> None:
    with pytest.raises(ModelError, match="pip install antspyx"):
        run_job(f"{__name__}:import_job", {}, {})


# the whole way


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


def _must_not_run(*_: object, **__: object) -> Arrays:
    raise AssertionError("the cache was not used")


# cache


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


# atlas


def test_dice_with_prior_tells_permuted_names(phantom: NDArray[np.uint8]) -> None:
    right = dice_with_prior(phantom, phantom)
    assert right["CSF"] == right["Gray matter"] == right["White matter"] == 1.0
    assert right["permuted"] < 0.5
    assert right["CSF by another name"] == right["White matter by another name"] == 0.0
    permuted = dice_with_prior(np.array([0, 2, 3, 1], np.uint8)[phantom], phantom)
    assert permuted["permuted"] == permuted["CSF by another name"] == 1.0


@pytest.mark.realdata
@pytest.mark.slow
def test_names_agree_with_the_atlas(real_data: Path, tmp_path: Path) -> None:
    case = open_case(real_data / "brats" / "BraTS2021_00014")
    made = tissue_map(case, cache_dir=tmp_path, threads=1)
    found = prior_agreement(case, made, real_data / "atlas", threads=1)
    names = [found[k] for k in ("CSF", "Gray matter", "White matter")]
    assert min(names) > 0.3
    assert float(np.mean(names)) > found["permuted"] + 0.1

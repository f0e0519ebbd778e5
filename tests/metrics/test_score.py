from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seg_editor.cases import Case, Modality, open_case
from seg_editor.errors import UsageError
from seg_editor.generation.hole import Hole
from seg_editor.metrics import Metrics, display01, display_window, score
from tests.results import make_counterfactual


class Bright:
    """A referee that calls everything brighter than `level` tumor."""

    def __init__(self, level: float) -> None:
        self.level = level
        self.asked: list[tuple[int, ...]] = []

    def segment_slices(self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None = None) -> NDArray[np.uint8]:
        self.asked.append(tuple(indices))
        volume = case.volumes[Modality.FLAIR].raw if raw is None else raw
        planes = np.moveaxis(volume[:, :, list(indices)], 2, 0)
        return np.where(planes > self.level, 4, 3).astype(np.uint8)


def test_without_a_referee(tiny_case: Case) -> None:
    metrics = score(tiny_case, make_counterfactual(tiny_case))
    assert metrics.modality == "flair"
    assert metrics.overall["tumor_residual"] is None
    assert metrics.overall["tumor_residual_reason"] == "no referee model is loaded"
    assert metrics.overall["change_outside_max"] == 0.0
    assert [row.index for row in metrics.per_slice] == list(make_counterfactual(tiny_case).slices)
    assert all(row.seconds == 0.25 for row in metrics.per_slice)
    assert metrics.overall["seconds"] == 0.25 * len(metrics.per_slice)


def test_with_a_referee(tiny_case: Case) -> None:
    referee = Bright(500)
    result = make_counterfactual(tiny_case)
    overall = score(tiny_case, result, referee=referee).overall
    assert overall["tumor_residual"] == 0.0
    assert overall["tumor_residual_reason"] is None
    assert referee.asked == [result.slices]
    left = score(tiny_case, make_counterfactual(tiny_case, fills={Modality.FLAIR: 600.0}), referee=referee)
    assert left.overall["tumor_residual"] >= 1.0
    assert left.overall["tumor_residual_parts"]["inside"] == 1.0
    void = score(tiny_case, make_counterfactual(tiny_case, fills={Modality.FLAIR: 0.0}), referee=referee)
    assert void.overall["tumor_residual"] == 2.0
    paper = void.overall["tumor_residual_paper"]
    assert paper == pytest.approx(2.0, rel=1e-6)
    assert paper < 2.0


def test_tumor_outside_the_hole_was_to_stay(tiny_case: Case) -> None:
    assert tiny_case.tumor is not None
    part = tiny_case.tumor.copy()
    part[: int(np.argwhere(part)[:, 0].mean())] = False
    result = make_counterfactual(tiny_case, hole=Hole.from_mask(part, tiny_case.brain))
    overall = score(tiny_case, result, referee=Bright(500)).overall
    assert overall["tumor_residual"] == 0.0
    assert overall["tumor_residual_paper"] > 0.0
    none = np.zeros_like(part)
    assert score(tiny_case, result, referee=Bright(500), remaining=none).overall["tumor_residual"] > 0.0


def test_rows_agree_with_the_whole(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case, fills={Modality.FLAIR: 600.0})
    metrics = score(tiny_case, result, referee=Bright(500))
    rows = [row for row in metrics.per_slice if row.tumor_voxels]
    assert metrics.overall["tumor_slices"] == len(rows) < len(metrics.per_slice)
    pooled = sum((row.tumor_residual or 0.0) * row.tumor_voxels for row in rows) / sum(r.tumor_voxels for r in rows)
    assert metrics.overall["tumor_residual"] == pytest.approx(pooled)
    assert metrics.overall["diffmap_iou"] == pytest.approx(np.mean([row.diffmap_iou for row in rows]))
    for row in metrics.per_slice:
        assert (row.tumor_residual is None) == (row.diffmap_iou is None) == (row.tumor_voxels == 0)


def test_diffmap_by_hand(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    volume = tiny_case.volumes[Modality.FLAIR].raw
    window = display_window(volume)
    changed = np.abs(display01(volume, window) - display01(result.raw(tiny_case, Modality.FLAIR), window)) > 0.1
    tumor = result.hole.core
    expected = [
        (changed[..., k] & tumor[..., k]).sum() / (changed[..., k] | tumor[..., k]).sum()
        for k in result.slices
        if tumor[..., k].any()
    ]
    metrics = score(tiny_case, result)
    assert metrics.overall["diffmap_iou"] == pytest.approx(np.mean(expected))
    assert 0 < metrics.overall["diffmap_iou_full_hole"] <= 1


def test_one_slice_only(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    k = result.slices[2]
    whole = {row.index: row for row in score(tiny_case, result).per_slice}
    assert score(tiny_case, result, slices=[k]).per_slice == (whole[k],)
    with pytest.raises(UsageError, match="slice 0 was not generated"):
        score(tiny_case, result, slices=[0])


def test_modalities(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case, fills={Modality.T2: 300.0, Modality.T1: 400.0})
    metrics = score(tiny_case, result, referee=Bright(500))
    assert metrics.modality == "t2"
    assert metrics.overall["tumor_residual_reason"] == "the referee judges FLAIR, which was not generated"
    assert score(tiny_case, result, modality=Modality.T1).modality == "t1"
    with pytest.raises(UsageError, match="FLAIR was not generated"):
        score(tiny_case, result, modality=Modality.FLAIR)


def test_what_was_to_stay_is_named(tiny_case: Case) -> None:
    """Of the edited labels where they are given, else of the case's own; on each slice and of all."""
    result = make_counterfactual(tiny_case)
    assert tiny_case.labels is not None
    outside = (tiny_case.labels.raw > 0) & ~result.hole.mask
    counts = {k: int(np.count_nonzero(outside[:, :, k])) for k in result.slices}
    own = score(tiny_case, result)
    painted = score(tiny_case, result, remaining=np.where(outside, 2, 0))
    for metrics in (own, painted):
        assert [sum(row.kept.values()) for row in metrics.per_slice] == list(counts.values())
        assert sum(metrics.overall["kept"].values()) == sum(counts.values())
    assert set(painted.overall["kept"]) <= {"ED"}
    shifted = np.zeros(tiny_case.grid.shape, np.uint8)
    free = np.argwhere(tiny_case.brain[:, :, result.slices[0]] & ~result.hole.mask[:, :, result.slices[0]])[:3]
    shifted[(*free.T, result.slices[0])] = 1
    stays = score(tiny_case, result, remaining=shifted)
    assert stays.per_slice[0].kept == {"NCR": 3}
    assert stays.overall["kept"] == {"NCR": 3}
    assert score(tiny_case, result, remaining=np.zeros(tiny_case.grid.shape, np.uint8)).overall["kept"] == {}


def test_tumor_that_is_only_said_to_stay_counts_where_the_opened_labels_have_none(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    assert tiny_case.labels is not None
    k = result.slices[0]
    free = tiny_case.brain & ~result.hole.mask & (tiny_case.labels.raw == 0)
    added = np.zeros(tiny_case.grid.shape, np.bool_)
    added[(*np.argwhere(free[:, :, k])[:3].T, k)] = True
    said = score(tiny_case, result, remaining=added)
    assert said.overall["kept"] == {"tumor": 3}
    both = score(tiny_case, result, remaining=added | (tiny_case.labels.raw > 0)).overall["kept"]
    assert both == score(tiny_case, result).overall["kept"] | {"tumor": 3}


def test_it_is_plain_json(tiny_case: Case) -> None:
    metrics = score(tiny_case, make_counterfactual(tiny_case), referee=Bright(100))
    data = json.loads(metrics.to_json())
    assert data["overall"] == metrics.overall
    assert len(data["slices"]) == len(metrics.per_slice)
    assert Metrics.from_dict(data) == metrics


def test_files_of_older_versions_are_read(tiny_case: Case) -> None:
    metrics = score(tiny_case, make_counterfactual(tiny_case))
    data = metrics.to_dict()
    data["overall"]["diffmap_iou_ceiling"] = data["overall"].pop("diffmap_iou_full_hole")
    assert Metrics.from_dict(data).overall == metrics.overall
    with pytest.raises(UsageError, match="not metrics"):
        Metrics.from_dict({"slices": []})


@pytest.mark.realdata
def test_a_real_slice_is_scored_in_time(real_data: Path) -> None:
    folder = next(iter(sorted((real_data / "brats").glob("*"))), None)
    if folder is None:
        pytest.skip("no BraTS case here")
    case = open_case(folder)
    result = make_counterfactual(case, fills={Modality.FLAIR: 300.0})
    k = result.slices[len(result.slices) // 2]
    score(case, result, slices=[k])
    times = []
    for _ in range(5):
        start = time.thread_time()
        score(case, result, slices=[k])
        times.append(time.thread_time() - start)
    assert min(times) < 0.05

"""Results: packed without loss, within a budget, with the mask that each was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seg_editor.cases import Case, Modality
from seg_editor.editing import RemoveTumor, Scope
from seg_editor.errors import UsageError
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.session import Results, Workspace
from seg_editor.session.ensemble import Ensemble, figures_spread, spread_of
from seg_editor.session.measured import Remembering, Seen, measure
from seg_editor.session.results import Known, Packed, mask_of, restore_mask
from tests.results import make_counterfactual, make_request
from tests.ui.fake import FakeReferee


def seeded(case: Case, seed: int, value: float = 320.0, slices: tuple[int, ...] | None = None) -> Counterfactual:
    """A result of its own for each seed."""
    made = make_counterfactual(case, fills=dict.fromkeys(case.modalities, value), slices=slices)
    request = make_request(case, made.hole, seed=seed)
    return Counterfactual(request, made.hole, made.patches, made.seconds, "cpu", "torch-cpu")


def test_packing_loses_nothing(tiny_case: Case) -> None:
    result = seeded(tiny_case, 1)
    again = Packed.of(result).unpack()
    assert again.request == result.request
    assert again.hole == result.hole
    assert again.seconds == result.seconds
    for modality in result.modalities:
        assert np.array_equal(again.patches[modality], result.patches[modality])
        assert np.array_equal(again.raw(tiny_case, modality), result.raw(tiny_case, modality))


def test_results_are_never_lost(tiny_case: Case) -> None:
    results = Results()
    heard: list[int] = []
    results.changed.connect(lambda: heard.append(len(results)))
    a, b, again = seeded(tiny_case, 1), seeded(tiny_case, 2), seeded(tiny_case, 1)
    results.add(a)
    results.add(b)
    assert results.current is b
    assert [result.request.seed for result in results] == [1, 2]
    results.current = a
    assert results.find(b.request.key).request == b.request
    results.add(again)
    assert [result.request.seed for result in results] == [2, 1]
    results.remove(again)
    assert results.current.request == b.request
    results.current = None
    assert len(results) == 1
    assert heard == [1, 2, 2, 2, 1, 1]


def test_a_packed_result_is_small(tiny_case: Case) -> None:
    result = seeded(tiny_case, 1, slices=(10,))
    assert Packed.of(result).nbytes < result.hole.mask.nbytes + result.hole.core.nbytes


def test_the_oldest_go_first_and_stars_last(tiny_case: Case) -> None:
    one = Packed.of(seeded(tiny_case, 0)).nbytes
    results = Results(max_bytes=4 * one + 100)
    results.add(seeded(tiny_case, 0))
    results.star(results.entries[0].key, True)
    for seed in range(1, 8):
        results.add(seeded(tiny_case, seed))
    assert [entry.request.seed for entry in results.entries] == [0, 5, 6, 7]
    assert results.nbytes <= 4 * one + 100
    assert [entry.number for entry in results.entries] == [1, 6, 7, 8]


def test_the_newest_stays_whatever_the_budget(tiny_case: Case) -> None:
    results = Results(max_bytes=1)
    for seed in range(3):
        results.add(seeded(tiny_case, seed))
    assert results.current is not None
    assert results.current.request.seed == 2
    assert len(results) == 1


def test_the_same_request_replaces_and_keeps_its_star(tiny_case: Case) -> None:
    results = Results()
    results.add(seeded(tiny_case, 3))
    key = results.entries[0].key
    results.star(key, True)
    results.set_metrics(key, "figures")
    entry = results.add(seeded(tiny_case, 3))
    assert len(results) == 1
    assert (entry.number, entry.starred, entry.metrics) == (1, True, "figures")


def test_only_results_alike_in_model_steps_and_seed_go_by_their_number(tiny_case: Case) -> None:
    results = Results()
    first, other = seeded(tiny_case, 1), seeded(tiny_case, 2)
    again = seeded(tiny_case, 1, slices=first.slices[:1])
    for made in (first, other):
        results.add(made)
    assert [results.number_of(made.request.key) for made in (first, other, again)] == [0, 0, 0]
    results.add(again)
    assert [results.number_of(made.request.key) for made in (first, other, again)] == [1, 0, 3]
    results.remove(first)
    assert results.number_of(again.request.key) == 0


def test_an_ensemble_member_does_not_take_the_stage(tiny_case: Case) -> None:
    results = Results()
    first = seeded(tiny_case, 1)
    results.add(first)
    results.add(seeded(tiny_case, 2), show=False)
    assert results.current is first
    assert len(results) == 2
    results.remove(first)
    assert results.current is not None
    assert results.current.request.seed == 2


def test_known_results_outlive_the_list(tiny_case: Case) -> None:
    results = Results()
    result = seeded(tiny_case, 1)
    results.add(result)
    known = Known(results)
    results.remove(result)
    assert list(known) == [result.request.key]
    assert known[result.request.key].hole == result.hole


def test_a_mask_comes_back_as_one_step(workspace: Workspace) -> None:
    segmentation = workspace.segmentation
    opened = segmentation.labels.copy()
    workspace.apply(RemoveTumor())
    removed = segmentation.labels.copy()
    mask = mask_of(workspace.case, segmentation.labels, segmentation.original, "removed")
    workspace.undo()
    steps = len(workspace.history)
    change = restore_mask(segmentation, workspace.case, mask, "Mask of picture 1")
    assert change is not None
    assert np.array_equal(segmentation.labels, removed)
    assert (len(workspace.history), workspace.history.undo_name) == (steps + 1, "Mask of picture 1")
    assert restore_mask(segmentation, workspace.case, mask, "again") is None
    workspace.undo()
    assert np.array_equal(segmentation.labels, opened)


def test_the_reference_tumor_comes_back_too(workspace: Workspace) -> None:
    segmentation = workspace.segmentation
    original = segmentation.original.copy()
    original[:2] = 0
    segmentation.set_original(original)
    mask = mask_of(workspace.case, segmentation.labels, segmentation.original)
    segmentation.set_original(segmentation.labels)
    workspace.apply(RemoveTumor(Scope.WHOLE))
    restore_mask(segmentation, workspace.case, mask, "Mask of picture 1")
    assert np.array_equal(segmentation.original, original)


def test_spread() -> None:
    found = spread_of([1.0, None, 3.0])
    assert found is not None
    assert (found.n, found.mean, found.low, found.high) == (2, 2.0, 1.0, 3.0)
    assert found.sd == pytest.approx(np.sqrt(2.0))
    assert spread_of([None]) is None
    single = spread_of([2.0, None])
    assert single is not None
    assert single.sd is None


def test_mean_and_sd_over_seeds(tiny_case: Case) -> None:
    results = [seeded(tiny_case, seed, value) for seed, value in enumerate((300.0, 310.0, 320.0))]
    ensemble = Ensemble(results)
    k, hole = results[0].slices[1], results[0].hole.mask
    mean = ensemble.mean(tiny_case, Modality.FLAIR, k)
    sd = ensemble.sd(tiny_case, Modality.FLAIR, k)
    assert np.allclose(mean[hole[:, :, k]], 310.0)
    assert np.allclose(sd[hole[:, :, k]], 10.0)
    source = tiny_case.volumes[Modality.FLAIR].raw[:, :, k]
    assert np.array_equal(mean[~hole[:, :, k]], source[~hole[:, :, k]])
    assert not sd[~hole[:, :, k]].any()
    assert ensemble.mean(tiny_case, Modality.FLAIR, 12, axis=0).shape == tiny_case.grid.shape[1:]
    assert ensemble.seeds == (0, 1, 2)


def test_an_ensemble_is_of_one_hole(tiny_case: Case) -> None:
    with pytest.raises(UsageError, match="needs results"):
        Ensemble([])
    with pytest.raises(UsageError, match="different holes"):
        Ensemble([seeded(tiny_case, 0), seeded(tiny_case, 1, slices=(10,))])


def test_an_ensemble_stands_for_its_own_mask_and_slices_only(tiny_case: Case) -> None:
    one, whole = seeded(tiny_case, 3, slices=(10,)), seeded(tiny_case, 4)
    whole = replace(whole, request=replace(whole.request, hole_hash=one.request.hole_hash))
    ensemble = Ensemble([seeded(tiny_case, seed, slices=(10,)) for seed in range(2)])
    assert ensemble.slices == (10,)
    assert ensemble.stands_for(one, 10)
    assert ensemble.stands_for(one, 12, axis=0)
    assert ensemble.stands_for(whole, 10)
    assert not ensemble.stands_for(whole, 11)
    assert not ensemble.stands_for(whole, 12, axis=0)
    assert not ensemble.stands_for(None, 10)
    for change in ({"hole_hash": "b" * 64}, {"model": "m2"}, {"steps": 9}, {"tumor_hash": "c" * 64}):
        assert not ensemble.stands_for(replace(one, request=replace(one.request, **change)), 10)


def test_measured_holds_what_the_referee_saw(tiny_case: Case) -> None:
    result = seeded(tiny_case, 0)
    measured = measure(tiny_case, result, referee=FakeReferee(500.0))
    k = next(row.index for row in measured.metrics.per_slice if row.tumor_voxels)
    assert measured.source is not None
    assert measured.result is not None
    flair = tiny_case.volumes[Modality.FLAIR].raw[:, :, k]
    assert np.array_equal(measured.source.slice(k), (flair > 500) & tiny_case.brain[:, :, k])
    assert not measured.result.slice(k).any()
    assert measured.floors[k] == 0.0
    assert measured.source.slice(0) is None
    assert "tumor_residual" in figures_spread([measured.metrics])


def test_one_slice_first(tiny_case: Case) -> None:
    result = seeded(tiny_case, 0)
    measured = measure(tiny_case, result, slices=(result.slices[2],))
    assert [row.index for row in measured.metrics.per_slice] == [result.slices[2]]
    assert not measured.complete
    assert measured.source is None


def test_seen_is_bits() -> None:
    classes = np.zeros((1, 10, 12), np.uint8)
    classes[0, 3:5, 2:9] = 4
    seen = Seen.of((7,), classes)
    assert np.array_equal(seen.slice(7), classes[0] == 4)
    assert seen.nbytes == 15


def test_a_mask_that_changes_a_locked_label_is_refused(workspace: Workspace) -> None:
    segmentation = workspace.segmentation
    mask = mask_of(workspace.case, segmentation.labels, segmentation.original)
    workspace.apply(RemoveTumor())
    removed = segmentation.labels.copy()
    with pytest.raises(UsageError, match="locked"):
        restore_mask(segmentation, workspace.case, mask, "Mask of picture 1", frozenset({2}))
    assert np.array_equal(segmentation.labels, removed)


def test_the_source_is_looked_at_once(tiny_case: Case) -> None:
    asked: list[tuple[int, ...]] = []

    class Counting(FakeReferee):
        def segment_slices(self, case: Any, indices: Sequence[int], raw: np.ndarray | None = None) -> np.ndarray:
            if raw is None:
                asked.append(tuple(indices))
            return super().segment_slices(case, indices, raw)

    referee, first = Remembering(Counting(400.0)), seeded(tiny_case, 1)
    one = measure(tiny_case, first, referee=referee, slices=(10,))
    both = [measure(tiny_case, seeded(tiny_case, seed), referee=referee) for seed in (1, 2)]
    assert sorted(k for indices in asked for k in indices) == sorted(first.slices)
    plain = measure(tiny_case, first, referee=FakeReferee(400.0))
    assert both[0].floors == plain.floors
    assert one.floors[10] == plain.floors[10]


def test_seen_in_every_plane(tiny_case: Case) -> None:
    """A coronal or sagittal slice puts the axial slices together that the referee looked at."""
    shape = tiny_case.grid.shape
    rng = np.random.default_rng(3)
    classes = np.where(rng.random((3, *shape[:2])) > 0.5, 4, 0).astype(np.uint8)
    seen = Seen.of((4, 9, 15), classes)
    volume = np.zeros(shape, np.bool_)
    volume[:, :, [4, 9, 15]] = np.moveaxis(classes == 4, 0, 2)
    for axis in (0, 1):
        for index in (0, 7, shape[axis] - 1):
            assert np.array_equal(seen.across(axis, index, shape[2]), volume.take(index, axis=axis))
    assert Seen(seen.shape, {}).across(0, 1, shape[2]) is None

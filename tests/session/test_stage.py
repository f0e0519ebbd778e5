"""Who is on stage: stale or fresh, recalled or new, never in place of a better picture."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from seg_editor.editing import RemoveTumor, Scope
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.session import Workspace
from seg_editor.session.recall import Place
from seg_editor.session.results import mask_of
from seg_editor.session.stage import Stage
from tests.session.steps import dab
from tests.session.test_results import seeded

Z = 10


@pytest.fixture
def stage(workspace: Workspace) -> Stage:
    """A stage after the tumor was removed, looking at slice 10."""
    workspace.apply(RemoveTumor(Scope.WHOLE))
    look_at(workspace, Z)
    return Stage(workspace)


def look_at(workspace: Workspace, z: int) -> None:
    x, y, _ = workspace.view.cursor
    workspace.view.cursor = (x, y, z)


def place_of(stage: Stage, seed: int, slices: str | tuple[int, ...] = (Z,)) -> Place:
    return Place(stage.token, "m5", "auto", "standard", None, seed, slices)


def arrive(
    workspace: Workspace, stage: Stage, seed: int, slices: tuple[int, ...] = (Z,), *, place: Place | None = None
) -> Counterfactual:
    """A run for the present mask, or for the mask of a place, comes back."""
    made = seeded(workspace.case, seed, 300.0 + seed, slices)
    segmentation = workspace.segmentation
    hole = hashlib.sha256(segmentation.labels.tobytes() if place is None else b"an earlier mask").hexdigest()
    made = replace(made, request=replace(made.request, hole_hash=hole))
    asked = place or place_of(stage, seed, slices)
    mask = mask_of(workspace.case, segmentation.labels, segmentation.original, asked.token)
    stage.receive(made, mask, asked, wanted=True)
    return made


def shown(stage: Stage) -> int | None:
    return None if stage.shown is None else stage.shown.request.seed


def test_a_picture_is_fresh_until_the_mask_changes_and_after_undo(workspace: Workspace, stage: Stage) -> None:
    arrive(workspace, stage, 1)
    assert shown(stage) == 1
    assert not stage.stale
    workspace.apply(dab(8))
    assert stage.stale
    workspace.undo()
    assert not stage.stale


def test_every_picture_is_outdated_by_its_own_mask(workspace: Workspace, stage: Stage) -> None:
    first = arrive(workspace, stage, 1).request.key
    workspace.apply(dab(8))
    second = arrive(workspace, stage, 2).request.key
    assert (stage.outdated(first), stage.outdated(second)) == (True, False)
    workspace.undo()
    assert (stage.outdated(first), stage.outdated(second)) == (False, True)
    assert stage.outdated("nothing of this name")


def test_nothing_is_stale_without_a_picture(workspace: Workspace, stage: Stage) -> None:
    assert not stage.stale
    assert stage.measured() is None
    assert stage.removed
    assert stage.removed_count > 1
    workspace.undo()
    assert not stage.removed


def test_recall_prefers_what_is_shown_and_needs_the_slice(workspace: Workspace, stage: Stage) -> None:
    arrive(workspace, stage, 1)
    arrive(workspace, stage, 2)
    assert stage.recall(place_of(stage, 1), Z, open_seed=False)
    assert shown(stage) == 1
    assert not stage.recall(place_of(stage, 1), Z + 1, open_seed=False)
    assert not stage.recall(place_of(stage, 3), Z, open_seed=False)
    assert stage.recall(place_of(stage, 3), Z, open_seed=True)
    assert shown(stage) == 2


def test_an_earlier_mask_does_not_take_a_fresh_stage(workspace: Workspace, stage: Stage) -> None:
    asked = place_of(stage, 2)
    workspace.apply(dab(8))
    arrive(workspace, stage, 1)
    arrive(workspace, stage, 2, place=asked)
    assert shown(stage) == 1
    assert len(workspace.results) == 2


def test_another_slice_does_not_take_the_stage_of_this_one(workspace: Workspace, stage: Stage) -> None:
    arrive(workspace, stage, 1)
    arrive(workspace, stage, 2, (Z + 1,))
    assert shown(stage) == 1
    look_at(workspace, Z + 1)
    arrive(workspace, stage, 3, (Z + 1,))
    assert shown(stage) == 3


def test_after_everything_was_put_back_no_run_takes_the_stage(workspace: Workspace, stage: Stage) -> None:
    asked = place_of(stage, 1)
    workspace.undo()
    arrive(workspace, stage, 1, place=asked)
    assert stage.shown is None


def test_an_unwanted_result_is_kept_behind_the_stage(workspace: Workspace, stage: Stage) -> None:
    made = seeded(workspace.case, 5, slices=(Z,))
    stage.receive(made, None, place_of(stage, 5), wanted=False)
    assert stage.shown is None
    assert made.request.key in workspace.results


def test_restoring_what_was_dropped_does_nothing(workspace: Workspace, stage: Stage) -> None:
    made = arrive(workspace, stage, 1)
    entry = workspace.results.entry(made.request.key)
    assert entry is not None
    workspace.results.remove(made)
    revision = workspace.segmentation.revision
    assert not stage.restore(entry)
    assert workspace.segmentation.revision == revision


def test_the_same_request_from_another_state_is_the_same_picture(workspace: Workspace, stage: Stage) -> None:
    arrive(workspace, stage, 1)
    workspace.apply(dab(8))
    workspace.apply(RemoveTumor(Scope.WHOLE))
    assert stage.stale
    arrive(workspace, stage, 1)
    assert not stage.stale
    assert len(workspace.results) == 1


def test_another_seed_of_the_same_hole_makes_no_picture_of_it_old(workspace: Workspace, stage: Stage) -> None:
    """The tumor was brought back and removed again in between: the states differ, the holes do not."""
    first = arrive(workspace, stage, 1)
    workspace.undo()
    workspace.apply(RemoveTumor(Scope.WHOLE))
    assert stage.outdated(first.request.key)
    arrive(workspace, stage, 2)
    assert not stage.outdated(first.request.key)
    workspace.apply(dab(8))
    arrive(workspace, stage, 3)
    assert stage.outdated(first.request.key)

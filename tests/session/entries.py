"""Results in a history, made without a model, and how alike two are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seg_editor.cases import Case
from seg_editor.session import Workspace
from seg_editor.session.measured import Measured, measure
from seg_editor.session.recall import Place
from seg_editor.session.results import Entry, mask_of
from tests.session.test_results import seeded
from tests.ui.fake import FakeReferee

PLACE = Place(1, "m5", "auto", "standard", None, 7, (5,), "edited")


def make(workspace: Workspace, seed: int, *, slices: tuple[int, ...] | None = None) -> Entry:
    """A result for the present mask, measured."""
    case, segmentation = workspace.case, workspace.segmentation
    result = seeded(case, seed, 300.0 + seed, slices)
    mask = mask_of(case, segmentation.labels, segmentation.original, segmentation.revision)
    entry = workspace.results.add(result, mask, place=PLACE._replace(token=mask.token, seed=seed))
    workspace.results.set_metrics(entry.key, measure(case, result, referee=FakeReferee(400.0)))
    return entry


def files(journals: Path, suffix: str = ".npz") -> list[Path]:
    return sorted((journals / "pictures").glob(f"*/*{suffix}"))


def alike(one: Entry, other: Entry, case: Case) -> None:
    """Same pixels, mask, figures, star, settings."""
    assert one.request == other.request
    assert one.starred == other.starred
    first, second = one.packed.unpack(), other.packed.unpack()
    assert first.hole == second.hole
    assert (first.seconds, first.device, first.finished) == (second.seconds, second.device, second.finished)
    for modality in case.modalities:
        assert np.array_equal(first.raw(case, modality), second.raw(case, modality))
        assert first.patches[modality].dtype == second.patches[modality].dtype
    assert one.mask is not None
    assert other.mask is not None
    assert one.mask.equals(other.mask)
    assert isinstance(one.metrics, Measured)
    assert isinstance(other.metrics, Measured)
    assert one.metrics.metrics == other.metrics.metrics
    assert (one.metrics.floors, one.metrics.full) == (other.metrics.floors, other.metrics.full)
    assert one.metrics.source is not None
    assert other.metrics.source is not None
    for k in one.request.slices:
        assert np.array_equal(one.metrics.source.slice(k), other.metrics.source.slice(k))  # type: ignore[arg-type]
    assert one.place is not None
    assert other.place is not None
    assert one.place[1:] == other.place[1:]

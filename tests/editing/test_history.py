from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import SCHEME_124
from seg_editor.editing import Brush, Delta, History, PaintStroke, RemoveTumor, ReplaceAll, Segmentation
from seg_editor.errors import UsageError


def dab(x: float, value: int = 1) -> PaintStroke:
    return PaintStroke(((x, 3.0, 3.0),), Brush("round", 0.5), 2, value)


def test_names_and_redo_branch(segmentation: Segmentation) -> None:
    history = History(segmentation)
    assert (history.undo_name, history.redo_name, history.can_undo) == ("", "", False)
    assert history.undo() is None
    assert history.redo() is None
    history.push(segmentation.apply(RemoveTumor()))
    history.push(segmentation.apply(dab(1)))
    assert history.names == ("Remove tumor", "Paint")
    history.undo()
    assert (history.undo_name, history.redo_name) == ("Remove tumor", "Paint")
    history.push(segmentation.apply(dab(2, value=2)))
    assert not history.can_redo
    assert len(history) == 2


def test_no_op_and_double_push_are_ignored(segmentation: Segmentation) -> None:
    history = History(segmentation)
    history.push(None)
    change = segmentation.apply(dab(1))
    history.push(change)
    history.push(change)
    assert len(history) == 1


def test_a_step_of_another_state_is_refused(segmentation: Segmentation) -> None:
    history = History(segmentation)
    first = segmentation.apply(dab(1))
    history.push(segmentation.apply(dab(2)))
    with pytest.raises(UsageError, match="not the step just made"):
        history.push(first)


def test_byte_budget_drops_the_oldest_but_never_the_newest(empty: Segmentation) -> None:
    history = History(empty, max_bytes=2000)
    for x in range(20):
        history.push(empty.apply(dab(x)))
    assert 1 <= len(history) < 20
    assert history.nbytes <= 2000
    while history.undo():
        pass
    assert empty.labels.any()
    tight = History(empty, max_bytes=1)
    tight.push(empty.apply(RemoveTumor()))
    assert len(tight) == 1


def test_bytes_are_kept_right(empty: Segmentation) -> None:
    history = History(empty)
    for x in range(6):
        history.push(empty.apply(dab(x)))
    for _ in range(3):
        history.undo()
    history.push(empty.apply(dab(9, value=2)))
    assert history.nbytes == sum(change.nbytes for change in history._done)
    history.clear()
    assert (history.nbytes, len(history)) == (0, 0)


def test_hundreds_of_steps_fit_on_a_real_grid() -> None:
    """200 removals of a 150 ml tumor and 800 strokes stay within the default budget."""
    shape = (240, 240, 155)
    x, y, z = np.ogrid[:240, :240, :155]
    inside = (x - 120) ** 2 + (y - 110) ** 2 + (z - 80) ** 2 < 33**2
    rng = np.random.default_rng(0)
    labels = np.where(inside, rng.choice([1, 2, 4], shape), 0).astype(np.uint8)
    segmentation = Segmentation(labels, SCHEME_124)
    history = History(segmentation)
    change = segmentation.apply(RemoveTumor())
    assert change is not None
    stroke = segmentation.apply(PaintStroke(((60.0, 60.0, 70.0), (200.0, 180.0, 70.0)), Brush("round", 20), 2, 2))
    assert stroke is not None
    assert 200 * change.nbytes + 800 * stroke.nbytes < history._max_bytes


def test_delta_packs_and_unpacks() -> None:
    rng = np.random.default_rng(1)
    for shape in ((1, 1, 1), (3, 5, 7), (80, 90, 30)):
        mask = rng.random(shape) < 0.3
        mask[0, 0, 0] = True
        box = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
        delta = Delta.make(box, mask, np.full(np.count_nonzero(mask), 2, dtype=np.uint8), 4)
        np.testing.assert_array_equal(delta.mask, mask)
        assert delta.old == 2
        assert delta.inverse.new == 2


def test_whole_volume_replacement_is_one_step(segmentation: Segmentation) -> None:
    history = History(segmentation)
    before = segmentation.labels.copy()
    history.push(segmentation.apply(ReplaceAll(np.full(segmentation.shape, 4, dtype=np.uint8))))
    history.undo()
    np.testing.assert_array_equal(segmentation.labels, before)

from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import SCHEME_124
from seg_editor.editing import Change, Erase, History, PaintMask, RemoveTumor, ReplaceAll, Segmentation
from seg_editor.errors import UsageError

CORNER = (slice(0, 2), slice(0, 2), slice(0, 2))


def paint(value: int, box: tuple[slice, slice, slice] = CORNER) -> PaintMask:
    return PaintMask(box, np.ones((2, 2, 2), dtype=bool), value)


def test_labels_cannot_be_written_from_outside(segmentation: Segmentation, tumor_labels: np.ndarray) -> None:
    for array in (segmentation.labels, segmentation.original):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0] = 1
    tumor_labels[0, 0, 0] = 1
    assert segmentation.labels[0, 0, 0] == 0


def test_counts_and_volume(tumor_labels: np.ndarray) -> None:
    segmentation = Segmentation(tumor_labels, SCHEME_124, (2.0, 1.0, 0.5))
    assert segmentation.counts == {0: 24 * 20 * 16 - 512 - 8, 1: 8, 2: 512 - 64 + 8, 4: 56}
    assert segmentation.volume_ml(4) == pytest.approx(0.056)
    assert segmentation.volume_ml(9) == 0.0


def test_no_op_is_no_change(segmentation: Segmentation) -> None:
    assert segmentation.apply(Erase(CORNER)) is None
    assert segmentation.revision == 0
    assert not segmentation.dirty


def test_undo_to_the_saved_state_is_clean(segmentation: Segmentation) -> None:
    history = History(segmentation)
    history.push(segmentation.apply(paint(1)))
    segmentation.mark_saved()
    assert not segmentation.dirty
    history.push(segmentation.apply(paint(2)))
    assert segmentation.dirty
    history.undo()
    assert not segmentation.dirty
    history.undo()
    assert segmentation.dirty
    history.redo()
    assert not segmentation.dirty


def test_a_new_branch_is_never_clean(segmentation: Segmentation) -> None:
    history = History(segmentation)
    history.push(segmentation.apply(paint(1)))
    segmentation.mark_saved()
    history.undo()
    history.push(segmentation.apply(paint(2)))
    assert segmentation.dirty
    history.undo()
    assert segmentation.dirty


def test_saving_an_older_revision_stays_dirty(segmentation: Segmentation) -> None:
    revision = segmentation.revision
    segmentation.apply(paint(1))
    segmentation.mark_saved(revision)
    assert segmentation.dirty


def test_steps_out_of_order_are_refused(segmentation: Segmentation) -> None:
    first = segmentation.apply(paint(1))
    second = segmentation.apply(paint(2))
    assert first is not None
    assert second is not None
    with pytest.raises(UsageError, match="not the last step"):
        segmentation.revert(first)
    with pytest.raises(UsageError, match="does not follow"):
        segmentation.reapply(second)


def test_a_label_that_does_not_fit_is_refused(segmentation: Segmentation) -> None:
    for value in (256, -1):
        with pytest.raises(UsageError, match="does not fit"):
            segmentation.apply(paint(value))
    assert segmentation.apply(paint(255)) is not None
    with pytest.raises(UsageError, match="does not fit"):
        segmentation.apply(ReplaceAll(np.full(segmentation.shape, 300, dtype=np.int16)))


def test_dtype_is_checked() -> None:
    with pytest.raises(UsageError, match="float64"):
        Segmentation(np.zeros((2, 2, 2)), SCHEME_124)


def test_signals(segmentation: Segmentation) -> None:
    boxes: list[object] = []
    steps: list[Change] = []
    segmentation.changed.connect(boxes.append)
    segmentation.committed.connect(steps.append)
    change = segmentation.apply(paint(1))
    assert boxes == [CORNER]
    assert steps == [change]
    assert change is not None
    segmentation.revert(change)
    assert boxes == [CORNER, CORNER]
    assert len(steps) == 1


def test_removing_a_hand_drawn_tumor_makes_it_part_of_the_reference(empty: Segmentation) -> None:
    empty.apply(paint(2))
    assert not empty.removed.any()
    change = empty.apply(RemoveTumor())
    assert np.count_nonzero(empty.removed) == 8
    assert change is not None
    empty.revert(change)
    assert not empty.original.any()


def test_erasing_a_slip_is_no_removal(empty: Segmentation) -> None:
    empty.apply(paint(2))
    empty.apply(Erase(CORNER))
    assert not empty.removed.any()


def test_automatic_segmentation_is_the_new_reference(segmentation: Segmentation) -> None:
    found = np.zeros(segmentation.shape, dtype=np.uint8)
    found[10:14, 10:14, 10:14] = 2
    opened = segmentation.labels.copy()
    history = History(segmentation)
    history.push(segmentation.apply(ReplaceAll(found, "Segment automatically")))
    np.testing.assert_array_equal(segmentation.original, found)
    assert history.undo_name == "Segment automatically"
    assert not segmentation.removed.any()
    history.push(segmentation.apply(RemoveTumor()))
    assert np.count_nonzero(segmentation.removed) == 64
    history.undo()
    history.undo()
    np.testing.assert_array_equal(segmentation.labels, opened)
    np.testing.assert_array_equal(segmentation.original, opened)


def test_same_labels_but_new_reference_is_a_step(segmentation: Segmentation) -> None:
    segmentation.apply(Erase((slice(0, 24), slice(0, 20), slice(0, 16))))
    assert segmentation.removed.any()
    change = segmentation.apply(ReplaceAll(np.zeros(segmentation.shape, dtype=np.uint8)))
    assert change is not None
    assert change.count == 0
    assert not segmentation.removed.any()
    segmentation.revert(change)
    assert segmentation.removed.any()


def test_nothing_else_while_a_stroke_runs(segmentation: Segmentation) -> None:
    history = History(segmentation)
    history.push(segmentation.apply(paint(1)))
    live = segmentation.begin_live("Paint")
    with pytest.raises(UsageError, match="still running"):
        segmentation.apply(paint(2))
    with pytest.raises(UsageError, match="still running"):
        segmentation.begin_live("Erase")
    assert not history.can_undo
    assert history.undo() is None
    live.cancel()
    assert history.can_undo


def test_each_live_write_is_a_new_state(segmentation: Segmentation) -> None:
    live = segmentation.begin_live("Paint")
    live.write(CORNER, np.ones((2, 2, 2), dtype=bool), 1)
    segmentation.mark_saved()
    far = (slice(20, 22), slice(0, 2), slice(0, 2))
    live.write(far, np.ones((2, 2, 2), dtype=bool), 1)
    assert live.commit() is not None
    assert segmentation.dirty


def test_replay_checks_what_it_finds(segmentation: Segmentation) -> None:
    change = segmentation.apply(paint(1))
    assert change is not None
    assert change.delta is not None
    with pytest.raises(UsageError, match="does not fit"):
        segmentation.replay("Paint", change.delta)
    segmentation.revert(change)
    again = segmentation.replay("Paint", change.delta)
    assert again.after != change.after
    assert segmentation.counts[1] == 16
    small = Segmentation(np.zeros((1, 1, 1), dtype=np.uint8), SCHEME_124)
    with pytest.raises(UsageError, match="does not fit"):
        small.replay("Paint", change.delta)


def test_labels_from_arrays_are_fine(segmentation: Segmentation) -> None:
    segmentation.apply(paint(np.uint8(4)))  # type: ignore[arg-type]
    assert segmentation.counts[4] == 64
    live = segmentation.begin_live("Paint")
    live.write(CORNER, np.ones((2, 2, 2), dtype=bool), np.int64(1))  # type: ignore[arg-type]
    live.commit()
    assert segmentation.counts[1] == 16
    with pytest.raises(UsageError, match="whole numbers"):
        segmentation.apply(ReplaceAll(np.zeros(segmentation.shape)))


def test_a_view_that_fails_to_draw_breaks_no_undo(segmentation: Segmentation) -> None:
    history = History(segmentation)
    segmentation.committed.connect(history.push)

    def broken(box: object) -> None:
        raise RuntimeError("cannot draw")

    stop = segmentation.changed.connect(broken)
    for call in (lambda: segmentation.apply(paint(1)), history.undo, history.redo, history.undo):
        with pytest.raises(RuntimeError):
            call()
    stop()
    assert history.redo() is not None
    assert history.undo() is not None
    np.testing.assert_array_equal(segmentation.labels, segmentation.original)


def test_live_edit_that_ends_where_it_began_is_no_step(segmentation: Segmentation) -> None:
    live = segmentation.begin_live("Preview")
    all_of_it = np.ones((2, 2, 2), dtype=bool)
    live.write(CORNER, all_of_it, 1)
    live.write(CORNER, all_of_it, 0)
    assert live.commit() is None
    assert not segmentation.dirty

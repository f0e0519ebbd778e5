"""Operations on whole shapes with their preview, moving and removing pieces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt

from seg_editor.editing import Border, Brush, PaintStroke, RemoveTumor
from seg_editor.editing.regions import component_at
from seg_editor.session import Workspace
from seg_editor.ui.reshape import TOO_MANY
from tests.session.steps import dab
from tests.ui.conftest import Hands, settle
from tests.ui.steps import Put, flashing, labels

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def preview_ready(hands: Hands, wait: Wait) -> None:
    wait(lambda: hands.window.reshape.preview is not None and not hands.window.reshape.computing)


def test_growing_is_previewed_before_it_is_applied(hands: Hands, wait: Wait) -> None:
    before = labels(hands).copy()
    hands.window.reshape.settings.whole = True
    hands.key(Qt.Key.Key_H)
    preview_ready(hands, wait)
    hands.window.operations_panel.slider.setValue(4)
    wait(lambda: not hands.window.reshape.computing)
    layer = hands.window.tools.overlays.layer(hands.window.viewer.contents[0])
    assert layer is not None
    assert layer.preview.isVisible()
    np.testing.assert_array_equal(labels(hands), before)
    assert "+" in hands.window.operations_panel.hint.text()
    hands.window.operations_panel.apply.click()
    wait(lambda: hands.workspace.history.names == ("Grow tumor by 2 mm",))
    assert np.count_nonzero(labels(hands)) > np.count_nonzero(before)
    assert not (labels(hands) > 0)[~hands.workspace.case.brain].any()
    hands.key(Qt.Key.Key_1)
    assert not layer.preview.isVisible()
    hands.workspace.undo()
    np.testing.assert_array_equal(labels(hands), before)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_shrinking_takes_only_what_was_chosen(hands: Hands, wait: Wait, flat: bool, whole: bool) -> None:
    before, z = labels(hands).copy(), hands.workspace.view.cursor[2]
    hands.workspace.view.active_label = 2
    hands.window.reshape.run("grow", grow_mm=-1.0, flat=flat, whole=whole)
    wait(lambda: bool(hands.workspace.history.names))
    lost = (before > 0) & (labels(hands) == 0)
    assert lost.any()
    if flat:
        assert set(np.argwhere(lost)[:, 2]) == {z}
    if not whole:
        assert set(np.unique(before[lost])) == {2}


@pytest.mark.parametrize("over", [False, True])
def test_growing_takes_the_active_label_and_says_so(hands: Hands, wait: Wait, qtbot: object, over: bool) -> None:
    """Menu, status line and undo name the label; it covers others only when asked to, and never locked ones."""
    view, window = hands.workspace.view, hands.window
    view.active_label, view.locked = 4, frozenset({2})
    window.reshape.settings.over_labels = over
    settle(qtbot, window)
    assert window.actions_table["op_grow"].text() == "Grow ET by 1 mm"
    before = labels(hands).copy()
    hands.key(Qt.Key.Key_Up, CTRL | SHIFT)
    wait(lambda: bool(hands.workspace.history.names) or bool(flashing(hands)))
    changed = labels(hands) != before
    if not over:
        assert "no background to grow into" in flashing(hands)
        assert not changed.any()
        return
    assert set(np.unique(labels(hands)[changed])) == {4}
    assert set(np.unique(before[changed])) == {1}
    gained = np.count_nonzero(changed) * hands.workspace.case.grid.voxel_ml
    assert window.status.readout.text().startswith(f"Done: Grow ET by 1 mm, +{gained:.2g} ml")
    settle(qtbot, window)
    assert window.actions_table["undo"].text() == "Undo grow ET by 1 mm"


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(
    ("around", "locked", "over", "reason"),
    [
        (4, set(), False, "The brain ends here"),
        (2, {2}, True, "The labels around it are locked"),
        (0, {4}, False, "This label is locked"),
        (2, set(), False, "There is no background to grow into"),
    ],
)
def test_growing_says_what_truly_stops_it(
    hands: Hands, wait: Wait, around: int, locked: set[int], over: bool, reason: str, flat: bool
) -> None:
    """One voxel of a label, in a brain full of `around`."""
    workspace, settings = hands.workspace, hands.window.reshape.settings
    wanted = np.where(workspace.case.brain, around, 0)
    wanted[workspace.view.cursor] = 4
    workspace.apply(Put(wanted))
    workspace.view.active_label, workspace.view.locked = 4, frozenset(locked)
    settings.over_labels, settings.flat = over, flat
    hands.key(Qt.Key.Key_Up, CTRL | SHIFT)
    wait(lambda: bool(flashing(hands)))
    assert flashing(hands).startswith(reason)


def test_growing_a_label_that_is_not_there_says_so(hands: Hands, wait: Wait) -> None:
    hands.workspace.view.active_label = 4
    hands.workspace.apply(RemoveTumor("subregion", subregion=4))
    hands.key(Qt.Key.Key_Up, CTRL | SHIFT)
    wait(lambda: "There is no Enhancing (ET)" in flashing(hands))


def test_a_piece_is_moved_whole_though_labels_grow_alone(hands: Hands) -> None:
    panel, settings = hands.window.operations_panel, hands.window.reshape.settings
    hands.key(Qt.Key.Key_H)
    assert panel.scope.button(False).isChecked()
    hands.key(Qt.Key.Key_V)
    assert panel.scope.button(True).isChecked()
    panel.scope.button(False).click()
    assert (settings.whole, settings.whole_piece) == (False, False)


@pytest.mark.parametrize("key", ["smooth", "holes", "mirror_add", "mirror_subtract", "mirror_intersect", "small"])
def test_every_operation_is_one_named_step_or_says_why(hands: Hands, wait: Wait, key: str) -> None:
    hands.window.reshape.run(key)
    wait(lambda: bool(hands.workspace.history.names) or bool(flashing(hands)))
    wait(lambda: not hands.window.reshape.computing)
    assert len(hands.workspace.history.names) == (0 if flashing(hands) else 1)


def test_an_operation_computed_on_old_labels_is_not_applied(hands: Hands, wait: Wait) -> None:
    hands.window.reshape.run("smooth")
    hands.workspace.apply(dab(8))
    wait(lambda: "changed meanwhile" in flashing(hands))
    assert hands.workspace.history.names == ("Paint",)


def test_keys_pressed_fast_are_all_done_in_turn(hands: Hands, wait: Wait) -> None:
    """The next one works on what the one before left; none is swallowed."""
    hands.window.reshape.settings.whole = True
    start = labels(hands).copy()
    for _ in range(3):
        hands.key(Qt.Key.Key_Up, CTRL | SHIFT)
    wait(lambda: len(hands.workspace.history.names) == 3)
    wait(lambda: not hands.window.reshape.busy)
    grown = labels(hands).copy()
    for _ in range(3):
        hands.workspace.undo()
    np.testing.assert_array_equal(labels(hands), start)
    for _ in range(3):
        hands.key(Qt.Key.Key_Up, CTRL | SHIFT)
        wait(lambda: not hands.window.reshape.busy)
    np.testing.assert_array_equal(labels(hands), grown)


def test_undo_takes_back_what_is_still_being_computed(hands: Hands, wait: Wait, qtbot: object) -> None:
    hands.workspace.apply(dab(8))
    hands.window.reshape.settings.whole = True
    settle(qtbot, hands.window)
    before = labels(hands).copy()
    for _ in range(2):
        hands.key(Qt.Key.Key_Up, CTRL | SHIFT)
    hands.key(Qt.Key.Key_Z, CTRL)
    hands.key(Qt.Key.Key_Z, CTRL)
    wait(lambda: not hands.window.reshape.computing)
    np.testing.assert_array_equal(labels(hands), before)
    assert hands.workspace.history.names == ("Paint",)
    hands.key(Qt.Key.Key_Z, CTRL)
    assert hands.workspace.history.names == ()


def test_what_waits_works_where_it_was_asked_for(hands: Hands, wait: Wait) -> None:
    """Neither the label nor the slice chosen meanwhile is touched."""
    view, reshape = hands.workspace.view, hands.window.reshape
    reshape.settings.over_labels = True
    view.active_label = 4
    other = np.count_nonzero(labels(hands) == 2)
    reshape.run("smooth", whole=True)
    reshape.run("grow", grow_mm=2.0, whole=False)
    view.active_label = 2
    wait(lambda: not reshape.busy)
    assert hands.workspace.history.names[-1].startswith("Grow ET")
    assert np.count_nonzero(labels(hands) == 2) <= other


def test_undo_prefers_a_stroke_that_came_after_the_operation(hands: Hands, wait: Wait) -> None:
    hands.window.reshape.run("smooth", whole=True)
    hands.workspace.apply(dab(8))
    assert not hands.window.reshape.take_back()
    hands.workspace.undo()
    wait(lambda: not hands.window.reshape.busy)
    assert "Paint" not in hands.workspace.history.names


def test_too_many_operations_are_told(hands: Hands) -> None:
    said: list[str] = []
    hands.window.reshape.refused.connect(said.append)
    for _ in range(22):
        hands.window.reshape.run("grow", grow_mm=1.0, whole=True)
    assert said == [TOO_MANY]
    hands.window.reshape.cancel()


def test_moving_a_piece_by_dragging(hands: Hands) -> None:
    before = labels(hands).copy()
    x, y, z = hands.workspace.view.cursor
    hands.key(Qt.Key.Key_V)
    hands.drag([(x, y, z), (x + 4, y - 3, z)], release=False)
    np.testing.assert_array_equal(labels(hands), before)
    hands.send(QEvent.Type.MouseButtonRelease, hands.at((x + 4, y - 3, z)))
    np.testing.assert_array_equal(labels(hands), np.roll(before, (4, -3), (0, 1)))
    assert hands.workspace.history.names == ("Move piece",)
    hands.drag([(1, 1, z), (5, 5, z)])
    assert "no tumor under the mouse" in flashing(hands)
    hands.drag([(x + 4, y - 3, z), (x, y, z)], release=False)
    hands.key(Qt.Key.Key_Escape)
    assert hands.workspace.history.names == ("Move piece",)


def test_removing_the_piece_under_the_mouse_and_one_subregion(hands: Hands, wait: Wait, qtbot: object) -> None:
    workspace = hands.workspace
    workspace.view.active_label = 1
    far = dab(8)
    workspace.apply(far)
    z = workspace.view.cursor[2]
    box, piece = component_at(labels(hands) > 0, workspace.view.cursor)
    hands.send(QEvent.Type.MouseMove, hands.at(workspace.view.cursor), Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_R, CTRL | SHIFT)
    wait(lambda: workspace.history.undo_name == "Remove this tumor")
    assert not labels(hands)[box][piece].any()
    assert labels(hands).any()
    assert workspace.segmentation.removed.any()
    assert workspace.view.cursor[2] == z
    workspace.undo()
    settle(qtbot, hands.window)
    hands.window.actions_table["remove_ed"].trigger()
    wait(lambda: workspace.history.undo_name == "Remove Edema (ED)")
    assert set(np.unique(labels(hands))) == {0, 1, 4}


def test_nothing_more_is_previewed_after_applying(hands: Hands, wait: Wait, qtbot: object) -> None:
    reshape, panel = hands.window.reshape, hands.window.operations_panel
    hands.workspace.view.active_label = 2
    hands.key(Qt.Key.Key_H)
    preview_ready(hands, wait)
    panel.apply.click()
    wait(lambda: len(hands.workspace.history.names) == 1 and not reshape.computing)
    settle(qtbot, hands.window)
    assert reshape.preview is None
    assert panel.hint.text().startswith("Applied")
    assert panel.apply.isEnabled()
    panel.slider.setValue(4)
    preview_ready(hands, wait)
    assert panel.hint.text().count("Preview")


def test_after_a_shortcut_the_panel_previews_what_apply_does(hands: Hands, wait: Wait, qtbot: object) -> None:
    reshape, panel = hands.window.reshape, hands.window.operations_panel
    hands.workspace.view.active_label = 2
    hands.key(Qt.Key.Key_H)
    preview_ready(hands, wait)
    assert panel.amount.text() == "+1.0 mm"
    hands.key(Qt.Key.Key_Down, CTRL | SHIFT)
    wait(lambda: hands.workspace.history.names == ("Shrink ED by 1 mm",) and not reshape.computing)
    settle(qtbot, hands.window)
    assert reshape.preview is not None
    assert reshape.preview.name == "Grow ED by 1 mm"
    assert "Preview: Grow" in panel.hint.text()
    panel.amount.setValue(-1.0)
    preview_ready(hands, wait)
    hands.key(Qt.Key.Key_Down, CTRL | SHIFT)
    wait(lambda: len(hands.workspace.history.names) == 2 and not reshape.computing)
    settle(qtbot, hands.window)
    assert panel.hint.text().startswith("Applied. Apply does it once more")


def test_what_operations_share_belongs_to_one_case(hands: Hands) -> None:
    reshape = hands.window.reshape
    first = reshape._scene(reshape._here(hands.workspace.segmentation), "the same key")
    mine = first.border(lambda: Border(first.labels, None, first.spacing, 3.0))
    hands.window.reshape.set_workspace(Workspace(hands.workspace.case))
    second = reshape._scene(reshape._here(hands.workspace.segmentation), "the same key")
    late = first.border(lambda: Border(first.labels, 1, first.spacing, 3.0))
    made = Border(second.labels, None, second.spacing, 3.0)
    assert late is mine
    assert second.border(lambda: made) is made
    assert second.mirror() is not first.mirror()
    assert first.mirror() is first.mirror()


@pytest.mark.parametrize("everything", [False, True])
def test_slices_are_interpolated_for_the_active_label_or_for_all(hands: Hands, wait: Wait, everything: bool) -> None:
    hands.key(Qt.Key.Key_R, CTRL)
    z = hands.workspace.view.cursor[2]
    for step in (-3, 3):
        for radius, label in ((6.0, 2), (3.0, 1)):
            hands.workspace.apply(PaintStroke(((30.0, 30.0, float(z + step)),), Brush("round", radius), 2, label))
    hands.workspace.view.active_label = 2
    done = len(hands.workspace.history.names)
    hands.key(Qt.Key.Key_I, CTRL | SHIFT if everything else CTRL)
    wait(lambda: len(hands.workspace.history.names) > done)
    assert hands.workspace.history.names[-1] == ("Interpolate all labels" if everything else "Interpolate slices")
    made = labels(hands)[:, :, z]
    assert set(np.unique(made)) == ({0, 1, 2} if everything else {0, 2})
    assert made[30, 30] == (1 if everything else 0)
    assert made[30, 35] == 2

"""The move tool: a piece lands whole or stays where it was, and the reason flashes with figures."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtTest import QTest

from seg_editor.ui.actions import TUMOR_ONLY
from tests.ui.conftest import LEFT, NO_BUTTON, Hands, settle
from tests.ui.steps import Put, flashing, labels

CTRL = Qt.KeyboardModifier.ControlModifier
CORE = (38, 30, 20)
"""A cube of ET with half edge 3 in the middle of the brain, and a wall of edema to its right."""


@pytest.fixture
def mover(hands: Hands) -> Hands:
    """Hands with the move tool on one label, beside a cube of it and a wall of another."""
    workspace = hands.workspace
    made = np.zeros_like(labels(hands))
    x, y, z = CORE
    made[x - 3 : x + 4, y - 3 : y + 4, z - 3 : z + 4] = 4
    made[x - 14 : x - 10, y - 6 : y + 7, z - 6 : z + 7] = 2
    workspace.apply(Put(made))
    workspace.view.cursor, workspace.view.active_label = CORE, 4
    hands.key(Qt.Key.Key_V)
    QTest.mouseClick(hands.window.operations_panel.scope.button(False), LEFT)
    return hands


def beside(dx: int = 0, dy: int = 0) -> tuple[int, int, int]:
    return CORE[0] + dx, CORE[1] + dy, CORE[2]


def preview(hands: Hands) -> bool:
    layer = hands.window.tools.overlays.layer(hands.window.viewer.contents[0])
    assert layer is not None
    return layer.preview.isVisible()


@pytest.mark.parametrize("rule", ["locked", "background"])
def test_a_piece_that_cannot_land_stays_where_it_was(mover: Hands, rule: str, qtbot: object) -> None:
    panel, before = mover.window.operations_panel, labels(mover).copy()
    if rule == "locked":
        QTest.mouseClick(mover.window.labels_panel.rows[2].lock, LEFT)
        assert "not on locked ED" in panel.hint.text()
    else:
        assert panel.onto.button(True).isChecked()
        QTest.mouseClick(panel.onto.button(False), LEFT)
    steps = mover.workspace.history.names
    mover.drag([CORE, beside(-5), beside(-10)], release=False)
    assert preview(mover)
    mover.send(QEvent.Type.MouseButtonRelease, mover.at(beside(-10)), LEFT, NO_BUTTON)
    np.testing.assert_array_equal(labels(mover), before)
    assert mover.workspace.history.names == steps
    assert not preview(mover)
    where = "on locked Edema (ED)" if rule == "locked" else "on other labels"
    ml = f"{3 * 7 * 7 / 1000:.2g} ml"
    assert flashing(mover) == f"{ml} would land {where}. The piece stays where it was"
    assert mover.window.status.readout.text().startswith(ml)
    mover.drag([CORE, beside(-4)])
    np.testing.assert_array_equal(labels(mover) == 4, np.roll(before == 4, -4, 0))
    np.testing.assert_array_equal(labels(mover) == 2, before == 2)


def test_the_rule_of_the_brush_does_not_hold_for_pieces(mover: Hands) -> None:
    """What is not shown with the tool does not act: paint covers background only, a piece covers edema all the same."""
    before = labels(mover).copy()
    mover.key(Qt.Key.Key_B)
    mover.window.brush_panel._set_over("background")
    mover.key(Qt.Key.Key_V)
    mover.drag([CORE, beside(-10)])
    np.testing.assert_array_equal(labels(mover) == 4, np.roll(before == 4, -10, 0))


def test_a_piece_leaves_the_brain_only_where_labels_may(mover: Hands) -> None:
    before, brain = labels(mover).copy(), mover.workspace.case.brain
    assert not (before > 0)[~brain].any()
    lost = np.count_nonzero(np.roll(before == 4, 18, 0) & ~brain)
    assert lost
    assert "not outside the brain" in mover.window.operations_panel.hint.text()
    mover.drag([CORE, beside(18)])
    np.testing.assert_array_equal(labels(mover), before)
    assert flashing(mover).startswith(f"{lost / 1000:.2g} ml would land outside the brain")
    mover.key(Qt.Key.Key_B)
    mover.window.brush_panel.range._choose("")
    mover.key(Qt.Key.Key_V)
    assert "outside the brain" not in mover.window.operations_panel.hint.text()
    mover.drag([CORE, beside(18)])
    np.testing.assert_array_equal(labels(mover) == 4, np.roll(before == 4, 18, 0))


def test_a_piece_stops_at_the_edge_of_the_volume(mover: Hands) -> None:
    before = labels(mover).copy()
    mover.workspace.view.in_brain = False
    start = mover.at(CORE)
    mover.drag_pixels([start, start + QPointF(0, 4000), start - QPointF(4000, 4000)])
    after = labels(mover)
    assert np.count_nonzero(after == 4) == np.count_nonzero(before == 4)
    x, y, _ = (set(side.tolist()) for side in np.nonzero(after == 4))
    assert x & {0, after.shape[0] - 1}
    assert y & {0, after.shape[1] - 1}


def test_labels_that_changed_under_the_mouse_are_not_moved(mover: Hands) -> None:
    before = labels(mover).copy()
    mover.drag([CORE, beside(-4)])
    mover.drag([beside(-4), CORE], release=False)
    mover.key(Qt.Key.Key_Z, CTRL)
    mover.send(QEvent.Type.MouseButtonRelease, mover.at(CORE), LEFT, NO_BUTTON)
    np.testing.assert_array_equal(labels(mover), before)
    assert "changed meanwhile" in flashing(mover)


def test_the_tissue_map_is_not_moved(mover: Hands, qtbot: object) -> None:
    workspace, window, panel = mover.workspace, mover.window, mover.window.operations_panel
    workspace.set_tissue(np.where(workspace.case.brain, 3, 0).astype(np.uint8))
    workspace.view.on_tissue = True
    settle(qtbot, window)
    tissue, tumor = workspace.active.segmentation.labels.copy(), labels(mover).copy()
    mover.drag([CORE, beside(-10)])
    np.testing.assert_array_equal(workspace.active.segmentation.labels, tissue)
    np.testing.assert_array_equal(labels(mover), tumor)
    assert flashing(mover) == TUMOR_ONLY
    assert panel.hint.text() == f"{TUMOR_ONLY}."
    for button in (*panel.scope.buttons, *panel.extent.buttons, *panel.onto.buttons):
        assert not button.isEnabled()
        assert TUMOR_ONLY in button.toolTip()
    assert not window.actions_table["move"].isEnabled()
    assert TUMOR_ONLY in window.actions_table["move"].toolTip()
    workspace.view.on_tissue = False
    settle(qtbot, window)
    assert window.actions_table["move"].isEnabled()
    assert all(button.isEnabled() for button in panel.scope.buttons)


def test_another_tool_puts_the_piece_back(mover: Hands, qtbot: object) -> None:
    before = labels(mover).copy()
    mover.drag([CORE, beside(2), beside(4)], release=False)
    mover.key(Qt.Key.Key_B)
    mover.send(QEvent.Type.MouseButtonRelease, mover.at(beside(4)), LEFT, NO_BUTTON)
    np.testing.assert_array_equal(labels(mover), before)
    assert not mover.window.tools.stroking

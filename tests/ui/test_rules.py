"""What paint may cover and where: locks, rules, ranges; the reason flashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from scipy import ndimage

from seg_editor.cases import Modality
from seg_editor.editing import Brush, PaintOver, RemoveTumor
from seg_editor.session.view import IntensityRange
from seg_editor.ui.state import Tool
from tests.ui.conftest import RIGHT, Hands
from tests.ui.steps import flashing, labels

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"locked": frozenset({1, 2, 4})}, "locked"),
        ({"paint_over": PaintOver.BACKGROUND}, "background"),
        ({"gate": IntensityRange(Modality.FLAIR, 30000.0, 31000.0)}, "range"),
        ({"paint_over": PaintOver.ACTIVE, "only_label": 1}, "over itself"),
    ],
)
def test_a_blocked_stroke_flashes_the_reason(hands: Hands, settings: dict[str, Any], word: str) -> None:
    view = hands.workspace.view
    hands.key(Qt.Key.Key_B)
    view.brush, view.active_label = Brush("round", 0.5), 1
    for name, value in settings.items():
        setattr(view, name, value)
    at = np.argwhere(labels(hands)[:, :, view.cursor[2]] == 2)[0]
    hands.drag([(float(at[0]), float(at[1]), float(view.cursor[2]))])
    assert word in flashing(hands)
    assert word in hands.window.status.readout.text()
    assert hands.workspace.history.names == ()


def test_the_range_shows_and_keeps_paint_inside(hands: Hands) -> None:
    workspace, view = hands.workspace, hands.workspace.view
    flair = workspace.case.volumes[Modality.FLAIR].raw
    hands.key(Qt.Key.Key_B)
    hands.window.brush_panel.range._choose("flair")
    assert view.gate is not None
    panel = hands.window.brush_panel.range
    panel.low.setValue(300)
    panel.high.setValue(400)
    layer = hands.window.tools.overlays.layer(hands.window.viewer.contents[0])
    assert layer is not None
    assert layer.range.isVisible()
    view.brush, view.active_label = Brush("round", 5.0), 1
    before = labels(hands).copy()
    x, y, z = view.cursor
    hands.drag([(x, y, z), (x - 20, y, z)])
    painted = (labels(hands) != before) & (labels(hands) == 1)
    assert painted.any()
    assert ((flair[painted] >= 300) & (flair[painted] <= 400)).all()
    hands.key(Qt.Key.Key_1)
    assert not layer.range.isVisible()


def test_the_eraser_offers_what_it_can_take_away(hands: Hands) -> None:
    view, over = hands.workspace.view, hands.window.brush_panel.over
    view.paint_over = PaintOver.BACKGROUND
    hands.key(Qt.Key.Key_B)
    assert over.currentText() == "Only background"
    hands.key(Qt.Key.Key_E)
    assert over.currentText() == "Everything"
    assert over.findText("Only background") < 0
    view.brush = Brush("round", 4.0)
    x, y, z = view.cursor
    hands.drag([(x, y, z)])
    assert labels(hands)[x, y, z] == 0
    hands.key(Qt.Key.Key_B)
    assert over.currentText() == "Only background"


def test_locks_in_the_panel_and_the_right_button_for_all(hands: Hands) -> None:
    view = hands.workspace.view
    hands.window.labels_panel.rows[2].lock.click()
    assert view.locked == frozenset({2})
    hands.key(Qt.Key.Key_B)
    hands.window.brush_panel.right.setChecked(True)
    view.brush = Brush("round", 15.0)
    x, y, z = view.cursor
    hands.drag([(x, y, z)], RIGHT)
    assert set(np.unique(labels(hands)[x - 3 : x + 4, y - 3 : y + 4, z])) <= {0, 2}


def test_a_coronal_stroke_with_a_square_brush_changes_exactly_those_voxels(hands: Hands) -> None:
    view = hands.workspace.view
    hands.key(Qt.Key.Key_3, CTRL)
    hands.key(Qt.Key.Key_B)
    view.brush, view.active_label = Brush("square", 1.0), 4
    before, y = labels(hands).copy(), view.cursor[1]
    hands.drag([(20, y, 10), (26, y, 10)], number=1)
    wanted = before.copy()
    wanted[19:28, y, 9:12] = 4
    np.testing.assert_array_equal(labels(hands), wanted)


@pytest.mark.parametrize("zoom", [0.5, 1.0, 6.0])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_fast_strokes_have_no_gaps_at_any_zoom_in_any_plane(hands: Hands, zoom: float, number: int) -> None:
    view = hands.workspace.view
    hands.key(Qt.Key.Key_3, CTRL)
    hands.key(Qt.Key.Key_B)
    view.brush, view.active_label = Brush("round", 0.5), 4
    hands.workspace.segmentation.apply(RemoveTumor())
    content = hands.window.viewer.contents[number]
    middle = content.pane.rect().center().toPointF()
    content.pane.zoom_at(middle, zoom)
    hands.drag_pixels([middle - QPointF(60, 45), middle + QPointF(70, 30), middle + QPointF(-20, 80)], number=number)
    painted = labels(hands) == 4
    assert ndimage.label(painted, structure=np.ones((3, 3, 3)))[1] == 1
    assert len(set(np.argwhere(painted)[:, int(content.plane)])) == 1
    assert np.count_nonzero(painted) >= 5


@pytest.mark.parametrize("tool", [Qt.Key.Key_B, Qt.Key.Key_F, Qt.Key.Key_G])
def test_an_edit_with_a_hidden_label_says_that_nobody_sees_it(hands: Hands, tool: Qt.Key) -> None:
    view = hands.workspace.view
    view.brush, view.active_label = Brush("round", 3.0), 4
    hands.key(Qt.Key.Key_S, SHIFT)
    assert hands.window.ui.hidden_labels == frozenset({4})
    x, y, z = view.cursor
    before = labels(hands).copy()
    hands.key(tool)
    hands.drag([(x, y, z), (x + 5, y, z), (x + 5, y + 5, z)] if tool == Qt.Key.Key_G else [(x, y, z)])
    if tool == Qt.Key.Key_G:
        hands.key(Qt.Key.Key_Return)
    assert (labels(hands) != before).any()
    assert flashing(hands).startswith("Enhancing (ET) is hidden")
    hands.key(Qt.Key.Key_S, SHIFT)
    hands.key(Qt.Key.Key_1)
    hands.key(Qt.Key.Key_B)
    hands.drag([(x + 8, y, z)])
    assert not flashing(hands)


def test_a_hidden_label_is_said_at_release_when_the_press_met_another_reason(hands: Hands) -> None:
    view, brain = hands.workspace.view, hands.workspace.case.brain
    view.brush, view.active_label = Brush("round", 1.0), 4
    hands.window.ui.hidden_labels = frozenset({4})
    hands.key(Qt.Key.Key_B)
    z = view.cursor[2]
    air = np.argwhere(~brain[:, :, z])[0]
    hands.drag([(float(air[0]), float(air[1]), float(z)), view.cursor], release=False)
    assert "Outside the brain" in flashing(hands)
    hands.send(QEvent.Type.MouseButtonRelease, hands.at(view.cursor))
    assert flashing(hands).startswith("Enhancing (ET) is hidden")


def test_erasing_a_hidden_label_says_so(hands: Hands) -> None:
    view = hands.workspace.view
    at = np.argwhere(labels(hands)[:, :, view.cursor[2]] == 2)[0]
    view.active_label = 2
    hands.window.ui.hidden_labels = frozenset({2})
    hands.key(Qt.Key.Key_B)
    hands.drag([(float(at[0]), float(at[1]), float(view.cursor[2]))], RIGHT)
    assert flashing(hands).startswith("Edema (ED) is hidden")


def test_removing_what_is_locked_says_so(hands: Hands) -> None:
    hands.workspace.view.locked = frozenset({1, 2, 4})
    hands.key(Qt.Key.Key_R, CTRL)
    assert "locked" in flashing(hands)


def test_the_swap_and_the_lesion_brushes(hands: Hands) -> None:
    hands.key(Qt.Key.Key_3, Qt.KeyboardModifier.AltModifier)
    assert (hands.window.ui.tool, hands.workspace.view.active_label) == (Tool.PAINT, 4)
    hands.key(Qt.Key.Key_X)
    assert (hands.window.ui.tool, hands.workspace.view.active_label) == (Tool.ERASE, 4)
    hands.key(Qt.Key.Key_X)
    assert hands.window.ui.tool is Tool.PAINT

"""Polygon and lasso: exact inside, points taken back, one slice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt

from seg_editor.ui.state import Tool
from tests.session.steps import dab
from tests.ui.conftest import LEFT, NO_BUTTON, Hands
from tests.ui.steps import flashing, labels, outline

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def anywhere(hands: Hands) -> None:
    """Air may be painted: shapes are what is tested here."""
    hands.workspace.view.in_brain = False


def test_a_polygon_fills_exactly_its_inside(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.workspace.view.active_label = 1
    before = labels(hands).copy()
    hands.key(Qt.Key.Key_G)
    outline(hands, (4.5, 4.5, z), (10.5, 4.5, z), (10.5, 12.5, z), (4.5, 12.5, z))
    assert hands.window.tools.drafting
    hands.key(Qt.Key.Key_Return)
    wanted = before.copy()
    wanted[5:11, 5:13, z] = 1
    np.testing.assert_array_equal(labels(hands), wanted)
    assert hands.workspace.history.names == ("Polygon",)


def test_a_lasso_is_a_drag_and_a_double_click_closes(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    hands.drag([(5, 5, z), (12, 5, z), (12, 12, z)])
    outline(hands, (5, 12, z))
    at = hands.at((5, 12, z))
    hands.send(QEvent.Type.MouseButtonDblClick, at)
    assert not hands.window.tools.drafting
    assert labels(hands)[9, 9, z] == hands.workspace.view.active_label
    assert hands.window.ui.maximized is None


def test_points_are_taken_back_one_by_one_and_undo_is_left_alone(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.workspace.apply(dab(8))
    hands.key(Qt.Key.Key_G)
    outline(hands, (5, 5, z), (12, 5, z))
    hands.drag([(12, 8, z), (12, 10, z), (12, 12, z)])
    hands.key(Qt.Key.Key_Z, CTRL)
    polygon = hands.window.tools._polygon
    assert polygon is not None
    assert len(polygon.points) == 2
    hands.key(Qt.Key.Key_Backspace)
    hands.key(Qt.Key.Key_Backspace)
    assert not hands.window.tools.drafting
    assert hands.workspace.history.names == ("Paint",)


def test_an_outline_stays_in_its_slice(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (5, 5, z), (12, 5, z))
    hands.wheel(1)
    outline(hands, (12, 12, z + 1))
    assert "Finish the outline" in flashing(hands)
    hands.wheel(-1)
    outline(hands, (12, 12, z))
    hands.key(Qt.Key.Key_Return)
    changed = np.argwhere(labels(hands) != hands.workspace.segmentation.original)
    assert set(changed[:, 2]) == {z}


def test_two_corners_are_no_outline(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (5, 5, z), (12, 5, z))
    hands.key(Qt.Key.Key_Return)
    assert "three corners" in flashing(hands)
    hands.key(Qt.Key.Key_Escape)
    assert not hands.window.tools.drafting
    assert hands.window.ui.tool is Tool.POLYGON


def test_an_outline_ends_with_its_tool(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (4.5, 4.5, z), (10.5, 4.5, z))
    hands.key(Qt.Key.Key_B)
    assert not hands.window.tools.drafting
    assert "given up" in flashing(hands)
    hands.key(Qt.Key.Key_G)
    outline(hands, (20.5, 20.5, z))
    polygon = hands.window.tools._polygon
    assert polygon is not None
    assert len(polygon.points) == 1


def test_the_words_beside_the_mouse_stay_inside_the_pane(hands: Hands) -> None:
    content = hands.window.viewer.contents[0]
    for x, y in ((0, 0), (59, 0), (0, 63), (59, 63)):
        reason = "A reason why nothing happened here that is far too long for one line of a narrow pane. " * 2
        hands.window.tools.overlays.flash(content, reason, (x, y, 20))
        layer = hands.window.tools.overlays.layer(content)
        assert layer is not None
        port = content.pane.viewport()
        assert port is not None
        at = content.pane.mapFromScene(layer.flash.pos()).toPointF()
        assert port.rect().toRectF().contains(layer.flash.boundingRect().translated(at))


def draw_deep_outline(hands: Hands) -> tuple[int, int]:
    """Draw a square around the cursor for all slices, and close it; the cursor in the plane."""
    view = hands.workspace.view
    x, y, z = view.cursor
    view.in_brain, view.active_label = False, 1
    hands.key(Qt.Key.Key_G)
    hands.window.brush_panel.deep.click()
    outline(hands, (x - 3, y - 3, z), (x + 3, y - 3, z), (x + 3, y + 3, z), (x - 3, y + 3, z))
    hands.key(Qt.Key.Key_Return)
    return x, y


def test_an_outline_goes_through_all_slices_when_asked(hands: Hands, wait: Wait) -> None:
    x, y = draw_deep_outline(hands)
    assert not hands.workspace.history.names
    wait(lambda: hands.workspace.history.names == ("Polygon through all slices",))
    assert (labels(hands)[x, y, :] == 1).all()
    assert (labels(hands)[x + 6, y, :] != 1).any()


def test_paint_meanwhile_is_kept_by_an_outline_through_all_slices(hands: Hands, wait: Wait) -> None:
    draw_deep_outline(hands)
    hands.workspace.apply(dab(8.0, 2))
    wait(lambda: not hands.window.reshape.busy)
    first, second = hands.workspace.history.names
    assert (first, second) == ("Paint", "Polygon through all slices")
    assert labels(hands)[8, 5, 3] == 2


def test_an_outline_through_all_slices_says_why_it_changed_nothing(hands: Hands, wait: Wait) -> None:
    draw_deep_outline(hands)
    wait(lambda: not hands.window.reshape.busy)
    hands.window.brush_panel.deep.click()
    draw_deep_outline(hands)
    wait(lambda: "changes nothing" in flashing(hands))
    assert len(hands.workspace.history) == 1


def test_an_outline_through_all_slices_acts_on_the_tissue_map_in_hand(hands: Hands, wait: Wait) -> None:
    workspace = hands.workspace
    workspace.set_tissue(np.ones_like(workspace.case.brain, dtype=np.uint8))
    assert workspace.tissue is not None
    workspace.view.on_tissue, workspace.view.tissue_label = True, 3
    before = labels(hands).copy()
    x, y = draw_deep_outline(hands)
    history = workspace.tissue.history
    wait(lambda: history.names == ("Polygon through all slices",))
    assert (workspace.tissue.segmentation.labels[x, y] == 3).all()
    np.testing.assert_array_equal(labels(hands), before)


def test_a_corner_is_dragged_to_another_place_and_back(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    corners = [(8.0, 8.0, z), (30.0, 8.0, z), (30.0, 30.0, z), (8.0, 30.0, z)]
    hands.key(Qt.Key.Key_G)
    outline(hands, *corners)
    polygon = hands.window.tools._polygon
    assert polygon is not None
    hands.drag([corners[2], (25.0, 25.0, z), (20.0, 20.0, z)])
    assert [tuple(round(c) for c in point) for point in polygon.points] == [
        (8, 8, z),
        (30, 8, z),
        (20, 20, z),
        (8, 30, z),
    ]
    hands.key(Qt.Key.Key_Backspace)
    assert [tuple(round(c) for c in point) for point in polygon.points] == [tuple(map(round, c)) for c in corners]
    hands.key(Qt.Key.Key_Backspace)
    assert len(polygon.points) == 3


def test_a_click_on_the_first_corner_fills(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (8.0, 8.0, z), (30.0, 8.0, z))
    outline(hands, (8.0, 8.0, z))
    assert hands.window.tools.drafting
    outline(hands, (30.0, 30.0, z), (8.0, 8.0, z))
    assert not hands.window.tools.drafting
    assert hands.workspace.history.names == ("Polygon",)


def test_a_drag_after_a_refused_press_leaves_the_outline_alone(hands: Hands) -> None:
    x, y, z = hands.workspace.view.cursor
    hands.key(Qt.Key.Key_G)
    outline(hands, (8, 10, z), (30, 10, z), (30, 30, z))
    polygon = hands.window.tools._polygon
    assert polygon is not None
    before = polygon.points
    hands.workspace.view.cursor = (x, y, z + 2)
    hands.drag([(12 + step, 30, z + 2) for step in range(8)])
    assert "Finish the outline in its slice first" in flashing(hands)
    assert polygon.points == before


def test_a_drag_draws_only_in_the_slice_where_it_began(hands: Hands) -> None:
    x, y, z = hands.workspace.view.cursor
    hands.key(Qt.Key.Key_G)
    outline(hands, (8, 10, z))
    hands.drag([(30, 10, z), (30, 20, z)], release=False)
    polygon = hands.window.tools._polygon
    assert polygon is not None
    before = polygon.points
    hands.workspace.view.cursor = (x, y, z + 2)
    hands.send(QEvent.Type.MouseMove, hands.at((12, 30, z + 2)), NO_BUTTON, LEFT)
    hands.send(QEvent.Type.MouseButtonRelease, hands.at((12, 30, z + 2)), buttons=NO_BUTTON)
    assert polygon.points == before
    polygon.take_back()
    assert len(polygon.points) == 1


def test_a_drag_that_was_taken_back_draws_no_further(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (8, 10, z))
    hands.drag([(30, 10, z), (30, 20, z)], release=False)
    hands.key(Qt.Key.Key_Z, CTRL)
    hands.send(QEvent.Type.MouseMove, hands.at((12, 30, z)), NO_BUTTON, LEFT)
    hands.send(QEvent.Type.MouseButtonRelease, hands.at((12, 30, z)), buttons=NO_BUTTON)
    polygon = hands.window.tools._polygon
    assert polygon is not None
    assert len(polygon.points) == 1

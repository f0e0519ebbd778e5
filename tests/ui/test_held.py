"""What the mouse holds stays: the view does not change under a stroke, an outline or a piece; results wait."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt

from seg_editor.session import Plane
from seg_editor.ui.action_table import ACTIONS
from seg_editor.ui.commands import _MOVES_VIEW
from seg_editor.ui.compare import Mode
from seg_editor.ui.state import Layout
from seg_editor.ui.tools import OUTLINE_LOST, PIECE_FIRST, STROKE_FIRST
from tests.ui.conftest import Hands, settle
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase, flashing, labels, outline

Wait = Callable[[Callable[[], bool]], None]
CTRL, ALT, SHIFT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
#: Keys that would show something else under the mouse.
MOVING = (
    (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier),
    (Qt.Key.Key_PageUp, SHIFT),
    (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier),
    (Qt.Key.Key_2, CTRL | ALT),
    (Qt.Key.Key_3, CTRL | ALT),
    (Qt.Key.Key_3, CTRL),
    (Qt.Key.Key_M, CTRL),
    (Qt.Key.Key_L, CTRL),
)


@pytest.fixture(autouse=True)
def anywhere(hands: Hands) -> None:
    """Air may be painted: places are what is tested here."""
    hands.workspace.view.in_brain = False


@pytest.mark.parametrize("layout", [Layout.SINGLE, Layout.PLANES])
@pytest.mark.parametrize(("key", "keys"), MOVING)
def test_nothing_moves_under_a_stroke(hands: Hands, layout: Layout, key: Qt.Key, keys: Qt.KeyboardModifier) -> None:
    window, view = hands.window, hands.workspace.view
    window.ui.layout = layout
    z = view.cursor[2]
    hands.key(Qt.Key.Key_B)
    hands.drag([(8, 10, z), (14, 10, z)], release=False)
    before = view.cursor, view.plane, window.ui.layout, window.ui.maximized, window.generation.settings.live
    panes = window.viewer.panes
    hands.key(key, keys)
    assert flashing(hands) == STROKE_FIRST
    assert before == (view.cursor, view.plane, window.ui.layout, window.ui.maximized, window.generation.settings.live)
    assert window.viewer.panes == panes
    assert window.tools.stroking
    hands.send(QEvent.Type.MouseMove, hands.at((30, 10, z)), Qt.MouseButton.NoButton)
    hands.send(QEvent.Type.MouseButtonRelease, hands.at((30, 10, z)), buttons=Qt.MouseButton.NoButton)
    assert hands.workspace.history.names == ("Paint",)
    assert (labels(hands)[8:31, 10, z] > 0).all()
    hands.workspace.undo()
    hands.key(Qt.Key.Key_Up)
    assert view.cursor[2] == z + 1


def test_a_switch_that_is_refused_shows_its_old_state(hands: Hands, qtbot: object) -> None:
    hands.key(Qt.Key.Key_B)
    z = hands.workspace.view.cursor[2]
    hands.drag([(8, 10, z), (14, 10, z)], release=False)
    table = hands.window.actions_table
    table["radiological"].trigger()
    table["layout_planes"].trigger()
    settle(qtbot, hands.window)
    assert table["radiological"].isChecked()
    assert table["layout_single"].isChecked()
    assert not table["layout_planes"].isChecked()
    hands.key(Qt.Key.Key_Escape)


def test_a_live_result_does_not_take_the_panes_from_a_stroke(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    """The layout of models has a pane for every result of a mask, so that it shrinks with the first one of another."""
    window, z = removed.window, removed.workspace.view.cursor[2]
    viewer, results = window.viewer, removed.workspace.results
    window.ui.layout = Layout.MODELS
    window.actions_table["ensemble"].trigger()
    wait(lambda: len(viewer.panes) == 8 and not window.generation.running)
    removed.key(Qt.Key.Key_L, CTRL)
    removed.key(Qt.Key.Key_B)
    made = results.made
    backend.hold.clear()
    erase(removed, 1)
    wait(lambda: window.generation.running)
    removed.drag([(8, 20, z), (14, 20, z)], release=False)
    backend.hold.set()
    wait(lambda: results.made > made and not window.generation.running)
    assert window.tools.stroking
    assert len(viewer.panes) == 8
    removed.send(QEvent.Type.MouseButtonRelease, removed.at((14, 20, z)), buttons=Qt.MouseButton.NoButton)
    assert removed.workspace.history.names[-2:] == ("Paint", "Paint")
    assert (labels(removed)[8:15, 20, z] > 0).all()
    assert len(viewer.panes) == 4


def test_an_outline_belongs_to_its_plane(hands: Hands) -> None:
    """With equal indices in two planes a corner in the other one was taken for one of the same."""
    view = hands.workspace.view
    view.cursor = (20, 15, 15)
    hands.key(Qt.Key.Key_G)
    outline(hands, (4.5, 4.5, 15), (10.5, 4.5, 15), (10.5, 12.5, 15), (4.5, 12.5, 15))
    hands.key(Qt.Key.Key_2, CTRL | ALT)
    assert view.plane is Plane.CORONAL
    outline(hands, (20, 15, 20))
    assert "in its slice first" in flashing(hands)
    hands.key(Qt.Key.Key_1, CTRL | ALT)
    before = labels(hands).copy()
    hands.key(Qt.Key.Key_2, CTRL | ALT)
    hands.key(Qt.Key.Key_Return)
    before[5:11, 5:13, 15] = view.active_label
    np.testing.assert_array_equal(labels(hands), before)


def test_an_outline_is_not_lost_without_a_word(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (4.5, 4.5, z), (10.5, 4.5, z))
    said: list[str] = []
    hands.window.tools.refused.connect(said.append)
    hands.key(Qt.Key.Key_3, CTRL)
    assert said == [OUTLINE_LOST]
    assert not hands.window.tools.drafting


def test_a_piece_may_be_carried_to_another_slice_but_not_to_another_plane(hands: Hands) -> None:
    x, y, z = hands.workspace.view.cursor
    before = labels(hands).copy()
    hands.key(Qt.Key.Key_V)
    hands.drag([(x, y, z), (x + 2, y, z)], release=False)
    hands.key(Qt.Key.Key_2, CTRL | ALT)
    assert flashing(hands) == PIECE_FIRST
    assert hands.workspace.view.plane is Plane.AXIAL
    hands.key(Qt.Key.Key_Up)
    assert hands.workspace.view.cursor[2] == z + 1
    hands.send(QEvent.Type.MouseMove, hands.at((x + 2, y, z + 1)), Qt.MouseButton.NoButton)
    hands.send(QEvent.Type.MouseButtonRelease, hands.at((x + 2, y, z + 1)), buttons=Qt.MouseButton.NoButton)
    np.testing.assert_array_equal(labels(hands), np.roll(before, (2, 1), (0, 2)))


def test_a_mode_of_comparison_waits_for_the_stroke(made: Hands) -> None:
    made.key(Qt.Key.Key_B)
    z = made.workspace.view.cursor[2]
    made.drag([(8, 10, z), (14, 10, z)], release=False)
    state = made.window.compare.state
    made.key(Qt.Key.Key_F3, SHIFT)
    assert flashing(made) == STROKE_FIRST
    assert state.mode is Mode.PLAIN
    made.key(Qt.Key.Key_Escape)
    made.key(Qt.Key.Key_F3, SHIFT)
    assert state.mode is Mode.FADE


def test_the_first_picture_of_live_mode_does_not_take_the_pane_from_an_outline(hands: Hands, wait: Wait) -> None:
    window, z = hands.window, hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_L, CTRL)
    hands.key(Qt.Key.Key_G)
    outline(hands, (4.5, 4.5, z), (10.5, 4.5, z), (10.5, 12.5, z))
    window.actions_table["remove"].trigger()
    wait(lambda: hands.workspace.results.made > 0)
    assert window.tools.drafting
    assert window.ui.layout is Layout.SINGLE


@pytest.mark.parametrize("keys", [Qt.KeyboardModifier.NoModifier, CTRL])
def test_generating_waits_for_a_held_piece(removed: Hands, keys: Qt.KeyboardModifier) -> None:
    removed.workspace.undo()
    x, y, z = removed.workspace.view.cursor
    removed.key(Qt.Key.Key_V)
    removed.drag([(x, y, z), (x + 2, y, z)], release=False)
    removed.window.actions_table["generate_models" if keys else "generate"].trigger()
    assert removed.window.ui.layout is Layout.SINGLE
    assert removed.window.tools.holds == PIECE_FIRST
    removed.key(Qt.Key.Key_Escape)


def test_a_hidden_outline_takes_no_keys(hands: Hands) -> None:
    """The next pane fills the viewer in place of the one that is drawn in."""
    window = hands.window
    window.ui.layout = Layout.PLANES
    window.ui.maximized = 0
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (4.5, 4.5, z), (10.5, 4.5, z), (10.5, 12.5, z))
    said: list[str] = []
    window.tools.refused.connect(said.append)
    window.viewer.next_pane()
    assert said == [OUTLINE_LOST]
    assert not window.tools.drafting
    assert hands.workspace.history.names == ()


def test_a_release_that_went_elsewhere_ends_the_drag(hands: Hands) -> None:
    hands.key(Qt.Key.Key_B)
    z = hands.workspace.view.cursor[2]
    hands.drag([(8, 10, z), (14, 10, z)], release=False)
    none = Qt.MouseButton.NoButton
    hands.send(QEvent.Type.MouseMove, hands.at((30, 10, z)), none, none)
    assert not hands.window.tools.stroking
    assert hands.workspace.history.names == ("Paint",)
    assert not labels(hands)[25, 10, z]


def test_every_action_that_is_held_back_is_there() -> None:
    """They are named by their beginnings."""
    for name in _MOVES_VIEW:
        assert [action for action in ACTIONS if action.kind == "press" and action.id.startswith(name)], name

"""Sentences name the keys that are in force, also after other keys were chosen; with real events."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

from seg_editor.ui.action_table import ACTIONS, BY_ID, PRESETS
from seg_editor.ui.key_texts import with_keys
from seg_editor.ui.state import Tool
from tests.ui.conftest import Hands, settle
from tests.ui.steps import flashing

SHOWS = re.compile(r"hidden: (\S+) shows")
PAIR = re.compile(r'\("?(\S+?)"? and "?(\S+?)"?(?:,| step)')


def press(widget: QWidget, key: str) -> None:
    """Press a key as a text writes it."""
    combination = QKeySequence(key)[0]
    QTest.keyClick(widget, combination.key(), combination.keyboardModifiers())


@pytest.fixture(params=PRESETS)
def preset(request: pytest.FixtureRequest, hands: Hands, qtbot: object) -> str:
    """A preset, chosen while the window is open."""
    hands.window.choose_keys(request.param)
    settle(qtbot, hands.window)
    return str(request.param)


def test_keys_stand_for_the_actions_that_a_text_names() -> None:
    assert with_keys("{overlay} shows them", "seg-editor") == "S shows them"
    assert with_keys("{overlay} shows them", "napari") == "V shows them"
    assert with_keys("Radius[ ({brush_smaller}, {m_size})]", "itksnap") == 'Radius ("-", Shift+wheel)'


def test_a_part_with_an_action_without_key_goes() -> None:
    assert BY_ID["swap"].keys_for("itksnap") == ()
    assert with_keys("Swap[ ({swap})]", "itksnap") == "Swap"
    assert with_keys("{swap} swaps", "itksnap") == "Swap with background swaps"


def test_what_names_no_action_stays() -> None:
    for text in ("a [b] {c}", "/data/{overlay_1}/x[1].nii.gz", "[{nothing}]"):
        assert with_keys(text, "seg-editor") == text


@pytest.mark.parametrize("name", PRESETS)
def test_no_text_of_the_table_shows_its_template(name: str) -> None:
    for action in ACTIONS:
        assert not set("{}") & set(with_keys(action.tip, name)), action.id


def test_the_key_in_the_hint_shows_hidden_labels(hands: Hands, preset: str) -> None:
    window, view = hands.window, hands.workspace.view
    press(hands.pane(), BY_ID["overlay"].keys_for(preset)[0])
    assert not view.overlay
    window.ui.tool = Tool.PAINT
    hands.drag([(20, 20, view.cursor[2])])
    said = SHOWS.search(flashing(hands))
    assert said is not None
    press(hands.pane(), said[1])
    assert view.overlay


def test_the_keys_in_the_tooltips_of_brush_and_labels_do_it(hands: Hands, preset: str) -> None:
    window, view = hands.window, hands.workspace.view
    smaller, larger = PAIR.search(window.brush_panel.radius.toolTip()).groups()  # type: ignore[union-attr]
    assert window.brush_panel._slider.toolTip() == window.brush_panel.radius.toolTip()
    before = view.brush.radius_mm
    press(hands.pane(), larger)
    assert view.brush.radius_mm > before
    press(hands.pane(), smaller)
    assert view.brush.radius_mm == before
    row = window.labels_panel.rows[view.active_label]
    back, ahead = PAIR.search(row.toolTip()).groups()  # type: ignore[union-attr]
    first = view.active_label
    press(hands.pane(), ahead)
    assert view.active_label != first
    press(hands.pane(), back)
    assert view.active_label == first


def test_every_text_of_bars_and_panels_follows_the_preset(hands: Hands, preset: str) -> None:
    window = hands.window
    named = {
        window.labels_panel._opacity: ("opacity_less", "opacity_more", "overlay"),
        window.labels_panel.rows[1].eye: ("label_hidden",),
        window.labels_panel.rows[1].lock: ("label_locked",),
        window.brush_panel.solid: ("brush_3d",),
        window.viewer_bar.modality.buttons[1]: ("modality_t1c",),
        window.viewer_bar.plane.buttons[0]: ("axial",),
        window.viewer_bar.picture.buttons[0]: ("peek",),
    }
    for widget, names in named.items():
        for name in names:
            assert with_keys(f"{{{name}}}", preset) in widget.toolTip(), widget.toolTip()
    for widget in window.findChildren(QWidget):
        assert not re.search(r"\{\w+\}", widget.toolTip()), widget.toolTip()


def test_the_navigation_tool_names_the_gesture_of_the_preset(hands: Hands, qtbot: object) -> None:
    navigate = hands.window.actions_table["navigate"]
    assert "; right drag changes brightness" in navigate.toolTip()
    hands.window.choose_keys("itksnap")
    settle(qtbot, hands.window)
    assert "; Shift+right drag changes brightness" in navigate.toolTip()
    assert navigate.statusTip() in navigate.toolTip()


def test_an_outline_in_another_slice_names_the_keys_that_end_it(hands: Hands) -> None:
    window, view = hands.window, hands.workspace.view
    window.ui.tool = Tool.POLYGON
    x, y, z = view.cursor
    hands.drag([(20, 20, z)])
    view.cursor = (x, y, z + 1)
    hands.drag([(24, 24, z + 1)])
    assert "Enter fills it, Esc gives it up" in window.status.readout.text()
    hands.key(Qt.Key.Key_Escape)
    assert not window.tools.drafting


@pytest.mark.parametrize(("key", "step"), [(Qt.Key.Key_Right, 1), (Qt.Key.Key_Left, -1)])
def test_left_and_right_step_slices_with_the_keys_of_slicer(hands: Hands, key: Qt.Key, step: int) -> None:
    start = hands.workspace.view.cursor[2]
    hands.key(key)
    assert hands.workspace.view.cursor[2] == start
    hands.window.choose_keys("slicer")
    hands.key(key)
    assert hands.workspace.view.cursor[2] == start + step


def test_left_and_right_stay_with_a_control_that_has_the_keyboard(hands: Hands) -> None:
    window, start = hands.window, hands.workspace.view.cursor
    window.choose_keys("slicer")
    window.ui.tool = Tool.PAINT
    for slider in (window.labels_panel._opacity, window.brush_panel._slider):
        before = slider.value()
        slider.setFocus()
        QTest.keyClick(slider, Qt.Key.Key_Right)
        assert slider.value() == before + slider.singleStep()
    window.brush_panel.shape.setFocus()
    QTest.keyClick(window.brush_panel.shape, Qt.Key.Key_Right)
    assert hands.workspace.view.brush.shape == "square"
    field = window.brush_panel.radius.lineEdit()
    field.setFocus()
    field.setCursorPosition(0)
    QTest.keyClick(field, Qt.Key.Key_Right)
    assert field.cursorPosition() == 1
    assert hands.workspace.view.cursor == start


def test_a_run_that_waits_names_the_key_that_starts_it(
    hands: Hands, monkeypatch: pytest.MonkeyPatch, wait: Callable[[Callable[[], bool]], None]
) -> None:
    monkeypatch.setattr("seg_editor.ui.live.too_long", lambda _seconds: True)
    hands.window.generation.settings.live = True
    hands.key(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: hands.window.generation.paused != "")
    assert "press Enter to start" in hands.window.generation_panel.time.text()

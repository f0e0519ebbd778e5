"""What a mouse can do in the panels, the keyboard can."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QWidget

from seg_editor.ui.panels.parts import Segments
from seg_editor.ui.state import Tool
from tests.ui.conftest import Hands, settle

Wait = Callable[[Callable[[], bool]], None]
SHIFT = Qt.KeyboardModifier.ShiftModifier


def test_arrow_keys_choose_in_a_row_of_buttons(hands: Hands) -> None:
    hands.key(Qt.Key.Key_H)
    scope, settings = hands.window.operations_panel.scope, hands.window.reshape.settings
    assert not settings.whole
    QTest.keyClick(scope, Qt.Key.Key_Right)
    assert settings.whole
    QTest.keyClick(scope, Qt.Key.Key_Right)
    assert settings.whole
    QTest.keyClick(scope, Qt.Key.Key_Left)
    assert not settings.whole


def test_a_row_of_buttons_steps_over_what_is_disabled(hands: Hands) -> None:
    row = Segments((("a", "A", ""), ("b", "B", ""), ("c", "C", "")), hands.window)
    row.show_key("a")
    row.enable("b", "there is none", "B")
    chosen: list[object] = []
    row.chosen.connect(chosen.append)
    QTest.keyClick(row, Qt.Key.Key_Right)
    assert chosen == ["c"]


def test_labels_are_chosen_hidden_and_locked_by_keys(hands: Hands, qtbot: object) -> None:
    window, view = hands.window, hands.workspace.view
    QTest.keyClick(window.labels_panel.rows[2], Qt.Key.Key_Space)
    assert view.active_label == 2
    hands.key(Qt.Key.Key_S, SHIFT)
    assert window.ui.hidden_labels == frozenset({2})
    hands.key(Qt.Key.Key_L, SHIFT)
    assert view.locked == frozenset({2})
    settle(qtbot, window)
    assert window.actions_table["label_hidden"].isChecked()
    assert window.actions_table["label_locked"].isChecked()
    QTest.keyClick(window.labels_panel.rows[2].lock, Qt.Key.Key_Space)
    assert view.locked == frozenset()


@pytest.mark.parametrize("tool", list(Tool))
def test_every_control_of_the_dock_takes_the_keyboard(hands: Hands, tool: Tool, qtbot: object) -> None:
    hands.window.ui.tool = tool
    settle(qtbot, hands.window)
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, Segments)
    without = [
        f"{type(widget).__name__} {widget.toolTip()}"
        for kind in kinds
        for widget in hands.window._dock.findChildren(kind)
        if widget.isVisible() and widget.focusPolicy() == Qt.FocusPolicy.NoFocus and not in_segments(widget)
    ]
    assert without == []


def in_segments(widget: QWidget) -> bool:
    """A button of a row, which has the keyboard itself; or a part of a spin box or a scroll bar."""
    parent = widget.parent()
    return isinstance(parent, Segments) or "ScrollBar" in type(widget).__name__

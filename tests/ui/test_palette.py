"""The command palette, and the reasons of disabled controls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox

from seg_editor.ui.palette import Palette
from seg_editor.ui.state import Tool
from tests.ui.conftest import Hands, settle

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_the_palette_finds_does_and_explains(hands: Hands, wait: Wait, qtbot: object) -> None:
    hands.key(Qt.Key.Key_P, CTRL | SHIFT)
    palette = next(w for w in QApplication.topLevelWidgets() if isinstance(w, Palette))
    QTest.keyClicks(palette.search, "export counter")
    assert palette.names() == ["export_result"]
    assert "Not now" in palette.why.text()
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.search.clear()
    QTest.keyClicks(palette.search, "coronal")
    assert palette.names()[0] == "coronal"
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    assert hands.workspace.view.plane.name == "CORONAL"


@pytest.mark.parametrize("tool", list(Tool))
def test_every_disabled_control_says_why(hands: Hands, tool: Tool, qtbot: object) -> None:
    hands.window.ui.tool = tool
    settle(qtbot, hands.window)
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox)
    silent = [
        f"{type(widget).__name__} {widget.objectName()} {getattr(widget, 'text', str)()}"
        for kind in kinds
        for widget in hands.window.findChildren(kind)
        if widget.isVisible() and not widget.isEnabled() and "Not now" not in widget.toolTip()
    ]
    assert silent == []

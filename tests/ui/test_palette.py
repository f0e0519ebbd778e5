"""The command palette, and the reasons of disabled controls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox

from seg_editor.ui.action_table import ACTIONS, PRESETS
from seg_editor.ui.palette import Palette
from seg_editor.ui.shortcut_sheet import described, in_lines
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


def test_the_palette_shows_every_key_in_full(hands: Hands) -> None:
    hands.key(Qt.Key.Key_P, CTRL | SHIFT)
    palette = next(w for w in QApplication.topLevelWidgets() if isinstance(w, Palette) and w.isVisible())
    metrics = palette.list.fontMetrics()
    items = [palette.list.topLevelItem(i) for i in range(palette.list.topLevelItemCount())]
    longest = max(metrics.horizontalAdvance(item.text(1)) for item in items if item is not None)
    assert palette.list.columnWidth(1) >= longest
    palette.close()


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_line_of_the_sheet_is_told_from_every_other(preset: str) -> None:
    gestures = [a for a in ACTIONS if a.kind == "mouse" and a.keys_for(preset)]
    texts = {a.id: described(a, gestures, preset) for a in gestures}
    assert "(Paint, Erase)" in texts["m_paint"]
    assert texts["m_move"] == "Move a piece (Move)"
    assert ("other tools" in texts["m_slice_5"]) == (preset != "napari")
    assert len(set(texts.values())) == len(texts)


def test_the_sheet_drops_no_key() -> None:
    for action in ACTIONS:
        for preset in PRESETS:
            keys = action.keys_for(preset)
            assert [key for line in in_lines(keys) for key in line] == list(keys)


def test_itk_snap_keys(hands: Hands, qtbot: object) -> None:
    hands.window.choose_keys("itksnap")
    shown = hands.window.ui.crosshair
    hands.key(Qt.Key.Key_4)
    assert hands.window.ui.tool is Tool.PAINT
    hands.key(Qt.Key.Key_X)
    assert hands.window.ui.crosshair is not shown
    assert hands.window.ui.tool is Tool.PAINT
    hands.key(Qt.Key.Key_2)
    assert hands.window.ui.tool is Tool.NAVIGATE

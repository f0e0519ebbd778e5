"""The sheet of keys: one for the window, however often it is opened; with real key events."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from seg_editor.ui.shortcut_sheet import ShortcutSheet
from tests.ui.comparing import Wait
from tests.ui.conftest import Hands
from tests.ui.fake import FakeBackend


def opened_sheet(hands: Hands) -> ShortcutSheet:
    """The sheet of the window, opened by its action; fails where there is more than one."""
    hands.window.actions_table["shortcuts"].trigger()
    (sheet,) = hands.window.findChildren(ShortcutSheet)
    assert sheet.isVisible()
    return sheet


def test_there_is_one_sheet_and_it_follows_the_keys(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened_sheet(hands)
    for _ in range(4):
        QTest.keyClick(first, Qt.Key.Key_Escape)
        assert not first.isVisible()
        assert opened_sheet(hands) is first
    assert opened_sheet(hands) is first
    filled, fill = [], ShortcutSheet._fill
    monkeypatch.setattr(ShortcutSheet, "_fill", lambda sheet: (filled.append(sheet), fill(sheet)))
    first.close()
    hands.window.choose_keys("slicer")
    assert filled == [first]
    assert opened_sheet(hands).presets.currentData() == "slicer"


def test_esc_closes_the_sheet_and_stops_nothing(hands: Hands, backend: FakeBackend, wait: Wait) -> None:
    hands.key(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: not hands.window.busy_with_actions)
    backend.hold.clear()
    hands.key(Qt.Key.Key_Return)
    wait(lambda: len(backend.runs) == 1)
    sheet = opened_sheet(hands)
    QTest.keyClick(sheet, Qt.Key.Key_Escape)
    assert not sheet.isVisible()
    assert hands.window.generation.running
    backend.hold.set()
    wait(lambda: not hands.window.generation.running)
    assert backend.ends == ["finished"]

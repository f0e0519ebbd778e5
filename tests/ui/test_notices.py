"""Notes, errors and offers lie over the pictures: nothing moves when they come or go."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QEvent, QPoint, QRect, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QPushButton, QWidget

from seg_editor.ui.main_window import MainWindow
from tests.ui.comparing import CTRL
from tests.ui.conftest import NO_BUTTON, Hands

SAVED = "Saved 90002_seg.nii.gz."


def rect(window: MainWindow, widget: QWidget) -> QRect:
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())


@pytest.mark.parametrize("kind", ["note", "error", "offer"])
def test_a_notice_moves_no_picture_and_covers_no_bar(hands: Hands, kind: str) -> None:
    window, bar = hands.window, hands.window.errors
    before = [rect(window, widget) for widget in (window.viewer, window.viewer_bar, *window.viewer.panes)]
    texts = {"note": bar.show_note, "error": bar.show_error, "offer": lambda text: bar.offer(text, ())}
    texts[kind](SAVED)
    QTest.qWait(1)
    assert bar.isVisible()
    assert [rect(window, widget) for widget in (window.viewer, window.viewer_bar, *window.viewer.panes)] == before
    assert rect(window, window.viewer).contains(rect(window, bar))
    assert bar.text.width() >= bar.text.fontMetrics().horizontalAdvance(SAVED)
    assert bar.height() < 60
    window.resize(1000, 700)
    bar.show_error(RuntimeError("a long story " * 20))
    bar.details_button.click()
    QTest.qWait(1)
    assert rect(window, window.viewer).contains(rect(window, bar))


def test_a_notice_in_place_of_another_has_room_for_its_text(hands: Hands) -> None:
    bar = hands.window.errors
    bar.show_note(SAVED, (("Discard them", lambda: None),))
    QTest.qWait(1)
    bar.show_note(SAVED, (("Use the saved map", lambda: None), ("Keep the new one", lambda: None)))
    assert bar.text.width() >= bar.text.fontMetrics().horizontalAdvance(SAVED)
    shown = [button.text() for button in bar.findChildren(QPushButton) if button.isVisible()]
    assert shown == ["Use the saved map", "Keep the new one"]


def test_a_notice_shows_over_the_start_page_too(window: MainWindow) -> None:
    window.errors.show_error("No such case.")
    assert window.errors.isVisible()
    assert rect(window, window.empty).contains(rect(window, window.errors))


def test_a_note_goes_by_itself(window: MainWindow, qtbot: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seg_editor.ui.error_bar._NOTE_MS", 30)
    window.errors.show_note(SAVED)
    qtbot.waitUntil(lambda: not window.errors.isVisible())  # type: ignore[attr-defined]


def test_a_note_goes_at_the_next_action_and_an_error_stays(hands: Hands) -> None:
    bar = hands.window.errors
    bar.show_note(SAVED)
    hands.send(QEvent.Type.MouseMove, hands.at(hands.workspace.view.cursor), NO_BUTTON, NO_BUTTON)
    QTest.keyPress(hands.pane(), Qt.Key.Key_Control)
    QTest.keyRelease(hands.pane(), Qt.Key.Key_Control)
    QTest.mouseClick(bar.text, Qt.MouseButton.LeftButton)
    assert bar.isVisible()
    hands.key(Qt.Key.Key_R, CTRL)
    assert not bar.isVisible()
    bar.show_note(SAVED)
    hands.drag([hands.workspace.view.cursor])
    assert not bar.isVisible()
    bar.show_error("The disk is full.")
    hands.drag([hands.workspace.view.cursor])
    assert bar.isVisible()

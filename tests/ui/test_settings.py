"""The settings window: sides, theme, label colors, pages of others; with real mouse and key events."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QColorDialog, QLabel, QWidget

from seg_editor.ui.keys_page import KeysPage
from seg_editor.ui.label_color_page import LabelColorPage
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.settings_dialog import DisplayPage, SettingsDialog
from seg_editor.ui.shortcut_sheet import ShortcutSheet
from tests.ui.conftest import LEFT, Hands

CTRL = Qt.KeyboardModifier.ControlModifier
Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def dialog(hands: Hands) -> SettingsDialog:
    """The settings, opened by their key."""
    hands.key(Qt.Key.Key_Comma, CTRL)
    assert hands.window.settings_dialog.isVisible()
    return hands.window.settings_dialog


def display(dialog: SettingsDialog) -> DisplayPage:
    """The page of the display."""
    found = dialog.findChild(DisplayPage)
    assert found is not None
    return found


def colors(dialog: SettingsDialog) -> LabelColorPage:
    """The page of the label colors."""
    dialog.show_page("Label colors")
    assert dialog.labels is not None
    return dialog.labels


def test_sides_follow_the_buttons_and_the_buttons_follow_the_menu(hands: Hands, dialog: SettingsDialog) -> None:
    page, ui = display(dialog), hands.window.ui
    QTest.mouseClick(page.sides.button(False), LEFT)
    assert not ui.radiological
    assert hands.window.viewer.contents[0].view.letters[0] == "L"
    QTest.mouseClick(page.sagittal.button(False), LEFT)
    assert not ui.nose_left
    hands.window.actions_table["radiological"].trigger()
    assert page.sides.button(True).isChecked()


def test_the_theme_changes_at_once_and_is_remembered(hands: Hands, dialog: SettingsDialog) -> None:
    QTest.mouseClick(display(dialog).theme.button("light"), LEFT)
    assert hands.window.theme_choice == "light"
    assert hands.window._preferences.theme == "light"
    hands.window.choose_theme("dark")


def test_a_label_color_changes_tables_and_no_voxel(hands: Hands, dialog: SettingsDialog) -> None:
    page, pane = colors(dialog), hands.pane()
    labels = hands.workspace.segmentation.labels.copy()
    shown = pane.labels.image.copy()
    swatch = hands.window.labels_panel.rows[2].swatch
    before = swatch.grab().toImage()
    QTest.mouseClick(page.buttons["ed"], LEFT)
    chooser = page.findChild(QColorDialog)
    assert chooser is not None
    chooser.setCurrentColor(QColor("#102030"))
    assert hands.window.ui.label_colors == {"ed": "#102030"}
    assert pane.labels.lut[2, :3].tolist() == [0x10, 0x20, 0x30]
    chooser.reject()
    assert hands.window.ui.label_colors == {}
    QTest.mouseClick(page.buttons["ed"], LEFT)
    chooser = page.findChildren(QColorDialog)[-1]
    chooser.setCurrentColor(QColor("#102030"))
    chooser.accept()
    assert hands.window.ui.label_colors == {"ed": "#102030"}
    assert np.array_equal(hands.workspace.segmentation.labels, labels)
    assert np.array_equal(pane.labels.image, shown)
    assert swatch.grab().toImage() != before


def test_the_palette_comes_back(hands: Hands, dialog: SettingsDialog) -> None:
    page = colors(dialog)
    assert not page.reset.isEnabled()
    assert "Not now" in page.reset.toolTip()
    hands.window.ui.label_colors = {"et": "#56B4E9"}
    assert "look alike" in page.verdict.text()
    QTest.mouseClick(page.reset, LEFT)
    assert hands.window.ui.label_colors == {}
    assert "can be told apart" in page.verdict.text()


def test_the_picture_is_shown_as_four_kinds_of_readers_see_it(dialog: SettingsDialog) -> None:
    tiles = [tile.pixmap().toImage() for tile in colors(dialog).tiles.values()]
    assert len(tiles) == 4
    assert all(one != other for n, one in enumerate(tiles) for other in tiles[:n])


def test_without_a_case_a_drawing_is_shown(window: MainWindow) -> None:
    page = colors(window.settings_dialog)
    assert set(page.buttons) == {"ncr", "ed", "et", "net"}
    assert not page.tiles["normal"].pixmap().isNull()


def test_keys_are_chosen_and_their_sheet_opens(hands: Hands, dialog: SettingsDialog) -> None:
    window = hands.window
    dialog.show_page("Keys")
    page = dialog.findChild(KeysPage)
    assert page is not None
    assert page.isVisible()
    assert page.presets.currentData() == "seg-editor"
    QTest.mouseClick(page.sheet, LEFT)
    sheet = window.findChild(ShortcutSheet)
    assert sheet is not None
    assert sheet.isVisible()
    at = page.presets.findData("slicer") - page.presets.currentIndex()
    for _ in range(at):
        QTest.keyClick(page.presets, Qt.Key.Key_Down)
    assert window.actions_table.preset == "slicer"
    assert window._preferences.keys == "slicer"
    assert sheet.presets.currentData() == "slicer"
    QTest.keyClick(sheet.presets, Qt.Key.Key_Home)
    assert page.presets.currentData() == "seg-editor"
    assert window.actions_table.preset == "seg-editor"
    sheet.close()


def test_others_add_pages_that_are_made_when_they_are_opened(window: MainWindow) -> None:
    dialog, made = window.settings_dialog, []

    def make() -> QWidget:
        made.append(1)
        return QLabel("devices")

    dialog.add_page("Device", make)
    assert not made
    dialog.show_page("Device")
    QTest.keyClick(dialog.titles, Qt.Key.Key_Up)
    QTest.keyClick(dialog.titles, Qt.Key.Key_Down)
    assert made == [1]
    assert dialog.titles.currentItem().text() == "Device"
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()

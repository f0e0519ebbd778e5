"""Settings page: whose keys the window has."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.panels.parts import named, show_choice, wrapped
from seg_editor.ui.shortcut_sheet import preset_combo

_NOTE = "Keys and mouse gestures as in a program that you know; the rest stays as it is."


class KeysPage(QWidget):
    """Chooses the preset of the keys and opens the sheet that lists them.

    Parameters
    ----------
    actions : ActionSet
    choose : callable
        Takes the preset.
    """

    def __init__(self, actions: ActionSet, choose: Callable[[str], object]) -> None:
        super().__init__()
        self.presets = preset_combo(actions.preset, choose)
        self.presets.setAccessibleName("Keys like")
        self.sheet = QPushButton("Show every key")
        self.sheet.clicked.connect(lambda: actions["shortcuts"].trigger())
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(8)
        column.addWidget(named(QLabel("Keys"), "emptyTitle"))
        column.addSpacing(8)
        column.addWidget(named(QLabel("Keys like"), "valueName"))
        column.addWidget(self.presets)
        column.addWidget(wrapped(_NOTE))
        column.addSpacing(8)
        column.addWidget(self.sheet, alignment=Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        actions.preset_changed.connect(lambda preset: show_choice(self.presets, preset))

"""The sheet that lists every key, made from the action table."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from seg_editor.ui.action_set import native_key
from seg_editor.ui.action_table import ACTIONS, GROUPS, PRESETS
from seg_editor.ui.actions import Action
from seg_editor.ui.panels.parts import combo, named, show_choice

_GROUPS = (
    *("tools", "mouse", "slices", "view", "generate", "file"),
    *("modal", "edit", "operations", "compare", "export", "help"),
)
_COLUMNS = 4
_ROOM = 12
_TITLES = {**dict(GROUPS), "mouse": "Mouse", "modal": "While an outline is drawn"}


class ShortcutSheet(QDialog):
    """Columns of keys and a choice of the preset."""

    preset_chosen = pyqtSignal(str)

    def __init__(self, preset: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self._preset = preset
        title = named(QLabel("Keyboard shortcuts"), "emptyTitle")
        self.presets = combo(tuple(PRESETS.items()), self._choose, "Keys like those of another program")
        self.presets.setFixedWidth(160)
        show_choice(self.presets, preset)
        head = QHBoxLayout()
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(named(QLabel("Keys like"), "muted"))
        head.addWidget(self.presets)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 24, 24, 16)
        outer.setSpacing(16)
        outer.addLayout(head)
        outer.addWidget(self._area)
        self.resize(1440, 860)
        self._fill()

    def _choose(self, preset: str) -> None:
        self._preset = preset
        self._fill()
        self.preset_chosen.emit(preset)

    def _fill(self) -> None:
        body = named(QWidget(), "dockBody")
        columns = QHBoxLayout(body)
        columns.setContentsMargins(8, 16, 8, 16)
        columns.setSpacing(16)
        made = [QVBoxLayout() for _ in range(_COLUMNS)]
        filled = [0] * _COLUMNS
        for group in _GROUPS:
            actions = [a for a in ACTIONS if self._group_of(a) == group and a.keys_for(self._preset)]
            shortest = filled.index(min(filled))
            self._add_group(made[shortest], group, actions)
            filled[shortest] += len(actions) + 2 if actions else 0
        for column in made:
            column.setSpacing(8)
            column.addStretch(1)
            columns.addLayout(column, 1)
        self._area.setWidget(body)

    def _add_group(self, column: QVBoxLayout, group: str, actions: list[Action]) -> None:
        if not actions:
            return
        column.addWidget(named(QLabel(_TITLES[group].upper()), "sectionTitle"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(0, 1)
        for line, action in enumerate(actions):
            grid.addWidget(QLabel(action.text.rstrip("…")), line, 0)
            keys = QHBoxLayout()
            keys.setSpacing(4)
            keys.addStretch(1)
            for key in _fitting(action.keys_for(self._preset)):
                shown = key if action.kind == "mouse" else native_key(key)
                cap = named(QLabel(shown), "keycap")
                cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
                keys.addWidget(cap)
            grid.addLayout(keys, line, 1)
        column.addLayout(grid)
        column.addSpacing(12)

    @staticmethod
    def _group_of(action: Action) -> str:
        if action.kind in ("mouse", "modal"):
            return action.kind
        return action.menu or "slices"


def _fitting(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that fit into a line: the first, and a second that is short."""
    return keys[:2] if sum(map(len, keys[:2])) <= _ROOM else keys[:1]

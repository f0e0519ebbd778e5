"""The sheet that lists every key, made from the action table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from seg_editor.ui.action_table import ACTIONS, GROUPS, PRESETS
from seg_editor.ui.actions import Action
from seg_editor.ui.floating import Floating
from seg_editor.ui.gestures import Chord
from seg_editor.ui.key_texts import native_key
from seg_editor.ui.panels.parts import combo, named, show_choice

_GROUPS = (
    *("tools", "mouse", "slices", "view", "generate", "file"),
    *("modal", "edit", "operations", "compare", "export", "help"),
)
_COLUMNS, _COLUMN_PX = 4, 330
_LARGEST = QSize(1440, 860)
_EDGE_PX = 80
_ROOM = 16
TOOL_TEXTS = {action.id: action.text.split(" ")[0] for action in ACTIONS if action.menu == "tools"}
_TITLES = {**dict(GROUPS), "mouse": "Mouse", "modal": "While an outline is drawn"}


class ShortcutSheet(Floating):
    """Columns of keys and a choice of the preset."""

    preset_chosen = pyqtSignal(str)

    def __init__(self, preset: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self._preset = preset
        title = named(QLabel("Keyboard shortcuts"), "emptyTitle")
        self.presets = preset_combo(preset, self._choose)
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
        screen = self.screen()
        free = _LARGEST if screen is None else screen.availableSize() - QSize(_EDGE_PX, _EDGE_PX)
        self.resize(_LARGEST.boundedTo(free))
        self._fill()

    def show_preset(self, preset: str) -> None:
        """Show the keys of a preset that was chosen elsewhere."""
        if preset != self._preset:
            self._preset = preset
            show_choice(self.presets, preset)
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
        count = min(max(self.width() // _COLUMN_PX, 1), _COLUMNS)
        made = [QVBoxLayout() for _ in range(count)]
        filled = [0] * count
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
            text = QLabel(described(action, actions, self._preset))
            text.setWordWrap(True)
            grid.addWidget(text, line, 0)
            grid.addLayout(self._caps(action), line, 1, Qt.AlignmentFlag.AlignVCenter)
        column.addLayout(grid)
        column.addSpacing(12)

    def _caps(self, action: Action) -> QVBoxLayout:
        """Every key of an action, as many in a line as fit."""
        lines = QVBoxLayout()
        lines.setSpacing(4)
        for together in in_lines(action.keys_for(self._preset)):
            line = QHBoxLayout()
            line.setSpacing(4)
            line.addStretch(1)
            for key in together:
                cap = named(QLabel(key if action.kind == "mouse" else native_key(key)), "keycap")
                cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
                line.addWidget(cap)
            lines.addLayout(line)
        return lines

    @staticmethod
    def _group_of(action: Action) -> str:
        if action.kind in ("mouse", "modal"):
            return action.kind
        return action.menu or "slices"


def preset_combo(preset: str, choose: Callable[[str], object]) -> QComboBox:
    """Return a choice of the preset that shows `preset` and calls `choose` with what the user picks."""
    box = combo(tuple(PRESETS.items()), choose, "Keys like those of another program")
    box.setFixedWidth(160)
    show_choice(box, preset)
    return box


def described(action: Action, others: Sequence[Action], preset: str) -> str:
    """Return the text of an action, for a gesture with the tools that it is for.

    A gesture for all tools says so where one of `others` takes its control for some tools.
    """
    text = action.text.rstrip("…")
    if action.tools:
        return f"{text} ({', '.join(TOOL_TEXTS[tool] for tool in action.tools)})"
    mine = {Chord.parse(key) for key in action.keys_for(preset)} if action.kind == "mouse" else set()
    taken = {Chord.parse(key) for other in others if other.tools for key in other.keys_for(preset)}
    return f"{text} (other tools)" if mine & taken else text


def in_lines(keys: Sequence[str]) -> list[list[str]]:
    """Return all keys, in lines that fit."""
    lines: list[list[str]] = []
    for key in keys:
        if lines and sum(map(len, lines[-1])) + len(key) <= _ROOM:
            lines[-1].append(key)
        else:
            lines.append([key])
    return lines

"""The command palette: a searchable list of every action, with its key, and why it cannot be done now."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent, QPalette
from PyQt6.QtWidgets import (
    QDialog,
    QFrame,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.action_table import ACTIONS, BY_ID, GROUPS
from seg_editor.ui.actions import Action
from seg_editor.ui.key_texts import native_key, with_keys
from seg_editor.ui.panels.parts import named

_TITLES = {**dict(GROUPS), "theme": "Theme", "": ""}
_ID = Qt.ItemDataRole.UserRole


class Palette(QDialog):
    """Type to search, Enter to do.

    Parameters
    ----------
    actions : ActionSet
    parent : QWidget
        The palette opens over its upper part.
    """

    def __init__(self, actions: ActionSet, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Command palette")
        self.setWindowFlags(Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("palette")
        self._actions = actions
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search a command")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._fill)
        self.search.installEventFilter(self)
        self.list = QTreeWidget()
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        header = self.list.header()
        assert header is not None
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setStyleSheet("QTreeWidget::item { padding: 5px 8px; }")
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemClicked.connect(lambda item: self._do(item))
        self.list.currentItemChanged.connect(lambda *_: self._explain())
        self.why = named(QLabel(), "small")
        self.why.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(8)
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        column.addWidget(self.why)
        self.resize(560, 440)
        place = parent.mapToGlobal(parent.rect().center())
        self.move(place.x() - self.width() // 2, parent.mapToGlobal(parent.rect().topLeft()).y() + 80)
        self._fill("")
        self.search.setFocus()

    def names(self) -> list[str]:
        """Ids in the order of the list."""
        items = (self.list.topLevelItem(i) for i in range(self.list.topLevelItemCount()))
        return [str(item.data(0, _ID)) for item in items if item is not None]

    def _fill(self, text: str) -> None:
        self.list.clear()
        found = sorted(
            ((rank, order, spec) for order, spec in enumerate(ACTIONS) if (rank := rank_of(spec, text)) is not None),
            key=lambda hit: hit[:2],
        )
        for _, _, spec in found:
            keys = ", ".join(map(native_key, spec.keys_for(self._actions.preset)[:2]))
            title = _TITLES.get(spec.menu, "")
            shown = self._actions[spec.id].text().rstrip("…")
            item = QTreeWidgetItem([f"{title}: {shown}" if title else shown, keys])
            item.setData(0, _ID, spec.id)
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            enabled = self._actions[spec.id].isEnabled()
            colors = self.palette()
            off = colors.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.WindowText)
            if not enabled:
                item.setForeground(0, off)
            item.setForeground(1, colors.color(QPalette.ColorRole.PlaceholderText) if enabled else off)
            self.list.addTopLevelItem(item)
        self.list.setCurrentItem(self.list.topLevelItem(0))
        self._explain()

    def _explain(self) -> None:
        item = self.list.currentItem()
        name = "" if item is None else str(item.data(0, _ID))
        if not name:
            self.why.setText("No command has this name.")
            return
        why = self._actions.why_disabled(name)
        self.why.setText(f"Not now: {why}." if why else with_keys(BY_ID[name].tip, self._actions.preset))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Arrows move in the list, Enter does what is chosen."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 10, Qt.Key.Key_PageUp: -10}
            if event.key() in steps:
                self._step(steps[Qt.Key(event.key())])
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._do(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _step(self, by: int) -> None:
        count = self.list.topLevelItemCount()
        if count:
            now = self.list.indexOfTopLevelItem(self.list.currentItem())
            self.list.setCurrentItem(self.list.topLevelItem(min(max(now + by, 0), count - 1)))

    def _do(self, item: QTreeWidgetItem | None) -> None:
        name = "" if item is None else str(item.data(0, _ID))
        if name and self._actions[name].isEnabled():
            self.close()
            self._actions[name].trigger()
        else:
            self._explain()


def rank_of(spec: Action, text: str) -> int | None:
    """How well an action fits what was typed, 0 best; None when it does not or cannot be pressed."""
    if spec.kind != "press" or spec.id == "palette":
        return None
    words = text.lower().split()
    name = spec.text.lower()
    whole = f"{_TITLES.get(spec.menu, '')} {name} {spec.tip}".lower()
    if not all(word in whole for word in words):
        return None
    if name.startswith(text.lower().strip()):
        return 0
    return 1 if all(word in name for word in words) else 2

"""Small pieces that the panels are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QFont, QFontMetrics, QKeyEvent, QPaintEvent
from PyQt6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from seg_editor.ui.painting import fitted, painting

RESTED_MS = 40
"""What is not a picture follows the slice on display so long after its last change."""
_SEGMENT_PADDING = 9
_COMBO_KEYS = frozenset(
    (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
)
W = TypeVar("W", bound=QWidget)


class Section(QFrame):
    """A titled block of the dock; add widgets to ``body``, small controls to ``head``. A click on the title folds it.

    Signals
    -------
    folded(bool)
        The user folded or unfolded it.

    Attributes
    ----------
    key : str
        Names it, whatever its title says at the moment.
    """

    folded = pyqtSignal(bool)

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("section")
        self.key = title.lower()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 12, 16, 16)
        outer.setSpacing(8)
        self.head = QHBoxLayout()
        self.head.setSpacing(8)
        self._text, self._folded = title.upper(), False
        self.fold = named(QPushButton(), "sectionTitle")
        self.fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.fold.clicked.connect(lambda: self._turn(not self._folded))
        self.head.addWidget(self.fold)
        self.head.addStretch(1)
        outer.addLayout(self.head)
        self._content = QWidget()
        self.body = QVBoxLayout(self._content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(8)
        outer.addWidget(self._content)
        self.set_folded(False)

    def set_title(self, title: str) -> None:
        """Change the title."""
        self._text = title.upper()
        self.set_folded(self._folded)

    def set_folded(self, folded: bool) -> None:
        """Show the title alone, or all of it."""
        self._folded = folded
        self._content.setVisible(not folded)
        self.fold.setText(f"{self._text} {'▸' if folded else '▾'}")
        self.fold.setToolTip("Show these settings" if folded else "Fold these settings away")

    def _turn(self, folded: bool) -> None:
        self.set_folded(folded)
        self.folded.emit(folded)


def named(widget: W, name: str) -> W:
    """Give a widget the object name that the style sheet knows."""
    widget.setObjectName(name)
    return widget


def restyle(widget: QWidget, **properties: object) -> None:
    """Set style properties and let the style sheet see them."""
    fresh = False
    for name, value in properties.items():
        if widget.property(name) != value:
            widget.setProperty(name, value)
            fresh = True
    style = widget.style()
    if fresh and style is not None:
        style.unpolish(widget)
        style.polish(widget)


def row(*widgets: QWidget | int, spacing: int = 8) -> QHBoxLayout:
    """Put widgets beside each other; a number is a stretch."""
    line = QHBoxLayout()
    line.setSpacing(spacing)
    for widget in widgets:
        if isinstance(widget, int):
            line.addStretch(widget)
        else:
            line.addWidget(widget)
    return line


def field_label(text: str, width: int = 72) -> QLabel:
    """Return a label of fixed width that stands before a field."""
    label = named(QLabel(text), "muted")
    label.setFixedWidth(width)
    return label


def wrapped(text: str = "", name: str = "small") -> QLabel:
    """Return a label that breaks lines and never widens the dock."""
    label = named(QLabel(text), name)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def _widen(button: QToolButton) -> None:
    """Make room for the bold text of the button that is down."""
    bold = QFont(button.font())
    bold.setWeight(QFont.Weight.DemiBold)
    button.setMinimumWidth(QFontMetrics(bold).horizontalAdvance(button.text()) + 2 * _SEGMENT_PADDING)


class Segments(QFrame):
    """A row of buttons of which one is down; with the keyboard, Left and Right choose.

    Signals
    -------
    chosen(object)
        The key of the button that the user pressed.
    """

    chosen = pyqtSignal(object)

    def __init__(self, choices: Sequence[tuple[object, str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("segments")
        line = QHBoxLayout(self)
        line.setContentsMargins(2, 2, 2, 2)
        line.setSpacing(2)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        keep_arrows(self)
        self._buttons: dict[object, QToolButton] = {}
        group = QButtonGroup(self)
        for key, text, tip in choices:
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked=False, key=key: self.chosen.emit(key))
            group.addButton(button)
            _widen(button)
            line.addWidget(button)
            self._buttons[key] = button

    @property
    def buttons(self) -> tuple[QToolButton, ...]:
        """The buttons, from left to right."""
        return tuple(self._buttons.values())

    def button(self, key: object) -> QToolButton:
        """Return the button of a key."""
        return self._buttons[key]

    def rename(self, key: object, text: str) -> None:
        """Change what stands on a button."""
        self._buttons[key].setText(text)
        _widen(self._buttons[key])

    def show_key(self, key: object) -> None:
        """Show which one is down."""
        if key in self._buttons:
            self._buttons[key].setChecked(True)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Choose the next button that is enabled."""
        step = 0 if event is None else {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if event is None or not step:
            super().keyPressEvent(event)
            return
        free = [button for button in self.buttons if button.isEnabled()]
        down = next((n for n, button in enumerate(free) if button.isChecked()), -1)
        if free:
            free[min(max(down + step, 0), len(free) - 1)].click()

    def enable(self, key: object, why_not: str, tip: str) -> None:
        """Enable a button, or say in its tooltip why it is disabled."""
        self._buttons[key].setEnabled(not why_not)
        self._buttons[key].setToolTip(f"{tip}. Not now: {why_not}." if why_not else tip)


class _Arrows(QObject):
    """Accepts Left and Right for a widget before they mean anything in the window."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
            if plain and event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
                event.accept()
                return True
        return super().eventFilter(watched, event)


def keep_arrows(widget: W) -> W:
    """Let Left and Right act on a widget that has the keyboard, whatever the keys of the window."""
    widget.installEventFilter(_Arrows(widget))
    return widget


def slider() -> QSlider:
    """Return a horizontal slider for mouse and keyboard."""
    made = keep_arrows(QSlider(Qt.Orientation.Horizontal))
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


class ElidedLabel(QLabel):
    """A line of plain text that ends in an ellipsis where the room ends; it never widens what it is in.

    Another text is drawn and nothing is laid out again, so it may change with every move of the mouse.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(" ")
        self._shown = text
        self._shorter: tuple[str, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def setText(self, text: str | None, shorter: Sequence[str] = ()) -> None:
        """Show another text; `shorter` are what may stand for it, longest first, where it does not fit."""
        if text != self._shown:
            self._shown, self._shorter = text or "", tuple(shorter)
            self.setAccessibleName(self._shown)
            self.update()

    def text(self) -> str:
        """All of the text."""
        return self._shown

    @property
    def drawn_text(self) -> str:
        """What of the text there is room for."""
        return fitted(self.fontMetrics(), self.contentsRect().width(), (self._shown, *self._shorter))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the shortened text."""
        room, text = self.contentsRect(), self.drawn_text
        with painting(QStylePainter(self)) as painter:
            painter.setPen(self.palette().color(self.foregroundRole()))
            painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)


class ElidedCombo(QComboBox):
    """A combo box whose text ends in an ellipsis where the room ends; in focus, plain keys are its own."""

    def event(self, event: QEvent | None) -> bool:
        """Keep arrows, Space and letters from the shortcuts of the window."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
            if plain and (event.key() in _COMBO_KEYS or (event.text() and event.text().isprintable())):
                event.accept()
                return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw frame and shortened text."""
        option, style = QStyleOptionComboBox(), self.style()
        with painting(QStylePainter(self)) as painter:
            self.initStyleOption(option)
            if style is not None:
                part = QStyle.SubControl.SC_ComboBoxEditField
                room = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width() - 2
                text = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
                option.currentText = text
            painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
            painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


def combo(choices: Sequence[tuple[str, str]], chosen: Callable[[str], object], tip: str = "") -> QComboBox:
    """Return a combo box of ``(key, text)`` that calls `chosen` with the key when the user picks."""
    box: QComboBox = ElidedCombo()
    box.setToolTip(tip)
    box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for key, text in choices:
        box.addItem(text, key)
    box.activated.connect(lambda index: chosen(str(box.itemData(index))))
    return box


def show_choice(box: QComboBox, key: str) -> None:
    """Select a key without telling anyone."""
    index = box.findData(key)
    if index >= 0 and index != box.currentIndex():
        blocked = box.blockSignals(True)
        box.setCurrentIndex(index)
        box.blockSignals(blocked)

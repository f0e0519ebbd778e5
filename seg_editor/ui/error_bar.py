"""Errors, notes and offers on a bar that floats over the pictures: one line, details to copy; never dialogs."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from PyQt6.QtCore import QEvent, QObject, QPoint, Qt, QTimer
from PyQt6.QtGui import QGuiApplication, QKeyEvent
from PyQt6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from seg_editor.errors import SegEditorError, out_of_memory, told
from seg_editor.ui.icons import icon, pixmap
from seg_editor.ui.panels.parts import named, restyle
from seg_editor.ui.theme import Theme

Choice = tuple[str, Callable[[], object]]
_NOTE_MS = 6000
_LONGEST_WORD = 80
_MARGIN = 12
_WIDEST = 760
_PLACED = (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show, QEvent.Type.Hide)
_ACTED = (QEvent.Type.MouseButtonPress, QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride)
_HELD = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_AltGr, Qt.Key.Key_Meta)


class ErrorBar(QFrame):
    """Shows the newest message; a note goes by itself or at the next action, an error stays until it is dismissed.

    It lies over the pictures, so that nothing moves when it comes or goes.
    An offer comes back after every other message until it is answered or put away.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("errorBar")
        self._theme: Theme | None = None
        self._mood = "error"
        self.message = ""
        self._offers: list[tuple[str, Sequence[Choice]]] = []
        self._symbol = QLabel()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._choices = QHBoxLayout()
        self.details_button = QPushButton("Details")
        self.details_button.setCheckable(True)
        self.details_button.toggled.connect(self._toggle_details)
        self.copy_button = QPushButton("Copy")
        self.copy_button.clicked.connect(self._copy)
        self.close_button = QToolButton()
        self.close_button.setToolTip("Dismiss")
        self.close_button.clicked.connect(self.dismiss)
        line = QHBoxLayout()
        line.setContentsMargins(16, 8, 8, 8)
        line.setSpacing(8)
        line.addWidget(self._symbol)
        line.addWidget(self.text, 1)
        line.addLayout(self._choices)
        for button in (self.details_button, self.copy_button, self.close_button):
            button.setProperty("flat", True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            line.addWidget(button)
        self.details = named(QPlainTextEdit(), "details")
        self.details.setReadOnly(True)
        self.details.setFixedHeight(140)
        stack = QVBoxLayout(self)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.setSpacing(0)
        stack.addLayout(line)
        stack.addWidget(self.details)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.dismiss)
        self._over: tuple[QWidget, ...] = ()
        self.dismiss()

    def float_over(self, host: QWidget, *places: QWidget) -> None:
        """Lie in `host`, at the top of the first of `places` in it that is visible."""
        self.setParent(host)
        self._over = places
        for watched in (host, *places):
            watched.installEventFilter(self)
        self.setVisible(bool(self.message))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the pictures; let a note go when the user does something else."""
        if event is None:
            return False
        if event.type() in _PLACED and (watched is self.parent() or watched in self._over):
            self._place()
        elif event.type() in _ACTED and self._timer.isActive() and isinstance(watched, QWidget):
            held = isinstance(event, QKeyEvent) and event.key() in _HELD
            if not held and watched is not self and not self.isAncestorOf(watched):
                self.dismiss()
        return False

    def _place(self) -> None:
        host, place = self.parentWidget(), next((place for place in self._over if place.isVisible()), None)
        if host is None or place is None or self.isHidden():
            return
        corner = place.mapTo(host, QPoint(0, 0))
        wanted = self._beside() + self.text.fontMetrics().horizontalAdvance(self.text.text()) + _MARGIN
        room = place.width() - 2 * _MARGIN
        width = room if self.details.isVisibleTo(self) else min(wanted, room, _WIDEST)
        left = corner.x() + (place.width() - width) // 2
        self.setGeometry(left, corner.y() + _MARGIN, width, self.heightForWidth(width))
        self.raise_()

    def _beside(self) -> int:
        """Width of everything in the line but the text, which has none of its own in the layout."""
        layout = self.layout()
        if layout is None:
            return 0
        layout.activate()
        return layout.totalMinimumSize().width()

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        self._theme = theme
        self.close_button.setIcon(icon("close", theme))
        self._show_symbol()

    def _show_symbol(self) -> None:
        if self._theme is not None:
            name, token = ("alert", "error") if self._mood == "error" else ("help", "accent")
            self._symbol.setPixmap(pixmap(name, self._theme.color(token), 18, self.devicePixelRatioF()))

    def show_error(self, error: BaseException | str, choices: Sequence[Choice] = (), details: str = "") -> None:
        """Show what went wrong; an exception brings its own details, see :func:`traceback_of`."""
        if isinstance(error, BaseException):
            self._show(worded(error), traceback_of(error), choices, "error")
        else:
            self._show(error, details, choices, "error")

    def show_note(self, text: str, choices: Sequence[Choice] = ()) -> None:
        """Show something worth knowing; it stays only when there is something to choose."""
        self._show(text, "", choices, "note")
        if not choices:
            self._timer.start(_NOTE_MS)
            app = QApplication.instance()
            if app is not None:
                app.installEventFilter(self)

    def offer(self, text: str, choices: Sequence[Choice]) -> None:
        """Offer something that must not be lost: other messages cover it for their time only."""
        self.withdraw(text)
        self._offers.append((text, choices))
        self._show_offer()

    def withdraw(self, text: str) -> None:
        """Take an offer back, for example because it was answered elsewhere."""
        self._offers = [offer for offer in self._offers if offer[0] != text]
        if self.isVisible() and self.message == text:
            self.dismiss()

    def clear(self) -> None:
        """Put the bar away with everything that is on offer."""
        self._offers.clear()
        self.dismiss()

    def _show_offer(self) -> None:
        if self._offers:
            text, choices = self._offers[-1]
            self._show(text, "", choices, "note")

    def _rest(self) -> None:
        """Wait for nothing any more: neither the end of a note's time nor the next action."""
        self._timer.stop()
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)

    def _show(self, text: str, details: str, choices: Sequence[Choice], mood: str) -> None:
        self._rest()
        self._mood = mood
        self.message = text
        self.text.setText(shortened(text))
        self.text.setToolTip(text if self.text.text() != text else "")
        self.details.setPlainText(details)
        self.details_button.setChecked(False)
        self.details_button.setVisible(bool(details))
        self.copy_button.setVisible(mood == "error")
        self.details.hide()
        self._clear_choices()
        for label, action in choices:
            button = QPushButton(label)
            button.clicked.connect(lambda _checked=False, action=action: self._choose(action))
            self._choices.addWidget(button)
            button.show()  # at once: the bar is measured with it
        restyle(self, mood=mood)
        self._show_symbol()
        self.show()
        self._place()

    def _clear_choices(self) -> None:
        while (item := self._choices.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def _choose(self, action: Callable[[], object]) -> None:
        self.dismiss()
        action()

    def dismiss(self) -> None:
        """Put the message away; what is on offer below it shows again."""
        self._rest()
        self._offers = [offer for offer in self._offers if offer[0] != self.message]
        self.message = ""
        self.hide()
        self.details.hide()
        self._show_offer()

    def _toggle_details(self, on: bool) -> None:
        self.details.setVisible(on)
        self._place()

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText("\n\n".join(filter(None, (self.message, self.details.toPlainText()))))


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error that nobody foresaw, ``""`` for a :class:`SegEditorError`."""
    return "" if isinstance(error, SegEditorError) else "".join(traceback.format_exception(error))


def worded(error: object) -> str:
    """Return what the window says about an error, wherever it says it; never empty."""
    if isinstance(error, SegEditorError) and error.path is not None:
        return told(error)
    if isinstance(error, SegEditorError) or out_of_memory(error):
        return sentence(told(error))
    return f"Something went wrong: {told(error)}"


def sentence(text: str) -> str:
    """Return text with a capital first letter."""
    return f"{text[:1].upper()}{text[1:]}"


def shortened(text: str, longest: int = _LONGEST_WORD) -> str:
    """Return text whose long words, such as paths, have an ellipsis in the middle; the rest can break lines."""
    half = (longest - 1) // 2
    return " ".join(word if len(word) <= longest else f"{word[:half]}…{word[-half:]}" for word in text.split(" "))

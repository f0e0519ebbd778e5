"""What the window shows without a case: what to do next."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from seg_editor.ui.icons import icon, pixmap
from seg_editor.ui.panels.parts import named, restyle
from seg_editor.ui.theme import Theme

NOTICE = "For research and teaching. Not a medical device: not for diagnosis or treatment."
_WIDTH = 640
_HINT = "Open the folder of a BraTS case or drop it here. Any one of its files will do, too."


class EmptyState(QWidget):
    """A card to open or drop a case, recent cases, and the progress of opening."""

    open_folder = pyqtSignal()
    open_demo = pyqtSignal()
    open_path = pyqtSignal(object)
    cancel = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("emptyState")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._symbol = QLabel()
        self._symbol.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = named(QLabel("What would this brain look like without the tumor?"), "emptyTitle")
        hint = named(QLabel(_HINT), "muted")
        for label in (title, hint):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._symbol.setFixedHeight(56)
        self.open_button = QPushButton(" Open case…")
        self.open_button.setProperty("primary", True)
        self.open_button.clicked.connect(self.open_folder)
        self.demo_button = QPushButton(" Open the demo case")
        self.demo_button.clicked.connect(self.open_demo)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.demo_button)
        buttons.addStretch(1)
        self._make_progress()
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        outer.addWidget(self._make_card((self._symbol, title, hint), buttons), 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addWidget(self._make_recent(), 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addStretch(3)
        self._theme: Theme | None = None
        self.show_recent([])
        self.show_progress("")

    def _make_progress(self) -> None:
        self._progress = QProgressBar()
        self._progress.setRange(0, 0)
        self._progress.setTextVisible(False)
        self.progress_text = named(QLabel(), "muted")
        self.progress_text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)

    def _make_card(self, words: tuple[QWidget, ...], buttons: QHBoxLayout) -> QFrame:
        self.card = named(QFrame(), "emptyCard")
        self.card.setFixedWidth(_WIDTH)
        inner = QVBoxLayout(self.card)
        inner.setContentsMargins(40, 40, 40, 40)
        inner.setSpacing(16)
        for widget in words:
            inner.addWidget(widget)
        inner.addSpacing(8)
        inner.addLayout(buttons)
        inner.addWidget(self.progress_text)
        inner.addWidget(self._progress)
        inner.addWidget(self.cancel_button, 0, Qt.AlignmentFlag.AlignHCenter)
        self.notice = named(QLabel(NOTICE), "small")
        self.notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inner.addWidget(self.notice)
        return self.card

    def _make_recent(self) -> QWidget:
        self._recent_title = named(QLabel("RECENT CASES"), "sectionTitle")
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        recent_box = QWidget()
        recent_box.setFixedWidth(_WIDTH)
        recent_inner = QVBoxLayout(recent_box)
        recent_inner.setContentsMargins(8, 16, 8, 0)
        recent_inner.addWidget(self._recent_title)
        recent_inner.addLayout(self._recent)
        return recent_box

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        self._theme = theme
        self._symbol.setPixmap(pixmap("brain", theme.color("accent"), 56, self.devicePixelRatioF()))
        self.open_button.setIcon(icon("open", theme, on_accent=True))
        self.demo_button.setIcon(icon("brain", theme))
        for button in self.findChildren(QPushButton, "recentItem"):
            button.setIcon(icon("recent", theme))

    def show_recent(self, paths: list[Path]) -> None:
        """List recent cases."""
        while (item := self._recent.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self._recent_title.setVisible(bool(paths))
        for path in paths[:6]:
            room = _WIDTH - 96 - self.fontMetrics().horizontalAdvance(f"{path.name}   –   ")
            place = self.fontMetrics().elidedText(str(path.parent), Qt.TextElideMode.ElideMiddle, room)
            button = named(QPushButton(f"{path.name}   –   {place}"), "recentItem")
            button.setProperty("flat", True)
            button.setToolTip(str(path))
            if self._theme is not None:
                button.setIcon(icon("recent", self._theme))
            button.clicked.connect(lambda _checked=False, path=path: self.open_path.emit(path))
            self._recent.addWidget(button)

    def show_demo(self, why_not: str) -> None:
        """Enable the demo button, or say why it is disabled."""
        self.demo_button.setEnabled(not why_not)
        self.demo_button.setToolTip(why_not or "A synthetic case with a simulated glioma; it comes with the program")

    def show_progress(self, what: str) -> None:
        """Show what is being opened, or nothing."""
        self.progress_text.setText(what)
        for widget in (self._progress, self.progress_text, self.cancel_button):
            widget.setVisible(bool(what))

    def show_dropping(self, dropping: bool) -> None:
        """Invite the drop while something is dragged over the window."""
        restyle(self.card, dropping=dropping)

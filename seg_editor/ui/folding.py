"""Groups of buttons that fold into one button with a menu where a bar is too narrow for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QMenu, QToolButton, QWidget

from seg_editor.ui.panels.parts import Segments

SPACING = 12


@dataclass(eq=False)
class Group:
    """Buttons beside each other, and the one button with a menu that stands for them where the bar is too narrow."""

    full: QWidget
    small: QToolButton
    wanted: bool = True

    def width(self, folded: bool) -> int:
        """How much of the bar it takes, with the space before it."""
        return ((self.small if folded else self.full).sizeHint().width() + SPACING) if self.wanted else 0

    def fold(self, folded: bool) -> None:
        """Show one or the other, or neither."""
        self.full.setVisible(self.wanted and not folded)
        self.small.setVisible(self.wanted and folded)


def fold_into(room: int, groups: Collection[Group], order: Sequence[Group]) -> None:
    """Fold groups, the first of `order` first, until all `groups` fit into `room` pixels; unfold the others."""
    folded: set[Group] = set()
    for group in order:
        if sum(each.width(each in folded) for each in groups) <= room:
            break
        folded.add(group)
    for group in groups:
        group.fold(group in folded)


def menu_button(text: str, tip: str, actions: Sequence[QAction] = ()) -> QToolButton:
    """Return a button that opens a menu of actions."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setProperty("framed", True)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    menu = QMenu(button)
    menu.addActions(actions)
    button.setMenu(menu)
    return button


def folded_choice(choice: Segments) -> QToolButton:
    """Return a button whose menu presses the buttons of a choice."""
    small = menu_button("▾", "")
    menu = small.menu()
    assert menu is not None

    def fill() -> None:
        menu.clear()
        for button in choice.buttons:
            action = QAction(button.text(), menu)
            action.setCheckable(True)
            action.setChecked(button.isChecked())
            action.setEnabled(button.isEnabled())
            action.triggered.connect(button.click)
            menu.addAction(action)

    menu.aboutToShow.connect(fill)
    return small

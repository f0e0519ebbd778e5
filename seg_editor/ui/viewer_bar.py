"""The bar above the picture: modality, plane, which picture, layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QAction, QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QMenu, QToolButton, QWidget

from seg_editor.cases import MODALITIES
from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.bind import bind
from seg_editor.ui.panels.parts import Segments
from seg_editor.ui.planes import Plane, plane_name
from seg_editor.ui.state import Layout, Role, UiState

_SHORT = {Plane.AXIAL: "Ax", Plane.CORONAL: "Cor", Plane.SAGITTAL: "Sag"}

_LAYOUTS = tuple(Layout)
_OVERLAYS = ("overlay", "outline", "tissue", "crosshair")
_SPACING = 12


@dataclass
class _Group:
    """Buttons beside each other, and the one button with a menu that stands for them where the bar is too narrow."""

    full: QWidget
    small: QToolButton
    wanted: bool = True

    def width(self, folded: bool) -> int:
        """How much of the bar it takes, with the space before it."""
        return ((self.small if folded else self.full).sizeHint().width() + _SPACING) if self.wanted else 0

    def fold(self, folded: bool) -> None:
        """Show one or the other, or neither."""
        self.full.setVisible(self.wanted and not folded)
        self.small.setVisible(self.wanted and folded)


class ViewerBar(QFrame):
    """Choices of what the panes show; groups fold into menus, one after another, where the room ends."""

    def __init__(self, ui: UiState, actions: ActionSet) -> None:
        super().__init__()
        self.setObjectName("viewerBar")
        self._ui = ui
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self.modality = Segments(
            tuple((m, m.display, f"Show {m.display} (F{n})") for n, m in enumerate(MODALITIES, start=1))
        )
        self.modality.chosen.connect(lambda key: self._set("modality", key))
        self.plane = Segments(
            tuple((p, _SHORT[p], f"{plane_name(p)} plane") for p in (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL))
        )
        self.plane.chosen.connect(lambda key: self._set("plane", key))
        self.picture = Segments(
            tuple((r, r.display, f"Show the {r.display.lower()} (hold Tab to see the original)") for r in Role)
        )
        self.picture.chosen.connect(lambda key: setattr(ui, "picture", key))
        overlays = [actions[name] for name in _OVERLAYS]
        layouts = [actions[f"layout_{layout}"] for layout in _LAYOUTS]
        self.modalities, self.planes, self.pictures, self.overlays, self.layouts = self._groups = (
            *(_Group(choice, _folded_choice(choice)) for choice in (self.modality, self.plane, self.picture)),
            _Group(_button_row(overlays), _menu_button("Overlays ▾", "What is drawn over the picture", overlays)),
            _Group(_button_row(layouts), _menu_button("Layout ▾", "How the panes are arranged", layouts)),
        )
        line = QHBoxLayout(self)
        line.setContentsMargins(_SPACING, 6, _SPACING, 6)
        line.setSpacing(_SPACING)
        for group in self._groups:
            if group is self.overlays:
                line.addStretch(1)
            line.addWidget(group.full)
            line.addWidget(group.small)
        bind(self, ui.changed, self._on_ui)
        self._on_ui("layout")

    def _fit(self) -> None:
        """Fold as many groups as must be, those first whose choice is rarely changed."""
        room = self.width() - _SPACING
        order = (self.layouts, self.pictures, self.overlays, self.planes, self.modalities)
        folded: list[_Group] = []
        for group in order:
            if sum(each.width(each in folded) for each in self._groups) <= room:
                break
            folded.append(group)
        for group in self._groups:
            group.fold(group in folded)

    def minimumSizeHint(self) -> QSize:
        """Everything folded."""
        return QSize(_SPACING + sum(group.width(True) for group in self._groups), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fold and unfold."""
        super().resizeEvent(event)
        self._fit()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show the choices of another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.view.changed, self._on_view),
                bind(self, workspace.results.changed, lambda: self._on_ui("picture")),
            ]
            for modality in MODALITIES:
                missing = modality not in workspace.case.modalities
                why = f"this case has no {modality.display}" if missing else ""
                self.modality.enable(modality, why, f"Show {modality.display}")
            self._on_view("modality")
            self._on_view("plane")
        self._on_ui("picture")

    def _set(self, name: str, key: object) -> None:
        if self._workspace is not None:
            setattr(self._workspace.view, name, key)

    def _on_view(self, name: str) -> None:
        assert self._workspace is not None
        if name == "modality":
            self.modality.show_key(self._workspace.view.modality)
        elif name == "plane":
            self.plane.show_key(self._workspace.view.plane)
        self._name_folded()

    def _on_ui(self, name: str) -> None:
        if name in ("layout", "picture"):
            self.picture.show_key(self._ui.picture)
            self.planes.wanted = self._ui.layout not in (Layout.PLANES, Layout.VOLUME)
            self.modalities.wanted = self._ui.layout not in (Layout.MODALITIES, Layout.EIGHT)
            has_result = self._workspace is not None and self._workspace.results.current is not None
            decided = (Layout.COMPARE, Layout.EIGHT, Layout.MODELS)
            self.pictures.wanted = has_result and self._ui.layout not in decided
            why = "" if has_result else "generate a counterfactual first"
            for role in (Role.RESULT, Role.DIFFERENCE):
                self.picture.enable(role, why, f"Show the {role.display.lower()}")
        self._name_folded()

    def _name_folded(self) -> None:
        for choice, group in ((self.modality, self.modalities), (self.plane, self.planes), (self.picture, self.pictures)):
            group.small.setText(next((f"{b.text()} ▾" for b in choice.buttons if b.isChecked()), "▾"))
        self._fit()


def _menu_button(text: str, tip: str, actions: Sequence[QAction] = ()) -> QToolButton:
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


def _folded_choice(choice: Segments) -> QToolButton:
    """Return a button whose menu presses the buttons of a choice."""
    small = _menu_button("▾", "")
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


def _button_row(actions: Sequence[QAction]) -> QWidget:
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(4)
    for action in actions:
        button = QToolButton()
        button.setDefaultAction(action)
        button.setIconSize(QSize(18, 18))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        line.addWidget(button)
    return row

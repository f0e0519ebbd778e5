"""The bar above the picture: modality, plane, which picture, layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QAction, QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QWidget

from seg_editor.cases import MODALITIES
from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.bind import bind
from seg_editor.ui.folding import SPACING, Group, fold_into, folded_choice, menu_button
from seg_editor.ui.key_texts import with_keys
from seg_editor.ui.panels.parts import Segments
from seg_editor.ui.planes import Plane, plane_name
from seg_editor.ui.state import Layout, Role, UiState

_SHORT = {Plane.AXIAL: "Ax", Plane.CORONAL: "Cor", Plane.SAGITTAL: "Sag"}

_LAYOUTS = tuple(Layout)
_PEEK = "[ (hold {peek} to see the original)]"
_OVERLAYS = ("overlay", "outline", "tissue", "crosshair", "contrast")


class ViewerBar(QFrame):
    """Choices of what the panes show; groups fold into menus, one after another, where the room ends."""

    def __init__(self, ui: UiState, actions: ActionSet) -> None:
        super().__init__()
        self.setObjectName("viewerBar")
        self._ui = ui
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._actions = actions
        self.modality = Segments([(m, m.display, "") for m in MODALITIES])
        self.modality.chosen.connect(lambda key: self._set("modality", key))
        self.plane = Segments([(p, short, "") for p, short in _SHORT.items()])
        self.plane.chosen.connect(lambda key: self._set("plane", key))
        self.picture = Segments([(role, role.display, "") for role in Role])
        self.picture.chosen.connect(lambda key: setattr(ui, "picture", key))
        overlays = [actions[name] for name in _OVERLAYS]
        layouts = [actions[f"layout_{layout}"] for layout in _LAYOUTS]
        self.modalities, self.planes, self.pictures, self.overlays, self.layouts = self._groups = (
            *(Group(choice, folded_choice(choice)) for choice in (self.modality, self.plane, self.picture)),
            Group(_button_row(overlays), menu_button("Overlays ▾", "What is drawn over the picture", overlays)),
            Group(_button_row(layouts), menu_button("Layout ▾", "How the panes are arranged", layouts)),
        )
        line = QHBoxLayout(self)
        line.setContentsMargins(SPACING, 6, SPACING, 6)
        line.setSpacing(SPACING)
        for group in self._groups:
            if group is self.overlays:
                line.addStretch(1)
            line.addWidget(group.full)
            line.addWidget(group.small)
        bind(self, ui.changed, self._on_ui)
        actions.preset_changed.connect(self._enable)
        self._on_ui("layout")
        self._enable()

    def _fit(self) -> None:
        """Fold as many groups as must be, those first whose choice is rarely changed."""
        order = (self.layouts, self.pictures, self.overlays, self.planes, self.modalities)
        fold_into(self.width() - SPACING, self._groups, order)

    def minimumSizeHint(self) -> QSize:
        """Everything folded."""
        return QSize(SPACING + sum(group.width(True) for group in self._groups), super().minimumSizeHint().height())

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
            self._on_view("modality")
            self._on_view("plane")
        self._on_ui("picture")
        self._enable()

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
            self._enable()
        self._name_folded()

    def _enable(self) -> None:
        """Enable what there is to show; the tooltips say why not, and the keys."""
        workspace, preset = self._workspace, self._actions.preset
        for modality in MODALITIES:
            missing = workspace is not None and modality not in workspace.case.modalities
            why = f"this case has no {modality.display}" if missing else ""
            tip = f"Show {modality.display}[ ({{modality_{modality}}})]"
            self.modality.enable(modality, why, with_keys(tip, preset))
        for plane in _SHORT:
            name = plane_name(plane)
            self.plane.enable(plane, "", with_keys(f"{name} plane[ ({{{name.lower()}}})]", preset))
        for role in Role:
            missing = role is not Role.SOURCE and (workspace is None or workspace.results.current is None)
            why = "generate a counterfactual first" if missing else ""
            self.picture.enable(role, why, with_keys(f"Show the {role.display.lower()}{_PEEK}", preset))

    def _name_folded(self) -> None:
        choices = (self.modality, self.plane, self.picture)
        for choice, group in zip(choices, (self.modalities, self.planes, self.pictures), strict=True):
            group.small.setText(next((f"{b.text()} ▾" for b in choice.buttons if b.isChecked()), "▾"))
        self._fit()


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

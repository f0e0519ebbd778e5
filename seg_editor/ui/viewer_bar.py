"""The bar above the picture: modality, plane, which picture, layout."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QToolButton

from seg_editor.cases import MODALITIES
from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.bind import bind
from seg_editor.ui.panels.parts import Segments
from seg_editor.ui.planes import Plane, plane_name
from seg_editor.ui.state import Layout, Role, UiState

_SHORT = {Plane.AXIAL: "Ax", Plane.CORONAL: "Cor", Plane.SAGITTAL: "Sag"}

_LAYOUTS = (Layout.SINGLE, Layout.COMPARE, Layout.PLANES, Layout.MODALITIES, Layout.VOLUME)


class ViewerBar(QFrame):
    """Choices of what the panes show."""

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
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 6, 12, 6)
        line.setSpacing(12)
        line.addWidget(self.modality)
        line.addWidget(self.plane)
        line.addWidget(self.picture)
        line.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        self._overlays = ("overlay", "outline", "tissue", "crosshair")
        self._layouts = tuple(f"layout_{layout}" for layout in _LAYOUTS)
        for name in (*self._overlays, "", *self._layouts):
            if not name:
                buttons.addSpacing(12)
                continue
            button = QToolButton()
            button.setDefaultAction(actions[name])
            button.setIconSize(QSize(18, 18))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            buttons.addWidget(button)
        line.addLayout(buttons)
        bind(self, ui.changed, self._on_ui)
        self._on_ui("layout")

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

    def _on_ui(self, name: str) -> None:
        if name in ("layout", "picture"):
            self.picture.show_key(self._ui.picture)
            self.plane.setVisible(self._ui.layout not in (Layout.PLANES, Layout.VOLUME))
            self.modality.setVisible(self._ui.layout is not Layout.MODALITIES)
            has_result = self._workspace is not None and self._workspace.results.current is not None
            self.picture.setVisible(has_result and self._ui.layout is not Layout.COMPARE)
            why = "" if has_result else "generate a counterfactual first"
            for role in (Role.RESULT, Role.DIFFERENCE):
                self.picture.enable(role, why, f"Show the {role.display.lower()}")

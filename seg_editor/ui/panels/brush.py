"""The brush panel: size in mm, shape, 2D or 3D, and what paint may cover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QCheckBox, QDoubleSpinBox, QSlider

from seg_editor.editing import PaintOver
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.panels.parts import Section, Segments, combo, field_label, row, show_choice
from seg_editor.ui.state import Tool, UiState

_OVER = (
    (PaintOver.ALL.value, "Everything"),
    (PaintOver.BACKGROUND.value, "Only background"),
    (PaintOver.ACTIVE.value, "Only the active label"),
)


class BrushPanel(Section):
    """Settings of the brush; shown with the tools that use them."""

    def __init__(self, ui: UiState) -> None:
        super().__init__("Brush")
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._ui = ui
        self.radius = QDoubleSpinBox()
        self.radius.setRange(0.5, 40.0)
        self.radius.setSingleStep(0.5)
        self.radius.setDecimals(1)
        self.radius.setSuffix(" mm")
        self.radius.setFixedWidth(88)
        self.radius.setToolTip("Brush radius ([ and ], or Shift+wheel over the picture)")
        self.radius.valueChanged.connect(self._set_radius)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(1, 80)
        self._slider.setToolTip(self.radius.toolTip())
        self._slider.valueChanged.connect(lambda value: self._set_radius(value / 2))
        self.shape = Segments((("round", "Round", "Round brush"), ("square", "Square", "Square brush")))
        self.shape.chosen.connect(lambda key: self._set(shape=str(key)))
        self.solid = QCheckBox("3D")
        self.solid.setToolTip("Paint a ball or cube through the neighboring slices as well")
        self.solid.toggled.connect(lambda on: self._set(three_d=on))
        self.over = combo(_OVER, self._set_over, "What paint may cover")
        self.body.addLayout(row(field_label("Radius"), self._slider, self.radius))
        self.body.addLayout(row(field_label("Shape"), self.shape, self.solid))
        self.body.addLayout(row(field_label("Paint over"), self.over))
        bind(self, ui.changed, lambda name: self._show_for_tool() if name == "tool" else None)
        self._show_for_tool()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = [] if workspace is None else [bind(self, workspace.view.changed, self._on_view)]
        if workspace is not None:
            self._on_view("brush")
            self._on_view("paint_over")
        self._show_for_tool()

    def _show_for_tool(self) -> None:
        self.setVisible(self._workspace is not None and self._ui.tool in (Tool.PAINT, Tool.ERASE, Tool.FILL))

    def _set(self, **values: object) -> None:
        if self._workspace is not None:
            view = self._workspace.view
            view.brush = replace(view.brush, **values)  # type: ignore[arg-type]

    def _set_radius(self, radius: float) -> None:
        self._set(radius_mm=radius)

    def _set_over(self, key: str) -> None:
        if self._workspace is not None:
            self._workspace.view.paint_over = PaintOver(key)

    def _on_view(self, name: str) -> None:
        assert self._workspace is not None
        view = self._workspace.view
        if name == "brush":
            for widget in (self.radius, self._slider, self.solid):
                widget.blockSignals(True)
            self.radius.setValue(view.brush.radius_mm)
            self._slider.setValue(round(view.brush.radius_mm * 2))
            self.solid.setChecked(view.brush.three_d)
            for widget in (self.radius, self._slider, self.solid):
                widget.blockSignals(False)
            self.shape.show_key(str(view.brush.shape))
        elif name == "paint_over":
            show_choice(self.over, str(view.paint_over))

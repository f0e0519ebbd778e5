"""The brush panel: size in mm, shape, 2D or 3D, what paint may cover, and where it may go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PyQt6.QtWidgets import QCheckBox, QDoubleSpinBox, QWidget

from seg_editor.cases import Subregion
from seg_editor.editing import PaintOver
from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.action_table import BY_ID
from seg_editor.ui.bind import bind
from seg_editor.ui.panels.parts import Section, Segments, combo, field_label, row, show_choice, slider, wrapped
from seg_editor.ui.panels.range_field import RangeField
from seg_editor.ui.state import Tool, UiState

_LESION = (Subregion.NCR, Subregion.ED, Subregion.ET)
_DEEP = {
    Tool.FILL: ("3D: the region in all slices", "Off: the region in the slice that is clicked"),
    Tool.POLYGON: ("3D: through all slices", "Off: the slice in which the outline is drawn"),
}
_TITLES = {Tool.FILL: "Fill", Tool.POLYGON: "Polygon and lasso", Tool.ERASE: "Eraser"}

_RADIUS = "Brush radius[ ({brush_smaller} and {brush_larger}, or {m_size} over the picture)]"
_OUTLINE_HINT = (
    "Click corners or drag freehand; drag a corner to move it. {o_back} takes back, {o_close} or a click on the"
    " first corner fills, {o_clear} clears what lies inside."
)


class BrushPanel(Section):
    """Settings of the tools that paint; each shows only what it uses."""

    def __init__(self, ui: UiState, actions: ActionSet) -> None:
        super().__init__("Brush")
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._ui = ui
        self._actions = actions
        self.radius = QDoubleSpinBox()
        self.radius.setRange(0.5, 40.0)
        self.radius.setSingleStep(0.5)
        self.radius.setDecimals(1)
        self.radius.setSuffix(" mm")
        self.radius.setFixedWidth(96)
        self.radius.valueChanged.connect(self._set_radius)
        self._slider = slider()
        self._slider.setRange(1, 80)
        for part in (self.radius, self._slider):
            actions.tell(part.setToolTip, _RADIUS)
        self._slider.valueChanged.connect(lambda value: self._set_radius(value / 2))
        self.shape = Segments((("round", "Round", "Round brush"), ("square", "Square", "Square brush")))
        self.shape.chosen.connect(lambda key: self._set(shape=str(key)))
        self.solid = QCheckBox("3D")
        actions.tell(self.solid.setToolTip, f"{BY_ID['brush_3d'].tip}[ ({{brush_3d}})]")
        self.solid.toggled.connect(lambda on: self._set(three_d=on))
        self.lesion = Segments([(part, part.short, f"Paint {part.display}") for part in _LESION])
        self.lesion.chosen.connect(lambda part: actions[f"lesion_{part}"].trigger())
        self.over = combo((), self._set_over, "What paint may cover")
        self.range = RangeField()
        self.deep = QCheckBox()
        self.deep.toggled.connect(self._set_deep)
        self.right = QCheckBox("Right button erases every label")
        self.right.setToolTip("Off: the right button takes away the active label only")
        self.right.toggled.connect(self._set_right)
        self._size_row: list[QWidget] = [field_label("Radius"), self._slider, self.radius]
        self._shape_row: list[QWidget] = [field_label("Shape"), self.shape, self.solid]
        self._lesion_row: list[QWidget] = [field_label("Lesion"), self.lesion]
        self._over_word = field_label("Paint over")
        self._over_row: list[QWidget] = [self._over_word, self.over]
        for line in (self._lesion_row, self._size_row, self._shape_row, self._over_row):
            self.body.addLayout(row(*line))
        self.body.addWidget(self.range)
        self.body.addWidget(self.deep)
        self.body.addWidget(self.right)
        self._hint = wrapped()
        actions.tell(self._hint.setText, _OUTLINE_HINT)
        self.body.addWidget(self._hint)
        bind(self, ui.changed, lambda name: self._show_for_tool() if name == "tool" else None)
        self._show_for_tool()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = [] if workspace is None else [bind(self, workspace.view.changed, self._on_view)]
        self.range.set_workspace(workspace)
        if workspace is not None:
            for part in _LESION:
                why = "" if part in workspace.case.scheme.subregions else "the labels of this case have none"
                self.lesion.enable(part, why, f"Paint {part.display}")
            for name in ("brush", "paint_over", "active_label", "erase_active_only", "in_3d"):
                self._on_view(name)
        self._show_for_tool()

    def _fill_rules(self, workspace: Workspace) -> None:
        """Offer what the tool in hand may cover, or erase; the eraser knows no background."""
        erasing, scheme = self._ui.tool is Tool.ERASE, workspace.case.scheme
        self._over_word.setText("Erase" if erasing else "Paint over")
        self.over.setToolTip("What the eraser takes away" if erasing else "What paint may cover")
        self.over.clear()
        self.over.addItem("Everything", PaintOver.ALL.value)
        if not erasing:
            self.over.addItem("Only background", PaintOver.BACKGROUND.value)
        for value in scheme.label_values:
            self.over.addItem(f"Only {scheme.name_of(value)}", str(value))
        self._on_view("paint_over")

    def _show_for_tool(self) -> None:
        tool, workspace = self._ui.tool, self._workspace
        shown = workspace is not None and (tool.brushes or tool.sets_labels)
        self.setVisible(shown)
        if workspace is None or not shown:
            return
        self.set_title(_TITLES.get(tool, "Brush"))
        self._fill_rules(workspace)
        on_tumor = workspace.active is workspace.tumor
        text, tip = _DEEP.get(tool, ("", ""))
        self.deep.setText(text)
        self.deep.setToolTip(tip)
        for widgets, visible in (
            (self._size_row, tool.brushes),
            (self._shape_row, tool.brushes),
            (self._lesion_row, tool is Tool.PAINT and on_tumor),
            (self._over_row, on_tumor),
            ([self.range], tool.sets_labels),
            ([self.deep], tool in _DEEP),
            ([self.right], tool.brushes or tool is Tool.FILL),
            ([self._hint], tool is Tool.POLYGON),
        ):
            for widget in widgets:
                widget.setVisible(visible)

    def _set(self, **values: object) -> None:
        if self._workspace is not None:
            view = self._workspace.view
            view.brush = replace(view.brush, **values)  # type: ignore[arg-type]

    def _set_radius(self, radius: float) -> None:
        self._set(radius_mm=radius)

    def _set_over(self, key: str) -> None:
        if self._workspace is not None:
            view = self._workspace.view
            view.only_label = int(key) if key.isdigit() else None
            view.paint_over = PaintOver.ACTIVE if key.isdigit() else PaintOver(key)

    def _set_right(self, on: bool) -> None:
        if self._workspace is not None:
            self._workspace.view.erase_active_only = not on

    def _set_deep(self, on: bool) -> None:
        if self._workspace is not None:
            self._workspace.view.in_3d = on

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
        elif name in ("paint_over", "only_label"):
            chosen = view.paint_over is PaintOver.ACTIVE
            show_choice(self.over, str(view.only_label) if chosen else str(view.paint_over))
        elif name == "active_label":
            self.lesion.show_key(self._workspace.case.scheme.subregion(view.active_label))
        elif name == "in_3d":
            self.deep.setChecked(view.in_3d)
        elif name == "erase_active_only":
            self.right.setChecked(not view.erase_active_only)
        elif name == "on_tissue":
            self._show_for_tool()

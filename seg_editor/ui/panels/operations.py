"""The reshape panel: which operation, on what, and how much; with the move tool, what it takes."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDoubleSpinBox, QPushButton, QWidget

from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.actions import TUMOR_ONLY
from seg_editor.ui.bind import bind
from seg_editor.ui.operations import BY_KEY, OPERATIONS, REACH_MM, Operation, scope_name, volumes
from seg_editor.ui.panels.parts import Section, Segments, combo, field_label, row, show_choice, slider, wrapped
from seg_editor.ui.reshape import Reshape
from seg_editor.ui.state import Tool, UiState

_FIELDS = {"±mm": "grow_mm", "mm": "smooth_mm", "ml": "small_ml"}
_RANGES = {"±mm": (-REACH_MM, REACH_MM, 0.5), "mm": (0.5, 6.0, 0.5), "ml": (0.05, 20.0, 0.05)}
_WORDS = {"±mm": "Distance", "mm": "Radius", "ml": "Smaller than"}
_SCOPES = ((False, "Label", "Only the label chosen above"), (True, "Whole tumor", "All labels together"))
_EXTENTS = ((False, "3D", "The whole volume"), (True, "This slice", "Only the slice of the pane in use"))
_GROUNDS = (
    (False, "Background", "A piece lands on background only"),
    (True, "Other labels", "A piece covers the labels where it lands; never locked ones"),
)
_MOVE_TIP = "Drag a piece in the picture; its outline follows the mouse."


class OperationsPanel(Section):
    """Shown with the tools that work on whole shapes."""

    def __init__(self, reshape: Reshape, ui: UiState, actions: ActionSet) -> None:
        super().__init__("Reshape")
        self._reshape, self._ui, self._actions = reshape, ui, actions
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        settings = reshape.settings
        self.operation = combo(
            [(o.key, o.text) for o in OPERATIONS], lambda key: setattr(settings, "operation", key), "What to do"
        )
        self.scope = Segments(_SCOPES)
        self.scope.chosen.connect(self._choose_scope)
        self.extent = Segments(_EXTENTS)
        self.extent.chosen.connect(lambda flat: setattr(settings, "flat", bool(flat)))
        self.into = Segments(
            (
                (False, "Background", "Growing covers no other label"),
                (True, "Other labels", "Growing covers the labels around it; locked ones stay"),
            )
        )
        self.into.chosen.connect(lambda over: setattr(settings, "over_labels", bool(over)))
        self._into_row: list[QWidget] = [field_label("Into"), self.into]
        self.onto = Segments(_GROUNDS)
        self.onto.chosen.connect(lambda covers: setattr(settings, "covers", bool(covers)))
        self._onto_row: list[QWidget] = [field_label("Onto"), self.onto]
        self._word = field_label("Distance")
        self.slider = slider()
        self.slider.valueChanged.connect(self._slide)
        self.amount = QDoubleSpinBox()
        self.amount.setFixedWidth(96)
        self.amount.valueChanged.connect(self._set_amount)
        self.hint = wrapped()
        self.apply = QPushButton("Apply")
        self.apply.setProperty("primary", True)
        self.apply.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.apply.clicked.connect(reshape.apply)
        self._operation_row: list[QWidget] = [field_label("Do"), self.operation]
        self._amount_row: list[QWidget] = [self._word, self.slider, self.amount]
        self._scope_word, self._extent_word = field_label("On"), field_label("Where")
        self.body.addLayout(row(*self._operation_row))
        self.body.addLayout(row(self._scope_word, self.scope))
        self.body.addLayout(row(self._extent_word, self.extent))
        self.body.addLayout(row(*self._amount_row))
        self.body.addLayout(row(*self._into_row))
        self.body.addLayout(row(*self._onto_row))
        self.body.addWidget(self.hint)
        self.body.addWidget(self.apply)
        bind(self, settings.changed, lambda _name: self._show())
        bind(self, ui.changed, lambda name: self._show() if name == "tool" else None)
        reshape.changed.connect(self._show_state)
        actions["op_smooth"].changed.connect(self._show_state)
        self._show()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = [] if workspace is None else [bind(self, workspace.view.changed, self._on_view)]
        self._show()

    def _choose_scope(self, whole: object) -> None:
        settings = self._reshape.settings
        setattr(settings, "whole" if self._ui.tool is Tool.RESHAPE else "whole_piece", bool(whole))

    def _on_view(self, name: str) -> None:
        if name in ("on_tissue", "active_label", "locked", "in_brain"):
            self._show()

    def _show(self) -> None:
        tool = self._ui.tool
        workspace = self._workspace if tool in (Tool.RESHAPE, Tool.MOVE) else None
        self.setVisible(workspace is not None)
        if workspace is None:
            return
        settings, reshaping = self._reshape.settings, tool is Tool.RESHAPE
        operation = BY_KEY[settings.operation]
        self.set_title("Reshape" if reshaping else "Move a piece")
        show_choice(self.operation, operation.key)
        for widget in (*self._operation_row, self.apply):
            widget.setVisible(reshaping)
        for widget in self._amount_row:
            widget.setVisible(reshaping and bool(operation.unit))
        for widget in (self._scope_word, self.scope):
            widget.setVisible(operation.whole or not reshaping)
        for widget in (self._extent_word, self.extent):
            widget.setVisible(operation.slices or not reshaping)
        self.scope.show_key(settings.whole if reshaping else settings.whole_piece)
        self.scope.rename(False, f"{scope_name(workspace.case.scheme, workspace.view.active_label)} only")
        self.extent.show_key(settings.flat)
        self.into.show_key(settings.over_labels)
        growing = operation.key == "grow" and settings.grow_mm > 0 and not settings.whole
        for widget in self._into_row:
            widget.setVisible(reshaping and growing)
        self.onto.show_key(settings.covers)
        for widget in self._onto_row:
            widget.setVisible(not reshaping)
        why = "" if reshaping or not workspace.view.on_tissue else TUMOR_ONLY
        for segments, choices in ((self.scope, _SCOPES), (self.extent, _EXTENTS), (self.onto, _GROUNDS)):
            for key, _text, tip in choices:
                segments.enable(key, why, tip)
        if operation.unit:
            self._show_amount(operation)
        self._show_state()

    def _show_amount(self, operation: Operation) -> None:
        low, high, step = _RANGES[operation.unit]
        value = float(getattr(self._reshape.settings, _FIELDS[operation.unit]))
        self._word.setText(_WORDS[operation.unit])
        for widget in (self.amount, self.slider):
            widget.blockSignals(True)
        self.amount.setRange(low, high)
        self.amount.setSingleStep(step)
        self.amount.setDecimals(2 if step < 0.1 else 1)
        self.amount.setPrefix("+" if operation.unit == "±mm" and value > 0 else "")
        self.amount.setSuffix(f" {operation.unit.removeprefix('±')}")
        self.amount.setValue(value)
        self.slider.setRange(round(low / step), round(high / step))
        self.slider.setValue(round(value / step))
        for widget in (self.amount, self.slider):
            widget.blockSignals(False)
        tip = "Positive grows, negative shrinks" if operation.unit == "±mm" else operation.tip
        self.amount.setToolTip(tip)
        self.slider.setToolTip(tip)

    def _move_hint(self) -> str:
        """What dragging does, and which rules hold where the piece lands; or why nothing can be moved."""
        if self._workspace is None or self._workspace.view.on_tissue:
            return f"{TUMOR_ONLY}."
        view, scheme = self._workspace.view, self._workspace.case.scheme
        locked = ", ".join(scope_name(scheme, value) for value in sorted(view.locked))
        rules = (f"not on locked {locked}" if locked else "", "not outside the brain" if view.in_brain else "")
        held = " and ".join(filter(None, rules))
        return f"{_MOVE_TIP} It lands whole or not at all{f': {held}' if held else ''}."

    def _slide(self, position: int) -> None:
        unit = BY_KEY[self._reshape.settings.operation].unit
        if unit:
            self._set_amount(position * _RANGES[unit][2])

    def _set_amount(self, value: float) -> None:
        unit = BY_KEY[self._reshape.settings.operation].unit
        if unit:
            setattr(self._reshape.settings, _FIELDS[unit], round(value, 2))

    def _show_state(self) -> None:
        if self._ui.tool is Tool.MOVE:
            self.hint.setText(self._move_hint())
            return
        operation, reshape = BY_KEY[self._reshape.settings.operation], self._reshape
        why = self._actions.why_disabled("op_smooth") or reshape.problem
        self.apply.setEnabled(not why)
        self.apply.setToolTip(f"Not now: {why}." if why else f"{operation.tip} (one undo step)")
        if why:
            self.hint.setText(f"{why}.")
        elif reshape.resting:
            self.hint.setText("Applied. Apply does it once more; a change of the settings shows a new preview.")
        elif reshape.preview is None:
            self.hint.setText("Computing the preview…")
        else:
            self.hint.setText(f"{operation.tip}. {_size(reshape)}")


def _size(reshape: Reshape) -> str:
    """What the preview gains and loses."""
    if reshape.preview is None:
        return ""
    changes = ", ".join(volumes(*reshape.gained_and_lost)) or "only labels change"
    return f"Preview: {reshape.preview.name}, {changes}."

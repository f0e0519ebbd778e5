"""The metrics panel: numbers of exactly the picture shown, each with a line on what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt6.QtWidgets import QFrame, QLabel, QToolButton, QVBoxLayout

from seg_editor.cases import Modality
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.generation import Generation, Status
from seg_editor.ui.panels.parts import Section, named, row, wrapped

EMPTY = "The numbers of a counterfactual appear here: how much tumor is left, whether only the tumor changed."


class _Number(QFrame):
    """A number with its name, its parts and its meaning."""

    def __init__(self, name: str, meaning: str) -> None:
        super().__init__()
        self.value = named(QLabel(), "value")
        self.parts = wrapped()
        stack = QVBoxLayout(self)
        stack.setContentsMargins(0, 4, 0, 4)
        stack.setSpacing(2)
        stack.addLayout(row(named(QLabel(name), "valueName"), 1, self.value))
        stack.addWidget(self.parts)
        stack.addWidget(wrapped(meaning))

    def show_value(self, text: str, parts: str = "") -> None:
        """Show the number."""
        self.value.setText(text)
        self.parts.setText(parts)
        self.parts.setVisible(bool(parts))


class MetricsPanel(Section):
    """TumorResidual, DiffMap IoU, the change outside, texture and seam, for the slice on display."""

    def __init__(self, generation: Generation) -> None:
        super().__init__("Metrics")
        self._generation = generation
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self.badge = named(QLabel("from an earlier mask"), "badge")
        self.badge.setToolTip("The mask changed after this picture was made; the numbers belong to the picture")
        self.head.addWidget(self.badge)
        self.note = wrapped(EMPTY)
        self.jump = QToolButton()
        self.jump.clicked.connect(self._jump)
        self.residual = _Number(
            "TumorResidual", "Tumor that the referee still sees; 0 is best."
        )
        self.iou = _Number("DiffMap IoU", "How well change and tumor overlap; 1 is best.")
        self.outside = _Number("Change outside", "Largest change outside the hole; must be 0.")
        self.texture = _Number("Texture", "Detail in the hole over healthy tissue; 1 is right, lower is blurred.")
        self.seam = _Number("Seam", "Step across the rim over the same rim in healthy tissue; 1 is right.")
        self.scope = wrapped()
        self._numbers = (self.residual, self.iou, self.outside, self.texture, self.seam)
        for widget in (self.note, self.jump, self.scope, *self._numbers):
            self.body.addWidget(widget)
        generation.changed.connect(self.show_numbers)
        self.show_numbers()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.view.changed, lambda name: self.show_numbers() if name == "cursor" else None),
                bind(self, workspace.results.changed, self.show_numbers),
            ]
        self.show_numbers()

    def _jump(self) -> None:
        workspace = self._workspace
        result = None if workspace is None else workspace.results.current
        if workspace is not None and result is not None and result.slices:
            x, y, z = workspace.view.cursor
            workspace.view.cursor = (x, y, min(result.slices, key=lambda k: abs(k - z)))

    def show_numbers(self) -> None:
        """Show the numbers of the slice under the crosshair."""
        workspace, generation = self._workspace, self._generation
        result = None if workspace is None else workspace.results.current
        metrics = generation.metrics()
        measured = metrics is not None and workspace is not None
        line = _slice_of(metrics, workspace.view.cursor[2]) if measured and workspace is not None else None
        self.badge.setVisible(generation.stale and result is not None)
        for widget in (*self._numbers, self.scope):
            widget.setVisible(line is not None)
        self.note.setVisible(line is None)
        self.jump.setVisible(False)
        if line is not None:
            self._show_line(line, metrics)
        elif result is None:
            self.note.setText(EMPTY)
        elif not measured:
            measuring = generation.status is Status.SCORING
            self.note.setText("Measuring…" if measuring else "This result has not been measured.")
        else:
            nearest = min(result.slices, key=lambda k: abs(k - workspace.view.cursor[2]))  # type: ignore[union-attr]
            self.note.setText("Nothing was generated in this slice.")
            self.jump.setText(f"Go to slice {nearest + 1}")
            self.jump.setVisible(True)

    def _show_line(self, line: Any, metrics: Any) -> None:
        count = len(metrics.per_slice)
        many = f" · {count} slices generated" if count > 1 else ""
        self.scope.setText(f"Axial slice {line.index + 1} · {Modality(metrics.modality).display}{many}")
        reason = str(metrics.overall.get("tumor_residual_reason") or "")
        self.residual.show_value(number(line.tumor_residual), _parts(line) or reason)
        ceiling = metrics.overall.get("diffmap_iou_ceiling")
        beside = f"a fully changed hole gives {number(ceiling)}" if ceiling else ""
        self.iou.show_value(number(line.diffmap_iou), beside)
        change = line.change_outside_max
        self.outside.show_value("0" if change == 0 else f"{change:.3g}", "0 voxels changed" if change == 0 else "")
        for shown, value in ((self.texture, line.texture_ratio), (self.seam, line.seam_ratio)):
            shown.show_value(number(value), "too little hole on this slice" if value is None else "")


def _slice_of(metrics: Any, index: int) -> Any:
    return next((line for line in metrics.per_slice if line.index == index), None)


def _parts(line: Any) -> str:
    if not line.parts:
        return ""
    names = {"inside": "in place", "outside": "elsewhere", "void": "voids"}
    return " · ".join(f"{name} {number(line.parts.get(key))}" for key, name in names.items())


def number(value: float | None) -> str:
    """Return a number with three digits, a dash for none."""
    return "–" if value is None else f"{value:.3f}"

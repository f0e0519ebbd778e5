"""The metrics panel: numbers of exactly the picture shown, each with a line on what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PyQt6.QtCore import QSize, QTimer
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QFrame, QLabel, QMenu, QToolButton, QVBoxLayout

from seg_editor.cases import Modality
from seg_editor.export.metric_table import as_markdown, as_tsv, headline, rows
from seg_editor.metrics.published import PROTOCOL_NOTE, PUBLISHED
from seg_editor.session import Plane, Workspace
from seg_editor.session.measured import Measured
from seg_editor.ui.bind import bind
from seg_editor.ui.captions import slice_number
from seg_editor.ui.charts import Profile, Scale
from seg_editor.ui.compare import DEFAULT_THRESHOLD
from seg_editor.ui.generation import Generation
from seg_editor.ui.icons import icon
from seg_editor.ui.panels.glance import Figure, Glance
from seg_editor.ui.panels.parts import RESTED_MS, Section, combo, named, row, wrapped
from seg_editor.ui.theme import Theme

EARLIER_MASK = "from an earlier mask"
NO_BREAK = "\u00a0"
EMPTY = "The numbers of a counterfactual appear here: how much tumor is left, whether only the tumor changed."
_FIGURES = (
    ("tumor_residual", "TumorResidual"),
    ("diffmap_iou", "DiffMap IoU"),
    ("texture_ratio", "Texture"),
    ("seam_ratio", "Seam"),
)
RESIDUAL = "Tumor that the referee still sees; 0 is best."
IOU = "How well change and tumor overlap; 1 is best."
OUTSIDE = "Largest change outside the hole; must be 0."
TEXTURE = "Detail in the hole over healthy tissue; 1 is right, lower is blurred."
SEAM = "Step across the rim over the same rim in healthy tissue; 1 is right."
WITHIN = "The referee takes what lies within tumor for tumor, so what was removed there may count as left."
_LIMITS = {"tumor_residual": 2.0, "diffmap_iou": 1.0}


class _Number(QFrame):
    """A number with its name, its parts, its place on a scale and its meaning."""

    def __init__(self, name: str, meaning: str, figure: str = "") -> None:
        super().__init__()
        self.value = named(QLabel(), "value")
        self.parts = wrapped()
        self.scale = Scale(PUBLISHED[figure], _LIMITS[figure]) if figure in PUBLISHED else None
        stack = QVBoxLayout(self)
        stack.setContentsMargins(0, 4, 0, 4)
        stack.setSpacing(2)
        stack.addLayout(row(named(QLabel(name), "valueName"), 1, self.value))
        if self.scale is not None:
            self.scale.setToolTip(PROTOCOL_NOTE)
            stack.addWidget(self.scale)
        stack.addWidget(self.parts)
        stack.addWidget(wrapped(meaning))

    def show_value(self, text: str, parts: str = "") -> None:
        """Show the number."""
        self.value.setText(text)
        self.parts.setText(parts)
        self.parts.setVisible(bool(parts))


class MetricsPanel(Section):
    """TumorResidual, DiffMap IoU, the change outside, texture and seam, for the slice on display.

    Attributes
    ----------
    glance : Glance
        The figures without their parts, for where they are always in sight.
    """

    def __init__(self, generation: Generation) -> None:
        super().__init__("Metrics")
        self._generation = generation
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._figure = "tumor_residual"
        self._runs: list[str] = []
        self.glance = Glance()
        self.badge = wrapped(EARLIER_MASK, "badge")
        self.badge.setToolTip("What the numbers below belong to, where that is not all of what you see")
        self._foreign = self._named = ""
        self.copy = QToolButton()
        self.copy.setToolTip("Copy the figures of all slices as a table")
        self.copy.setIconSize(QSize(16, 16))
        self.copy.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.copy.setMenu(self._make_menu())
        self.head.addWidget(self.copy)
        self.note = wrapped(EMPTY)
        self.jump = QToolButton()
        self.jump.clicked.connect(self._jump)
        self.residual = _Number("TumorResidual", RESIDUAL, "tumor_residual")
        self.iou = _Number(f"DiffMap IoU at {DEFAULT_THRESHOLD:.2f}", IOU, "diffmap_iou")
        self.outside = _Number("Change outside", OUTSIDE)
        self.texture = _Number("Texture", TEXTURE)
        self.seam = _Number("Seam", SEAM)
        self.scope = wrapped()
        self.protocol = wrapped(PROTOCOL_NOTE)
        self._numbers = (self.residual, self.iou, self.outside, self.texture, self.seam)
        self.figure = combo(_FIGURES, self._choose_figure, "Which figure the two charts show")
        self.slices_title = wrapped("Through the slices; click to go there")
        self.slices = Profile("Figure through the slices")
        self.slices.chosen.connect(self._go_to)
        self.runs_title = wrapped("Through the runs; click to show one")
        self.runs = Profile("Figure through the runs", 44)
        self.runs.chosen.connect(self._show_run)
        self._charts = (self.figure, self.slices_title, self.slices, self.runs_title, self.runs)
        for widget in (self.badge, self.note, self.jump, self.scope, *self._numbers, self.protocol, *self._charts):
            self.body.addWidget(widget)
        self._rested = QTimer(self)
        self._rested.setSingleShot(True)
        self._rested.setInterval(RESTED_MS)
        self._rested.timeout.connect(self.show_numbers)
        generation.changed.connect(self.show_numbers)
        self.show_numbers()

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        for text, slot in (("For a spreadsheet (TSV)", self.copy_table), ("As Markdown", self.copy_markdown)):
            action = menu.addAction(text)
            assert action is not None
            action.triggered.connect(lambda _checked=False, slot=slot: slot())
        return menu

    def set_theme(self, theme: Theme) -> None:
        """Take the colors of the theme."""
        self.copy.setIcon(icon("copy", theme))
        drawn: list[Scale | Profile] = [number.scale for number in self._numbers if number.scale is not None]
        for drawing in (*drawn, self.slices, self.runs):
            drawing.theme = theme
            drawing.update()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.view.changed, lambda name: self._follow() if name == "cursor" else None),
                bind(self, workspace.results.changed, self.show_numbers),
            ]
        self.show_numbers()

    def _follow(self) -> None:
        """Show the figures of the slice under the crosshair at once, all about them when the wheel rests."""
        measured, line = self._found()
        self._show_glance(line, measured)
        self._rested.start()

    def _found(self) -> tuple[Measured | None, Any]:
        """The figures of the result on display, and those of the slice under the crosshair."""
        measured, workspace = self._generation.measured(), self._workspace
        if measured is None or workspace is None:
            return measured, None
        return measured, _slice_of(measured.metrics, workspace.view.cursor[2])

    @property
    def _measuring(self) -> bool:
        """True while the result on display is being measured."""
        result = None if self._workspace is None else self._workspace.results.current
        return result is not None and self._generation.measuring == result.request.key

    def set_foreign(self, text: str) -> None:
        """Say that the panes show something else than the result that the numbers belong to; empty ends that."""
        if text != self._foreign:
            self._foreign = text
            self.show_numbers()

    def set_name(self, name: str) -> None:
        """Name the result that the numbers belong to, where several are on display; empty where it is the only one."""
        if name != self._named:
            self._named = name
            self.show_numbers()

    def copy_table(self) -> None:
        """Copy the figures of all slices, separated by tabs."""
        self._copy(as_tsv)

    def copy_markdown(self) -> None:
        """Copy the figures of all slices as a Markdown table."""
        self._copy(as_markdown)

    def _copy(self, form: Callable[..., str]) -> None:
        workspace, metrics, clipboard = self._workspace, self._generation.metrics(), QGuiApplication.clipboard()
        if workspace is None or metrics is None or clipboard is None or workspace.results.current is None:
            return
        case = workspace.case
        head = headline(workspace.results.current.request, case.case_id, Modality(metrics.modality).display)
        clipboard.setText(form(rows(metrics, lambda k: slice_number(case, Plane.AXIAL, k)), head))

    def _jump(self) -> None:
        workspace = self._workspace
        result = None if workspace is None else workspace.results.current
        if workspace is not None and result is not None and result.slices:
            self._look_at(min(result.slices, key=lambda k: abs(k - workspace.view.cursor[2])))

    def _look_at(self, z: int) -> None:
        if self._workspace is not None:
            x, y, _ = self._workspace.view.cursor
            self._workspace.view.cursor = (x, y, z)

    def _go_to(self, number: int) -> None:
        metrics = self._generation.metrics()
        if metrics is not None and 0 <= number < len(metrics.per_slice):
            self._look_at(metrics.per_slice[number].index)

    def _show_run(self, number: int) -> None:
        workspace = self._workspace
        if workspace is not None and 0 <= number < len(self._runs):
            found = workspace.results.find(self._runs[number])
            if found is not None:
                workspace.results.current = found

    def _choose_figure(self, name: str) -> None:
        self._figure = name
        self.show_numbers()

    def show_numbers(self) -> None:
        """Show the numbers of the slice under the crosshair."""
        workspace, generation = self._workspace, self._generation
        result = None if workspace is None else workspace.results.current
        measured, line = self._found()
        self._rested.stop()
        self.badge.setText(self._foreign or EARLIER_MASK)
        self.badge.setVisible((generation.stale or bool(self._foreign)) and result is not None)
        self.copy.setVisible(measured is not None)
        for widget in (*self._numbers, self.scope, self.protocol):
            widget.setVisible(line is not None)
        self._show_glance(line, measured)
        self.note.setVisible(line is None)
        self.jump.setVisible(False)
        self._show_charts(measured)
        if line is not None and measured is not None:
            self._show_line(line, measured)
        elif result is None:
            self.note.setText(EMPTY)
        elif measured is None or (workspace is not None and workspace.view.cursor[2] in result.slices):
            self.note.setText("Measuring…" if self._measuring else "This result has not been measured.")
        elif workspace is not None:
            nearest = min(result.slices, key=lambda k: abs(k - workspace.view.cursor[2]))
            self.note.setText("Nothing was generated in this slice.")
            self.jump.setText(f"Go to slice {slice_number(workspace.case, Plane.AXIAL, nearest)}")
            self.jump.setVisible(True)

    def _show_line(self, line: Any, measured: Measured) -> None:
        assert self._workspace is not None
        metrics = measured.metrics
        count = len(self._workspace.results.current.slices) if self._workspace.results.current is not None else 0
        many = f" · {count} slices generated" if count > 1 else ""
        number_shown = slice_number(self._workspace.case, Plane.AXIAL, line.index)
        of = f" · {self._named}" if self._named else ""
        self.scope.setText(f"Axial slice {number_shown} · {Modality(metrics.modality).display}{of}{many}")
        reason = str(metrics.overall.get("tumor_residual_reason") or "")
        floor = measured.floors.get(line.index)
        beside = "" if floor is None else f"\nfloor {number(floor)} (seen in untouched tissue)"
        beside += f"\nkept on purpose: {' + '.join(line.kept)}. {WITHIN}" if line.kept else ""
        self.residual.show_value(number(line.tumor_residual), (_parts(line) or reason) + beside)
        _place(self.residual, line.tumor_residual, floor)
        full, bound = measured.full.get(line.index), measured.bounds.get(line.index)
        told = f"all of the hole changed: {number(full)} · at most {number(bound)}" if full is not None else ""
        self.iou.show_value(number(line.diffmap_iou), told)
        _place(self.iou, line.diffmap_iou, full)
        change = line.change_outside_max
        self.outside.show_value("0" if change == 0 else f"{change:.3g}", "0 voxels changed" if change == 0 else "")
        for shown, value in ((self.texture, line.texture_ratio), (self.seam, line.seam_ratio)):
            shown.show_value(number(value), "too little hole on this slice" if value is None else "")

    def _show_glance(self, line: Any, measured: Measured | None) -> None:
        """Show the figures of a slice, or dashes where a result on display has none."""
        workspace = self._workspace
        self.glance.setVisible(workspace is not None and workspace.results.current is not None)
        if workspace is None or workspace.results.current is None:
            return
        place = f"Axial {slice_number(workspace.case, Plane.AXIAL, workspace.view.cursor[2])}"
        of = f" · {self._named}" if self._named else ""
        if line is None or measured is None:
            at, made = workspace.view.cursor[2], workspace.results.current.slices
            why = "not generated here" if at not in made else "measuring…" if self._measuring else "not measured"
            self.glance.show_figures(f"{place}{of} · {why}", _figures(None, None), shorter=(f"{place} · {why}",))
            return
        foreign = self._foreign or (EARLIER_MASK if self._generation.stale else "")
        kept = f" · {' + '.join(line.kept)} kept" if line.kept else ""
        place = f"{place} · {Modality(measured.metrics.modality).display}"
        on_purpose = f"{kept} on purpose" if kept else ""
        forms = (f"{place}{of}{on_purpose}", f"{place}{of}{kept}", f"{place}{of}")
        self.glance.show_figures(
            foreign or forms[0], _figures(line, measured), shorter=() if foreign else forms[1:], warn=bool(foreign)
        )

    def _show_charts(self, measured: Measured | None) -> None:
        workspace = self._workspace
        lines = () if measured is None else measured.metrics.per_slice
        entries = () if workspace is None else workspace.results.entries
        runs = [entry for entry in entries if isinstance(entry.metrics, Measured)]
        for widget in (self.slices_title, self.slices):
            widget.setVisible(len(lines) > 1)
        for widget in (self.runs_title, self.runs):
            widget.setVisible(len(runs) > 1)
        self.figure.setVisible(len(lines) > 1 or len(runs) > 1)
        if workspace is None:
            return
        here = workspace.view.cursor[2]
        names = [f"slice {slice_number(workspace.case, Plane.AXIAL, line.index)}" for line in lines]
        current = next((n for n, line in enumerate(lines) if line.index == here), -1)
        self.slices.show_values(names, [getattr(line, self._figure) for line in lines], current)
        self._runs = [entry.key for entry in runs]
        shown = "" if workspace.results.current is None else workspace.results.current.request.key
        figures = [_overall(entry.metrics).get(self._figure) for entry in runs]
        at = self._runs.index(shown) if shown in self._runs else -1
        self.runs.show_values([f"picture {entry.number}" for entry in runs], figures, at)


def _figures(line: Any, measured: Measured | None) -> tuple[Figure, ...]:
    """The five figures of a slice; dashes without one."""
    index = None if line is None else line.index
    floor = None if measured is None or index is None else measured.floors.get(index)
    bound = None if measured is None or index is None else measured.bounds.get(index)
    overlap = IOU if measured is None else f"{Modality(measured.metrics.modality).display}: {IOU}"
    change = "–" if line is None else "0" if line.change_outside_max == 0 else f"{line.change_outside_max:.3g}"
    values = [None if line is None else getattr(line, name) for name, _ in _FIGURES]
    return (
        Figure("Residual", number(values[0]), "" if floor is None else f"floor {number(floor)}", RESIDUAL),
        Figure(
            f"IoU at {DEFAULT_THRESHOLD:.2f}", number(values[1]), "" if bound is None else f"of {bound:.3g}", overlap
        ),
        Figure("Outside", change, "" if line is None else "must be 0", OUTSIDE),
        Figure("Texture", short(values[2]), "" if line is None else "1 is right", TEXTURE),
        Figure("Seam", short(values[3]), "" if line is None else "1 is right", SEAM),
    )


def _overall(measured: Measured) -> Mapping[str, Any]:
    return measured.metrics.overall


def _place(shown: _Number, value: float | None, beside: float | None) -> None:
    if shown.scale is not None:
        shown.scale.show_value(value, beside)


def _slice_of(metrics: Any, index: int) -> Any:
    return next((line for line in metrics.per_slice if line.index == index), None)


def _parts(line: Any) -> str:
    if not line.parts:
        return ""
    names = {"inside": "in place", "outside": "elsewhere", "void": "voids 2 ×"}
    parts = (f"{name} {number(line.parts.get(key))}" for key, name in names.items())
    return " · ".join(part.replace(" ", NO_BREAK) for part in parts)


def short(value: float | None) -> str:
    """Return a number with two digits, a dash for none."""
    return "–" if value is None else f"{value:.2f}"


def number(value: float | None) -> str:
    """Return a number with three digits, a dash for none."""
    return "–" if value is None else f"{value:.3f}"

"""The labels panel: name, color, visibility and volume of every label; a click makes one active."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.bind import bind
from seg_editor.ui.icons import icon
from seg_editor.ui.key_texts import with_keys
from seg_editor.ui.painting import painting
from seg_editor.ui.panels.parts import ElidedLabel, Section, Segments, field_label, named, restyle, row, slider
from seg_editor.ui.state import UiState
from seg_editor.ui.theme import TISSUE_COLORS, Theme, label_colors
from seg_editor.wording import milliliters

_CHOOSE = "{}: click to paint with this label[ ({{label_previous}} and {{label_next}} step through the labels)]"
_HIDE = "Hide this label[ ({label_hidden}: the active one)]"
_LOCK = "Lock this label[ ({label_locked}: the active one)]"
_OPACITY = (
    "How strongly the labels cover the picture"
    "[ ({opacity_less} fainter, {opacity_more} stronger, {overlay} off and on)]"
)


class _Swatch(QWidget):
    """The label's color as the picture shows it: outline and fill."""

    def __init__(self, color: QColor) -> None:
        super().__init__()
        self._color = color
        self.setFixedSize(QSize(16, 16))

    def show_color(self, color: QColor) -> None:
        """Take another color."""
        if color != self._color:
            self._color = color
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        with painting(QPainter(self)) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            fill = QColor(self._color)
            fill.setAlpha(120)
            painter.setBrush(fill)
            painter.setPen(QPen(self._color, 1.5))
            painter.drawRoundedRect(QRectF(1.5, 1.5, 13, 13), 3, 3)
            edge = QColor(self.palette().color(self.foregroundRole()))
            edge.setAlpha(90)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(edge, 1))
            painter.drawRoundedRect(QRectF(0.5, 0.5, 15, 15), 4, 4)


class LabelRow(QFrame):
    """One label."""

    clicked = pyqtSignal()
    eye_clicked = pyqtSignal()
    lock_clicked = pyqtSignal()

    def __init__(self, name: str, color: QColor) -> None:
        super().__init__()
        self.setObjectName("labelRow")
        self.setMinimumHeight(32)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(name)
        line = QHBoxLayout(self)
        line.setContentsMargins(8, 2, 2, 2)
        line.setSpacing(6)
        self._volume = named(QLabel(), "muted")
        self._volume.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._volume.setMinimumWidth(self._volume.fontMetrics().horizontalAdvance("0000.0 ml"))
        self.eye = QToolButton()
        self.eye.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.eye.setFixedSize(QSize(28, 28))
        self.eye.clicked.connect(self.eye_clicked)
        self.lock = QToolButton()
        self.lock.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.lock.setFixedSize(QSize(28, 28))
        self.lock.clicked.connect(self.lock_clicked)
        self.swatch = _Swatch(color)
        line.addWidget(self.swatch)
        self.name = ElidedLabel(name)
        line.addWidget(self.name, 1)
        line.addWidget(self._volume)
        line.addSpacing(2)
        line.addWidget(self.lock)
        line.addWidget(self.eye)

    def show_volume(self, volume: float) -> None:
        """Show the volume in ml."""
        self._volume.setText(milliliters(volume) if volume else "–")

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Make this label the active one."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """The same with the keyboard."""
        if event is not None and event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)


class LabelsPanel(Section):
    """Labels of the case's scheme."""

    def __init__(self, ui: UiState, actions: ActionSet) -> None:
        super().__init__("Labels")
        self._ui, self._actions = ui, actions
        self._workspace: Workspace | None = None
        self._theme: Theme | None = None
        self._unbind: list[Callable[[], None]] = []
        self.rows: dict[int, LabelRow] = {}
        self.layer = Segments(
            (
                (False, "Tumor", "Tools, undo and redo act on the tumor"),
                (True, "Tissue", "Tools, undo and redo act on the tissue map"),
            )
        )
        self.layer.chosen.connect(self._choose_layer)
        self.layer.hide()
        self.body.addWidget(self.layer)
        self._list = QVBoxLayout()
        self._list.setSpacing(2)
        self.body.addLayout(self._list)
        self._total = named(QLabel(), "muted")
        self.head.addWidget(self._total)
        self._opacity = slider()
        self._opacity.setRange(0, 100)
        actions.tell(self._opacity.setToolTip, _OPACITY)
        self._opacity.valueChanged.connect(self._set_opacity)
        self.body.addSpacing(4)
        self.body.addLayout(row(field_label("Opacity"), self._opacity))
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(60)
        self._late.timeout.connect(self._show_volumes)
        bind(self, ui.changed, self._on_ui)
        actions.preset_changed.connect(self._name_keys)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show the labels of another case."""
        for unbind in self._unbind:
            unbind()
        self._unbind = []
        for made in self.rows.values():
            self._list.removeWidget(made)
            made.hide()
            made.deleteLater()
        self.rows = {}
        self._workspace = workspace
        self._total.setText("")
        self.layer.setVisible(workspace is not None and workspace.tissue is not None)
        if workspace is None:
            return
        layer, scheme = workspace.active, workspace.active.segmentation.scheme
        self.layer.show_key(layer is not workspace.tumor)
        for value, color in self._colors(workspace).items():
            made = LabelRow(scheme.name_of(value), QColor(*color))
            made.clicked.connect(lambda value=value: self._activate(value))
            made.eye_clicked.connect(lambda value=value: self._toggle(value))
            made.lock_clicked.connect(lambda value=value: self._flip_lock(value))
            for button in (made.eye, made.lock):
                button.setVisible(layer is workspace.tumor)
            self.rows[value] = made
            self._list.addWidget(made)
        self._unbind = [
            bind(self, layer.segmentation.changed, lambda _box: self._late.start()),
            bind(self, workspace.view.changed, self._on_view),
            bind(self, workspace.tissue_changed, lambda: self.set_workspace(workspace)),
        ]
        self._on_view("active_label")
        self._on_view("opacity")
        self._show_volumes()
        self._show_eyes()
        self._name_keys()

    def _name_keys(self) -> None:
        """Say with which keys the labels are chosen, hidden and locked."""
        preset = self._actions.preset
        for made in self.rows.values():
            made.setToolTip(with_keys(_CHOOSE.format(made.accessibleName()), preset))
        self._show_eyes()

    def _colors(self, workspace: Workspace) -> dict[int, tuple[int, int, int]]:
        if workspace.active is workspace.tumor:
            return label_colors(workspace.case.scheme, self._ui.label_colors)
        shades = (QColor(name) for name in TISSUE_COLORS)
        return {value: (c.red(), c.green(), c.blue()) for value, c in enumerate(shades, start=1)}

    def _on_ui(self, name: str) -> None:
        if name == "hidden_labels":
            self._show_eyes()
        elif name == "label_colors" and self._workspace is not None:
            for value, color in self._colors(self._workspace).items():
                self.rows[value].swatch.show_color(QColor(*color))

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        self._theme = theme
        self._show_eyes()

    def _activate(self, value: int) -> None:
        if self._workspace is not None:
            self._workspace.active_label = value

    def _toggle(self, value: int) -> None:
        self._ui.hidden_labels = self._ui.hidden_labels ^ {value}

    def _flip_lock(self, value: int) -> None:
        if self._workspace is not None:
            self._workspace.view.locked = self._workspace.view.locked ^ {value}

    def _choose_layer(self, tissue: object) -> None:
        if self._workspace is not None and self._workspace.view.on_tissue != bool(tissue):
            self._workspace.view.on_tissue = bool(tissue)
            self._ui.tissue = self._ui.tissue or bool(tissue)

    def _set_opacity(self, percent: int) -> None:
        if self._workspace is not None:
            self._workspace.opacity = percent / 100

    def _on_view(self, name: str) -> None:
        assert self._workspace is not None
        if name in ("active_label", "tissue_label"):
            for value, made in self.rows.items():
                restyle(made, active=value == self._workspace.active_label)
        elif name == "on_tissue":
            self.set_workspace(self._workspace)
        elif name == "locked":
            self._show_eyes()
        elif name in ("opacity", "tissue_opacity"):
            self._opacity.setValue(round(self._workspace.opacity * 100))

    def _show_volumes(self) -> None:
        if self._workspace is None:
            return
        segmentation = self._workspace.active.segmentation
        volumes = {value: segmentation.volume_ml(value) for value in self.rows}
        for value, made in self.rows.items():
            made.show_volume(volumes[value])
        self._total.setText(f"{milliliters(sum(volumes.values()))} in all" if any(volumes.values()) else "0 ml in all")

    def _show_eyes(self) -> None:
        if self._theme is None:
            return
        for value, made in self.rows.items():
            hidden = value in self._ui.hidden_labels
            made.eye.setIcon(icon("eye-off" if hidden else "eye", self._theme))
            made.eye.setToolTip("Show this label" if hidden else with_keys(_HIDE, self._actions.preset))
            locked = self._workspace is not None and value in self._workspace.view.locked
            made.lock.setIcon(icon("lock" if locked else "unlock", self._theme))
            made.lock.setToolTip(
                "Locked: no tool changes this label. Click to unlock"
                if locked
                else with_keys(_LOCK, self._actions.preset)
            )

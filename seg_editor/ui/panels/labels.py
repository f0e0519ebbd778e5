"""The labels panel: name, color, visibility and volume of every label; a click makes one active."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget

from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.icons import icon
from seg_editor.ui.panels.parts import Section, field_label, named, restyle, row
from seg_editor.ui.state import UiState
from seg_editor.ui.theme import Theme, label_colors


class _Swatch(QWidget):
    """The label's color as the picture shows it: outline and fill."""

    def __init__(self, color: QColor) -> None:
        super().__init__()
        self._color = color
        self.setFixedSize(QSize(16, 16))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        fill = QColor(self._color)
        fill.setAlpha(120)
        painter.setBrush(fill)
        painter.setPen(QPen(self._color, 1.5))
        painter.drawRoundedRect(QRectF(1.5, 1.5, 13, 13), 3, 3)


class LabelRow(QFrame):
    """One label."""

    clicked = pyqtSignal()
    eye_clicked = pyqtSignal()

    def __init__(self, name: str, color: QColor) -> None:
        super().__init__()
        self.setObjectName("labelRow")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(f"{name}: click to paint with this label (Q and W step through the labels)")
        line = QHBoxLayout(self)
        line.setContentsMargins(8, 2, 2, 2)
        line.setSpacing(10)
        self._volume = named(QLabel(), "muted")
        self.eye = QToolButton()
        self.eye.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.eye.setFixedSize(QSize(28, 28))
        self.eye.clicked.connect(self.eye_clicked)
        line.addWidget(_Swatch(color))
        line.addWidget(QLabel(name))
        line.addStretch(1)
        line.addWidget(self._volume)
        line.addWidget(self.eye)

    def show_volume(self, milliliters: float) -> None:
        """Show the volume."""
        self._volume.setText(f"{milliliters:.1f} ml" if milliliters else "–")

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Make this label the active one."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()


class LabelsPanel(Section):
    """Labels of the case's scheme."""

    def __init__(self, ui: UiState) -> None:
        super().__init__("Labels")
        self._ui = ui
        self._workspace: Workspace | None = None
        self._theme: Theme | None = None
        self._unbind: list[Callable[[], None]] = []
        self.rows: dict[int, LabelRow] = {}
        self._list = QVBoxLayout()
        self._list.setSpacing(2)
        self.body.addLayout(self._list)
        self._total = named(QLabel(), "muted")
        self.head.addWidget(self._total)
        self._opacity = QSlider(Qt.Orientation.Horizontal)
        self._opacity.setRange(0, 100)
        self._opacity.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._opacity.setToolTip("How strongly the labels cover the picture (A fainter, D stronger, S off and on)")
        self._opacity.valueChanged.connect(self._set_opacity)
        self.body.addSpacing(4)
        self.body.addLayout(row(field_label("Opacity"), self._opacity))
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(60)
        self._late.timeout.connect(self._show_volumes)
        bind(self, ui.changed, lambda name: self._show_eyes() if name == "hidden_labels" else None)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show the labels of another case."""
        for unbind in self._unbind:
            unbind()
        self._unbind = []
        for made in self.rows.values():
            self._list.removeWidget(made)
            made.deleteLater()
        self.rows = {}
        self._workspace = workspace
        self._total.setText("")
        if workspace is None:
            return
        scheme = workspace.case.scheme
        for value, color in label_colors(scheme).items():
            made = LabelRow(scheme.name_of(value), QColor(*color))
            made.clicked.connect(lambda value=value: self._activate(value))
            made.eye_clicked.connect(lambda value=value: self._toggle(value))
            self.rows[value] = made
            self._list.addWidget(made)
        self._unbind = [
            bind(self, workspace.segmentation.changed, lambda _box: self._late.start()),
            bind(self, workspace.view.changed, self._on_view),
        ]
        self._on_view("active_label")
        self._on_view("opacity")
        self._show_volumes()
        self._show_eyes()

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        self._theme = theme
        self._show_eyes()

    def _activate(self, value: int) -> None:
        if self._workspace is not None:
            self._workspace.view.active_label = value

    def _toggle(self, value: int) -> None:
        self._ui.hidden_labels = self._ui.hidden_labels ^ {value}

    def _set_opacity(self, percent: int) -> None:
        if self._workspace is not None:
            self._workspace.view.opacity = percent / 100

    def _on_view(self, name: str) -> None:
        assert self._workspace is not None
        if name == "active_label":
            for value, made in self.rows.items():
                restyle(made, active=value == self._workspace.view.active_label)
        elif name == "opacity":
            self._opacity.setValue(round(self._workspace.view.opacity * 100))

    def _show_volumes(self) -> None:
        if self._workspace is None:
            return
        segmentation = self._workspace.segmentation
        volumes = {value: segmentation.volume_ml(value) for value in self.rows}
        for value, made in self.rows.items():
            made.show_volume(volumes[value])
        self._total.setText(f"{sum(volumes.values()):.1f} ml in all")

    def _show_eyes(self) -> None:
        if self._theme is None:
            return
        for value, made in self.rows.items():
            hidden = value in self._ui.hidden_labels
            made.eye.setIcon(icon("eye-off" if hidden else "eye", self._theme))
            made.eye.setToolTip("Show this label" if hidden else "Hide this label")

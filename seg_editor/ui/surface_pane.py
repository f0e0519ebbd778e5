"""The 3D pane: brain and tumor from any side, live while the labels are edited; a click moves the crosshair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFocusEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QWidget

from seg_editor.editing import Box, nearest_voxel
from seg_editor.session import Workspace
from seg_editor.ui import chrome
from seg_editor.ui.bind import bind
from seg_editor.ui.captions import orientation_warning
from seg_editor.ui.gizmo import Gizmo
from seg_editor.ui.painting import painting
from seg_editor.ui.panels.parts import Segments
from seg_editor.ui.splatting import Layer, Scene, Turn, project
from seg_editor.ui.state import UiState
from seg_editor.ui.surface_model import SurfaceModel
from seg_editor.ui.surface_picture import SurfacePicture
from seg_editor.ui.theme import label_colors
from seg_editor.ui.workers import Tasks

_HELP = (
    "Left drag or arrow keys turn, right drag or wheel zooms, middle drag moves.\n"
    "A click puts the crosshair onto the surface; a letter looks from that side."
)
PREPARING = "Preparing the 3D view…"
REMOVED_GHOST = "gray: removed tumor"
_BRAIN = (226, 221, 214)
_REMOVED = (235, 239, 243)
_LOOKS = {"glass": (0.2, 1.2), "solid": (1.0, 0.0)}
_OPACITY = {"ncr": 1.0, "ed": 0.35, "et": 0.8, "net": 0.8}
_CLICK_PIXELS = 4.0
_CROSS_MM = 14.0
_ROOM = 1.1
_KEYS = {
    Qt.Key.Key_Left: (-15.0, 0.0),
    Qt.Key.Key_Right: (15.0, 0.0),
    Qt.Key.Key_Up: (0.0, 15.0),
    Qt.Key.Key_Down: (0.0, -15.0),
}


class SurfacePane(QWidget):
    """Shows the surfaces of a workspace.

    Left drag turns, right drag or wheel zooms, middle drag moves, a click puts the crosshair onto the surface,
    a letter of the gizmo looks from that side.

    Parameters
    ----------
    workspace : Workspace
    ui : UiState
    model : SurfaceModel
        The surfaces of this workspace.
    tasks : Tasks
        Runs the fine pictures.
    box : Box, optional
        Voxels that zoom 1 fits: the brain.

    Signals
    -------
    double_clicked()
    focus_changed()
        The keyboard came or went.
    """

    double_clicked = pyqtSignal()
    focus_changed = pyqtSignal()

    def __init__(
        self,
        workspace: Workspace,
        ui: UiState,
        model: SurfaceModel,
        tasks: Tasks,
        box: Box | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("surface")
        self.setMinimumSize(160, 160)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setToolTip(_HELP)
        self._workspace = workspace
        self._ui = ui
        self._model = model
        self._extent = _extent(workspace.case.grid.shape, workspace.case.grid.spacing, box)
        self.accent = QColor("#3FBFAD")
        self.footer = 0.0
        self._bare = False
        self._focused: QWidget | None = None
        self.picture = SurfacePicture(tasks, self)
        self.picture.changed.connect(self.update)
        self._pressed: tuple[QPointF, Qt.MouseButton, Turn] | None = None
        self._gizmo = Gizmo("?" if orientation_warning(workspace.case.grid)[0] else "")
        self.looks = Segments(
            (
                ("glass", "Glass", "A transparent brain around the tumor"),
                ("solid", "Solid", "An opaque brain; click it to put the crosshair there"),
                ("off", "Off", "The tumor alone"),
            ),
            self,
        )
        self.looks.chosen.connect(lambda key: setattr(ui, "brain_look", key))
        self._unbind: list[Callable[[], None]] = [
            bind(self, ui.changed, self._on_ui),
            bind(self, workspace.view.changed, self._on_view),
        ]
        model.changed.connect(self._compose)
        self._compose()

    @property
    def busy(self) -> bool:
        """True until the fine picture of what there is to see is on display."""
        return self.picture.busy or self._model.busy

    @property
    def turn(self) -> Turn:
        """Where the viewer stands."""
        return self.picture.turn

    def shut_down(self) -> None:
        """Stop following the state; a picture that is being drawn is dropped."""
        for unbind in self._unbind:
            unbind()
        self._model.changed.disconnect(self._compose)
        self._model.watch(False)
        self.picture.end()

    def fit(self) -> None:
        """Show the whole brain, from the side it is seen from now."""
        self.picture.look(replace(self.turn, zoom=1.0, shift=(0.0, 0.0)))

    def set_bare(self, bare: bool) -> None:
        """Without buttons and mark of the focus, for a picture; afterwards the focus is where it was."""
        self._bare = bare
        if bare:
            within = self.looks.focusWidget()
            self._focused = within if within is not None and within.hasFocus() else None
        self.looks.setVisible(not bare)
        if self._focused is not None and not bare:
            self._focused.setFocus()

    def _on_ui(self, name: str) -> None:
        if name in ("hidden_labels", "label_colors", "brain_look"):
            self._compose()

    def _on_view(self, name: str) -> None:
        if name == "overlay":
            self._compose()
        elif name == "cursor":
            self.update()

    def _compose(self) -> None:
        """Make the scene from the surfaces and draw it."""
        self.looks.show_key(self._ui.brain_look)
        surfaces = self._model.surfaces
        if surfaces is None:
            self.update()
            return
        scheme = self._workspace.case.scheme
        inner = []
        if self._workspace.view.overlay:
            if surfaces.removed is not None:
                inner.append(Layer(surfaces.removed, _REMOVED, 0.10, 0.8))
            for value, color in label_colors(scheme, self._ui.label_colors).items():
                if value in surfaces.labels and value not in self._ui.hidden_labels:
                    opacity = _OPACITY.get(str(scheme.subregion(value)), 1.0)
                    inner.append(Layer(surfaces.labels[value], color, opacity, 0.3))
        look = _LOOKS.get(self._ui.brain_look)
        shell = None
        if look is not None and surfaces.brain is not None:
            shell = Layer(surfaces.brain, _BRAIN, *look)
        self.picture.show_scene(Scene(tuple(inner), shell, *self._extent))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the picture, the crosshair, letters and captions."""
        with painting(QPainter(self)) as painter:
            port = QRectF(self.rect())
            painter.fillRect(port, QColor("#000000"))
            picture = self.picture
            if self._model.problem or picture.image is None or picture.scene is None:
                chrome.paint_message(painter, port, self._model.problem or PREPARING)
                return
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(port, picture.image)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            if self._ui.crosshair:
                self._paint_crosshair(painter, picture.scene)
            scale = picture.scene.scale(self.turn, self.width(), self.height())
            chrome.paint_scale_bar(painter, port, port.bottom() - self.footer, scale)
            chrome.paint_heading(painter, port.adjusted(0, 0, -self.looks.width(), 0), "3D", self._subtitle)
            self._gizmo.paint(painter, port, self.turn)
            if self.hasFocus() and not self._bare:
                painter.fillRect(QRectF(0, 0, self.width(), 2), self.accent)

    @property
    def _subtitle(self) -> str:
        """What is going on, and what the gray shape is."""
        surfaces = self._model.surfaces
        ghost = self._workspace.view.overlay and surfaces is not None and surfaces.removed is not None
        return " · ".join(filter(None, ("Updating…" if self._model.busy else "", REMOVED_GHOST if ghost else "")))

    def _paint_crosshair(self, painter: QPainter, scene: Scene) -> None:
        spacing = np.asarray(self._workspace.case.grid.spacing)
        at = np.asarray(self._workspace.view.cursor) * spacing
        size = self.width(), self.height()
        for color, width in ((QColor(0, 0, 0, 150), 3.0), (self.accent, 1.25)):
            painter.setPen(QPen(color, width))
            for arm in _CROSS_MM * np.eye(3):
                ends = (project(scene, self.turn, *size, list(place))[:2] for place in (at - arm, at + arm))
                painter.drawLine(*(QPointF(*end) for end in ends))

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Show that keys act here."""
        super().focusInEvent(event)
        self.focus_changed.emit()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Show that keys act elsewhere."""
        super().focusOutEvent(event)
        self.focus_changed.emit()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Begin to follow the labels."""
        super().showEvent(event)
        self._model.watch(True)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Compute nothing for nobody."""
        self._model.watch(False)
        super().hideEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw in the new size."""
        super().resizeEvent(event)
        self.looks.adjustSize()
        self.looks.move(self.width() - self.looks.width() - 8, 8)
        self.picture.resize(self.width(), self.height(), self.devicePixelRatioF())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin a drag, or look from the side whose letter was clicked."""
        if event is None:
            return
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        side = self._gizmo.hit(event.position(), QRectF(self.rect()), self.turn)
        if side is not None and event.button() == Qt.MouseButton.LeftButton:
            self.picture.look(replace(self.turn, azimuth=side[0], elevation=side[1]))
            return
        self._pressed = (event.position(), event.button(), self.turn)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Turn, zoom or move."""
        if event is None or self._pressed is None:
            return
        start, button, turn = self._pressed
        across, down = event.position().x() - start.x(), event.position().y() - start.y()
        if button == Qt.MouseButton.LeftButton and np.hypot(across, down) >= _CLICK_PIXELS:
            degrees = 180.0 / max(1, min(self.width(), self.height()))
            self.picture.look(turn.turned(across * degrees, -down * degrees))
        elif button == Qt.MouseButton.RightButton:
            self._zoom(turn, float(np.exp(-down / 150.0)))
        elif button == Qt.MouseButton.MiddleButton:
            self._move(turn, across, down)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """End the drag; a click puts the crosshair onto the surface."""
        if event is None or self._pressed is None:
            return
        start, button, _ = self._pressed
        self._pressed = None
        moved = event.position() - start
        if button == Qt.MouseButton.LeftButton and np.hypot(moved.x(), moved.y()) < _CLICK_PIXELS:
            self._pick(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Fill the viewer, or bring the other panes back."""
        if event is not None and self._gizmo.hit(event.position(), QRectF(self.rect()), self.turn) is None:
            self.double_clicked.emit()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom."""
        if event is not None:
            self._zoom(self.turn, 1.2 ** (event.angleDelta().y() / 120.0))
            event.accept()

    def event(self, event: QEvent | None) -> bool:
        """Keep the arrow keys for turning while this pane has the keyboard."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
            if plain and event.key() in _KEYS:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Turn by the arrow keys."""
        if event is not None and event.key() in _KEYS:
            self.picture.look(self.turn.turned(*_KEYS[Qt.Key(event.key())]))
        else:
            super().keyPressEvent(event)

    def zoom(self, factor: float) -> None:
        """Zoom about the middle."""
        self._zoom(self.turn, factor)

    def move_by(self, across: float, down: float) -> None:
        """Move the picture by pixels."""
        self._move(self.turn, across, down)

    def _move(self, turn: Turn, across: float, down: float) -> None:
        if self.picture.scene is not None:
            scale = self.picture.scene.scale(turn, self.width(), self.height())
            self.picture.look(replace(turn, shift=(turn.shift[0] - across / scale, turn.shift[1] + down / scale)))

    def _zoom(self, turn: Turn, factor: float) -> None:
        self.picture.look(replace(turn, zoom=float(np.clip(turn.zoom * factor, 0.4, 12.0))))

    def _pick(self, at: QPointF) -> None:
        place = self.picture.place_at(at.x() / self.width(), at.y() / self.height())
        if place is not None:
            x, y, z = (mm / step for mm, step in zip(place, self._workspace.case.grid.spacing, strict=True))
            self._workspace.view.cursor = nearest_voxel((x, y, z))


def _extent(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], box: Box | None
) -> tuple[tuple[float, float, float], float]:
    """Return middle and radius in mm of what zoom 1 fits: a box of voxels, or the whole volume."""
    parts = box or tuple(slice(0, n) for n in shape)
    low = np.array([part.start for part in parts]) * spacing
    high = np.array([part.stop - 1 for part in parts]) * spacing
    x, y, z = (float(v) for v in (low + high) / 2)
    return (x, y, z), max(1.0, _ROOM * float((high - low).max()) / 2)

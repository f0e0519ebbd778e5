"""One picture pane: layers of images in millimeters, a camera shared with linked panes, and the marks around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QEvent, QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPen,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PyQt6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QFrame,
    QGraphicsPathItem,
    QGraphicsScene,
    QGraphicsView,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from seg_editor.ui import chrome
from seg_editor.ui.bind import bind
from seg_editor.ui.picture_item import PictureItem
from seg_editor.ui.planes import PlaneView
from seg_editor.ui.state import Camera

_FIT = 0.97
_OUTLINE = 1.25
_RIM = 1.0
_HALO = QColor(8, 12, 16, 200)


@dataclass(frozen=True)
class Pointer:
    """A mouse event in a pane: position in mm on the plane and in pixels of the pane, and what is held."""

    u: float
    v: float
    x: float
    y: float
    button: Qt.MouseButton
    buttons: Qt.MouseButton
    modifiers: Qt.KeyboardModifier


@dataclass(frozen=True, eq=False)
class Outline:
    """Line segments over a picture: points ``(2 n, 2)`` in mm of the plane, two to a segment, and their color.

    With a `halo` a dark rim lies under them, for bright lines that must be seen on bright tissue.
    """

    points: np.ndarray
    color: QColor
    halo: bool = False


class SlicePane(QGraphicsView):
    """A view onto one plane. It shows what it is given and reports the mouse; it decides nothing.

    Scene coordinates are the plane's millimeters (:class:`~seg_editor.ui.planes.PlaneView`).
    """

    pressed = pyqtSignal(object)
    moved = pyqtSignal(object)
    released = pyqtSignal(object)
    double_clicked = pyqtSignal(object)
    wheeled = pyqtSignal(object, float)
    left = pyqtSignal()
    held = pyqtSignal(int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._scene = QGraphicsScene()
        super().__init__(self._scene, parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontSavePainterState)
        self.setBackgroundBrush(QColor("#000000"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(144, 144)
        self.picture, self.difference, self.tissue, self.labels = (PictureItem() for _ in range(4))
        for depth, item in enumerate((self.picture, self.difference, self.tissue, self.labels)):
            item.setZValue(depth)
            self._scene.addItem(item)
        self.picture.setCacheMode(PictureItem.CacheMode.DeviceCoordinateCache)
        self._outlines: list[QGraphicsPathItem] = []
        self._halos: list[QGraphicsPathItem] = []
        self._view: PlaneView | None = None
        self._region = QRectF()
        self._camera = Camera()
        self._unbind = bind(self, self._camera.changed, self._follow_camera)
        self.marks = chrome.Marks()
        self.brush: tuple[str, float] | None = None
        self._mouse: QPointF | None = None

    @property
    def view(self) -> PlaneView | None:
        """The plane on display."""
        return self._view

    @property
    def camera(self) -> Camera:
        """Zoom and center, shared by linked panes."""
        return self._camera

    def set_camera(self, camera: Camera) -> None:
        """Follow another camera from now on."""
        self._unbind()
        self._camera = camera
        self._unbind = bind(self, camera.changed, self._follow_camera)
        self._place()

    def set_view(self, view: PlaneView, region: tuple[float, float, float, float] | None = None) -> None:
        """Show another plane or grid; pictures follow by the ``show`` calls of the items.

        Parameters
        ----------
        view : PlaneView
        region : (u, v, width, height), optional
            The part in mm that zoom 1 fits into the pane; the whole picture by default.
        """
        wanted = QRectF(*(region or (0.0, 0.0, *view.size_mm)))
        if view != self._view or wanted != self._region:
            self._view, self._region = view, wanted
            self._place()

    def set_outlines(self, outlines: list[Outline]) -> None:
        """Draw lines over the picture, always about one pixel wide."""
        paths = [_path_of(outline.points) for outline in outlines]
        colors = [outline.color for outline in outlines]
        ringed = [path for path, outline in zip(paths, outlines, strict=True) if outline.halo]
        self._draw_lines(self._halos, ringed, [_HALO] * len(ringed), _OUTLINE + 2 * _RIM, 4)
        self._draw_lines(self._outlines, paths, colors, _OUTLINE, 5)

    def _draw_lines(
        self,
        items: list[QGraphicsPathItem],
        paths: Sequence[QPainterPath],
        colors: Sequence[QColor],
        width: float,
        depth: int,
    ) -> None:
        while len(items) < len(paths):
            item = QGraphicsPathItem()
            item.setZValue(depth)
            self._scene.addItem(item)
            items.append(item)
        for item, path, color in zip(items, paths, colors, strict=False):
            pen = QPen(color, width * self.devicePixelRatioF())
            pen.setCosmetic(True)
            item.setPen(pen)
            item.setPath(path)
            item.setVisible(not path.isEmpty())
        for item in items[len(paths) :]:
            item.setVisible(False)

    def set_dimmed(self, dimmed: bool) -> None:
        """Darken the picture, not what lies over it; its gray levels stay what they are."""
        for item in (self.picture, self.difference):
            item.set_dimmed(dimmed)

    def set_footer(self, height: float) -> None:
        """Keep the lowest pixels free of the picture, for the warning strip."""
        if height != self.marks.footer:
            self.marks.footer = height
            self._place()

    @property
    def scale_px(self) -> float:
        """Screen pixels per mm."""
        return float(self.transform().m11())

    def _follow_camera(self, *_: object) -> None:
        self._place()

    def _place(self) -> None:
        port = self.viewport()
        if self._view is None or port is None:
            return
        region = self._region
        height = max(1.0, port.height() - self.marks.footer)
        scale = _FIT * min(port.width() / region.width(), height / region.height()) * self._camera.zoom
        across, down = port.width() / scale, port.height() / scale
        cx, cy = self._center()
        self.setTransform(QTransform.fromScale(scale, scale))
        self.setSceneRect(QRectF(cx - across / 2, cy - height / scale / 2, across, down))
        self.refresh()

    def _center(self) -> tuple[float, float]:
        region, (cx, cy) = self._region, self._camera.center
        return region.x() + cx * region.width(), region.y() + cy * region.height()

    def _set_center(self, u: float, v: float) -> None:
        region = self._region
        self._camera.center = ((u - region.x()) / region.width(), (v - region.y()) / region.height())

    def zoom_at(self, point: QPointF, factor: float) -> None:
        """Zoom by `factor` and keep what lies under `point` (pixels of the pane) where it is."""
        if self._view is None:
            return
        inverse, _ = self.viewportTransform().inverted()
        fixed = inverse.map(point)
        zoom = min(40.0, max(0.25, self._camera.zoom * factor))
        ratio = self._camera.zoom / zoom
        cx, cy = self._center()
        self._camera.zoom = zoom
        self._set_center(fixed.x() + (cx - fixed.x()) * ratio, fixed.y() + (cy - fixed.y()) * ratio)

    def pan(self, dx: float, dy: float) -> None:
        """Move the picture by pixels."""
        if self._view is not None:
            cx, cy = self._center()
            scale = self.scale_px
            self._set_center(cx - dx / scale, cy - dy / scale)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep the camera's view."""
        super().resizeEvent(event)
        self._place()

    def drawForeground(self, painter: QPainter | None, rect: QRectF) -> None:
        """Draw crosshair, letters, scale bar, captions and the brush outline in screen pixels."""
        port = self.viewport()
        if painter is None or port is None or self._view is None:
            return
        painter.save()
        to_screen = self.viewportTransform()
        painter.resetTransform()
        chrome.paint_marks(painter, QRectF(port.rect()), self.marks, self._view, to_screen)
        if self.brush is not None and self._mouse is not None:
            shape, radius = self.brush
            chrome.paint_brush(painter, self._mouse, shape, radius * self.scale_px)
        painter.restore()

    def pointer(self, event: QMouseEvent | QWheelEvent) -> Pointer:
        """Describe a mouse event in the plane's mm."""
        at = event.position()
        inverse, _ = self.viewportTransform().inverted()
        scene = inverse.map(at)
        button = event.button() if isinstance(event, QMouseEvent) else Qt.MouseButton.NoButton
        return Pointer(scene.x(), scene.y(), at.x(), at.y(), button, event.buttons(), event.modifiers())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Report a press."""
        if event is not None:
            self._mouse = event.position()
            self.pressed.emit(self.pointer(event))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Report a move and let the brush outline follow."""
        if event is not None:
            self._mouse = event.position()
            if self.brush is not None:
                self.refresh()
            self.moved.emit(self.pointer(event))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Report a release."""
        if event is not None:
            self.released.emit(self.pointer(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Report a double click."""
        if event is not None:
            self.double_clicked.emit(self.pointer(event))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Report wheel notches; some systems turn Shift+wheel into a horizontal wheel."""
        if event is not None:
            delta = event.angleDelta()
            self.wheeled.emit(self.pointer(event), (delta.y() or delta.x()) / 120.0)
            event.accept()

    def event(self, event: QEvent | None) -> bool:
        """Report Tab and Space while they are held, before Qt moves the focus with them."""
        if isinstance(event, QKeyEvent) and self._holds(event):
            if not event.isAutoRepeat():
                self.held.emit(event.key(), event.type() == QEvent.Type.KeyPress)
            return True
        return super().event(event)

    @staticmethod
    def _holds(event: QKeyEvent) -> bool:
        pressed = event.type() in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease)
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        return pressed and plain and event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Space)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        """Let go of held keys."""
        for key in (Qt.Key.Key_Tab, Qt.Key.Key_Space):
            self.held.emit(key, False)
        super().focusOutEvent(event)

    def enterEvent(self, event: QEnterEvent | None) -> None:
        """Take the keyboard when the mouse comes in, unless the user is typing."""
        focus = QApplication.focusWidget()
        if not isinstance(focus, QAbstractSpinBox | QLineEdit | QPlainTextEdit):
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent | None) -> None:
        """Hide the brush outline."""
        self._mouse = None
        self.refresh()
        self.left.emit()
        super().leaveEvent(event)

    def refresh(self) -> None:
        """Repaint soon, once for all that changed: the scene collects it, as it does for changed items."""
        self._scene.update()


def _path_of(points: np.ndarray) -> QPainterPath:
    """Return segments ``(2 n, 2)`` as a path."""
    if not len(points):
        return QPainterPath()
    path: QPainterPath = pg.arrayToQPath(points[:, 0], points[:, 1], connect="pairs", finiteCheck=False)
    return path

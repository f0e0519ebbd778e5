"""What editing draws over the panes: range and operation previews, outlines in progress, and words beside the mouse."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QObject, QPointF, QRectF, Qt, QTimer
from PyQt6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen
from PyQt6.QtWidgets import QGraphicsItem, QGraphicsPathItem, QStyleOptionGraphicsItem, QWidget

from seg_editor.editing import Box, Patch, Piece
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.chrome import font
from seg_editor.ui.content import used_part
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.picture_item import PictureItem
from seg_editor.ui.planes import boundary_segments
from seg_editor.ui.state import Tool, UiState
from seg_editor.ui.viewer import Viewer

_FLASH_MS = 1800
_FLASH_AWAY = QPointF(16, -24)
_ROOM_PX, _PADDING, _UNBOUNDED = 4.0, 8.0, 1e5
_CENTERED = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
_DEEP = (Tool.FILL, Tool.POLYGON)
_LINE = QColor(255, 255, 255, 235)
_SHADE = QColor(0, 0, 0, 170)
_RANGE = (178, 120, 255, 105)
_GAINED, _LOST = (86, 214, 196, 190), (240, 110, 84, 190)
Point = tuple[float, float, float]


def _table(*colors: tuple[int, int, int, int]) -> np.ndarray:
    table = np.zeros((256, 4), dtype=np.uint8)
    table[1 : 1 + len(colors)] = colors
    return table


class Tag(QGraphicsItem):
    """A word in a dark box, at a fixed distance in pixels from a place in the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)
        self.setZValue(12)
        self.setVisible(False)
        self.text = ""
        self._away = QPointF()
        self._room = _UNBOUNDED
        self._warning = False

    def show_text(self, text: str, away: QPointF, *, warning: bool = False) -> None:
        """Show `text`, its left edge `away` pixels from the item's place; an empty text hides it."""
        self.prepareGeometryChange()
        self.text, self._away, self._warning, self._room = text, away, warning, _UNBOUNDED
        self.setVisible(bool(text))

    def keep_inside(self, pane: SlicePane, place: QPointF) -> None:
        """Shift the box so that it lies inside `pane`, for an item at `place` of the scene; long texts are broken."""
        at, size = QPointF(pane.mapFromScene(place)), pane.viewport()
        assert size is not None
        self.prepareGeometryChange()
        self._room = size.width() - 2 * (_ROOM_PX + _PADDING)
        box = self.boundingRect().translated(at)
        x = max(min(box.left(), size.width() - box.width() - _ROOM_PX), _ROOM_PX)
        y = max(min(box.top(), size.height() - box.height() - _ROOM_PX), _ROOM_PX)
        self._away += QPointF(x, y) - box.topLeft()

    def boundingRect(self) -> QRectF:
        """Around the box, in pixels."""
        room = QRectF(0.0, 0.0, self._room, _UNBOUNDED)
        text = QFontMetricsF(font(12, bold=True)).boundingRect(room, _CENTERED, self.text)
        width, height = math.ceil(text.width()) + 2 * _PADDING, max(22.0, math.ceil(text.height()) + 7.0)
        return QRectF(self._away.x(), self._away.y() - 11, width, height)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionGraphicsItem | None, widget: QWidget | None = None
    ) -> None:
        """Draw the box."""
        if painter is None:
            return
        box = self.boundingRect()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(58, 40, 20, 240) if self._warning else QColor(16, 20, 24, 225))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor("#F0C674") if self._warning else _LINE)
        painter.setFont(font(12, bold=True))
        painter.drawText(box.adjusted(_PADDING, 0, -_PADDING, 0), _CENTERED, self.text)


class _Layer:
    """The items of one pane."""

    def __init__(self, pane: SlicePane, content: PaneContent) -> None:
        self.pane, self.content = pane, content
        scene = pane.scene()
        assert scene is not None
        self.range, self.preview = PictureItem(), PictureItem()
        self.range.setZValue(2.5)
        self.preview.setZValue(4)
        self.range.setLookupTable(_table(_RANGE), update=False)
        self.preview.setLookupTable(_table(_GAINED, _LOST), update=False)
        self.lines = [QGraphicsPathItem() for _ in range(4)]
        for item, (color, width) in zip(
            self.lines, ((_SHADE, 4.0), (_LINE, 1.5), (_SHADE, 8.0), (_LINE, 5.0)), strict=True
        ):
            pen = QPen(
                color,
                width * pane.devicePixelRatioF(),
                Qt.PenStyle.SolidLine,
                Qt.PenCapStyle.RoundCap,
                Qt.PenJoinStyle.RoundJoin,
            )
            pen.setCosmetic(True)
            item.setPen(pen)
            item.setZValue(8)
        self.tag, self.flash = Tag(), Tag()
        parts: tuple[Any, ...] = (self.range, self.preview, *self.lines, self.tag, self.flash)
        for part in parts:
            part.setVisible(False)
            scene.addItem(part)

    def show_codes(self, item: PictureItem, codes: np.ndarray | None, corner: tuple[int, int] = (0, 0)) -> None:
        """Show uint8 codes ``(rows, columns)`` whose first cell lies at `corner` of the picture; None hides them."""
        used = None if codes is None else used_part(codes)
        if codes is None or used is None:
            item.setVisible(False)
            return
        rows, columns = used
        y, x = corner
        crop = (slice(y + rows.start, y + rows.stop), slice(x + columns.start, x + columns.stop))
        item.show_levels(np.ascontiguousarray(codes[used]), self.content.view, crop)
        item.setVisible(True)

    def show_path(self, path: QPainterPath, dots: QPainterPath | None = None) -> None:
        """Draw lines, and dots at the corners."""
        for item, shown in zip(self.lines, (path, path, dots or QPainterPath(), dots or QPainterPath()), strict=True):
            item.setPath(shown)
            item.setVisible(not shown.isEmpty())


class Overlays(QObject):
    """Keeps the overlays of every pane in step with the state."""

    def __init__(self, viewer: Viewer, ui: UiState) -> None:
        super().__init__(viewer)
        self._viewer, self._ui = viewer, ui
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._layers: dict[PaneContent, _Layer] = {}
        self._codes: tuple[Box, np.ndarray] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_FLASH_MS)
        self._timer.timeout.connect(self._end_flash)
        self._noted_radius = 0.0
        viewer.pane_made.connect(self._add)
        bind(self, ui.changed, self._on_ui)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._layers = {made.content: made for made in self._alive()}
        self._codes = None
        self._unbind = [] if workspace is None else [bind(self, workspace.view.changed, self._on_view)]
        if workspace is not None:
            self._noted_radius = workspace.view.brush.radius_mm

    def layer(self, content: PaneContent) -> _Layer | None:
        """The items of a pane of the layout in force."""
        return self._layers.get(content)

    def flash(self, content: PaneContent, text: str, at: Point | None = None) -> None:
        """Show why nothing happened for a moment, beside a voxel of the pane (its middle by default)."""
        made = self._layers.get(content)
        if made is None:
            return
        self._end_flash()
        where = made.pane.mapToScene(made.pane.rect().center()) if at is None else QPointF(*content.view.to_plane(at))
        made.flash.setPos(where)
        made.flash.show_text(text, _FLASH_AWAY, warning=True)
        made.flash.keep_inside(made.pane, where)
        self._timer.start()

    @property
    def flashing(self) -> str:
        """The text that flashes now, if any."""
        return next((made.flash.text for made in self._alive() if made.flash.isVisible()), "")

    def show_patch(self, patch: Patch | None) -> None:
        """Preview what an operation would gain and lose, in every pane; None ends it."""
        if patch is None:
            self._codes = None
        else:
            codes = np.zeros(patch.mask.shape, dtype=np.uint8)
            codes[patch.mask] = np.where(np.asarray(patch.new) == 0, 2, 1)
            self._codes = patch.box, codes
        for made in self._alive():
            self._draw_preview(made)

    def show_outline(self, content: PaneContent | None, points: Sequence[Point], corners: Sequence[Point] = ()) -> None:
        """Draw an open outline through voxel positions in one pane, with dots at its corners; None ends it."""
        for made in self._alive():
            if made.content is not content:
                made.show_path(QPainterPath())
                continue
            path, dots = QPainterPath(), QPainterPath()
            for number, point in enumerate(points):
                u, v = content.view.to_plane(point)
                (path.lineTo if number else path.moveTo)(u, v)
            for point in corners:
                u, v = content.view.to_plane(point)
                dots.moveTo(u, v)
                dots.lineTo(u + 1e-3, v)
            made.show_path(path, dots)

    def show_piece(self, piece: Piece | None, offset: tuple[int, int, int] = (0, 0, 0)) -> None:
        """Draw the outline of a piece as it would lie after moving, in every pane; None ends it."""
        for made in self._alive():
            path = QPainterPath()
            view, index = made.content.view, made.content.index
            if piece is not None:
                box = piece.moved(offset)
                axis = int(view.plane)
                if view.holds(box, index):
                    rows, columns = view.crop(box)
                    part = view.flat(piece.mask.take(index - box[axis].start, axis))
                    points = boundary_segments(part, view.step)
                    points += (columns.start * view.step[0], rows.start * view.step[1])
                    if len(points):
                        path = pg.arrayToQPath(points[:, 0], points[:, 1], connect="pairs", finiteCheck=False)
            made.show_path(path)

    def _add(self, pane: SlicePane, content: PaneContent) -> None:
        self._layers = {made.content: made for made in self._alive()}
        self._layers[content] = made = _Layer(pane, content)
        pane.moved.connect(lambda p: self._place_tag(made, p.u, p.v))
        pane.left.connect(lambda: made.tag.show_text("", QPointF()))
        QTimer.singleShot(0, self._draw)

    def _alive(self) -> list[_Layer]:
        """The items of the panes of the layout in force; those of panes that are gone must not be touched."""
        return [self._layers[content] for content in self._viewer.contents if content in self._layers]

    def _end_flash(self) -> None:
        for made in self._alive():
            made.flash.show_text("", QPointF())

    def _place_tag(self, made: _Layer, u: float, v: float, extra: str = "") -> None:
        workspace = self._workspace
        text = ""
        if workspace is not None and self._ui.tool.brushes:
            brush = workspace.view.brush
            text = "  ".join(filter(None, ("3D" if brush.three_d else "", extra)))
            made.tag.setPos(QPointF(u, v))
            made.tag.show_text(text, QPointF(brush.radius_mm * made.pane.scale_px + 8, 0))
        elif workspace is not None and workspace.view.in_3d and self._ui.tool in _DEEP:
            made.tag.setPos(QPointF(u, v))
            made.tag.show_text("3D", QPointF(16, 0))
        elif made.tag.isVisible():
            made.tag.show_text("", QPointF())

    def _draw(self) -> None:
        for made in self._alive():
            self._draw_range(made)
            self._draw_preview(made)

    def _draw_range(self, made: _Layer) -> None:
        gate = None if self._workspace is None else self._workspace.range_gate()
        if gate is None or not self._ui.tool.sets_labels:
            made.show_codes(made.range, None)
            return
        part = made.content.view.cut(gate.raw, made.content.index)
        made.show_codes(made.range, ((part >= gate.low) & (part <= gate.high)).view(np.uint8))

    def _draw_preview(self, made: _Layer) -> None:
        view, index = made.content.view, made.content.index
        if self._codes is None or not view.holds(self._codes[0], index):
            made.show_codes(made.preview, None)
            return
        box, codes = self._codes
        rows, columns = view.crop(box)
        part = codes.take(index - box[int(view.plane)].start, int(view.plane))
        made.show_codes(made.preview, view.flat(part), (rows.start, columns.start))

    def _on_ui(self, name: str) -> None:
        if name in ("tool", "radiological", "nose_left", "layout", "maximized"):
            self._draw()
            if name == "tool":
                self._end_flash()
                for made in self._alive():
                    made.tag.show_text("", QPointF())

    def _on_view(self, name: str) -> None:
        if name in ("cursor", "plane", "gate"):
            self._draw()
        elif name == "brush" and self._workspace is not None:
            radius = self._workspace.view.brush.radius_mm
            extra = f"{radius:.1f} mm" if radius != self._noted_radius else ""
            self._noted_radius = radius
            for made in self._alive():
                port = made.pane.viewport()
                if port is not None and made.pane.underMouse():
                    at = made.pane.mapToScene(made.pane.mapFromGlobal(made.pane.cursor().pos()))
                    self._place_tag(made, at.x(), at.y(), extra)
                else:
                    made.tag.show_text("", QPointF())

"""The marks over a picture: orientation letters, scale bar, crosshair, captions, color bar, brush outline."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPixmap, QTransform
from PyQt6.QtWidgets import QApplication

from seg_editor.ui.painting import fitted, painting
from seg_editor.ui.planes import PlaneView

TEXT = QColor("#D5DBE2")
MUTED = QColor("#A0A9B4")
WARNING = QColor("#E5B45A")
_SHADE = QColor(0, 0, 0, 160)
_VEIL = QColor(0, 0, 0, 205)
SYNTHETIC = "SYNTHETIC – not for clinical use"
_NICE = (1, 2, 5, 10, 20, 50, 100, 200)
_EDGE = 10.0
STRIP = 24.0
_LINE = 16.0
_NARROW, _TINY = 480.0, 320.0
_UNDER_HEADING = 52.0
_BESIDE_LETTERS = 40.0
_BAR_TEXT = 56.0
_PIXMAP_REACH = 240.0


@dataclass
class Marks:
    """What to draw over a picture.

    Parameters
    ----------
    title, subtitle, legend : str
        Upper left corner; the legend says what the outlines are.
    shorter : two tuples of str
        What may stand for title and subtitle where they do not fit, longest first.
    crosshair : (u, v) or None
        In mm of the plane.
    accent : QColor
        Crosshair and brush color.
    color_bar : (low text, high text) or None
        Draws the signed-difference color bar.
    color_ticks : tuple of float
        Marks on both sides of the color bar, as fractions of its ends.
    swipe : float or None
        Place of the swipe handle, mm across the plane.
    lens : (u, v, radius) or None
        Rim of the lens in mm of the plane.
    message : str
        A sentence in the middle for a pane that has nothing to show.
    synthetic : bool
        Burn the warning strip in.
    footer : float
        Height in pixels kept free for that strip, with or without it.
    outdated : bool
        A thin border warns that the picture is from an earlier mask.
    corner : str
        Lower right corner: gray window.
    badge : str
        A short warning at the upper right, such as "from an earlier mask".
    letters : bool
        Orientation letters and scale bar.
    ambiguous : bool
        Nobody knows which side is which: "?" in place of letters.
    warning : str
        What to beware of about the orientation; drawn in the lower left corner, above the scale bar.
    active : bool
        Keys act on this pane, one of several.
    """

    title: str = ""
    subtitle: str = ""
    shorter: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    crosshair: tuple[float, float] | None = None
    accent: QColor = field(default_factory=lambda: QColor("#3FBFAD"))
    color_bar: tuple[str, str] | None = None
    color_ticks: tuple[float, ...] = ()
    swipe: float | None = None
    lens: tuple[float, float, float] | None = None
    message: str = ""
    synthetic: bool = False
    footer: float = 0.0
    outdated: bool = False
    legend: str = ""
    corner: str = ""
    badge: str = ""
    letters: bool = True
    ambiguous: bool = False
    warning: str = ""
    active: bool = False


@lru_cache(maxsize=1)
def difference_colors() -> np.ndarray:
    """Return the ``(256, 3)`` uint8 table of the signed difference: blue below zero, black at zero, orange above."""
    stops = np.array([0.0, 0.3, 0.5, 0.7, 1.0])
    colors = np.array([[186, 226, 255], [40, 122, 200], [0, 0, 0], [208, 100, 24], [255, 226, 170]], dtype=float)
    where = np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(where, stops, colors[:, c]) for c in range(3)], axis=1).astype(np.uint8)


@lru_cache(maxsize=1)
def difference_table() -> np.ndarray:
    """Return the ``(256, 4)`` uint8 table for drawing over the gray picture: no difference is transparent."""
    alpha = np.clip(np.abs(np.arange(256) - 128.0) * 16, 0, 255)
    return np.concatenate([difference_colors(), alpha[:, None].astype(np.uint8)], axis=1)


@lru_cache(maxsize=1)
def _color_strip() -> QImage:
    """The table from top to bottom, one pixel wide."""
    table = np.ascontiguousarray(difference_colors()[::-1, None, :])
    return QImage(table.tobytes(), 1, 256, 3, QImage.Format.Format_RGB888).convertToFormat(QImage.Format.Format_RGB32)


def font(size: int, *, bold: bool = False) -> QFont:
    """Return the application font at a pixel size."""
    made = QFont(QApplication.font())
    made.setPixelSize(size)
    made.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return made


def _text(painter: QPainter, box: QRectF, flags: Qt.AlignmentFlag, text: str, color: QColor) -> None:
    """Write on a veil dark enough that any text color here stays readable over the brightest tissue."""
    painter.fillRect(painter.boundingRect(box, int(flags), text).adjusted(-3, 0, 3, 0), _VEIL)
    painter.setPen(color)
    painter.drawText(box, int(flags), text)


def paint_marks(painter: QPainter, port: QRectF, marks: Marks, view: PlaneView, to_screen: QTransform) -> None:
    """Draw everything of `marks` into the pane's pixels."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    if marks.crosshair is not None:
        _paint_crosshair(painter, port, to_screen.map(QPointF(*marks.crosshair)), marks.accent)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    if marks.swipe is not None:
        _paint_handle(painter, port, to_screen.map(QPointF(marks.swipe, 0.0)).x(), marks.accent)
    if marks.lens is not None:
        u, v, radius = marks.lens
        _paint_lens(painter, to_screen.map(QPointF(u, v)), radius * float(to_screen.m11()), marks.accent)
    bottom = port.bottom() - max(marks.footer, STRIP if marks.synthetic else 0.0)
    if marks.message:
        paint_message(painter, port, marks.message)
    if marks.letters:
        _paint_letters(painter, port, bottom, view, marks)
        paint_scale_bar(painter, port, bottom, float(to_screen.m11()))
    if marks.warning:
        _paint_warning(painter, port, bottom, marks.warning)
    _paint_captions(painter, port, marks)
    painter.setFont(font(11))
    small = port.width() < _TINY and port.height() < _TINY
    if marks.corner and not small:
        wide = painter.fontMetrics().horizontalAdvance(marks.corner)
        over_letter, over_bar = port.width() / 2 - 2 * _EDGE < wide, port.width() - 2 * _EDGE - _BAR_TEXT < wide
        line = 3 if over_bar else 2 if over_letter else 1
        corner = QRectF(port.left(), bottom - _EDGE - line * _LINE, port.width() - _EDGE, _LINE)
        _text(painter, corner, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, marks.corner, MUTED)
    if marks.color_bar is not None:
        _paint_color_bar(painter, port, bottom, marks.color_bar, marks.color_ticks)
    if marks.outdated:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(WARNING, 2))
        painter.drawRect(QRectF(port.left() + 1, port.top() + 1, port.width() - 2, bottom - port.top() - 1))
    if marks.synthetic:
        _paint_strip(painter, port)
    if marks.active:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillRect(QRectF(port.left(), port.top(), port.width(), 2), marks.accent)


def _paint_crosshair(painter: QPainter, port: QRectF, at: QPointF, color: QColor) -> None:
    tint = QColor(color)
    tint.setAlpha(190)
    x, y, gap = round(at.x()), round(at.y()), 8
    left, right, top, bottom = (int(v) for v in (port.left(), port.right(), port.top(), port.bottom()))
    painter.fillRect(left, y, x - gap - left, 1, tint)
    painter.fillRect(x + gap, y, right - x - gap, 1, tint)
    painter.fillRect(x, top, 1, y - gap - top, tint)
    painter.fillRect(x, y + gap, 1, bottom - y - gap, tint)


def _paint_handle(painter: QPainter, port: QRectF, x: float, color: QColor) -> None:
    painter.setPen(QPen(_SHADE, 3))
    painter.drawLine(QPointF(x, port.top()), QPointF(x, port.bottom()))
    painter.setPen(QPen(color, 1.5))
    painter.drawLine(QPointF(x, port.top()), QPointF(x, port.bottom()))
    knob = QPointF(x, port.center().y())
    painter.setBrush(QColor(16, 20, 24, 230))
    painter.drawEllipse(knob, 13, 13)
    for side in (-1, 1):
        tip = QPointF(knob.x() + side * 8, knob.y())
        painter.drawLine(tip, QPointF(knob.x() + side * 3.5, knob.y() - 4.5))
        painter.drawLine(tip, QPointF(knob.x() + side * 3.5, knob.y() + 4.5))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _paint_lens(painter: QPainter, center: QPointF, radius: float, color: QColor) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for tint, width in ((_SHADE, 4.0), (color, 1.75)):
        painter.setPen(QPen(tint, width))
        painter.drawEllipse(center, radius, radius)


def _lowered(port: QRectF, title: str) -> bool:
    """True where the upper letter stands under the captions, not beside them."""
    tall = port.width() < _NARROW and port.height() > 1.5 * port.width()
    return tall or _title_width(title) > port.width() / 2 - 2 * _EDGE - 8


@lru_cache(maxsize=64)
def _title_width(title: str) -> float:
    return QFontMetricsF(font(13, bold=True)).horizontalAdvance(title)


def _paint_letters(painter: QPainter, port: QRectF, floor: float, view: PlaneView, marks: Marks) -> None:
    left, right, top, bottom = ("?",) * 4 if marks.ambiguous else view.letters
    painter.setFont(font(14, bold=True))
    inner = QRectF(port.left(), port.top(), port.width(), floor - port.top()).adjusted(_EDGE, 8.0, -_EDGE, -8.0)
    middle, center = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignHCenter
    lowered = _lowered(port, drawn_heading(port, marks)[0])
    sides = (
        (Qt.AlignmentFlag.AlignLeft | middle, left),
        (Qt.AlignmentFlag.AlignRight | middle, right),
        (Qt.AlignmentFlag.AlignTop | center, top),
        (Qt.AlignmentFlag.AlignBottom | center, bottom),
    )
    for side, letter in sides:
        lower = _UNDER_HEADING if lowered and side & Qt.AlignmentFlag.AlignTop else 0.0
        _text(painter, inner.adjusted(0, lower, 0, 0), side, letter, TEXT)


def scale_bar_mm(pixels_per_mm: float, room: float) -> int:
    """Return the longest round length in mm that fits into `room` pixels."""
    fitting = [length for length in _NICE if length * pixels_per_mm <= room]
    return fitting[-1] if fitting else _NICE[0]


def paint_scale_bar(painter: QPainter, port: QRectF, bottom: float, pixels_per_mm: float) -> None:
    """Draw a bar of a round length in mm into the lower left corner."""
    length = scale_bar_mm(pixels_per_mm, min(160.0, port.width() * 0.3))
    width = length * pixels_per_mm
    x, y = port.left() + _EDGE + 2, bottom - _EDGE - 4
    for color, grow in ((_SHADE, 1.0), (TEXT, 0.0)):
        for bar in (QRectF(x, y, width, 1.5), QRectF(x, y - 4, 1.5, 4), QRectF(x + width - 1.5, y - 4, 1.5, 4)):
            painter.fillRect(bar.adjusted(-grow, -grow, grow, grow), color)
    painter.setFont(font(11))
    box = QRectF(x + 3, y - 20, max(width, 60.0), 15)
    _text(painter, box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, f"{length} mm", TEXT)


def _paint_warning(painter: QPainter, port: QRectF, bottom: float, warning: str) -> None:
    painter.setFont(font(11, bold=True))
    box = QRectF(port.left() + _EDGE + 2, bottom - _EDGE - 46, port.width() - 2 * _EDGE, 16)
    _text(painter, box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, warning, WARNING)


def drawn_heading(port: QRectF, marks: Marks) -> tuple[str, str]:
    """Return what of title and subtitle there is room for."""
    return _drawn(port.width(), (marks.title, *marks.shorter[0]), (marks.subtitle, *marks.shorter[1]))


@lru_cache(maxsize=64)
def _drawn(width: float, titles: tuple[str, ...], subtitles: tuple[str, ...]) -> tuple[str, str]:
    room = int(width - 2 * (_EDGE + 2))
    title = fitted(QFontMetricsF(font(13, bold=True)), room, titles)
    return title, fitted(QFontMetricsF(font(11)), room, subtitles)


def paint_heading(painter: QPainter, port: QRectF, title: str, subtitle: str, legend: str = "") -> tuple[float, float]:
    """Write into the upper left corner what fits; return the width of the title and where the lines end."""
    x, y = port.left() + _EDGE + 2, port.top() + _EDGE - 2
    room = port.width() - 2 * (_EDGE + 2)
    width = 0.0
    for text, height, made, color in (
        (title, 18.0, font(13, bold=True), TEXT),
        (subtitle, _LINE, font(11), MUTED),
        (legend, _LINE, font(11), MUTED),
    ):
        if not text:
            continue
        painter.setFont(made)
        metrics = QFontMetricsF(made)
        shown = fitted(metrics, room, (text,))
        if text is title:
            width = metrics.horizontalAdvance(shown)
        _text(painter, QRectF(x, y, port.width(), height), Qt.AlignmentFlag.AlignLeft, shown, color)
        y += height
    return width, y


def _paint_captions(painter: QPainter, port: QRectF, marks: Marks) -> None:
    shown, subtitle = drawn_heading(port, marks)
    title, end = paint_heading(painter, port, shown, subtitle, marks.legend)
    if marks.badge:
        painter.setFont(font(11, bold=True))
        width = painter.fontMetrics().horizontalAdvance(marks.badge) + 16
        beside = title + width + 4 * _EDGE <= port.width() and width + 2 * _EDGE <= port.width() / 2 - _EDGE
        below = end + 3 + (_LINE + 6 if _lowered(port, shown) else 0)
        top = port.top() + _EDGE - 1 if beside else below
        box = QRectF(port.right() - _EDGE - width, top, width, 20)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(58, 48, 32, 235))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(WARNING)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), marks.badge)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _paint_color_bar(
    painter: QPainter, port: QRectF, floor: float, ends: tuple[str, str], ticks: tuple[float, ...] = ()
) -> None:
    height = min(144.0, port.height() * 0.3)
    box = QRectF(port.right() - _EDGE - 10, floor - height - 44, 10, height)
    strip = _color_strip()
    painter.drawImage(box, strip if ends[0] else strip.copy(0, 0, 1, 128))
    painter.setPen(QPen(MUTED, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box)
    painter.setPen(QPen(TEXT, 1.5))
    for tick in ticks:
        for side in (-1, 1):
            y = box.center().y() - side * min(tick, 1.0) * height / 2
            painter.drawLine(QPointF(box.left() - 4, y), QPointF(box.right() + 1, y))
    painter.setFont(font(11))
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    zero = box.center().y() if ends[0] else box.bottom() - 4
    for text, y in ((ends[1], box.top()), ("0", zero), (ends[0], box.bottom() - 4)):
        _text(painter, QRectF(box.left() - 86, y - 8, 80, 16), right, text, TEXT)


def paint_message(painter: QPainter, port: QRectF, message: str) -> None:
    """Write a sentence into the middle, clear of the letters at the sides."""
    painter.setFont(font(13))
    box = port.adjusted(_BESIDE_LETTERS, 24, -_BESIDE_LETTERS, -24)
    bounds = painter.boundingRect(box, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), message)
    painter.fillRect(bounds.adjusted(-10, -10, 10, 10), QColor(10, 12, 14, 205))
    painter.setPen(TEXT)
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), message)


def _paint_strip(painter: QPainter, port: QRectF) -> None:
    box = QRectF(port.left(), port.bottom() - STRIP, port.width(), STRIP)
    painter.fillRect(box, QColor("#1B1508"))
    painter.setFont(font(11, bold=True))
    painter.setPen(WARNING)
    fits = painter.fontMetrics().horizontalAdvance(SYNTHETIC) < port.width() - _EDGE
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), SYNTHETIC if fits else SYNTHETIC.split()[0])


def paint_brush(painter: QPainter, at: QPointF, shape: str, radius: float) -> None:
    """Draw the brush outline, light on dark so that it shows on any tissue."""
    reach = max(radius, 1.5)
    if not math.isfinite(reach):
        return
    device = painter.device()
    ratio = 1.0 if device is None else device.devicePixelRatioF()
    if reach <= _PIXMAP_REACH:
        half = reach + 2.0
        place = QPointF(round((at.x() - half) * ratio) / ratio, round((at.y() - half) * ratio) / ratio)
        painter.drawPixmap(place, _brush_pixmap(shape, round(reach, 1), ratio))
    else:
        _draw_brush(painter, at, shape, reach)
    if reach > 10:
        painter.setPen(QColor(255, 255, 255, 235))
        painter.drawPoint(at)


@lru_cache(maxsize=8)
def _brush_pixmap(shape: str, reach: float, ratio: float) -> QPixmap:
    """The outline drawn once: strokes repaint it with every mouse event, and a smooth circle is slow to draw."""
    size = math.ceil(2 * (reach + 2.0) * ratio)
    picture = QPixmap(size, size)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    with painting(QPainter(picture)) as painter:
        _draw_brush(painter, QPointF(reach + 2.0, reach + 2.0), shape, reach)
    return picture


def _draw_brush(painter: QPainter, at: QPointF, shape: str, reach: float) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for color, width in ((QColor(0, 0, 0, 170), 3.0), (QColor(255, 255, 255, 235), 1.25)):
        painter.setPen(QPen(color, width))
        if shape == "square":
            painter.drawRect(QRectF(at.x() - reach, at.y() - reach, 2 * reach, 2 * reach))
        else:
            painter.drawEllipse(at, reach, reach)

"""Two small drawings for the metrics: a scale with ticks, and a profile whose points can be clicked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QFontMetricsF, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QToolTip, QWidget

from seg_editor.ui.chrome import font
from seg_editor.ui.painting import painting
from seg_editor.ui.theme import Theme

_BAR = 4
_GAP, _JOIN = 3.0, " · "


class Scale(QWidget):
    """A value on a line from 0 to `top`, with named ticks below, and what stands beside it as a hollow mark."""

    def __init__(self, ticks: Mapping[str, float], top: float) -> None:
        super().__init__()
        self._ticks, self._top = dict(ticks), top
        self._value: float | None = None
        self._beside: float | None = None
        self.theme: Theme | None = None
        self.setFixedHeight(29 if ticks else 14)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_value(self, value: float | None, beside: float | None = None) -> None:
        """Show a value and what it is to be read beside."""
        self._value, self._beside = value, beside
        self.update()

    def _x(self, value: float) -> float:
        return 6 + (self.width() - 12) * min(max(value / self._top, 0.0), 1.0)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw line, ticks and marks."""
        if self.theme is None:
            return
        with painting(QPainter(self)) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.theme.color("border"))
            painter.drawRoundedRect(QRectF(6, 5, self.width() - 12, _BAR), 2, 2)
            if self._value is not None:
                painter.setBrush(self.theme.color("accent"))
                painter.drawRoundedRect(QRectF(6, 5, max(self._x(self._value) - 6, 0.0), _BAR), 2, 2)
            self._paint_ticks(painter, self.theme)
            painter.setPen(QPen(self.theme.color("panel"), 1.5))
            if self._value is not None:
                painter.setBrush(self.theme.color("accent"))
                painter.drawEllipse(QPointF(self._x(self._value), 7), 5, 5)
            if self._beside is not None:
                painter.setPen(QPen(self.theme.color("text"), 1.5))
                x = self._x(self._beside)
                painter.drawLine(QPointF(x, 1), QPointF(x, 13))

    def _paint_ticks(self, painter: QPainter, theme: Theme) -> None:
        painter.setFont(font(10))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("muted"))
        for value in self._ticks.values():
            x = self._x(value)
            painter.drawPolygon(QPolygonF([QPointF(x, 13), QPointF(x - 3, 17), QPointF(x + 3, 17)]))
        painter.setPen(theme.color("muted"))
        for name, box in self.tick_names():
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), name)

    def tick_names(self) -> list[tuple[str, QRectF]]:
        """The names below the ticks and where they stand, from left to right; ticks too near share one text."""
        metrics = QFontMetricsF(font(10))
        placed: list[tuple[list[str], list[float], QRectF]] = []
        for name, value in sorted(self._ticks.items(), key=lambda item: item[1]):
            names, places = [name], [self._x(value)]
            box = self._under(names, places, metrics)
            while placed and placed[-1][2].right() + _GAP > box.left():
                before = placed.pop()
                names, places = before[0] + names, before[1] + places
                box = self._under(names, places, metrics)
            placed.append((names, places, box))
        return [(_JOIN.join(names), box) for names, _, box in placed]

    def _under(self, names: list[str], places: list[float], metrics: QFontMetricsF) -> QRectF:
        width = metrics.horizontalAdvance(_JOIN.join(names)) + 2
        middle = sum(places) / len(places)
        return QRectF(min(max(middle - width / 2, 0.0), self.width() - width), 17, width, 12)


class Profile(QWidget):
    """Values over slices or runs, as bars; one is the current, a click chooses.

    Signals
    -------
    chosen(int)
        The number of the bar that the user clicked.
    """

    chosen = pyqtSignal(int)

    def __init__(self, name: str, height: int = 56) -> None:
        super().__init__()
        self._names: Sequence[str] = ()
        self._values: Sequence[float | None] = ()
        self._current = -1
        self.theme: Theme | None = None
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(name)
        self.setMouseTracking(True)

    def sizeHint(self) -> QSize:
        """As wide as the dock lets it be."""
        return QSize(200, self.height())

    def show_values(self, names: Sequence[str], values: Sequence[float | None], current: int) -> None:
        """Show values with their names; `current` is the number of the one on display, or -1."""
        self._names, self._values, self._current = tuple(names), tuple(values), current
        self.update()

    def bar(self, number: int) -> QRectF:
        """The column of a bar, over the whole height."""
        width = self.width() / max(len(self._values), 1)
        return QRectF(number * width, 0, width, self.height())

    @property
    def top(self) -> float:
        """The value of the full height."""
        return max((value for value in self._values if value is not None), default=0.0) or 1.0

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the bars."""
        if self.theme is None:
            return
        with painting(QPainter(self)) as painter:
            painter.setPen(Qt.PenStyle.NoPen)
            room = self.height() - 14.0
            for number, value in enumerate(self._values):
                column = self.bar(number)
                gap = 1.0 if column.width() > 3 else 0.0
                width = min(column.width() - gap, 14.0)
                left = column.center().x() - width / 2
                current = number == self._current
                if current:
                    painter.setBrush(self.theme.color("accent_soft"))
                    painter.drawRect(QRectF(left - 1, 0, width + 2, room + 2))
                height = 0.0 if value is None else max(room * value / self.top, 1.0)
                painter.setBrush(self.theme.color("accent" if current else "muted"))
                if value is not None:
                    painter.drawRect(QRectF(left, 1 + room - height, width, height))
            painter.setBrush(self.theme.color("border_strong"))
            painter.drawRect(QRectF(0, room + 1, self.width(), 1))
            painter.setPen(self.theme.color("muted"))
            painter.setFont(font(10))
            foot = QRectF(0, room + 2, self.width(), 12)
            if self._names:
                painter.drawText(foot, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), self._names[0])
                if len(self._names) > 1:
                    painter.drawText(
                        foot, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), self._names[-1]
                    )
            painter.drawText(foot, int(Qt.AlignmentFlag.AlignCenter), f"top {self.top:.3g}")

    def _at(self, x: float) -> int:
        count = len(self._values)
        return min(max(int(x / max(self.width(), 1) * count), 0), count - 1) if count else -1

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose."""
        if event is not None and self._values:
            self.chosen.emit(self._at(event.position().x()))

    def event(self, event: QEvent | None) -> bool:
        """Name the bar under the mouse."""
        if isinstance(event, QHelpEvent) and self._values:
            number = self._at(float(event.pos().x()))
            value = self._values[number]
            text = "–" if value is None else f"{value:.3f}"
            QToolTip.showText(event.globalPos(), f"{self._names[number]}: {text}", self)
            return True
        return super().event(event)

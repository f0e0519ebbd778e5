"""The small axes in a corner of the 3D pane: they say where the patient looks, and a click looks from that side."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPen

from seg_editor.ui.chrome import font
from seg_editor.ui.splatting import Turn

_ARM = 28.0
_DISC = 9.0
_MARGIN = 16.0
SIDES: dict[str, tuple[tuple[int, int, int], tuple[float, float]]] = {
    "R": ((1, 0, 0), (90.0, 0.0)),
    "L": ((-1, 0, 0), (270.0, 0.0)),
    "A": ((0, 1, 0), (0.0, 0.0)),
    "P": ((0, -1, 0), (180.0, 0.0)),
    "S": ((0, 0, 1), (180.0, 90.0)),
    "I": ((0, 0, -1), (0.0, -90.0)),
}
"""Letter → direction in the patient, and ``(azimuth, elevation)`` of a view from there."""


class Gizmo:
    """Paints the letters and finds the one under the mouse.

    Parameters
    ----------
    unknown : str
        Shown in place of every letter when nobody knows which side is which.
    """

    def __init__(self, unknown: str = "") -> None:
        self._unknown = unknown

    def places(self, port: QRectF, turn: Turn) -> list[tuple[str, QPointF, float]]:
        """Return letter, position in the pane and depth (-1 to 1, toward the viewer), the farthest first."""
        middle = QPointF(port.right() - _MARGIN - _ARM - _DISC, port.bottom() - _MARGIN - _ARM - _DISC)
        found = []
        for letter, (direction, _) in SIDES.items():
            across, up, depth = turn.matrix @ np.array(direction, dtype=np.float32)
            found.append((letter, middle + QPointF(float(across) * _ARM, -float(up) * _ARM), float(depth)))
        return sorted(found, key=lambda place: place[2])

    def paint(self, painter: QPainter, port: QRectF, turn: Turn) -> None:
        """Draw axes and letters."""
        painter.setFont(font(11, bold=True))
        places = self.places(port, turn)
        middle = (places[0][1] + places[-1][1]) / 2
        for letter, at, depth in places:
            near = 0.5 + 0.5 * depth
            tone = QColor(*(round(70 + 110 * near),) * 3)
            painter.setPen(QPen(tone, 1.25))
            painter.drawLine(middle, at)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor("#14171B"))
            painter.drawEllipse(at, _DISC, _DISC)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QColor(*(round(110 + 130 * near),) * 3))
            box = QRectF(at.x() - _DISC, at.y() - _DISC, 2 * _DISC, 2 * _DISC)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), self._unknown or letter)

    def hit(self, at: QPointF, port: QRectF, turn: Turn) -> tuple[float, float] | None:
        """Return azimuth and elevation of the letter under a point, or None."""
        for letter, place, _ in reversed(self.places(port, turn)):
            if np.hypot(at.x() - place.x(), at.y() - place.y()) <= _DISC:
                return SIDES[letter][1]
        return None

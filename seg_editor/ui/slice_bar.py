"""The slice slider: where you are, where the tumor is, and which slices were generated."""

from __future__ import annotations

import numpy as np
from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPixmap, QWheelEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from seg_editor.editing import Box
from seg_editor.editing.delta import union_box
from seg_editor.session import Workspace
from seg_editor.ui.content import Profile
from seg_editor.ui.painting import painting
from seg_editor.ui.planes import PlaneView

_MARGIN = 12.0
_MIDDLE = 18.0


class SliceBar(QWidget):
    """A vertical slider; bars show how much tumor each slice holds, a line beside them the generated slices."""

    chosen = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(
            "Slices: drag or scroll. Gray bars: tumor in the slice. Line: generated slices.\n"
            "Slices and voxels are counted from 0 along the file's own axes, as in nibabel, FSLeyes and 3D Slicer\n"
            "(ITK-SNAP counts from 1)."
        )
        self._index, self._count = 0, 0
        self._tumor = np.zeros(0)
        self._hole: np.ndarray | None = None
        self._accent = QColor("#3FBFAD")
        self._workspace: Workspace | None = None
        self._profile = Profile()
        self._changed: Box | None = None
        self._hole_key: object = None
        self._track: tuple[object, QPixmap] | None = None

    def sizeHint(self) -> QSize:
        """A narrow column."""
        return QSize(32, 200)

    def set_accent(self, accent: QColor) -> None:
        """Take the accent color of the theme."""
        self._accent = accent
        self._renew()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show another case, or none."""
        self._workspace = workspace
        self._profile, self._changed, self._hole_key = Profile(), None, None
        self.show_slices(0, 0)

    def note_change(self, box: Box) -> None:
        """Remember which labels changed; they are counted at the next :meth:`follow`."""
        self._changed = box if self._changed is None else union_box(self._changed, box)

    def follow(self, view: PlaneView, index: int) -> None:
        """Show a slice of a plane, the plane's tumor profile and its generated slices; only what changed is redone."""
        workspace = self._workspace
        if workspace is None:
            return
        self.show_slices(index, view.count)
        box, self._changed = self._changed, None
        if box is not None or self._profile.plane is not view.plane:
            self._profile.recount(workspace.segmentation.labels, view.plane, box)
            self.show_tumor(self._profile.counts)
        result = workspace.results.current
        key = (view.plane, id(result))
        if key != self._hole_key:
            self._hole_key = key
            axes = tuple(axis for axis in range(3) if axis != int(view.plane))
            self.show_hole(None if result is None else np.asarray(result.hole.mask.any(axis=axes)))

    def show_slices(self, index: int, count: int) -> None:
        """Show the position."""
        if (index, count) != (self._index, self._count):
            self._index, self._count = index, count
            self.update()

    def show_tumor(self, counts: np.ndarray) -> None:
        """Show tumor voxels per slice."""
        self._tumor = counts
        self._renew()

    def show_hole(self, generated: np.ndarray | None) -> None:
        """Show which slices were generated."""
        self._hole = generated
        self._renew()

    def _renew(self) -> None:
        self._track = None
        self.update()

    def _y(self, index: float) -> float:
        room = self.height() - 2 * _MARGIN
        return _MARGIN + room * (1 - (index + 0.5) / max(self._count, 1))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw track, tumor, generated slices and handle; all but the handle is kept as a picture."""
        with painting(QPainter(self)) as painter:
            key = self.width(), self.height(), self._count, self.devicePixelRatioF()
            if self._track is None or self._track[0] != key:
                self._track = key, self._draw_track()
            painter.drawPixmap(0, 0, self._track[1])
            if self._count == 0:
                return
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor("#E4E8ED"))
            painter.drawRoundedRect(QRectF(_MIDDLE - 9, self._y(self._index) - 3, 18, 6), 3, 3)

    def _draw_track(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(QColor("#000000"))
        if self._count == 0:
            return picture
        with painting(QPainter(picture)) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor("#2A3037"))
            painter.drawRoundedRect(QRectF(_MIDDLE - 1, _MARGIN, 2, self.height() - 2 * _MARGIN), 1, 1)
            thick = max(1.0, (self.height() - 2 * _MARGIN) / self._count)
            most = float(self._tumor.max(initial=0))
            if self._tumor.size == self._count and most > 0:
                painter.setBrush(QColor("#7C8794"))
                for k in np.flatnonzero(self._tumor).tolist():
                    width = 2 + 9 * float(self._tumor[k]) / most
                    painter.drawRect(QRectF(_MIDDLE - 2 - width, self._y(k) - thick / 2, width, thick))
            if self._hole is not None and self._hole.size == self._count:
                painter.setBrush(self._accent)
                for k in np.flatnonzero(self._hole).tolist():
                    painter.drawRect(QRectF(_MIDDLE + 3, self._y(k) - thick / 2, 3, thick))
        return picture

    def _choose(self, y: float) -> None:
        room = self.height() - 2 * _MARGIN
        if self._count and room > 0:
            index = int(self._count * (1 - (y - _MARGIN) / room))
            self.chosen.emit(min(max(index, 0), self._count - 1))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go to the slice under the mouse."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(event.position().y())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Follow the drag."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event.position().y())

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Step a slice a notch."""
        if event is not None and self._count:
            step = 1 if event.angleDelta().y() > 0 else -1
            self.chosen.emit(min(max(self._index + step, 0), self._count - 1))
            event.accept()

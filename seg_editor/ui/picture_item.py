"""An 8-bit picture in a pane: gray, or colored by a table."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QRectF
from PyQt6.QtGui import QImage, QPainter

from seg_editor.ui.planes import PlaneView

_DIMMED = 0.7
_GRAY, _COLORED = QImage.Format.Format_RGB32, QImage.Format.Format_ARGB32_Premultiplied


class PictureItem(pg.ImageItem):  # type: ignore[misc]
    """An image item that is row-major and can be drawn smooth or voxel by voxel."""

    def __init__(self) -> None:
        super().__init__(axisOrder="row-major")
        self.smooth = False
        self.dimmed = False
        self._place: tuple[float, float, float, float] | None = None
        self._colors: list[int] = []

    def _updateView(self) -> None:
        """Follow no pyqtgraph view: the pane places the item itself."""

    @property
    def brightness(self) -> float:
        """Share of the picture's levels that gets through, 0 to 1."""
        return _DIMMED if self.dimmed else 1.0

    def set_dimmed(self, dimmed: bool) -> None:
        """Let less of the picture through; its levels stay what they are."""
        if dimmed != self.dimmed:
            self.dimmed = dimmed
            self.update()

    def paint(self, painter: QPainter, *args: object) -> None:
        """Draw with or without interpolation; opacity here, not the item's, so that a cached picture costs no more."""
        painter.setOpacity(self.brightness)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.smooth)
        super().paint(painter, *args)
        painter.setOpacity(1.0)

    def show_levels(self, picture: np.ndarray, view: PlaneView, crop: tuple[slice, slice] | None = None) -> None:
        """Show a contiguous uint8 picture: all ``(rows, columns)`` of the plane, or the part that `crop` names."""
        du, dv = view.step
        rows, columns = crop or (slice(0, picture.shape[0]), slice(0, picture.shape[1]))
        place = (columns.start * du, rows.start * dv, picture.shape[1] * du, picture.shape[0] * dv)
        self.setImage(picture, autoLevels=False, levels=(0, 255))
        if self._place != place:
            self._place = place
            self.setRect(QRectF(*place))

    def setLookupTable(self, lut: np.ndarray, update: bool = True) -> None:
        """Color the codes by a ``(256, 4)`` uint8 table; one that is in force already changes nothing.

        Parameters
        ----------
        lut : ndarray, shape (256, 4), uint8
            Red, green, blue, alpha.
        update : bool
            Repaint now; False when a picture follows.
        """
        if self.lut is lut or (self.lut is not None and np.array_equal(self.lut, lut)):
            return
        red, green, blue, alpha = lut.T.astype(np.uint32)
        self._colors = (alpha << 24 | red << 16 | green << 8 | blue).tolist()
        super().setLookupTable(lut, update)

    def render(self) -> None:
        """Take the picture as a QImage of 32 bits, which Qt scales fastest, and without a color table of its own."""
        picture = self.image
        rows, columns = picture.shape
        form = QImage.Format.Format_Grayscale8 if self.lut is None else QImage.Format.Format_Indexed8
        image = QImage(picture.data, columns, rows, picture.strides[0], form)
        if self.lut is not None:
            image.setColorTable(self._colors)
        self.qimage = image.convertToFormat(_GRAY if self.lut is None else _COLORED)
        self._renderRequired, self._unrenderable = False, False

"""Pictures of a scene for the 3D pane: a small one at once while the view turns, the fine one from the background."""

from __future__ import annotations

import time

import numpy as np
from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QImage

from seg_editor.ui.splatting import Scene, Shot, Turn, place_of, render
from seg_editor.ui.workers import Task, Tasks

_FINE_PIXELS = 1100
_COARSE_PIXELS = (140.0, 320.0, 480.0)
_COARSE_LIMIT_S = 0.010
_REST_MS = 120
_SMALLEST = 16


class SurfacePicture(QObject):
    """Draws a scene as seen from a turn, in the size of the pane.

    Attributes
    ----------
    scene : Scene or None
        None until there is something to draw.
    turn : Turn
    shot : Shot or None
        The picture on display.
    image : QImage or None
        Its colors.

    Signals
    -------
    changed()
        There is a new picture.
    """

    changed = pyqtSignal()

    def __init__(self, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self.scene: Scene | None = None
        self.turn = Turn()
        self.shot: Shot | None = None
        self.image: QImage | None = None
        self._light: Scene | None = None
        self._shot_turn = self.turn
        self._size, self._ratio = (_SMALLEST, _SMALLEST), 1.0
        self._fine: Task | None = None
        self._again = False
        self._coarse = _COARSE_PIXELS[1]
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self.draw)

    @property
    def busy(self) -> bool:
        """True until the fine picture is on display."""
        return self._fine is not None or self._rest.isActive()

    def end(self) -> None:
        """Draw no more; a picture that is being drawn is dropped."""
        self._rest.stop()
        self._again = False
        if self._fine is not None:
            self._fine.cancel()

    def show_scene(self, scene: Scene) -> None:
        """Draw another scene."""
        self.scene, self._light = scene, scene.light
        self.draw()

    def resize(self, width: int, height: int, ratio: float) -> None:
        """Draw in another size, in logical pixels with `ratio` device pixels each, when the size rests."""
        self._size, self._ratio = (width, height), ratio
        self._rest.start()

    def look(self, turn: Turn) -> None:
        """Look from elsewhere: a small picture at once, the fine one when the view rests."""
        self.turn = turn
        if self._light is None:
            return
        began = time.perf_counter()
        size = self._pixels(min(1.0, self._coarse / max(1, min(self._size))))
        self._take(render(self._light, turn, *size), turn)
        took = max(time.perf_counter() - began, 1e-4)
        least, _, most = _COARSE_PIXELS
        self._coarse = min(most, max(least, self._coarse * (_COARSE_LIMIT_S / took) ** 0.25))
        self._rest.start()

    def draw(self) -> None:
        """Draw the fine picture in the background."""
        scene, turn = self.scene, self.turn
        if scene is None:
            return
        if self._fine is not None:
            self._again = True
            return
        size = self._pixels(min(self._ratio, _FINE_PIXELS / max(1, *self._size)))
        self._fine = task = self._tasks.start(lambda _progress, _cancelled: render(scene, turn, *size), "3D picture")
        task.done.connect(lambda shot: self._end_fine(shot, turn))
        task.failed.connect(lambda _error: self._end_fine(None, turn))

    def place_at(self, across: float, down: float) -> tuple[float, float, float] | None:
        """Return the point in mm on the surface at fractions of the picture, or None where there is none."""
        if self.shot is None or self.scene is None or self._shot_turn != self.turn:
            return None
        rows, columns = self.shot.depth.shape
        row, column = int(down * rows), int(across * columns)
        if not (0 <= row < rows and 0 <= column < columns) or np.isnan(self.shot.depth[row, column]):
            return None
        depth = float(self.shot.depth[row, column])
        return place_of(self.scene, self.turn, columns, rows, column + 0.5, row + 0.5, depth)

    def _pixels(self, ratio: float) -> tuple[int, int]:
        width, height = (max(_SMALLEST, round(n * ratio)) for n in self._size)
        return width, height

    def _end_fine(self, shot: object, turn: Turn) -> None:
        self._fine = None
        if isinstance(shot, Shot) and turn == self.turn:
            self._take(shot, turn)
        if self._again:
            self._again = False
            self.draw()

    def _take(self, shot: Shot, turn: Turn) -> None:
        self.shot, self._shot_turn = shot, turn
        rows, columns, _ = shot.colors.shape
        self.image = QImage(shot.colors.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()
        self.changed.emit()

"""Label colors, and how they look to readers who see fewer colors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QColor, QIcon, QImage, QPainter, QPen, QPixmap
from PyQt6.QtWidgets import QColorDialog, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from seg_editor.cases import SCHEME_2013, LabelScheme
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.color_vision import KINDS, NORMAL, alike, simulate
from seg_editor.ui.content import label_table
from seg_editor.ui.painting import painting
from seg_editor.ui.panels.parts import named, wrapped
from seg_editor.ui.planes import Plane, PlaneView
from seg_editor.ui.state import UiState
from seg_editor.ui.theme import label_colors
from seg_editor.ui.windowing import to_gray

_TILE = QSize(236, 150)
_OPACITY = 0.65
_SYNTHETIC_SIZE = 120


class LabelColorPage(QWidget):
    """One button a label; below, the picture as four kinds of readers see it."""

    def __init__(self, ui: UiState) -> None:
        super().__init__()
        self._ui = ui
        self._workspace: Workspace | None = None
        self.buttons: dict[str, QPushButton] = {}
        self.tiles: dict[str, QLabel] = {}
        self.reset = QPushButton("Back to the palette")
        self.reset.clicked.connect(lambda: setattr(ui, "label_colors", {}))
        self.verdict = wrapped()
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(8)
        self._rows.setVerticalSpacing(8)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(8)
        column.addWidget(named(QLabel("Label colors"), "emptyTitle"))
        column.addSpacing(8)
        column.addLayout(self._rows)
        line = QHBoxLayout()
        line.addWidget(self.reset)
        line.addStretch(1)
        column.addLayout(line)
        column.addSpacing(8)
        column.addWidget(named(QLabel("As readers see them"), "valueName"))
        column.addLayout(self._make_tiles())
        column.addWidget(self.verdict)
        column.addStretch(1)
        bind(self, ui.changed, lambda name: self.refresh() if name == "label_colors" else None)
        self.set_workspace(None)

    def _make_tiles(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        for number, (kind, name) in enumerate(KINDS.items()):
            tile = QLabel()
            tile.setFixedSize(_TILE)
            tile.setAlignment(Qt.AlignmentFlag.AlignCenter)
            tile.setAccessibleName(f"Label colors as seen with {name.lower()}")
            self.tiles[kind] = tile
            cell = QVBoxLayout()
            cell.setSpacing(4)
            cell.addWidget(tile)
            cell.addWidget(named(QLabel(name), "small"))
            grid.addLayout(cell, number // 2, number % 2)
        grid.setColumnStretch(2, 1)
        return grid

    @property
    def scheme(self) -> LabelScheme:
        """The labels whose colors can be chosen."""
        return SCHEME_2013 if self._workspace is None else self._workspace.case.scheme

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Preview on another case, or on a drawing when none is open."""
        self._workspace = workspace
        for button in self.buttons.values():
            self._rows.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = {}
        for number, subregion in enumerate(self.scheme.subregions):
            button = QPushButton(subregion.display)
            button.setToolTip(f"Choose another color for {subregion.display}")
            button.setIconSize(QSize(16, 16))
            button.clicked.connect(lambda _checked=False, key=str(subregion): self.choose(key))
            self.buttons[str(subregion)] = button
            self._rows.addWidget(button, number // 2, number % 2)
        self.refresh()

    def choose(self, subregion: str) -> None:
        """Ask for the color of a label."""
        dialog = QColorDialog(self._colors()[subregion], self)
        dialog.setOption(QColorDialog.ColorDialogOption.DontUseNativeDialog)
        dialog.setWindowTitle("Label color")
        dialog.currentColorChanged.connect(lambda color: self._set(subregion, color))
        before = dict(self._ui.label_colors)
        dialog.rejected.connect(lambda: setattr(self._ui, "label_colors", before))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _set(self, subregion: str, color: QColor) -> None:
        self._ui.label_colors = {**self._ui.label_colors, subregion: color.name()}

    def _colors(self) -> dict[str, QColor]:
        by_value = label_colors(self.scheme, self._ui.label_colors)
        return {str(subregion): QColor(*by_value[value]) for subregion, value in self.scheme.values}

    def refresh(self) -> None:
        """Show the colors in force."""
        colors = self._colors()
        for subregion, button in self.buttons.items():
            button.setIcon(_swatch(colors[subregion]))
        changed = bool(self._ui.label_colors)
        self.reset.setEnabled(changed)
        self.reset.setToolTip(
            "Use Wong's palette, made for readers of any color vision"
            if changed
            else "Not now: these are the palette's colors."
        )
        self._show_tiles()
        names = {s.display: _rgb(colors[str(s)]) for s in self.scheme.subregions}
        self.verdict.setText(_verdict(alike(names)))

    def _show_tiles(self) -> None:
        picture = self._picture()
        rows, columns, _ = picture.shape
        ratio = self.devicePixelRatioF()
        for kind, tile in self.tiles.items():
            seen = simulate(picture, kind)
            image = QImage(seen.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888)
            smooth, keep = Qt.TransformationMode.SmoothTransformation, Qt.AspectRatioMode.KeepAspectRatioByExpanding
            shown = QPixmap.fromImage(image).scaled(_TILE * ratio, keep, smooth)
            shown.setDevicePixelRatio(ratio)
            tile.setPixmap(shown)

    def _picture(self) -> NDArray[np.uint8]:
        gray, codes = _drawing() if self._workspace is None else _tumor_slice(self._workspace)
        table = label_table(label_colors(self.scheme, self._ui.label_colors), _OPACITY)[codes].astype(np.float32)
        part = table[..., 3:] / 255.0
        return np.asarray(gray[..., None] * (1 - part) + table[..., :3] * part, dtype=np.uint8)


def _rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


def _swatch(color: QColor) -> QIcon:
    picture = QPixmap(32, 32)
    picture.fill(Qt.GlobalColor.transparent)
    with painting(QPainter(picture)) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(color)
        painter.setPen(QPen(color.darker(130), 2))
        painter.drawRoundedRect(2, 2, 28, 28, 6, 6)
    return QIcon(picture)


def _verdict(pairs: list[tuple[str, str, str]]) -> str:
    if not pairs:
        return "Every two labels can be told apart. The outline tells shapes without color."
    kind, one, other = pairs[0]
    who = "everyone" if kind == NORMAL else f"readers with {KINDS[kind].lower()}"
    more = f" And {len(pairs) - 1} more." if len(pairs) > 1 else ""
    return f"{one} and {other} look alike to {who}: choose another color for one of them.{more}"


def _tumor_slice(workspace: Workspace) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return gray levels and label codes around the tumor in the axial slice with most of it."""
    case, view_state = workspace.case, workspace.view
    labels = workspace.segmentation.labels
    if not labels.any():
        labels = workspace.segmentation.original
    z = int(np.argmax(np.count_nonzero(labels, axis=(0, 1)))) if labels.any() else view_state.cursor[2]
    view = PlaneView(Plane.AXIAL, case.grid.shape, case.grid.spacing)
    gray = to_gray(view.cut(case.volumes[view_state.modality].raw, z), view_state.window())
    codes = view.cut(labels, z).astype(np.uint8)
    rows, columns = np.nonzero(codes if codes.any() else gray)
    if rows.size == 0:
        return gray, codes
    reach = max(24, int(0.7 * max(np.ptp(rows), np.ptp(columns))))
    middle = (int(rows.min() + rows.max()) // 2, int(columns.min() + columns.max()) // 2)
    part = tuple(
        slice(max(0, m - reach * k // 10), min(n, m + reach * k // 10))
        for m, n, k in zip(middle, codes.shape, (7, 11), strict=True)
    )
    return gray[part], codes[part]


def _drawing() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a drawing of four nested labels, for when no case is open."""
    n = _SYNTHETIC_SIZE
    y, x = np.mgrid[-1 : 1 : n * 1j, -1.5 : 1.5 : int(1.5 * n) * 1j]
    away = np.hypot(x, y)
    gray = np.where(np.hypot(x / 1.4, y / 0.95) < 1, 110, 12).astype(np.uint8)
    codes = np.zeros(gray.shape, np.uint8)
    for limit, value in ((0.75, 2), (0.55, 4), (0.35, 3), (0.2, 1)):
        codes[away < limit] = value
    return gray, codes

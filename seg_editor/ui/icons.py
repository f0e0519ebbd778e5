"""The program's own stroke icons (``resources/icons/*.svg``), tinted by the theme."""

from __future__ import annotations

from functools import lru_cache

from PyQt6.QtCore import QByteArray, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

from seg_editor.resources import resource_path
from seg_editor.ui.painting import painting
from seg_editor.ui.theme import Theme

_SIZES = (16, 20, 24, 32, 48)


@lru_cache(maxsize=128)
def _source(name: str) -> str:
    return resource_path("icons", f"{name}.svg").read_text(encoding="utf-8")


def pixmap(name: str, color: QColor, size: int, ratio: float = 1.0) -> QPixmap:
    """Draw one icon at `size` logical pixels."""
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", color.name()).encode()))
    picture = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    picture.fill(Qt.GlobalColor.transparent)
    with painting(QPainter(picture)) as painter:
        renderer.render(painter, QRectF(0, 0, picture.width(), picture.height()))
    picture.setDevicePixelRatio(ratio)
    return picture


@lru_cache(maxsize=256)
def _build(name: str, normal: str, active: str, disabled: str) -> QIcon:
    built = QIcon()
    for size in _SIZES:
        for ratio in (1.0, 2.0):
            built.addPixmap(pixmap(name, QColor(normal), size, ratio), QIcon.Mode.Normal, QIcon.State.Off)
            built.addPixmap(pixmap(name, QColor(active), size, ratio), QIcon.Mode.Normal, QIcon.State.On)
            for state in (QIcon.State.On, QIcon.State.Off):
                built.addPixmap(pixmap(name, QColor(disabled), size, ratio), QIcon.Mode.Disabled, state)
    return built


def icon(name: str, theme: Theme, *, on_accent: bool = False) -> QIcon:
    """Return the icon in the theme's colors; checked icons take the accent color."""
    tokens = theme.tokens
    if on_accent:
        return _build(name, tokens["on_accent"], tokens["on_accent"], tokens["disabled"])
    return _build(name, tokens["icon"], tokens["accent"], tokens["disabled"])

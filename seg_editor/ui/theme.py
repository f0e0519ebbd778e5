"""Colors, style sheet and palette of the dark and the light theme; tokens come from ``resources/themes``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication

from seg_editor.cases import LabelScheme
from seg_editor.resources import resource_path

WONG: dict[str, str] = {
    "ncr": "#D55E00",
    "ed": "#56B4E9",
    "et": "#F0E442",
    "net": "#CC79A7",
}
OTHER_LABEL = "#E69F00"
TISSUE_COLORS = ("#0072B2", "#999999", "#F5F5F5")
_FONTS = ("Inter", "Segoe UI Variable Text", "Segoe UI", "SF Pro Text", "Noto Sans", "Open Sans", "Cantarell", "Ubuntu")


@dataclass(frozen=True)
class Theme:
    """One set of color tokens."""

    name: str
    tokens: dict[str, str]

    def color(self, token: str) -> QColor:
        """Return the color of a token, for example ``accent``."""
        return QColor(self.tokens[token])

    def style_sheet(self) -> str:
        """Return the application style sheet with the tokens filled in."""
        text = resource_path("themes", "app.qss").read_text(encoding="utf-8")
        icons = Path(resource_path("icons")).as_posix()
        values = {**self.tokens, "icons": icons}
        return re.sub(r"@(\w+)", lambda match: values[match.group(1)], text)

    def palette(self) -> QPalette:
        """Return the palette for what a style sheet does not reach."""
        roles = QPalette.ColorRole
        palette = QPalette()
        pairs = (
            (roles.Window, "panel"), (roles.WindowText, "text"), (roles.Base, "field"), (roles.AlternateBase, "panel"),
            (roles.Text, "text"), (roles.Button, "raised"), (roles.ButtonText, "text"), (roles.ToolTipBase, "raised"),
            (roles.ToolTipText, "text"), (roles.Highlight, "accent"), (roles.HighlightedText, "on_accent"),
            (roles.PlaceholderText, "muted"), (roles.Link, "accent"),
        )  # fmt: skip
        for role, token in pairs:
            palette.setColor(role, self.color(token))
        for role in (roles.WindowText, roles.Text, roles.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, self.color("disabled"))
        return palette


def load_theme(name: str) -> Theme:
    """Read ``resources/themes/<name>.json``."""
    tokens = json.loads(resource_path("themes", f"{name}.json").read_text(encoding="utf-8"))
    return Theme(name, tokens)


class ThemeManager(QObject):
    """Holds the theme in force; ``choice`` is ``system``, ``dark`` or ``light``."""

    changed = pyqtSignal(object)

    def __init__(self, application: QApplication, choice: str = "system") -> None:
        super().__init__()
        self._application = application
        self.choice = choice
        self.theme = load_theme(self._resolve())
        hints = QGuiApplication.styleHints()
        if hints is not None:
            hints.colorSchemeChanged.connect(self._follow_system)

    def _resolve(self) -> str:
        if self.choice in ("dark", "light"):
            return self.choice
        hints = QGuiApplication.styleHints()
        light = hints is not None and hints.colorScheme() == Qt.ColorScheme.Light
        return "light" if light else "dark"

    def _follow_system(self, _scheme: object) -> None:
        if self.choice == "system":
            self.choose(self.choice)

    def choose(self, choice: str) -> None:
        """Switch to a theme and restyle every window."""
        self.choice = choice
        self.theme = load_theme(self._resolve())
        self.apply()

    def apply(self) -> None:
        """Style the application with the theme in force."""
        self._application.setPalette(self.theme.palette())
        self._application.setStyleSheet(self.theme.style_sheet())
        self.changed.emit(self.theme)


def prepare_application(application: QApplication) -> None:
    """Set the base style and a readable font before the first window is made."""
    application.setStyle("Fusion")
    families = set(QFontDatabase.families())
    family = next((name for name in _FONTS if name in families), application.font().family())
    font = QFont(family)
    font.setPixelSize(13)
    application.setFont(font)


def label_colors(scheme: LabelScheme, chosen: Mapping[str, str] | None = None) -> dict[int, tuple[int, int, int]]:
    """Return red, green, blue of every label value of a scheme.

    Parameters
    ----------
    scheme : LabelScheme
    chosen : mapping of subregion to ``#rrggbb``, optional
        The user's own colors (:attr:`~seg_editor.ui.state.UiState.label_colors`); the rest come from Wong's palette,
        which color-blind readers can tell apart.
    """
    wanted = (
        (value, (chosen or {}).get(str(part)) or WONG.get(str(part), OTHER_LABEL)) for part, value in scheme.values
    )
    return {value: _rgb(name) for value, name in wanted}


@lru_cache(maxsize=64)
def _rgb(name: str) -> tuple[int, int, int]:
    color = QColor(name)
    return color.red(), color.green(), color.blue()

"""Both themes can be read: every pair of text and ground has the contrast that WCAG AA asks for."""

from __future__ import annotations

import pytest
from PyQt6.QtGui import QColor

from seg_editor.ui import chrome
from seg_editor.ui.theme import load_theme

PAIRS = [
    *[("text", ground) for ground in ("window", "panel", "raised", "field", "hover", "accent_soft", "error_soft")],
    *[("muted", ground) for ground in ("window", "panel", "raised", "field", "hover", "accent_soft")],
    ("accent", "accent_soft"),
    ("accent", "field"),
    ("accent", "panel"),
    ("on_accent", "accent"),
    ("on_accent", "accent_hover"),
    ("warning", "warning_soft"),
    ("warning", "panel"),
    ("error", "error_soft"),
    ("viewer_text", "viewer"),
    ("viewer_muted", "viewer"),
    ("viewer_text", "viewer_line"),
]


def luminance(color: QColor) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color.getRgbF()[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: QColor, other: QColor) -> float:
    """Contrast ratio as WCAG 2 defines it, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_can_be_read(name: str, text: str, ground: str) -> None:
    theme = load_theme(name)
    assert contrast(theme.color(text), theme.color(ground)) >= 4.5


@pytest.mark.parametrize("color", [chrome.TEXT, chrome.MUTED, chrome.WARNING])
@pytest.mark.parametrize("gray", [0, 128, 255])
def test_captions_can_be_read_over_any_tissue(color: QColor, gray: int) -> None:
    part = chrome._VEIL.alphaF()
    under = round(gray * (1 - part))
    assert contrast(color, QColor(under, under, under)) >= 4.5

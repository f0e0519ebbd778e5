"""Amounts in words."""

from __future__ import annotations


def milliliters(volume: float) -> str:
    """A volume as a short text: ``0.31 ml``, ``7.2 ml``."""
    return f"{volume:.2g} ml" if volume < 1 else f"{volume:.1f} ml"

"""From raw intensities to gray levels. No Qt here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from seg_editor.cases import Volume

GrayWindow = tuple[float, float]


def width_of(window: GrayWindow) -> float:
    """Return the distance between black and white, never zero."""
    return max(window[1] - window[0], 1e-6)


def in_file_units(window: GrayWindow, volume: Volume) -> GrayWindow:
    """Return a window of stored values as the intensities that the file means by them."""
    low, high = (end * volume.slope + volume.inter for end in window)
    return min(low, high), max(low, high)


def in_stored_units(window: GrayWindow, volume: Volume) -> GrayWindow:
    """Return a window of intensities as stored values of a volume."""
    low, high = ((end - volume.inter) / volume.slope for end in window)
    return min(low, high), max(low, high)


def dragged(window: GrayWindow, across: float, down: float, span: float) -> GrayWindow:
    """Return the window after a mouse drag.

    Parameters
    ----------
    window : (low, high)
        Where the drag began.
    across, down : float
        How far, as fractions of the pane: to the right widens, down brightens.
    span : float
        Width of the automatic window, the unit of the drag.
    """
    width = max(width_of(window) * float(np.exp(2.0 * across)), span * 1e-3)
    level = (window[0] + window[1]) / 2 - down * span
    return level - width / 2, level + width / 2


def to_gray(picture: np.ndarray, window: GrayWindow, strength: float = 1.0) -> np.ndarray:
    """Return the picture as contiguous uint8: 0 at and below black, ``255 * strength`` at and above white."""
    scaled = np.subtract(picture, np.float32(window[0]), dtype=np.float32)
    scaled *= np.float32(255.0 * strength / width_of(window))
    np.clip(scaled, 0, 255 * strength, out=scaled)
    return np.asarray(scaled, dtype=np.uint8)


def is_black(value: float, window: GrayWindow) -> bool:
    """True when a value has the darkest gray level."""
    return bool(255.0 * (float(value) - window[0]) < width_of(window))


def to_signed(source: np.ndarray, generated: np.ndarray, reach: float) -> np.ndarray:
    """Return ``generated - source`` as uint8 around 128, full color at ``+-reach`` in raw units."""
    difference = np.subtract(generated, source, dtype=np.float32)
    difference *= np.float32(127.0 / reach)
    np.clip(difference, -127, 127, out=difference)
    difference += 128.5
    return np.asarray(difference, dtype=np.uint8)

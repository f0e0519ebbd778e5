"""Comparing two pictures of the same slice: every mode is a weight between 0 (first) and 1 (second). No Qt here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from seg_editor.metrics import Window, display01
from seg_editor.session.observable import Field, Observable

DEFAULT_THRESHOLD = 0.10
DAMPED = 0.3


class Mode(StrEnum):
    """How a pane of the counterfactual shows it beside what it is compared with."""

    PLAIN = "plain"
    BLINK = "blink"
    FADE = "fade"
    SWIPE = "swipe"
    LENS = "lens"
    CHECKER = "checker"

    @property
    def display(self) -> str:
        """Name for buttons and captions."""
        return self.value.capitalize()


class EnsembleView(StrEnum):
    """What of an ensemble of seeds the counterfactual panes show."""

    OFF = "off"
    MEAN = "mean"
    SD = "sd"


class CompareState(Observable):
    """How source and result are compared; it outlives the case.

    Attributes
    ----------
    mode : Mode
    fraction : float
        Of the second picture: share while fading, place of the swipe handle from the left.
    hertz : float
        Changes of the picture a second while blinking.
    second_shown : bool
        The phase of the blink.
    lens_mm, tile_mm : float
        Radius of the lens, side of a square of the checkerboard.
    point : (plane, u, v) or None
        The mouse: which plane it is over, and where, in mm of the plane.
    threshold : float
        Difference on the gray scale [0, 1] that counts as a change: the threshold of DiffMap IoU.
    referee : bool
        Outline the tumor that the referee sees.
    against : str
        Key of the result that takes the place of the source; empty for the source.
    ensemble : EnsembleView
    """

    mode = Field(Mode.PLAIN)
    fraction = Field(0.5)
    hertz = Field(1.5)
    second_shown = Field(True)
    lens_mm = Field(22.0)
    tile_mm = Field(16.0)
    point: Field[tuple[int, float, float] | None] = Field(None)
    threshold = Field(DEFAULT_THRESHOLD)
    referee = Field(False)
    against = Field("")
    ensemble = Field(EnsembleView.OFF)


@dataclass(frozen=True)
class Patch:
    """Where a picture of ``(rows, columns)`` lies in its plane.

    Parameters
    ----------
    shape : (int, int)
    left, top : float
        Upper left corner, mm.
    step : (float, float)
        Voxel size across and down, mm.
    plane : int
        Array axis that the plane cuts.
    """

    shape: tuple[int, int]
    left: float
    top: float
    step: tuple[float, float]
    plane: int = 2

    @property
    def across(self) -> np.ndarray:
        """Centers of the columns, mm."""
        return self.left + (np.arange(self.shape[1], dtype=np.float32) + 0.5) * self.step[0]

    @property
    def down(self) -> np.ndarray:
        """Centers of the rows, mm."""
        return self.top + (np.arange(self.shape[0], dtype=np.float32) + 0.5) * self.step[1]


def weight(state: CompareState, patch: Patch) -> float | np.ndarray:
    """Return how much of the second picture is seen: one number, or one for each voxel."""
    if state.mode is Mode.FADE:
        return float(np.clip(state.fraction, 0.0, 1.0))
    if state.mode is Mode.BLINK:
        return float(state.second_shown)
    if state.mode is Mode.SWIPE:
        return swipe_weight(patch, state.fraction)
    if state.mode is Mode.LENS:
        here = state.point is not None and state.point[0] == patch.plane
        return lens_weight(patch, state.point[1:], state.lens_mm) if here and state.point is not None else 0.0
    if state.mode is Mode.CHECKER:
        return checker_weight(patch, state.tile_mm)
    return 1.0


def swipe_weight(patch: Patch, fraction: float) -> np.ndarray:
    """The second picture right of the handle; the column under it is mixed, so that it moves smoothly."""
    handle = patch.shape[1] * float(np.clip(fraction, 0.0, 1.0))
    columns = np.arange(patch.shape[1], dtype=np.float32)
    return np.broadcast_to(np.clip(columns + 1 - handle, 0, 1)[None, :], patch.shape)


def lens_weight(patch: Patch, point: tuple[float, float], radius: float) -> np.ndarray:
    """The second picture within a circle of `radius` mm about a point, with an edge one voxel soft."""
    distance = np.hypot(patch.across[None, :] - point[0], patch.down[:, None] - point[1])
    soft = max(patch.step)
    return np.asarray(np.clip((radius - distance) / soft + 0.5, 0, 1), dtype=np.float32)


def checker_weight(patch: Patch, tile: float) -> np.ndarray:
    """Squares of `tile` mm of either picture, fixed to the plane."""
    columns, rows = np.floor(patch.across / tile).astype(int), np.floor(patch.down / tile).astype(int)
    return np.asarray((rows[:, None] + columns[None, :]) % 2, dtype=np.float32)


def blend(first: np.ndarray, second: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    """Mix two uint8 pictures of the same gray window.

    Parameters
    ----------
    first, second : uint8 (rows, columns)
    share : float or (rows, columns) array
        Of the second, 0 to 1.

    Returns
    -------
    uint8 (rows, columns), contiguous; one of the two arguments where nothing is mixed
    """
    if isinstance(share, float):
        if share <= 0.0:
            return first
        if share >= 1.0:
            return second
    mixed = np.subtract(second, first, dtype=np.float32)
    mixed *= share
    mixed += first
    mixed += np.float32(0.5)
    return np.ascontiguousarray(mixed, dtype=np.uint8)


def damped(codes: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Make the colors of signed-difference codes (uint8, 128 is none) faint where the change does not count."""
    faint = (codes.astype(np.int16) - 128) * DAMPED + 128.5
    return np.where(changed, codes, faint).astype(np.uint8)


def changed_voxels(first: np.ndarray, second: np.ndarray, window: Window, threshold: float) -> np.ndarray:
    """Return where two slices in stored units differ by more than `threshold` of the gray scale of `window`.

    As DiffMap IoU counts: both are cut to the gray scale before they are compared.
    """
    return np.asarray(np.abs(display01(first, window) - display01(second, window)) > threshold)

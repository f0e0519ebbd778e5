"""The grid of the slice models: one axial slice to 256x256 bytes and back to the case's own intensities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import ModelError, UsageError

if TYPE_CHECKING:
    from seg_editor.anatomy.scale import IntensityScale

#: Columns and rows of a slice's square.
Window = tuple[slice, slice]
SIZE = 256
PRESETS = ("compact", "paper")
NORMALISATIONS = ("robust", "paper")
#: ``robust``: code 0 is air, 1 to 255 are ROBUST_LOW to ROBUST_HIGH interquartile ranges from the median.
ROBUST_LOW, ROBUST_HIGH = -5.0, 7.0
ROBUST_STEP = (ROBUST_HIGH - ROBUST_LOW) / 254


@dataclass(frozen=True)
class SliceSettings:
    """What decides the slices of a case.

    Attributes
    ----------
    preset : str
        ``compact`` pads or cuts to 256x256; ``paper`` resizes (images bilinear, masks nearest).
    normalisation : str
        ``robust``: median and interquartile range of the healthy brain, see :func:`robust_code`; ``paper``: each
        slice from its own minimum to its own maximum.
    min_brain : float
        A slice is dropped when less of it is brain.
    """

    preset: str = "compact"
    normalisation: str = "robust"
    min_brain: float = 0.05

    def __post_init__(self) -> None:
        for value, known in ((self.preset, PRESETS), (self.normalisation, NORMALISATIONS)):
            if value not in known:
                raise UsageError(f"there is no {value!r} for slices", remedy=f"Choose one of {', '.join(known)}")

    def to_json(self) -> dict[str, Any]:
        """Plain values, with what is fixed."""
        return asdict(self) | {"size": SIZE, "robust_range": [ROBUST_LOW, ROBUST_HIGH]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SliceSettings:
        """The reverse of :meth:`to_json`; what is missing is the default.

        Raises
        ------
        ModelError
            The slices were made in a way that this version does not know.
        """
        other = "Use the version of seg-editor that made the model"
        if data.get("size", SIZE) != SIZE or list(data.get("robust_range", (ROBUST_LOW, ROBUST_HIGH))) != [
            ROBUST_LOW,
            ROBUST_HIGH,
        ]:
            raise ModelError("the model was trained on slices of another size or range", remedy=other)
        known = {k: data[k] for k in ("preset", "normalisation", "min_brain") if k in data}
        try:
            return cls(**known)
        except UsageError as error:
            raise ModelError(error.what, remedy=other) from error


def robust_code(normalized: NDArray[np.floating], brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Normalized intensities (median 0, interquartile range 1) to bytes; outside the range they are cut, air is 0."""
    code = np.rint((np.asarray(normalized, np.float32) - ROBUST_LOW) / ROBUST_STEP) + 1
    return np.where(brain, np.clip(code, 1, 255), 0).astype(np.uint8)


def robust_value(code: NDArray[np.integer[Any]] | NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Undo :func:`robust_code` to half a step; air becomes ``ROBUST_LOW - ROBUST_STEP``."""
    return ((code.astype(np.float32) - 1) * np.float32(ROBUST_STEP) + np.float32(ROBUST_LOW)).astype(np.float32)


def minmax_code(values: NDArray[np.floating]) -> tuple[NDArray[np.uint8], float, float]:
    """The paper's scale: a slice from its minimum (0) to its maximum (255); a constant slice is 0."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.shape, np.uint8), low, high
    return ((values - low) / (high - low) * 255).astype(np.uint8), low, high


def fit(a: NDArray[np.uint8], settings: SliceSettings, *, nearest: bool = False, size: int = SIZE) -> NDArray[np.uint8]:
    """Bring a slice to size x size as the preset says."""
    if settings.preset == "paper":
        from PIL import Image

        how = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
        return np.asarray(Image.fromarray(a).resize((size, size), how), np.uint8)
    out = np.zeros((size, size), np.uint8)
    to, of = _centered(a.shape, size)
    out[to] = a[of]
    return out


def unfit(picture: NDArray[np.float32], shape: tuple[int, int], settings: SliceSettings) -> NDArray[np.float32]:
    """Undo :func:`fit` for a picture of floats (size, size); what padding or cutting lost is 0."""
    if settings.preset == "paper":
        from PIL import Image

        back = Image.fromarray(picture.astype(np.float32)).resize(shape[::-1], Image.Resampling.BILINEAR)
        return np.asarray(back, np.float32)
    out = np.zeros(shape, np.float32)
    to, of = _centered(shape, picture.shape[0])
    out[of] = picture[to]
    return out


def _centered(shape: tuple[int, ...], size: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a slice of `shape` lies in the square, and what of it."""
    to, of = [], []
    for n in shape:
        start = (size - n) // 2
        to.append(slice(max(start, 0), max(start, 0) + min(n, size)))
        of.append(slice(max(-start, 0), max(-start, 0) + min(n, size)))
    return (to[0], to[1]), (of[0], of[1])


def encode_slice(
    values: NDArray[np.floating[Any]],
    brain: NDArray[np.bool_],
    scale: IntensityScale,
    settings: SliceSettings,
    *,
    size: int = SIZE,
) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """One slice (x, y) in its own intensities to bytes (size, size).

    Returns
    -------
    uint8 (size, size), dict
        The numbers that :func:`decode_slice` needs: ``median`` and ``iqr``, or ``low`` and ``high``.
    """
    if settings.normalisation == "robust":
        image = robust_code(scale.normalize(values), brain)
        way = {"median": scale.median, "iqr": scale.iqr}
    else:
        image, low, high = minmax_code(values)
        way = {"low": low, "high": high}
    return fit(image, settings, size=size), way


def decode_slice(
    picture: NDArray[np.floating[Any]], shape: tuple[int, int], way: Mapping[str, float], settings: SliceSettings
) -> NDArray[np.float32]:
    """A picture (size, size) in [0, 1] to intensities (x, y), the reverse of :func:`encode_slice`."""
    flat = unfit(np.asarray(picture, np.float32), shape, settings)
    if settings.normalisation == "robust":
        return (robust_value(flat * 255) * np.float32(way["iqr"]) + np.float32(way["median"])).astype(np.float32)
    return (flat * np.float32(way["high"] - way["low"]) + np.float32(way["low"])).astype(np.float32)


@dataclass(frozen=True)
class Frame:
    """What a model sees of a slice: a window of the square that :func:`fit` makes, and air around it.

    Attributes
    ----------
    settings : SliceSettings
    size : int
        Of the square.
    window : Window
    """

    settings: SliceSettings
    size: int
    window: Window

    def encode(
        self, values: NDArray[np.floating[Any]], brain: NDArray[np.bool_], scale: IntensityScale
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """One slice (x, y) in its own intensities to [0, 1] in the window, and what :meth:`decode` needs."""
        code, way = encode_slice(values, brain, scale, self.settings, size=self.size)
        return np.asarray(code[self.window] / np.float32(255), np.float32), way

    def mask(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Class ids (x, y) in the window."""
        return fit(labels, self.settings, nearest=True, size=self.size)[self.window]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the window."""
        x, y = self.window
        return x.stop - x.start, y.stop - y.start

    def decode(
        self, picture: NDArray[np.floating[Any]], shape: tuple[int, int], way: Mapping[str, float]
    ) -> NDArray[np.float32]:
        """A picture in the window, [0, 1], to intensities (x, y); around the window it is air."""
        square = np.zeros((self.size, self.size), np.float32)
        square[self.window] = picture
        return decode_slice(square, shape, way, self.settings)


def place_window(
    trained: Window | None, brain: NDArray[np.bool_], settings: SliceSettings, *, size: int, multiple: int
) -> Window:
    """The window that a model was trained in, moved (and, if need be, widened) until it shows the whole brain.

    Parameters
    ----------
    trained : Window or None
        None, or slices that were resized, gives the whole square.
    brain : bool (x, y) or (x, y, z)
    settings : SliceSettings
    size : int
        Of the square.
    multiple : int
        The window's sides stay divisible by this.

    Raises
    ------
    UsageError
        The brain is larger than the square.
    """
    if settings.preset != "compact":
        return slice(0, size), slice(0, size)
    whole = slice(0, size), slice(0, size)
    outline = np.asarray(brain.any(2) if brain.ndim == 3 else brain)
    if any(stop - start > size for start, stop in _spans(outline)):
        raise UsageError(f"the brain is larger than the {size} voxels that this model makes", remedy="Choose m5")
    return moved_window(trained or whole, fit(outline.astype(np.uint8), settings, size=size) > 0, multiple)


def moved_window(trained: Window, lit: NDArray[np.bool_], multiple: int) -> Window:
    """`trained`, moved (and, if need be, widened) until it shows all that is lit.

    Parameters
    ----------
    trained : Window
    lit : bool (size, size)
        What is not air in any slice of a case, on the square.
    multiple : int
        The window's sides stay divisible by this.
    """
    x, y = (
        _cover(part, start, stop, size, multiple)
        for part, (start, stop), size in zip(trained, _spans(lit), lit.shape, strict=True)
    )
    return x, y


def _spans(lit: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where what is lit starts and stops, an axis each; the middle where nothing is."""
    at = [np.flatnonzero(lit.any(1 - axis)) for axis in (0, 1)]
    return [(int(a[0]), int(a[-1]) + 1) if a.size else (n // 2, n // 2) for a, n in zip(at, lit.shape, strict=True)]


def _cover(trained: slice, first: int, last: int, size: int, multiple: int) -> slice:
    length = min(max(trained.stop - trained.start, -(-(last - first) // multiple) * multiple), size)
    start = min(max(trained.start, last - length), first)
    start = min(max(start, 0), size - length)
    return slice(start, start + length)

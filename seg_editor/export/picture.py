"""Drawing helpers for exported pictures: orientation, colors, text, the SYNTHETIC strip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

RGB = tuple[int, int, int]
Pixels = NDArray[np.uint8]

SYNTHETIC = "SYNTHETIC – not for clinical use"
SYNTHETIC_ASCII = "SYNTHETIC - not for clinical use"

BACKGROUND: RGB = (18, 20, 24)
TEXT: RGB = (232, 234, 238)
MUTED: RGB = (150, 156, 166)
LINE: RGB = (58, 63, 72)
STRIP: RGB = (240, 173, 46)
STRIP_TEXT: RGB = (28, 20, 4)
HOLE: RGB = (255, 255, 255)

LABEL_COLORS: dict[str, RGB] = {
    "ncr": (213, 94, 0),
    "ed": (86, 180, 233),
    "et": (240, 228, 66),
    "net": (204, 121, 167),
}
OTHER_COLOR: RGB = (230, 159, 0)

_DIVERGING = np.array(
    [[158, 216, 255], [66, 146, 226], [26, 66, 122], [22, 24, 28], [128, 44, 28], [228, 96, 48], [255, 214, 170]],
    dtype=np.float64,
)


def radiological(plane: NDArray[Any]) -> NDArray[Any]:
    """Turn an axial (x, y) slice of a canonical array into image rows: anterior up, patient right at image left."""
    return np.ascontiguousarray(plane.T[::-1, ::-1])


def diverging(values: NDArray[np.floating[Any]], limit: float) -> Pixels:
    """Color signed values: blue below 0, dark at 0, red above.

    Parameters
    ----------
    values : float array of any shape
    limit : float
        The value, in either direction, that gets the last color.

    Returns
    -------
    (..., 3) uint8 array
    """
    place = (np.clip(values / max(limit, 1e-12), -1.0, 1.0) + 1.0) / 2.0 * (len(_DIVERGING) - 1)
    stops = np.arange(len(_DIVERGING))
    channels = [np.interp(place, stops, _DIVERGING[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def gray(image01: NDArray[np.floating[Any]]) -> Pixels:
    """Turn [0, 1] into 8 bits."""
    return np.rint(np.asarray(image01) * 255.0).astype(np.uint8)


def outline(mask: NDArray[np.bool_], width: int = 1) -> NDArray[np.bool_]:
    """Return the inner border of a 2D mask, `width` pixels wide."""
    from scipy import ndimage

    if not mask.any():
        return mask
    return np.asarray(mask & ~ndimage.binary_erosion(mask, iterations=width), dtype=bool)


def font(size: int) -> FreeTypeFont | ImageFont:
    """Return the font that comes with Pillow."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def text_width(text: str, size: int) -> int:
    """Return the width in pixels of what `write_text` would draw."""
    face = font(size)
    return round(sum(_dash(size) if part == "–" else face.getlength(part) for part in _parts(text)))


def write_text(
    draw: ImageDraw, xy: tuple[int, int], text: str, size: int, color: RGB = TEXT, anchor: str = "l", bold: bool = False
) -> None:
    """Draw one line of text around the vertical center `xy[1]`.

    The bundled font has no en dash, so dashes are drawn as bars. `anchor` is ``l``, ``m`` or ``r``.
    """
    face = font(size)
    x = float(xy[0]) - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor] * text_width(text, size)
    baseline = xy[1] + round(size * 0.36)
    for part in _parts(text):
        if part == "–":
            advance, thick = _dash(size), max(round(size / 12), 1)
            top = baseline - round(size * 0.27)
            draw.rectangle((round(x + 1), top, round(x + advance - 2), top + thick - 1), fill=color)
        else:
            advance = face.getlength(part)
            stroke = {"stroke_width": 0.4, "stroke_fill": color} if bold else {}
            draw.text((round(x), baseline), part, fill=color, font=face, anchor="ls", **stroke)  # type: ignore[arg-type]
        x += advance


def strip_height(zoomed_height: int) -> int:
    """Return a height for the strip that suits a picture."""
    return int(np.clip(zoomed_height // 14, 22, 44))


def draw_strip(image: Image, top: int, height: int) -> None:
    """Draw the SYNTHETIC strip over the full width of the image, in as large a font as fits."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    draw.rectangle((0, top, image.width, top + height), fill=STRIP)
    size = max(round(height * 0.55), 8)
    while size > 6 and text_width(SYNTHETIC, size) > image.width - 8:
        size -= 1
    write_text(draw, (image.width // 2, top + height // 2), SYNTHETIC, size, STRIP_TEXT, anchor="m", bold=True)


def _parts(text: str) -> list[str]:
    marked = text.replace("\N{MINUS SIGN}", "–").replace("–", "\0–\0")
    return [part for part in marked.split("\0") if part]


def _dash(size: int) -> float:
    return size * 0.6

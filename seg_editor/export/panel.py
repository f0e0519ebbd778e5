"""The panel: source, mask, counterfactual and difference of one slice, side by side, at an integer zoom.

Every voxel is a rectangle of equal pixels: nothing is interpolated, so that voxels can be read back from the file.
Letters, captions and color bar lie outside of the pictures. A picture of the panes as they are on screen, at whatever
zoom they have, is another export (:mod:`seg_editor.ui.exports`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor import __version__
from seg_editor.cases import Case, Modality
from seg_editor.export.names import steps_text
from seg_editor.export.picture import (
    BACKGROUND,
    HOLE,
    LABEL_COLORS,
    LINE,
    MUTED,
    OTHER_COLOR,
    RGB,
    TEXT,
    diverging,
    draw_strip,
    gray,
    outline,
    radiological,
    text_width,
    write_text,
)
from seg_editor.metrics import Metrics, Window, difference_range, display_window

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from seg_editor.generation.counterfactual import Counterfactual

PICTURE_HEIGHT = 540
MARGIN = 32
GAP = 44
HEADER = 80
CAPTION = 92
STRIP = 44
BAR = 96
_FILL = 0.42
_PADDING = 6
_LETTER = 12
_TITLE, _NOTE = (40, 20), (66, 15)
_HEADER_MIDDLE, _HEADER_SIZES = 34, (24, 18, 15)
_ZOOMS = range(1, 65)
_HEIGHT_WEIGHT = 0.03
_LARGEST = 3 * PICTURE_HEIGHT

Box = tuple[int, int, int, int]
Captions = tuple[tuple[str, str], ...]
Entries = list[tuple[str, RGB, bool]]


@dataclass(frozen=True)
class Panel:
    """A drawn panel.

    Parameters
    ----------
    image : PIL RGB image
    zoom : (int, int)
        Pixels of a voxel, across and down.
    boxes : tuple of (left, top, right, bottom)
        Where source, mask, counterfactual and difference lie in the image, in pixels.
    """

    image: Image
    zoom: tuple[int, int]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class _View:
    """The slice in image orientation, cropped to the head."""

    source: NDArray[Any]
    result: NDArray[Any]
    labels: NDArray[Any]
    hole: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    low: float
    high: float
    slope: float
    zoom: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture, in pixels."""
        rows, columns = self.source.shape
        return columns * self.zoom[0], rows * self.zoom[1]

    def difference(self) -> NDArray[np.float64]:
        """Return result minus source in image units."""
        change: NDArray[np.float64] = (self.result.astype(np.float64) - self.source) * self.slope
        return change


def panel_slice(counterfactual: Counterfactual) -> int:
    """Return the generated slice with the largest core of the hole: the largest tumor slice."""
    core = np.count_nonzero(counterfactual.hole.core, axis=(0, 1))
    slices = counterfactual.slices
    return max(slices, key=lambda k: (int(core[k]), -k))


def panel_modality(counterfactual: Counterfactual) -> Modality:
    """Return FLAIR when it was generated, else the first modality that was."""
    made = counterfactual.modalities
    return Modality.FLAIR if Modality.FLAIR in made else made[0]


def integer_zoom(shape: tuple[int, int], spacing: tuple[float, float]) -> tuple[int, int]:
    """Return how many pixels, across and down, a voxel gets.

    Square voxels get as many both ways: what brings the height closest to ``PICTURE_HEIGHT``. Voxels that are not
    square get two whole numbers with a ratio close to theirs, so that the brain keeps its shape without interpolation:
    2 to 1 exactly, 0.9375 to 1.2 as 4 to 5. Up to 200 rows and columns, and where no side of a voxel is longer than
    4 times the other, their ratio is kept within 9 %. A slice that would be larger than ``3 * PICTURE_HEIGHT`` at every
    zoom gets 1 pixel down.

    Parameters
    ----------
    shape : (rows, columns)
    spacing : (float, float)
        Voxel size across and down, mm.
    """
    (rows, columns), ratio = shape, spacing[0] / spacing[1]

    def cost(zoom: tuple[int, int]) -> float:
        stretched = abs(math.log(zoom[0] / zoom[1] / ratio))
        return stretched + _HEIGHT_WEIGHT * abs(math.log(rows * zoom[1] / PICTURE_HEIGHT))

    zooms = [(max(1, round(down * ratio)), down) for down in _ZOOMS]
    fitting = [(x, y) for x, y in zooms if rows * y <= _LARGEST and columns * x <= _LARGEST]
    return min(fitting or zooms[:1], key=cost)


def draw_panel(
    case: Case,
    counterfactual: Counterfactual,
    *,
    labels: NDArray[Any] | None = None,
    metrics: Metrics | None = None,
    modality: Modality | None = None,
    index: int | None = None,
) -> Panel:
    """Draw the panel.

    Parameters
    ----------
    case : Case
    counterfactual : Counterfactual
    labels : (x, y, z) integer array, optional
        The mask to show; the segmentation as read when left out.
    metrics : Metrics, optional
        Their figures for this slice stand under the result.
    modality, index : optional
        What to show; by default `panel_modality` and `panel_slice`.

    Returns
    -------
    Panel
        Radiological orientation: patient right at image left, anterior up. The same gray window for source and
        result; the difference in image units, symmetric around 0. Cropped to the head; every voxel is a rectangle
        of `integer_zoom` equal pixels.
    """
    from PIL import Image, ImageDraw

    chosen = modality or panel_modality(counterfactual)
    k = panel_slice(counterfactual) if index is None else index
    view = _view(case, counterfactual, chosen, k, labels)
    width, height = view.size
    limit = difference_range(Window(view.low, view.high)) * abs(view.slope)
    pictures = (
        _gray_picture(view, view.source),
        _mask_picture(case, view),
        _gray_picture(view, view.result),
        _difference_picture(view, limit),
    )
    captions = _captions(case, counterfactual, chosen, view, metrics, k, limit)
    header = _header(case, counterfactual, chosen, k)
    pitch = _pitch(case, view, captions, header)
    lefts = [MARGIN + i * pitch for i in range(4)]
    full = lefts[3] + max(width + GAP + BAR, pitch - GAP) + MARGIN
    image = Image.new("RGB", (full, HEADER + height + CAPTION + STRIP), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for left, picture, (title, note) in zip(lefts, pictures, captions, strict=True):
        draw.rectangle((left - 1, HEADER - 1, left + width, HEADER + height), outline=LINE)
        image.paste(picture, (left, HEADER))
        _letters(draw, left, view.size, case.grid.ambiguous)
        write_text(draw, (left, HEADER + height + _TITLE[0]), title, _TITLE[1], TEXT, bold=True)
        write_text(draw, (left, HEADER + height + _NOTE[0]), note, _NOTE[1], MUTED)
    _draw_header(draw, full, header)
    _draw_legend(draw, _legend(case, view), lefts[1], HEADER + height + _NOTE[0])
    change = view.difference()
    beyond = bool(change.min() < -limit), bool(change.max() > limit)
    _color_bar(image, lefts[3] + width + GAP, height, limit, beyond)
    draw_strip(image, image.height - STRIP, STRIP)
    return Panel(image, view.zoom, tuple((left, HEADER, left + width, HEADER + height) for left in lefts))


def _pitch(case: Case, view: _View, captions: Captions, header: tuple[str, str, str]) -> int:
    """Return the way from a picture to the next: room for it, what stands under it, and all of the header."""
    told = max(max(text_width(title, _TITLE[1]), text_width(note, _NOTE[1])) for title, note in captions)
    legend = sum(_entry_width(name) for name, _, _ in _legend(case, view))
    sides = max(text_width(header[0], _HEADER_SIZES[0]), text_width(header[2], _HEADER_SIZES[2]))
    head = 2 * (sides + GAP) + text_width(header[1], _HEADER_SIZES[1])
    return max(view.size[0] + GAP, told + GAP, legend + GAP, -(-(head + GAP) // 4))


def _view(case: Case, counterfactual: Counterfactual, modality: Modality, k: int, labels: NDArray[Any] | None) -> _View:
    volume = case.volumes[modality]
    shown = labels if labels is not None else (case.labels.raw if case.labels is not None else None)
    window = display_window(volume.raw)
    crop = _head(case)
    planes = [volume.raw[:, :, k], counterfactual.slice_raw(case, modality, k), counterfactual.hole.mask[:, :, k]]
    planes.append(case.brain[:, :, k])
    planes.append(np.zeros(case.shape[:2], np.uint8) if shown is None else shown[:, :, k])
    source, result, hole, brain, mask = (radiological(plane[crop]) for plane in planes)
    zoom = integer_zoom((source.shape[0], source.shape[1]), (case.grid.spacing[0], case.grid.spacing[1]))
    return _View(source, result, mask, hole, brain, window.low, window.high, volume.slope, zoom)


def _head(case: Case) -> tuple[slice, slice]:
    """Return the in-plane box around the brain of all slices, with a little air."""
    flat = np.asarray(case.brain.any(axis=2), dtype=bool)
    if not np.count_nonzero(flat):
        return slice(None), slice(None)
    spans = []
    for axis in (0, 1):
        hits = np.flatnonzero(np.count_nonzero(flat, axis=1 - axis))
        spans.append(slice(max(int(hits[0]) - _PADDING, 0), min(int(hits[-1]) + 1 + _PADDING, flat.shape[axis])))
    return spans[0], spans[1]


def _zoomed(pixels: NDArray[Any], zoom: tuple[int, int]) -> NDArray[Any]:
    """Turn every voxel of (rows, columns, ...) into a rectangle of equal pixels."""
    return pixels.repeat(zoom[1], axis=0).repeat(zoom[0], axis=1)


def _gray_picture(view: _View, plane: NDArray[Any]) -> Image:
    from PIL import Image

    scaled = (plane.astype(np.float64) - view.low) / (view.high - view.low)
    return Image.fromarray(_zoomed(gray(np.clip(scaled, 0, 1)), view.zoom)).convert("RGB")


def _mask_picture(case: Case, view: _View) -> Image:
    """Draw the labels over the source, fill and outline, and the rim of the hole in white."""
    from PIL import Image

    pixels = np.asarray(_gray_picture(view, view.source), dtype=np.float64) * 0.75
    for value in np.unique(view.labels[view.labels > 0]):
        area = _zoomed(view.labels == value, view.zoom)
        color = np.array(_label_color(case, int(value)), dtype=np.float64)
        pixels[area] = (1 - _FILL) * pixels[area] + _FILL * color
        pixels[outline(area, 2)] = color
    pixels[outline(_zoomed(view.hole, view.zoom), 2)] = HOLE
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def _difference_picture(view: _View, limit: float) -> Image:
    """Color the difference; black outside the brain, with a faint line around it."""
    from PIL import Image

    colors = diverging(view.difference(), limit)
    colors[~view.brain & ~view.hole] = 0
    pixels = _zoomed(colors, view.zoom)
    pixels[outline(_zoomed(view.brain, view.zoom), 1) & ~_zoomed(view.hole, view.zoom)] = LINE
    return Image.fromarray(pixels)


def _label_color(case: Case, value: int) -> RGB:
    subregion = case.scheme.subregion(value)
    return OTHER_COLOR if subregion is None else LABEL_COLORS.get(str(subregion), OTHER_COLOR)


def _header(case: Case, counterfactual: Counterfactual, modality: Modality, k: int) -> tuple[str, str, str]:
    """Return what stands above the pictures: at the left, in the middle, at the right."""
    request = counterfactual.request
    place = f"{modality.display} · axial · z = {case.grid.world((0, 0, k))[2]:.0f} mm"
    if case.grid.oblique:
        place = f"{modality.display} · axial slice {k}"
    passes = steps_text(request.steps)
    made = f"{request.model} · {passes} · seed {request.seed} · {request.key[:10]} · seg-editor {__version__}"
    return case.case_id, place, made


def _draw_header(draw: ImageDraw, width: int, header: tuple[str, str, str]) -> None:
    left, middle, right = header
    write_text(draw, (MARGIN, _HEADER_MIDDLE), left, _HEADER_SIZES[0], TEXT, bold=True)
    write_text(draw, (width // 2, _HEADER_MIDDLE), middle, _HEADER_SIZES[1], TEXT, anchor="m")
    write_text(draw, (width - MARGIN, _HEADER_MIDDLE), right, _HEADER_SIZES[2], MUTED, anchor="r")


def _captions(
    case: Case,
    counterfactual: Counterfactual,
    modality: Modality,
    view: _View,
    metrics: Metrics | None,
    k: int,
    limit: float,
) -> Captions:
    request = counterfactual.request
    row = None if metrics is None else next((r for r in metrics.per_slice if r.index == k), None)
    figures = ""
    overlap = ""
    if row is not None:
        residual = "not judged" if row.tumor_residual is None else f"{row.tumor_residual:.2f}"
        figures = f"TumorResidual {residual}" + (f" ({' + '.join(row.kept)} kept)" if row.kept else "")
        if row.texture_ratio is not None:
            figures += f" · texture {row.texture_ratio:.2f}"
        overlap = f"outside the hole: {row.change_outside_max:g}"
        if row.diffmap_iou is not None:
            overlap = f"DiffMap IoU {row.diffmap_iou:.2f} · {overlap}"
    across, down = view.zoom
    voxel = f"{across} by {down} pixels a voxel"
    return (
        (f"Source {modality.display}", f"window {view.low:.4g} to {view.high:.4g} · {voxel}"),
        ("Mask", ""),
        ("Counterfactual", figures),
        (f"Difference: {request.model.capitalize()} · seed {request.seed} – source", overlap),
    )


def _legend(case: Case, view: _View) -> Entries:
    """Name the labels that are on the slice, and the hole; the last says whether the color fills its square."""
    entries: Entries = []
    for value in np.unique(view.labels[view.labels > 0]):
        subregion = case.scheme.subregion(int(value))
        name = f"Label {value}" if subregion is None else str(subregion).upper()
        entries.append((name, _label_color(case, int(value)), True))
    return [*entries, ("hole", HOLE, False)]


def _entry_width(name: str) -> int:
    return 20 + text_width(name, _NOTE[1]) + 16


def _draw_legend(draw: ImageDraw, entries: Entries, left: int, middle: int) -> None:
    for name, color, filled in entries:
        box = (left, middle - 6, left + 12, middle + 6)
        draw.rectangle(box, fill=color if filled else None, outline=color, width=2)
        write_text(draw, (left + 20, middle), name, _NOTE[1], MUTED)
        left += _entry_width(name)


def _letters(draw: ImageDraw, left: int, size: tuple[int, int], ambiguous: bool) -> None:
    """Write the directions around a picture."""
    width, height = size
    right, other = ("?", "?") if ambiguous else ("R", "L")
    write_text(draw, (left - _LETTER, HEADER + height // 2), right, 16, MUTED, anchor="m")
    write_text(draw, (left + width + _LETTER, HEADER + height // 2), other, 16, MUTED, anchor="m")
    write_text(draw, (left + width // 2, HEADER - _LETTER), "A", 16, MUTED, anchor="m")
    write_text(draw, (left + width // 2, HEADER + height + _LETTER), "P", 16, MUTED, anchor="m")


def _color_bar(image: Image, left: int, height: int, limit: float, beyond: tuple[bool, bool]) -> None:
    """Draw the scale; `beyond` says that something lies below its lower end, above its upper end."""
    from PIL import Image, ImageDraw

    ramp = diverging(np.linspace(limit, -limit, height)[:, None].repeat(16, axis=1), limit)
    image.paste(Image.fromarray(ramp), (left, HEADER))
    draw = ImageDraw.Draw(image)
    draw.rectangle((left - 1, HEADER - 1, left + 16, HEADER + height), outline=LINE)
    for value in (1.0, 0.5, 0.0, -0.5, -1.0):
        y = HEADER + round((1 - value) / 2 * (height - 1))
        text = "0" if value == 0 else f"{'+' if value > 0 else '–'}{abs(value * limit):g}"
        text = f"< {text}" if value == -1 and beyond[0] else f"> {text}" if value == 1 and beyond[1] else text
        draw.line((left + 16, y, left + 20, y), fill=MUTED)
        write_text(draw, (left + 26, min(max(y, HEADER + 7), HEADER + height - 8)), text, 14, MUTED)

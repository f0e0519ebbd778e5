"""The panel: source, mask, counterfactual and difference of one slice, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor import __version__
from seg_editor.cases import Case, Modality
from seg_editor.export.picture import (
    BACKGROUND,
    HOLE,
    LABEL_COLORS,
    LINE,
    MUTED,
    OTHER_COLOR,
    RGB,
    TEXT,
    Pixels,
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
GAP = 16
HEADER = 68
CAPTION = 76
STRIP = 44
BAR = 96
_FILL = 0.42
_PADDING = 6


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
    size: tuple[int, int]

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


def panel_image(
    case: Case,
    counterfactual: Counterfactual,
    *,
    labels: NDArray[Any] | None = None,
    metrics: Metrics | None = None,
    modality: Modality | None = None,
    index: int | None = None,
) -> Image:
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
    PIL RGB image
        Radiological orientation: patient right at image left, anterior up. The same gray window for source and
        result; the difference in image units, symmetric around 0.
    """
    from PIL import Image, ImageDraw

    chosen = modality or panel_modality(counterfactual)
    k = panel_slice(counterfactual) if index is None else index
    view = _view(case, counterfactual, chosen, k, labels)
    width, height = view.size
    limit = difference_range(Window(view.low, view.high)) * abs(view.slope)
    image = Image.new("RGB", (2 * MARGIN + 4 * width + 3 * GAP + BAR, HEADER + height + CAPTION + STRIP), BACKGROUND)
    draw = ImageDraw.Draw(image)
    pictures = (
        _gray_picture(view, view.source),
        _mask_picture(case, view),
        _gray_picture(view, view.result),
        _difference_picture(view, limit),
    )
    lefts = [MARGIN + i * (width + GAP) for i in range(4)]
    for left, picture in zip(lefts, pictures, strict=True):
        image.paste(picture, (left, HEADER))
        draw.rectangle((left - 1, HEADER - 1, left + width, HEADER + height), outline=LINE)
    for left in lefts:
        _letters(draw, left, view.size, case.grid.ambiguous)
    _header(draw, image.width, case, counterfactual, chosen, k)
    captions = _captions(case, counterfactual, chosen, view, metrics, k, limit)
    for left, (title, note) in zip(lefts, captions, strict=True):
        write_text(draw, (left, HEADER + height + 24), title, 20, TEXT, bold=True)
        write_text(draw, (left, HEADER + height + 50), note, 15, MUTED)
    _legend(draw, case, view, lefts[1], HEADER + height + 50)
    change = view.difference()
    beyond = bool(change.min() < -limit), bool(change.max() > limit)
    _color_bar(image, lefts[3] + width + GAP, height, limit, beyond)
    draw_strip(image, image.height - STRIP, STRIP)
    return image


def _view(case: Case, counterfactual: Counterfactual, modality: Modality, k: int, labels: NDArray[Any] | None) -> _View:
    volume = case.volumes[modality]
    shown = labels if labels is not None else (case.labels.raw if case.labels is not None else None)
    window = display_window(volume.raw)
    crop = _head(case)
    planes = [volume.raw[:, :, k], counterfactual.slice_raw(case, modality, k), counterfactual.hole.mask[:, :, k]]
    planes.append(case.brain[:, :, k])
    planes.append(np.zeros(case.shape[:2], np.uint8) if shown is None else shown[:, :, k])
    source, result, hole, brain, mask = (radiological(plane[crop]) for plane in planes)
    rows, columns = source.shape
    spacing = case.grid.spacing
    width = round(PICTURE_HEIGHT * (columns * spacing[0]) / (rows * spacing[1]))
    return _View(source, result, mask, hole, brain, window.low, window.high, volume.slope, (width, PICTURE_HEIGHT))


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


def _scaled(pixels: Pixels, size: tuple[int, int], *, sharp: bool = False) -> Image:
    from PIL import Image

    kind = Image.Resampling.NEAREST if sharp else Image.Resampling.BICUBIC
    return Image.fromarray(pixels).resize(size, kind)


def _gray_picture(view: _View, plane: NDArray[Any]) -> Image:
    scaled = (plane.astype(np.float64) - view.low) / (view.high - view.low)
    return _scaled(gray(np.clip(scaled, 0, 1)), view.size).convert("RGB")


def _mask_picture(case: Case, view: _View) -> Image:
    """Draw the labels over the source, fill and outline, and the rim of the hole in white."""
    from PIL import Image

    pixels = np.asarray(_gray_picture(view, view.source), dtype=np.float64) * 0.75
    for value in np.unique(view.labels[view.labels > 0]):
        area = _grown(view.labels == value, view.size)
        color = np.array(_label_color(case, int(value)), dtype=np.float64)
        pixels[area] = (1 - _FILL) * pixels[area] + _FILL * color
        pixels[outline(area, 2)] = color
    pixels[outline(_grown(view.hole, view.size), 2)] = HOLE
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def _difference_picture(view: _View, limit: float) -> Image:
    """Color the difference; black outside the brain, with a faint line around it."""
    from PIL import Image

    pixels = np.array(_scaled(diverging(view.difference(), limit), view.size))
    brain = _grown(view.brain, view.size)
    pixels[~brain & ~_grown(view.hole, view.size)] = 0
    pixels[outline(brain, 1)] = LINE
    return Image.fromarray(pixels)


def _grown(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(_scaled(gray(mask.astype(np.float32)), size)) >= 128


def _label_color(case: Case, value: int) -> RGB:
    subregion = case.scheme.subregion(value)
    return OTHER_COLOR if subregion is None else LABEL_COLORS.get(str(subregion), OTHER_COLOR)


def _header(
    draw: ImageDraw, width: int, case: Case, counterfactual: Counterfactual, modality: Modality, k: int
) -> None:
    request = counterfactual.request
    write_text(draw, (MARGIN, HEADER // 2), case.case_id, 24, TEXT, bold=True)
    place = f"{modality.display} · axial · z = {case.grid.world((0, 0, k))[2]:.0f} mm"
    if case.grid.oblique:
        place = f"{modality.display} · axial slice {k}"
    write_text(draw, (width // 2, HEADER // 2), place, 18, TEXT, anchor="m")
    steps = "1 step" if request.steps == 1 else f"{request.steps} steps"
    made = f"{request.model} · {steps} · seed {request.seed} · {request.key[:10]} · seg-editor {__version__}"
    write_text(draw, (width - MARGIN, HEADER // 2), made, 15, MUTED, anchor="r")


def _captions(
    case: Case,
    counterfactual: Counterfactual,
    modality: Modality,
    view: _View,
    metrics: Metrics | None,
    k: int,
    limit: float,
) -> tuple[tuple[str, str], ...]:
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
    return (
        (f"Source {modality.display}", f"window {view.low:.4g} to {view.high:.4g}"),
        ("Mask", ""),
        ("Counterfactual", figures),
        (f"Difference: {request.model.capitalize()} · seed {request.seed} – source", overlap),
    )


def _legend(draw: ImageDraw, case: Case, view: _View, left: int, middle: int) -> None:
    """Name the labels that are on the slice, and the hole."""
    entries: list[tuple[str, RGB, bool]] = []
    for value in np.unique(view.labels[view.labels > 0]):
        subregion = case.scheme.subregion(int(value))
        name = f"Label {value}" if subregion is None else str(subregion).upper()
        entries.append((name, _label_color(case, int(value)), True))
    entries.append(("hole", HOLE, False))
    x = left
    for name, color, filled in entries:
        box = (x, middle - 6, x + 12, middle + 6)
        draw.rectangle(box, fill=color if filled else None, outline=color, width=2)
        write_text(draw, (x + 20, middle), name, 15, MUTED)
        x += 20 + text_width(name, 15) + 16


def _letters(draw: ImageDraw, left: int, size: tuple[int, int], ambiguous: bool) -> None:
    width, height = size
    right, other = ("?", "?") if ambiguous else ("R", "L")
    write_text(draw, (left + 10, HEADER + height // 2), right, 16, MUTED)
    write_text(draw, (left + width - 10, HEADER + height // 2), other, 16, MUTED, anchor="r")
    write_text(draw, (left + width // 2, HEADER + 14), "A", 16, MUTED, anchor="m")
    write_text(draw, (left + width // 2, HEADER + height - 14), "P", 16, MUTED, anchor="m")


def _color_bar(image: Image, left: int, height: int, limit: float, beyond: tuple[bool, bool]) -> None:
    """Draw the scale; `beyond` says that something lies below its lower end, above its upper end."""
    from PIL import ImageDraw

    ramp = diverging(np.linspace(limit, -limit, height)[:, None].repeat(16, axis=1), limit)
    image.paste(_scaled(ramp, (16, height), sharp=True), (left, HEADER))
    draw = ImageDraw.Draw(image)
    draw.rectangle((left - 1, HEADER - 1, left + 16, HEADER + height), outline=LINE)
    for value in (1.0, 0.5, 0.0, -0.5, -1.0):
        y = HEADER + round((1 - value) / 2 * (height - 1))
        text = "0" if value == 0 else f"{'+' if value > 0 else '–'}{abs(value * limit):g}"
        text = f"< {text}" if value == -1 and beyond[0] else f"> {text}" if value == 1 and beyond[1] else text
        draw.line((left + 16, y, left + 20, y), fill=MUTED)
        write_text(draw, (left + 26, min(max(y, HEADER + 7), HEADER + height - 8)), text, 14, MUTED)

"""What all figures share: names, colors and markers of the rows (safe for the color-blind), and how a PNG is made."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.evaluate.names import BASELINES

_DPI = 120
#: Line art and gray pictures look the same in so many colors, at a third of the size.
_COLORS = 256

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
VERMILION, SKY, GRAY, DARK = "#D55E00", "#56B4E9", "#8C8C8C", "#404040"

_NAMES = {
    "source": "nothing done",
    "ring-mean": "mean of the ring",
    "harmonic": "3D harmonic fill",
    "biharmonic": "biharmonic fill",
    "mirrored": "mirrored side",
    "donor": "real healthy tissue",
    "healthy-reference": "healthy reference",
}


@dataclass(frozen=True)
class Look:
    """How one method is drawn wherever it appears: color, marker and line, so that no two differ by color alone."""

    color: str
    marker: str
    line: str = "-"


_LOOKS = {
    "m1": Look(GRAY, "v"),
    "m2": Look(BLUE, "o"),
    "m3": Look(VERMILION, "s"),
    "m3k": Look(ORANGE, "D"),
    "m3c": Look(PURPLE, "^"),
    "m5": Look(GREEN, "P"),
    "m4": Look(DARK, "o"),
    "source": Look("#000000", "x", ":"),
    "ring-mean": Look(SKY, "v", "--"),
    "harmonic": Look(BLUE, "s", "--"),
    "biharmonic": Look(PURPLE, "D", "--"),
    "mirrored": Look(VERMILION, "^", "--"),
    "donor": Look(DARK, "o", "--"),
    "healthy-reference": Look(ORANGE, ">", "--"),
}


def look(method: str) -> Look:
    """Color, marker and line of a method."""
    return _LOOKS.get(method, Look("#B2182B", "*", "-."))


def method_name(method: str) -> str:
    """A method as figures and tables call it: ``m3k`` is M3k, ``harmonic`` the 3D harmonic fill."""
    known = _NAMES.get(method)
    return known or (method[0].upper() + method[1:] if method not in BASELINES else method)


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **how: Any) -> tuple[Any, Any]:
    """A matplotlib figure in inches, and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **how)


def tidy(axes: Any) -> None:
    """Small numbers, a pale grid, no frame above and on the right."""
    for axis in axes:
        axis.tick_params(labelsize=8)
        axis.xaxis.label.set_size(9)
        axis.yaxis.label.set_size(9)
        axis.grid(color="#DDDDDD", lw=0.6)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)


def save_figure(figure: Any, path: Path, *, dpi: int = _DPI, colors: int = _COLORS) -> Path:
    """Write a PNG of few colors."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi, facecolor="white")
    drawn.seek(0)
    picture = Image.open(drawn).convert("RGB").quantize(colors, dither=Image.Dither.NONE)
    picture.save(path, format="PNG", optimize=True)
    return path

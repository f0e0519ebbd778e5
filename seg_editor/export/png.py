"""One picture as a lossless PNG with integer zoom and provenance in its text chunks."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor import __version__
from seg_editor.errors import ExportError
from seg_editor.export.folder import staging
from seg_editor.export.picture import SYNTHETIC_ASCII, draw_strip, strip_height

if TYPE_CHECKING:
    from PIL.Image import Image

    from seg_editor.cases import Case, Modality
    from seg_editor.generation.counterfactual import Counterfactual

PREFIX = "seg-editor:"


def save_png(
    path: Path | str,
    pixels: NDArray[np.uint8],
    *,
    synthetic: bool,
    zoom: int = 1,
    text: Mapping[str, str] | None = None,
) -> Path:
    """Save pixels as they are shown.

    Every pixel becomes a square of `zoom` x `zoom`; for a synthetic picture the strip lies below, so that the
    picture itself stays clean.

    Parameters
    ----------
    path : path-like
        Ends in ``.png``; for a synthetic picture the name must contain ``synthetic``.
    pixels : (rows, columns) or (rows, columns, 3) uint8 array
    zoom : int
        At least 1.
    text : mapping, optional
        Provenance, see `picture_text`.
    synthetic : bool
        Whether any of the pixels were generated.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ExportError
        Nothing was written.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ExportError("the file name must end in .png", path=path, remedy="Choose such a name")
    if synthetic and "synthetic" not in path.name.lower():
        raise ExportError(
            "the name of a generated picture must contain 'synthetic'", path=path, remedy="Choose such a name"
        )
    if zoom < 1 or pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ValueError("save_png takes 8-bit pixels and a zoom of at least 1")
    large = np.ascontiguousarray(pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))
    image = Image.fromarray(large)
    if synthetic:
        height = strip_height(image.height)
        framed = Image.new("RGB", (image.width, image.height + height))
        framed.paste(image.convert("RGB"), (0, 0))
        draw_strip(framed, image.height, height)
        image = framed
    with staging(Path(os.path.realpath(path)).parent) as stage:
        stage.write_bytes(path.name, png_bytes(image, dict(text or {}), synthetic=synthetic))
        stage.publish()
    return path


def png_bytes(image: Image, text: Mapping[str, str], *, synthetic: bool) -> bytes:
    """Encode an image with text chunks: ``Software``, ``Comment`` where synthetic, and `text`."""
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("Software", f"seg-editor {__version__}")
    if synthetic:
        info.add_text("Comment", SYNTHETIC_ASCII)
    for key, value in text.items():
        info.add_text(key, value.encode("ascii", "backslashreplace").decode())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info, optimize=False)
    return buffer.getvalue()


def picture_text(
    case: Case,
    *,
    view: str,
    modality: Modality,
    index: int,
    axis: int = 2,
    zoom: tuple[int, int] | None = None,
    counterfactual: Counterfactual | None = None,
) -> dict[str, str]:
    """Return the provenance of one picture for the text chunks of a PNG.

    Parameters
    ----------
    case : Case
    view : str
        What is shown: ``source``, ``mask``, ``counterfactual``, ``difference`` or ``panel``.
    modality : Modality
    index, axis : int
        Canonical slice index and the axis that it counts (0 sagittal, 1 coronal, 2 axial).
    zoom : (int, int), optional
        Pixels of a voxel, across and down.
    counterfactual : Counterfactual, optional
        The result that is shown.
    """
    text: dict[str, Any] = {
        "case": case.case_id,
        "case_hash": case.content_hash,
        "view": view,
        "modality": str(modality),
        "plane": ("sagittal", "coronal", "axial")[axis],
        "canonical_index": index,
    }
    if zoom is not None:
        text["pixels_per_voxel"] = f"{zoom[0]} x {zoom[1]}"
    if counterfactual is not None:
        text["request"] = counterfactual.request.to_json()
        text["request_key"] = counterfactual.request.key
        text["device"] = counterfactual.device
    return {PREFIX + key: str(value) for key, value in text.items()}

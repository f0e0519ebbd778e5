"""The paper's folders of PNG files: FLAIR, color-coded masks, and overlays of both.

``png/<split>/{flair,mask,overlay}/``, files named as the paper's text or its code has it (:data:`NAMES`), rows and
columns in the BraTS files' own order (LPS): anterior points left, as in the paper's pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.prepare.slices import COLORS, CaseSlices

KINDS = ("flair", "mask", "overlay")
#: How a slice's file is called: in the paper's text, and by its code.
NAMES = {"text": "{case_id}_{z:03d}.png", "code": "{case_id}_slice_{z:03d}.png"}
_OPACITY = np.array([0.0, 0.25, 0.25, 0.25, 0.45], np.float32)


def write_pictures(slices: CaseSlices, folder: Path, layout: str = "text") -> int:
    """Write three PNG files a slice under ``folder/{flair,mask,overlay}``, named as `layout` says; how many slices."""
    from PIL import Image

    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for image, mask, entry in zip(slices.images, slices.masks, slices.index, strict=True):
        name = NAMES[layout].format(case_id=entry["case_id"], z=entry["slice"])
        gray, classes = image[::-1, ::-1], mask[::-1, ::-1]
        for kind, pixels in (("flair", gray), ("mask", COLORS[classes]), ("overlay", overlay(gray, classes))):
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / kind / name)
    return len(slices.index)


def overlay(gray: NDArray[np.uint8], classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gray slice under its classes' colors, uint8 (x, y, 3)."""
    share = _OPACITY[classes][..., None]
    return np.rint(gray[..., None] * (1 - share) + COLORS[classes] * share).astype(np.uint8)


def remove_pictures(root: Path, case_id: str) -> None:
    """Delete the pictures of a case from every split, whatever their layout."""
    for middle in ("_", "_slice_"):
        for path in root.glob(f"*/*/{case_id}{middle}[0-9][0-9][0-9].png"):
            path.unlink()

"""How colors look to people who see fewer of them. No Qt here.

The matrices act on linear RGB and are those of Machado, Oliveira and Fernandes, "A physiologically-based model for
simulation of color vision deficiency", IEEE TVCG 15(6), 2009, at full severity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

NORMAL = "normal"
KINDS: dict[str, str] = {
    NORMAL: "Full color vision",
    "deuteranopia": "Deuteranopia",
    "protanopia": "Protanopia",
    "tritanopia": "Tritanopia",
}
ALIKE = 20.0
"""CIE 1976 color difference below which two labels are called alike; 2.3 is just noticeable side by side."""

_MATRICES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def simulate(colors: ArrayLike, kind: str) -> NDArray[np.uint8]:
    """Return colors as they look with a color vision deficiency.

    Parameters
    ----------
    colors : array, shape (..., 3), sRGB 0 to 255
    kind : str
        A key of :data:`KINDS`.

    Returns
    -------
    ndarray, same shape, uint8
    """
    srgb = np.asarray(colors, dtype=np.float64) / 255.0
    if kind != NORMAL:
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        seen = np.clip(linear @ np.array(_MATRICES[kind]).T, 0.0, 1.0)
        srgb = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(srgb * 255.0), dtype=np.uint8)


def alike(colors: Mapping[str, Sequence[int]]) -> list[tuple[str, str, str]]:
    """Return ``(kind, name, name)`` for every two colors that are hard to tell apart, for any color vision.

    Parameters
    ----------
    colors : mapping of name to (red, green, blue)
    """
    from skimage.color import rgb2lab

    found = []
    for kind in KINDS:
        lab = {name: rgb2lab(simulate(color, kind) / 255.0) for name, color in colors.items()}
        for one, other in combinations(colors, 2):
            if float(np.linalg.norm(lab[one] - lab[other])) < ALIKE:
                found.append((kind, one, other))
    return found

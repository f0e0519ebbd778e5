"""The five classes of the paper's map. Needs nothing, so that every layer shares one definition."""

from __future__ import annotations

BACKGROUND, CSF, GM, WM, TUMOR = 0, 1, 2, 3, 4
TISSUES = (CSF, GM, WM)
TISSUE_NAMES = {BACKGROUND: "Background", CSF: "CSF", GM: "Gray matter", WM: "White matter", TUMOR: "Tumor"}

"""Writers and readers of results: NIfTI, pictures, metrics, provenance."""

from __future__ import annotations

from seg_editor.export.names import file_slice_index, modality_key
from seg_editor.export.panel import panel_image, panel_modality, panel_slice
from seg_editor.export.picture import SYNTHETIC, SYNTHETIC_ASCII, diverging, radiological
from seg_editor.export.png import picture_text, save_png
from seg_editor.export.provenance import Verification, verify
from seg_editor.export.write import ExportResult, metrics_summary, write_counterfactual

__all__ = [
    "SYNTHETIC",
    "SYNTHETIC_ASCII",
    "ExportResult",
    "Verification",
    "diverging",
    "file_slice_index",
    "metrics_summary",
    "modality_key",
    "panel_image",
    "panel_modality",
    "panel_slice",
    "picture_text",
    "radiological",
    "save_png",
    "verify",
    "write_counterfactual",
]

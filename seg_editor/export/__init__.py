"""Writers and readers of results: NIfTI, pictures, metrics, provenance."""

from __future__ import annotations

from seg_editor.export.names import file_slice_index, modality_key
from seg_editor.export.panel import draw_panel, panel_modality, panel_slice
from seg_editor.export.picture import SYNTHETIC, SYNTHETIC_ASCII, diverging, radiological
from seg_editor.export.png import picture_text, save_png
from seg_editor.export.provenance import Verification, verify
from seg_editor.export.view import Kind, Shown, Step, pixels_sha256, view_record
from seg_editor.export.write import ExportResult, metrics_summary, write_counterfactual

__all__ = [
    "SYNTHETIC",
    "SYNTHETIC_ASCII",
    "ExportResult",
    "Kind",
    "Shown",
    "Step",
    "Verification",
    "diverging",
    "draw_panel",
    "file_slice_index",
    "metrics_summary",
    "modality_key",
    "panel_modality",
    "panel_slice",
    "picture_text",
    "pixels_sha256",
    "radiological",
    "save_png",
    "verify",
    "view_record",
    "write_counterfactual",
]

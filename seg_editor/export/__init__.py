"""Writers and readers of results: NIfTI, pictures, metrics, provenance."""

from __future__ import annotations

from seg_editor.export.names import file_slice_index, modality_key
from seg_editor.export.panel import draw_panel, panel_modality, panel_slice
from seg_editor.export.picture import SYNTHETIC, SYNTHETIC_ASCII, diverging, radiological
from seg_editor.export.png import picture_text, save_png
from seg_editor.export.provenance import Verification, verify
from seg_editor.export.seal import sealed
from seg_editor.export.view import Kind, Shown, Step, view_record
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
    "radiological",
    "save_png",
    "sealed",
    "verify",
    "view_record",
    "write_counterfactual",
]

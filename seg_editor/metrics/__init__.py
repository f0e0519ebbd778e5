"""Every number we print: one module a metric, pure functions on arrays, no torch."""

from __future__ import annotations

from seg_editor.metrics.diffmap import DiffMapIoU, diffmap_iou, diffmap_sweep, iou_bound, iou_of_full_change
from seg_editor.metrics.display import Window, difference_range, display01, display_window
from seg_editor.metrics.outside import change_outside
from seg_editor.metrics.residual import TumorResidual, residual_floor, tumor_residual
from seg_editor.metrics.score import Metrics, Referee, SliceMetrics, score
from seg_editor.metrics.seam import seam_ratio
from seg_editor.metrics.texture import texture_ratio

__all__ = [
    "DiffMapIoU",
    "Metrics",
    "Referee",
    "SliceMetrics",
    "TumorResidual",
    "Window",
    "change_outside",
    "difference_range",
    "diffmap_iou",
    "diffmap_sweep",
    "display01",
    "display_window",
    "iou_bound",
    "iou_of_full_change",
    "residual_floor",
    "score",
    "seam_ratio",
    "texture_ratio",
    "tumor_residual",
]

"""Editing of the label volume: brushes, operations, undo. NumPy and SciPy only."""

from __future__ import annotations

from seg_editor.editing.brush import Brush, BrushShape, PaintOver
from seg_editor.editing.delta import Box, Change, Delta
from seg_editor.editing.history import History
from seg_editor.editing.morphology import FillHoles, GrowShrink, KeepLargest, RemoveSmall, Smooth, SmoothMethod
from seg_editor.editing.regions import Erase, Fill, PaintMask, Polygon, RemoveTumor, ReplaceAll, Scope
from seg_editor.editing.segmentation import Edit, LiveEdit, OriginalRule, Patch, Segmentation
from seg_editor.editing.slices import CopySlice, InterpolateSlices
from seg_editor.editing.stroke import PaintStroke, Stroke, nearest_voxel

__all__ = [
    "Box",
    "Brush",
    "BrushShape",
    "Change",
    "CopySlice",
    "Delta",
    "Edit",
    "Erase",
    "Fill",
    "FillHoles",
    "GrowShrink",
    "History",
    "InterpolateSlices",
    "KeepLargest",
    "LiveEdit",
    "OriginalRule",
    "PaintMask",
    "PaintOver",
    "PaintStroke",
    "Patch",
    "Polygon",
    "RemoveSmall",
    "RemoveTumor",
    "ReplaceAll",
    "Scope",
    "Segmentation",
    "Smooth",
    "SmoothMethod",
    "Stroke",
    "nearest_voxel",
]

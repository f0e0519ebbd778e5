"""Editing of the label volume: brushes, operations, undo. NumPy and SciPy only."""

from __future__ import annotations

from seg_editor.editing.brush import Brush, BrushShape, PaintOver
from seg_editor.editing.delta import Box, Change, Delta
from seg_editor.editing.edit import Edit, OriginalRule, Patch
from seg_editor.editing.history import History
from seg_editor.editing.morphology import (
    Border,
    FillHoles,
    GrowShrink,
    KeepLargest,
    RemoveSmall,
    Smooth,
    SmoothMethod,
    solid_pieces,
)
from seg_editor.editing.rearrange import Mirrored, MirrorOperation, MovePiece, Piece
from seg_editor.editing.regions import Erase, Fill, PaintMask, Polygon, RemoveTumor, ReplaceAll, Scope
from seg_editor.editing.restrict import Gate, MaskGate, RangeGate, Ready, Within, compute
from seg_editor.editing.segmentation import LiveEdit, Segmentation
from seg_editor.editing.slices import CopySlice, InterpolateSlices
from seg_editor.editing.stroke import Block, PaintStroke, Stroke, nearest_voxel

__all__ = [
    "Block",
    "Border",
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
    "Gate",
    "GrowShrink",
    "History",
    "InterpolateSlices",
    "KeepLargest",
    "LiveEdit",
    "MaskGate",
    "MirrorOperation",
    "Mirrored",
    "MovePiece",
    "OriginalRule",
    "PaintMask",
    "PaintOver",
    "PaintStroke",
    "Patch",
    "Piece",
    "Polygon",
    "RangeGate",
    "Ready",
    "RemoveSmall",
    "RemoveTumor",
    "ReplaceAll",
    "Scope",
    "Segmentation",
    "Smooth",
    "SmoothMethod",
    "Stroke",
    "Within",
    "compute",
    "nearest_voxel",
    "solid_pieces",
]

"""Cases: files in, voxels in canonical order, and the same files out."""

from __future__ import annotations

from seg_editor.boxes import bounding_box
from seg_editor.cases.brain import fill_enclosed
from seg_editor.cases.case import Case
from seg_editor.cases.catalog import find_cases
from seg_editor.cases.grid import Grid
from seg_editor.cases.labels import (
    SCHEME_123,
    SCHEME_124,
    SCHEME_2013,
    LabelScheme,
    Subregion,
    decide_scheme,
)
from seg_editor.cases.modality import MODALITIES, Modality
from seg_editor.cases.naming import Layout, segmentation_name
from seg_editor.cases.opening import open_case
from seg_editor.cases.source import NiftiSource
from seg_editor.cases.volume import Volume, read_labels, read_volume
from seg_editor.cases.write import write_like

__all__ = [
    "MODALITIES",
    "SCHEME_123",
    "SCHEME_124",
    "SCHEME_2013",
    "Case",
    "Grid",
    "LabelScheme",
    "Layout",
    "Modality",
    "NiftiSource",
    "Subregion",
    "Volume",
    "bounding_box",
    "decide_scheme",
    "fill_enclosed",
    "find_cases",
    "open_case",
    "read_labels",
    "read_volume",
    "segmentation_name",
    "write_like",
]

"""The benchmark's holes of a case: ``<id>_holes.nii.gz`` beside its images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, read_labels


def hole_file(folder: Path) -> Path:
    """Where the holes of the case in a folder lie, or would lie."""
    return folder / f"{folder.name}_holes.nii.gz"


def benchmark_holes(case: Case) -> NDArray[np.uint8] | None:
    """The holes as in the file, (x, y, z), 0 and a label each; None without the file.

    The file's holes reach beyond the brain. Only what is brain is filled and scored.
    """
    path = hole_file(case.folder)
    return read_labels(path).raw.astype(np.uint8) if path.exists() else None

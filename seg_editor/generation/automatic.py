"""From what the referee sees in a whole volume to a segmentation that someone can go on with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import TUMOR
from seg_editor.cases import Case, Subregion
from seg_editor.editing import solid_pieces

SMALLEST_ML = 0.5


def without_debris(five: NDArray[np.uint8], spacing: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Return a five-class map (x, y, z) whose tumor is solid: what a network leaves as debris becomes tissue.

    A piece stays when it holds 0.5 ml and more than one axial slice, or is the largest. Of the others each voxel gets
    the nearest tissue of its slice.
    """
    from seg_editor.generation.diffusion import HoleFill, fill_hole

    tumor = five == TUMOR
    debris = tumor & ~solid_pieces(tumor, spacing, SMALLEST_ML)
    out = five.copy()
    slices = np.flatnonzero(debris.any(axis=(0, 1)))
    if slices.size:
        planes = [np.moveaxis(volume[:, :, slices], 2, 0) for volume in (five, tumor, debris)]
        filled = fill_hole(planes[0], HoleFill.NEAREST, hole=planes[1])
        out[:, :, slices] = np.moveaxis(np.where(planes[2], filled, planes[0]), 0, 2)
    return out


def tumor_labels(case: Case, five: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return label values (x, y, z) of a five-class map: tumor becomes edema, as the referee knows no subregions."""
    return np.where(five == TUMOR, case.scheme.value(Subregion.ED), 0).astype(np.uint8)

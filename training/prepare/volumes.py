"""From a case folder to a prepared case: cropped to the brain, in network units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.margins import with_margin
from seg_editor.anatomy.mirror import estimate_plane
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.boxes import bounding_box, widened
from seg_editor.cases import MODALITIES, Case, open_case
from seg_editor.errors import CaseError
from seg_editor.generation.conditioning import to_network_units
from training.prepare.prepared import PreparedCase

__all__ = ["PreparedCase", "prepare_case", "prepare_opened", "widened_tumor"]

_PAD = 2


def prepare_case(folder: Path, *, tissue: NDArray[np.uint8] | None = None) -> PreparedCase:
    """Read a case and bring it to network units.

    Parameters
    ----------
    folder : Path
        What ``open_case`` accepts.
    tissue : uint8 (x, y, z), optional
        Tissue map on the case's canonical grid.
    """
    return prepare_opened(open_case(folder), tissue=tissue)


def prepare_opened(case: Case, *, tissue: NDArray[np.uint8] | None = None) -> PreparedCase:
    """Bring an opened case to network units; see :func:`prepare_case`."""
    brain = case.brain
    found = bounding_box(brain)
    if found is None:
        raise CaseError("there is no brain in the images", path=case.folder, remedy="Leave the case out")
    if tissue is not None and tissue.shape != brain.shape:
        raise CaseError("the tissue map does not fit the case", path=case.folder, remedy="Make it again from this case")
    tumor = widened_tumor(case)
    box = widened(found, _PAD, brain.shape)
    healthy = brain & ~tumor
    normalized = np.zeros((len(MODALITIES), *(s.stop - s.start for s in box)), np.float32)
    present = np.array([m in case.volumes for m in MODALITIES])
    for i, m in enumerate(MODALITIES):
        if m in case.volumes:
            values = case.volumes[m].values()
            normalized[i] = IntensityScale.of(values, healthy).normalize(values[box])
    first = next(i for i in range(len(MODALITIES)) if present[i])
    labels = np.zeros(brain.shape, np.uint8) if case.labels is None else case.labels.raw.astype(np.uint8)
    return PreparedCase(
        case_id=case.case_id,
        volumes=to_network_units(normalized, brain[box]).astype(np.float16),
        brain=brain[box],
        tumor=tumor[box],
        labels=labels[box],
        tissue=np.zeros_like(labels[box]) if tissue is None else tissue[box],
        present=present,
        plane=estimate_plane(normalized[first], healthy[box]),
        origin=(box[0].start, box[1].start, box[2].start),
        content_hash=case.content_hash,
    )


def widened_tumor(case: Case) -> NDArray[np.bool_]:
    """Tumor plus margin, inside the brain; empty without a segmentation."""
    return np.zeros_like(case.brain) if case.tumor is None else with_margin(case.tumor, case.brain)

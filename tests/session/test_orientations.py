"""Edits reach the file at the same place of the patient, whatever the file's orientation and label scheme."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, ornt_transform

from seg_editor.cases import SCHEME_123, SCHEME_124, Layout
from seg_editor.editing import Brush
from seg_editor.session import Workspace
from tests.tiny import make_case

SHAPE = (12, 10, 8)
ORIENTATIONS = [
    "".join(codes) for order in itertools.permutations(("LR", "PA", "IS")) for codes in itertools.product(*order)
]


def affine_of(codes: str) -> np.ndarray:
    """An affine whose voxel axes point to `codes`, with three different spacings in the patient."""
    canonical = np.diag([1.0, 1.5, 2.0, 1.0])
    target, start = axcodes2ornt(tuple(codes)), axcodes2ornt(("R", "A", "S"))
    moved = nib.Nifti1Image(np.zeros(SHAPE, np.uint8), canonical).as_reoriented(ornt_transform(start, target))
    affine: np.ndarray = moved.affine
    return affine


@pytest.mark.parametrize("scheme", [SCHEME_124, SCHEME_123], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_coronal_stroke_is_saved_and_read_back(tmp_path: Path, codes: str, scheme: object) -> None:
    assert len(ORIENTATIONS) == 48
    affine = affine_of(codes)
    order = [next(i for i, pair in enumerate(("LR", "PA", "IS")) if code in pair) for code in codes]
    shape = tuple(SHAPE[axis] for axis in order)
    layout = Layout.BRATS if scheme is SCHEME_124 else Layout.BRATS2023
    folder = make_case(tmp_path / "c", layout=layout, shape=shape, affine=affine, scheme=scheme)  # type: ignore[arg-type]
    workspace = Workspace.open(folder, journal=False)
    assert workspace.segmentation.shape == SHAPE
    value = workspace.case.scheme.label_values[-1]
    header = bytes(nib.load(workspace.segmentation_path).header.binaryblock)
    before = workspace.segmentation.labels.copy()
    workspace.view.active_label, workspace.view.brush = value, Brush("square", 1.0)
    workspace.view.in_brain = False
    stroke = workspace.stroke(1)
    stroke.begin((1.0, 6.0, 1.0))
    stroke.extend((3.0, 2.0, 1.0))
    stroke.commit()
    wanted = before.copy()
    wanted[0:5, 6, 1] = value
    np.testing.assert_array_equal(workspace.segmentation.labels, wanted)
    path = workspace.save_segmentation()
    image = nib.load(path)
    assert bytes(image.header.binaryblock) == header
    seen = np.asarray(nib.as_closest_canonical(image).dataobj)
    np.testing.assert_array_equal(seen, wanted)
    np.testing.assert_array_equal(Workspace.open(folder, journal=False).segmentation.labels, wanted)

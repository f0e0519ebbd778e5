"""Benchmark holes are read in one place, and every reader fills and scores the same voxels of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seg_editor.cases import open_case
from seg_editor.errors import CaseError
from tests.tiny import make_case, write_nifti
from training.evaluate.filling import HoleCase
from training.evaluate.holes import benchmark_holes, hole_file
from training.evaluate.methods import Mode, hole_of
from training.evaluate.subject import Subject

SHAPE = (40, 44, 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A case whose holes reach into the air."""
    made = make_case(tmp_path / "BraTS2021_90001", shape=SHAPE)
    case = open_case(made)
    holes = np.zeros(SHAPE, np.uint8)
    holes[0:18, 20:34, 7:13] = 1
    write_nifti(hole_file(made), holes, case.labels_source.affine)
    np.savez(tmp_path / "BraTS2021_90001.npz", tissue=(case.brain * 2).astype(np.uint8))
    return made


def test_all_readers_see_the_same_hole(folder: Path) -> None:
    case = open_case(folder)
    found = benchmark_holes(case)
    assert found is not None
    assert (found > 0).any()
    assert ((found > 0) & ~case.brain).any()
    by_filling = HoleCase.read(folder).hole.mask
    by_table = hole_of(Subject.read(folder, tissue=folder.parent), Mode.HEALTHY_HOLE).mask
    assert np.array_equal(by_filling, by_table)
    assert np.array_equal(by_table, (found > 0) & case.brain)


def test_a_case_without_holes(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90002", shape=SHAPE)
    assert benchmark_holes(open_case(folder)) is None
    with pytest.raises(CaseError, match=r"BraTS2021_90002_holes\.nii\.gz: no benchmark holes"):
        HoleCase.read(folder)

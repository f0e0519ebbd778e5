"""A phantom of three tissues, as array and as case."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seg_editor.cases import Case, open_case
from tests.tiny import make_case, tiny_maps

SHAPE = (40, 44, 36)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, so that a test can see that none is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def phantom() -> NDArray[np.uint8]:
    return tiny_maps(SHAPE)[0]


@pytest.fixture
def phantom_case(tmp_path: Path) -> Case:
    return open_case(make_case(tmp_path / "BraTS2021_90002", shape=SHAPE))


def truth_of(case: Case) -> NDArray[np.uint8]:
    """The phantom's tissue in the case's canonical order (files are LPS)."""
    return np.ascontiguousarray(tiny_maps(case.grid.shape)[0][::-1, ::-1])


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())

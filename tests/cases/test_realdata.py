"""Real cases: they open fast, and every file returns byte for byte."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from seg_editor.cases import SCHEME_123, SCHEME_124, SCHEME_2013, Layout, find_cases, open_case, write_like

pytestmark = pytest.mark.realdata


def test_every_real_case_opens(real_data: Path) -> None:
    groups = ("brats", "unlabelled", "brats2013")
    cases = [
        open_case(path) for group in groups if (real_data / group).is_dir() for path in find_cases(real_data / group)
    ]
    assert cases
    for case in cases:
        assert case.shape == (240, 240, 155)
        assert 800 < case.brain.sum() * case.grid.voxel_ml < 2200
        assert len(case.modalities) == (2 if case.layout is Layout.BRATS2013 else 4)
        assert case.scheme in (SCHEME_124, SCHEME_123, SCHEME_2013)
        if case.tumor is not None:
            assert case.tumor.any()


@pytest.mark.parametrize("name", ["brats/BraTS2021_00014", "brats2013/brats_2013_pat0006_1"])
def test_original_files_return_byte_for_byte_and_in_time(real_data: Path, tmp_path: Path, name: str) -> None:
    folder = real_data / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not here")
    start = time.perf_counter()
    case = open_case(folder)
    assert time.perf_counter() - start < 1.5
    for volume in (*case.volumes.values(), case.labels, case.mask_file):
        if volume is None:
            continue
        start = time.perf_counter()
        written = write_like(volume.source, volume.raw, tmp_path / volume.path.name)
        assert time.perf_counter() - start < 2
        assert gzip.decompress(written.read_bytes()) == gzip.decompress(volume.path.read_bytes())

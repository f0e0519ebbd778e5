"""What becomes of M4's map of a whole volume: the same for the window, the command line and the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seg_editor import api
from seg_editor.cases import Case, read_labels
from seg_editor.generation import referee as referee_module
from seg_editor.generation.automatic import tumor_labels, without_debris
from seg_editor.generation.referee import find_referee, referee_name


def debris() -> np.ndarray:
    """White matter with a solid tumor, a crumb of one slice, and a small crumb of two."""
    five = np.full((40, 40, 20), 3, np.uint8)
    five[:, :20] = 2
    five[5:20, 5:20, 4:12] = 4
    five[30:36, 30:36, 15] = 4
    five[30:33, 5:8, 15:17] = 4
    return five


def test_crumbs_become_the_tissue_around_them() -> None:
    five = debris()
    cleaned = without_debris(five, (1.0, 1.0, 1.0))
    assert (cleaned[5:20, 5:20, 4:12] == 4).all()
    assert np.count_nonzero(cleaned == 4) == 15 * 15 * 8
    assert (cleaned[30:36, 30:36, 15] == 3).all()
    assert (cleaned[30:33, 5:8, 15:17] == 2).all()
    assert np.array_equal(cleaned[five != 4], five[five != 4])


def test_a_map_without_debris_stays_as_it_is() -> None:
    five = without_debris(debris(), (1.0, 1.0, 1.0))
    assert np.array_equal(without_debris(five, (1.0, 1.0, 1.0)), five)
    empty = np.full((8, 8, 8), 2, np.uint8)
    assert np.array_equal(without_debris(empty, (1.0, 1.0, 1.0)), empty)


def test_the_library_and_its_files_have_no_debris(
    tiny_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    five = np.full(tiny_case.grid.shape, 2, np.uint8)
    five[4:14, 4:14, 4:14] = 4
    five[20:22, 20:22, 2] = 4

    class Crumbly:
        def segment(self, _case: Case, **_kinds: object) -> np.ndarray:
            return five

    monkeypatch.setattr(api, "find_referee", lambda _device: Crumbly())
    found = api.segment(tiny_case)
    written = api.write_segmentation(tiny_case, found, tmp_path)
    assert np.array_equal(read_labels(written[0]).raw, tumor_labels(tiny_case, found))
    assert not (read_labels(written[1]).raw[20:22, 20:22, 2] == 4).any()


@pytest.mark.skipif(not referee_name(), reason="no referee is installed")
def test_the_referee_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    referee_module._loaded.cache_clear()
    loads: list[str] = []
    load = referee_module.load_model
    monkeypatch.setattr(
        referee_module, "load_model", lambda name, device: (loads.append(device), load(name, device))[1]
    )
    assert find_referee("cpu") is find_referee("cpu")
    assert loads == ["cpu"]

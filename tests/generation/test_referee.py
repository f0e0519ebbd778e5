from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seg_editor.anatomy.names import TUMOR
from seg_editor.cases import Case, Modality, open_case
from seg_editor.errors import CaseError, ModelError
from seg_editor.generation.engine import Engine
from seg_editor.generation.referee import Referee
from seg_editor.generation.registry import load_model
from seg_editor.resources import resource_path
from tests.generation.emptied import with_voxels
from tests.models import write_referee
from tests.tiny import make_case


@pytest.fixture
def referee(tmp_path: Path) -> Referee:
    return Referee(load_model(write_referee(tmp_path / "m4"), device="cpu"))


def test_slices_alone_and_together_are_the_same(referee: Referee, tiny_case: Case) -> None:
    indices = [4, 9, 10, 11, 12, 15]
    together = referee.segment_slices(tiny_case, indices)
    assert together.dtype == np.uint8
    assert together.shape == (6, *tiny_case.grid.shape[:2])
    assert together.max() <= TUMOR
    alone = np.concatenate([referee.segment_slices(tiny_case, [k]) for k in indices])
    assert (alone == together).mean() > 0.999


def test_nothing_outside_the_brain(referee: Referee, tiny_case: Case) -> None:
    found = referee.segment_slices(tiny_case, range(tiny_case.grid.shape[2]))
    assert not found[~np.moveaxis(tiny_case.brain, 2, 0)].any()
    assert len(np.unique(found)) > 1


def test_the_volume_holds_the_slices(referee: Referee, tiny_case: Case) -> None:
    told: list[float] = []
    volume = referee.segment(tiny_case, progress=lambda share, _: told.append(share))
    assert volume.shape == tiny_case.grid.shape
    filled = np.flatnonzero(tiny_case.brain.any((0, 1)))
    slices = referee.segment_slices(tiny_case, filled.tolist())
    assert np.array_equal(np.moveaxis(volume[:, :, filled], 2, 0), slices)
    assert told == sorted(told)
    assert told[-1] == 1


def test_cancel_stops_early(referee: Referee, tiny_case: Case) -> None:
    calls: list[int] = []

    def after_two() -> bool:
        calls.append(1)
        return len(calls) > 2

    volume = referee.segment(tiny_case, cancel=after_two)
    assert len(calls) == 3
    assert np.count_nonzero(volume.any((0, 1))) <= 8


def test_another_picture_is_judged_on_the_source_scale(referee: Referee, tiny_case: Case) -> None:
    source = tiny_case.volumes[Modality.FLAIR].raw
    indices = [9, 10]
    same = referee.segment_slices(tiny_case, indices, source.copy())
    assert np.array_equal(same, referee.segment_slices(tiny_case, indices))
    brighter = np.where(source > 0, source * 2, 0).astype(source.dtype)
    assert not np.array_equal(referee.segment_slices(tiny_case, indices, brighter), same)
    # a case of its own that is twice as bright looks the same: the scale is the case's
    alike = with_voxels(tiny_case, lambda _, raw: raw * 2)
    assert np.array_equal(referee.segment_slices(alike, indices), same)


def test_no_slices(referee: Referee, tiny_case: Case) -> None:
    assert referee.segment_slices(tiny_case, []).shape == (0, *tiny_case.grid.shape[:2])


def test_a_case_without_flair(referee: Referee, tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "BraTS2021_90004", modalities=(Modality.T1,)))
    with pytest.raises(CaseError, match=r"needs FLAIR\. Add the FLAIR volume"):
        referee.segment(case)


def test_an_empty_case(referee: Referee, tiny_case: Case) -> None:
    empty = with_voxels(tiny_case, lambda _, raw: raw * 0)
    assert not referee.segment(empty).any()
    assert not referee.segment_slices(empty, [3]).any()


def test_only_referees_judge_and_only_inpainters_paint(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(ModelError, match="does not segment"):
        Referee(engine.model)
    with pytest.raises(ModelError, match="does not fill holes"):
        Engine(load_model(write_referee(tmp_path / "m4"), device="cpu"))


def test_the_bundled_referee_finds_the_tumor_of_the_demo_case() -> None:
    if not resource_path("models", "m4").is_dir():
        pytest.skip("the model m4 is not bundled yet")
    case = open_case(resource_path("demo", "SegEditor-Demo-001"))
    assert case.tumor is not None
    k = int(case.tumor.sum((0, 1)).argmax())
    found = Referee(load_model("m4", device="cpu")).segment_slices(case, [k])[0] == TUMOR
    truth = case.tumor[:, :, k]
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.5

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from seg_editor.cases import Case, Modality
from seg_editor.errors import ModelError, UsageError
from seg_editor.generation.counterfactual import Counterfactual, to_raw
from tests.results import make_counterfactual


def test_outside_the_hole_it_is_the_source(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    for modality in tiny_case.modalities:
        source, raw = tiny_case.volumes[modality].raw, result.raw(tiny_case, modality)
        assert raw.dtype == source.dtype
        assert raw.flags.writeable
        assert np.array_equal(raw[~result.hole.mask], source[~result.hole.mask])
        assert (raw[result.hole.mask] == 320).all()
        assert (source[result.hole.mask] != 320).any()


def test_values_keep_their_places(tiny_case: Case) -> None:
    base = make_counterfactual(tiny_case)
    values = np.arange(base.hole.voxels, dtype=np.int16)
    result = dataclasses.replace(base, patches={Modality.T2: values})
    assert np.array_equal(result.raw(tiny_case, Modality.T2)[result.hole.mask], values)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_agree_with_the_volume(tiny_case: Case, axis: int) -> None:
    result = make_counterfactual(tiny_case)
    values = np.arange(result.hole.voxels, dtype=np.int16)
    result = dataclasses.replace(result, patches={Modality.T1: values})
    raw = result.raw(tiny_case, Modality.T1)
    for k in range(tiny_case.shape[axis]):
        assert np.array_equal(result.slice_raw(tiny_case, Modality.T1, k, axis), raw.take(k, axis=axis))


def test_part_of_the_slices(tiny_case: Case) -> None:
    whole = make_counterfactual(tiny_case)
    k = whole.slices[1]
    part = make_counterfactual(tiny_case, slices=[k])
    assert part.slices == (k,)
    assert part.modalities == tiny_case.modalities
    changed = part.raw(tiny_case, Modality.FLAIR) != tiny_case.volumes[Modality.FLAIR].raw
    assert tuple(np.flatnonzero(changed.any(axis=(0, 1)))) == (k,)


def test_it_cannot_be_changed(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    with pytest.raises(ValueError, match="read-only"):
        result.patches[Modality.T1][0] = 1
    with pytest.raises(TypeError):
        result.seconds[0] = 1.0  # type: ignore[index]


def test_another_case_is_refused(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    other = dataclasses.replace(result, request=dataclasses.replace(result.request, case_hash="0" * 64))
    with pytest.raises(UsageError, match="not made from case"):
        other.raw(tiny_case, Modality.T1)


def test_what_was_not_generated_is_refused(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case, fills={Modality.T1: 1.0})
    with pytest.raises(UsageError, match="FLAIR was not generated"):
        result.slice_raw(tiny_case, Modality.FLAIR, 3)
    wrong = dataclasses.replace(result, patches={Modality.T1: np.zeros(result.hole.voxels, np.float32)})
    with pytest.raises(UsageError, match="does not fit"):
        wrong.raw(tiny_case, Modality.T1)


def test_a_patch_must_fit(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    with pytest.raises(ValueError, match="voxels"):
        Counterfactual(result.request, result.hole, {Modality.T1: np.zeros(3)}, {}, "cpu", "torch-cpu")


def volume(dtype: type, slope: float = 1.0, inter: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(raw=np.zeros(1, dtype), slope=slope, inter=inter)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.int16, [0.4, 0.5, 1.5, -2.6, 4e4, -4e4], [0, 0, 2, -3, 32767, -32768]),
        (np.uint8, [-1.0, 255.4, 300.0], [0, 255, 255]),
        (np.float32, [0.25, -3.5], [0.25, -3.5]),
    ],
)
def test_to_raw_rounds_and_clips(dtype: type, values: list[float], expected: list[float]) -> None:
    raw = to_raw(volume(dtype), np.array(values))  # type: ignore[arg-type]
    assert raw.dtype == dtype
    assert raw.tolist() == expected


def test_to_raw_undoes_the_scaling() -> None:
    raw = to_raw(volume(np.uint8, slope=0.5, inter=10.0), np.array([10.0, 11.0, 60.0]))  # type: ignore[arg-type]
    assert raw.tolist() == [0, 2, 100]


def test_to_raw_refuses_what_is_no_number() -> None:
    with pytest.raises(ModelError, match="not finite"):
        to_raw(volume(np.int16), np.array([1.0, np.nan]))  # type: ignore[arg-type]


def test_the_value_of_a_voxel(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    values = np.arange(result.hole.voxels, dtype=np.int16)
    result = dataclasses.replace(result, patches={Modality.T1: values})
    raw = result.raw(tiny_case, Modality.T1)
    for x, y, z in np.argwhere(result.hole.mask)[::17].tolist():
        assert result.value(Modality.T1, (x, y, z)) == raw[x, y, z]
        assert result.value(Modality.FLAIR, (x, y, z)) is None
    assert result.value(Modality.T1, (0, 0, 0)) is None

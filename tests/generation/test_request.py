from __future__ import annotations

import dataclasses
import json

import pytest

from seg_editor.cases import Modality
from seg_editor.errors import UsageError
from seg_editor.generation.request import GenerationRequest

REQUEST = GenerationRequest(
    case_hash="c" * 64,
    hole_hash="h" * 64,
    slices=(4, 5),
    modalities=(Modality.T1, Modality.FLAIR),
    model="m5",
    model_hash="m" * 64,
    seed=3,
    steps=8,
    preset="standard",
    margin=3,
    runtime="torch-cpu",
)


def test_it_is_frozen_and_hashable() -> None:
    assert {REQUEST: 1}[dataclasses.replace(REQUEST)] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        REQUEST.seed = 4  # type: ignore[misc]


def test_the_key_is_stable() -> None:
    assert len(REQUEST.key) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"case_hash": "x"}, {"hole_hash": "x"}, {"slices": (4,)}, {"modalities": (Modality.T1,)}, {"model": "m2"},
        {"model_hash": "x"}, {"seed": 4}, {"steps": 9}, {"preset": "preview"}, {"margin": 2}, {"runtime": "openvino"},
    ],
)  # fmt: skip
def test_every_field_changes_the_key(change: dict[str, object]) -> None:
    assert dataclasses.replace(REQUEST, **change).key != REQUEST.key  # type: ignore[arg-type]


def test_json_round_trip() -> None:
    text = REQUEST.to_json()
    assert json.loads(text)["modalities"] == ["t1", "flair"]
    back = GenerationRequest.from_json(text)
    assert back == REQUEST
    assert back.key == REQUEST.key
    assert all(isinstance(m, Modality) for m in back.modalities)


def test_slices_are_put_in_order() -> None:
    assert dataclasses.replace(REQUEST, slices=(5, 4, 4)).key == REQUEST.key


@pytest.mark.parametrize("change", [{"slices": ()}, {"modalities": ()}, {"steps": 0}, {"seed": -1}, {"margin": -1}])
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        dataclasses.replace(REQUEST, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seed": 1}', "nonsense"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        GenerationRequest.from_json(text)


def test_a_wrong_value_is_refused() -> None:
    for change in ({"modalities": ["ct"]}, {"seed": "many"}):
        with pytest.raises(UsageError, match="not a generation request"):
            GenerationRequest.from_dict({**REQUEST.to_dict(), **change})

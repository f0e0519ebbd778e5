from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from seg_editor.cases import Case, Modality
from seg_editor.errors import UsageError
from seg_editor.export import Kind, Shown, Step, sealed, verify, view_record
from seg_editor.export.seal import SEAL
from seg_editor.export.view import NOTHING, _ranges, describe
from seg_editor.generation.request import GenerationRequest
from tests.results import make_counterfactual, make_request

PANE = Shown("counterfactual", Modality.FLAIR, "axial", 9)


@pytest.fixture
def seeds(tiny_case: Case) -> tuple[GenerationRequest, ...]:
    hole = make_counterfactual(tiny_case).hole
    return tuple(make_request(tiny_case, hole, seed=seed, steps=6) for seed in range(8))


def record(*panes: Shown) -> dict[str, Any]:
    told = view_record("BraTS2021_90001", (4, 5, 9), Modality.FLAIR, panes)
    again: dict[str, Any] = json.loads(json.dumps(told))
    assert again == told
    return again


def test_what_is_on_screen_in_words(seeds: tuple[GenerationRequest, ...]) -> None:
    source, one = replace(PANE, picture="source"), replace(PANE, kind=Kind.SINGLE, requests=seeds[:1])
    mean, sd = (replace(PANE, kind=kind, requests=seeds) for kind in (Kind.MEAN, Kind.SD))
    step = replace(PANE, kind=Kind.STEP, requests=seeds[:1], step=Step(3, 6, "m5", 0))
    assert describe(record(source)) == NOTHING
    assert describe(record(source, one)) == "m5, seed 0, 6 steps"
    assert describe(record(source, mean)) == "mean of 8 seeds (0-7), m5, 6 steps"
    assert describe(record(sd)) == "SD of 8 seeds (0-7), m5, 6 steps"
    assert describe(record(step)) == "step 3 of 6 of m5, seed 0"
    assert describe(record(replace(step, requests=(), step=Step(3, 0, "m5", 0)))) == "step 3 of m5, seed 0"
    other = replace(one, requests=seeds[5:6], against=seeds[0], mode="swipe")
    assert describe(record(other, one)) == "m5, seed 5, 6 steps; m5, seed 0, 6 steps"
    assert describe(record(replace(source, against=seeds[2]))) == "m5, seed 2, 6 steps"


def test_what_is_of_an_earlier_mask_says_so(seeds: tuple[GenerationRequest, ...]) -> None:
    one = replace(PANE, kind=Kind.SINGLE, requests=seeds[:1])
    old, dark = "m5, seed 0, 6 steps, from an earlier mask", replace(one, outdated=True, brightness=0.7)
    assert describe(record(replace(one, outdated=True))) == old
    assert describe(record(dark)) == f"{old}, dimmed to 70%"
    beside = replace(PANE, picture="source", against=seeds[1], outdated=True, against_outdated=True, brightness=0.7)
    dimmed = "m5, seed 1, 6 steps, from an earlier mask, dimmed to 70%"
    assert describe(record(beside, one)) == f"{dimmed}; m5, seed 0, 6 steps"
    (pane,) = record(dark)["panes"]
    assert (pane["outdated"], pane["against_outdated"], pane["brightness"]) == (True, False, 0.7)


def test_a_record_holds_every_request_once(seeds: tuple[GenerationRequest, ...]) -> None:
    mean, one = (
        replace(PANE, kind=Kind.MEAN, requests=seeds),
        replace(PANE, picture="difference", kind=Kind.SINGLE, requests=seeds[3:4]),
    )
    told = record(mean, one)
    assert [GenerationRequest.from_dict(request) for request in told["requests"]] == list(seeds)
    assert [pane["requests"] for pane in told["panes"]] == [list(range(8)), [3]]
    assert told["synthetic"]
    assert not record(PANE)["synthetic"]


def test_a_record_of_an_earlier_version_and_a_broken_one(seeds: tuple[GenerationRequest, ...]) -> None:
    assert describe({"requests": [seeds[1].to_dict()]}) == "m5, seed 1, 6 steps"
    assert describe({"requests": []}) == NOTHING
    told = record(replace(PANE, kind=Kind.MEAN, requests=seeds))
    for broken in (
        {"requests": 3},
        {"requests": [{}]},
        {"requests": [], "panes": told["panes"]},
        {**told, "panes": [1]},
    ):
        with pytest.raises(UsageError, match="no record"):
            describe(broken)


@given(st.sets(st.integers(0, 40), min_size=1))
def test_seeds_are_written_as_ranges(numbers: set[int]) -> None:
    found: list[int] = []
    for part in _ranges(sorted(numbers)).split(", "):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)


def picture(path: Path, pixels: NDArray[np.uint8], told: dict[str, Any]) -> Path:
    """A PNG that says this of itself."""
    info = PngInfo()
    info.add_text("seg-editor", json.dumps(told))
    Image.fromarray(pixels).save(path, pnginfo=info)
    return path


def test_pixels_and_record_are_sealed(tmp_path: Path, seeds: tuple[GenerationRequest, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    path, altered = tmp_path / "view.png", pixels.copy()
    altered[2, 3, 1] ^= 1
    told = sealed(record(replace(PANE, kind=Kind.SINGLE, requests=seeds[:1])), pixels)
    assert verify(picture(path, pixels, dict(reversed(told.items())))).state == "intact"
    bare = {key: value for key, value in told.items() if key != SEAL}
    empty = record(PANE)
    forged = (
        (altered, told),
        (pixels.reshape(8, 6, 3), told),
        (pixels, told | {"case_id": "another"}),
        (pixels, told | {"synthetic": False}),
        (pixels, told | {"requests": empty["requests"], "panes": empty["panes"], "synthetic": False}),
        (pixels, told | {"more": 1}),
        (pixels, told | {"more": float("nan")}),
        (pixels, bare),
        (altered, bare),
    )
    for shown, record_of in forged:
        found = verify(picture(path, shown, record_of))
        assert (found.state, found.intact) == ("altered", False)


def test_no_picture_without_a_seal_is_intact(tmp_path: Path) -> None:
    early = {key: value for key, value in record(PANE).items() if key != "panes"}
    found = verify(picture(tmp_path / "view.png", np.zeros((4, 4, 3), np.uint8), early))
    assert (found.state, found.intact) == ("unsealed", False)

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.generation import detail
from seg_editor.generation.conditioning import CONTEXT_CHANNELS, NEIGHBORS, assemble
from seg_editor.generation.detail import TERMS, DetailModel, detail_terms, fine_log_variance
from seg_editor.generation.samplers import sampling_recipe

Floats = NDArray[np.float32]
SIDE = 64
NEAR_ONLY = DetailModel.of([[0, 0, 0, 0, 0]] * 4)
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[20:44, 20:44] = True
#: One voxel of each modality, see ``test_pixels_of_this_finish``.
GOLDEN = [0.655850, -0.418185, -0.059549, 0.131238]


def _tissue(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((4, SIDE, SIDE)).astype(np.float32)


def _channels(source: Floats, *, valid: bool = True, brain: NDArray[np.bool_] | None = None) -> Floats:
    """A slice whose hole is filled with zeros and whose other side is the same tissue at half the contrast."""
    brain = np.ones((SIDE, SIDE), bool) if brain is None else brain
    n = len(NEIGHBORS)
    filled = np.repeat(np.where(HOLE, 0, source)[:, None], n, 1).astype(np.float32)
    unknown, everywhere = np.repeat(HOLE[None], n, 0), np.repeat(brain[None], n, 0)
    nothing = np.zeros((3, SIDE, SIDE), np.float32)
    seen = np.full((SIDE, SIDE), valid)
    return assemble(filled, unknown, everywhere, source / 2, seen, nothing, nothing[0], np.ones(4, bool))


def _inner(picture: Floats) -> NDArray[np.float64]:
    return fine_log_variance(picture, ndi.binary_erosion(HOLE, iterations=4))


@pytest.mark.parametrize("roughness", [0.6, 0.8, 1.3])
def test_a_sample_is_brought_to_the_expected_roughness(roughness: float) -> None:
    source = _tissue()
    sample = np.where(HOLE, roughness * source, source)
    wanted = DetailModel.of([[np.log(share), 0, 0, 0, 0] for share in (0.5, 0.8, 1.0, 1.2)])
    matched = wanted.match(sample, sample, _channels(source))
    near = fine_log_variance(
        source, ndi.binary_dilation(HOLE, iterations=14) & ~ndi.binary_dilation(HOLE, iterations=3)
    )
    assert np.exp(_inner(matched) - near) == pytest.approx([0.5, 0.8, 1.0, 1.2], rel=0.25)


def test_how_far_detail_is_scaled_is_limited() -> None:
    source = _tissue()
    sample = np.where(HOLE, 0.01 * source, source)
    matched = NEAR_ONLY.match(sample, sample, _channels(source))
    center = (slice(None), slice(28, 36), slice(28, 36))
    fine = sample - ndi.gaussian_filter(sample, (0, 1, 1))
    assert matched[center] - sample[center] == pytest.approx(1.2 * fine[center], abs=1e-5)


def test_matching_changes_neither_the_source_nor_the_rim() -> None:
    source = _tissue()
    sample = np.where(HOLE, 0.5 * source, source)
    matched = NEAR_ONLY.match(sample, sample, _channels(source))
    inner = ndi.binary_erosion(HOLE)
    assert np.array_equal(matched[:, ~inner], sample[:, ~inner])
    assert not np.array_equal(matched[:, inner], sample[:, inner])


def test_the_other_side_tells_where_it_is_seen() -> None:
    source = _tissue()
    mean = np.where(HOLE, 0.1 * source, source)
    seen = detail_terms(mean, _channels(source))
    unseen = detail_terms(mean, _channels(source, valid=False))
    assert seen is not None
    assert unseen is not None
    by_name = dict(zip(TERMS, seen.values.T, strict=True))
    assert by_name["mirror - near"] == pytest.approx(np.full(4, np.log(0.25)), abs=0.3)
    assert by_name["mean's finest - near"] == pytest.approx(np.full(4, np.log(0.01)), abs=0.3)
    assert by_name["mirror seen"].tolist() == [1] * 4
    assert unseen.values[:, 1:3].tolist() == [[0, 0]] * 4
    assert np.array_equal(unseen.near, seen.near)


def test_without_tissue_near_the_sample_stays() -> None:
    source = _tissue()
    assert NEAR_ONLY.match(source, source, _channels(source, brain=HOLE)) is source


def test_padding_of_the_window_does_not_matter() -> None:
    source = _tissue()
    sample = np.where(HOLE, 0.5 * source, source)
    channels = _channels(source)
    padded = np.zeros((CONTEXT_CHANNELS, SIDE + 16, SIDE + 16), np.float32)
    padded[:, :SIDE, :SIDE] = channels
    assert np.array_equal(NEAR_ONLY.match(sample, sample, padded), NEAR_ONLY.match(sample, sample, channels))


def test_an_absent_modality_stays_empty() -> None:
    source = _tissue()
    source[2] = 0
    sample = np.where(HOLE, 0.5 * source, source)
    matched = NEAR_ONLY.match(sample, sample, _channels(source))
    assert np.isfinite(matched).all()
    assert not matched[2].any()


@pytest.mark.parametrize(
    "rows", [[], [[0] * 5] * 3, [[0] * 4] * 4, [[float("nan")] * 5] * 4, "abc", [["1"] * 5] * 4, [[1], [2, 3]]]
)
def test_a_malformed_detail_is_refused(rows: object) -> None:
    with pytest.raises(ValueError):
        DetailModel.of(rows)  # type: ignore[arg-type]


def test_it_survives_json() -> None:
    model = DetailModel.of([[0.1, 0.2, 0.3, 0.4, 0.5]] * 4)
    assert DetailModel.of(json.loads(json.dumps(model.to_json()))) == model


@pytest.mark.parametrize(("name", "other"), [("_LIMITS", (1.0, 1.0)), ("_REACH", 3), ("_MIN_NEAR", 10**6)])
def test_the_recipe_names_the_finish(name: str, other: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sampling_recipe(6, NEAR_ONLY)
    assert before != sampling_recipe(6, None)
    assert before != sampling_recipe(6, DetailModel.of([[0.1, 0, 0, 0, 0]] * 4))
    assert sampling_recipe(1, NEAR_ONLY) == sampling_recipe(1, None)
    monkeypatch.setattr(detail, name, other)
    assert sampling_recipe(6, NEAR_ONLY) != before


def test_pixels_of_this_finish() -> None:
    """When these numbers change, so do kept pictures: raise ``request.ENGINE_VERSION``."""
    source = _tissue()
    sample = np.where(HOLE, 0.5 * source, source)
    model = DetailModel.of([[0.2, 0.3, -0.1, 0.05, 0.1]] * 4)
    assert model.match(sample, sample, _channels(source))[:, 30, 31] == pytest.approx(GOLDEN, abs=1e-4)

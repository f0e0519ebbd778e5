from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_editor.anatomy.scale import IntensityScale
from seg_editor.errors import UsageError
from seg_editor.generation.paper_grid import Frame, SliceSettings, Window, place_window

SIZE, MULTIPLE = 64, 4
TRAINED: Window = (slice(12, 52), slice(8, 56))


def box(x: tuple[int, int], y: tuple[int, int], shape: tuple[int, int] = (60, 60)) -> np.ndarray:
    brain = np.zeros(shape, bool)
    brain[slice(*x), slice(*y)] = True
    return brain


def place(brain: np.ndarray, trained: Window | None = TRAINED, preset: str = "compact") -> Window:
    return place_window(trained, brain, SliceSettings(preset=preset), size=SIZE, multiple=MULTIPLE)


def test_a_brain_inside_the_trained_window_is_seen_through_it() -> None:
    assert place(box((10, 50), (6, 54))) == TRAINED  # the square lies two voxels outside the slice on each side
    assert place(box((20, 30), (20, 30))) == TRAINED


@pytest.mark.parametrize(
    ("x", "start"),
    [((9, 40), 11), ((11, 51), 13), ((0, 40), 2), ((30, 60), 22)],
)
def test_the_window_moves_as_far_as_it_must(x: tuple[int, int], start: int) -> None:
    assert place(box(x, (20, 30)))[0] == slice(start, start + 40)


def test_a_larger_brain_widens_it() -> None:
    first, _ = place(box((3, 49), (20, 30)))
    assert (first.start, first.stop - first.start) == (5, 48)


def test_without_a_window_or_resized_it_is_the_whole_square() -> None:
    whole = (slice(0, SIZE), slice(0, SIZE))
    assert place(box((20, 30), (20, 30)), trained=None) == whole
    assert place(box((20, 30), (20, 30)), preset="paper") == whole
    assert place(np.zeros((60, 60), bool)) == TRAINED


def test_a_brain_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="larger than the 64 voxels"):
        place(box((2, 70), (20, 30), (80, 60)))


@given(st.lists(st.integers(0, 59), min_size=4, max_size=4), st.booleans())
def test_the_window_shows_the_brain(corners: list[int], deep: bool) -> None:
    (a, b), (c, d) = sorted(corners[:2]), sorted(corners[2:])
    brain = box((a, b + 1), (c, d + 1))
    window = place(np.repeat(brain[..., None], 2, 2) if deep else brain)
    for part, first, last in zip(window, (a, c), (b, d), strict=True):
        assert 0 <= part.start <= first + 2
        assert last + 2 < part.stop <= SIZE
        assert (part.stop - part.start) % MULTIPLE == 0


@pytest.mark.parametrize("normalisation", ["robust", "paper"])
def test_decoding_inverts_encoding_through_a_window(normalisation: str) -> None:
    rng = np.random.default_rng(0)
    brain = box((9, 52), (8, 50))
    values = np.where(brain, rng.normal(300, 40, brain.shape), 0).astype(np.float32)
    settings = SliceSettings(normalisation=normalisation)
    window = place_window(TRAINED, brain, settings, size=SIZE, multiple=MULTIPLE)
    frame, scale = Frame(settings, SIZE, window), IntensityScale.of(values, brain)
    picture, way = frame.encode(values, brain, scale)
    assert picture.shape == frame.shape == (44, 48)
    back = frame.decode(picture, (60, 60), way)
    step = (12 * scale.iqr if normalisation == "robust" else np.ptp(values)) / 254
    assert np.abs(back - values)[brain].max() <= step
    assert back[~brain].max() < values[brain].min()
    labels = np.where(brain, 3, 0).astype(np.uint8)
    assert np.array_equal(frame.mask(labels) > 0, picture > 0) or normalisation == "paper"
    assert np.count_nonzero(frame.mask(labels)) == np.count_nonzero(brain)

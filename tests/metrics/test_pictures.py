from __future__ import annotations

import gc

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk
from skimage.filters import gaussian

from seg_editor.metrics import change_outside, display01, display_window, seam_ratio, texture_ratio
from seg_editor.metrics import display as display_module


def scene(noise_in: float, noise_out: float, step: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise of one strength in a disk and of another around it."""
    rng = np.random.default_rng(1)
    hole = np.zeros((1, 96, 96), bool)
    hole[0][disk((48, 48), 18)] = True
    brain = np.zeros_like(hole)
    brain[0][disk((48, 48), 44)] = True
    image = rng.normal(100, 1, hole.shape) * 0 + 100
    noise = rng.normal(0, 1, hole.shape)
    image += np.where(hole, noise_in, noise_out) * noise + np.where(hole, step, 0.0)
    return image.astype(np.float32), hole, brain & ~hole


def test_window_and_display() -> None:
    volume = np.zeros((10, 10, 20), np.int16)
    volume.flat[:1000] = np.arange(1, 1001)
    window = display_window(volume)
    assert window.low == pytest.approx(np.percentile(np.arange(1, 1001), 0.5))
    assert window.high == pytest.approx(np.percentile(np.arange(1, 1001), 99.5))
    shown = display01(volume, window)
    assert shown.dtype == np.float32
    assert shown.min() == 0
    assert shown.max() == 1
    middle = (window.low + window.high) / 2
    assert display01(np.array([middle]), window)[0] == pytest.approx(0.5)


def test_window_of_odd_volumes() -> None:
    assert display_window(np.zeros((2, 2, 2), np.int16)).high == 1.0
    flat = display_window(np.full((2, 2, 2), 7, np.int16))
    assert (flat.low, flat.high) == (7.0, 8.0)


def test_the_window_is_remembered_as_long_as_the_volume_lives() -> None:
    volume = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    assert display_window(volume) is display_window(volume)
    key = id(volume)
    assert key in display_module._known
    del volume
    gc.collect()
    assert key not in display_module._known


def test_change_outside() -> None:
    source = np.zeros((3, 3, 2), np.int16)
    generated = source.copy()
    hole = np.zeros(source.shape, bool)
    hole[0, 0, 0] = True
    generated[0, 0, 0] = 500
    assert change_outside(source, generated, hole) == 0.0
    generated[1, 1, 1] = -3
    assert change_outside(source, generated, hole) == 3.0
    assert change_outside(source.astype(np.uint8), np.full_like(source, 255).astype(np.uint8), hole) == 255.0


def test_change_outside_with_nan() -> None:
    source = np.array([np.nan, 1.0])
    hole = np.zeros(2, bool)
    assert change_outside(source, source.copy(), hole) == 0.0
    assert change_outside(source, np.array([np.nan, np.nan]), hole) == np.inf


def test_texture_of_equal_noise_is_one() -> None:
    assert texture_ratio(*scene(2.0, 2.0)) == pytest.approx(1.0, abs=0.15)
    assert texture_ratio(*scene(1.0, 2.0)) == pytest.approx(0.25, abs=0.05)
    assert texture_ratio(*scene(0.0, 2.0)) == pytest.approx(0.0, abs=0.01)


def test_texture_against_skimage() -> None:
    image, hole, healthy = scene(1.5, 2.0)
    high = image[0] - gaussian(image[0], 1.0, mode="reflect", preserve_range=True)
    square = np.ones((3, 3), bool)
    core, sound = (ndimage.binary_erosion(m[0], square, iterations=3) for m in (hole, healthy))
    near = sound & (ndimage.distance_transform_edt(~hole[0]) <= 20)
    assert texture_ratio(image, hole, healthy) == pytest.approx(high[core].var() / high[near].var(), rel=1e-4)


def test_texture_does_not_depend_on_the_scale() -> None:
    image, hole, healthy = scene(1.0, 2.0)
    assert texture_ratio(image * 7 + 3, hole, healthy) == pytest.approx(texture_ratio(image, hole, healthy), rel=1e-3)


def test_texture_of_too_little_is_none() -> None:
    image, hole, healthy = scene(1.0, 1.0)
    small = np.zeros_like(hole)
    small[0, 48:54, 48:54] = True
    assert texture_ratio(image, small, healthy) is None
    assert texture_ratio(image, np.zeros_like(hole), healthy) is None
    assert texture_ratio(image, hole, np.zeros_like(hole)) is None
    assert texture_ratio(np.ones_like(image), hole, healthy) is None


def test_seam() -> None:
    assert seam_ratio(*scene(2.0, 2.0)) == pytest.approx(1.0, abs=0.2)
    visible = seam_ratio(*scene(2.0, 2.0, step=10.0))
    assert visible is not None
    assert visible > 3


def test_seam_by_hand() -> None:
    """A ramp of slope 2 along x has the same step everywhere; the hole adds 3 on its side."""
    ramp = np.broadcast_to(2.0 * np.arange(60)[:, None], (60, 60)).copy()
    hole = np.zeros((60, 60), bool)
    hole[20:40, :] = True
    image = ramp + np.where(hole, 3.0, 0.0)
    found = seam_ratio(image[None], hole[None], ~hole[None])
    assert found == pytest.approx(((5 + 1) / 2) / 2)


def test_seam_needs_a_healthy_rim() -> None:
    image, hole, healthy = scene(1.0, 1.0)
    assert seam_ratio(image, hole, np.zeros_like(hole)) is None
    assert seam_ratio(image, np.zeros_like(hole), healthy) is None
    assert seam_ratio(np.ones_like(image), hole, healthy) is None

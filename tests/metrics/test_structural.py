from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from seg_editor.metrics.structural import (
    challenge_scores,
    match_histogram,
    mean_squared_error,
    psnr,
    ssim,
    ssim_inside,
    ssim_map,
)


def pair(shape: tuple[int, ...] = (3, 40, 36), seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy import ndimage as ndi

    rng = np.random.default_rng(seed)
    a = ndi.gaussian_filter(rng.random(shape), (0, *[1.5] * (len(shape) - 1)))
    a = (a - a.min()) / np.ptp(a)
    return a, np.clip(a + rng.normal(0, 0.1, shape), 0, 1)


def test_alike_pictures_score_one() -> None:
    a, _ = pair()
    assert ssim(a, a) == pytest.approx(1.0)
    assert psnr(0.0) == pytest.approx(120)


def test_two_constants_by_hand() -> None:
    a, b = np.full((12, 12), 0.25), np.full((12, 12), 0.75)
    c1 = 0.01**2
    assert ssim(a, b) == pytest.approx((2 * 0.25 * 0.75 + c1) / (0.25**2 + 0.75**2 + c1))
    assert psnr(0.25) == pytest.approx(10 * math.log10(4))


def test_against_scikit_image() -> None:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    a, b = pair()
    for x, y in zip(a, b, strict=True):
        _, full = structural_similarity(
            x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True
        )
        np.testing.assert_allclose(ssim_map(x, y)[5:-5, 5:-5], full[5:-5, 5:-5], atol=1e-10)
    mse = float(((a - b) ** 2).mean())
    assert psnr(mse) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1.0))


def test_against_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.functional.image", reason="torchmetrics is in the extra 'train'")
    a, b = pair()
    x, y = (torch.from_numpy(v)[:, None] for v in (a, b))
    value, full = metrics.structural_similarity_index_measure(x, y, data_range=1.0, return_full_image=True)
    np.testing.assert_allclose(ssim_map(a, b), full[:, 0].numpy(), atol=1e-8)
    assert ssim(a, b) == pytest.approx(float(value), abs=1e-8)


def test_inside_a_region() -> None:
    a, b = pair()
    where = np.zeros(a.shape, bool)
    assert ssim_inside(a, b, where) is None
    assert mean_squared_error(a, b, where) is None
    where[1, 10:20, 10:20] = True
    assert ssim_inside(a, b, where) == pytest.approx(ssim_map(a[1], b[1])[10:20, 10:20].mean())
    assert mean_squared_error(a, b, where) == pytest.approx(((a - b)[where] ** 2).mean())


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        ssim_map(np.zeros((8, 8)), np.zeros((8, 9)))


def test_matched_histograms_against_scikit_image() -> None:
    from skimage.exposure import match_histograms

    a, b = pair()
    np.testing.assert_allclose(match_histogram(a[0], b[1]), match_histograms(a[0], b[1]), atol=1e-6)
    assert np.array_equal(match_histogram(np.array([3, 1, 2]), np.array([10, 30, 20])), [30, 10, 20])


def challenge_volumes() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(3)
    target = (100 + 50 * pair((24, 28, 20), 1)[0]).astype(np.float32)
    target[:4] = 0
    mask = np.zeros(target.shape, bool)
    mask[8:16, 8:18, 6:14] = True
    prediction = np.where(mask, target + rng.normal(0, 6, target.shape), target).astype(np.float32)
    return prediction, target, np.where(mask, 0, target).astype(np.float32), mask


def test_the_challenge_by_hand() -> None:
    prediction, target, voided, mask = challenge_volumes()
    low, high = np.percentile(voided, [0.5, 99.5])
    assert low == 0
    a, b = (np.clip(v[mask], low, high) / high for v in (prediction, target))
    found = challenge_scores(prediction, target, voided, mask)
    assert found["mse"] == pytest.approx(((a - b) ** 2).mean(), rel=1e-4)
    assert found["psnr"] == pytest.approx(-10 * math.log10(((a - b) ** 2).mean()), rel=1e-4)
    assert challenge_scores(target, target, voided, mask)["ssim"] == pytest.approx(1.0)


@pytest.mark.skipif(
    importlib.util.find_spec("inpainting") is None,
    reason="the challenge's own code (PyPI inpainting 0.0.12) is AGPL: it is neither shipped nor a dependency; "
    "pip install --group crosscheck",
)
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
def test_against_the_challenge_s_own_code() -> None:
    import torch
    from inpainting.challenge_metrics_2023 import generate_metrics  # type: ignore[import-not-found]

    prediction, target, voided, mask = challenge_volumes()
    theirs = generate_metrics(*(torch.from_numpy(v)[None] for v in (prediction, target, voided, mask)))
    ours = challenge_scores(prediction, target, voided, mask)
    assert ours["mse"] == pytest.approx(theirs["mse"], rel=1e-4)
    assert ours["psnr"] == pytest.approx(theirs["psnr_01"], rel=1e-4)
    assert ours["ssim"] == pytest.approx(theirs["ssim"], abs=1e-4)

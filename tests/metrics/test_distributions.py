from __future__ import annotations

import numpy as np
import pytest

from seg_editor.metrics.distributions import frechet_distance, kernel_distance


def test_frechet_against_the_matrix_root() -> None:
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    a = rng.normal(size=(60, 6))
    b = rng.normal(0.4, 1.5, size=(50, 6)) @ rng.normal(size=(6, 6))
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = sqrtm(cov_a @ cov_b).real
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted)
    assert frechet_distance(b, a) == pytest.approx(wanted)


def test_frechet_by_hand() -> None:
    a = np.array([[0.0], [2.0]])
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 3) == pytest.approx(9)
    assert frechet_distance(a, 2 * a) == pytest.approx(1 + (np.sqrt(2) - np.sqrt(8)) ** 2)


def test_fewer_samples_than_features_are_no_problem() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(10, 200)), rng.normal(size=(12, 200))
    assert frechet_distance(a, b) > frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_kernel_by_hand_and_unbiased() -> None:
    a, b = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    k = lambda x, y: (x * y + 1) ** 3  # noqa: E731
    wanted = k(0, 1) + k(2, 3) - 2 * np.mean([k(0, 2), k(0, 3), k(1, 2), k(1, 3)])
    assert kernel_distance(a, b) == pytest.approx(wanted)
    rng = np.random.default_rng(0)
    draws = [kernel_distance(rng.normal(size=(20, 4)), rng.normal(size=(20, 4))) for _ in range(200)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / np.sqrt(200)


def test_kernel_against_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    kid = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is in the extra 'train'")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 8)), rng.normal(0.2, 1, size=(30, 8))
    theirs = kid.poly_mmd(torch.from_numpy(a), torch.from_numpy(b), degree=3, gamma=1 / 8, coef=1.0)
    assert kernel_distance(a, b) == pytest.approx(float(theirs))


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_sets_that_do_not_fit(distance: object) -> None:
    with pytest.raises(ValueError, match="two sets"):
        distance(np.zeros((1, 3)), np.zeros((4, 3)))  # type: ignore[operator]

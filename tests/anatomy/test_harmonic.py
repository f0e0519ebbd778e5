from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seg_editor.anatomy.harmonic import harmonic_fill

SHAPE = (16, 14, 13)
X, Y, Z = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij")
BALL = np.sqrt((X - 7) ** 2 + (Y - 6) ** 2 + (Z - 6) ** 2) < 4.2
EVERYWHERE = np.ones(SHAPE, bool)


def exact(volumes: NDArray[np.float32], hole: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    return harmonic_fill(volumes, hole, known, tolerance=1e-7, max_iterations=3000)


def dense(volume: NDArray[np.float32], hole: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The same equations, written voxel by voxel and solved by elimination."""
    points = [tuple(int(v) for v in p) for p in np.argwhere(hole)]
    row = {p: i for i, p in enumerate(points)}
    matrix, rhs = np.zeros((len(points), len(points))), np.zeros(len(points))
    for p, i in row.items():
        for axis in range(3):
            for step in (-1, 1):
                q = tuple(v + step * (a == axis) for a, v in enumerate(p))
                if not all(0 <= v < n for v, n in zip(q, hole.shape, strict=True)):
                    continue
                if q in row:
                    matrix[i, i] += 1
                    matrix[i, row[q]] -= 1
                elif known[q]:
                    matrix[i, i] += 1
                    rhs[i] += volume[q]
    return np.linalg.solve(matrix, rhs)


def test_a_linear_field_is_reproduced() -> None:
    fields = np.stack([2 * X - Y + 0.5 * Z, np.full(SHAPE, 3.0, np.float32), 100 - 7 * Y]).astype(np.float32)
    filled = exact(fields, BALL, EVERYWHERE)
    assert filled.dtype == np.float32
    assert filled.shape == (3, BALL.sum())
    np.testing.assert_allclose(filled, fields[:, BALL], atol=2e-3)


def test_it_equals_a_dense_solve() -> None:
    rng = np.random.default_rng(0)
    volumes = rng.normal(0, 1, (2, *SHAPE)).astype(np.float32)
    hole = np.zeros(SHAPE, bool)
    hole[4:10, 3:9, 5:9] = rng.random((6, 6, 4)) < 0.8
    known = rng.random(SHAPE) < 0.7
    hole[4, 3, 5], known[3, 3, 5] = True, True
    filled = exact(volumes, hole, known)
    known &= ~hole
    grounded = connected_to(hole, known)
    for m in (0, 1):
        wanted = dense(volumes[m], grounded, known)
        np.testing.assert_allclose(filled[m][grounded[hole]], wanted, atol=2e-4)


def connected_to(hole: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage as ndi

    parts, _ = ndi.label(hole)
    return hole & np.isin(parts, np.unique(parts[ndi.binary_dilation(known) & hole]))


def test_the_default_tolerance_is_close() -> None:
    rng = np.random.default_rng(1)
    volumes = rng.normal(0, 1, (1, *SHAPE)).astype(np.float32)
    rough = harmonic_fill(volumes, BALL, EVERYWHERE)
    assert np.abs(rough - exact(volumes, BALL, EVERYWHERE)).max() < 0.02


def test_no_flux_comes_from_what_is_unknown() -> None:
    rng = np.random.default_rng(2)
    volumes = rng.normal(0, 1, (1, *SHAPE)).astype(np.float32)
    known = EVERYWHERE & (X > 6)
    before = harmonic_fill(volumes, BALL, known)
    volumes[:, ~known] = np.nan
    volumes[:, BALL] = np.inf
    assert np.array_equal(harmonic_fill(volumes, BALL, known), before)


def test_without_flux_a_wall_is_a_mirror() -> None:
    """A slab between a known plane and air takes the plane's value: nothing pulls it elsewhere."""
    volume = np.where(X < 5, 42.0, -1000.0).astype(np.float32)[None]
    slab = (X >= 5) & (X < 9)
    filled = exact(volume, slab, X < 5)
    np.testing.assert_allclose(filled, 42, atol=1e-3)


def test_values_stay_within_those_of_the_rim() -> None:
    rng = np.random.default_rng(4)
    volumes = rng.uniform(10, 20, (1, *SHAPE)).astype(np.float32)
    filled = exact(volumes, BALL, EVERYWHERE)
    assert filled.min() >= 9.99
    assert filled.max() <= 20.01


def test_an_isolated_pocket_gets_the_mean_of_the_known() -> None:
    rng = np.random.default_rng(5)
    volumes = rng.normal(5, 1, (2, *SHAPE)).astype(np.float32)
    pocket = np.zeros(SHAPE, bool)
    pocket[12:15, 10:13, 9:12] = True
    known = X < 9
    hole = pocket | (BALL & (X < 9))
    filled = harmonic_fill(volumes, hole, known)
    wanted = volumes[:, known & ~hole].mean(1)
    np.testing.assert_allclose(filled[:, pocket[hole]], np.tile(wanted[:, None], (1, pocket.sum())), rtol=1e-4)
    alone = harmonic_fill(volumes, BALL & (X < 9), known)
    np.testing.assert_allclose(filled[:, ~pocket[hole]], alone, atol=0.05)


def test_nothing_known_gives_zero() -> None:
    volumes = np.full((2, *SHAPE), 9.0, np.float32)
    assert not harmonic_fill(volumes, BALL, np.zeros(SHAPE, bool)).any()


def test_an_empty_hole_gives_nothing() -> None:
    assert harmonic_fill(np.zeros((4, *SHAPE), np.float32), np.zeros(SHAPE, bool), EVERYWHERE).shape == (4, 0)


@pytest.mark.parametrize("corner", [(0, 0, 0), (-1, -1, -1)])
def test_holes_at_the_border(corner: tuple[int, int, int]) -> None:
    hole = np.zeros(SHAPE, bool)
    hole[corner] = True
    filled = exact(np.full((1, *SHAPE), 4.0, np.float32), hole, EVERYWHERE)
    np.testing.assert_allclose(filled, [[4.0]], atol=1e-4)

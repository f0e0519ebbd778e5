"""Harmonic fill: the smoothest surface through the rim of a hole (Laplace's equation in 3D).

It is the base to which the engine adds detail. Voxels outside the brain, and brain voxels that are not `known`, carry
no flux: neither air nor tumor leaks in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.sparse import csr_matrix

from seg_editor.boxes import EMPTY, bounding_box, widened

_BLOCK = 4
_PAD = 8
_NEIGHBORS = tuple((axis, step) for axis in range(3) for step in (-1, 1))


def harmonic_fill(
    volumes: NDArray[np.float32],
    hole: NDArray[np.bool_],
    known: NDArray[np.bool_],
    *,
    tolerance: float = 2e-3,
    max_iterations: int = 400,
) -> NDArray[np.float32]:
    """Solve Laplace's equation in `hole` with the values of `known` neighbors as boundary.

    Parameters
    ----------
    volumes : float32 array (m, x, y, z)
        Modalities on one grid.
    hole : bool array (x, y, z)
        Voxels to solve for.
    known : bool array (x, y, z)
        Voxels whose values may be looked at; `hole` voxels never are.
    tolerance : float
        Relative residual at which the conjugate gradients stop.
    max_iterations : int
        Their limit.

    Returns
    -------
    float32 array (m, n)
        The fill at ``volumes[:, hole]`` (C order). Parts of the hole without any known neighbor get the mean of the
        known voxels.
    """
    n = int(np.count_nonzero(hole))
    channels = volumes.shape[0]
    if n == 0:
        return np.zeros((channels, 0), np.float32)
    known = known & ~hole
    box = widened(bounding_box(hole) or EMPTY, _PAD, hole.shape)
    hole, known, volumes = hole[box], known[box], volumes[(slice(None), *box)]
    matrix, rhs, grounded = _system(volumes, hole, known, n)
    fallback = volumes[:, known].mean(1) if known.any() else np.zeros(channels, np.float32)
    start = _smooth_guess(volumes, hole, known, fallback)
    solution = _conjugate_gradients(matrix, rhs, start, tolerance, max_iterations)
    solution[~grounded] = fallback
    return np.ascontiguousarray(solution.T, np.float32)


def _system(
    volumes: NDArray[np.float32], hole: NDArray[np.bool_], known: NDArray[np.bool_], n: int
) -> tuple[csr_matrix, NDArray[np.float32], NDArray[np.bool_]]:
    """Assemble the 7-point Laplacian over hole voxels; ``rhs`` is (n, m)."""
    ids = np.full(hole.shape, -1, np.int32)
    ids[hole] = np.arange(n, dtype=np.int32)
    diagonal = np.zeros(n, np.float32)
    rhs = np.zeros((n, volumes.shape[0]), np.float32)
    rows, columns = [], []
    for axis, step in _NEIGHBORS:
        here: list[slice] = [slice(None)] * 3
        there: list[slice] = [slice(None)] * 3
        here[axis], there[axis] = (slice(1, None), slice(None, -1)) if step < 0 else (slice(None, -1), slice(1, None))
        a, b = tuple(here), tuple(there)
        inner = hole[a] & hole[b]
        row = ids[a][inner]
        rows.append(row)
        columns.append(ids[b][inner])
        diagonal[row] += 1
        rim = hole[a] & known[b]
        row = ids[a][rim]
        diagonal[row] += 1
        rhs[row] += volumes[(slice(None), *b)][:, rim].T
    grounded = _grounded(hole, known, ids, n)
    row, column = np.concatenate(rows), np.concatenate(columns)
    everyone = np.arange(n, dtype=np.int32)
    data = np.concatenate([np.full(row.size, -1, np.float32), np.maximum(diagonal, 1)])
    matrix = csr_matrix((data, (np.concatenate([row, everyone]), np.concatenate([column, everyone]))), (n, n))
    return matrix, rhs, grounded


def _grounded(hole: NDArray[np.bool_], known: NDArray[np.bool_], ids: NDArray[np.int32], n: int) -> NDArray[np.bool_]:
    """Mark hole voxels whose connected part touches a known voxel."""
    labels, count = ndi.label(hole)
    touching = np.zeros(count + 1, bool)
    touching[np.unique(labels[ndi.binary_dilation(known) & hole])] = True
    out = np.zeros(n, bool)
    out[ids[hole]] = touching[labels[hole]]
    return out


def _smooth_guess(
    volumes: NDArray[np.float32], hole: NDArray[np.bool_], known: NDArray[np.bool_], fallback: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Start from normalized convolutions of the known voxels, coarse to fine (n, m)."""
    weight = _block_sum(known.astype(np.float32))
    sums = [_block_sum(np.where(known, v, 0)) for v in volumes]
    coarse = np.tile(fallback.astype(np.float32)[:, None, None, None], (1, *weight.shape))
    for sigma in (4.0, 1.5, 0.7):
        mass = ndi.gaussian_filter(weight, sigma, truncate=3)
        sure = mass > 0.02 * _BLOCK**3
        for m, total in enumerate(sums):
            coarse[m][sure] = ndi.gaussian_filter(total, sigma, truncate=3)[sure] / mass[sure]
    where = (np.argwhere(hole).T - (_BLOCK - 1) / 2) / _BLOCK
    return np.stack([ndi.map_coordinates(c, where, order=1, mode="nearest") for c in coarse], 1).astype(np.float32)


def _block_sum(a: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(a, [(0, -n % _BLOCK) for n in a.shape])
    x, y, z = (n // _BLOCK for n in padded.shape)
    return np.asarray(padded.reshape(x, _BLOCK, y, _BLOCK, z, _BLOCK).sum((1, 3, 5)), np.float32)


def _conjugate_gradients(
    matrix: csr_matrix, rhs: NDArray[np.float32], x: NDArray[np.float32], tolerance: float, limit: int
) -> NDArray[np.float32]:
    """Jacobi-preconditioned conjugate gradients for several right-hand sides at once."""
    inverse = (1.0 / matrix.diagonal()).astype(np.float32)[:, None]
    residual = rhs - matrix @ x
    z = inverse * residual
    direction = z.copy()
    rho = np.einsum("nm,nm->m", residual, z)
    goal = tolerance * np.linalg.norm(rhs, axis=0) + 1e-6
    for _ in range(limit):
        if np.all(np.linalg.norm(residual, axis=0) <= goal):
            break
        image = matrix @ direction
        curvature = np.einsum("nm,nm->m", direction, image)
        alpha = rho / np.where(curvature > 0, curvature, 1)
        x += alpha * direction
        residual -= alpha * image
        z = inverse * residual
        new_rho = np.einsum("nm,nm->m", residual, z)
        direction = z + (new_rho / np.where(rho > 0, rho, 1)) * direction
        rho = new_rho
    return x

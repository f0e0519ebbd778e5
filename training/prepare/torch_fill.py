"""What placing a hole takes, in torch: harmonic fill, distances, reflection. For machines without scipy, and for GPUs.

The results equal those of :mod:`seg_editor.anatomy` up to the tolerance of the solver; tests hold that.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seg_editor.anatomy.mirror import MirrorPlane
from seg_editor.boxes import EMPTY, bounding_box, widened
from training.prepare.bank import PlacedHoles
from training.prepare.prepared import PreparedCase

#: Distances are cut here; the network sees no more than 30.
DEPTH_LIMIT = 31
_STEPS = tuple((axis, step) for axis in range(3) for step in (-1, 1))
_PAD = 8
_CELLS = (32, 16, 8, 4)


def place(case: PreparedCase, hole: NDArray[np.bool_], device: torch.device) -> PlacedHoles:
    """:meth:`PlacedHoles.make` on a device."""
    unknown = hole | case.tumor
    known = case.brain & ~unknown
    fill = harmonic_fill(case.volumes.astype(np.float32), unknown, known, device)
    depth = depths(unknown, device)[unknown]
    valid = reflect(np.zeros((0, *known.shape), np.float32), known, case.plane, device)[1]
    return PlacedHoles.of(case, hole, fill, depth, valid)


def harmonic_fill(
    volumes: NDArray[np.float32],
    hole: NDArray[np.bool_],
    known: NDArray[np.bool_],
    device: torch.device,
    *,
    tolerance: float = 1e-3,
    max_iterations: int = 400,
) -> NDArray[np.float32]:
    """The same problem as :func:`seg_editor.anatomy.harmonic.harmonic_fill`, (m, n) at ``hole``."""
    n = int(np.count_nonzero(hole))
    if n == 0:
        return np.zeros((volumes.shape[0], 0), np.float32)
    box = widened(bounding_box(hole) or EMPTY, _PAD, hole.shape)
    hole, known, volumes = hole[box], (known & ~hole)[box], np.ascontiguousarray(volumes[(slice(None), *box)])
    values = torch.from_numpy(volumes).to(device)
    seen = torch.from_numpy(known).to(device)
    where = torch.from_numpy(np.ascontiguousarray(np.argwhere(hole))).to(device)
    fallback = values[:, seen].mean(1) if known.any() else torch.zeros(len(values), device=device)
    neighbors, degree, rhs = _system(values, hole, seen, where)
    grounded = _grounded(neighbors, _touching(seen, where))
    x = _guess(values, seen, fallback)[:, where[:, 0], where[:, 1], where[:, 2]].T.contiguous()
    x = _conjugate_gradients(neighbors, degree, rhs, x, tolerance, max_iterations)
    x[~grounded] = fallback
    return np.ascontiguousarray(x.T.cpu().numpy())


def _shifted(shape: tuple[int, ...], where: Tensor, axis: int, step: int) -> tuple[Tensor, Tensor]:
    """Flat indices of the neighbors on one side, and whether they are inside the volume."""
    there = where.clone()
    there[:, axis] += step
    inside = (there[:, axis] >= 0) & (there[:, axis] < shape[axis])
    there[:, axis].clamp_(0, shape[axis] - 1)
    return (there[:, 0] * shape[1] + there[:, 1]) * shape[2] + there[:, 2], inside


def _system(values: Tensor, hole: NDArray[np.bool_], seen: Tensor, where: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hole neighbors of each hole voxel (n, 6; n for none), its diagonal (n, 1), right-hand side (n, m)."""
    n, shape = len(where), hole.shape
    ids = torch.full((hole.size,), n, dtype=torch.long, device=values.device)
    flat = (where[:, 0] * shape[1] + where[:, 1]) * shape[2] + where[:, 2]
    ids[flat] = torch.arange(n, device=values.device)
    neighbors = torch.full((n, 6), n, dtype=torch.long, device=values.device)
    rhs = torch.zeros(n, len(values), device=values.device)
    degree = torch.zeros(n, device=values.device)
    table, lit = values.reshape(len(values), -1), seen.reshape(-1)
    for k, (axis, step) in enumerate(_STEPS):
        at, inside = _shifted(shape, where, axis, step)
        neighbors[:, k] = torch.where(inside, ids[at], n)
        rim = inside & lit[at]
        rhs += (table[:, at] * rim).T
        degree += rim.float() + (neighbors[:, k] < n).float()
    return neighbors, degree.clamp(min=1)[:, None], rhs


def _touching(seen: Tensor, where: Tensor) -> Tensor:
    lit = seen.reshape(-1)
    touching = torch.zeros(len(where), dtype=torch.bool, device=where.device)
    for axis, step in _STEPS:
        at, inside = _shifted(tuple(seen.shape), where, axis, step)
        touching |= inside & lit[at]
    return touching


def _grounded(neighbors: Tensor, touching: Tensor) -> Tensor:
    """Mark hole voxels whose connected part touches a known voxel."""
    false = torch.zeros(1, dtype=torch.bool, device=touching.device)
    reached = touching
    while True:
        wider = reached | torch.cat([reached, false])[neighbors].any(1)
        if bool((wider == reached).all()):
            return reached
        reached = wider


def _guess(values: Tensor, seen: Tensor, fallback: Tensor) -> Tensor:
    """Means of the known voxels over cells, coarse to fine, interpolated; (m, x, y, z)."""
    shape = values.shape[1:]
    pads = [p for n in reversed(shape) for p in (0, -n % _CELLS[0])]
    weight = F.pad(seen.float()[None], pads)
    sums = F.pad(values * seen, pads)
    out = fallback[:, None, None, None]
    for cell in _CELLS:
        mass = F.avg_pool3d(weight[None], cell)[0]
        mean = F.avg_pool3d(sums[None], cell)[0] / mass.clamp(min=1e-6)
        size = mean.shape[1:]
        below = (
            F.interpolate(out[None], size=size, mode="trilinear", align_corners=False)[0]
            if out.shape[-1] > 1
            else out.expand(-1, *size)
        )
        out = torch.where(mass > 0.02, mean, below)
    full = F.interpolate(out[None], scale_factor=float(_CELLS[-1]), mode="trilinear", align_corners=False)[0]
    return full[:, : shape[0], : shape[1], : shape[2]]


def _conjugate_gradients(
    neighbors: Tensor, degree: Tensor, rhs: Tensor, x: Tensor, tolerance: float, limit: int
) -> Tensor:
    """Jacobi-preconditioned conjugate gradients for all modalities at once; every tensor (n, m)."""
    nothing = torch.zeros(1, rhs.shape[1], device=rhs.device)

    def laplacian(a: Tensor) -> Tensor:
        return degree * a - torch.cat([a, nothing])[neighbors].sum(1)

    residual = rhs - laplacian(x)
    z = residual / degree
    direction = z.clone()
    rho = (residual * z).sum(0)
    goal = tolerance * rhs.norm(dim=0) + 1e-6
    for k in range(limit):
        if k % 8 == 0 and bool((residual.norm(dim=0) <= goal).all()):
            break
        image = laplacian(direction)
        curvature = (direction * image).sum(0)
        alpha = rho / torch.where(curvature > 0, curvature, 1)
        x = x + alpha * direction
        residual = residual - alpha * image
        z = residual / degree
        renewed = (residual * z).sum(0)
        direction = z + renewed / torch.where(rho > 0, rho, 1) * direction
        rho = renewed
    return x


def depths(unknown: NDArray[np.bool_], device: torch.device) -> NDArray[np.uint8]:
    """Distance to the nearest voxel that is not unknown, whole voxels, at most :data:`DEPTH_LIMIT`; (x, y, z)."""
    far = float(3 * (DEPTH_LIMIT + 1) ** 2)
    squares = torch.where(torch.from_numpy(unknown).to(device), far, 0.0)
    for axis in range(3):
        length = squares.shape[axis]
        best = squares.clone()
        for step in range(1, min(DEPTH_LIMIT + 1, length)):
            here, there = squares.narrow(axis, 0, length - step), squares.narrow(axis, step, length - step)
            low, high = best.narrow(axis, 0, length - step), best.narrow(axis, step, length - step)
            torch.minimum(low, there + step**2, out=low)
            torch.minimum(high, here + step**2, out=high)
        squares = best
    return squares.sqrt().clamp(max=DEPTH_LIMIT).byte().cpu().numpy()


def reflect(
    volumes: NDArray[np.float32], usable: NDArray[np.bool_], plane: MirrorPlane, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """:func:`seg_editor.anatomy.mirror.reflect` on a device."""
    seen = torch.from_numpy(usable).to(device)
    stack = torch.cat([seen.double()[None], torch.from_numpy(volumes).to(device).double() * seen])
    shape = torch.tensor(usable.shape, dtype=torch.float64, device=device)
    matrix = torch.from_numpy(plane.matrix).to(device)
    shift = torch.from_numpy(plane.shift).to(device)
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float64, device=device) for n in usable.shape), indexing="ij")
    there = torch.stack(axes, -1) @ matrix.T + shift
    inside = ((there >= 0) & (there <= shape - 1)).all(-1)
    grid = (2 * there / (shape - 1).clamp(min=1) - 1).flip(-1)
    moved = F.grid_sample(stack[None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=True)[0]
    valid = inside & (moved[0] > 0.999)
    return (moved[1:] * valid).float().cpu().numpy(), valid.cpu().numpy()

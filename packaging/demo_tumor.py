"""A glioma grown into the healthy brain: mass effect, lobulated core with an enhancing rim, edema along white matter.

Arrays are on the case grid, canonical RAS+ (x, y, z), 1 mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from demo_noise import Field, blur, smooth_noise, soft_step
from numpy.typing import NDArray
from scipy import ndimage

CENTER = (146.0, 146.0, 84.0)
CORE_RADIUS = 16.5
PUSH_MM = 8.0
PUSH_REACH_MM = 24.0
EDEMA_ML = 58.0


@dataclass(frozen=True)
class Tumor:
    """Soft shares in [0, 1] that the contrast uses, and the labels that go with them (NCR 1, ED 2, ET 4)."""

    necrosis: Field
    rim: Field
    edema: Field
    labels: NDArray[np.int16]


def radial(shape: tuple[int, int, int]) -> tuple[list[Field], Field]:
    """Offsets from the tumor center (broadcastable) and the distance, voxels."""
    grid = np.ogrid[: shape[0], : shape[1], : shape[2]]
    offsets = [(axis - center).astype(np.float32) for axis, center in zip(grid, CENTER, strict=True)]
    distance = np.sqrt(offsets[0] ** 2 + offsets[1] ** 2 + offsets[2] ** 2) + 1e-3
    return offsets, distance.astype(np.float32)


def mass_effect(shape: tuple[int, int, int], freedom: Field) -> list[Field]:
    """Where each voxel of the diseased brain came from: displacement to add to its position, voxels, three arrays.

    Parameters
    ----------
    freedom : 0 where the skull holds the tissue, 1 where it can move
    """
    offsets, distance = radial(shape)
    surface = np.exp(-np.maximum(distance - CORE_RADIUS, 0.0) / PUSH_REACH_MM)
    inside = np.minimum(distance / CORE_RADIUS, 1.0)
    pull = -PUSH_MM * surface * inside * freedom / distance
    return [(pull * offset).astype(np.float32) for offset in offsets]


def grow(wm: Field, csf: Field, depth: Field, rng: np.random.Generator) -> Tumor:
    """Grow core and edema.

    Parameters
    ----------
    wm, csf : tissue shares of the displaced healthy brain
    depth : distance to the outer border of the brain, mm
    """
    shape = (wm.shape[0], wm.shape[1], wm.shape[2])
    offsets, _ = radial(shape)
    stretched = np.sqrt((offsets[0] / 0.95) ** 2 + (offsets[1] / 1.15) ** 2 + (offsets[2] / 0.95) ** 2)
    lobes = (
        2.6 * smooth_noise(rng, shape, 6.5) + 1.3 * smooth_noise(rng, shape, 3.0) + 0.5 * smooth_noise(rng, shape, 1.5)
    )
    core = (CORE_RADIUS - stretched + lobes).astype(np.float32)
    satellite = np.sqrt((offsets[0] - 6.0) ** 2 + (offsets[1] + 23.0) ** 2 + (offsets[2] - 4.0) ** 2)
    core = np.maximum(core, (4.5 - satellite + 0.6 * lobes)).astype(np.float32)
    core = np.minimum(core, 0.9 * depth - 2.0).astype(np.float32) - 2.0 * soft_step(csf - 0.6, 0.4)
    core = np.where((core > 0.0) & ~without_islands(core > 0.0, 300), np.float32(-4.0), core)
    thickness = 4.4 + 1.5 * smooth_noise(rng, shape, 4.5) + 1.1 * smooth_noise(rng, shape, 2.0)
    thickness = np.clip(thickness, 2.0, 8.0)
    core_share = soft_step(core, 1.6)
    necrosis = soft_step((core - thickness).astype(np.float32), 1.8)
    rim = core_share - necrosis
    edema_level = edema_distance(wm, csf, core > 0.0, rng)
    edema = soft_step(edema_level, 3.0) * (1.0 - core_share)
    labels = np.zeros(shape, dtype=np.int16)
    labels[without_islands((edema_level > 0.35) & (csf < 0.5), 80)] = 2
    labels[core > 0.0] = 4
    labels[core - thickness > 0.0] = 1
    labels[depth <= 0.5] = 0
    return Tumor(necrosis=necrosis, rim=rim.astype(np.float32), edema=edema.astype(np.float32), labels=labels)


def edema_distance(wm: Field, csf: Field, core: NDArray[np.bool_], rng: np.random.Generator) -> Field:
    """Level of the edema: travel cost left at each voxel, in mm of white matter; positive inside."""
    from skimage.graph import MCP_Geometric

    shape = (wm.shape[0], wm.shape[1], wm.shape[2])
    places = np.argwhere(core)
    low = np.maximum(places.min(axis=0) - 45, 0)
    high = np.minimum(places.max(axis=0) + 46, shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    roughness = np.exp(0.55 * smooth_noise(rng, shape, 4.0) + 0.35 * smooth_noise(rng, shape, 10.0))
    speed = 0.10 + 0.90 * wm**2 - 0.07 * csf
    cost = np.where(core, 0.05, roughness / np.maximum(speed, 0.03))[box]
    starts = np.argwhere(core[box])[::7]
    travel, _ = MCP_Geometric(cost.astype(np.float64)).find_costs([tuple(int(v) for v in s) for s in starts])
    reached = blur(np.minimum(travel, 200.0).astype(np.float32), 0.7)
    outside_core = np.sort(reached[~core[box]])
    limit = float(outside_core[int(EDEMA_ML * 1000)])
    level = np.full(shape, -50.0, dtype=np.float32)
    level[box] = limit - reached
    return level


def without_islands(mask: NDArray[np.bool_], smallest: int) -> NDArray[np.bool_]:
    """Drop the components of fewer than `smallest` voxels."""
    parts, count = ndimage.label(mask)
    keep = np.bincount(parts.ravel(), minlength=count + 1) >= smallest
    keep[0] = False
    result: NDArray[np.bool_] = keep[parts]
    return result

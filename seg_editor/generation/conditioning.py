"""What the M5 network may look at: the patient's own context, laid out as channels.

Everything is in *network units*: normalized intensities (median 0, interquartile range 1 of healthy brain) divided by
:data:`CHANNEL_SCALE`. Training and the editor assemble their inputs with the same functions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Divides normalized intensities, in the order of ``MODALITIES``; T2 has the longest range (CSF).
CHANNEL_SCALE = np.array([1.0, 1.35, 2.2, 1.15], np.float32)
#: Slices around the target that the network sees.
NEIGHBORS = (-8, -4, -2, -1, 0, 1, 2, 4, 8)
#: Which of them show their brain mask.
BRAIN_AT = tuple(NEIGHBORS.index(d) for d in (-2, 0, 2))
#: Lateral distances are divided by it; depths are cut at DEPTH_LIMIT and divided by DEPTH_SCALE. Voxels.
LATERAL_SCALE = 70.0
DEPTH_LIMIT, DEPTH_SCALE = 30.0, 10.0
_LIMIT = 6.0

#: What the referee sees outside the brain, in interquartile ranges from the median: darker than any tissue.
AIR = -4.0

N_MODALITIES = 4
#: Channels besides the noisy residual: context, unknown, brain, mirror + validity, position, depth, presence.
CONTEXT_CHANNELS = 4 * len(NEIGHBORS) + len(NEIGHBORS) + len(BRAIN_AT) + 5 + 3 + 1 + 4
#: Where the target slice's own unknown mask, brain mask and lateral position stand among them.
UNKNOWN_CHANNEL = 4 * len(NEIGHBORS) + len(NEIGHBORS) // 2
BRAIN_CHANNEL = 5 * len(NEIGHBORS) + len(BRAIN_AT) // 2
LATERAL_CHANNEL = 5 * len(NEIGHBORS) + len(BRAIN_AT) + 5


def to_network_units(normalized: Floats, brain: Mask) -> Floats:
    """Normalized volumes (m, x, y, z) to network units; air becomes 0."""
    scale = CHANNEL_SCALE.reshape(-1, *([1] * (normalized.ndim - 1)))
    out = np.divide(normalized, scale, dtype=np.float32)
    np.clip(out, -_LIMIT, _LIMIT, out=out)
    np.copyto(out, 0, where=~brain)
    return out


def positions(lateral: Floats, brain_box: tuple[slice, ...], origin: tuple[int, int], z: int) -> Floats:
    """Coordinates of a slice relative to the brain: lateral distance, anterior and superior position, about -1..1.

    Parameters
    ----------
    lateral : array (h, w)
        Signed distance to the mid-sagittal plane in mm.
    brain_box : three slices
        The brain's bounding box.
    origin : (int, int)
        Where the window begins along x and y.
    z : int
        Slice.
    """
    h, w = lateral.shape
    y0, y1, z0, z1 = brain_box[1].start, brain_box[1].stop, brain_box[2].start, brain_box[2].stop
    y = np.arange(origin[1], origin[1] + w, dtype=np.float32)
    anterior = 2 * (y - y0) / max(y1 - y0, 1) - 1
    superior = 2 * (z - z0) / max(z1 - z0, 1) - 1
    out = np.empty((3, h, w), np.float32)
    out[0] = lateral / LATERAL_SCALE
    out[1] = anterior[None, :]
    out[2] = superior
    return out


def assemble(
    filled: Floats,
    unknown: Mask,
    brain: Mask,
    mirrored: Floats,
    mirror_valid: Mask,
    position: Floats,
    depth: Floats,
    present: NDArray[np.bool_],
) -> Floats:
    """Stack one slice's context into channels.

    Parameters
    ----------
    filled : float32 (4, n, h, w)
        Context of the slice and its n - 1 neighbors, the unknown part filled harmonically, network units.
    unknown, brain : bool (n, h, w)
        Voxels that may not be looked at; brain.
    mirrored : float32 (4, h, w)
        The other hemisphere; zero where not valid.
    mirror_valid : bool (h, w)
    position : float32 (3, h, w)
    depth : float32 (h, w)
        Distance to the nearest known voxel in voxels, 0 outside the unknown part.
    present : bool (4,)
        Which modalities the case has; absent ones are zeroed.

    Returns
    -------
    float32 (CONTEXT_CHANNELS, h, w)
    """
    h, w = depth.shape
    out = np.empty((CONTEXT_CHANNELS, h, w), np.float32)
    at = 0
    flags = present.astype(np.float32)
    n = len(NEIGHBORS)
    out[at : at + 4 * n] = (filled * flags[:, None, None, None]).reshape(4 * n, h, w)
    at += 4 * n
    out[at : at + n] = unknown
    at += n
    out[at : at + len(BRAIN_AT)] = brain[list(BRAIN_AT)]
    at += len(BRAIN_AT)
    out[at : at + 4] = mirrored * flags[:, None, None]
    out[at + 4] = mirror_valid
    out[at + 5 : at + 8] = position
    out[at + 8] = np.minimum(depth, DEPTH_LIMIT) / DEPTH_SCALE
    out[at + 9 : at + 13] = flags[:, None, None]
    return out

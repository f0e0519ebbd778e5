"""The posterior mean of a whole hole: blocks around its parts go through M5's volume network, once a hole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.mirror import MirrorPlane

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seg_editor.generation.context import CaseContext

Box = tuple[slice, slice, slice]
Mask = NDArray[np.bool_]

#: Context around each part of the hole, and the smallest side of a block, in voxels.
MARGIN, SMALLEST = 24, 96
_CELL = 8


def posterior_mean(
    network: nn.Module, context: CaseContext, check: Callable[[], None] | None = None
) -> NDArray[np.float32]:
    """Expected residual to the harmonic fill at every unknown voxel.

    Parameters
    ----------
    network : VolumeNet
    context : CaseContext
    check : callable, optional
        Called before every block; raises to stop.

    Returns
    -------
    float32 (4, x, y, z)
        On the context's crop, network units, 0 outside the unknown part.
    """
    import torch

    out = np.zeros(context.filled.shape, np.float32)
    device = next(network.parameters()).device
    for box in blocks(context.unknown):
        if check is not None:
            check()
        channels = block_channels(context, box).to(device)
        with torch.inference_mode():
            residual = network(channels[None])[0].float().cpu().numpy()
        inside = tuple(slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, context.brain.shape, strict=True))
        local = tuple(slice(i.start - s.start, i.stop - s.start) for i, s in zip(inside, box, strict=True))
        new = context.unknown[inside] & (out[(0, *inside)] == 0)
        out[(slice(None), *inside)] = np.where(new, residual[(slice(None), *local)], out[(slice(None), *inside)])
    return out


def blocks(unknown: Mask) -> list[Box]:
    """Boxes that cover all unknown voxels with :data:`MARGIN` around them; sides are multiples of 16.

    A box may reach beyond the volume (negative starts included). A pure function of the mask.
    """
    from seg_editor.generation.volume_net import MULTIPLE

    pads = [(0, -n % _CELL) for n in unknown.shape]
    x, y, z = ((n + p) // _CELL for n, (_, p) in zip(unknown.shape, pads, strict=True))
    cells = np.pad(unknown, pads).reshape(x, _CELL, y, _CELL, z, _CELL).any((1, 3, 5))
    labels, _ = ndi.label(cells, np.ones((3, 3, 3)))
    found = [tuple(slice(s.start * _CELL, s.stop * _CELL) for s in o) for o in ndi.find_objects(labels)]
    parts = _merged([_widened(box, MULTIPLE) for box in found if box is not None])
    return [_widened(box, MULTIPLE, margin=0) for box in parts]


def _widened(box: tuple[slice, ...], multiple: int, margin: int = MARGIN) -> Box:
    sides = []
    for s in box:
        low, high = s.start - margin, s.stop + margin
        size = max(SMALLEST, -(-(high - low) // multiple) * multiple)
        start = (low + high - size) // 2
        sides.append(slice(start, start + size))
    return sides[0], sides[1], sides[2]


def _merged(boxes: list[Box]) -> list[Box]:
    """Join boxes while one around both is no larger than the two."""
    boxes = list(boxes)
    again = True
    while again:
        again = False
        for i in range(len(boxes)):
            for j in range(i + 1, len(boxes)):
                both = _around(boxes[i], boxes[j])
                if _volume(both) <= _volume(boxes[i]) + _volume(boxes[j]):
                    boxes[i] = both
                    del boxes[j]
                    again = True
                    break
            if again:
                break
    return boxes


def _around(a: Box, b: Box) -> Box:
    x, y, z = (slice(min(p.start, q.start), max(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
    return x, y, z


def _volume(box: Box) -> int:
    return int(np.prod([s.stop - s.start for s in box]))


def block_channels(context: CaseContext, box: Box) -> Tensor:
    """What the network sees of a block: (VOLUME_CHANNELS, x, y, z); beyond the crop everything is 0."""
    import torch

    from seg_editor.generation.volume_net import volume_context

    shape = context.brain.shape
    inside = tuple(slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, shape, strict=True))
    pads = [(i.start - s.start, s.stop - i.stop) for i, s in zip(inside, box, strict=True)]

    def cut(a: NDArray[np.generic]) -> Tensor:
        part = np.asarray(a[(..., *inside)], np.float32)
        return torch.from_numpy(np.pad(part, [(0, 0)] * (part.ndim - 3) + pads))

    mirrored, valid = reflect_block(context.filled, context.brain & ~context.unknown, context.plane, inside)
    spans = [np.arange(s.start, s.stop, dtype=np.float32) for s in inside]
    a, b, c = context.plane.normal
    i, j, k = np.ix_(*spans)
    lateral = np.asarray(a * i + b * j + c * k - context.plane.offset, np.float32) / 70.0
    size = [s.stop - s.start for s in box]
    position = torch.zeros(3, *size)
    position[0] = torch.from_numpy(np.pad(lateral, pads))
    for n, axis in ((1, 1), (2, 2)):
        span, brain = np.arange(box[axis].start, box[axis].stop, dtype=np.float32), context.brain_box[axis]
        values = torch.from_numpy(2 * (span - brain.start) / max(brain.stop - brain.start, 1) - 1)
        position[n] = values[None, :, None] if axis == 1 else values[None, None, :]
    return volume_context(
        cut(context.filled),
        cut(context.unknown),
        cut(context.brain),
        cut(context.depth),
        torch.from_numpy(np.pad(mirrored, [(0, 0), *pads])),
        torch.from_numpy(np.pad(valid.astype(np.float32), pads)),
        position,
        torch.from_numpy(context.present.copy()),
    )


def reflect_block(
    volumes: NDArray[np.float32], usable: Mask, plane: MirrorPlane, box: tuple[slice, ...]
) -> tuple[NDArray[np.float32], Mask]:
    """What :func:`seg_editor.anatomy.mirror.reflect` gives in `box`, computed there only.

    Returns
    -------
    mirrored : float32 (m, bx, by, bz)
        0 where not valid.
    valid : bool (bx, by, bz)
    """
    import torch
    from torch.nn import functional as F

    matrix = plane.matrix.astype(np.float64)
    corners = np.array(np.meshgrid(*[(s.start, s.stop - 1) for s in box], indexing="ij")).reshape(3, -1)
    there = matrix @ corners + plane.shift[:, None]
    shape = np.array(usable.shape)
    low = np.clip(np.floor(there.min(1)).astype(int) - 1, 0, shape - 2)
    high = np.clip(np.ceil(there.max(1)).astype(int) + 2, low + 2, shape)
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    seen = usable[source]
    stack = np.concatenate([seen[None].astype(np.float32), np.where(seen, volumes[(slice(None), *source)], 0)])
    spans = [torch.arange(s.start, s.stop, dtype=torch.float32) for s in box]
    place = torch.stack(torch.meshgrid(*spans, indexing="ij"), -1)
    shift = torch.from_numpy((plane.shift - low).astype(np.float32))
    at = place @ torch.from_numpy(matrix.T.astype(np.float32)) + shift
    extent = torch.tensor([s - 1 for s in seen.shape], dtype=torch.float32).clamp(min=1)
    grid = (2 * at / extent - 1).flip(-1)[None]
    source_block = torch.from_numpy(stack)[None]
    moved = F.grid_sample(source_block, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    valid = moved[0, 0] > 0.999
    mirrored = (moved[0, 1:] * valid).numpy()
    return np.asarray(mirrored, np.float32), valid.numpy()

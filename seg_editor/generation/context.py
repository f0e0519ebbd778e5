"""A case with the hole emptied, in network units: all that a model may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.harmonic import harmonic_fill
from seg_editor.anatomy.mirror import MirrorPlane, estimate_plane, reflect_slice
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import MODALITIES, Case, Modality
from seg_editor.generation.conditioning import CHANNEL_SCALE, NEIGHBORS, assemble, positions, to_network_units

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]

_PAD = 2


@dataclass(frozen=True)
class CaseContext:
    """Volumes cropped to the brain, the unknown part filled harmonically.

    Nothing here depends on what stood in the unknown voxels.

    Attributes
    ----------
    box : three slices
        The crop on the case's grid.
    filled : float32 (4, x, y, z)
        Network units; air and absent modalities 0.
    unknown, brain : bool (x, y, z)
    depth : float32 (x, y, z)
        Whole voxels to the nearest known voxel (rounded down, as the training bank stores it), 0 outside.
    plane : MirrorPlane
        Mid-sagittal plane in crop coordinates.
    present : bool (4,)
    scales : mapping of Modality to IntensityScale
    """

    box: tuple[slice, slice, slice]
    filled: Floats
    unknown: Mask
    brain: Mask
    depth: Floats
    plane: MirrorPlane
    brain_box: tuple[slice, ...]
    present: Mask
    scales: Mapping[Modality, IntensityScale]

    @classmethod
    def of(cls, case: Case, unknown: Mask, *, check: Callable[[], None] = lambda: None) -> CaseContext:
        """Empty `unknown` (bool, the case's grid) and prepare the rest.

        `check` is called between the parts of the work and ends it by raising.
        """
        unknown = unknown & case.brain
        brain = case.brain
        found = ndi.find_objects(brain.astype(np.uint8))[0]
        spans = zip(found, brain.shape, strict=True)
        x, y, z = (slice(max(s.start - _PAD, 0), min(s.stop + _PAD, n)) for s, n in spans)
        box = (x, y, z)
        brain, unknown = brain[box], unknown[box]
        known = brain & ~unknown
        normalized = np.zeros((len(MODALITIES), *brain.shape), np.float32)
        scales = {}
        for i, m in enumerate(MODALITIES):
            if m in case.volumes:
                values = case.volumes[m].values(box)
                scales[m] = IntensityScale.of(values, known)
                normalized[i] = scales[m].normalize(values)
                check()
        present = np.array([m in case.volumes for m in MODALITIES])
        first = int(np.flatnonzero(present)[0])
        plane = estimate_plane(normalized[first], known)
        check()
        filled = to_network_units(normalized, brain)
        filled[:, unknown] = 0
        indices = np.flatnonzero(present)
        solved = harmonic_fill(filled[indices], unknown, known)
        check()
        for row, i in enumerate(indices):
            filled[i][unknown] = solved[row]
        depth = _depth(unknown)
        inner = ndi.find_objects(brain.astype(np.uint8))[0]
        return cls(box, filled, unknown, brain, depth, plane, inner, present, scales)

    def window(self, k: int, *, margin: int = 24, multiple: int = 16) -> Window | None:
        """In-plane window around the unknown voxels of crop slice `k`, its sides divisible by `multiple`.

        ``None`` when the slice holds none. The window may be smaller than the slice but never leaves it unless the
        slice itself is too small; :meth:`channels` pads then.
        """
        here = self.unknown[:, :, k]
        if not here.any():
            return None
        spans = []
        for axis in (0, 1):
            hits = np.flatnonzero(here.any(1 - axis))
            n = here.shape[axis]
            low, high = int(hits[0]) - margin, int(hits[-1]) + 1 + margin
            size = max(96, -(-(high - low) // multiple) * multiple)
            size = min(size, -(-n // multiple) * multiple)
            start = int(np.clip((low + high - size) // 2, 0, max(n - size, 0)))
            spans.append(slice(start, start + size))
        return spans[0], spans[1]

    def channels(self, k: int, window: Window) -> Floats:
        """Conditioning channels (CONTEXT_CHANNELS, h, w) of crop slice `k` in `window`."""
        depth_count = self.brain.shape[2]
        zs = np.clip([k + d for d in NEIGHBORS], 0, depth_count - 1)
        h, w = (s.stop - s.start for s in window)
        pads = [max(s.stop - n, 0) for s, n in zip(window, self.brain.shape, strict=False)]

        def cut(a: NDArray[np.generic]) -> NDArray[np.generic]:
            part = a[..., window[0], window[1]]
            return np.pad(part, [(0, 0)] * (part.ndim - 2) + [(0, p) for p in pads]) if any(pads) else part

        filled = cut(np.moveaxis(self.filled[..., zs], -1, 1))
        unknown, brain = (cut(np.moveaxis(a[..., zs], -1, 0)) for a in (self.unknown, self.brain))
        mirrored, valid = reflect_slice(self.filled, self.brain & ~self.unknown, self.plane, k)
        lateral = self._lateral(k, window)
        return assemble(
            np.asarray(filled, np.float32),
            np.asarray(unknown, bool),
            np.asarray(brain, bool),
            np.asarray(cut(mirrored), np.float32),
            np.asarray(cut(valid), bool),
            positions(lateral, self.brain_box, (window[0].start, window[1].start), k),
            np.asarray(cut(self.depth[..., k]), np.float32).reshape(h, w),
            self.present,
        )

    def _lateral(self, k: int, window: Window) -> Floats:
        i, j = np.ogrid[window[0], window[1]]
        a, b, c = self.plane.normal
        return np.asarray(a * i + b * j + c * k - self.plane.offset, np.float32)

    def to_intensity(self, modality: Modality, network: Floats) -> Floats:
        """Network units to the modality's own intensities."""
        scale = CHANNEL_SCALE[MODALITIES.index(modality)]
        return self.scales[modality].invert(network * scale)


def _depth(unknown: Mask) -> Floats:
    """Whole voxels to the nearest known voxel, computed in the box of the unknown ones."""
    out = np.zeros(unknown.shape, np.float32)
    if unknown.any():
        x, y, z = (slice(max(s.start - 1, 0), s.stop + 1) for s in ndi.find_objects(unknown.astype(np.uint8))[0])
        out[x, y, z] = np.floor(ndi.distance_transform_edt(unknown[x, y, z]))
    return out

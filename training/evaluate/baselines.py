"""Fills that need no training: every result is measured against them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.harmonic import harmonic_fill
from seg_editor.anatomy.mirror import estimate_plane, reflect

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
#: Fills `hole` (x, y, z) of one volume from `known` voxels and returns the volume.
Fill = Callable[[Floats, Mask, Mask], Floats]

_RING = 4
_COVER = 0.98


def ring_mean(volume: Floats, hole: Mask, known: Mask) -> Floats:
    """Every connected part of the hole gets the mean of the known voxels within 4 of it."""
    out = volume.copy()
    parts, _ = ndi.label(hole)
    for number, found in enumerate(ndi.find_objects(parts), start=1):
        box = tuple(slice(max(s.start - _RING - 1, 0), s.stop + _RING + 1) for s in found)
        part = parts[box] == number
        ring = ndi.binary_dilation(part, iterations=_RING) & known[box]
        out[box][part] = volume[box][ring].mean() if ring.any() else volume[known].mean()
    return out


def harmonic(volume: Floats, hole: Mask, known: Mask) -> Floats:
    """The 3D harmonic fill."""
    out = volume.copy()
    out[hole] = harmonic_fill(volume[None], hole, known)[0]
    return out


def biharmonic(volume: Floats, hole: Mask, known: Mask) -> Floats:
    """scikit-image's biharmonic fill, slice by slice; what it may not look at is filled harmonically before."""
    from skimage.restoration import inpaint_biharmonic

    out = harmonic(volume, hole, known)
    blind = ~known & ~hole
    low, high = float(volume[known].min()), float(volume[known].max())
    for k in np.flatnonzero(hole.any((0, 1))):
        here = hole[:, :, k]
        x, y = (slice(max(s.start - 8, 0), s.stop + 8) for s in ndi.find_objects(here.astype(np.uint8))[0])
        plane = np.array(out[x, y, k], np.float64)
        seen = known[x, y, k]
        if blind[x, y, k].any() and seen.any():
            at = ndi.distance_transform_edt(~seen, return_distances=False, return_indices=True)
            plane = np.where(blind[x, y, k], plane[tuple(at)], plane)
        filled = inpaint_biharmonic(plane, here[x, y])
        out[x, y, k] = np.where(here[x, y], np.clip(filled, low, high), out[x, y, k])
    return out


def mirrored(volume: Floats, hole: Mask, known: Mask) -> Floats:
    """The other hemisphere, in the estimated mid-sagittal plane; where that is not known, the harmonic fill."""
    inside = volume[known]
    scaled = ((volume - np.median(inside)) / max(float(inside.std()), 1e-6) * known).astype(np.float32)
    moved, valid = reflect(volume[None], known, estimate_plane(scaled, known))
    out = harmonic(volume, hole, known)
    return np.where(hole & valid, moved[0], out).astype(np.float32)


def donor(volume: Floats, hole: Mask, known: Mask) -> Floats:
    """Real healthy tissue: each part of a slice's hole from the nearest slice where the same place is known.

    Not a plausible brain, but real texture and no tumor: what a referee says there is the floor of a figure.
    """
    out = harmonic(volume, hole, known)
    depth = hole.shape[2]
    for k in np.flatnonzero(hole.any((0, 1))):
        parts, count = ndi.label(hole[:, :, k])
        for number in range(1, count + 1):
            part = parts == number
            cover = known[part].mean(0)
            order = sorted(range(depth), key=lambda z: abs(z - k))
            best = next((z for z in order if cover[z] >= _COVER), int(np.argmax(cover)))
            usable = part & known[:, :, best]
            out[:, :, k][usable] = volume[:, :, best][usable]
    return out


FILLS: dict[str, Fill] = {
    "ring-mean": ring_mean,
    "harmonic": harmonic,
    "biharmonic": biharmonic,
    "mirrored": mirrored,
    "donor": donor,
}

"""A bank of placed holes: the slow part of M5's training samples (3D harmonic fill, distances), made once.

Arrays run slice first, (z, x, y), so that a training sample reads a few contiguous slices.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.harmonic import harmonic_fill
from seg_editor.anatomy.mirror import reflect
from training.prepare.holes import TumorShapes, place_holes
from training.prepare.volumes import PreparedCase

_KEYS = ("unknown", "target", "mirror_valid", "fill", "depth", "start", "area")


@dataclass
class BankedCase:
    """A prepared case, slice first: ``volumes`` and ``mirrored`` float16 (z, 4, x, y), ``brain`` bool (z, x, y)."""

    case: PreparedCase
    volumes: NDArray[np.float16]
    mirrored: NDArray[np.float16]
    brain: NDArray[np.bool_]
    lateral: NDArray[np.float32]
    box: tuple[slice, ...]

    @classmethod
    def of(cls, case: PreparedCase) -> BankedCase:
        usable = case.brain & ~case.tumor
        mirrored, _ = reflect(case.volumes.astype(np.float32), usable, case.plane)
        return cls(
            case=case,
            volumes=np.ascontiguousarray(case.volumes.transpose(3, 0, 1, 2)),
            mirrored=np.ascontiguousarray(mirrored.astype(np.float16).transpose(3, 0, 1, 2)),
            brain=np.ascontiguousarray(case.brain.transpose(2, 0, 1)),
            lateral=np.ascontiguousarray(case.plane.lateral(case.shape).transpose(2, 0, 1)),
            box=ndi.find_objects(case.brain.astype(np.uint8))[0],
        )


@dataclass
class PlacedHoles:
    """One case with holes: what is unknown, what is scored, and the harmonic fill.

    Attributes
    ----------
    unknown, target, mirror_valid : uint8 (z, bytes)
        Bit-packed slices: emptied voxels (holes and tumor), healthy hole voxels, mirrored voxels that may be used.
    fill : float16 (n, 4)
        Harmonic fill at the unknown voxels, slice first.
    depth : uint8 (n)
        Distance to the nearest known voxel.
    start : int64 (z + 1)
        Where each slice begins in `fill` and `depth`.
    area : int32 (z)
        Target voxels a slice.
    """

    case_id: str
    unknown: NDArray[np.uint8]
    target: NDArray[np.uint8]
    mirror_valid: NDArray[np.uint8]
    fill: NDArray[np.float16]
    depth: NDArray[np.uint8]
    start: NDArray[np.int64]
    area: NDArray[np.int32]

    @classmethod
    def make(
        cls, case: PreparedCase, hole: NDArray[np.bool_], *, without_tumor: NDArray[np.float32] | None = None
    ) -> PlacedHoles:
        """Empty `hole` and the tumor, and fill both harmonically.

        Parameters
        ----------
        case : PreparedCase
        hole : bool (x, y, z)
        without_tumor : float32 (4, x, y, z), optional
            What :func:`fill_tumor` gave; parts of the tumor that no hole touches are taken from it.
        """
        unknown = hole | case.tumor
        known = case.brain & ~unknown
        block = fill_tumor(case) if without_tumor is None else without_tumor.copy()
        parts, _ = ndi.label(unknown)
        renew = np.isin(parts, np.unique(parts[hole])) & unknown
        block[:, renew] = harmonic_fill(case.volumes.astype(np.float32), renew, known)
        distance = _depth(unknown)
        valid = reflected_mask(known, case)
        by_slice = unknown.transpose(2, 0, 1)
        counts = by_slice.sum((1, 2))
        target = (hole & ~case.tumor & case.brain).transpose(2, 0, 1)
        return cls(
            case_id=case.case_id,
            unknown=pack(by_slice),
            target=pack(target),
            mirror_valid=pack(valid.transpose(2, 0, 1)),
            fill=block.transpose(3, 1, 2, 0)[by_slice].astype(np.float16),
            depth=np.minimum(distance, 255).astype(np.uint8).transpose(2, 0, 1)[by_slice],
            start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            area=target.sum((1, 2)).astype(np.int32),
        )


def fill_tumor(case: PreparedCase) -> NDArray[np.float32]:
    """The case's volumes with the tumor filled harmonically, float32 (4, x, y, z)."""
    volumes = case.volumes.astype(np.float32)
    volumes[:, case.tumor] = harmonic_fill(volumes, case.tumor, case.brain & ~case.tumor)
    return volumes


def _depth(unknown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance to the nearest voxel that is not unknown, computed in the box of the unknown."""
    out = np.zeros(unknown.shape)
    if unknown.any():
        box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in ndi.find_objects(unknown.astype(np.uint8))[0])
        out[box] = ndi.distance_transform_edt(unknown[box])
    return out


def reflected_mask(usable: NDArray[np.bool_], case: PreparedCase) -> NDArray[np.bool_]:
    """Voxels whose mirrored counterpart may be looked at."""
    empty = np.zeros((0, *usable.shape), np.float32)
    return reflect(empty, usable, case.plane)[1]


def pack(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bit-pack (z, x, y) a slice at a time."""
    return np.packbits(mask.reshape(mask.shape[0], -1), axis=1)


def unpack(bits: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Undo :func:`pack` for some slices: (k, bytes) to (k, x, y)."""
    return np.unpackbits(bits, axis=1, count=shape[0] * shape[1]).astype(bool).reshape(-1, *shape)


def make_shard(
    cases: list[PreparedCase], shapes: TumorShapes, path: Path, *, seed: int, index: int, count: int
) -> None:
    """Write `count` hole placements to one file; a pure function of (cases, seed, index)."""
    arrays: dict[str, NDArray[np.generic]] = {}
    ids = []
    bases: dict[str, NDArray[np.float32]] = {}
    for i in range(count):
        rng = np.random.default_rng([seed, index, i])
        case = cases[(index * count + i) % len(cases)]
        holes = place_holes(case.brain, case.tumor, shapes, rng, count=int(rng.integers(2, 6)))
        if case.case_id not in bases:
            bases[case.case_id] = fill_tumor(case)
        placed = PlacedHoles.make(case, holes.hole, without_tumor=bases[case.case_id])
        ids.append(case.case_id)
        for key in _KEYS:
            arrays[f"{i}.{key}"] = getattr(placed, key)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as f:
        np.savez(f, ids=np.array(ids), **arrays)  # type: ignore[arg-type]
    temporary.replace(path)


def load_bank(folder: Path, limit: int | None = None) -> list[PlacedHoles]:
    """Read all shards of a folder in name order."""
    out: list[PlacedHoles] = []
    for path in sorted(folder.glob("holes_*.npz"))[:limit]:
        with np.load(path, allow_pickle=False) as z:
            for i, case_id in enumerate(z["ids"]):
                out.append(PlacedHoles(str(case_id), *(z[f"{i}.{key}"] for key in _KEYS)))
    return out


def bank_hash(folder: Path) -> str:
    """Identity of a bank: names and sizes of its shards."""
    text = ";".join(f"{p.name}:{p.stat().st_size}" for p in sorted(folder.glob("holes_*.npz")))
    return hashlib.sha256(text.encode()).hexdigest()

"""A bank of placed holes: the slow part of M5's training samples (3D harmonic fill, distances), made once.

Arrays run slice first, (z, x, y), so that a training sample reads a few contiguous slices.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from seg_editor.boxes import EMPTY, Box, bounding_box, widened
from seg_editor.errors import CaseError
from training.prepare.prepared import PreparedCase

if TYPE_CHECKING:
    from training.prepare.holes import TumorShapes

BANK_KEYS = ("unknown", "target", "mirror_valid", "fill", "depth", "start", "area")


@dataclass
class BankedCase:
    """A prepared case, slice first: ``volumes`` and ``mirrored`` float16 (z, 4, x, y), ``brain`` bool (z, x, y)."""

    case: PreparedCase
    volumes: NDArray[np.float16]
    mirrored: NDArray[np.float16]
    brain: NDArray[np.bool_]
    lateral: NDArray[np.float32]
    box: Box

    @classmethod
    def of(cls, case: PreparedCase) -> BankedCase:
        mirrored = _mirrored(case) if case.mirrored is None else case.mirrored
        return cls(
            case=case,
            volumes=np.ascontiguousarray(case.volumes.transpose(3, 0, 1, 2)),
            mirrored=np.ascontiguousarray(mirrored.transpose(3, 0, 1, 2)),
            brain=np.ascontiguousarray(case.brain.transpose(2, 0, 1)),
            lateral=np.ascontiguousarray(case.plane.lateral(case.shape).transpose(2, 0, 1)),
            box=bounding_box(case.brain) or EMPTY,
        )


def _mirrored(case: PreparedCase) -> NDArray[np.float16]:
    from seg_editor.anatomy.mirror import reflect

    mirrored, _ = reflect(case.volumes.astype(np.float32), case.brain & ~case.tumor, case.plane)
    return mirrored.astype(np.float16)


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
        from scipy import ndimage as ndi

        from seg_editor.anatomy.harmonic import harmonic_fill

        unknown = hole | case.tumor
        known = case.brain & ~unknown
        block = fill_tumor(case) if without_tumor is None else without_tumor.copy()
        parts, _ = ndi.label(unknown)
        renew = np.isin(parts, np.unique(parts[hole])) & unknown
        block[:, renew] = harmonic_fill(case.volumes.astype(np.float32), renew, known)
        depth = np.minimum(_depth(unknown), 255).astype(np.uint8)
        return cls.of(case, hole, block[:, unknown], depth[unknown], reflected_mask(known, case))

    @classmethod
    def of(
        cls,
        case: PreparedCase,
        hole: NDArray[np.bool_],
        fill: NDArray[np.floating],
        depth: NDArray[np.uint8],
        mirror_valid: NDArray[np.bool_],
    ) -> PlacedHoles:
        """Put computed parts in order, slice first.

        Parameters
        ----------
        case : PreparedCase
        hole, mirror_valid : bool (x, y, z)
        fill : float (4, n)
            At the voxels of hole and tumor, C order of (x, y, z).
        depth : uint8 (n)
            There too.
        """
        unknown = hole | case.tumor
        by_slice = unknown.transpose(2, 0, 1)
        order = np.zeros(unknown.shape, np.int64)
        order[unknown] = np.arange(depth.size)
        order = order.transpose(2, 0, 1)[by_slice]
        target = (hole & ~case.tumor & case.brain).transpose(2, 0, 1)
        return cls(
            case_id=case.case_id,
            unknown=pack(by_slice),
            target=pack(target),
            mirror_valid=pack(mirror_valid.transpose(2, 0, 1)),
            fill=np.ascontiguousarray(fill.T[order]).astype(np.float16),
            depth=depth[order],
            start=np.concatenate([[0], np.cumsum(by_slice.sum((1, 2)))]).astype(np.int64),
            area=target.sum((1, 2)).astype(np.int32),
        )


def fill_tumor(case: PreparedCase) -> NDArray[np.float32]:
    """The case's volumes with the tumor filled harmonically, float32 (4, x, y, z)."""
    from seg_editor.anatomy.harmonic import harmonic_fill

    volumes = case.volumes.astype(np.float32)
    volumes[:, case.tumor] = harmonic_fill(volumes, case.tumor, case.brain & ~case.tumor)
    return volumes


def _depth(unknown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance to the nearest voxel that is not unknown, computed in the box of the unknown."""
    from scipy import ndimage as ndi

    out = np.zeros(unknown.shape)
    inner = bounding_box(unknown)
    if inner is not None:
        box = widened(inner, 1, unknown.shape)
        out[box] = ndi.distance_transform_edt(unknown[box])
    return out


def reflected_mask(usable: NDArray[np.bool_], case: PreparedCase) -> NDArray[np.bool_]:
    """Voxels whose mirrored counterpart may be looked at."""
    from seg_editor.anatomy.mirror import reflect

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
    from training.prepare.holes import place_holes

    placements = []
    bases: dict[str, NDArray[np.float32]] = {}
    for i in range(count):
        rng = np.random.default_rng([seed, index, i])
        case = cases[(index * count + i) % len(cases)]
        holes = place_holes(case.brain, case.tumor, shapes, rng, count=int(rng.integers(2, 6)))
        if case.case_id not in bases:
            bases[case.case_id] = fill_tumor(case)
        placed = PlacedHoles.make(case, holes.hole, without_tumor=bases[case.case_id])
        placements.append(placed)
    save_shard(placements, path)


def save_shard(placements: list[PlacedHoles], path: Path) -> None:
    """Write placements to one file."""
    arrays = {f"{i}.{key}": getattr(placed, key) for i, placed in enumerate(placements) for key in BANK_KEYS}
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as f:
        np.savez(f, ids=np.array([placed.case_id for placed in placements]), **arrays)
    temporary.replace(path)


def load_shard(path: Path) -> list[PlacedHoles]:
    """Read what :func:`save_shard` wrote.

    Raises
    ------
    CaseError
        The shard is damaged.
    """
    try:
        with path.open("rb") as f, np.load(f, allow_pickle=False) as z:
            return [PlacedHoles(str(i), *(z[f"{k}.{key}"] for key in BANK_KEYS)) for k, i in enumerate(z["ids"])]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
        raise CaseError(
            f"not a readable hole bank ({error})", path=path, remedy="Delete it and run seg-train prepare again"
        ) from error


def load_bank(folder: Path, limit: int | None = None) -> list[PlacedHoles]:
    """Read all shards of a folder in name order; see :func:`load_shard`."""
    return list(read_bank(folder, limit))


def read_bank(folder: Path, limit: int | None = None) -> Iterator[PlacedHoles]:
    """What :func:`load_bank` gives, with one shard in memory at a time."""
    for path in sorted(folder.glob("holes_*.npz"))[:limit]:
        yield from load_shard(path)


def bank_hash(folder: Path) -> str:
    """Identity of a bank: names and sizes of its shards."""
    text = ";".join(f"{p.name}:{p.stat().st_size}" for p in sorted(folder.glob("holes_*.npz")))
    return hashlib.sha256(text.encode()).hexdigest()

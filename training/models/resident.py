"""Prepared cases and their placed holes as planes on one device, from which whole batches of slices are cut there.

Every plane has the same size, so that a batch may mix cases: each case lies in the corner (0, 0), and 0 is around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seg_editor.generation import conditioning
from training.prepare.bank import BankedCase, PlacedHoles, pack, unpack
from training.prepare.prepared import healthy_range

Ints = NDArray[np.int64]

#: Target voxels that a slice needs to be drawn.
LEAST_AREA = 30
#: The tensors that lie on the device.
_OF_BANK = ("unknown", "target", "mirror_valid", "fill", "depth")
_TENSORS = ("volumes", "mirrored", "brain", *_OF_BANK, "_bytes")


@dataclass(frozen=True)
class CaseFacts:
    """What is known of a case besides its planes: ``shape`` (x, y, z), ``range`` (2, 4), the plane, the brain's box."""

    shape: tuple[int, int, int]
    first: int
    present: NDArray[np.bool_]
    range: NDArray[np.float32]
    lateral: tuple[float, float, float, float]
    box: tuple[slice, ...]

    @classmethod
    def of(cls, banked: BankedCase, first: int) -> CaseFacts:
        depth, w, h = banked.brain.shape
        plane = banked.case.plane
        lateral = (*plane.normal, plane.offset)
        return cls((w, h, depth), first, banked.case.present, healthy_range(banked.case), lateral, banked.box)


@dataclass
class Planes:
    """Everything of a batch of slices that a warp moves, side by side in ``stack``, float32 (b, channels, x, y).

    The parts, in this order and with NEIGHBORS slices n: ``filled`` (4 n), ``unknown`` and ``brain`` (n each),
    ``mirrored`` (4; 0 where not valid), ``valid`` (1), ``depth`` (1), ``change`` from the fill to the truth (4; 0 off
    target) and ``target`` (1).
    """

    stack: Tensor

    @staticmethod
    def sizes() -> dict[str, int]:
        """Channels of each part."""
        n, m = len(conditioning.NEIGHBORS), conditioning.N_MODALITIES
        counts = {"filled": m * n, "unknown": n, "brain": n, "mirrored": m, "valid": 1, "depth": 1}
        return counts | {"change": m, "target": 1}

    def parts(self) -> dict[str, Tensor]:
        """Views of the parts."""
        sizes = self.sizes()
        return dict(zip(sizes, torch.split(self.stack, list(sizes.values()), 1), strict=True))

    def sampled(self, grid: Tensor, mode: str) -> Planes:
        """The planes at `grid` (b, 2, h, w), in voxels; 0 beyond them."""
        last = [n - 1 for n in self.stack.shape[-2:]]
        at = torch.stack([2 * grid[:, axis] / last[axis] - 1 for axis in (1, 0)], -1)
        return Planes(F.grid_sample(self.stack, at, mode=mode, padding_mode="zeros", align_corners=True))


class ResidentSet:
    """Cases and hole placements, all on one device.

    Parameters
    ----------
    cases, bank : iterable
        Read once, one after the other, so a generator saves a second copy. Placements of other cases and those
        without a slice of :data:`LEAST_AREA` target voxels are left out.

    Attributes
    ----------
    volumes, mirrored : float16 (planes, 4, x, y)
    brain : uint8 (planes, bytes)
        Bit-packed, as the masks of the placements: ``unknown``, ``target``, ``mirror_valid``, (hole planes, bytes).
    fill : float16 (4 n)
        Harmonic fill of the unknown voxels: plane after plane, in each modality after modality.
    depth : uint8 (n)
        Distance to the nearest known voxel.
    """

    volumes: Tensor
    mirrored: Tensor
    brain: Tensor
    unknown: Tensor
    target: Tensor
    mirror_valid: Tensor
    fill: Tensor
    depth: Tensor

    def __init__(self, cases: Iterable[BankedCase], bank: Iterable[PlacedHoles]) -> None:
        self._add_cases(cases)
        self._add_bank(bank)
        table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
        self._bytes = torch.from_numpy(table).view(torch.int64)[:, 0].contiguous()  # eight voxels at a stroke

    @property
    def device(self) -> torch.device:
        return self.volumes.device

    @property
    def nbytes(self) -> int:
        """Memory on the device."""
        return sum(getattr(self, name).nbytes for name in _TENSORS)

    def to(self, device: torch.device) -> None:
        """Move everything, a tensor at a time."""
        for name in _TENSORS:
            setattr(self, name, getattr(self, name).to(device))

    def _add_cases(self, cases: Iterable[BankedCase]) -> None:
        self.facts: list[CaseFacts] = []
        self.number: dict[str, int] = {}
        parts: dict[str, list[NDArray[Any]]] = {"volumes": [], "mirrored": [], "brain": []}
        count = 0
        for banked in cases:
            self.number[banked.case.case_id] = len(self.facts)
            self.facts.append(CaseFacts.of(banked, count))
            count += banked.brain.shape[0]
            for name, arrays in parts.items():
                arrays.append(getattr(banked, name))
        widest = [max((f.shape[axis] for f in self.facts), default=8) for axis in (0, 1)]
        self.size = (widest[0], widest[1] + -widest[1] % 8)
        self.brain = torch.from_numpy(np.concatenate([self._packed(b) for b in parts.pop("brain")] or [_NO_BITS]))
        self.volumes = self._laid_out(count, parts.pop("volumes"))
        self.mirrored = self._laid_out(count, parts.pop("mirrored"))

    def _add_bank(self, bank: Iterable[PlacedHoles]) -> None:
        """Lay the placements out for :attr:`size`."""
        self.case_of: list[int] = []
        first: list[int] = []
        starts, areas = [np.zeros(1, np.int64)], []
        edges: list[NDArray[np.float64]] = []
        parts: dict[str, list[NDArray[Any]]] = {k: [] for k in ("unknown", "target", "mirror_valid", "fill", "depth")}
        planes = 0
        for holes in bank:
            if holes.case_id not in self.number or int(holes.area.max()) < LEAST_AREA:
                continue
            self.case_of.append(self.number[holes.case_id])
            first.append(planes)
            chance = np.where(holes.area >= LEAST_AREA, np.sqrt(holes.area), 0.0).cumsum()
            edges.append(len(edges) + chance / chance[-1])
            areas.append(holes.area)
            starts.append(holes.start[1:] + starts[-1][-1])
            planes += holes.area.size
            shape = self.facts[self.case_of[-1]].shape[:2]
            for name in ("unknown", "target", "mirror_valid"):
                parts[name].append(self._packed(unpack(getattr(holes, name), shape)))
            parts["fill"].append(_by_plane(holes))
            parts["depth"].append(holes.depth)
        if not first:
            raise ValueError("the hole bank holds nothing for these cases")
        self.first = np.array(first)
        start, self._edges, self._area = (np.concatenate(a) for a in (starts, edges, areas))
        self._spans = np.stack([start[:-1], start[1:]], 1)
        for name in list(parts):
            setattr(self, name, torch.from_numpy(np.concatenate(parts.pop(name))))

    def _packed(self, mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        _, w, h = mask.shape
        return pack(np.pad(mask, [(0, 0), (0, self.size[0] - w), (0, self.size[1] - h)]))

    def _laid_out(self, count: int, arrays: list[NDArray[Any]]) -> Tensor:
        """All cases' (z, 4, x, y) below each other; empties `arrays`."""
        out = torch.zeros(count, conditioning.N_MODALITIES, *self.size, dtype=torch.float16)
        at = 0
        while arrays:
            part = torch.from_numpy(arrays.pop(0))
            out[at : at + len(part), :, : part.shape[2], : part.shape[3]] = part
            at += len(part)
        return out

    def choose(self, hole: NDArray[np.float64], slice_: NDArray[np.float64]) -> tuple[Ints, Ints, Ints]:
        """Placements, slices (weighted by the root of their target area) and those areas, from numbers in [0, 1)."""
        which = (hole * len(self.first)).astype(np.int64)
        plane = np.searchsorted(self._edges, which + slice_, side="right")
        return which, plane - self.first[which], self._area[plane].astype(np.int64)

    def targets(self, hole: Ints, z: Ints) -> Tensor:
        """Masks of the healthy hole voxels, bool (b, x, y)."""
        return self._mask(self.target, self.first[hole] + z)

    def planes(self, hole: Ints, z: Ints, target: Tensor) -> Planes:
        """Slices and their neighbors, unaugmented; `target` is what :meth:`targets` gave."""
        neighbors, modalities = np.array(conditioning.NEIGHBORS), conditioning.N_MODALITIES
        b, n, middle = len(hole), len(neighbors), len(neighbors) // 2
        facts = [self.facts[self.case_of[k]] for k in hole]
        zs = np.clip(z[:, None] + neighbors, 0, np.array([f.shape[2] for f in facts])[:, None] - 1)
        own = zs + np.array([f.first for f in facts])[:, None]
        placed = zs + self.first[hole][:, None]
        unknown = self._mask(self.unknown, placed)
        filled = self._of(self.volumes, own.ravel())
        spans = self._spans[placed.ravel()].tolist()
        values = torch.cat([self.fill[modalities * i : modalities * j] for i, j in spans])
        filled.masked_scatter_(unknown.flatten(0, 1)[:, None], values)
        filled = torch.unflatten(filled, 0, (b, n)).transpose(1, 2)
        depth = torch.zeros(b, *self.size, dtype=torch.uint8, device=self.device)
        deep = torch.cat([self.depth[i:j] for i, j in spans[middle::n]])
        depth.masked_scatter_(unknown[:, middle], deep)
        valid = self._mask(self.mirror_valid, placed[:, middle])
        made = Planes(torch.empty(b, sum(Planes.sizes().values()), *self.size, device=self.device))
        to = made.parts()
        torch.unflatten(to["filled"], 1, (modalities, n)).copy_(filled)
        to["unknown"].copy_(unknown)
        to["brain"].copy_(self._mask(self.brain, own))
        to["valid"][:, 0].copy_(valid)
        to["mirrored"].copy_(self._of(self.mirrored, own[:, middle])).mul_(to["valid"])
        to["depth"][:, 0].copy_(depth)
        to["target"][:, 0].copy_(target)
        to["change"].copy_(self._of(self.volumes, own[:, middle]))
        to["change"].sub_(to["filled"][:, middle::n]).mul_(to["target"])
        return made

    def _of(self, table: Tensor, rows: Ints) -> Tensor:
        return table.index_select(0, torch.from_numpy(rows).to(self.device, non_blocking=True))

    def _mask(self, bits: Tensor, rows: Ints) -> Tensor:
        """Unpack planes of a mask, bool (*rows.shape, x, y)."""
        packed = self._of(bits, rows.ravel())
        flat = self._bytes.index_select(0, packed.flatten().int())
        return flat.view(torch.bool).view(*rows.shape, *self.size)


_NO_BITS = np.zeros((0, 1), np.uint8)


def _by_plane(holes: PlacedHoles) -> NDArray[np.float16]:
    """A placement's fill, modality after modality in each plane."""
    spans = zip(holes.start[:-1], holes.start[1:], strict=True)
    return np.concatenate([holes.fill[i:j].T.ravel() for i, j in spans])

"""Prepared cases and their placed holes as planes on one device, from which whole batches of slices are cut there.

Every plane has the same size, so that a batch may mix cases: each case lies in the corner (0, 0), and 0 is around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
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
_NOTHING = "the hole bank holds nothing for these cases"


@dataclass(frozen=True)
class CaseFacts:
    """What is known of cases besides their planes, a case in each first axis.

    Attributes
    ----------
    shape : int64 (c, 3)
    first : int64 (c,)
        The case's first plane.
    present : bool (c, 4)
    range : float32 (c, 2, 4)
        0.5 and 99.5 percentile of the healthy voxels.
    lateral : float64 (c, 4)
        Normal and offset of the mid-sagittal plane.
    box : int64 (c, 3, 2)
        Where the brain begins and ends.
    """

    shape: Ints
    first: Ints
    present: NDArray[np.bool_]
    range: NDArray[np.float32]
    lateral: NDArray[np.float64]
    box: Ints

    @classmethod
    def of(cls, banked: BankedCase, first: int) -> CaseFacts:
        """Of one case."""
        depth, w, h = banked.brain.shape
        plane = banked.case.plane
        return cls(
            np.array([[w, h, depth]]),
            np.array([first]),
            banked.case.present[None],
            healthy_range(banked.case)[None],
            np.array([[*plane.normal, plane.offset]]),
            np.array([[[s.start, s.stop] for s in banked.box]]),
        )

    @classmethod
    def joined(cls, parts: Sequence[CaseFacts]) -> CaseFacts:
        """Of all cases of `parts`."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def __getitem__(self, cases: Ints) -> CaseFacts:
        return CaseFacts(*(getattr(self, f.name)[cases] for f in fields(self)))


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
        facts: list[CaseFacts] = []
        self.number: dict[str, int] = {}
        parts: dict[str, list[NDArray[Any]]] = {"volumes": [], "mirrored": [], "brain": []}
        count = 0
        for banked in cases:
            self.number[banked.case.case_id] = len(facts)
            facts.append(CaseFacts.of(banked, count))
            count += banked.brain.shape[0]
            for name, arrays in parts.items():
                arrays.append(getattr(banked, name))
        if not facts:
            raise ValueError(_NOTHING)
        self.facts = CaseFacts.joined(facts)
        width, height = self.facts.shape[:, :2].max(0).tolist()
        self.size = (width, height + -height % 8)
        self.brain = torch.from_numpy(np.concatenate([self._packed(b) for b in parts.pop("brain")]))
        self.volumes = self._laid_out(count, parts.pop("volumes"))
        self.mirrored = self._laid_out(count, parts.pop("mirrored"))

    def _add_bank(self, bank: Iterable[PlacedHoles]) -> None:
        """Lay the placements out for :attr:`size`."""
        case_of: list[int] = []
        first: list[int] = []
        starts, areas = [np.zeros(1, np.int64)], []
        edges: list[NDArray[np.float64]] = []
        parts: dict[str, list[NDArray[Any]]] = {k: [] for k in ("unknown", "target", "mirror_valid", "fill", "depth")}
        planes = 0
        for holes in bank:
            if holes.case_id not in self.number or int(holes.area.max()) < LEAST_AREA:
                continue
            case_of.append(self.number[holes.case_id])
            first.append(planes)
            chance = np.where(holes.area >= LEAST_AREA, np.sqrt(holes.area), 0.0).cumsum()
            edges.append(len(edges) + chance / chance[-1])
            areas.append(holes.area)
            starts.append(holes.start[1:] + starts[-1][-1])
            planes += holes.area.size
            w, h, _ = self.facts.shape[case_of[-1]].tolist()
            for name in ("unknown", "target", "mirror_valid"):
                parts[name].append(self._packed(unpack(getattr(holes, name), (w, h))))
            parts["fill"].append(_by_plane(holes))
            parts["depth"].append(holes.depth)
        if not first:
            raise ValueError(_NOTHING)
        self.case_of, self.first = np.array(case_of), np.array(first)
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
        facts = self.facts[self.case_of[hole]]
        zs = np.clip(z[:, None] + neighbors, 0, facts.shape[:, 2:] - 1)
        own, placed = zs + facts.first[:, None], zs + self.first[hole][:, None]
        unknown = self._mask(self.unknown, placed)
        filled = self._of(self.volumes, own.ravel())
        spans = self._spans[placed]
        filled.masked_scatter_(unknown.flatten(0, 1)[:, None], self._in(self.fill, modalities * spans.reshape(-1, 2)))
        filled = torch.unflatten(filled, 0, (b, n)).transpose(1, 2)
        depth = torch.zeros(b, *self.size, dtype=torch.uint8, device=self.device)
        depth.masked_scatter_(unknown[:, middle], self._in(self.depth, spans[:, middle]))
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

    def _in(self, table: Tensor, spans: Ints) -> Tensor:
        """What lies in the spans (k, 2) of a table, one after the other."""
        if self.device.type == "cpu":
            return torch.cat([table[start:stop] for start, stop in spans.tolist()])
        return gathered(table, spans)

    def _mask(self, bits: Tensor, rows: Ints) -> Tensor:
        """Unpack planes of a mask, bool (*rows.shape, x, y)."""
        packed = self._of(bits, rows.ravel())
        flat = self._bytes.index_select(0, packed.flatten().int())
        return flat.view(torch.bool).view(*rows.shape, *self.size)


def _by_plane(holes: PlacedHoles) -> NDArray[np.float16]:
    """A placement's fill, modality after modality in each plane."""
    spans = zip(holes.start[:-1], holes.start[1:], strict=True)
    return np.concatenate([holes.fill[i:j].T.ravel() for i, j in spans])


def gathered(table: Tensor, spans: Ints) -> Tensor:
    """What lies in the spans (k, 2) of a table, one after the other; as many calls for a thousand as for one."""
    lengths = spans[:, 1] - spans[:, 0]
    total = int(lengths.sum())
    moves = np.stack([spans[:, 0] - lengths.cumsum() + lengths, lengths])
    move, length = torch.from_numpy(moves).to(table.device, non_blocking=True)
    at = torch.repeat_interleave(move, length, output_size=total)
    return table[at.add_(torch.arange(total, device=table.device))]

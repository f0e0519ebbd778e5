"""One case as the evaluation sees it: images, tissue, tumor, benchmark holes, and which slices count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.margins import with_margin
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.anatomy.tissue import TissueMap
from seg_editor.cases import Case, Modality, open_case
from seg_editor.errors import CaseError
from seg_editor.generation.counterfactual import to_raw
from seg_editor.generation.hole import Hole, find_hole
from seg_editor.generation.paper_engine import hash_masks
from seg_editor.generation.referee import Referee
from seg_editor.generation.tissue_source import TissueSource
from training.evaluate.holes import benchmark_holes

Planes = NDArray[np.uint8]
Floats = NDArray[np.float32]
#: A slice counts when at least this share of it is brain.
MIN_BRAIN = 0.05


@dataclass
class Subject:
    """A case with what belongs to it.

    Attributes
    ----------
    case : Case
        With FLAIR and a segmentation.
    tissue : uint8 (x, y, z)
        0 outside the brain, 1 CSF, 2 GM, 3 WM; complete inside the tumor. Filled for the slices that count.
    tissue_from : str
        ``atropos`` or ``referee``.
    holes : uint8 (x, y, z) or None
        Benchmark holes.
    slices, hole_slices : tuple of int
        Canonical axial slices that count, for tumor and for benchmark holes.
    """

    case: Case
    tissue: Planes
    tissue_from: str
    holes: Planes | None
    slices: tuple[int, ...]
    hole_slices: tuple[int, ...]

    @classmethod
    def read(
        cls, folder: Path, *, tissue: Path | None = None, limit: int | None = None, referee: Referee | None = None
    ) -> Subject:
        """Open a case.

        Parameters
        ----------
        folder : Path
        tissue : Path, optional
            Folder with ``<id>.npz`` (key ``tissue``); without the file the referee is asked.
        limit : int, optional
            Slices, spread evenly over the brain; default: all.
        referee : Referee, optional

        Raises
        ------
        CaseError
            The case has no FLAIR or no segmentation, or its tissue map does not fit.
        """
        case = open_case(folder)
        if Modality.FLAIR not in case.volumes or case.tumor is None:
            raise CaseError("evaluation needs FLAIR and a segmentation", path=folder, remedy="Add them or leave it out")
        kept = _with_brain(case)
        holes = benchmark_holes(case)
        held = [] if holes is None else [k for k in kept if (holes[:, :, k] > 0).any()]
        slices, hole_slices = spread(kept, limit), spread(held, limit)
        known = None if tissue is None else _read_map(tissue / f"{case.case_id}.npz", case)
        used = sorted({*slices, *hole_slices})
        planes = TissueSource(lambda _: known, referee)(case, used)
        labels = np.zeros(case.grid.shape, np.uint8)
        labels[:, :, used] = np.moveaxis(planes, 0, 2) * case.brain[:, :, used]
        return cls(case, labels, "referee" if known is None else known.source, holes, slices, hole_slices)

    @property
    def with_brain(self) -> list[int]:
        """All slices that could count."""
        return _with_brain(self.case)

    @property
    def tumor(self) -> NDArray[np.bool_]:
        """Tumor inside the brain (x, y, z)."""
        assert self.case.tumor is not None
        return self.case.tumor & self.case.brain

    @cached_property
    def tumor_hole(self) -> Hole:
        """The hole that removing the whole tumor leaves, margin 3 mm."""
        assert self.case.labels is not None
        labels = self.case.labels.raw
        return find_hole(labels, np.zeros_like(labels), brain=self.case.brain, spacing=self.case.grid.spacing)

    @cached_property
    def benchmark_hole(self) -> Hole:
        """All benchmark holes as one."""
        assert self.holes is not None
        return Hole.from_mask(self.holes > 0, self.case.brain)

    @cached_property
    def widened(self) -> NDArray[np.bool_]:
        """Tumor widened: what no healthy figure looks at (x, y, z)."""
        return with_margin(self.tumor, self.case.brain)

    @cached_property
    def scale(self) -> IntensityScale:
        """Of FLAIR, from healthy brain, as the slice models' training has it."""
        return IntensityScale.of(self.flair, self.case.brain & ~self.widened)

    @cached_property
    def flair(self) -> Floats:
        """FLAIR (x, y, z) in its own intensities."""
        return self.case.volumes[Modality.FLAIR].values()

    @cached_property
    def identity(self) -> dict[str, str]:
        """Hashes of all that results depend on."""
        return {
            "case": self.case.content_hash,
            "labels": str(self.case.labels_hash),
            "tissue": hash_masks(self.tissue),
            "holes": "" if self.holes is None else hash_masks(self.holes),
        }

    def planes(self, volume: NDArray[np.generic], slices: tuple[int, ...]) -> NDArray[np.generic]:
        """Axial slices of a volume as (n, x, y)."""
        return np.ascontiguousarray(np.moveaxis(volume[:, :, list(slices)], 2, 0))

    def raw_with(self, slices: Sequence[int], made: Floats) -> NDArray[np.generic]:
        """The stored FLAIR volume with some slices replaced by ``made``, (n, x, y) in its intensities."""
        volume = self.case.volumes[Modality.FLAIR]
        raw: NDArray[np.generic] = np.array(volume.raw)
        raw[:, :, list(slices)] = np.moveaxis(to_raw(volume, made), 0, 2)
        return raw


def _with_brain(case: Case) -> list[int]:
    return [int(k) for k in np.flatnonzero(case.brain.mean((0, 1)) >= MIN_BRAIN)]


def spread(values: list[int], limit: int | None) -> tuple[int, ...]:
    """At most `limit` of the values, evenly."""
    if limit is None or len(values) <= limit:
        return tuple(values)
    return tuple(values[int(i)] for i in np.linspace(0, len(values) - 1, limit + 2)[1:-1].round())


def _read_map(path: Path, case: Case) -> TissueMap | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as z:
            labels = np.asarray(z["tissue"], np.uint8)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise CaseError("not a tissue map", path=path, remedy="Make it again") from error
    if labels.shape != case.grid.shape:
        raise CaseError("the tissue map does not fit the case", path=path, remedy="Make it again from this case")
    return TissueMap(labels, "atropos")

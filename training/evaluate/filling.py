"""Benchmark holes of a case, filled by an engine or a baseline in every modality; shared by the extra yardsticks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.harmonic import harmonic_fill
from seg_editor.anatomy.margins import BENCHMARK_MARGIN, with_margin
from seg_editor.cases import Case, Modality, open_case
from seg_editor.errors import CaseError, UsageError
from seg_editor.generation.complete import complete
from seg_editor.generation.counterfactual import to_raw
from seg_editor.generation.detail import DetailModel
from seg_editor.generation.engine import Engine
from seg_editor.generation.hole import Hole
from seg_editor.generation.registry import load_model
from seg_editor.metrics.healthy_hole import HoleScore, score_holes
from seg_editor.metrics.structural import PERCENTILES
from training.evaluate.baselines import FILLS
from training.evaluate.holes import benchmark_holes, hole_file
from training.evaluate.subject import spread

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Volumes = Mapping[Modality, Floats]
#: Fills the holes of a case: case, seed -> volumes.
Filler = Callable[["HoleCase", int], Volumes]


@dataclass
class HoleCase:
    """A case with benchmark holes, and the slices that are filled.

    Attributes
    ----------
    case : Case
    holes : uint8 (x, y, z)
    slices : tuple of int
        Canonical axial slices with hole voxels.
    """

    case: Case
    holes: NDArray[np.uint8]
    slices: tuple[int, ...]

    @classmethod
    def read(cls, folder: Path, limit: int | None = None) -> HoleCase:
        """Open a case and its ``<id>_holes.nii.gz``; `limit` slices are spread over the holes.

        Raises
        ------
        CaseError
            There are no holes.
        """
        if not hole_file(folder).exists():
            raise CaseError("no benchmark holes", path=hole_file(folder), remedy="Choose val or test cases")
        case = open_case(folder)
        found = benchmark_holes(case)
        assert found is not None
        holes = np.where(case.brain, found, 0).astype(np.uint8)
        return cls(case, holes, spread([int(k) for k in np.flatnonzero((holes > 0).any((0, 1)))], limit))

    @cached_property
    def hole(self) -> Hole:
        """All holes as one."""
        return Hole.from_mask(self.holes > 0, self.case.brain)

    @cached_property
    def tumor(self) -> Mask:
        """Tumor widened by :data:`BENCHMARK_MARGIN`, inside the brain."""
        tumor = self.case.tumor
        if tumor is None:
            return np.zeros(self.case.grid.shape, bool)
        return with_margin(tumor, self.case.brain, BENCHMARK_MARGIN)

    @cached_property
    def known(self) -> Mask:
        """What a baseline may look at."""
        return self.case.brain & ~self.hole.mask & ~self.tumor

    @cached_property
    def volumes(self) -> dict[Modality, Floats]:
        """The case's own intensities."""
        return {m: v.values() for m, v in self.case.volumes.items()}

    @cached_property
    def used(self) -> Mask:
        """Which slices are filled, (z,)."""
        used = np.zeros(self.holes.shape[2], bool)
        used[list(self.slices)] = True
        return used

    def scale01(self, modality: Modality, values: Floats) -> Floats:
        """To the scale where healthy brain's 0.5 and 99.5 percentile are 0 and 1, cut there."""
        low, high = np.percentile(self.volumes[modality][self.known], PERCENTILES)
        return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)

    def score(self, filled: Volumes) -> dict[Modality, list[HoleScore]]:
        """Every hole in every modality."""
        return {
            m: list(score_holes(self.volumes[m], v, self.holes, self.case.brain, self.tumor, slices=self.used))
            for m, v in filled.items()
        }


def engine_filler(engine: Engine, steps: int, hole: Hole | None = None) -> Filler:
    """Fill with M5 in `steps` passes; another hole than the case's benchmark holes may be given."""

    def fill(item: HoleCase, seed: int) -> Volumes:
        case, gap = item.case, hole or item.hole
        stays = None if case.tumor is None else case.tumor & ~gap.mask
        wanted = [k for k in item.slices if k in set(gap.slices)]
        request = engine.plan(case, gap, slices=wanted, seed=seed, steps=steps, tumor=stays)
        result = complete(engine.run(case, gap, request, tumor=stays))
        return {m: case.volumes[m].scaled(result.raw(case, m)) for m in result.modalities}

    return fill


def baseline_filler(name: str) -> Filler:
    """Fill with one of :data:`training.evaluate.baselines.FILLS`."""

    def fill(item: HoleCase, seed: int) -> Volumes:
        if name == "harmonic":
            stack = np.stack(list(item.volumes.values()))
            solved = harmonic_fill(stack, item.hole.mask, item.known)
            out = {m: v.copy() for m, v in item.volumes.items()}
            for row, m in enumerate(out):
                out[m][item.hole.mask] = solved[row]
            return out
        part = item.hole.restricted(item.slices).mask if name == "biharmonic" else item.hole.mask
        return {m: FILLS[name](v, part, item.known) for m, v in item.volumes.items()}

    return fill


def open_engine(model: str, device: str = "cpu", detail: DetailModel | None = None) -> Engine:
    """The engine of an installed model, a model folder, or a checkpoint of a training run (``*.safetensors``).

    Raises
    ------
    ModelError
        It cannot be loaded, or fills no holes.
    UsageError
        `detail` is for checkpoints.
    """
    if not model.endswith(".safetensors"):
        if detail is not None:
            raise UsageError(f"{model} has a detail of its own", remedy="Leave --detail out, or name a checkpoint")
        return Engine(load_model(Path(model) if "/" in model else model, device))
    from training.train.export import export_model

    with tempfile.TemporaryDirectory() as folder:
        export_model(Path(model), Path(folder), detail=detail)
        return Engine(load_model(Path(folder), device))


def case_folders(data: Path, splits: Path | None, split: str) -> list[Path]:
    """Folders of a split's cases that have benchmark holes.

    Raises
    ------
    UsageError
        There are none.
    """
    from training.prepare.pipeline import Splits

    ids = getattr(Splits.read(splits or data / "splits.json"), split)
    found = [data / i for i in ids if hole_file(data / i).exists()]
    if not found:
        raise UsageError(f"no case of {split} in {data} has benchmark holes", remedy="Give --data the case folders")
    return found


def with_volumes(case: Case, volumes: Volumes) -> Case:
    """The same case with other pictures, in the files' own types; the brain stays what it was."""
    changed = {m: replace(v, raw=to_raw(v, volumes[m])) for m, v in case.volumes.items()}
    other = replace(case, volumes=changed)
    other.__dict__["brain"] = case.brain
    return other

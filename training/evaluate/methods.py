"""What is compared: the paper's models, M5, the baselines and the untouched source, all behind one form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from seg_editor.cases import Modality
from seg_editor.errors import ModelError
from seg_editor.generation.complete import complete
from seg_editor.generation.diffusion import HoleFill, Sampling, Solver, Start, reconstruction, sample
from seg_editor.generation.engine import Engine
from seg_editor.generation.hole import Hole
from seg_editor.generation.paper_engine import DiffusionEngine, class_masks
from seg_editor.generation.registry import LoadedModel
from seg_editor.generation.request import ENGINE_VERSION
from seg_editor.generation.samplers import sampling_recipe
from seg_editor.hashing import file_sha256
from training.evaluate.baselines import FILLS
from training.evaluate.reference import MEAN_FILE, read_reference
from training.evaluate.subject import Floats, Planes, Subject

#: Results of code that changed are made again.
VERSION = 2
_BATCH = 8
_SEEDS_APART = 1000
_PAPER_SEED = 42


class Mode(StrEnum):
    """What is asked of a method."""

    COUNTERFACTUAL = "counterfactual"
    RECONSTRUCTION = "reconstruction"
    HEALTHY_HOLE = "healthy-hole"


@dataclass(frozen=True)
class Arm:
    """One row of the table for a method.

    Attributes
    ----------
    mode : Mode
    sampling : Sampling, optional
        Of a diffusion model; its seed is set by :meth:`Method.make`.
    steps : int
        Network passes a slice; 0 without a network.
    random : bool
        Whether a seed changes the result.
    whole : bool
        Whether the method makes the whole slice; such a result is scored as it is and composited.
    masked : bool
        Whether it sees a mask, so that the hole fill matters.
    """

    mode: Mode
    sampling: Sampling | None = None
    steps: int = 0
    random: bool = False
    whole: bool = False
    masked: bool = False

    def to_json(self) -> dict[str, Any]:
        """What the table says of the row."""
        how = self.sampling
        return {
            "mode": str(self.mode),
            "start": "" if how is None else str(how.start),
            "sampler": "" if how is None else str(how.solver),
            "strength": None if how is None or how.start is Start.NOISE else how.strength,
            "hole_fill": "" if how is None or not self.masked or self.mode is Mode.RECONSTRUCTION else str(how.hole),
            "steps": self.steps,
        }


class Method(Protocol):
    """Makes FLAIR slices of a subject."""

    name: str
    identity: str
    arms: tuple[Arm, ...]

    def make(self, subject: Subject, arm: Arm, seed: int) -> Floats:
        """Slices (n, x, y) in FLAIR's own intensities, of ``slices_of(subject, arm.mode)``."""


def slices_of(subject: Subject, mode: Mode) -> tuple[int, ...]:
    """The slices of a mode; none for benchmark holes when the case has none."""
    return subject.hole_slices if mode is Mode.HEALTHY_HOLE else subject.slices


def hole_of(subject: Subject, mode: Mode) -> Hole:
    """The hole of a mode."""
    return subject.benchmark_hole if mode is Mode.HEALTHY_HOLE else subject.tumor_hole


class DiffusionMethod:
    """One of the paper's models; makes whole slices.

    Parameters
    ----------
    model : LoadedModel
    steps : int
        Length of the grid of time steps.
    solver : Solver
    half : bool
        Run the network in bfloat16.
    """

    def __init__(
        self, model: LoadedModel, *, steps: int = 50, solver: Solver = Solver.DDPM, half: bool = False
    ) -> None:
        self._engine = DiffusionEngine(model)
        self._half = half
        self._kept: dict[tuple[str, Sampling, tuple[int, ...]], Floats] = {}
        if self._engine.input.modality is not Modality.FLAIR:
            raise ModelError(f"{model.card.name} makes no FLAIR", remedy="Leave it out: the referee judges FLAIR")
        self.name = model.card.name
        decides = {"engine": ENGINE_VERSION, "input": self._engine.input.to_json(), "half": half}
        self.identity = f"{model.card.weights_sha256} {json.dumps(decides, sort_keys=True)}"
        self.arms = tuple(self._arms(steps, solver))

    def _arms(self, steps: int, solver: Solver) -> Iterator[Arm]:
        masked = self._engine.network.config.mask
        fills = (HoleFill.ZERO, HoleFill.PRIOR) if masked else (HoleFill.ZERO,)
        text = Sampling(Start.NOISE, solver, steps)
        code = Sampling(Start.STRENGTH, solver, steps, 0.70)
        asked = [(Mode.COUNTERFACTUAL, replace(s, hole=f)) for s in (text, code) for f in fills]
        asked += [(Mode.RECONSTRUCTION, s) for s in (text, reconstruction(text))]
        asked += [(Mode.HEALTHY_HOLE, replace(text, hole=f)) for f in fills]
        for mode, sampling in asked:
            yield Arm(mode, sampling, sampling.executed, random=True, whole=True, masked=masked)

    def make(self, subject: Subject, arm: Arm, seed: int) -> Floats:
        """See :class:`Method`."""
        assert arm.sampling is not None
        sampling = replace(arm.sampling, seed=_PAPER_SEED + _SEEDS_APART * seed)
        slices = slices_of(subject, arm.mode)
        free = not self._engine.network.config.mask and sampling.start is Start.NOISE
        key = (subject.case.content_hash, sampling, slices)
        if key in self._kept:
            return self._kept[key]
        masks = self._masks(subject, arm, slices)
        made = np.concatenate(
            [
                self._make_some(subject, sampling, slices[at : at + _BATCH], masks[at : at + _BATCH])
                for at in range(0, len(slices), _BATCH)
            ]
        )
        made = np.asarray(np.maximum(made, subject.flair.min()), np.float32)
        if free:  # neither mask nor source: the same picture for every mode
            self._kept[key] = made
        return made

    def _make_some(self, subject: Subject, sampling: Sampling, slices: tuple[int, ...], masks: Planes) -> Floats:
        """Slices (n, x, y) from masks (n, x, y) in one batch."""
        import torch

        case, frame = subject.case, self._engine.frame(subject.case)
        coded = [frame.encode(subject.flair[:, :, k], case.brain[:, :, k], subject.scale) for k in slices]
        device = next(self._engine.network.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._half):
            made = sample(
                self._engine.network,
                sampling,
                np.stack([frame.mask(m) for m in masks]),
                source=np.stack([picture for picture, _ in coded]) if sampling.start is Start.STRENGTH else None,
                numbers=slices,
            )
        assert made is not None
        shape = (case.grid.shape[0], case.grid.shape[1])
        return np.stack([frame.decode(picture, shape, way) for picture, (_, way) in zip(made, coded, strict=True)])

    def _masks(self, subject: Subject, arm: Arm, slices: tuple[int, ...]) -> Planes:
        """Masks (n, x, y); an unconditional network does not look at them."""
        assert arm.sampling is not None
        tissue = np.asarray(subject.planes(subject.tissue, slices), np.uint8)
        at = list(slices)
        tumor = subject.tumor[:, :, at]
        nothing = np.zeros_like(tumor)
        if arm.mode is Mode.RECONSTRUCTION:
            return class_masks(tissue, nothing, tumor, arm.sampling)
        if arm.mode is Mode.COUNTERFACTUAL:
            return class_masks(tissue, tumor, None, arm.sampling)
        return class_masks(tissue, subject.benchmark_hole.core[:, :, at], tumor, arm.sampling)


class InpaintMethod:
    """M5: its mean (one pass) and its samples; fills the hole only."""

    def __init__(self, model: LoadedModel) -> None:
        self._engine = Engine(model)
        self.name = model.card.name
        steps = model.card.presets["standard"]["steps"]
        self.identity = f"{model.card.weights_sha256} {sampling_recipe(steps, model.card.detail)}"
        self.arms = tuple(
            Arm(mode, None, n, random=n > 1)
            for mode in (Mode.COUNTERFACTUAL, Mode.HEALTHY_HOLE)
            for n in dict.fromkeys((1, steps))
        )

    def make(self, subject: Subject, arm: Arm, seed: int) -> Floats:
        """See :class:`Method`."""
        slices, hole = slices_of(subject, arm.mode), hole_of(subject, arm.mode)
        stays = subject.tumor & ~hole.mask if arm.mode is Mode.HEALTHY_HOLE else None
        out = np.asarray(subject.planes(subject.flair, slices), np.float32)
        wanted = [k for k in slices if k in set(hole.slices)]
        if not wanted:
            return out
        request = self._engine.plan(subject.case, hole, slices=wanted, seed=seed, steps=arm.steps, tumor=stays)
        result = complete(self._engine.run(subject.case, hole, request, tumor=stays))
        volume = subject.case.volumes[Modality.FLAIR]
        for row, k in enumerate(slices):
            if k in wanted:
                out[row] = volume.scaled(result.slice_raw(subject.case, Modality.FLAIR, k))
        return out


class BaselineMethod:
    """One of :data:`training.evaluate.baselines.FILLS`."""

    arms: tuple[Arm, ...] = (Arm(Mode.COUNTERFACTUAL), Arm(Mode.HEALTHY_HOLE))

    def __init__(self, name: str) -> None:
        self.name = name
        self.identity = f"{name}-{VERSION}"

    def make(self, subject: Subject, arm: Arm, seed: int) -> Floats:
        """See :class:`Method`."""
        slices, hole = slices_of(subject, arm.mode), hole_of(subject, arm.mode)
        part = hole.restricted([k for k in slices if k in set(hole.slices)]) if self.name == "biharmonic" else hole
        known = subject.case.brain & ~hole.mask & ~subject.widened
        filled = FILLS[self.name](subject.flair, part.mask, known)
        return np.asarray(subject.planes(filled, slices), np.float32)


class ReferenceMethod:
    """The mean healthy tissue of registered training cases, pasted into the hole; harmonic where there is none."""

    name = "healthy-reference"
    arms: tuple[Arm, ...] = (Arm(Mode.COUNTERFACTUAL), Arm(Mode.HEALTHY_HOLE))

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.identity = f"{self.name}-{VERSION} {file_sha256(folder / MEAN_FILE)}"

    def make(self, subject: Subject, arm: Arm, seed: int) -> Floats:
        """See :class:`Method`."""
        hole = hole_of(subject, arm.mode).mask
        reference, covered = read_reference(self._folder, subject)
        out = FILLS["harmonic"](subject.flair, hole, subject.case.brain & ~hole & ~subject.widened)
        out = np.where(hole & covered, reference, out).astype(np.float32)
        return np.asarray(subject.planes(out, slices_of(subject, arm.mode)), np.float32)


class SourceMethod:
    """The picture as it is: what figures say of a perfect reconstruction, and of nothing done."""

    name = "source"
    identity = f"source-{VERSION}"
    arms: tuple[Arm, ...] = (Arm(Mode.COUNTERFACTUAL), Arm(Mode.RECONSTRUCTION))

    def make(self, subject: Subject, arm: Arm, seed: int) -> Floats:
        """See :class:`Method`."""
        return np.asarray(subject.planes(subject.flair, slices_of(subject, arm.mode)), np.float32)


def method_of(model: LoadedModel, *, steps: int = 50, solver: Solver = Solver.DDPM, half: bool = False) -> Method:
    """The method of a loaded model.

    Raises
    ------
    ModelError
        The model makes no pictures.
    """
    if model.card.kind == "diffusion":
        return DiffusionMethod(model, steps=steps, solver=solver, half=half)
    if model.card.kind == "inpaint":
        return InpaintMethod(model)
    raise ModelError(f"{model.card.name} makes no pictures", remedy="Name models that do, as m2,m3,m5")


def request_of(method: Method, arm: Arm, subject: Subject, seed: int, referee: str) -> dict[str, Any]:
    """Everything that decides a result, for its key."""
    sampling = None if arm.sampling is None else arm.sampling.to_json()
    return {
        "version": VERSION,
        "method": method.name,
        "identity": method.identity,
        "arm": asdict(replace(arm, sampling=None)) | {"sampling": sampling},
        "seed": seed if arm.random else None,
        "slices": list(slices_of(subject, arm.mode)),
        "referee": referee,
        **subject.identity,
    }

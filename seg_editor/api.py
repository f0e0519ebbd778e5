"""The few functions that a researcher imports; the command line and the window walk the same path.

>>> from seg_editor import api
>>> case = api.open_case("BraTS2021_00014")
>>> outcome = api.remove(case)
>>> api.export(case, outcome, "out")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, Modality, decide_scheme, open_case, read_labels, write_like
from seg_editor.errors import CaseError, ModelError, UsageError
from seg_editor.export import ExportResult, write_counterfactual
from seg_editor.export.folder import staging
from seg_editor.export.names import file_slice_index
from seg_editor.generation.automatic import tumor_labels, without_debris
from seg_editor.generation.complete import complete
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.generation.diffusion import HoleFill, Sampling, Solver, Start
from seg_editor.generation.engines import engine_for
from seg_editor.generation.hole import DEFAULT_MARGIN, Hole, find_hole
from seg_editor.generation.referee import find_referee, referee_name
from seg_editor.generation.registry import load_model
from seg_editor.metrics import Metrics, score

if TYPE_CHECKING:
    from seg_editor.generation.engine import Engine
    from seg_editor.generation.paper_engine import DiffusionEngine

__all__ = [
    "HoleFill",
    "Options",
    "Outcome",
    "Sampling",
    "Solver",
    "Start",
    "export",
    "inpaint",
    "open_case",
    "referee_name",
    "remove",
    "segment",
    "with_segmentation",
]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Options:
    """How to generate.

    Attributes
    ----------
    model : str
    slices : ``auto``, ``all`` or indices along the file's slice axis
    seed : int
    steps : int or None
        Network passes a slice; None takes the preset's.
    preset : str
    modalities : tuple of Modality or None
        None generates all that the case has.
    margin : int
        Millimeters by which the removed tumor is widened.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    sampling : Sampling or None
        Start, solver, strength and hole fill of one of the paper's models (its steps and seed are not looked at);
        None takes the paper's text. M5 has no such choice.
    """

    model: str = "m5"
    slices: str | tuple[int, ...] = "auto"
    seed: int = 0
    steps: int | None = None
    preset: str = "standard"
    modalities: tuple[Modality, ...] | None = None
    margin: int = DEFAULT_MARGIN
    device: str = "auto"
    sampling: Sampling | None = None

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise UsageError("the margin cannot be negative", remedy="Use 0 or more millimeters")


@dataclass(frozen=True)
class Outcome:
    """A counterfactual with its figures; `labels` is the edited segmentation, or None when nothing was edited."""

    counterfactual: Counterfactual
    metrics: Metrics
    labels: NDArray[np.integer] | None
    card: dict[str, object]


def with_segmentation(case: Case, path: Path | str) -> Case:
    """Give a case the segmentation of another file (as ``seg-editor segment`` writes).

    Raises
    ------
    CaseError
        The file is unreadable or lies on another grid.
    """
    labels = read_labels(Path(path))
    _same_grid(case, labels.grid.shape, labels.grid.affine, Path(path))
    try:
        case.scheme = decide_scheme((int(v) for v in np.unique(labels.raw)), case.layout)
    except CaseError as error:
        raise CaseError(error.what, path=path, remedy=error.remedy) from None
    case.labels = labels
    case.__dict__.pop("tumor", None)
    case.notes = tuple(note for note in case.notes if "segmentation" not in note)
    return case


def remove(case: Case, options: Options | None = None, *, progress: Progress | None = None) -> Outcome:
    """Remove the whole tumor and fill the hole with healthy tissue.

    Parameters
    ----------
    case : Case
        With a segmentation.
    options : Options, optional
    progress : callable(done, total), optional
        Called after every network pass.

    Raises
    ------
    CaseError
        The case has no segmentation, or no tumor in it.
    """
    options = options or Options()
    if case.labels is None:
        raise CaseError(
            "the case has no segmentation",
            path=case.folder,
            remedy=f"Add {case.labels_path.name}, or make one with seg-editor segment and pass it with --seg",
        )
    edited = np.zeros_like(case.labels.raw)
    hole = find_hole(case.labels.raw, edited, brain=case.brain, margin=options.margin, spacing=case.grid.spacing)
    if hole.empty:
        raise CaseError(
            "the segmentation holds no tumor",
            path=case.labels_path,
            remedy="Fill any region with seg-editor inpaint --hole",
        )
    return _generate(case, hole, options, None, edited, progress)


def inpaint(
    case: Case, hole_file: Path | str, options: Options | None = None, *, progress: Progress | None = None
) -> Outcome:
    """Fill any hole (nonzero voxels of a NIfTI file on the case's grid) with healthy tissue.

    The case's own tumor, if it has a segmentation, is kept from the model but stays in the picture.
    """
    options = options or Options(margin=0)
    path = Path(hole_file)
    labels = read_labels(path)
    _same_grid(case, labels.grid.shape, labels.grid.affine, path)
    hole = Hole.from_mask(labels.raw, case.brain, options.margin, spacing=case.grid.spacing)
    if hole.empty:
        raise CaseError("the hole holds no brain voxel", path=path, remedy="Mark voxels inside the brain with 1")
    tumor = None if case.tumor is None else case.tumor & ~hole.mask
    return _generate(case, hole, options, tumor, None, progress)


def segment(
    case: Case,
    *,
    device: str = "auto",
    progress: Callable[[float, str], None] | None = None,
) -> NDArray[np.uint8]:
    """Five-class map (x, y, z) by the referee: 0 background, 1 CSF, 2 GM, 3 WM, 4 tumor without its debris.

    Raises
    ------
    ModelError
        No referee is installed.
    """
    referee = find_referee(device)
    if referee is None:
        raise ModelError("there is no model m4, nor another referee", remedy="Add one under resources/models")
    return without_debris(referee.segment(case, progress=progress), case.grid.spacing)


def write_segmentation(case: Case, five: NDArray[np.uint8], out: Path) -> tuple[Path, ...]:
    """Write ``<case_id>_seg_auto.nii.gz`` and ``<case_id>_tissue_auto.nii.gz``.

    Tumor gets the scheme's value of edema: M4 knows no subregions.
    """
    source = case.labels_source.with_dtype(np.dtype(np.uint8), is_labels=True)
    with staging(Path(out)) as stage:
        write_like(source, tumor_labels(case, five), stage.path(f"{case.case_id}_seg_auto.nii.gz"))
        write_like(source, five, stage.path(f"{case.case_id}_tissue_auto.nii.gz"))
        return stage.publish()


def check_folder(out: Path | str) -> None:
    """Say before a long computation that nothing can be written into a folder; leaves no trace.

    Raises
    ------
    ExportError
        One line with a remedy.
    """
    with suppress(_Enough), staging(Path(out)):
        raise _Enough


class _Enough(Exception):
    pass


def export(case: Case, outcome: Outcome, out: Path | str) -> ExportResult:
    """Write volumes, edited mask, panel, metrics and provenance into a folder."""
    return write_counterfactual(
        case,
        outcome.counterfactual,
        edited_labels=outcome.labels,
        metrics=outcome.metrics,
        out=Path(out),
        card=outcome.card,
    )


def _generate(
    case: Case,
    hole: Hole,
    options: Options,
    tumor: NDArray[np.bool_] | None,
    edited: NDArray[np.integer] | None,
    progress: Progress | None,
) -> Outcome:
    model = load_model(options.model, options.device)
    engine = engine_for(model)
    chosen = {} if options.sampling is None else {"sampling": _sampling_for(engine, options.sampling)}
    request = engine.plan(
        case,
        hole,
        slices=options.slices if isinstance(options.slices, str) else _chosen_slices(case, hole, options.slices),
        seed=options.seed,
        steps=options.steps,
        preset=options.preset,
        modalities=options.modalities,
        tumor=tumor,
        **chosen,
    )
    watch = None if progress is None else lambda step: progress(step.k, step.total)
    result = complete(engine.run(case, hole, request, tumor=tumor), watch)
    referee = find_referee(options.device)
    metrics = score(case, result, referee=referee if Modality.FLAIR in result.modalities else None)
    return Outcome(result, metrics, edited, model.card.to_dict())


def _sampling_for(engine: Engine | DiffusionEngine, sampling: Sampling) -> Sampling:
    """Refuse choices that a model does not have."""
    from seg_editor.generation.paper_engine import DiffusionEngine

    name = engine.model.card.name
    if not isinstance(engine, DiffusionEngine):
        raise UsageError(
            f"{name} has no choice of start, sampler or hole fill",
            remedy="Leave them out, or choose m2, m3, m3k or m3c",
        )
    if not engine.network.config.mask and sampling.hole is not HoleFill.ZERO:
        raise UsageError(f"{name} sees no mask whose hole could be filled", remedy="Leave the hole fill out")
    return sampling


def canonical_slices(case: Case, indices: Sequence[int]) -> tuple[int, ...]:
    """Indices along the file's slice axis to canonical axial indices.

    Raises
    ------
    UsageError
        An index lies outside the volume.
    """
    source = case.volumes[case.modalities[0]].source
    table = {file_slice_index(source, k): k for k in range(case.grid.shape[2])}
    for k in indices:
        if k not in table:
            raise UsageError(f"there is no slice {k}", remedy=f"Slices run from 0 to {case.grid.shape[2] - 1}")
    return tuple(table[k] for k in indices)


def _chosen_slices(case: Case, hole: Hole, indices: Sequence[int]) -> tuple[int, ...]:
    """As `canonical_slices`; a slice without hole is refused in the words of the file, as it was named."""
    chosen, held = canonical_slices(case, indices), set(hole.slices)
    empty = [k for k, canonical in zip(indices, chosen, strict=True) if canonical not in held]
    if empty:
        source = case.volumes[case.modalities[0]].source
        span = [file_slice_index(source, k) for k in hole.slices]
        raise UsageError(f"slice {empty[0]} holds no hole", remedy=f"The hole spans slices {min(span)} to {max(span)}")
    return chosen


def _same_grid(case: Case, shape: tuple[int, int, int], affine: NDArray[np.float64], path: Path) -> None:
    if shape != case.grid.shape or not np.allclose(affine, case.grid.affine, atol=1e-3):
        wanted = "x".join(str(n) for n in case.grid.shape)
        found = "x".join(str(n) for n in shape)
        raise CaseError(
            f"the grid ({found}) is not the case's ({wanted}) or lies elsewhere",
            path=path,
            remedy=f"Resample it onto the grid of {case.case_id}",
        )

"""One case through every method; each result is kept by its request, so that an interrupted run goes on."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import ModelError, SegEditorError
from seg_editor.generation.diffusion import Solver
from seg_editor.generation.referee import Referee, find_referee
from seg_editor.generation.registry import load_model
from seg_editor.metrics import iou_of_full_change
from training.evaluate.baselines import FILLS
from training.evaluate.features import Extractor, extractors, with_crops
from training.evaluate.files import whole
from training.evaluate.methods import (
    Arm,
    BaselineMethod,
    Method,
    Mode,
    ReferenceMethod,
    SourceMethod,
    hole_of,
    method_of,
    request_of,
    slices_of,
)
from training.evaluate.scoring import Fraction, Scores, score_pictures
from training.evaluate.subject import Floats, Subject

_log = logging.getLogger(__name__)

Features = dict[str, NDArray[np.float32]]
#: How a result is put together: the generated slice as it is, or the hole of it in the source.
SLICE, HOLE = "slice", "hole"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
#: Name of the yardstick of DiffMap IoU.
FULL_CHANGE = "diffmap_full_change"
#: Of the referee's calibration.
BINS = 10


@dataclass(frozen=True)
class EvalJob:
    """All methods on one case.

    Attributes
    ----------
    folder : Path
        Of the case.
    out : Path
        Results are kept in ``cache/`` there.
    models : tuple of str
        Names of installed models, or folders.
    baselines : tuple of str
        Of :data:`training.evaluate.baselines.FILLS`.
    seeds, limit, steps, solver, half, tissue, device
        As the command line has them.
    reference : Path, optional
        Prepared healthy reference; makes a baseline of it.
    source : bool
        Whether the untouched source is among the methods.
    inception : Path, optional
        TorchScript file, a third source of features for FID and KID.
    """

    folder: Path
    out: Path
    models: tuple[str, ...]
    baselines: tuple[str, ...] = tuple(FILLS)
    seeds: int = 3
    limit: int | None = None
    steps: int = 50
    solver: Solver = Solver.DDPM
    half: bool = False
    tissue: Path | None = None
    device: str = "auto"
    reference: Path | None = None
    source: bool = True
    inception: Path | None = None

    @property
    def case_id(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def parts(self) -> tuple[EvalJob, ...]:
        """Jobs that together do the same: one a model, and one for what needs no training."""
        models = (replace(self, models=(name,), baselines=(), reference=None, source=False) for name in self.models)
        return (*models, replace(self, models=()))


@dataclass
class Result:
    """One arm of one method on one case with one seed, put together in one way.

    ``calibration`` names the file in the cache that holds the referee's calibration on the slices of the case;
    ``yardsticks`` are figures of the case itself, ``others`` the features of as many other real slices of it and
    ``truth`` those of the slices with benchmark holes before they were emptied: all three on the untouched source only.
    """

    case_id: str
    method: str
    arm: dict[str, Any]
    composition: str
    seed: int
    scores: Scores
    features: Features
    calibration: str = ""
    yardsticks: dict[str, Fraction] = field(default_factory=dict)
    others: Features = field(default_factory=dict)
    truth: Features = field(default_factory=dict)

    @property
    def row(self) -> str:
        """Identity of the table's row that this belongs to."""
        return json.dumps({"method": self.method, "composition": self.composition, **self.arm}, sort_keys=True)


def run_case(job: EvalJob) -> dict[str, Any]:
    """Make what is missing; ``case_id`` and ``made``, or ``error``. For a process or a cluster's worker."""
    found, error = try_case(job)
    return {"case_id": job.case_id} | ({"error": error} if error else {"made": len(found)})


def try_case(
    job: EvalJob, watch: Callable[[Iterator[Result]], Iterable[Result]] = iter
) -> tuple[list[Result], str | None]:
    """All results of a case, or none and what is wrong with it in one line: one case does not end the others.

    Parameters
    ----------
    job : EvalJob
    watch : callable, optional
        Passes the results on as they come, to show progress.
    """
    try:
        return list(watch(evaluate_case(job))), None
    except SegEditorError as error:
        return [], str(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise  # every other case would fail alike
        _log.exception("case %s", job.case_id)
        text = " ".join(str(error).split())
        return [], f"{job.folder}: {type(error).__name__}: {text}"


def evaluate_case(job: EvalJob, *, say: Callable[[str], None] = lambda _: None) -> Iterator[Result]:
    """Yield every result of a case, from the cache where it was made before.

    Raises
    ------
    CaseError, ModelError
        The case or a model cannot be used.
    """
    referee = find_referee(job.device)
    if referee is None:
        raise ModelError("evaluation needs a referee", remedy="Install m4")
    subject = Subject.read(job.folder, tissue=job.tissue, limit=job.limit, referee=referee)
    calibration = _calibrate(job, subject, referee)
    seen = extractors(referee, job.inception)
    for method in methods_of(job):
        for arm in method.arms:
            if not slices_of(subject, arm.mode) or (arm.mode is Mode.HEALTHY_HOLE and subject.holes is None):
                continue
            for seed in range(job.seeds if arm.random else 1):
                say(f"{job.case_id} {method.name} {arm.mode}")
                whole = isinstance(method, SourceMethod) and arm.mode is Mode.COUNTERFACTUAL
                yardsticks = _yardsticks(subject) if whole else {}
                others = _others(job, subject, referee, seen) if whole else {}
                truth = _truth(job, subject, referee, with_crops(seen)) if whole else {}
                used = with_crops(seen) if arm.mode is Mode.HEALTHY_HOLE else seen
                for result in _results(job, subject, method, arm, seed, referee, used):
                    yield replace(result, calibration=calibration, yardsticks=yardsticks, others=others, truth=truth)


def methods_of(job: EvalJob) -> Iterator[Method]:
    """Source, baselines, then models, loaded one at a time."""
    if job.source:
        yield SourceMethod()
    for name in job.baselines:
        yield BaselineMethod(name)
    if job.reference is not None:
        yield ReferenceMethod(job.reference)
    for name in job.models:
        model = load_model(Path(name) if "/" in name else name, job.device)
        yield method_of(model, steps=job.steps, solver=job.solver, half=job.half)


def _results(
    job: EvalJob,
    subject: Subject,
    method: Method,
    arm: Arm,
    seed: int,
    referee: Referee,
    seen: tuple[Extractor, ...],
) -> Iterator[Result]:
    request = request_of(method, arm, subject, seed, referee.model.card.weights_sha256)
    request["extractors"] = [_identity(e) for e in seen]
    composed = (SLICE, HOLE) if arm.whole and arm.mode is Mode.COUNTERFACTUAL else (SLICE if arm.whole else HOLE,)
    if arm.mode is Mode.RECONSTRUCTION:
        composed = (SLICE,)
    files = {c: job.out / "cache" / f"{_key(request | {'composition': c})}.npz" for c in composed}
    kept = {c: _load(path) for c, path in files.items()}
    made: Floats | None = None
    for composition, found in kept.items():
        if found is None:
            if made is None:
                made = method.make(subject, arm, seed)
            # of a healthy hole only the hole counts, and so it does for its features
            as_made = composition == SLICE and arm.mode is not Mode.HEALTHY_HOLE
            pictures = made if as_made else compose(subject, arm.mode, made)
            scores = score_pictures(subject, arm.mode, pictures, referee)
            found = scores, {e.name: e(subject, scores.slices, pictures) for e in seen}
            _save(files[composition], request | {"composition": composition}, *found)
        yield Result(job.case_id, method.name, arm.to_json(), composition, seed, *found)


def _yardsticks(subject: Subject) -> dict[str, Fraction]:
    """What changing every voxel of the tumor's hole would score."""
    hole, tumor = (
        np.asarray(subject.planes(v, subject.slices), bool) for v in (subject.tumor_hole.mask, subject.tumor)
    )
    full = iou_of_full_change(hole, tumor)
    count = float(tumor.any((1, 2)).sum())
    return {} if full is None else {FULL_CHANGE: (full * count, count)}


def _others(job: EvalJob, subject: Subject, referee: Referee, seen: Sequence[Extractor]) -> Features:
    """Features of as many other slices of the source, midway between those that count; none without room."""
    return _real(job, subject, referee, seen, midway(subject.slices, subject.with_brain), "others")


def _truth(job: EvalJob, subject: Subject, referee: Referee, seen: Sequence[Extractor]) -> Features:
    """Features of the slices with benchmark holes, nothing emptied; none for a case without holes."""
    slices = () if subject.holes is None else slices_of(subject, Mode.HEALTHY_HOLE)
    return _real(job, subject, referee, seen, slices, "truth")


def _real(
    job: EvalJob, subject: Subject, referee: Referee, seen: Sequence[Extractor], slices: tuple[int, ...], what: str
) -> Features:
    """Features of slices of the source, kept in the cache by what they are for."""
    if not slices:
        return {}
    planes = np.asarray(subject.planes(subject.flair, slices), np.float32)
    found: Features = {}
    for extractor in seen:
        request = {what: slices, "extractor": _identity(extractor), **subject.identity}
        request["referee"] = referee.model.card.weights_sha256
        path = job.out / "cache" / f"{what}_{_key(request)}.npz"
        kept = _load(path)
        if kept is None:
            kept = Scores(slices, []), {extractor.name: extractor(subject, slices, planes)}
            _save(path, request, *kept)
        found |= kept[1]
    return found


def _identity(extractor: Extractor) -> str:
    """What tells its features from another's: of a file its hash, else its name."""
    return str(getattr(extractor, "identity", extractor.name))


def midway(counted: Sequence[int], usable: Sequence[int]) -> tuple[int, ...]:
    """As many other slices, as far from those that count as their spacing allows: neighbors are near-copies.

    Parameters
    ----------
    counted, usable : sequence of int
        Ascending; all that could count are `usable`.

    Returns
    -------
    tuple of int
        The middle of every gap, and of what is left above the last; empty where a gap has no usable middle.
    """
    if not counted:
        return ()
    middles = tuple((a + b) // 2 for a, b in pairwise([*counted, usable[-1]]))
    return () if set(middles) - (set(usable) - set(counted)) else middles


def _calibrate(job: EvalJob, subject: Subject, referee: Referee) -> str:
    """Keep how often the referee's tumor probability on the source comes true: ten bins of the brain's voxels.

    Returns the name of the file; empty when the case has no slices.
    """
    request = {"slices": subject.slices, "referee": referee.model.card.weights_sha256, **subject.identity}
    path = job.out / "cache" / f"calibration_{_key(request)}.json"
    if not subject.slices:
        return ""
    if path.exists():
        return path.name
    inside = np.asarray(subject.planes(subject.case.brain, subject.slices), bool)
    probability = referee.tumor_probability(subject.case, subject.slices)[inside]
    true = np.asarray(subject.planes(subject.tumor, subject.slices), bool)[inside]
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    bins = {
        "count": np.bincount(place, minlength=BINS).tolist(),
        "probability": np.bincount(place, weights=probability, minlength=BINS).tolist(),
        "tumor": np.bincount(place, weights=true, minlength=BINS).tolist(),
    }
    with whole(path) as temporary:
        temporary.write_text(json.dumps({"case_id": job.case_id, "bins": bins}), encoding="utf-8")
    return path.name


def compose(subject: Subject, mode: Mode, made: Floats) -> Floats:
    """The hole of a generated slice in the source."""
    slices = slices_of(subject, mode)
    inside = np.asarray(subject.planes(hole_of(subject, mode).mask, slices), bool)
    return np.where(inside, made, subject.planes(subject.flair, slices)).astype(np.float32)


def _key(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:40]


def _save(path: Path, request: dict[str, Any], scores: Scores, features: Features) -> None:
    text = json.dumps({"request": request, "scores": scores.to_json()})
    with whole(path) as temporary, temporary.open("wb") as f:
        np.savez_compressed(f, text=np.frombuffer(text.encode(), np.uint8), **features)  # type: ignore[arg-type]


def _load(path: Path) -> tuple[Scores, Features] | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as z:
            data = json.loads(z["text"].tobytes())
            features = {k: np.asarray(z[k], np.float32) for k in z.files if k != "text"}
        return Scores.from_json(data["scores"]), features
    except (OSError, EOFError, KeyError, ValueError, BadZipFile):
        path.unlink(missing_ok=True)
        return None

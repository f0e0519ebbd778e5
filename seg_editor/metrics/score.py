"""All figures of one result: a row a slice, and all slices together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import UsageError
from seg_editor.metrics.diffmap import DIFF_THRESHOLD, diffmap_iou, iou_bound, iou_of_full_change
from seg_editor.metrics.display import Window, display01, display_window
from seg_editor.metrics.outside import change_outside
from seg_editor.metrics.residual import TumorResidual, tumor_residual
from seg_editor.metrics.seam import seam_ratio
from seg_editor.metrics.texture import texture_ratio

if TYPE_CHECKING:
    from seg_editor.cases import Case, LabelScheme, Modality

BoolArray = NDArray[np.bool_]

_RENAMED = {"diffmap_iou_ceiling": "diffmap_iou_full_hole"}
_UNNAMED = "tumor"

NO_REFEREE = "no referee model is loaded"
NO_FLAIR = "the referee judges FLAIR, which was not generated"
NO_TUMOR = "no tumor on the scored slices"


class Referee(Protocol):
    """A network that judges pictures and never makes them."""

    def segment_slices(self, case: Case, indices: Sequence[int], raw: NDArray[Any] | None = None) -> NDArray[np.uint8]:
        """Return the five classes (n, x, y) of the axial slices `indices` of the case's FLAIR, or of `raw` instead."""


class ScoredHole(Protocol):
    """What a score needs of a `Hole`."""

    @property
    def mask(self) -> BoolArray:
        """All voxels that may differ, (x, y, z)."""

    @property
    def core(self) -> BoolArray:
        """The tumor that was to go, (x, y, z)."""


class Scored(Protocol):
    """What a score needs of a `Counterfactual`."""

    @property
    def hole(self) -> ScoredHole:
        """The generated voxels."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The generated modalities."""

    @property
    def slices(self) -> tuple[int, ...]:
        """The generated axial slices, canonical."""

    @property
    def seconds(self) -> Mapping[int, float]:
        """Computing time of a slice."""

    def raw(self, case: Case, modality: Modality) -> NDArray[Any]:
        """Compose the volume (x, y, z) in stored values."""

    def slice_raw(self, case: Case, modality: Modality, k: int, axis: int = 2) -> NDArray[Any]:
        """Compose one slice in stored values."""


@dataclass(frozen=True)
class SliceMetrics:
    """The figures of one axial slice; None where a figure has no meaning.

    Parameters
    ----------
    index : int
        Canonical axial index (not the index in the file).
    tumor_residual, diffmap_iou : float or None
        None without tumor on the slice, and the former without a referee.
    change_outside_max : float
        In stored units of the modality; 0 by construction, and measured.
    seconds : float
        Time that the slice took to generate.
    tumor_voxels : int
    parts : mapping of str to float, or None
        ``inside``, ``outside`` and ``void`` of TumorResidual.
    texture_ratio, seam_ratio : float or None
        None where the hole is too small on this slice.
    kept : mapping of str to int
        Voxels of tumor that was to stay, by the abbreviation of their label. Where there are some the referee may see
        tumor in what was removed, too: it takes what lies within tumor for tumor.
    """

    index: int
    tumor_residual: float | None
    diffmap_iou: float | None
    change_outside_max: float
    seconds: float
    tumor_voxels: int
    parts: Mapping[str, float] | None
    texture_ratio: float | None
    seam_ratio: float | None
    kept: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Metrics:
    """The figures of a result.

    Parameters
    ----------
    modality : str
        Key of the modality that was scored.
    per_slice : tuple of SliceMetrics
        By ascending canonical index.
    overall : mapping
        Over all scored slices: ``tumor_residual`` (pooled) with ``tumor_residual_parts``, ``tumor_residual_paper`` and
        ``tumor_residual_reason``; ``diffmap_iou`` (mean over tumor slices), ``diffmap_iou_pooled``,
        ``diffmap_iou_paper``, ``diffmap_iou_full_hole`` (had every voxel of the hole changed), ``diffmap_iou_bound``
        (the highest possible) and ``diffmap_threshold``; ``change_outside_max``; ``texture_ratio``; ``seam_ratio``;
        ``kept`` (all slices); ``seconds``; ``slices``; ``tumor_slices``; ``tumor_voxels``; ``modality``;
        ``display_window``. Plain JSON types.
    """

    modality: str
    per_slice: tuple[SliceMetrics, ...]
    overall: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "modality": self.modality,
            "slices": [asdict(row) for row in self.per_slice],
            "overall": dict(self.overall),
        }

    def to_json(self) -> str:
        """Return JSON text."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Metrics:
        """Rebuild from `to_dict`, also where an older version wrote it.

        Raises
        ------
        UsageError
            A field is missing or unknown.
        """
        written: dict[str, Any] = dict(data.get("overall", {}))
        overall = {_RENAMED.get(key, key): value for key, value in written.items()}
        try:
            return cls(str(data["modality"]), tuple(SliceMetrics(**row) for row in data["slices"]), overall)
        except (KeyError, TypeError) as error:
            raise UsageError(f"these are not metrics: {error}", remedy="Use the JSON as it was written") from None


@dataclass(frozen=True)
class _Planes:
    """What is scored, slices first."""

    source: NDArray[np.float32]
    result: NDArray[np.float32]
    tumor: BoolArray
    remaining: BoolArray
    kept: NDArray[np.integer[Any]]
    scheme: LabelScheme
    hole: BoolArray
    healthy: BoolArray
    predicted: NDArray[np.uint8] | None
    flair01: NDArray[np.float32] | None
    window: Window

    def residual(self, part: slice, *, paper: bool = False) -> TumorResidual | None:
        if self.predicted is None or self.flair01 is None:
            return None
        remaining = self.remaining[part]
        return tumor_residual(
            self.predicted[part], self.tumor[part], self.flair01[part], remaining=remaining, paper=paper
        )

    def shown(self, part: slice) -> tuple[NDArray[np.float32], NDArray[np.float32], BoolArray]:
        return display01(self.source[part], self.window), display01(self.result[part], self.window), self.tumor[part]


def score(
    case: Case,
    counterfactual: Scored,
    *,
    tumor: BoolArray | None = None,
    referee: Referee | None = None,
    modality: Modality | None = None,
    slices: Sequence[int] | None = None,
    remaining: NDArray[Any] | None = None,
) -> Metrics:
    """Score a result on the slices that were generated.

    Parameters
    ----------
    case : Case
    counterfactual : Counterfactual
    tumor : (x, y, z) bool array, optional
        The tumor that was to go; the core of the hole when left out.
    referee : Referee, optional
        Without one ``tumor_residual`` is None, with the reason in ``overall["tumor_residual_reason"]``.
    modality : Modality, optional
        What is scored; FLAIR when it was generated, else the first generated. TumorResidual is always judged on FLAIR.
    slices : sequence of int, optional
        Score only these canonical axial slices (live use: a few ms). The change outside the hole is then measured on
        these slices, else on the whole volume.
    remaining : (x, y, z) array of labels or bool, optional
        Tumor that was to stay: neither held against the result nor taken for healthy. Left out, it is the
        case's tumor as read, as far as it lies outside the hole.

    Raises
    ------
    UsageError
        If the modality or a slice was not generated.
    """
    chosen = _choose_modality(counterfactual, modality)
    indices = _choose_slices(counterfactual, slices)
    gone = counterfactual.hole.core if tumor is None else tumor
    planes = _gather(case, counterfactual, chosen, indices, gone, remaining, referee)
    rows = tuple(_row(planes, i, k, counterfactual.seconds.get(k, 0.0)) for i, k in enumerate(indices))
    if slices is None:
        whole = counterfactual.raw(case, chosen)
        outside = change_outside(case.volumes[chosen].raw, whole, counterfactual.hole.mask)
    else:
        outside = max((row.change_outside_max for row in rows), default=0.0)
    reason = _reason(counterfactual, referee, planes)
    return Metrics(str(chosen), rows, _overall(planes, rows, outside, reason, str(chosen)))


def _choose_modality(counterfactual: Scored, wanted: Modality | None) -> Modality:
    made = counterfactual.modalities
    if wanted is None:
        return next((m for m in made if m == "flair"), made[0])
    if wanted not in made:
        raise UsageError(f"{wanted.display} was not generated", remedy="Generate it with this modality chosen")
    return wanted


def _choose_slices(counterfactual: Scored, wanted: Sequence[int] | None) -> tuple[int, ...]:
    made = counterfactual.slices
    if wanted is None:
        return made
    missing = sorted(set(wanted) - set(made))
    if missing:
        raise UsageError(f"slice {missing[0]} was not generated", remedy="Generate it first")
    return tuple(sorted({int(k) for k in wanted}))


def _gather(
    case: Case,
    counterfactual: Scored,
    modality: Modality,
    indices: tuple[int, ...],
    tumor: BoolArray,
    remaining: NDArray[Any] | None,
    referee: Referee | None,
) -> _Planes:
    raw = case.volumes[modality].raw
    gone, hole = _planes(tumor, indices), _planes(counterfactual.hole.mask, indices)
    kept = case.tumor if remaining is None else remaining
    stays = np.zeros_like(hole) if kept is None else (_planes(kept, indices) > 0) & ~hole
    labels = _names_of(case, kept, indices)
    result = [counterfactual.slice_raw(case, modality, k) for k in indices]
    flair = next((m for m in counterfactual.modalities if m == "flair"), None)
    predicted = flair01 = None
    if referee is not None and flair is not None and indices:
        volume = counterfactual.raw(case, flair)
        predicted = referee.segment_slices(case, indices, volume)
        flair01 = display01(_planes(volume, indices), display_window(case.volumes[flair].raw))
    return _Planes(
        source=_planes(raw, indices).astype(np.float32),
        result=np.stack(result).astype(np.float32) if result else np.zeros((0, *raw.shape[:2]), np.float32),
        tumor=gone,
        remaining=stays,
        kept=labels,
        scheme=case.scheme,
        hole=hole,
        healthy=_planes(case.brain, indices) & ~hole & ~gone & ~stays,
        predicted=predicted,
        flair01=flair01,
        window=display_window(raw),
    )


def _names_of(case: Case, kept: NDArray[Any] | None, indices: tuple[int, ...]) -> NDArray[Any]:
    """The labels (n, x, y) that name what stays: those given, or the case's own; 0 where there is no name."""
    if kept is not None and kept.dtype != np.bool_:
        return _planes(kept, indices)
    if case.labels is None:
        return np.zeros((len(indices), *case.grid.shape[:2]), np.uint8)
    return _planes(case.labels.raw, indices)


def _kept(planes: _Planes, part: slice) -> dict[str, int]:
    values, counts = np.unique(planes.kept[part][planes.remaining[part]], return_counts=True)
    found: dict[str, int] = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        subregion = planes.scheme.subregion(value) if value else None
        name = planes.scheme.name_of(value) if value else _UNNAMED
        found[name if subregion is None else subregion.short] = count
    return found


def _planes(volume: NDArray[Any], indices: tuple[int, ...]) -> NDArray[Any]:
    """Return the axial slices of an (x, y, z) array as (n, x, y), contiguous."""
    return np.ascontiguousarray(np.moveaxis(volume[:, :, list(indices)], 2, 0))


def _row(planes: _Planes, i: int, index: int, seconds: float) -> SliceMetrics:
    part = slice(i, i + 1)
    residual = planes.residual(part)
    overlap = diffmap_iou(*planes.shown(part))
    result, hole, healthy = planes.result[part], planes.hole[part], planes.healthy[part]
    return SliceMetrics(
        index=index,
        tumor_residual=None if residual is None else residual.value,
        diffmap_iou=None if overlap is None else overlap.value,
        change_outside_max=change_outside(planes.source[part], result, hole),
        seconds=float(seconds),
        tumor_voxels=int(np.count_nonzero(planes.tumor[part])),
        parts=None if residual is None else residual.parts,
        texture_ratio=texture_ratio(result, hole, healthy),
        seam_ratio=seam_ratio(result, hole, healthy),
        kept=_kept(planes, part),
    )


def _overall(
    planes: _Planes, rows: tuple[SliceMetrics, ...], outside: float, reason: str | None, modality: str
) -> dict[str, Any]:
    everything = slice(None)
    residual, strict = planes.residual(everything), planes.residual(everything, paper=True)
    shown = planes.shown(everything)
    ours, paper = diffmap_iou(*shown), diffmap_iou(*shown, paper=True)
    return {
        "tumor_residual": None if residual is None else residual.value,
        "tumor_residual_parts": None if residual is None else residual.parts,
        "tumor_residual_paper": None if strict is None else strict.value,
        "tumor_residual_reason": reason,
        "diffmap_iou": None if ours is None else ours.value,
        "diffmap_iou_pooled": None if ours is None else ours.pooled,
        "diffmap_iou_paper": None if paper is None else paper.value,
        "diffmap_iou_full_hole": iou_of_full_change(planes.hole, planes.tumor),
        "diffmap_iou_bound": iou_bound(planes.hole, planes.tumor),
        "diffmap_threshold": DIFF_THRESHOLD,
        "change_outside_max": outside,
        "texture_ratio": texture_ratio(planes.result, planes.hole, planes.healthy),
        "seam_ratio": seam_ratio(planes.result, planes.hole, planes.healthy),
        "kept": _kept(planes, everything),
        "seconds": float(sum(row.seconds for row in rows)),
        "slices": len(rows),
        "tumor_slices": sum(row.tumor_voxels > 0 for row in rows),
        "tumor_voxels": sum(row.tumor_voxels for row in rows),
        "modality": modality,
        "display_window": [planes.window.low, planes.window.high],
    }


def _reason(counterfactual: Scored, referee: Referee | None, planes: _Planes) -> str | None:
    if referee is None:
        return NO_REFEREE
    if not any(m == "flair" for m in counterfactual.modalities):
        return NO_FLAIR
    return None if planes.tumor.any() else NO_TUMOR

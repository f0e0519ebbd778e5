"""From pictures to figures: a fraction a metric and slice, so that any pooling follows later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.margins import BENCHMARK_MARGIN, with_margin
from seg_editor.anatomy.names import TUMOR
from seg_editor.cases import Modality
from seg_editor.generation.counterfactual import to_raw
from seg_editor.generation.referee import Referee
from seg_editor.metrics import diffmap_iou, display01, display_window, seam_ratio, texture_ratio, tumor_residual
from seg_editor.metrics.healthy_hole import score_holes
from seg_editor.metrics.overlap import PAPER_BATCH, class_overlaps, paper_gen_dice
from seg_editor.metrics.structural import match_histogram, ssim, ssim_inside
from training.evaluate.methods import Mode, hole_of, slices_of
from training.evaluate.subject import Floats, Subject

#: A figure as numerator and denominator.
Fraction = tuple[float, float]
CLASSES = ("background", "csf", "gm", "wm", "tumor")
#: Thresholds of the DiffMap sweep.
THRESHOLDS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30)


@dataclass
class Scores:
    """Figures of one result: a mapping a slice, and figures of the case as a whole."""

    slices: tuple[int, ...]
    rows: list[dict[str, Fraction]]
    case: dict[str, Fraction] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"slices": list(self.slices), "rows": self.rows, "case": self.case}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Scores:
        """The reverse of :meth:`to_json`."""

        def figures(row: dict[str, Any]) -> dict[str, Fraction]:
            return {k: (float(a), float(b)) for k, (a, b) in row.items()}

        return cls(tuple(data["slices"]), [figures(r) for r in data["rows"]], figures(data["case"]))

    def total(self) -> dict[str, Fraction]:
        """Sums over the slices, and the case's own figures."""
        out = dict(self.case)
        for row in self.rows:
            for name, (a, b) in row.items():
                x, y = out.get(name, (0.0, 0.0))
                out[name] = (x + a, y + b)
        return out


def score_pictures(subject: Subject, mode: Mode, made: Floats, referee: Referee) -> Scores:
    """Score slices (n, x, y) in FLAIR's intensities, of ``slices_of(subject, mode)``."""
    slices = slices_of(subject, mode)
    scores = Scores(slices, [{} for _ in slices])
    if not slices:
        return scores
    if mode is Mode.HEALTHY_HOLE:
        _healthy_holes(scores, subject, made)
        return scores
    pictures = _Pictures(subject, slices, made, referee)
    for i in range(len(slices)):
        (_counterfactual if mode is Mode.COUNTERFACTUAL else _reconstruction)(scores.rows[i], pictures, i)
    if mode is Mode.COUNTERFACTUAL:
        _finish(scores, pictures)
    else:
        _gen_dice(scores, pictures)
    return scores


class _Pictures:
    """One result in the scales that the figures need."""

    def __init__(self, subject: Subject, slices: tuple[int, ...], made: Floats, referee: Referee) -> None:
        volume = subject.case.volumes[Modality.FLAIR]
        self.source = np.asarray(subject.planes(subject.flair, slices), np.float32)
        self.made = made
        self.tumor = np.asarray(subject.planes(subject.tumor, slices), bool)
        self.hole = np.asarray(subject.planes(subject.tumor_hole.mask, slices), bool)
        self.brain = np.asarray(subject.planes(subject.case.brain, slices), bool)
        widened = np.asarray(subject.planes(subject.widened, slices), bool)
        self.healthy = self.brain & ~self.hole & ~widened
        self.wanted = np.where(self.tumor, TUMOR, subject.planes(subject.tissue, slices)).astype(np.uint8)
        self.paper_source, self.paper_made = paper_scale(self.source, made)
        window = display_window(volume.raw)
        self.shown_source, self.shown_made = (display01(to_raw(volume, v), window) for v in (self.source, made))
        self.predicted = referee.segment_slices(subject.case, slices, subject.raw_with(slices, made))


def paper_scale(source: Floats, made: Floats) -> tuple[Floats, Floats]:
    """Source and result as the paper compares them: by each source slice's own minimum and maximum.

    The source is float, the result cut to [0, 1] and to 8 bit by truncation.
    """
    low = source.min((1, 2), keepdims=True)
    span = np.maximum(source.max((1, 2), keepdims=True) - low, 1e-6)
    result = np.floor(np.clip((made - low) / span, 0, 1) * 255) / 255
    return ((source - low) / span).astype(np.float32), result.astype(np.float32)


def _counterfactual(row: dict[str, Fraction], p: _Pictures, i: int) -> None:
    one = slice(i, i + 1)
    for paper, image in ((False, p.shown_made), (True, p.paper_made)):
        found = tumor_residual(p.predicted[one], p.tumor[one], image[one], paper=paper)
        if found is not None:
            size = float(found.tumor_voxels)
            name = "tumor_residual" + ("_paper" if paper else "")
            row[name] = (found.value * size, size)
            if not paper:
                row |= {f"residual_{k}": (v * size, size) for k, v in found.parts.items()}
    if not p.tumor[i].any():
        brain = float(np.count_nonzero(p.brain[i]))
        row["false_tumor"] = (float(np.count_nonzero(p.predicted[i] == TUMOR)), brain)
    strict = diffmap_iou(p.paper_source[one], p.paper_made[one], p.tumor[one], paper=True)
    if strict is not None:
        row["diffmap_iou_paper"] = (strict.value, 1.0)
    for threshold in THRESHOLDS:
        overlap = diffmap_iou(p.shown_source[one], p.shown_made[one], p.tumor[one], threshold)
        if overlap is not None:
            row[f"diffmap_iou@{threshold:.2f}"] = (overlap.value, 1.0)
    row["ssim_paper"] = (_paper_ssim(p, i, keep=~p.tumor[i]), 1.0)
    outside = np.abs(p.made[i] - p.source[i])[~p.hole[i]]
    row["change_outside"] = (float(outside.max(initial=0.0)), 1.0)


def _reconstruction(row: dict[str, Fraction], p: _Pictures, i: int) -> None:
    for name, overlap in zip(CLASSES, class_overlaps(p.predicted[i], p.wanted[i]), strict=True):
        if overlap.first + overlap.second and name != "background":
            row[f"dice_{name}"] = (2.0 * overlap.both, float(overlap.first + overlap.second))
    row["ssim_paper"] = (_paper_ssim(p, i, keep=None), 1.0)
    alike = ssim_inside(p.shown_made[i : i + 1], p.shown_source[i : i + 1], p.brain[i : i + 1])
    if alike is not None:
        row["ssim_brain"] = (alike, 1.0)
    error = (p.shown_made[i] - p.shown_source[i])[p.brain[i]].astype(np.float64)
    row["mse_brain"] = (float((error**2).sum()), float(error.size))


def _paper_ssim(p: _Pictures, i: int, keep: NDArray[np.bool_] | None) -> float:
    a, b = p.paper_made[i], p.paper_source[i]
    if keep is not None:
        a, b = a * keep, b * keep
    return ssim(match_histogram(a, b), b)


def _gen_dice(scores: Scores, p: _Pictures) -> None:
    """The paper pools eight slices; a batch's figure stands at its first slice, weighted by its slices."""
    for at in range(0, len(p.predicted), PAPER_BATCH):
        part = slice(at, at + PAPER_BATCH)
        for name, iou in (("gen_dice_paper", False), ("gen_iou_paper", True)):
            value = paper_gen_dice(p.predicted[part], p.wanted[part], iou=iou)
            if value is not None:
                count = float(len(p.predicted[part]))
                scores.rows[at][name] = (value * count, count)


def _finish(scores: Scores, p: _Pictures) -> None:
    """Figures of the hole as a whole."""
    for name, value in (
        ("texture", texture_ratio(p.made, p.hole, p.healthy)),
        ("seam", seam_ratio(p.made, p.hole, p.healthy)),
    ):
        if value is not None:
            scores.case[name] = (value, 1.0)


def _healthy_holes(scores: Scores, subject: Subject, made: Floats) -> None:
    assert subject.holes is not None
    volume = subject.flair.copy()
    at = list(scores.slices)
    volume[:, :, at] = np.moveaxis(made, 0, 2)
    used = np.zeros(volume.shape[2], bool)
    used[at] = True
    hole = hole_of(subject, Mode.HEALTHY_HOLE).mask
    holes = np.where(hole, subject.holes, 0)
    tumor = with_margin(subject.tumor, subject.case.brain, BENCHMARK_MARGIN)
    found = list(score_holes(subject.flair, volume, holes, subject.case.brain, tumor, slices=used))
    for name in ("mse", "psnr", "ssim", "texture", "seam"):
        values = [v for v in (getattr(f, name) for f in found) if v is not None]
        if values:
            scores.case[f"hole_{name}"] = (float(np.sum(values)), float(len(values)))

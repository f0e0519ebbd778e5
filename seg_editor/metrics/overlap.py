"""Dice and IoU of class maps, per class, and the paper's GenDice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAPER_EPSILON = 1e-6
PAPER_BATCH = 8


@dataclass(frozen=True)
class Overlap:
    """Voxels of one class: in both maps, in the first, in the second."""

    both: int
    first: int
    second: int

    @property
    def dice(self) -> float | None:
        """None when neither map has the class."""
        total = self.first + self.second
        return 2 * self.both / total if total else None

    @property
    def iou(self) -> float | None:
        """None when neither map has the class."""
        union = self.first + self.second - self.both
        return self.both / union if union else None

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(self.both + other.both, self.first + other.first, self.second + other.second)


def class_overlaps(
    first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]], classes: int = 5
) -> tuple[Overlap, ...]:
    """Overlap of every class of two maps of one shape.

    Raises
    ------
    ValueError
        Shapes differ, or a value is not one of the classes.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {first.shape}, {second.shape}")
    pairs = first.astype(np.int64).ravel() * classes + second.ravel()
    table = np.bincount(pairs, minlength=classes * classes)
    if table.size > classes * classes or (second.size and int(second.max()) >= classes):
        raise ValueError(f"class values must be below {classes}")
    table = table.reshape(classes, classes)
    return tuple(Overlap(int(table[c, c]), int(table[c].sum()), int(table[:, c].sum())) for c in range(classes))


def paper_gen_dice(
    predicted: NDArray[np.integer[Any]], wanted: NDArray[np.integer[Any]], *, iou: bool = False
) -> float | None:
    """GenDice (or GenIoU) as the paper's code has it.

    Slices are taken eight at a time; a batch's pixels are pooled, classes in neither map are left out, the background
    counts as a class, and the batches' means are weighted by their slices.

    Parameters
    ----------
    predicted, wanted : (n, x, y) integer arrays
        Classes 0 to 4 of the referee on the reconstruction, and of the mask.
    """
    values: list[float] = []
    weights: list[int] = []
    for at in range(0, len(predicted), PAPER_BATCH):
        part = slice(at, at + PAPER_BATCH)
        found = [_paper_figure(o, iou) for o in class_overlaps(predicted[part], wanted[part]) if o.first + o.second]
        if found:
            values.append(float(np.mean(found)))
            weights.append(len(predicted[part]))
    return float(np.average(values, weights=weights)) if values else None


def mean_dice(overlaps: Sequence[Overlap], *, background: bool = False) -> float | None:
    """Mean Dice over the classes that are there, without the background unless asked."""
    found = [o.dice for o in overlaps[0 if background else 1 :] if o.dice is not None]
    return float(np.mean(found)) if found else None


def _paper_figure(overlap: Overlap, iou: bool) -> float:
    total = overlap.first + overlap.second
    if iou:
        return (overlap.both + PAPER_EPSILON) / (total - overlap.both + PAPER_EPSILON)
    return (2 * overlap.both + PAPER_EPSILON) / (total + PAPER_EPSILON)

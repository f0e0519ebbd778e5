"""DiffMap IoU: is the place that changed the place where the tumor was?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIFF_THRESHOLD = 0.10
PAPER_EPSILON = 1e-6


@dataclass(frozen=True)
class DiffMapIoU:
    """Overlap of the changed voxels with the tumor.

    Parameters
    ----------
    value : float
        Mean over the slices that count.
    pooled : float
        Intersection over union of all their voxels together.
    changed, intersection, union : int
        Voxels, over the slices that count.
    slices : int
        How many slices count.
    """

    value: float
    pooled: float
    changed: int
    intersection: int
    union: int
    slices: int


def diffmap_iou(
    source01: NDArray[np.floating[Any]],
    generated01: NDArray[np.floating[Any]],
    tumor: NDArray[np.bool_],
    threshold: float = DIFF_THRESHOLD,
    *,
    paper: bool = False,
) -> DiffMapIoU | None:
    """Intersection over union of ``|source - generated| > threshold`` with the tumor, mean over slices.

    Parameters
    ----------
    source01, generated01 : (n, x, y) float arrays in [0, 1]
        On one gray scale (`display01` with the source's window).
    tumor : (n, x, y) bool array
        The tumor that was to go.
    threshold : float
    paper : bool
        As the paper has it, to the letter: slices without tumor count too unless nothing changed in them
        (they score about 0), and 1e-6 is added above and below the line. Ours counts tumor slices only.

    Returns
    -------
    DiffMapIoU or None
        None when no slice counts.
    """
    if not source01.shape == generated01.shape == tumor.shape or tumor.ndim != 3:
        raise ValueError(f"shapes differ: {source01.shape}, {generated01.shape}, {tumor.shape}")
    return _overlap(np.abs(source01 - generated01) > threshold, tumor, paper)


def diffmap_sweep(
    source01: NDArray[np.floating[Any]],
    generated01: NDArray[np.floating[Any]],
    tumor: NDArray[np.bool_],
    thresholds: Iterable[float] = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30),
) -> dict[float, float]:
    """Return our DiffMap IoU at several thresholds; empty without tumor slices. Arrays as in `diffmap_iou`."""
    difference = np.abs(source01 - generated01)
    found = {float(t): _overlap(difference > t, tumor, False) for t in thresholds}
    return {t: iou.value for t, iou in found.items() if iou is not None}


def iou_of_full_change(hole: NDArray[np.bool_], tumor: NDArray[np.bool_]) -> float | None:
    """Return the DiffMap IoU of a result that changes every voxel of the hole, margin included.

    A yardstick, not a bound: a result that leaves the margin as it was may score higher.

    Parameters
    ----------
    hole, tumor : (n, x, y) bool arrays
    """
    full = _overlap(hole, tumor, False)
    return None if full is None else full.value


def iou_bound(hole: NDArray[np.bool_], tumor: NDArray[np.bool_]) -> float | None:
    """Return the highest DiffMap IoU that a result can have: it changes all tumor inside the hole and nothing else.

    1 unless some of the tumor lies outside the hole, where nothing may change.

    Parameters
    ----------
    hole, tumor : (n, x, y) bool arrays
    """
    best = _overlap(hole & tumor, tumor, False)
    return None if best is None else best.value


def _overlap(changed: NDArray[np.bool_], tumor: NDArray[np.bool_], paper: bool) -> DiffMapIoU | None:
    intersection = np.count_nonzero(changed & tumor, axis=(1, 2))
    union = np.count_nonzero(changed | tumor, axis=(1, 2))
    used = union > 0 if paper else tumor.any(axis=(1, 2))
    if not used.any():
        return None
    intersection, union = intersection[used], union[used]
    epsilon = PAPER_EPSILON if paper else 0.0
    return DiffMapIoU(
        value=float(np.mean((intersection + epsilon) / (union + epsilon))),
        pooled=float(intersection.sum() / union.sum()),
        changed=int(np.count_nonzero(changed[used])),
        intersection=int(intersection.sum()),
        union=int(union.sum()),
        slices=int(np.count_nonzero(used)),
    )

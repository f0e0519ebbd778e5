"""TumorResidual: how much tumor is left, and how much of it became an empty void."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import TUMOR

VOID_THRESHOLD = 0.05
VOID_WEIGHT = 2.0
PAPER_EPSILON = 1e-6


@dataclass(frozen=True)
class TumorResidual:
    """The figure and its three parts, each as a fraction of the tumor's voxels.

    ``value = inside + outside + void_weight * void``; 0 is right, and it may exceed 1.

    Parameters
    ----------
    value : float
    inside, outside : float
        What the referee still calls tumor, where the tumor was and elsewhere in the slice.
    void : float
        Voxels of the tumor that became black.
    tumor_voxels : int
    slices : int
        Number of slices with tumor, the only ones that count.
    """

    value: float
    inside: float
    outside: float
    void: float
    tumor_voxels: int
    slices: int

    @property
    def parts(self) -> dict[str, float]:
        """The three parts by name."""
        return {"inside": self.inside, "outside": self.outside, "void": self.void}


def tumor_residual(
    predicted_five: NDArray[np.integer[Any]],
    tumor: NDArray[np.bool_],
    image01: NDArray[np.floating[Any]],
    void_threshold: float = VOID_THRESHOLD,
    void_weight: float = VOID_WEIGHT,
    *,
    remaining: NDArray[np.bool_] | None = None,
    paper: bool = False,
) -> TumorResidual | None:
    """Score how well the tumor has gone.

    Over the slices s that hold tumor, with T_s its voxels::

        sum_s [ #(referee says tumor, anywhere in s) + void_weight * #(image < void_threshold and tumor) ] / sum_s T_s

    A voxel may count twice, as the referee's tumor and as a void. The paper's image is the slice scaled to [0, 1]
    by its own minimum and maximum; here `image01` is the display scale (`display01`), which is the same for every
    slice of a volume, so a bright tumor doesn't shift the void threshold of its slice.

    Parameters
    ----------
    predicted_five : (n, x, y) integer array
        The referee's classes for the result: 0 background, 1 CSF, 2 GM, 3 WM, 4 tumor.
    tumor : (n, x, y) bool array
        The tumor that was to go.
    image01 : (n, x, y) float array
        The result in [0, 1].
    void_threshold, void_weight : float
    remaining : (n, x, y) bool array, optional
        Tumor that was to stay; the referee's finding there is not held against the result. Not in the paper.
    paper : bool
        To the letter: `remaining` is left out of account and 1e-6 is added to the denominator.

    Returns
    -------
    TumorResidual or None
        None when no slice holds tumor.
    """
    if not predicted_five.shape == tumor.shape == image01.shape or tumor.ndim != 3:
        raise ValueError(f"shapes differ: {predicted_five.shape}, {tumor.shape}, {image01.shape}")
    used = tumor.any(axis=(1, 2))
    total = int(np.count_nonzero(tumor))
    if total == 0:
        return None
    found = predicted_five[used] == TUMOR
    there = tumor[used]
    if remaining is not None and not paper:
        found &= ~(remaining[used] & ~there)
    inside = int(np.count_nonzero(found & there))
    outside = int(np.count_nonzero(found)) - inside
    void = int(np.count_nonzero((image01[used] < void_threshold) & there))
    size = total + PAPER_EPSILON if paper else float(total)
    return TumorResidual(
        value=(inside + outside + void_weight * void) / size,
        inside=inside / size,
        outside=outside / size,
        void=void / size,
        tumor_voxels=total,
        slices=int(np.count_nonzero(used)),
    )


def residual_floor(
    predicted_source: NDArray[np.integer[Any]],
    tumor: NDArray[np.bool_],
    hole: NDArray[np.bool_],
    remaining: NDArray[np.bool_] | None = None,
) -> float | None:
    """Return the TumorResidual that is there whatever is generated: the referee's finds in the source outside the hole.

    Over the slices that hold tumor, as `tumor_residual` counts. A floor as far as the referee looks at each place
    by itself: its view of the untouched tissue can change a little with what is generated next to it.

    Parameters
    ----------
    predicted_source : (n, x, y) integer array
        The referee's classes for the source.
    tumor, hole : (n, x, y) bool arrays
    remaining : (n, x, y) bool array, optional
        Tumor that was to stay.

    Returns
    -------
    float or None
        None when no slice holds tumor.
    """
    if not tumor.any():
        return None
    used = tumor.any(axis=(1, 2))
    found = (predicted_source[used] == TUMOR) & ~hole[used]
    if remaining is not None:
        found &= ~(remaining[used] & ~tumor[used])
    return float(np.count_nonzero(found) / np.count_nonzero(tumor))

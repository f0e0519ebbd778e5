"""The ANTs computations: N4 bias correction and Atropos. Runs in the spawned process only (see `process`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.process import Arrays, Report

N4_SHRINK = 4
N4_ITERATIONS = (30, 20)
"""Two levels: a third and fourth follow the tissue and turn cortex into white matter (measured against the prior)."""
N4_TOLERANCE = 1e-6
ATROPOS_ITERATIONS = 3
MRF_WEIGHT = 0.1
CONTRAST_PERCENTILES = (4.0, 98.0)
"""What lies beyond is pressed together: CSF reaches far down and would draw the gray class to itself."""
CONTRAST_SPREAD = 1.5
"""Interquartile ranges below the median that are always kept, for brains with little CSF."""

_TAIL = 0.1
_N4_SECONDS_PER_MEGAVOXEL = 1.0
_ATROPOS_SECONDS_PER_MEGAVOXEL = 10.0


def segment(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    """Three intensity classes, numbered 1 to 3 in no promised order.

    Parameters
    ----------
    arrays : dict
        ``image0``, perhaps ``image1``: float32 (x, y, z), all positive, cropped; ``mask``: uint8 (x, y, z), where to
        look. With two images (T1 and T2) their `contrast` is what is clustered.
    options : dict
        ``spacing``: voxel size in mm.
    report : callable
        Takes start and end fraction, expected seconds, and the stage's name.

    Returns
    -------
    dict
        ``classes``: uint8 (x, y, z), 0 outside the mask; ``image``: what was clustered, float32.
    """
    report(0.0, 0.05, 4.0, "Loading ANTs")
    import ants

    spacing = tuple(float(s) for s in options["spacing"])
    inside = arrays["mask"] > 0
    mask = ants.from_numpy(inside.astype(np.float32), spacing=spacing)
    names = sorted(key for key in arrays if key.startswith("image"))
    corrected: list[NDArray[np.float32]] = []
    for k, name in enumerate(names):
        start = 0.1 + 0.2 * k / len(names)
        seconds = _N4_SECONDS_PER_MEGAVOXEL * inside.size / 1e6
        report(start, start + 0.2 / len(names), seconds, "Correcting the bias field")
        image = ants.n4_bias_field_correction(
            ants.from_numpy(np.ascontiguousarray(arrays[name], np.float32), spacing=spacing),
            mask=mask,
            shrink_factor=N4_SHRINK if min(inside.shape) >= 8 * N4_SHRINK else 1,
            convergence={"iters": list(N4_ITERATIONS), "tol": N4_TOLERANCE},
        )
        corrected.append(np.ascontiguousarray(image.numpy(), np.float32))
    clustered = corrected[0] if len(corrected) == 1 else contrast(corrected[0], corrected[1], inside)
    seconds = _ATROPOS_SECONDS_PER_MEGAVOXEL * int(inside.sum()) / 1e6
    report(0.3, 0.98, seconds, "Finding CSF, gray and white matter")
    found = ants.atropos(
        a=ants.from_numpy(clustered, spacing=spacing),
        x=mask,
        i="kmeans[3]",
        m=f"[{MRF_WEIGHT},1x1x1]",
        c=f"[{ATROPOS_ITERATIONS},0]",
    )
    return {"classes": np.rint(found["segmentation"].numpy()).astype(np.uint8), "image": clustered}


def contrast(t1: NDArray[np.float32], t2: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Combine T1 and T2 so that tissues part and what both share, such as the coil's shading, cancels.

    Parameters
    ----------
    t1, t2 : float32 array (x, y, z)
        Positive.
    mask : bool array (x, y, z)

    Returns
    -------
    float32 array (x, y, z)
        (T1 - T2) / (T1 + T2), each divided by its median; tails pressed; about 100 to 1200, 0 outside the mask.
        CSF is darkest, white matter brightest.
    """
    a = t1 / max(float(np.median(t1[mask])), 1e-6)
    b = t2 / max(float(np.median(t2[mask])), 1e-6)
    ratio = (a - b) / np.maximum(a + b, 1e-6)
    inside = ratio[mask]
    low, high = (float(v) for v in np.percentile(inside, CONTRAST_PERCENTILES))
    quarter, median, three_quarters = (float(v) for v in np.percentile(inside, [25, 50, 75]))
    low = min(low, median - CONTRAST_SPREAD * (three_quarters - quarter))
    low = max(low, float(inside.min()))
    cut = np.clip(ratio, low, high)
    stretched = ((cut + _TAIL * (ratio - cut) - low) / max(high - low, 1e-6)) * 900 + 200
    return np.where(mask, stretched, 0).astype(np.float32)

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
_N4_SECONDS_PER_MEGAVOXEL = 1.0
_ATROPOS_SECONDS_PER_MEGAVOXEL = 10.0


def segment(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    """Three intensity classes, numbered 1 to 3 in no promised order.

    Parameters
    ----------
    arrays : dict
        ``image0``, ``image1``, …: float32 (x, y, z), all positive, cropped; ``mask``: uint8 (x, y, z), where to look.
    options : dict
        ``spacing``: voxel size in mm; ``n4``: whether to correct the bias field.
    report : callable
        Takes start and end fraction, expected seconds, and the stage's name.

    Returns
    -------
    dict
        ``classes``: uint8 (x, y, z), 0 outside the mask; ``image0`` …: the corrected images, float32.
    """
    report(0.0, 0.05, 4.0, "Loading ANTs")
    import ants

    spacing = tuple(float(s) for s in options["spacing"])
    mask = ants.from_numpy(arrays["mask"].astype(np.float32), spacing=spacing)
    names = sorted(key for key in arrays if key.startswith("image"))
    images = [ants.from_numpy(np.ascontiguousarray(arrays[name], np.float32), spacing=spacing) for name in names]
    size = arrays["mask"].size / 1e6
    if options.get("n4", True):
        for k, image in enumerate(images):
            done = 0.05 + 0.20 * k / len(images)
            report(done, done + 0.20 / len(images), _N4_SECONDS_PER_MEGAVOXEL * size, "Correcting the bias field")
            images[k] = ants.n4_bias_field_correction(
                image,
                mask=mask,
                shrink_factor=N4_SHRINK if min(image.shape) >= 4 * N4_SHRINK else 1,
                convergence={"iters": list(N4_ITERATIONS), "tol": N4_TOLERANCE},
            )
    seconds = _ATROPOS_SECONDS_PER_MEGAVOXEL * (1 + len(images)) / 2 * int(arrays["mask"].sum()) / 1e6
    report(0.25, 0.98, seconds, "Finding CSF, gray and white matter")
    found = ants.atropos(
        a=images if len(images) > 1 else images[0],
        x=mask,
        i="kmeans[3]",
        m=f"[{MRF_WEIGHT},1x1x1]",
        c=f"[{ATROPOS_ITERATIONS},0]",
    )
    result: Arrays = {name: _array(image) for name, image in zip(names, images, strict=True)}
    result["classes"] = np.rint(found["segmentation"].numpy()).astype(np.uint8)
    return result


def _array(image: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.numpy(), np.float32)

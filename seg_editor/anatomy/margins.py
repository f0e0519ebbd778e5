"""How far beyond its outline a tumor counts as ill: edema is under-segmented, and its halo is no healthy tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Voxels around a tumor that no network sees, no network learns and no intensity scale is measured on.
TUMOR_MARGIN = 4
#: Voxels around a tumor that the benchmark of healthy holes leaves out, and that its baselines may not look at.
BENCHMARK_MARGIN = 3


def with_margin(tumor: NDArray[np.bool_], brain: NDArray[np.bool_], margin: int = TUMOR_MARGIN) -> NDArray[np.bool_]:
    """A tumor (x, y, z) widened by `margin` voxels, inside the brain (x, y, z)."""
    if not tumor.any():
        return np.zeros_like(brain)
    from scipy import ndimage as ndi

    return np.asarray(ndi.binary_dilation(tumor, iterations=margin) & brain)

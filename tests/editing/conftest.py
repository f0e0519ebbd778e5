from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import SCHEME_124
from seg_editor.editing import Segmentation

SHAPE = (24, 20, 16)


@pytest.fixture
def tumor_labels() -> np.ndarray:
    """Two tumors: a large one of three labels, and a small one of edema."""
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[4:12, 4:12, 4:12] = 2
    labels[6:10, 6:10, 6:10] = 4
    labels[7:9, 7:9, 7:9] = 1
    labels[18:20, 15:17, 3:5] = 2
    return labels


@pytest.fixture
def segmentation(tumor_labels: np.ndarray) -> Segmentation:
    return Segmentation(tumor_labels, SCHEME_124)


@pytest.fixture
def empty() -> Segmentation:
    return Segmentation(np.zeros(SHAPE, dtype=np.uint8), SCHEME_124)

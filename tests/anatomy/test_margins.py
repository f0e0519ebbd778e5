from __future__ import annotations

import numpy as np

from seg_editor.anatomy.margins import BENCHMARK_MARGIN, TUMOR_MARGIN, with_margin


def test_a_tumor_is_widened_inside_the_brain() -> None:
    brain = np.zeros((21, 21, 21), bool)
    brain[:, :, :12] = True
    tumor = np.zeros_like(brain)
    tumor[10, 10, 10] = True
    wide, narrow = with_margin(tumor, brain), with_margin(tumor, brain, BENCHMARK_MARGIN)
    assert not (wide & ~brain).any()
    assert wide[10 + TUMOR_MARGIN, 10, 10]
    assert not wide[10 + TUMOR_MARGIN + 1, 10, 10]
    assert narrow.sum() < wide.sum()
    assert not (narrow & ~wide).any()


def test_no_tumor_has_no_margin() -> None:
    brain = np.ones((4, 4, 4), bool)
    assert not with_margin(np.zeros_like(brain), brain).any()

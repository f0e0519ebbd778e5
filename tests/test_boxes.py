from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seg_editor.boxes import EMPTY, bounding_box, widened


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(bool, (5, 4, 6)), st.integers(0, 3))
def test_a_box_holds_what_is_set_and_no_more(mask: np.ndarray, by: int) -> None:
    box = bounding_box(mask)
    where = np.argwhere(mask)
    if box is None:
        assert not where.size
        return
    assert [(s.start, s.stop - 1) for s in box] == list(zip(where.min(0), where.max(0), strict=True))
    wide = widened(box, by, mask.shape)
    wanted = [(max(s.start - by, 0), min(s.stop + by, n)) for s, n in zip(box, mask.shape, strict=True)]
    assert [(s.start, s.stop) for s in wide] == wanted


def test_an_empty_box_holds_nothing() -> None:
    mask = np.ones((3, 3, 3), bool)
    assert not mask[EMPTY].size
    assert mask[widened(EMPTY, 0, mask.shape)].size == 0

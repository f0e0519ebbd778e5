"""The scale of a figure: the names of its ticks can be read, wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from PyQt6.QtWidgets import QApplication

from seg_editor.ui.charts import Scale


@pytest.mark.parametrize("width", [100, 200, 400])
@pytest.mark.parametrize(
    ("ticks", "together"),
    [
        ({"M1": 0.02, "M2": 0.152, "M3": 0.157}, ["M2", "M3"]),
        ({"M1": 0.0, "M2": 1.0, "M3": 0.5}, []),
        ({"M1": 1.0, "M2": 0.999, "M3": 2.0}, ["M2", "M1"]),
    ],
)
def test_names_of_ticks_stay_apart_and_inside(
    qapp: QApplication, ticks: Mapping[str, float], together: list[str], width: int
) -> None:
    scale = Scale(ticks, 1.0)
    scale.resize(width, scale.height())
    names, boxes = zip(*scale.tick_names(), strict=True)
    assert sorted(" · ".join(names).split(" · ")) == ["M1", "M2", "M3"]
    assert " · ".join(together) in " · ".join(names)
    assert all(left.right() < right.left() for left, right in pairwise(boxes))
    assert boxes[0].left() >= 0
    assert boxes[-1].right() <= width
    assert all(box.bottom() <= scale.height() for box in boxes)

"""A thousand strokes: memory stays flat, undo stays within its budget."""

from __future__ import annotations

import gc
import sys

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication

from seg_editor.editing import Brush
from tests.ui.conftest import Hands

_ROUND, _GROWTH = 250, 6 << 20


def strokes(hands: Hands, count: int) -> None:
    z = hands.workspace.view.cursor[2]
    for number in range(count):
        hands.workspace.view.active_label = 1 + number % 2
        x = 8.0 + number % 7
        hands.drag([(x, 8, z), (x + 20, 30, z)])
        if number % 10 == 0:
            QApplication.processEvents()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_flat_over_a_thousand_strokes(hands: Hands) -> None:
    """The process grows by less than 6 MB between the 250th and the 1000th stroke; their steps take about one."""
    hands.window.resize(800, 600)
    hands.key(Qt.Key.Key_B)
    hands.workspace.view.brush = Brush("round", 3.0)
    history = hands.workspace.history
    seen = []
    for _ in range(4):
        strokes(hands, _ROUND)
        gc.collect()
        with open("/proc/self/statm") as statm:
            seen.append(int(statm.read().split()[1]) * 4096)
    assert len(history) == 4 * _ROUND
    assert history.nbytes < 4 * _ROUND * 1500
    assert seen[-1] - seen[0] < _GROWTH, seen

"""Memory stays flat: over a thousand strokes, and from case to case."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtWidgets import QApplication

from seg_editor.editing import Brush
from seg_editor.session import Workspace
from seg_editor.ui.bind import _Relay
from seg_editor.ui.main_window import MainWindow
from tests.session.steps import dab
from tests.tiny import make_case
from tests.ui.conftest import Hands, settle
from tests.ui.fake import FakeBackend

_ROUND, _GROWTH = 250, 6 << 20


def strokes(hands: Hands, count: int) -> None:
    z = hands.workspace.view.cursor[2]
    for number in range(count):
        hands.workspace.view.active_label = 1 + number % 2
        x = 8.0 + number % 7
        hands.drag([(x, 8, z), (x + 20, 30, z)])
        if number % 10 == 0:
            QApplication.processEvents()


def remove_and_generate(window: MainWindow, qtbot: object, wait: Callable[[Callable[[], bool]], None]) -> None:
    """With a tissue map: take the tumor out, make a picture, wait for its figures."""
    assert window.workspace is not None
    window.workspace.set_tissue(window.workspace.case.brain.astype("uint8"))
    for name in ("remove", "generate"):
        settle(qtbot, window)
        window.actions_table[name].trigger()
    wait(lambda: not window.generation.running)
    wait(lambda: not window._tasks._running)


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


def test_a_case_that_was_left_is_freed(
    window: MainWindow, tmp_path: Path, qtbot: object, wait: Callable[[Callable[[], bool]], None]
) -> None:
    """Of five cases opened in turn, each edited, with a counterfactual and a tissue map, only the last one stays."""
    left: list[weakref.ref[Workspace]] = []
    relays = []
    for number in range(5):
        folder = make_case(tmp_path / f"BraTS2021_9100{number}", shape=(32, 32, 24), seed=number)
        window.cases.open(folder)
        wait(lambda name=folder.name: window.workspace is not None and window.workspace.case.case_id == name)
        assert window.workspace is not None
        left.append(weakref.ref(window.workspace))
        window.workspace.apply(dab(8))
        remove_and_generate(window, qtbot, wait)
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        relays.append(len(window.findChildren(_Relay)))
    assert [ref() is not None for ref in left] == [False] * 4 + [True]
    assert relays[-1] == relays[1], relays


def test_a_case_that_was_closed_is_freed(
    window: MainWindow,
    backend: FakeBackend,
    tmp_path: Path,
    qtbot: object,
    wait: Callable[[Callable[[], bool]], None],
) -> None:
    """Also when nothing is opened after it."""
    window.cases.open(make_case(tmp_path / "BraTS2021_91000", shape=(32, 32, 24)))
    wait(lambda: window.workspace is not None)
    assert window.workspace is not None
    left = weakref.ref(window.workspace), weakref.ref(window.workspace.case)
    remove_and_generate(window, qtbot, wait)
    window.workspace.save_segmentation()
    backend.runs.clear()
    window.cases.close()
    assert window.workspace is None
    settle(qtbot, window)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert [ref() for ref in left] == [None, None]

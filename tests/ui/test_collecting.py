"""Collections of garbage: one after a case was opened, short ones later, and no case is kept by it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt, QTimer

from seg_editor.ui.collecting import Collecting
from seg_editor.ui.main_window import MainWindow
from tests.tiny import make_case
from tests.ui.conftest import Hands

Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def collecting(window: MainWindow) -> Iterator[Collecting]:
    """The window with it, as the program starts it; everything is thawed afterwards."""
    yield Collecting(window)
    gc.unfreeze()


@pytest.mark.usefixtures("collecting")
def test_what_lives_after_opening_is_looked_at_once(window: MainWindow, big_case: Path, wait: Wait) -> None:
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None and gc.get_freeze_count() > 10_000)


def test_a_stroke_is_not_disturbed(hands: Hands, collecting: Collecting, wait: Wait) -> None:
    z, looked = hands.workspace.view.cursor[2], []
    hands.key(Qt.Key.Key_B)
    hands.drag([(8, 10, z), (30, 10, z)], release=False)
    collecting._later()
    QTimer.singleShot(900, lambda: looked.append(gc.get_freeze_count()))
    wait(lambda: bool(looked))
    assert looked == [0]
    assert hands.window.tools.cancel()
    wait(lambda: gc.get_freeze_count() > 10_000)


@pytest.mark.usefixtures("collecting")
def test_a_case_that_was_left_is_freed_all_the_same(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    left = []
    for number in range(3):
        gc.unfreeze()
        before = window.workspace
        window.cases.open(make_case(tmp_path / f"BraTS2021_9010{number}", shape=(24, 24, 12)))
        wait(lambda before=before: window.workspace is not before)  # type: ignore[misc]
        left.append(weakref.ref(window.workspace))
        del before
        wait(lambda: gc.get_freeze_count() > 10_000)
    wait(lambda: sum(case() is not None for case in left) <= 2)

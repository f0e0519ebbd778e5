"""Collections of garbage: one when the hands rest after a case was opened, and no case is kept by it."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import Qt, QTimer

from seg_editor.ui.collecting import Collecting
from seg_editor.ui.main_window import MainWindow
from tests.tiny import make_case
from tests.ui.conftest import Hands

Wait = Callable[[Callable[[], bool]], None]
_QUIET_MS = 200


@pytest.fixture
def full() -> Iterator[list[int]]:
    """One entry for each collection of everything."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start" and info["generation"] == 2 and not gc.get_freeze_count():
            seen.append(2)

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


@pytest.fixture
def collecting(window: MainWindow) -> Iterator[Collecting]:
    """The window with it, as the program starts it; everything is thawed afterwards."""
    yield Collecting(window, _QUIET_MS)
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("collecting")
def test_what_lives_after_opening_is_frozen_at_once(window: MainWindow, big_case: Path, wait: Wait) -> None:
    frozen: list[int] = []
    window.cases.opened.connect(lambda _workspace: frozen.append(gc.get_freeze_count()))
    window.cases.open(big_case)
    wait(lambda: bool(frozen))
    assert frozen[0] > 10_000


def test_nothing_is_collected_while_the_hands_are_busy(
    hands: Hands, collecting: Collecting, full: list[int], wait: Wait
) -> None:
    hands.key(Qt.Key.Key_B)
    collecting._put_off()
    full.clear()
    wheel, late = QTimer(), []
    notches = itertools.cycle((1, -1))
    wheel.timeout.connect(lambda: hands.wheel(next(notches)))
    wheel.start(_QUIET_MS // 10)
    QTimer.singleShot(4 * _QUIET_MS, lambda: late.append(list(full)))
    wait(lambda: bool(late))
    assert late == [[]]
    wheel.stop()
    wait(lambda: bool(full))
    assert gc.get_freeze_count() > 10_000


def test_a_stroke_is_not_disturbed(hands: Hands, collecting: Collecting, full: list[int], wait: Wait) -> None:
    z, looked = hands.workspace.view.cursor[2], []
    hands.key(Qt.Key.Key_B)
    hands.drag([(8, 10, z), (30, 10, z)], release=False)
    collecting._put_off()
    full.clear()
    QTimer.singleShot(4 * _QUIET_MS, lambda: looked.append(list(full)))
    wait(lambda: bool(looked))
    assert looked == [[]]
    assert hands.window.tools.cancel()
    wait(lambda: bool(full))


@pytest.mark.usefixtures("collecting")
def test_a_case_that_was_left_is_freed_all_the_same(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    """Also when the cases follow one another without a quiet moment."""
    left = []
    for number in range(4):
        before = window.workspace
        window.cases.open(make_case(tmp_path / f"BraTS2021_9010{number}", shape=(24, 24, 12)))
        wait(lambda before=before: window.workspace is not before)  # type: ignore[misc]
        left.append(weakref.ref(window.workspace))
        del before
    wait(lambda: sum(case() is not None for case in left) <= 2)


@pytest.mark.usefixtures("collecting")
def test_a_case_that_was_closed_is_freed_when_the_hands_rest(
    window: MainWindow, tmp_path: Path, full: list[int], wait: Wait
) -> None:
    window.cases.open(make_case(tmp_path / "BraTS2021_90101", shape=(24, 24, 12)))
    wait(lambda: window.workspace is not None)
    wait(lambda: bool(full))
    left = weakref.ref(window.workspace)
    window.cases.close()
    wait(lambda: left() is None)


@pytest.mark.usefixtures("collecting")
def test_young_garbage_is_collected_in_the_windows_thread_only(wait: Wait) -> None:
    class Knot:
        pass

    assert not gc.isenabled()
    threads: set[int] = set()

    def note(phase: str, _info: dict[str, Any]) -> None:
        threads.add(threading.get_ident())

    gc.callbacks.append(note)
    knot = Knot()
    knot.itself = knot  # type: ignore[attr-defined]
    gone = weakref.ref(knot)
    del knot
    worker = threading.Thread(target=lambda: [[] for _ in range(5000)])
    worker.start()
    worker.join()
    kept = [[n] for n in range(5000)]
    wait(lambda: gone() is None)
    gc.callbacks.remove(note)
    assert kept
    assert threads == {threading.get_ident()}


def test_what_an_import_leaves_is_not_looked_at_in_a_hurry(collecting: Collecting, full: list[int], wait: Wait) -> None:
    before = gc.get_freeze_count()
    phases: list[str] = []

    def note(phase: str, _info: dict[str, Any]) -> None:
        phases.append(phase)

    kept = [[n] for n in range(30_000)]
    gc.callbacks.append(note)
    collecting._collect_young()
    gc.callbacks.remove(note)
    assert phases == []
    assert gc.get_freeze_count() >= before + len(kept)
    wait(lambda: bool(full))

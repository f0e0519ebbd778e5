"""One session from the first file to the last click, with real events; then faults, kills and memory.

The long version (marker ``slow``) cancels fifty times; the normal one five times.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QPushButton

from seg_editor.session.live import Status
from seg_editor.ui.captions import CLICK_ONE
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.panels.generation import NOTHING_REMOVED
from seg_editor.ui.panels.parts import Segments
from seg_editor.ui.recovery import RESTORE
from seg_editor.ui.state import Layout
from tests.tiny import make_case
from tests.ui.comparing import CTRL, KEYS, SHIFT, Wait, pictures
from tests.ui.conftest import NO_BUTTON, Hands, quiet, settle
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase

STROKES, SEEDS = 10, 8


@pytest.fixture
def backend() -> FakeBackend:
    """Two models."""
    return FakeBackend(models=("m5", "m3c"))


def drop(window: MainWindow, path: Path) -> None:
    """Drop a folder on the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    for event in (QDragEnterEvent(QPoint(40, 40), *how), QDropEvent(QPointF(40, 40), *how)):
        QApplication.sendEvent(window, event)


class Session:
    """The scenes of the session; each leaves the window as the next one needs it."""

    def __init__(self, window: MainWindow, backend: FakeBackend, wait: Wait, qtbot: object) -> None:
        self.window, self.backend, self.wait, self.qtbot = window, backend, wait, qtbot
        self.hands = Hands(window)

    def fresh(self) -> None:
        """Wait until the picture is there and measured."""
        self.wait(quiet(self.hands))
        settle(self.qtbot, self.window)

    def open(self, path: Path) -> None:
        """By drag and drop."""
        drop(self.window, path)
        self.wait(lambda: self.window.workspace is not None)
        settle(self.qtbot, self.window)

    def remove(self) -> None:
        """Live on, tumor gone: the picture comes by itself."""
        self.hands.key(Qt.Key.Key_L, CTRL)
        self.hands.key(Qt.Key.Key_R, CTRL)
        self.fresh()
        assert len(self.backend.runs) == 1

    def strokes(self) -> None:
        """Every stroke is a step and has its picture; undo to the first brings its picture without a run."""
        results, segmentation = self.hands.workspace.results, self.hands.workspace.segmentation
        first = results.current
        self.hands.key(Qt.Key.Key_B)
        seen = [segmentation.labels.copy()]
        for number in range(STROKES):
            erase(self.hands, number)
            self.fresh()
            seen.append(segmentation.labels.copy())
            assert np.array_equal(self.backend.runs[-1].labels, seen[-1])
        assert len(self.hands.workspace.history) == STROKES + 1
        assert len(self.backend.runs) == STROKES + 1
        for number in reversed(range(STROKES)):
            self.hands.key(Qt.Key.Key_Z, CTRL)
            self.fresh()
            assert np.array_equal(segmentation.labels, seen[number])
        assert results.current.request == first.request
        assert len(self.backend.runs) == STROKES + 1
        assert self.window.generation.measured() is not None

    def compare(self) -> None:
        """Every mode by its key, in the single pane and in all planes."""
        window, hands = self.window, self.hands
        hands.key(Qt.Key.Key_1)
        window.actions_table["show_result"].trigger()
        for layout in (Layout.PLANES, Layout.SINGLE):
            window.ui.layout = layout
            for mode, key in KEYS.items():
                hands.key(key, SHIFT)
                hands.send(QEvent.Type.MouseMove, hands.at(hands.workspace.view.cursor), NO_BUTTON, NO_BUTTON)
                assert window.compare.state.mode is mode
                assert all(made.pane.marks.synthetic for made in window.viewer.contents)
                if mode in (Mode.FADE, Mode.SWIPE, Mode.LENS, Mode.CHECKER):
                    shown, source, result = pictures(hands)
                    assert np.all((shown >= np.minimum(source, result)) & (shown <= np.maximum(source, result)))
                    assert (shown != source).any()
        hands.key(KEYS[Mode.PLAIN], SHIFT)
        window.ui.layout = Layout.COMPARE
        settle(self.qtbot, window)
        assert "0 voxels changed outside" in window.viewer.contents[2].pane.marks.corner

    def ensemble(self) -> None:
        """Eight seeds by key; mean and standard deviation by mouse."""
        link, bar = self.window.compare, self.window.ensemble_card
        self.hands.key(Qt.Key.Key_Return, CTRL | SHIFT)
        self.wait(lambda: link.ensemble.count == SEEDS)
        self.fresh()
        assert "±" in bar.spread.text()
        choose(bar.choice, EnsembleView.SD)
        assert self.window.viewer.contents[1].pane.marks.title == f"SD of {SEEDS} seeds"
        choose(bar.choice, EnsembleView.OFF)

    def scrub(self) -> None:
        """The steps of the last run with the keyboard, and back to the result."""
        slider = self.window.compare_bar.steps.slider
        self.window.generation_panel.seed.setValue(500)
        self.wait(lambda: self.hands.workspace.results.current.request.seed == 500)
        self.fresh()
        self.wait(slider.isVisible)
        count = len(self.window.generation.steps)
        for _ in range(count):
            QTest.keyClick(slider, Qt.Key.Key_Left)
            assert self.window.viewer.contents[1].pane.marks.title.startswith("Step")
        assert self.window.viewer.contents[1].pane.marks.title.startswith("Step 1 of")
        for _ in range(count):
            QTest.keyClick(slider, Qt.Key.Key_Right)
        assert not self.window.viewer.contents[1].pane.marks.title.startswith("Step")

    def switch_model(self) -> None:
        """Another model from the open list; its picture comes by itself."""
        box = self.window.generation_panel.model
        box.showPopup()
        QTest.keyClick(box.view(), Qt.Key.Key_Down)
        QTest.keyClick(box.view(), Qt.Key.Key_Return)
        assert self.window.generation.settings.model == "m3c"
        self.wait(lambda: self.hands.workspace.results.current.request.model == "m3c")
        self.fresh()

    def cancel(self, times: int) -> None:
        """Escape at a random step; the next run always starts."""
        generation, rng = self.window.generation, random.Random(1)
        self.backend.steps, self.backend.pause = 12, 0.002
        for _ in range(times):
            before, step = len(self.backend.runs), rng.randrange(12)
            generation.next_seed()
            self.wait(lambda before=before: len(self.backend.runs) > before)
            self.wait(lambda step=step: generation.progress[0] >= step or not generation.running)
            self.hands.key(Qt.Key.Key_Escape)
            self.wait(lambda: not generation.running and generation.status is not Status.WAITING)
            assert generation.status in (Status.CANCELLED, Status.FRESH)
        self.backend.steps, self.backend.pause = 4, 0.0
        generation.next_seed()
        self.fresh()

    def close_while_running(self) -> None:
        """Nothing is left behind."""
        self.backend.hold.clear()
        before = len(self.backend.runs)
        self.window.generation.next_seed()
        self.wait(lambda: len(self.backend.runs) > before)
        assert self.window.close()
        assert not self.window.generation._runs._sampler.alive
        assert self.backend.ends[-1] == "cancelled"


def choose(segments: Segments, key: object) -> None:
    """Click a button of a row."""
    QTest.mouseClick(segments.button(key), Qt.MouseButton.LeftButton)


def children() -> list[int]:
    """Processes that this one started and that still are there."""
    psutil = pytest.importorskip("psutil")
    return sorted(child.pid for child in psutil.Process().children(recursive=True))


@pytest.mark.parametrize("cancels", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_a_session(
    window: MainWindow, big_case: Path, backend: FakeBackend, wait: Wait, qtbot: object, cancels: int
) -> None:
    before = children()
    session = Session(window, backend, wait, qtbot)
    session.open(big_case)
    session.remove()
    session.strokes()
    session.compare()
    session.ensemble()
    session.scrub()
    session.switch_model()
    session.cancel(cancels)
    assert not window.errors.isVisible()
    session.close_while_running()
    assert children() == before
    assert all(thread is threading.main_thread() or thread.daemon for thread in threading.enumerate())


@pytest.mark.parametrize(
    "fault", [ValueError("the network broke"), MemoryError(), SystemExit(3), KeyboardInterrupt(), "nan"], ids=repr
)
def test_a_fault_in_the_worker_is_shown_and_the_next_run_works(
    live: Hands, backend: FakeBackend, wait: Wait, fault: BaseException | str
) -> None:
    if isinstance(fault, str):
        backend.spoiled = True
    else:
        backend.failure = fault
    kept = live.workspace.results.current
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(quiet(live, Status.FAILED))
    assert live.window.errors.isVisible()
    assert live.window.errors.text.text()
    assert live.workspace.results.current is kept
    assert len(live.workspace.history) == 2
    backend.spoiled, backend.failure = False, None
    live.key(Qt.Key.Key_Return)
    wait(quiet(live))


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from PyQt6.QtCore import Qt
from seg_editor.ui.app import make_application, make_window
from seg_editor.ui.preferences import Preferences
from tests.ui.conftest import Hands
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase

def until(true):
    while not true():
        application.processEvents()
        time.sleep(0.002)

application, backend = make_application(), FakeBackend()
window = make_window(application, backend=backend, preferences=Preferences(Path(sys.argv[2])))
window.resize(1280, 800)
window.show()
until(lambda: window.generation.models)
window.cases.open(Path(sys.argv[1]))
until(lambda: window.workspace is not None and not window.busy_with_actions)
hands = Hands(window)
window.generation.settings.live = True
hands.key(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
until(lambda: len(backend.ends) == 1 and not window.generation.running and not window.generation.pending)
until(lambda: not window.busy_with_actions)
hands.key(Qt.Key.Key_B)
erase(hands, 1)
until(lambda: len(backend.ends) == 2 and not window.generation.running)
hands.workspace.keeper.flush()
backend.hold.clear()
erase(hands, 2)
until(lambda: len(backend.runs) == 3)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_killed_in_the_middle_of_a_run(
    window: MainWindow,
    big_case: Path,
    backend: FakeBackend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait: Wait,
    qtbot: object,
) -> None:
    """The edits are offered, the pictures are there, and none is computed again."""
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    command = [sys.executable, "-c", _KILLED, str(big_case), str(tmp_path / "child.ini")]
    child = subprocess.run(command, cwd=Path(__file__).parents[2], env=os.environ.copy(), timeout=120, check=False)
    assert child.returncode == -9
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    hands = Hands(window)
    assert [card.number for card in window.history.cards.entries] == [1, 2]
    wait(lambda: len(window.history.cards._thumbs) == 2)
    next(b for b in window.errors.findChildren(QPushButton) if b.text() == RESTORE).click()
    settle(qtbot, window)
    assert len(hands.workspace.history) == 3
    hands.key(Qt.Key.Key_Z, CTRL)
    hands.key(Qt.Key.Key_L, CTRL)
    wait(lambda: backend.ends == ["known"] and quiet(hands)())
    settle(qtbot, window)
    assert hands.workspace.results.current.request.key == window.history.cards.entries[1].key
    hands.key(Qt.Key.Key_Z, CTRL)
    wait(lambda: backend.ends == ["known", "known"] and quiet(hands)())
    hands.key(Qt.Key.Key_Z, CTRL | SHIFT)
    wait(quiet(hands))
    assert len(backend.runs) == 2


def test_a_damaged_history_is_one_line_in_the_window(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait, qtbot: object
) -> None:
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    window.cases.journal = True
    folder = make_case(tmp_path / "BraTS2021_90005", shape=(60, 64, 40))
    for number in range(2):
        window.cases.open(folder)
        wait(lambda: window.workspace is not None)
        settle(qtbot, window)
        if not number:
            hands = Hands(window)
            hands.key(Qt.Key.Key_R, CTRL)
            settle(qtbot, window)
            hands.key(Qt.Key.Key_Return)
            wait(quiet(hands))
            window.cases.close()
            (file,) = (tmp_path / "state").rglob("*.npz")
            file.write_bytes(file.read_bytes()[:100])
    assert "One picture of the history" in window.errors.text.text()
    assert "\n" not in window.errors.text.text()


def test_the_history_of_a_case_comes_back_with_it(
    window: MainWindow, big_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait, qtbot: object
) -> None:
    """Double click on a card of the session before brings picture, figures and mask."""
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    hands = Hands(window)
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_Return)
    wait(quiet(hands))
    card = window.history.cards.card(0).center().toPoint()
    star = window.history.cards.star(0).center().toPoint()
    QTest.mouseClick(window.history.cards, Qt.MouseButton.LeftButton, pos=star)
    removed = hands.workspace.segmentation.labels.copy()
    figures = window.generation.metrics()
    assert window.cases.close()
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    (entry,) = window.history.cards.entries
    assert entry.starred
    assert not np.array_equal(hands.workspace.segmentation.labels, removed)
    assert hands.workspace.results.current is None
    hands.key(Qt.Key.Key_2, CTRL)
    settle(qtbot, window)
    assert window.compare_bar.hint.text() == CLICK_ONE
    assert [made.pane.marks.message for made in window.viewer.contents[1:]] == [f"{CLICK_ONE}."] * 2
    assert window.generation_panel.time.text() == NOTHING_REMOVED
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, window)
    assert window.generation_panel.time.text() != NOTHING_REMOVED
    hands.key(Qt.Key.Key_Z, CTRL)
    settle(qtbot, window)
    assert window.generation_panel.time.text() == NOTHING_REMOVED
    QTest.mouseClick(window.history.cards, Qt.MouseButton.LeftButton, pos=card)
    assert window.generation.status is Status.STALE
    QTest.mouseDClick(window.history.cards, Qt.MouseButton.LeftButton, pos=card)
    settle(qtbot, window)
    assert window.generation.status is Status.FRESH
    assert np.array_equal(hands.workspace.segmentation.labels, removed)
    assert window.generation.metrics() == figures
    assert hands.workspace.history.undo_name == "Mask of picture 1"

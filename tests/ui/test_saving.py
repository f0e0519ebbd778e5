"""Saving beside the GUI thread: nothing lost, nothing claimed that is not on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QPushButton

from seg_editor.cases import open_case, read_labels
from seg_editor.errors import ExportError
from seg_editor.session.saving import Save, Written
from seg_editor.ui.case_actions import DISCARD, SAVE
from seg_editor.ui.main_window import MainWindow
from tests.session.steps import dab
from tests.ui.conftest import Hands

Wait = Callable[[Callable[[], bool]], None]
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Saves wait until this is set."""
    opened, run = threading.Event(), Save.run

    def slow(job: Save) -> Written:
        assert opened.wait(10)
        return run(job)

    monkeypatch.setattr(Save, "run", slow)
    return opened


def labels_on_disk(folder: Path) -> np.ndarray:
    case = open_case(folder)
    assert case.labels is not None
    return case.labels.raw


def test_painting_goes_on_while_a_save_runs_and_stays_unsaved(hands: Hands, gate: threading.Event, wait: Wait) -> None:
    workspace = hands.workspace
    workspace.apply(dab(8))
    saved = workspace.segmentation.labels.copy()
    hands.key(Qt.Key.Key_S, CTRL)
    assert hands.window.cases.saving
    wait(lambda: not hands.window.actions_table["save"].isEnabled())
    assert "being saved" in hands.window.actions_table["save"].toolTip()
    workspace.apply(dab(20))
    gate.set()
    wait(lambda: not hands.window.cases.saving)
    assert workspace.dirty
    assert "not in it" in hands.window.errors.message
    assert np.array_equal(labels_on_disk(workspace.case.folder), saved)
    workspace.undo()
    assert not workspace.dirty


def test_closing_waits_for_the_save(hands: Hands, gate: threading.Event) -> None:
    workspace, folder = hands.workspace, hands.workspace.case.folder
    workspace.apply(dab(8))
    labels = workspace.segmentation.labels.copy()
    hands.key(Qt.Key.Key_S, CTRL)
    threading.Timer(0.2, gate.set).start()
    assert hands.window.close()
    assert np.array_equal(labels_on_disk(folder), labels)


def test_a_save_that_fails_while_closing_keeps_the_window(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: Save) -> Written:
        raise ExportError("the disk is full", path=job.path)

    monkeypatch.setattr(Save, "run", fail)
    hands.workspace.apply(dab(8))
    hands.window.cases.ask = lambda _purpose: SAVE
    assert not hands.window.close()
    assert hands.workspace.dirty
    assert "disk is full" in hands.window.errors.message
    hands.window.cases.ask = lambda _purpose: DISCARD


def test_a_second_save_while_one_runs_changes_nothing(hands: Hands, gate: threading.Event, wait: Wait) -> None:
    hands.workspace.apply(dab(8))
    assert hands.window.cases.save()
    assert not hands.window.cases.save()
    gate.set()
    wait(lambda: not hands.workspace.dirty)


def test_save_and_close_writes_tumor_and_tissue(hands: Hands) -> None:
    workspace = hands.workspace
    workspace.set_tissue(workspace.case.brain.astype(np.uint8))
    workspace.apply(dab(8))
    workspace.view.on_tissue = True
    workspace.apply(dab(12, value=3))
    assert workspace.tissue is not None
    tissue = workspace.tissue.segmentation.labels.copy()
    hands.window.cases.ask = lambda _purpose: SAVE
    assert hands.window.close()
    assert not workspace.dirty
    assert workspace.tissue_path.name == f"{workspace.case.case_id}_tissue.nii.gz"
    assert np.array_equal(read_labels(workspace.tissue_path).raw, tissue)
    hands.window.cases.ask = lambda _purpose: DISCARD


KILLED = """
import os, signal, sys
from pathlib import Path
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from seg_editor.ui.app import make_application, make_window
from seg_editor.ui.preferences import Preferences
from tests.ui.conftest import Hands
from tests.ui.fake import FakeBackend

app = make_application()
window = make_window(app, backend=FakeBackend(), preferences=Preferences(Path(sys.argv[2])), theme="dark")
window.show()
window.cases.open(Path(sys.argv[1]))
while window.workspace is None:
    QTest.qWait(5)
hands = Hands(window)
z = window.workspace.view.cursor[2]
hands.key(Qt.Key.Key_B)
for x in (8, 14, 20):
    hands.drag([(x, 10, z), (x + 3, 14, z)])
labels = window.workspace.segmentation.labels.tobytes()
hands.drag([(30, 10, z), (40, 14, z)], release=False)
assert labels != window.workspace.segmentation.labels.tobytes()
Path(sys.argv[3]).write_bytes(labels)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_window_loses_only_the_running_stroke(
    window: MainWindow, big_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    root, expected = Path(__file__).resolve().parents[2], tmp_path / "labels"
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path / "state"))
    command = [sys.executable, "-c", KILLED, str(big_case), str(tmp_path / "other.ini"), str(expected)]
    done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    window.cases.journal = True
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)
    assert window.workspace is not None
    restore = next(b for b in window.errors.findChildren(QPushButton) if b.text() == "Restore the edits")
    restore.click()
    assert window.workspace.segmentation.labels.tobytes() == expected.read_bytes()
    assert window.workspace.history.names == ("Paint",) * 3
    assert window.workspace.dirty

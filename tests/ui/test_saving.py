"""Saving beside the GUI thread: nothing lost, nothing claimed that is not on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt

from seg_editor.cases import open_case
from seg_editor.errors import ExportError
from seg_editor.session.saving import Save, Written
from seg_editor.ui.case_actions import DISCARD, SAVE
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
    from seg_editor.cases import read_labels

    assert np.array_equal(read_labels(workspace.tissue_path).raw, tissue)
    hands.window.cases.ask = lambda _purpose: DISCARD

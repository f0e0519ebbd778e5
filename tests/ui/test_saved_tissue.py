"""A tissue map that was saved with its case: there again when the case is opened, read once, never replaced unasked."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from PyQt6.QtCore import Qt

from seg_editor.session.layer import Layer
from tests.ui.conftest import Hands, settle
from tests.ui.steps import paint, save

Wait = Callable[[Callable[[], bool]], None]
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.mark.parametrize("key", [Qt.KeyboardModifier.NoModifier, SHIFT])
def test_a_saved_map_is_there_when_its_case_is_opened_again(
    hands: Hands, tissue: Layer, wait: Wait, qtbot: object, key: Qt.KeyboardModifier
) -> None:
    """Nothing is computed again: the key of the map reads it, the key of its editing takes it in hand."""
    window, folder = hands.window, hands.workspace.case.folder
    paint(hands)
    save(hands, wait)
    saved = tissue.segmentation.labels.copy()
    window.cases.close()
    window.cases.open(folder)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    assert window.tissue.labels is None
    assert not window.actions_table.why_disabled("tissue")
    assert window.actions_table.why_disabled("save_tissue")
    hands.key(Qt.Key.Key_T, key)
    assert window.ui.tissue
    assert window.tissue.labels is not None
    np.testing.assert_array_equal(window.tissue.labels, saved)
    assert (hands.workspace.active is hands.workspace.tissue) == (key is SHIFT)
    assert not hands.workspace.dirty


def test_a_saved_map_that_cannot_be_read_is_told(hands: Hands, tissue: Layer, wait: Wait, qtbot: object) -> None:
    window, folder = hands.window, hands.workspace.case.folder
    paint(hands)
    save(hands, wait)
    path = hands.workspace.tissue_path
    window.cases.close()
    path.write_bytes(b"no map")
    window.cases.open(folder)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_T)
    assert path.name in window.errors.message
    assert window.tissue.labels is None


def test_a_map_that_was_opened_is_not_replaced_by_one_that_was_being_computed(
    hands: Hands, tissue: Layer, monkeypatch: pytest.MonkeyPatch, wait: Wait, qtbot: object
) -> None:
    go = Event()

    def slow(case: object, **_: object) -> object:
        go.wait(10)
        return SimpleNamespace(labels=np.ones(hands.workspace.case.grid.shape, np.uint8))

    monkeypatch.setattr("seg_editor.anatomy.tissue.tissue_map", slow)
    window, folder = hands.window, hands.workspace.case.folder
    paint(hands)
    save(hands, wait)
    window.cases.close()
    window.cases.open(folder)
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    window.tissue.start()
    hands.key(Qt.Key.Key_T, SHIFT)
    paint(hands, 8)
    edited = hands.workspace.active.segmentation.labels.copy()
    assert not window.tissue.running
    go.set()
    assert hands.workspace.tissue is not None
    qtbot.waitUntil(lambda: not window.busy_with_actions)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(hands.workspace.tissue.segmentation.labels, edited)
    assert hands.workspace.tissue.history.names == ("Paint",)

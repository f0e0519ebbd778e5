"""The read-out in the status bar: the layer in hand, and what it says where there is little room; with real events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent
from PyQt6.QtTest import QTest

from seg_editor.anatomy.names import TISSUE_NAMES
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.state import Tool
from tests.tiny import make_case
from tests.ui.conftest import NO_BUTTON, Hands, settle

Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def wide_named(window: MainWindow, tmp_path: Path, wait: Wait, qtbot: object) -> Hands:
    """Hands on a case with a name as long as they come."""
    window.cases.open(make_case(tmp_path / "BraTS19_CBICA_ASK_1_20261123", shape=(60, 64, 40)))
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    return Hands(window)


def hover(hands: Hands, voxel: tuple[int, int, int]) -> str:
    """Move the mouse over a voxel; what the bar says then, in full."""
    hands.send(QEvent.Type.MouseMove, hands.at(voxel), NO_BUTTON, NO_BUTTON)
    return hands.window.status.readout.text()


def test_the_read_out_names_the_tissue_while_the_tissue_map_is_in_hand(hands: Hands, qtbot: object) -> None:
    workspace = hands.workspace
    x, y, z = workspace.view.cursor
    labels = np.zeros(workspace.case.grid.shape, dtype=np.uint8)
    labels[:30], labels[30:] = 3, 2
    workspace.set_tissue(labels)
    tumor = workspace.case.scheme.name_of(int(workspace.segmentation.labels[x, y, z]))
    assert tumor in hover(hands, (x, y, z))
    workspace.view.on_tissue = True
    settle(qtbot, hands.window)
    assert tumor not in hands.window.status.readout.text()
    assert TISSUE_NAMES[int(labels[x, y, z])] in hands.window.status.readout.text()
    for place in ((20, 30, z), (40, 30, z)):
        assert TISSUE_NAMES[int(labels[place])] in hover(hands, place)
    workspace.view.on_tissue = False
    assert tumor in hover(hands, (x, y, z))


def test_an_edit_of_the_tissue_map_shows_in_the_read_out(hands: Hands) -> None:
    workspace = hands.workspace
    x, y, z = workspace.view.cursor
    workspace.set_tissue(np.full(workspace.case.grid.shape, 3, dtype=np.uint8))
    workspace.view.on_tissue = True
    workspace.active_label = 1
    hands.window.ui.tool = Tool.PAINT
    hands.drag([(x, y, z)])
    assert TISSUE_NAMES[1] in hands.window.status.readout.text()


@pytest.mark.parametrize("width", [1024, 1100, 1280])
def test_a_small_window_keeps_the_world_position(wide_named: Hands, width: int) -> None:
    window, workspace = wide_named.window, wide_named.workspace
    status = window.status
    window.resize(width, 700)
    QTest.qWait(1)
    assert window.width() == width
    hover(wide_named, workspace.view.cursor)
    QTest.qWait(1)
    drawn = status.readout.drawn_text
    assert drawn.startswith(workspace.view.modality.display)
    for part in (" voxel (", "RAS (", ") mm"):
        assert part in drawn
    assert "…" not in drawn


def test_with_less_room_the_other_modalities_and_the_grid_go_first(wide_named: Hands) -> None:
    window, workspace = wide_named.window, wide_named.workspace
    status = window.status
    others = [m.display for m in workspace.case.modalities if m is not workspace.view.modality]
    size = "60 × 64 × 40"
    window.resize(2400, 700)
    QTest.qWait(1)
    hover(wide_named, workspace.view.cursor)
    QTest.qWait(1)
    assert all(f"{name} " in status.readout.drawn_text for name in others)
    assert status.case.text().endswith(" mm")
    window.resize(1024, 700)
    status.show_work("Segmenting automatically, which takes a while…", 0.5)
    QTest.qWait(1)
    hover(wide_named, workspace.view.cursor)
    QTest.qWait(1)
    assert "RAS (" in status.readout.drawn_text
    assert others[-1] not in status.readout.drawn_text
    assert size not in status.case.text()
    assert size in status.case.toolTip()
    window.resize(2400, 700)
    status.show_work("", 0.0)
    QTest.qWait(1)
    hover(wide_named, workspace.view.cursor)
    assert status.case.text().endswith(" mm")

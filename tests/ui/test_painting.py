"""Painting, erasing, filling, picking, undoing; with real mouse and key events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QRect, Qt
from PyQt6.QtGui import QColor

from seg_editor.cases.volume import read_labels
from seg_editor.editing import Brush
from seg_editor.ui.layouts import PLANS
from seg_editor.ui.state import Layout, Tool
from seg_editor.wording import milliliters
from tests.ui.conftest import NO_BUTTON, RIGHT, Hands, settle
from tests.ui.steps import flashing

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def painter(hands: Hands) -> Hands:
    """Hands with the paint tool and a small brush on a slice; air may be painted, as shapes are what is tested."""
    hands.workspace.view.in_brain = False
    hands.key(Qt.Key.Key_B)
    hands.workspace.view.brush = Brush("round", 2.0)
    hands.workspace.view.active_label = 2
    return hands


def labels(hands: Hands) -> np.ndarray:
    return hands.workspace.segmentation.labels


def test_a_stroke_paints_without_gaps_and_is_one_step(painter: Hands) -> None:
    z = painter.workspace.view.cursor[2]
    painter.drag([(8, 10, z), (30, 10, z), (30, 12, z)])
    assert (labels(painter)[8:31, 10, z] == 2).all()
    assert painter.workspace.history.names == ("Paint",)
    assert painter.pane().labels.isVisible()


def test_paint_shows_at_once_in_the_pane_under_the_brush(painter: Hands) -> None:
    z = painter.workspace.view.cursor[2]
    painter.key(Qt.Key.Key_3, CTRL)
    painter.drag([(10, 10, z), (14, 10, z)], release=False)
    made = painter.window.viewer.contents[0]
    rows, columns = made.pane.labels.image.shape
    assert made.pane.labels.image.any()
    assert min(rows, columns) >= 4
    assert painter.window.tools.stroking
    painter.key(Qt.Key.Key_Escape)


def test_right_button_erases_only_the_active_label(painter: Hands) -> None:
    workspace = painter.workspace
    x, y, z = workspace.view.cursor
    workspace.view.brush = Brush("round", 12.0)
    before = labels(painter).copy()
    assert len(np.unique(before[:, :, z])) > 2
    painter.drag([(x, y, z), (x + 1, y, z)], RIGHT)
    after = labels(painter)
    gone = (before == 2) & (after == 0)
    assert gone.any()
    assert np.array_equal(after[before != 2], before[before != 2])


def test_the_eraser_erases(painter: Hands) -> None:
    x, y, z = painter.workspace.view.cursor
    painter.key(Qt.Key.Key_E)
    assert painter.window.ui.tool is Tool.ERASE
    painter.drag([(x, y, z)])
    assert labels(painter)[x, y, z] == 0
    assert painter.workspace.history.undo_name == "Erase"


def test_undo_and_redo_jump_to_where_it_happened(painter: Hands, qtbot: object) -> None:
    original = labels(painter).copy()
    z = painter.workspace.view.cursor[2]
    painter.drag([(10, 10, z), (20, 10, z)])
    painted = labels(painter).copy()
    painter.wheel(8)
    assert painter.workspace.view.cursor[2] == z + 8
    settle(qtbot, painter.window)
    painter.key(Qt.Key.Key_Z, CTRL)
    assert np.array_equal(labels(painter), original)
    assert painter.workspace.view.cursor[2] == z
    painter.wheel(-5)
    settle(qtbot, painter.window)
    painter.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert np.array_equal(labels(painter), painted)
    assert painter.workspace.view.cursor[2] == z
    settle(qtbot, painter.window)
    painter.key(Qt.Key.Key_Z, CTRL)
    settle(qtbot, painter.window)
    painter.key(Qt.Key.Key_Y, CTRL)
    assert np.array_equal(labels(painter), painted)


def test_undo_goes_to_where_it_acts_in_every_pane_on_display(painter: Hands, qtbot: object) -> None:
    view, ui = painter.workspace.view, painter.window.ui
    ui.layout = Layout.PLANES
    x, y, z = view.cursor
    painter.drag([(x - 4, y, z), (x + 4, y, z)], number=1)
    painter.wheel(9, number=1)
    assert view.cursor == (x, y + 9, z)
    settle(qtbot, painter.window)
    painter.key(Qt.Key.Key_Z, CTRL)
    assert view.cursor[1] == y
    ui.maximized = 0
    painter.wheel(0)
    view.cursor = (x, y + 9, z)
    settle(qtbot, painter.window)
    painter.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert view.cursor == (x, y + 9, z)


def test_escape_takes_a_running_stroke_back(painter: Hands) -> None:
    before = labels(painter).copy()
    z = painter.workspace.view.cursor[2]
    painter.drag([(10, 10, z), (20, 10, z)], release=False)
    assert not np.array_equal(labels(painter), before)
    painter.key(Qt.Key.Key_Escape)
    assert np.array_equal(labels(painter), before)
    assert painter.workspace.history.names == ()
    assert painter.window.ui.tool is Tool.PAINT
    painter.key(Qt.Key.Key_Escape)
    assert painter.window.ui.tool is Tool.NAVIGATE


def test_brush_size_by_keys_and_wheel(painter: Hands) -> None:
    view, z = painter.workspace.view, painter.workspace.view.cursor[2]
    painter.key(Qt.Key.Key_BracketRight)
    assert view.brush.radius_mm == 2.5
    painter.key(Qt.Key.Key_BracketLeft)
    painter.key(Qt.Key.Key_BracketLeft)
    assert view.brush.radius_mm == 1.5
    painter.wheel(3, SHIFT)
    assert view.brush.radius_mm == 3.0
    assert view.cursor[2] == z
    assert painter.window.brush_panel.radius.value() == 3.0
    assert painter.pane().brush == ("round", 3.0)


def test_a_stroke_in_a_coronal_pane_changes_exactly_the_voxels_under_it(painter: Hands) -> None:
    workspace = painter.workspace
    before = labels(painter).copy()
    painter.key(Qt.Key.Key_3, CTRL)
    y = workspace.view.cursor[1]
    painter.drag([(10, y, 10), (16, y, 10)], number=1)
    dx, _, dz = workspace.case.grid.spacing
    i, j, k = np.indices(before.shape)
    beside = np.maximum(np.maximum(10 - i, i - 16), 0) * dx
    wanted = before.copy()
    wanted[(j == y) & (np.hypot(beside, (k - 10) * dz) <= workspace.view.brush.radius_mm)] = 2
    assert (wanted != before).any()
    np.testing.assert_array_equal(labels(painter), wanted)


def test_fill_and_pick(painter: Hands) -> None:
    workspace = painter.workspace
    x, y, z = workspace.view.cursor
    value = int(labels(painter)[x, y, z])
    painter.drag([(x, y, z)], keys=CTRL)
    assert workspace.view.active_label == value
    painter.key(Qt.Key.Key_W)
    painter.key(Qt.Key.Key_F)
    painter.drag([(x, y, z)])
    assert labels(painter)[x, y, z] == workspace.view.active_label != value
    painter.key(Qt.Key.Key_I)
    painter.drag([(1, 1, z)])
    assert "no label" in painter.window.tools.overlays.flashing


def test_volumes_follow_the_brush(painter: Hands, wait: Callable[[Callable[[], bool]], None]) -> None:
    row = painter.window.labels_panel.rows[2]
    before = row._volume.text()
    z = painter.workspace.view.cursor[2]
    painter.workspace.view.brush = Brush("round", 8.0, True)
    painter.drag([(12, 12, z), (30, 12, z)])
    wait(lambda: row._volume.text() != before)
    assert row._volume.text() == milliliters(painter.workspace.segmentation.volume_ml(2))


def test_hiding_a_label_touches_no_voxel(painter: Hands) -> None:
    before = labels(painter).copy()
    painter.window.labels_panel.rows[2].eye.click()
    assert painter.window.ui.hidden_labels == frozenset({2})
    assert painter.pane().labels.lut[2, 3] == 0
    assert np.array_equal(labels(painter), before)


def test_the_brush_panel_shows_only_with_brushes(painter: Hands) -> None:
    assert painter.window.brush_panel.isVisible()
    painter.key(Qt.Key.Key_1)
    assert not painter.window.brush_panel.isVisible()


def test_removed_tumor_keeps_an_outline(hands: Hands) -> None:
    hands.key(Qt.Key.Key_R, CTRL)
    assert not labels(hands).any()
    pens = [item.pen().color() for item in hands.pane()._outlines if item.isVisible()]
    assert pens
    assert all(isinstance(color, QColor) and color.red() > 200 for color in pens)


def test_the_outline_of_what_was_removed_is_seen_on_bright_tissue(hands: Hands) -> None:
    raw = hands.workspace.case.volumes[hands.workspace.view.modality].raw
    hands.workspace.view.set_window(hands.workspace.view.modality, (float(raw.min()) - 2, float(raw.min()) - 1))
    hands.window.ui.crosshair = False
    hands.key(Qt.Key.Key_R, CTRL)
    z = hands.workspace.view.cursor[2]
    gone = np.argwhere(hands.workspace.segmentation.original[:, :, z] > 0)
    port = hands.pane().viewport()
    corners = [hands.at((float(x), float(y), float(z))).toPoint() for x, y in (gone.min(axis=0), gone.max(axis=0))]
    image = port.grab(QRect(*corners).normalized().adjusted(-20, -20, 20, 20)).toImage()
    grays = [image.pixelColor(x, y).lightness() for x in range(image.width()) for y in range(image.height())]
    assert sorted(grays)[len(grays) // 2] > 230
    assert sum(gray < 90 for gray in grays) > 40


@pytest.mark.parametrize("name", ["layout", "maximized"])
def test_a_stroke_ends_when_its_pane_goes(hands: Hands, name: str) -> None:
    before = labels(hands).copy()
    hands.key(Qt.Key.Key_B)
    hands.workspace.view.active_label = 1
    x, y, z = hands.workspace.view.cursor
    hands.drag([(x, y, z), (x + 6, y, z)], release=False)
    assert not np.array_equal(labels(hands), before)
    if name == "layout":
        hands.window.ui.layout = next(layout for layout in PLANS if layout != hands.window.ui.layout)
    else:
        hands.window.ui.maximized = 0
    np.testing.assert_array_equal(labels(hands), before)
    assert not hands.window.tools.stroking
    assert not hands.workspace.segmentation.in_stroke
    hands.drag([(x, y, z), (x + 6, y, z)])
    assert hands.workspace.history.names == ("Paint",)


def test_air_is_not_painted_unless_asked(hands: Hands, tmp_path: Path) -> None:
    workspace, panel = hands.workspace, hands.window.brush_panel.range
    brain, z = workspace.case.brain, workspace.view.cursor[2]
    air = np.argwhere(~brain[:, :, z])[0]
    spot = (float(air[0]), float(air[1]), float(z))
    hands.key(Qt.Key.Key_B)
    assert panel.modality.currentText() == "Brain"
    hands.drag([spot])
    assert "Outside the brain" in flashing(hands)
    hands.drag([spot, tuple(float(v) for v in workspace.view.cursor)])
    written = read_labels(workspace.save_segmentation(tmp_path / "inside_seg.nii.gz")).raw
    assert written.any()
    assert not (written > 0)[~brain].any()
    panel._choose("")
    assert panel.modality.currentText() == "Anywhere"
    hands.drag([spot])
    assert labels(hands)[air[0], air[1], z] == workspace.active_label


def test_fill_takes_the_region_in_3d_when_asked_and_says_so_beside_the_mouse(hands: Hands, wait: Wait) -> None:
    before, view = labels(hands).copy(), hands.workspace.view
    at = np.argwhere(before[:, :, view.cursor[2]] == 2)[0]
    voxel = (float(at[0]), float(at[1]), float(view.cursor[2]))
    view.active_label = 4
    hands.key(Qt.Key.Key_F)
    hands.window.brush_panel.deep.click()
    hands.send(QEvent.Type.MouseMove, hands.at(voxel), NO_BUTTON, NO_BUTTON)
    layer = hands.window.tools.overlays.layer(hands.window.viewer.contents[0])
    assert layer is not None
    assert (layer.tag.isVisible(), layer.tag.text) == (True, "3D")
    hands.drag([voxel])
    assert not hands.workspace.history.names
    wait(lambda: hands.workspace.history.names == ("Fill in 3D",))
    changed = labels(hands) != before
    assert len(np.flatnonzero(changed.any(axis=(0, 1)))) > 1
    assert (before[changed] == 2).all()
    assert (labels(hands)[changed] == 4).all()

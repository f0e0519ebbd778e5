"""Outlines, reshaping with a preview, moving, removing pieces, automatic segmentation, tissue, the palette."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox, QPushButton

from seg_editor.cases import Modality
from seg_editor.editing import Brush, PaintOver
from seg_editor.editing.regions import component_at
from seg_editor.session.view import IntensityRange
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.palette import Palette
from seg_editor.ui.state import Tool
from tests.tiny import make_case
from tests.ui.conftest import RIGHT, Hands, settle

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def labels(hands: Hands) -> np.ndarray:
    return hands.workspace.segmentation.labels


def flashing(hands: Hands) -> str:
    return hands.window.tools.overlays.flashing


def outline(hands: Hands, *corners: tuple[float, float, float]) -> None:
    for corner in corners:
        hands.drag([corner])


# outlines


def test_a_polygon_fills_exactly_its_inside(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.workspace.view.active_label = 1
    before = labels(hands).copy()
    hands.key(Qt.Key.Key_G)
    outline(hands, (4.5, 4.5, z), (10.5, 4.5, z), (10.5, 12.5, z), (4.5, 12.5, z))
    assert hands.window.tools.drafting
    hands.key(Qt.Key.Key_Return)
    wanted = before.copy()
    wanted[5:11, 5:13, z] = 1
    np.testing.assert_array_equal(labels(hands), wanted)
    assert hands.workspace.history.names == ("Polygon",)


def test_a_lasso_is_a_drag_and_a_double_click_closes(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    hands.drag([(5, 5, z), (12, 5, z), (12, 12, z)])
    outline(hands, (5, 12, z))
    at = hands.at((5, 12, z))
    hands.send(QEvent.Type.MouseButtonDblClick, at)
    assert not hands.window.tools.drafting
    assert labels(hands)[9, 9, z] == hands.workspace.view.active_label
    assert hands.window.ui.maximized is None


def test_points_are_taken_back_one_by_one_and_undo_is_left_alone(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.workspace.apply(_dab(hands))
    hands.key(Qt.Key.Key_G)
    outline(hands, (5, 5, z), (12, 5, z))
    hands.drag([(12, 8, z), (12, 10, z), (12, 12, z)])
    hands.key(Qt.Key.Key_Z, CTRL)
    polygon = hands.window.tools._polygon
    assert polygon is not None
    assert len(polygon.points) == 2
    hands.key(Qt.Key.Key_Backspace)
    hands.key(Qt.Key.Key_Backspace)
    assert not hands.window.tools.drafting
    assert hands.workspace.history.names == ("Paint",)


def test_an_outline_stays_in_its_slice(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (5, 5, z), (12, 5, z))
    hands.wheel(1)
    outline(hands, (12, 12, z + 1))
    assert "Finish the outline" in flashing(hands)
    hands.wheel(-1)
    outline(hands, (12, 12, z))
    hands.key(Qt.Key.Key_Return)
    changed = np.argwhere(labels(hands) != hands.workspace.segmentation.original)
    assert set(changed[:, 2]) == {z}


def test_two_corners_are_no_outline(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.key(Qt.Key.Key_G)
    outline(hands, (5, 5, z), (12, 5, z))
    hands.key(Qt.Key.Key_Return)
    assert "three corners" in flashing(hands)
    hands.key(Qt.Key.Key_Escape)
    assert not hands.window.tools.drafting
    assert hands.window.ui.tool is Tool.POLYGON


def _dab(hands: Hands) -> Any:
    from tests.session.steps import dab

    return dab(8)


# rules


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"locked": frozenset({1, 2, 4})}, "locked"),
        ({"paint_over": PaintOver.BACKGROUND}, "background"),
        ({"gate": IntensityRange(Modality.FLAIR, 30000.0, 31000.0)}, "range"),
        ({"paint_over": PaintOver.ACTIVE, "only_label": 1}, "over itself"),
    ],
)
def test_a_blocked_stroke_flashes_the_reason(hands: Hands, settings: dict[str, Any], word: str) -> None:
    view = hands.workspace.view
    hands.key(Qt.Key.Key_B)
    view.brush, view.active_label = Brush("round", 0.5), 1
    for name, value in settings.items():
        setattr(view, name, value)
    at = np.argwhere(labels(hands)[:, :, view.cursor[2]] == 2)[0]
    hands.drag([(float(at[0]), float(at[1]), float(view.cursor[2]))])
    assert word in flashing(hands)
    assert word in hands.window.status.readout.text()
    assert hands.workspace.history.names == ()


def test_the_range_shows_and_keeps_paint_inside(hands: Hands) -> None:
    workspace, view = hands.workspace, hands.workspace.view
    flair = workspace.case.volumes[Modality.FLAIR].raw
    hands.key(Qt.Key.Key_B)
    hands.window.brush_panel.range._choose("flair")
    assert view.gate is not None
    panel = hands.window.brush_panel.range
    panel.low.setValue(300)
    panel.high.setValue(400)
    layer = hands.window.tools.overlays.layer(hands.window.viewer.contents[0])
    assert layer is not None
    assert layer.range.isVisible()
    view.brush, view.active_label = Brush("round", 5.0), 1
    before = labels(hands).copy()
    x, y, z = view.cursor
    hands.drag([(x, y, z), (x - 20, y, z)])
    painted = (labels(hands) != before) & (labels(hands) == 1)
    assert painted.any()
    assert ((flair[painted] >= 300) & (flair[painted] <= 400)).all()
    hands.key(Qt.Key.Key_1)
    assert not layer.range.isVisible()


def test_locks_in_the_panel_and_the_right_button_for_all(hands: Hands) -> None:
    view = hands.workspace.view
    hands.window.labels_panel.rows[2].lock.click()
    assert view.locked == frozenset({2})
    hands.key(Qt.Key.Key_B)
    hands.window.brush_panel.right.setChecked(True)
    view.brush = Brush("round", 15.0)
    x, y, z = view.cursor
    hands.drag([(x, y, z)], RIGHT)
    assert set(np.unique(labels(hands)[x - 3 : x + 4, y - 3 : y + 4, z])) <= {0, 2}


def test_a_coronal_stroke_with_a_square_brush_changes_exactly_those_voxels(hands: Hands) -> None:
    view = hands.workspace.view
    hands.key(Qt.Key.Key_3, CTRL)
    hands.key(Qt.Key.Key_B)
    view.brush, view.active_label = Brush("square", 1.0), 4
    before, y = labels(hands).copy(), view.cursor[1]
    hands.drag([(20, y, 10), (26, y, 10)], number=1)
    wanted = before.copy()
    wanted[19:28, y, 9:12] = 4
    np.testing.assert_array_equal(labels(hands), wanted)


def test_the_swap_and_the_lesion_brushes(hands: Hands) -> None:
    hands.key(Qt.Key.Key_3, Qt.KeyboardModifier.AltModifier)
    assert (hands.window.ui.tool, hands.workspace.view.active_label) == (Tool.PAINT, 4)
    hands.key(Qt.Key.Key_X)
    assert (hands.window.ui.tool, hands.workspace.view.active_label) == (Tool.ERASE, 4)
    hands.key(Qt.Key.Key_X)
    assert hands.window.ui.tool is Tool.PAINT


# reshape


def preview_ready(hands: Hands, wait: Wait) -> None:
    wait(lambda: hands.window.reshape.preview is not None and not hands.window.reshape.computing)


def test_growing_is_previewed_before_it_is_applied(hands: Hands, wait: Wait) -> None:
    before = labels(hands).copy()
    hands.key(Qt.Key.Key_H)
    preview_ready(hands, wait)
    hands.window.operations_panel.slider.setValue(4)
    wait(lambda: not hands.window.reshape.computing)
    layer = hands.window.tools.overlays.layer(hands.window.viewer.contents[0])
    assert layer is not None
    assert layer.preview.isVisible()
    np.testing.assert_array_equal(labels(hands), before)
    assert "+" in hands.window.operations_panel.hint.text()
    hands.window.operations_panel.apply.click()
    wait(lambda: hands.workspace.history.names == ("Grow",))
    assert np.count_nonzero(labels(hands)) > np.count_nonzero(before)
    assert not (labels(hands) > 0)[~hands.workspace.case.brain].any()
    hands.key(Qt.Key.Key_1)
    assert not layer.preview.isVisible()
    hands.workspace.undo()
    np.testing.assert_array_equal(labels(hands), before)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_shrinking_takes_only_what_was_chosen(hands: Hands, wait: Wait, flat: bool, whole: bool) -> None:
    before, z = labels(hands).copy(), hands.workspace.view.cursor[2]
    hands.workspace.view.active_label = 2
    hands.window.reshape.run("grow", grow_mm=-1.0, flat=flat, whole=whole)
    wait(lambda: bool(hands.workspace.history.names))
    lost = (before > 0) & (labels(hands) == 0)
    assert lost.any()
    if flat:
        assert set(np.argwhere(lost)[:, 2]) == {z}
    if not whole:
        assert set(np.unique(before[lost])) == {2}


@pytest.mark.parametrize("key", ["smooth", "holes", "mirror_add", "mirror_subtract", "mirror_intersect", "small"])
def test_every_operation_is_one_named_step_or_says_why(hands: Hands, wait: Wait, key: str) -> None:
    hands.window.reshape.run(key)
    wait(lambda: bool(hands.workspace.history.names) or bool(flashing(hands)))
    wait(lambda: not hands.window.reshape.computing)
    assert len(hands.workspace.history.names) == (0 if flashing(hands) else 1)


def test_an_operation_computed_on_old_labels_is_not_applied(hands: Hands, wait: Wait) -> None:
    hands.window.reshape.run("smooth")
    hands.workspace.apply(_dab(hands))
    wait(lambda: "changed meanwhile" in flashing(hands))
    assert hands.workspace.history.names == ("Paint",)


def test_moving_a_piece_by_dragging(hands: Hands) -> None:
    before = labels(hands).copy()
    x, y, z = hands.workspace.view.cursor
    hands.key(Qt.Key.Key_V)
    hands.drag([(x, y, z), (x - 4, y + 3, z)], release=False)
    np.testing.assert_array_equal(labels(hands), before)
    hands.send(QEvent.Type.MouseButtonRelease, hands.at((x - 4, y + 3, z)))
    np.testing.assert_array_equal(labels(hands), np.roll(before, (-4, 3), (0, 1)))
    assert hands.workspace.history.names == ("Move piece",)
    hands.drag([(1, 1, z), (5, 5, z)])
    assert "no tumor under the mouse" in flashing(hands)
    hands.drag([(x - 4, y + 3, z), (x, y, z)], release=False)
    hands.key(Qt.Key.Key_Escape)
    assert hands.workspace.history.names == ("Move piece",)


def test_removing_the_piece_under_the_mouse_and_one_subregion(hands: Hands, wait: Wait, qtbot: object) -> None:
    workspace = hands.workspace
    workspace.view.active_label = 1
    far = _dab(hands)
    workspace.apply(far)
    z = workspace.view.cursor[2]
    box, piece = component_at(labels(hands) > 0, workspace.view.cursor)
    hands.send(QEvent.Type.MouseMove, hands.at(workspace.view.cursor), Qt.MouseButton.NoButton, Qt.MouseButton.NoButton)
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_R, CTRL | SHIFT)
    wait(lambda: workspace.history.undo_name == "Remove this tumor")
    assert not labels(hands)[box][piece].any()
    assert labels(hands).any()
    assert workspace.segmentation.removed.any()
    assert workspace.view.cursor[2] == z
    workspace.undo()
    settle(qtbot, hands.window)
    hands.window.actions_table["remove_ed"].trigger()
    wait(lambda: workspace.history.undo_name == "Remove Edema (ED)")
    assert set(np.unique(labels(hands))) == {0, 1, 4}


# automatic segmentation


class FakeReferee:
    """Finds a block of tumor; waits until it may."""

    def __init__(self) -> None:
        self.go = Event()

    def segment(self, case: Any, *, progress: Any, cancel: Any) -> np.ndarray:
        while not self.go.wait(0.01):
            if cancel():
                break
        five = np.zeros(case.grid.shape, np.uint8)
        five[10:20, 10:20, 10:15] = 4
        progress(1.0, "Segmenting")
        return five


def open_bare(window: MainWindow, folder: Path, wait: Wait) -> tuple[Hands, FakeReferee]:
    referee = FakeReferee()
    window.segmenting.make_referee = lambda: referee
    window.cases.open(make_case(folder / "BraTS2021_90004", shape=(60, 64, 40), segmentation=False))
    wait(lambda: window.workspace is not None)
    return Hands(window), referee


def test_a_case_without_segmentation_offers_one_and_it_is_one_step(
    window: MainWindow, tmp_path: Path, wait: Wait
) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    referee.go.set()
    offer = next(b for b in window.errors.findChildren(QPushButton) if b.text() == "Segment automatically")
    offer.click()
    wait(lambda: bool(hands.workspace.history.names))
    assert hands.workspace.history.names == ("Segment automatically",)
    assert np.count_nonzero(labels(hands) == 2) == 500
    assert not hands.workspace.segmentation.removed.any()
    hands.workspace.undo()
    assert not labels(hands).any()


def test_it_never_deletes_labels_without_asking(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    hands.workspace.apply(_dab(hands))
    painted = labels(hands).copy()
    window.segmenting.start()
    referee.go.set()
    wait(lambda: "would clear" in window.errors.message)
    np.testing.assert_array_equal(labels(hands), painted)
    add = next(b for b in window.errors.findChildren(QPushButton) if b.text() == "Add where nothing is labeled")
    add.click()
    assert (labels(hands)[painted > 0] == painted[painted > 0]).all()
    assert (labels(hands)[10:20, 10:20, 10:15] == 2).all()


def test_cancelling_it_changes_nothing(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    hands, referee = open_bare(window, tmp_path, wait)
    window.segmenting.start()
    assert window.status.cancel.isVisible()
    window.status.cancel.click()
    assert not window.segmenting.running
    referee.go.set()
    wait(lambda: not window._tasks._running)
    assert not labels(hands).any()


# the tissue map


def test_tissue_is_painted_with_the_same_brush_and_its_own_undo(hands: Hands, qtbot: object) -> None:
    window, workspace = hands.window, hands.workspace
    tumor = labels(hands).copy()

    class Made:
        labels = workspace.case.brain.astype(np.uint8) * 2

    window.tissue._finish(Made)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_T, SHIFT)
    assert workspace.tissue is not None
    assert window.ui.tool is Tool.PAINT
    workspace.view.tissue_label = 3
    workspace.view.brush = Brush("round", 2.0)
    x, y, z = workspace.view.cursor
    hands.drag([(x, y, z), (x + 5, y, z)])
    tissue = workspace.tissue.segmentation.labels
    assert (tissue[x : x + 6, y, z] == 3).all()
    np.testing.assert_array_equal(labels(hands), tumor)
    assert set(window.labels_panel.rows) == {1, 2, 3}
    settle(qtbot, window)
    hands.key(Qt.Key.Key_Z, CTRL)
    assert np.array_equal(tissue, Made.labels)
    assert not window.actions_table["op_smooth"].isEnabled()
    hands.key(Qt.Key.Key_T, SHIFT)
    hands.drag([(x, y, z), (x + 5, y, z)])
    assert not np.array_equal(labels(hands), tumor)


# palette and disabled controls


def test_the_palette_finds_does_and_explains(hands: Hands, wait: Wait, qtbot: object) -> None:
    hands.key(Qt.Key.Key_P, CTRL | SHIFT)
    palette = next(w for w in QApplication.topLevelWidgets() if isinstance(w, Palette))
    QTest.keyClicks(palette.search, "export counter")
    assert palette.names() == ["export_result"]
    assert "Not now" in palette.why.text()
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.search.clear()
    QTest.keyClicks(palette.search, "coronal")
    assert palette.names()[0] == "coronal"
    QTest.keyClick(palette.search, Qt.Key.Key_Return)
    assert hands.workspace.view.plane.name == "CORONAL"


@pytest.mark.parametrize("tool", list(Tool))
def test_every_disabled_control_says_why(hands: Hands, tool: Tool, qtbot: object) -> None:
    hands.window.ui.tool = tool
    settle(qtbot, hands.window)
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox)
    silent = [
        f"{type(widget).__name__} {widget.objectName()} {getattr(widget, 'text', str)()}"
        for kind in kinds
        for widget in hands.window.findChildren(kind)
        if widget.isVisible() and not widget.isEnabled() and "Not now" not in widget.toolTip()
    ]
    assert silent == []

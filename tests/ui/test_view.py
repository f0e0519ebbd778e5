"""Looking: slices, zoom, pan, window, crosshair, layouts, modalities, peeking; with real mouse and key events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtTest import QTest

from seg_editor.cases import Modality, read_volume
from seg_editor.editing import Brush, PaintStroke, RemoveTumor
from seg_editor.ui.captions import file_voxel
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.planes import Plane
from seg_editor.ui.state import Layout, Role, Tool
from seg_editor.ui.status import describe
from tests.ui.conftest import LEFT, MIDDLE, NO_BUTTON, NONE, RIGHT, Hands, settle

CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)


def test_a_case_opens_on_its_largest_tumor_slice(hands: Hands) -> None:
    workspace = hands.workspace
    counts = np.count_nonzero(workspace.segmentation.labels, axis=(0, 1))
    assert workspace.view.cursor[2] == int(np.argmax(counts))
    assert hands.window.viewer.contents[0].role is Role.SOURCE
    shown = hands.pane().picture.image
    assert shown.dtype == np.uint8
    assert shown.flags.c_contiguous


def test_wheel_and_keys_scroll(hands: Hands) -> None:
    start = hands.workspace.view.cursor[2]
    hands.wheel(1)
    assert hands.workspace.view.cursor[2] == start + 1
    hands.wheel(-2)
    assert hands.workspace.view.cursor[2] == start - 1
    hands.wheel(1, SHIFT)
    assert hands.workspace.view.cursor[2] == start + 4
    hands.key(Qt.Key.Key_Down)
    hands.key(Qt.Key.Key_PageDown, SHIFT)
    assert hands.workspace.view.cursor[2] == start - 2


def test_the_slice_bar_goes_where_it_is_clicked(hands: Hands) -> None:
    bar = hands.window.viewer.slice_bar
    top = bar.rect().center()
    top.setY(14)
    QTest.mouseClick(bar, LEFT, pos=top)
    assert hands.workspace.view.cursor[2] == hands.workspace.case.grid.shape[2] - 1


def test_the_picture_is_that_of_the_slice(hands: Hands) -> None:
    content = hands.window.viewer.contents[0]
    before = hands.pane().picture.image.copy()
    hands.wheel(3)
    after = hands.pane().picture.image
    assert not np.array_equal(before, after)
    box = hands.window.viewer.pictures.brain_box
    assert after.shape == tuple(s.stop - s.start for s in content.view.crop(box))


def test_zoom_keeps_what_is_under_the_mouse_and_fit_brings_all_back(hands: Hands) -> None:
    pane = hands.pane()
    middle = QPointF(pane.viewport().rect().center())
    fixed = pane.viewportTransform().inverted()[0].map(middle)
    scale = pane.scale_px
    hands.wheel(2, CTRL)
    assert pane.scale_px == pytest.approx(scale * 1.44)
    now = pane.viewportTransform().inverted()[0].map(middle)
    assert (now.x(), now.y()) == pytest.approx((fixed.x(), fixed.y()), abs=0.5)
    hands.key(Qt.Key.Key_R)
    assert pane.scale_px == pytest.approx(scale)


@pytest.mark.parametrize("how", ["middle", "space"])
def test_pan(hands: Hands, how: str, qtbot: object) -> None:
    pane = hands.pane()
    hands.window.ui.tool = Tool.PAINT
    settle(qtbot, hands.window)
    anchor = hands.at((30, 32, hands.workspace.view.cursor[2]))
    revision = hands.workspace.segmentation.revision
    if how == "space":
        QTest.keyPress(pane, Qt.Key.Key_Space)
    hands.drag_pixels([anchor, anchor + QPointF(40, 25)], MIDDLE if how == "middle" else LEFT)
    if how == "space":
        QTest.keyRelease(pane, Qt.Key.Key_Space)
    moved = hands.at((30, 32, hands.workspace.view.cursor[2]))
    assert (moved.x() - anchor.x(), moved.y() - anchor.y()) == pytest.approx((40, 25), abs=1.5)
    assert hands.workspace.segmentation.revision == revision


def test_right_drag_changes_the_window_and_ctrl_j_resets_it(hands: Hands) -> None:
    view = hands.workspace.view
    auto = view.window()
    hands.drag_pixels([QPointF(300, 300), QPointF(380, 300)], RIGHT)
    low, high = view.window()
    assert high - low > auto[1] - auto[0]
    hands.drag_pixels([QPointF(300, 300), QPointF(300, 380)], RIGHT)
    assert sum(view.window()) < low + high
    hands.key(Qt.Key.Key_J, CTRL)
    assert view.window() == auto


def test_left_click_moves_the_crosshair_in_navigate_and_with_alt_anywhere(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    hands.drag([(20, 40, z)])
    assert hands.workspace.view.cursor == (20, 40, z)
    hands.key(Qt.Key.Key_B)
    hands.drag([(25, 35, z), (26, 36, z)], keys=ALT)
    assert hands.workspace.view.cursor == (26, 36, z)
    hands.send(QEvent.Type.MouseMove, hands.at((28, 30, z)), NO_BUTTON, NO_BUTTON, SHIFT)
    assert hands.workspace.view.cursor == (28, 30, z)


def test_modality_keys(hands: Hands) -> None:
    for key, modality in (
        (Qt.Key.Key_F1, Modality.T1),
        (Qt.Key.Key_F2, Modality.T1C),
        (Qt.Key.Key_F3, Modality.T2),
        (Qt.Key.Key_F4, Modality.FLAIR),
        (Qt.Key.Key_M, Modality.T1),
    ):
        hands.key(key)
        assert hands.workspace.view.modality is modality


def test_overlay_keys(hands: Hands) -> None:
    view, pane = hands.workspace.view, hands.pane()
    assert pane.labels.isVisible()
    hands.key(Qt.Key.Key_S)
    assert not view.overlay
    assert not pane.labels.isVisible()
    hands.key(Qt.Key.Key_S)
    opacity = view.opacity
    hands.key(Qt.Key.Key_D)
    assert view.opacity == pytest.approx(opacity + 0.1)
    hands.key(Qt.Key.Key_A)
    hands.key(Qt.Key.Key_O)
    assert view.opacity == pytest.approx(opacity)
    assert not view.outline


def test_opacity_is_that_of_the_layer_in_hand(hands: Hands) -> None:
    """While the tissue map is edited the slider and the keys act on it, and the tumor stays as it is."""
    workspace, view, slider = hands.workspace, hands.workspace.view, hands.window.labels_panel._opacity
    tumor = hands.pane().labels.lut.copy()
    workspace.set_tissue(np.ones(workspace.case.grid.shape, dtype=np.uint8))
    hands.window.ui.tissue = view.on_tissue = True
    before = (view.opacity, view.tissue_opacity)
    assert slider.value() == round(100 * before[1])
    slider.setValue(80)
    hands.key(Qt.Key.Key_D)
    assert view.opacity == before[0]
    assert view.tissue_opacity == pytest.approx(0.9)
    assert slider.value() == 90
    assert hands.pane().tissue.lut[1, 3] == round(255 * 0.9)
    np.testing.assert_array_equal(hands.pane().labels.lut, tumor)
    view.on_tissue = False
    assert slider.value() == round(100 * before[0])


def test_layouts_link_zoom_and_slice(hands: Hands) -> None:
    hands.key(Qt.Key.Key_2, CTRL)
    assert hands.window.ui.layout is Layout.COMPARE
    panes = hands.window.viewer.panes
    assert [content.role for content in hands.window.viewer.contents] == list(Role)
    hands.wheel(1, CTRL)
    assert len({pane.camera.zoom for pane in panes}) == 1
    hands.wheel(1)
    assert len({content.index for content in hands.window.viewer.contents}) == 1
    hands.key(Qt.Key.Key_3, CTRL)
    planes = [content.plane for content in hands.window.viewer.contents]
    assert planes == [Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL]
    y = hands.workspace.view.cursor[1]
    hands.send(QEvent.Type.MouseMove, QPointF(50, 50), NO_BUTTON, NO_BUTTON, NONE, number=1)
    hands.wheel(1, number=1)
    assert hands.workspace.view.cursor[1] == y + 1
    hands.key(Qt.Key.Key_1, CTRL)
    assert len(hands.window.viewer.panes) == 1


def test_a_double_click_maximizes_a_pane_and_back(hands: Hands) -> None:
    hands.key(Qt.Key.Key_3, CTRL)
    hands.send(QEvent.Type.MouseButtonDblClick, QPointF(60, 60), LEFT, LEFT, NONE, number=2)
    assert [pane.isVisible() for pane in hands.window.viewer.panes] == [False, False, True]
    hands.send(QEvent.Type.MouseButtonDblClick, QPointF(60, 60), LEFT, LEFT, NONE, number=2)
    assert all(pane.isVisible() for pane in hands.window.viewer.panes)


def test_planes_change_by_key(hands: Hands) -> None:
    for key, plane in ((Qt.Key.Key_2, Plane.CORONAL), (Qt.Key.Key_3, Plane.SAGITTAL), (Qt.Key.Key_1, Plane.AXIAL)):
        hands.key(key, CTRL | ALT)
        assert hands.workspace.view.plane is plane
        assert hands.window.viewer.slice_bar._count == hands.workspace.case.grid.shape[int(plane)]


def test_the_read_out_names_everything_under_the_mouse(hands: Hands) -> None:
    x, y, z = hands.workspace.view.cursor
    text = describe(hands.workspace, (x, y, z))
    for modality in hands.workspace.case.modalities:
        assert f"{modality.display} {int(hands.workspace.case.volumes[modality].raw[x, y, z])}" in text
    label = int(hands.workspace.segmentation.labels[x, y, z])
    assert hands.workspace.case.scheme.name_of(label) in text
    hands.send(QEvent.Type.MouseMove, hands.at((20, 40, z)), NO_BUTTON, NO_BUTTON)
    nx, ny, _ = hands.workspace.case.grid.shape
    assert f"voxel ({nx - 1 - 20}, {ny - 1 - 40}, {z})" in hands.window.status.readout.text()


@pytest.mark.parametrize("order", [("L", "P", "S"), ("R", "A", "S"), ("P", "S", "R"), ("I", "R", "A")])
def test_voxels_are_named_as_the_file_counts_them(tmp_path: Path, order: tuple[str, str, str]) -> None:
    shape = (5, 6, 7)
    codes = nib.orientations.axcodes2ornt(order)
    stored = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (target, sign) in enumerate(codes):
        affine[int(target), axis] = sign
    nib.save(nib.Nifti1Image(stored, affine), tmp_path / "image.nii.gz")
    volume = read_volume(tmp_path / "image.nii.gz")
    assert nib.aff2axcodes(affine) == order
    for voxel in np.ndindex(*volume.raw.shape):
        assert stored[file_voxel(volume.source, voxel)] == volume.raw[voxel]


def test_a_message_in_the_status_bar_ends_with_the_next_edit(hands: Hands) -> None:
    actions = hands.window.actions_table
    actions["remove"].trigger()
    hands.workspace.undo()
    hands.window.status_message("Undone: Remove tumor")
    hands.workspace.apply(RemoveTumor())
    assert "Undone" not in hands.window.status.readout.text()
    assert hands.window.status.readout.text() == describe(hands.workspace, hands.workspace.view.cursor)


def test_the_slice_bar_knows_where_the_tumor_is(hands: Hands, wait: Callable[[Callable[[], bool]], None]) -> None:
    bar, labels = hands.window.viewer.slice_bar, hands.workspace.segmentation.labels
    assert bar._tumor.tolist() == np.count_nonzero(labels, axis=(0, 1)).tolist()
    hands.window.actions_table["remove"].trigger()
    wait(lambda: bar._tumor.sum() == 0)


def test_tissue_overlay(opened: MainWindow, hands: Hands) -> None:
    pane = hands.pane()
    assert not pane.tissue.isVisible()
    tissue = np.where(hands.workspace.case.brain, 2, 0).astype(np.uint8)
    opened.tissue.labels = tissue
    opened.tissue.ready.emit(tissue)
    assert pane.tissue.isVisible()
    opened.tissue.labels = None
    opened.tissue.ready.emit(None)
    assert not pane.tissue.isVisible()


def test_a_jump_draws_the_plane_in_use_at_once_and_the_others_next(hands: Hands, qtbot: object) -> None:
    """Undo far away: each pane is drawn once, the linked ones after a repaint and the mouse had their turn."""
    window, workspace = hands.window, hands.workspace
    hands.key(Qt.Key.Key_3, CTRL)
    x, y, z = workspace.view.cursor
    workspace.apply(PaintStroke(((float(x), float(y), float(z)),), Brush("round", 2.0), 2, 4))
    workspace.view.cursor = (x - 9, y - 9, z - 9)
    settle(qtbot, window)
    contents, drawn = window.viewer.contents, []
    for number, content in enumerate(contents):
        draw = content.draw_labels
        content.draw_labels = lambda number=number, draw=draw: (drawn.append(number), draw())  # type: ignore[method-assign]
    window.actions_table["undo"].trigger()
    assert drawn == [0]
    assert window.viewer.following.pending
    settle(qtbot, window)
    assert drawn == [0, 1, 2]
    assert all(content.at_cursor for content in contents)
    assert not window.viewer.following.pending


def test_panes_of_one_plane_never_show_two_slices(hands: Hands) -> None:
    hands.key(Qt.Key.Key_4, CTRL)
    hands.wheel(1)
    assert all(content.at_cursor for content in hands.window.viewer.contents)


def test_air_that_is_not_black_fills_the_whole_slice(hands: Hands) -> None:
    """The picture is cut to the brain only while nobody can see the difference."""
    content, view = hands.window.viewer.contents[0], hands.workspace.view
    columns, rows = content.view.size
    assert content.pane.picture.image.size < columns * rows
    view.set_window(view.modality, (-200.0, 400.0))
    assert content.pane.picture.image.shape == (rows, columns)
    view.set_window(view.modality, None)
    assert content.pane.picture.image.size < columns * rows

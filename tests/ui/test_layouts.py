"""Layouts, the active pane, contrast shared by panes, sides and letters, and what is remembered; with real events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

from seg_editor.cases import MODALITIES, Grid, Modality
from seg_editor.ui.app import make_window
from seg_editor.ui.captions import orientation_warning, slice_number, tilt_degrees
from seg_editor.ui.layouts import PLANS
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.planes import Plane
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.state import Layout, Role
from tests.tiny import make_case
from tests.ui.conftest import LEFT, NO_BUTTON, NONE, RIGHT, Hands, settle
from tests.ui.fake import FakeBackend

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
Wait = Callable[[Callable[[], bool]], None]


def enter(hands: Hands, number: int) -> None:
    """Move the mouse into a pane."""
    hands.send(QEvent.Type.MouseMove, QPointF(60, 60), NO_BUTTON, NO_BUTTON, NONE, number)


def fills(pane: QWidget, hands: Hands) -> bool:
    """Whether a pane takes all the room, but for the hairlines of empty cells."""
    room = hands.window.viewer.panes_widget.size() - pane.size()
    return room.width() <= 3 and room.height() <= 1


@pytest.mark.parametrize("layout", list(Layout))
def test_every_layout_has_a_cell_for_every_slot(layout: Layout) -> None:
    plan = PLANS[layout]
    taken = [
        (row + r, column + c) for row, column, rows, columns in plan.cells for r in range(rows) for c in range(columns)
    ]
    assert len(plan.slots) == len(plan.cells)
    assert len(taken) == len(set(taken)) == len(plan.rows) * len(plan.columns)


def test_four_modalities_of_the_same_slice(hands: Hands) -> None:
    hands.key(Qt.Key.Key_4, CTRL)
    contents = hands.window.viewer.contents
    assert [content.modality for content in contents] == list(MODALITIES)
    assert len({(content.plane, content.index) for content in contents}) == 1
    assert len({content.pane.picture.image.tobytes() for content in contents}) == 4
    hands.wheel(1, number=2)
    assert len({content.index for content in contents}) == 1
    hands.wheel(1, CTRL, number=3)
    assert len({content.pane.camera.zoom for content in contents}) == 1


def test_contrast_belongs_to_the_modality_and_is_shared_by_its_panes(hands: Hands) -> None:
    view = hands.workspace.view
    hands.key(Qt.Key.Key_4, CTRL)
    enter(hands, 1)
    hands.drag_pixels([QPointF(100, 100), QPointF(160, 120)], RIGHT, number=1)
    assert set(view.windows) == {Modality.T1C}
    low, high = view.window(Modality.T1C)
    assert f"W {high - low:.4g}  L {(high + low) / 2:.4g}" == hands.pane(1).marks.corner
    view.modality = Modality.T1C
    hands.key(Qt.Key.Key_3, CTRL)
    assert {pane.marks.corner for pane in hands.window.viewer.panes} == {
        f"W {high - low:.4g}  L {(high + low) / 2:.4g}"
    }
    hands.key(Qt.Key.Key_J, CTRL)
    assert view.windows == {}


def test_automatic_contrast_acts_on_the_pane_under_the_mouse_and_everywhere_with_shift(hands: Hands) -> None:
    view = hands.workspace.view
    view.windows = {Modality.T1: (0.0, 10.0), Modality.T2: (0.0, 10.0), Modality.FLAIR: (0.0, 10.0)}
    hands.key(Qt.Key.Key_4, CTRL)
    enter(hands, 2)
    QTest.keyClick(hands.pane(2), Qt.Key.Key_J, CTRL)
    assert set(view.windows) == {Modality.T1, Modality.FLAIR}
    hands.key(Qt.Key.Key_J, CTRL | SHIFT)
    assert view.windows == {}


def test_a_missing_modality_says_so(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    case = make_case(tmp_path / "BraTS2021_90003", shape=(40, 44, 30), modalities=(Modality.T1C, Modality.FLAIR))
    window.ui.layout = Layout.MODALITIES
    window.cases.open(case)
    wait(lambda: window.workspace is not None)
    messages = [pane.marks.message for pane in window.viewer.panes]
    assert messages == ["This case has no T1.", "", "This case has no T2.", ""]
    Hands(window).drag_pixels([QPointF(60, 60), QPointF(90, 90)], RIGHT, number=0)
    assert window.workspace is not None
    assert window.workspace.view.windows == {}


def test_the_crosshair_is_linked_across_planes(hands: Hands, qtbot: object) -> None:
    hands.key(Qt.Key.Key_3, CTRL)
    x, y, z = hands.workspace.view.cursor
    hands.drag([(x, y + 4, z + 3)], number=2)
    settle(qtbot, hands.window)
    assert hands.workspace.view.cursor == (x, y + 4, z + 3)
    for content in hands.window.viewer.contents:
        assert content.index == hands.workspace.view.cursor[int(content.plane)]
        assert content.pane.marks.crosshair == pytest.approx(content.view.to_plane((x, y + 4, z + 3)))


def test_keys_choose_and_maximize_a_pane(hands: Hands) -> None:
    hands.key(Qt.Key.Key_3, CTRL)
    viewer = hands.window.viewer
    assert [pane.marks.active for pane in viewer.panes] == [True, False, False]
    hands.key(Qt.Key.Key_Tab, CTRL)
    assert [pane.marks.active for pane in viewer.panes] == [False, True, False]
    y = hands.workspace.view.cursor[1]
    QTest.keyClick(hands.pane(1), Qt.Key.Key_Up)
    assert hands.workspace.view.cursor[1] == y + 1
    QTest.keyClick(hands.pane(1), Qt.Key.Key_M, CTRL)
    assert [pane.isVisible() for pane in viewer.panes] == [False, True, False]
    QTest.keyClick(hands.pane(1), Qt.Key.Key_Tab, CTRL)
    assert [pane.isVisible() for pane in viewer.panes] == [False, False, True]
    QTest.keyClick(hands.pane(2), Qt.Key.Key_M, CTRL)
    assert all(pane.isVisible() for pane in viewer.panes)


def test_the_picture_is_moved_by_keys(hands: Hands) -> None:
    z = hands.workspace.view.cursor[2]
    before = hands.at((30, 30, z))
    hands.key(Qt.Key.Key_Right, CTRL)
    hands.key(Qt.Key.Key_Up, CTRL)
    moved = hands.at((30, 30, z)) - before
    assert moved.x() == pytest.approx(0.1 * hands.pane().width(), abs=2)
    assert moved.y() == pytest.approx(-0.1 * hands.pane().height(), abs=2)
    hands.key(Qt.Key.Key_R)
    assert hands.at((30, 30, z)) == before


def test_sides_change_the_display_and_no_array(hands: Hands) -> None:
    case, labels = hands.workspace.case, hands.workspace.segmentation.labels
    before = [volume.raw.tobytes() for volume in case.volumes.values()] + [labels.tobytes()]
    hands.key(Qt.Key.Key_3, CTRL)
    x, y, z = hands.workspace.view.cursor

    def places() -> list[float]:
        return [round(hands.at((x + 5, y + 5, z), n).x() - hands.at((x, y, z), n).x()) for n in range(3)]

    radiological = places()
    assert radiological[0] < 0
    assert radiological[2] < 0
    hands.window.actions_table["radiological"].trigger()
    assert places() == [-radiological[0], -radiological[1], radiological[2]]
    assert [content.view.letters[0] for content in hands.window.viewer.contents] == ["L", "L", "A"]
    hands.window.actions_table["nose_left"].trigger()
    assert places() == [-radiological[0], -radiological[1], -radiological[2]]
    assert hands.window.viewer.contents[2].view.letters[0] == "P"
    assert [volume.raw.tobytes() for volume in case.volumes.values()] + [labels.tobytes()] == before


def test_letters_are_question_marks_without_orientation(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    window.cases.open(make_case(tmp_path / "BraTS2021_90004", shape=(40, 44, 30), codes=(0, 0)))
    wait(lambda: window.workspace is not None)
    marks = window.viewer.panes[0].marks
    assert marks.ambiguous
    assert "orientation unknown" in marks.warning


@pytest.mark.parametrize(
    ("degrees", "guess", "text"), [(0.0, False, ""), (7.0, False, "tilted by 7°"), (25.0, True, "25°")]
)
def test_a_tilted_grid_is_said_and_a_steep_one_has_no_letters(degrees: float, guess: bool, text: str) -> None:
    angle = np.radians(degrees)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    grid = Grid((4, 4, 4), turn @ affine)
    assert tilt_degrees(grid) == pytest.approx(degrees, abs=1e-4)
    shown, warning = orientation_warning(grid)
    assert shown is guess
    assert text in warning


def test_captions_count_as_the_file_does_from_zero(hands: Hands) -> None:
    hands.key(Qt.Key.Key_3, CTRL)
    x, y, z = hands.workspace.view.cursor
    nx, ny, nz = hands.workspace.case.grid.shape
    titles = [pane.marks.title for pane in hands.window.viewer.panes]
    expected = ("Axial", z, nz), ("Coronal", ny - 1 - y, ny), ("Sagittal", nx - 1 - x, nx)
    assert titles == [f"{name} {number} (0–{count - 1})" for name, number, count in expected]
    assert f"voxel ({nx - 1 - x}, {ny - 1 - y}, {z})" in hands.window.status.readout.text()
    assert slice_number(hands.workspace.case, Plane.AXIAL, z) == z


def test_layout_and_display_are_remembered(
    hands: Hands, qapp: QApplication, preferences: Preferences, qtbot: object
) -> None:
    hands.key(Qt.Key.Key_5, CTRL)
    hands.window.actions_table["nose_left"].trigger()
    hands.window.ui.label_colors = {"ed": "#112233"}
    again = make_window(qapp, backend=FakeBackend(), preferences=preferences, theme="dark")
    assert again.ui.layout is Layout.VOLUME
    assert again.ui.radiological
    assert not again.ui.nose_left
    assert again.ui.label_colors == {"ed": "#112233"}
    again.close()


def test_unreadable_preferences_are_ignored(tmp_path: Path, qapp: QApplication) -> None:
    path = tmp_path / "p.ini"
    path.write_text("[General]\nlayout=spiral\nlabel_colors=ed:red;et\nbrain_look=7\n")
    made = make_window(qapp, backend=FakeBackend(), preferences=Preferences(path), theme="dark")
    assert made.ui.layout is Layout.SINGLE
    assert made.ui.label_colors == {}
    assert made.ui.brain_look == "glass"
    made.close()


def test_fill_and_outline_are_separate(hands: Hands) -> None:
    pane, view = hands.pane(), hands.workspace.view
    codes = pane.labels.image
    hands.key(Qt.Key.Key_O, SHIFT)
    assert not view.fill
    assert view.outline
    assert not pane.labels.lut[:, 3].any()
    assert pane.labels.image is codes
    hands.key(Qt.Key.Key_O, SHIFT)
    assert pane.labels.lut[:, 3].any()


def test_a_double_click_maximizes_every_pane_of_every_layout(hands: Hands) -> None:
    for layout in (Layout.COMPARE, Layout.PLANES, Layout.MODALITIES):
        hands.window.ui.layout = layout
        for number in range(len(hands.window.viewer.panes)):
            for expected in (1, len(hands.window.viewer.panes)):
                hands.send(QEvent.Type.MouseButtonDblClick, QPointF(60, 60), LEFT, LEFT, NONE, number)
                shown = [pane for pane in hands.window.viewer.panes if pane.isVisible()]
                assert len(shown) == expected
                if expected == 1:
                    QApplication.processEvents()
                    assert fills(shown[0], hands)


def test_the_title_tells_panes_apart(hands: Hands) -> None:
    for layout in Layout:
        hands.window.ui.layout = layout
        marks = [pane.marks for pane in hands.window.viewer.panes]
        assert len({(m.title, m.subtitle) for m in marks}) == len(marks) or layout is Layout.MODELS
    hands.window.ui.layout = Layout.COMPARE
    assert [pane.marks.title for pane in hands.window.viewer.panes] == [role.display for role in Role]


@pytest.mark.parametrize("layout", [Layout.COMPARE, Layout.PLANES, Layout.MODALITIES])
def test_a_slice_step_paints_every_pane_once(
    hands: Hands, layout: Layout, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    painted: list[SlicePane] = []
    paint = SlicePane.drawForeground

    def counted(pane: SlicePane, painter: object, rect: object) -> None:
        painted.append(pane)
        paint(pane, painter, rect)  # type: ignore[arg-type]

    monkeypatch.setattr(SlicePane, "drawForeground", counted)
    hands.window.ui.layout = layout
    panes = hands.window.viewer.panes
    wait(lambda: set(painted) == set(panes) and not hands.window.busy_with_actions)
    QApplication.processEvents()
    painted.clear()
    hands.wheel(1)
    wait(lambda: len(painted) >= len(panes) and not hands.window.busy_with_actions)
    QApplication.processEvents()
    assert sorted(map(id, painted)) == sorted(map(id, panes))


def test_colors_and_visibility_touch_no_pixel(hands: Hands) -> None:
    pane = hands.pane()
    codes, before = pane.labels.image, pane.labels.image.copy()
    outlines = sum(item.isVisible() for item in pane._outlines)
    hands.window.ui.hidden_labels = frozenset({2})
    assert pane.labels.lut[2, 3] == 0
    assert sum(item.isVisible() for item in pane._outlines) == outlines - 1
    hands.window.ui.label_colors = {"et": "#0A0B0C"}
    assert pane.labels.lut[4, :3].tolist() == [10, 11, 12]
    hands.key(Qt.Key.Key_D)
    assert pane.labels.image is codes
    assert np.array_equal(codes, before)


def test_the_read_out_never_widens_the_window(hands: Hands) -> None:
    narrow = hands.window.minimumSizeHint().width()
    hands.window.status.flash("long " * 200)
    assert hands.window.minimumSizeHint().width() == narrow


def test_the_wheel_acts_on_its_pane_though_the_mouse_has_not_moved(hands: Hands) -> None:
    hands.key(Qt.Key.Key_3, CTRL)
    x, y, z = hands.workspace.view.cursor
    hands.wheel(1, number=2)
    assert hands.workspace.view.cursor == (x + 1, y, z)
    hands.wheel(1, number=1)
    assert hands.workspace.view.cursor == (x + 1, y + 1, z)


def test_the_keyboard_stays_in_the_picture_when_the_layout_changes(hands: Hands) -> None:
    hands.pane().setFocus()
    for key in (Qt.Key.Key_4, Qt.Key.Key_5, Qt.Key.Key_1):
        QTest.keyClick(hands.window.focusWidget(), key, CTRL)
        assert hands.window.focusWidget() is hands.pane()


@pytest.mark.parametrize("key", [Qt.Key.Key_1, Qt.Key.Key_3, Qt.Key.Key_7])
def test_the_key_of_the_layout_on_display_keeps_its_button_down(hands: Hands, key: Qt.Key, qtbot: object) -> None:
    for _ in range(2):
        hands.key(key, CTRL)
        settle(qtbot, hands.window)
        down = [layout for layout in Layout if hands.window.actions_table[f"layout_{layout}"].isChecked()]
        assert down == [hands.window.ui.layout]


@pytest.mark.parametrize("layout", [Layout.COMPARE, Layout.MODELS, Layout.EIGHT])
def test_what_an_empty_pane_says_leaves_its_letters_as_they_are(hands: Hands, layout: Layout, qtbot: object) -> None:
    window = hands.window
    window.resize(1024, 700)
    window.ui.layout = layout
    settle(qtbot, window)
    window.activateWindow()
    QTest.qWait(1)
    empty = [pane for pane in window.viewer.panes if pane.isVisible() and pane.marks.message]
    assert empty
    for pane in empty:
        with_box = pixels(pane)
        pane.marks.message = ""
        without = pixels(pane)
        middle = slice(pane.height() // 2 - 60, pane.height() // 2 + 60)
        assert (with_box != without).any()
        for columns in (slice(0, 28), slice(-28, None)):
            assert (with_box[middle, columns] == without[middle, columns]).all()


def pixels(pane: SlicePane) -> np.ndarray:
    """What a pane draws, rows by columns by BGRA."""
    image = pane.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    bits = image.constBits()
    assert bits is not None
    bits.setsize(image.sizeInBytes())
    return np.frombuffer(bits.asstring(), dtype=np.uint8).reshape(image.height(), image.width(), 4)

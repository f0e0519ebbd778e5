"""Comparing in the window: modes by key, handle, lens, layouts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, QRect, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

from seg_editor.metrics import difference_range, diffmap_iou, display01, display_window
from seg_editor.ui.compare import Mode
from seg_editor.ui.state import Layout, Role
from tests.ui.comparing import CTRL, KEYS, SHIFT, Wait, pictures, second
from tests.ui.conftest import NO_BUTTON, Hands
from tests.ui.fake import FakeBackend


@pytest.mark.parametrize("mode", [Mode.FADE, Mode.SWIPE, Mode.CHECKER])
def test_modes_by_key_mix_the_two_pictures(made: Hands, mode: Mode) -> None:
    made.key(KEYS[mode], SHIFT)
    assert made.window.compare.state.mode is mode
    shown, source, result = pictures(made)
    differ = source != result
    assert differ.any()
    low, high = np.minimum(source, result), np.maximum(source, result)
    assert np.all((shown >= low) & (shown <= high))
    assert (shown != source)[differ].any()
    assert (shown != result)[differ].any()
    assert mode.display in made.pane().marks.subtitle
    assert made.pane().marks.synthetic


def test_the_viewer_turns_to_the_counterfactual(made: Hands) -> None:
    made.window.ui.picture = Role.SOURCE
    made.key(KEYS[Mode.SWIPE], SHIFT)
    assert made.window.ui.picture is Role.RESULT


def test_blink_changes_by_itself(made: Hands, wait: Wait) -> None:
    made.window.compare.state.hertz = 2.0
    made.key(KEYS[Mode.BLINK], SHIFT)
    seen = set()
    wait(lambda: seen.add(made.pane().picture.image.tobytes()) or len(seen) == 2)
    made.key(KEYS[Mode.PLAIN], SHIFT)
    assert not made.window.compare._blink.isActive()


def test_the_swipe_handle_is_dragged_and_the_tool_stays_out(made: Hands) -> None:
    made.key(KEYS[Mode.SWIPE], SHIFT)
    made.key(Qt.Key.Key_B)
    pane, revision = made.pane(), made.workspace.segmentation.revision
    start = QPointF(pane.viewportTransform().map(QPointF(pane.marks.swipe, 0)).x(), pane.viewport().height() // 2)
    made.drag_pixels([start, start + QPointF(30, 0), start + QPointF(60, 20)])
    assert made.window.compare.state.fraction > 0.55
    now = pane.viewportTransform().map(QPointF(pane.marks.swipe, 0)).x()
    assert now == pytest.approx(start.x() + 60, abs=2)
    assert made.workspace.segmentation.revision == revision
    assert made.window.compare_bar.dial.value.text() == f"{made.window.compare.state.fraction:.0%}"


@pytest.mark.parametrize("height", [0.1, 0.3, 0.8])
def test_the_swipe_line_is_dragged_anywhere_along_it_and_the_mouse_says_so(made: Hands, height: float) -> None:
    made.key(KEYS[Mode.SWIPE], SHIFT)
    pane, cursor = made.pane(), made.workspace.view.cursor
    port = pane.viewport()
    line = QPointF(pane.viewportTransform().map(QPointF(pane.marks.swipe, 0)).x(), height * port.height())
    made.send(QEvent.Type.MouseMove, line + QPointF(40, 0), NO_BUTTON, NO_BUTTON)
    assert port.cursor().shape() is not Qt.CursorShape.SplitHCursor
    made.send(QEvent.Type.MouseMove, line + QPointF(4, 0), NO_BUTTON, NO_BUTTON)
    assert port.cursor().shape() is Qt.CursorShape.SplitHCursor
    made.drag_pixels([line, line + QPointF(-30, 0), line + QPointF(-60, 0)])
    now = pane.viewportTransform().map(QPointF(pane.marks.swipe, 0)).x()
    assert now == pytest.approx(line.x() - 60, abs=2)
    assert made.workspace.view.cursor == cursor
    made.send(QEvent.Type.MouseMove, line + QPointF(60, 0), NO_BUTTON, NO_BUTTON)
    assert port.cursor().shape() is not Qt.CursorShape.SplitHCursor
    made.drag_pixels([line + QPointF(60, 0)])
    assert made.workspace.view.cursor != cursor


def test_the_swipe_cursor_goes_with_its_mode(made: Hands) -> None:
    made.key(KEYS[Mode.SWIPE], SHIFT)
    port, x = made.pane().viewport(), made.pane().viewportTransform().map(QPointF(made.pane().marks.swipe, 0)).x()
    made.send(QEvent.Type.MouseMove, QPointF(x, 40), NO_BUTTON, NO_BUTTON)
    made.key(KEYS[Mode.PLAIN], SHIFT)
    assert port.cursor().shape() is not Qt.CursorShape.SplitHCursor


def test_the_lens_follows_the_mouse(made: Hands) -> None:
    made.key(KEYS[Mode.LENS], SHIFT)
    shown, source, _ = pictures(made)
    assert np.array_equal(shown, source)
    made.send(QEvent.Type.MouseMove, made.at(made.workspace.view.cursor), NO_BUTTON, NO_BUTTON)
    made.window.compare.state.lens_mm = 6.0
    shown, source, result = pictures(made)
    assert (shown == result)[source != result].any()
    assert made.pane().marks.lens is not None
    made.pane().left.emit()
    assert made.pane().marks.lens is None


def test_modes_work_in_every_plane(made: Hands) -> None:
    made.window.ui.layout = Layout.PLANES
    made.window.ui.picture = Role.RESULT
    made.key(KEYS[Mode.SWIPE], SHIFT)
    for content in made.window.viewer.contents:
        assert content.pane.marks.swipe is not None
        assert content.pane.marks.synthetic


def test_threshold_is_that_of_diffmap_iou(made: Hands) -> None:
    made.window.ui.picture = Role.DIFFERENCE
    bar, workspace = made.window.compare_bar, made.workspace
    assert bar.threshold.isVisible()
    z, result = workspace.view.cursor[2], workspace.results.current
    raw = workspace.case.volumes[workspace.view.modality].raw
    window = display_window(raw)
    planes = [
        display01(plane, window)[None]
        for plane in (raw[:, :, z], result.slice_raw(workspace.case, workspace.view.modality, z))
    ]
    for ticks in (200, 600):
        bar.threshold.slider.setValue(ticks)
        threshold = made.window.compare.state.threshold
        expected = diffmap_iou(*planes, result.hole.core[:, :, z][None], threshold)
        assert bar.threshold.value.text() == f"FLAIR IoU at {threshold:.2f}: {expected.value:.3f}"
    low, high = display_window(raw).low, display_window(raw).high
    assert made.pane().marks.color_ticks == pytest.approx((threshold * (high - low) / difference_range(window),))


def test_the_overlap_is_computed_only_where_it_is_shown(made: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(made.window.compare, "overlap", lambda: asked.append(1))
    made.window.ui.layout = Layout.SINGLE
    made.window.ui.picture = Role.RESULT
    made.window.compare.changed.emit()
    assert not asked
    made.window.ui.picture = Role.DIFFERENCE
    assert asked


def test_a_combo_in_focus_keeps_its_keys(made: Hands, backend: FakeBackend) -> None:
    backend.names = ("m5", "m3c")
    made.window.generation.find_models()
    box, view = made.window.generation_panel.model, made.workspace.view
    assert [box.itemText(n) for n in range(2)] == ["M5 · context-guided", "M3c · for comparison"]
    box.setFocus()
    cursor, modality = view.cursor, view.modality
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert made.window.generation.settings.model == "m3c"
    QTest.keyClick(box, Qt.Key.Key_M)
    assert (view.cursor, view.modality) == (cursor, modality)


def test_named_layouts_by_key(made: Hands, wait: Wait) -> None:
    made.key(Qt.Key.Key_6, CTRL)
    contents = made.window.viewer.contents
    assert made.window.ui.layout is Layout.EIGHT
    assert [c.pane.marks.title for c in contents] == ["T1", "T1c", "T2", "FLAIR"] * 2
    assert [c.pane.marks.synthetic for c in contents] == [False] * 4 + [True] * 4
    second(made, wait)
    made.key(Qt.Key.Key_7, CTRL)
    titles = [c.pane.marks.title for c in made.window.viewer.contents]
    assert titles[:3] == ["Source", "M5 · 4 steps · seed 9", "M5 · 4 steps · seed 0"]


def test_full_screen_and_back(made: Hands) -> None:
    window = made.window
    made.key(Qt.Key.Key_F11)
    assert window.isFullScreen()
    assert not window.viewer_bar.isVisible()
    assert not window._dock.isVisible()
    assert window.viewer.isVisible()
    made.key(Qt.Key.Key_F11)
    assert not window.isFullScreen()
    assert window.viewer_bar.isVisible()
    assert window._dock.isVisible()


@pytest.mark.parametrize("maximized", [False, True])
def test_full_screen_gives_size_and_state_back(hands: Hands, wait: Wait, maximized: bool) -> None:
    window = hands.window
    window.setGeometry(0, 0, 1440, 900)
    if maximized:
        window.showMaximized()
    wait(lambda: window.isMaximized() is maximized)
    before = window.geometry()
    for _ in range(2):
        hands.key(Qt.Key.Key_F11)
        wait(window.isFullScreen)
        hands.key(Qt.Key.Key_F11)
        wait(lambda: not window.isFullScreen())
        assert (window.isMaximized(), window.geometry()) == (maximized, before)


def test_nothing_in_the_bar_is_cut_on_a_small_screen(made: Hands, wait: Wait) -> None:
    """Swipe, a second result, the threshold and the steps together need the most room."""
    window = made.window
    second(made, wait)
    window.resize(1366, 768)
    window.ui.layout = Layout.COMPARE
    window.compare.against(made.workspace.results.entries[0])
    window.compare.choose(Mode.SWIPE)
    bar = window.compare_bar
    dials = (bar.dial, bar.threshold, bar.steps)
    wait(lambda: bar.source.isVisible() and all(dial.isVisible() for dial in dials))
    QApplication.processEvents()
    for part in dials:
        for label in (part.caption, part.value):
            whole = label.fontMetrics().horizontalAdvance(label.text())
            assert not label.isVisible() or label.width() >= whole, label.text()
    children = bar.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    parts = sorted((part.geometry() for part in children if part.isVisible()), key=QRect.left)
    assert all(one.right() < two.left() for one, two in pairwise(parts))
    assert parts[-1].right() <= bar.width()

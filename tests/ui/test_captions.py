"""What the panes say about their pictures, and that the window keeps its size; with real events."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from seg_editor.cases import Modality
from seg_editor.export.view import EARLIER_MASK
from seg_editor.ui.chrome import STRIP
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.pane_labels import GENERATED_LINE, REFEREE_NONE, REMOVED_LINE
from seg_editor.ui.planes import boundary_segments, dashes
from seg_editor.ui.state import Layout, Role
from seg_editor.ui.status import signed
from tests.ui.comparing import CTRL, Wait
from tests.ui.conftest import NO_BUTTON, Hands, quiet, settle
from tests.ui.steps import erase


@pytest.fixture
def made(hands: Hands, qtbot: object, wait: Wait) -> Hands:
    """A counterfactual of the slice on display, side by side with its source."""
    hands.window.actions_table["remove"].trigger()
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_Return)
    wait(quiet(hands))
    hands.window.ui.layout = Layout.COMPARE
    settle(qtbot, hands.window)
    return hands


@pytest.mark.parametrize("layout", [Layout.COMPARE, Layout.EIGHT, Layout.MODELS])
def test_the_source_is_never_called_counterfactual(made: Hands, layout: Layout) -> None:
    made.window.ui.layout = layout
    made.wheel(1)
    for content in made.window.viewer.contents:
        marks = content.pane.marks
        assert not marks.synthetic
        assert "Counterfactual" not in marks.title + marks.subtitle
        if content.role is Role.RESULT and (content.slot.rank or 0) == 0:
            assert "nothing generated here" in marks.title + marks.subtitle
    made.wheel(-1)
    assert any(content.pane.marks.synthetic for content in made.window.viewer.contents)


def test_the_read_out_has_the_generated_value_too(made: Hands) -> None:
    workspace = made.workspace
    result, z = workspace.results.current, workspace.view.cursor[2]
    x, y = (int(v) for v in np.argwhere(result.hole.mask[:, :, z])[0])
    made.send(QEvent.Type.MouseMove, made.at((x, y, z), 1), NO_BUTTON, NO_BUTTON, number=1)
    source = workspace.case.volumes[Modality.FLAIR].raw[x, y, z]
    value = result.slice_raw(workspace.case, Modality.FLAIR, z)[x, y]
    text = made.window.status.readout.text()
    assert f"FLAIR {source:.5g} → {value:.5g} ({signed(float(value) - float(source))})" in text
    assert [signed(change) for change in (-78.0, 0.0, 12.5)] == ["−78", "0", "+12.5"]
    outside = (int(v) for v in np.argwhere(~result.hole.mask[:, :, z])[0])
    made.window.status.show_voxel((*outside, z))
    assert "→" not in made.window.status.readout.text()


def test_the_read_out_keeps_the_difference_on_display_where_there_is_little_room(made: Hands) -> None:
    workspace, window = made.workspace, made.window
    result, z = workspace.results.current, workspace.view.cursor[2]
    voxel = (*(int(v) for v in np.argwhere(result.hole.mask[:, :, z])[0]), z)
    seen = []
    for width in (2200, 1366, 1000):
        window.resize(width, 768)
        window.status.show_work("Segmenting automatically…", 0.5)
        QTest.qWait(1)
        made.send(QEvent.Type.MouseMove, made.at(voxel), NO_BUTTON, NO_BUTTON)
        QTest.qWait(1)
        seen.append(window.status.readout.drawn_text)
        assert re.match(r"FLAIR \d+ → \d+ \([+−]?\d+\) ", seen[-1])
        assert "…" not in seen[-1]
    assert "RAS" in seen[0]
    assert all(modality.display in seen[0] for modality in workspace.case.modalities)
    assert all("RAS" in text for text in seen)
    assert "T1c" not in seen[-1]


def test_the_strip_covers_no_picture_and_moves_no_linked_one(made: Hands) -> None:
    for pane in made.window.viewer.panes:
        picture = pane.viewportTransform().mapRect(pane.picture.mapRectToScene(pane.picture.boundingRect()))
        assert picture.bottom() <= pane.viewport().height() - STRIP
        assert pane.marks.footer == STRIP
    scales = [pane.scale_px for pane in made.window.viewer.panes]
    assert scales == pytest.approx([scales[0]] * 3, rel=0.01)


@pytest.mark.parametrize("size", [(1100, 700), (1366, 768)])
def test_the_window_keeps_its_size(made: Hands, size: tuple[int, int]) -> None:
    window = made.window
    window.resize(*size)
    for layout in Layout:
        window.ui.layout = layout
        QApplication.processEvents()
        assert (window.width(), window.height()) == size
        bar = window.viewer_bar
        shown = [part for group in bar._groups for part in (group.full, group.small) if part.isVisible()]
        assert shown
        assert all(part.geometry().right() < bar.width() for part in shown)
    window.resize(1900, 900)
    QApplication.processEvents()
    assert not any(group.small.isVisible() for group in window.viewer_bar._groups)


def test_a_folded_choice_still_chooses(made: Hands) -> None:
    made.window.resize(1100, 700)
    made.window.ui.layout = Layout.SINGLE
    QApplication.processEvents()
    menu = made.window.viewer_bar.pictures.small.menu()
    menu.aboutToShow.emit()
    menu.actions()[1].trigger()
    assert made.window.ui.picture is Role.RESULT
    assert made.window.viewer_bar.pictures.small.text() == "Counterfactual ▾"


def test_an_outdated_picture_keeps_its_gray_levels(made: Hands) -> None:
    content = made.window.viewer.contents[1]
    shown = content.pane.picture.image
    fresh = shown.copy()
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    assert content.pane.marks.outdated
    assert content.pane.marks.badge == EARLIER_MASK
    assert content.pane.picture.image is shown
    assert np.array_equal(content.pane.picture.image, fresh)
    made.key(Qt.Key.Key_Z, CTRL)
    assert (content.pane.marks.outdated, content.pane.marks.badge) == (False, "")


def test_the_two_outlines_are_told_apart(made: Hands) -> None:
    source, result = (made.window.viewer.contents[number].pane.marks for number in (0, 1))
    assert (source.legend, result.legend) == (REMOVED_LINE, GENERATED_LINE)
    mask = np.zeros((40, 40), bool)
    mask[5:35, 8:32] = True
    whole = boundary_segments(mask, (1.0, 1.0))
    part = dashes(whole, 2.0)
    assert 0.4 < len(part) / len(whole) < 0.6


def test_a_referee_that_sees_nothing_says_so(made: Hands, wait: Wait) -> None:
    wait(lambda: made.window.generation.measured() is not None)
    made.window.actions_table["referee"].trigger()
    assert made.window.viewer.contents[1].pane.marks.legend.startswith(REFEREE_NONE)


def test_the_strip_of_cards_keeps_the_shown_one_in_sight(made: Hands, wait: Wait) -> None:
    strip = made.window.history
    first = made.workspace.results.entries[0].key
    for seed in range(1, 8):
        made.window.generation.settings.seed = seed
        made.window.generation.generate()
        wait(lambda seed=seed: len(made.workspace.results) == seed + 1 and not made.window.generation.running)
    made.workspace.results.current = made.workspace.results.find(first)
    wait(lambda: strip.cards.shown == 0)
    assert strip.horizontalScrollBar().value() <= strip.cards.card(0).left()


def test_the_start_page_says_what_this_is_not(window: MainWindow) -> None:
    assert "Not a medical device" in window.empty.notice.text()

"""What judges a picture stands beside the right one: referee, metrics panel, profile."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtTest import QTest

from seg_editor.cases import Modality
from seg_editor.ui.compare import Mode
from seg_editor.ui.pane_labels import GENERATED_LINE, REFEREE_LINE, REFEREE_NONE
from seg_editor.ui.state import Layout, Role
from tests.ui.comparing import CTRL, KEYS, SHIFT, Wait, second
from tests.ui.conftest import Hands, settle
from tests.ui.fake import FakeBackend, FakeReferee


def test_the_referee_outlines_tumor(made: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.referee = FakeReferee(500.0)
    second(made, wait)
    made.window.ui.layout = Layout.COMPARE
    made.window.workspace.view.outline = True
    source, result = (made.window.viewer.contents[n].pane for n in (0, 1))
    before = [sum(item.isVisible() for item in pane._outlines) for pane in (source, result)]
    made.key(Qt.Key.Key_F7, SHIFT)
    after = [sum(item.isVisible() for item in pane._outlines) for pane in (source, result)]
    assert after[0] == before[0] + 1
    assert source.marks.legend.startswith("pink: referee")
    assert after[1] == before[1]


def test_the_referee_is_outlined_in_every_plane(made: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.referee = FakeReferee(500.0)
    second(made, wait)
    made.window.ui.layout = Layout.PLANES
    made.workspace.view.outline = True
    before = [sum(item.isVisible() for item in content.pane._outlines) for content in made.window.viewer.contents]
    made.window.ui.picture = Role.SOURCE
    made.key(Qt.Key.Key_F7, SHIFT)
    for content, count in zip(made.window.viewer.contents, before, strict=True):
        assert content.pane.marks.legend.startswith("pink: referee"), content.plane
        assert sum(item.isVisible() for item in content.pane._outlines) >= count


def test_the_referee_belongs_to_the_result_of_its_pane(made: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.referee = FakeReferee(0.0)
    second(made, wait)
    made.window.ui.layout = Layout.MODELS
    made.key(Qt.Key.Key_F7, SHIFT)
    wait(lambda: made.window.generation.measured() is not None)
    current, other = (made.window.viewer.contents[n].pane.marks.legend for n in (1, 2))
    assert current.startswith(REFEREE_LINE)
    assert other.startswith(REFEREE_NONE)


@pytest.mark.parametrize("mode", [Mode.FADE, Mode.SWIPE, Mode.LENS, Mode.CHECKER])
def test_no_verdict_stands_over_a_mixture(made: Hands, wait: Wait, mode: Mode) -> None:
    wait(lambda: made.window.generation.measured() is not None)
    made.key(Qt.Key.Key_F7, SHIFT)
    assert REFEREE_NONE in made.pane().marks.legend
    made.key(KEYS[mode], SHIFT)
    assert "referee" not in made.pane().marks.legend
    made.key(KEYS[Mode.PLAIN], SHIFT)
    assert REFEREE_NONE in made.pane().marks.legend


def test_one_axial_slice_is_no_verdict_on_the_other_planes(made: Hands, wait: Wait) -> None:
    wait(lambda: made.window.generation.measured() is not None)
    made.window.ui.layout = Layout.PLANES
    made.window.ui.picture = Role.SOURCE
    made.key(Qt.Key.Key_F7, SHIFT)
    axial, *others = (content.pane.marks.legend for content in made.window.viewer.contents)
    assert REFEREE_NONE in axial
    for legend in others:
        assert REFEREE_NONE not in legend
        assert legend.startswith("referee: axial")


def test_metrics_are_copied_as_a_table(made: Hands) -> None:
    made.key(Qt.Key.Key_C, CTRL | SHIFT)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith("# BraTS2021_90002 · FLAIR · M5, 4 steps, seed 0")
    assert lines[1].split("\t")[:2] == ["slice", "TumorResidual"]
    assert len({len(line.split("\t")) for line in lines[1:]}) == 1
    assert lines[-1].startswith("all\t")
    made.window.metrics_panel.copy_markdown()
    assert "| --- |" in QGuiApplication.clipboard().text()


def test_the_panel_shows_floor_companions_and_published_ticks(made: Hands) -> None:
    panel = made.window.metrics_panel
    assert "floor 0.000" in panel.residual.parts.text()
    assert "all of the hole changed" in panel.iou.parts.text()
    assert "at most 1.000" in panel.iou.parts.text()
    assert "protocol differs" in panel.protocol.text()
    assert not panel.slices.isVisible()


def test_profile_through_the_slices_jumps(made: Hands, wait: Wait, qtbot: object) -> None:
    made.window.generation.settings.slices = "all"
    settle(qtbot, made.window)
    made.key(Qt.Key.Key_Return)
    wait(lambda: len(made.workspace.results.current.slices) > 1 and not made.window.generation.running)
    panel, result = made.window.metrics_panel, made.workspace.results.current
    wait(lambda: made.window.generation.measured().complete)
    QTest.mouseClick(panel.slices, Qt.MouseButton.LeftButton, pos=panel.slices.bar(1).center().toPoint())
    assert made.workspace.view.cursor[2] == result.slices[1]
    QTest.mouseClick(panel.runs, Qt.MouseButton.LeftButton, pos=panel.runs.bar(0).center().toPoint())
    assert made.workspace.results.current.request == made.workspace.results.entries[0].request


def test_the_metrics_panel_has_the_same_iou_at_the_default(made: Hands) -> None:
    line = made.window.generation.metrics().per_slice[0]
    assert made.workspace.view.modality is Modality.FLAIR
    assert made.window.compare.overlap() == pytest.approx(line.diffmap_iou)


def test_the_bar_and_the_panel_judge_the_same_modality(made: Hands, wait: Wait) -> None:
    wait(lambda: made.window.generation.measured() is not None)
    before = made.window.compare.overlap()
    made.workspace.view.modality = Modality.T1
    assert made.window.compare.judged_modality is Modality.FLAIR
    assert made.window.compare.overlap() == before


def test_no_voxel_outside_changed_is_shown(made: Hands) -> None:
    made.window.ui.picture = Role.DIFFERENCE
    assert made.pane().marks.corner == "0 voxels changed outside"


def test_a_modality_that_was_not_made_wears_no_outline(made: Hands) -> None:
    results = made.workspace.results
    whole = results.current
    flair = {Modality.FLAIR: whole.patches[Modality.FLAIR]}
    request = replace(whole.request, modalities=(Modality.FLAIR,), seed=77)
    results.current = replace(whole, patches=flair, request=request)
    made.window.ui.layout = Layout.EIGHT
    marks = {(c.role, c.modality): c.pane.marks for c in made.window.viewer.contents}
    without = marks[Role.RESULT, Modality.T1]
    assert without.badge == "not generated in T1"
    assert GENERATED_LINE not in without.legend
    assert without.message == ""
    assert GENERATED_LINE in marks[Role.RESULT, Modality.FLAIR].legend

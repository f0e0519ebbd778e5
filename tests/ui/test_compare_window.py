"""Comparing in the window: modes by key, handle, lens, two results, ensemble, steps, referee, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtGui import QGuiApplication, QImage
from PyQt6.QtTest import QTest

from seg_editor.cases import Modality
from seg_editor.metrics import difference_range, diffmap_iou, display01, display_window
from seg_editor.session.ensemble import Spread
from seg_editor.session.live import Status
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.compare_bar import spread_text
from seg_editor.ui.ensemble import MORE_STEPS
from seg_editor.ui.pane_content import GENERATED_LINE, REFEREE_LINE, REFEREE_NONE, UNDERWAY
from seg_editor.ui.state import Layout, Role
from tests.ui.conftest import NO_BUTTON, Hands, settle
from tests.ui.fake import FakeBackend, FakeReferee

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
Wait = Callable[[Callable[[], bool]], None]
KEYS = {
    Mode.PLAIN: Qt.Key.Key_F1,
    Mode.BLINK: Qt.Key.Key_F2,
    Mode.FADE: Qt.Key.Key_F3,
    Mode.SWIPE: Qt.Key.Key_F4,
    Mode.LENS: Qt.Key.Key_F5,
    Mode.CHECKER: Qt.Key.Key_F6,
}


@pytest.fixture
def made(hands: Hands, wait: Wait, qtbot: object) -> Hands:
    """Hands with a counterfactual alone in one pane."""
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_Return)
    wait(lambda: hands.window.generation.status is Status.FRESH and not hands.window.generation.running)
    hands.window.ui.layout = Layout.SINGLE
    hands.window.ui.picture = Role.RESULT
    settle(qtbot, hands.window)
    return hands


def second(hands: Hands, wait: Wait, seed: int = 9) -> None:
    """Make another result of the same slice."""
    hands.window.generation.settings.seed = seed
    hands.window.generation.generate()
    wait(lambda: hands.workspace.results.current.request.seed == seed and not hands.window.generation.running)


def pictures(hands: Hands) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the pane shows, and what it shows of source and counterfactual alone."""
    state, pane = hands.window.compare.state, hands.pane()
    shown, mode = pane.picture.image.copy(), state.mode
    state.mode = Mode.PLAIN
    result = pane.picture.image.copy()
    hands.window.ui.peek = True
    source = pane.picture.image.copy()
    hands.window.ui.peek = False
    state.mode = mode
    return shown, source, result


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
        assert bar.threshold.value.text() == f"{threshold:.2f} · FLAIR IoU {expected.value:.3f}"
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


def test_no_voxel_outside_changed_is_shown(made: Hands) -> None:
    made.window.ui.picture = Role.DIFFERENCE
    assert made.pane().marks.corner == "0 voxels changed outside"


def test_two_results_against_each_other(made: Hands, wait: Wait) -> None:
    second(made, wait)
    made.window.ui.layout = Layout.COMPARE
    strip = made.window.history.cards
    made.window.history.ensureVisible(0, 0)
    QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=strip.card(0).center().toPoint())
    contents = made.window.viewer.contents
    assert made.window.compare.state.against == made.workspace.results.entries[0].key
    assert [c.pane.marks.title for c in contents] == [
        "M5 · 4 steps · seed 0",
        "Counterfactual",
        "M5 · 4 steps · seed 9 − seed 0",
    ]
    assert contents[0].pane.marks.synthetic
    assert contents[2].pane.difference.isVisible()
    assert made.window.compare.overlap() is None
    made.window.compare_bar.source.click()
    assert contents[0].pane.marks.title == "Source"
    assert not contents[0].pane.marks.synthetic


def test_stars_by_mouse(made: Hands, wait: Wait) -> None:
    cards = made.window.history.cards
    QTest.mouseClick(cards, Qt.MouseButton.LeftButton, pos=cards.star(0).center().toPoint())
    assert made.workspace.results.entries[0].starred
    assert made.window.compare.state.against == ""


def test_the_strip_by_keyboard(made: Hands, wait: Wait) -> None:
    second(made, wait)
    cards = made.window.history.cards
    QTest.keyClick(cards, Qt.Key.Key_Right)
    QTest.keyClick(cards, Qt.Key.Key_Left)
    QTest.keyClick(cards, Qt.Key.Key_Space)
    assert made.window.compare.state.against == made.workspace.results.entries[0].key
    QTest.keyClick(cards, Qt.Key.Key_Asterisk)
    assert made.workspace.results.entries[0].starred


def test_an_ensemble_has_mean_sd_and_spread(made: Hands, wait: Wait) -> None:
    link = made.window.compare
    link.ensemble.start(4)
    wait(lambda: link.ensemble.count == 4 and not made.window.generation.running)
    assert link.ensemble.made.seeds == (0, 1, 2, 3)
    spreads = link.ensemble.spreads()
    assert spreads["diffmap_iou"].n == 4
    assert spreads["texture_ratio"].sd > 0
    assert "4 of 4 seeds" in made.window.compare_bar.spread.text()
    one = made.pane().picture.image.copy()
    link.state.ensemble = EnsembleView.MEAN
    assert made.pane().marks.title == "Mean of 4 seeds"
    assert not np.array_equal(made.pane().picture.image, one)
    link.state.ensemble = EnsembleView.SD
    assert made.pane().difference.isVisible()
    assert made.pane().marks.color_bar[1].startswith("SD ")
    assert made.window.metrics_panel.badge.text() == "of one seed, not of all"
    link.state.ensemble = EnsembleView.OFF
    assert np.array_equal(made.pane().picture.image, one)
    assert made.workspace.results.current.request.seed == 0


def test_scrubbing_steps_through_the_last_run(made: Hands) -> None:
    bar, result = made.window.compare_bar, made.pane().picture.image.copy()
    assert bar.steps.isVisible()
    assert bar.steps.value.text() == "result"
    bar.steps.slider.setValue(0)
    assert bar.steps.value.text() == "1"
    assert not np.array_equal(made.pane().picture.image, result)
    assert made.window.metrics_panel.badge.text() == "of the result, not of this step"
    bar.steps.slider.setValue(bar.steps.slider.maximum())
    assert not made.window.metrics_panel.badge.isVisible()
    assert np.array_equal(made.pane().picture.image, result)


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


def test_seeds_of_a_single_step_are_refused(made: Hands) -> None:
    runs = len(made.workspace.results)
    made.window.generation.settings.preset = "preview"
    made.key(Qt.Key.Key_Return, CTRL | SHIFT)
    assert MORE_STEPS in made.window.errors.text.text()
    assert made.window.compare.ensemble.wanted == 0
    assert len(made.workspace.results) == runs


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


def test_one_seed_has_no_deviation(made: Hands, backend: FakeBackend, wait: Wait) -> None:
    link, bar = made.window.compare, made.window.compare_bar
    link.ensemble.start(4)
    wait(lambda: (link.ensemble.count == 1 and bool(link.ensemble.spreads())) or link.ensemble.count > 1)
    backend.hold.clear()
    spread = link.ensemble.spreads()["texture_ratio"]
    assert (spread.sd is None) == (spread.n == 1)
    backend.hold.set()
    wait(lambda: link.ensemble.count == 4 and not made.window.generation.running)
    assert "±" in bar.spread.text()
    assert spread_text(Spread(1, 0.5, None, 0.5, 0.5)) == "0.500 (one seed)"


def test_a_pane_says_that_its_picture_is_on_its_way(
    hands: Hands, backend: FakeBackend, wait: Wait, qtbot: object
) -> None:
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    hands.window.ui.layout = Layout.COMPARE
    message = hands.window.viewer.contents[1].pane.marks
    assert "Press Generate" in message.message
    backend.hold.clear()
    hands.key(Qt.Key.Key_Return)
    wait(lambda: hands.window.generation.running)
    assert message.message == UNDERWAY
    hands.key(Qt.Key.Key_Escape)
    wait(lambda: not hands.window.generation.running)
    assert "Press Generate" in message.message


def test_the_chip_counts_steps(hands: Hands, backend: FakeBackend, wait: Wait, qtbot: object) -> None:
    texts: list[str] = []
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    hands.window.generation.changed.connect(lambda: texts.append(hands.window.generation_panel.chip.text()))
    hands.key(Qt.Key.Key_Return)
    wait(lambda: hands.window.generation.status is Status.FRESH and not hands.window.generation.running)
    assert "Running 2/4 steps" in texts


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


def test_the_picture_of_the_view_carries_its_provenance(made: Hands, tmp_path: Path) -> None:
    made.key(KEYS[Mode.SWIPE], SHIFT)
    exports = made.window.exports
    exports.choose_png = lambda start: str(tmp_path / "view.png")
    size = made.window.viewer.panes_widget.size()
    exports.export_png()
    image = QImage(str(tmp_path / "view_synthetic.png"))
    assert image.size() == size * 2
    told = json.loads(image.text("seg-editor"))
    assert told["case_id"] == "BraTS2021_90002"
    assert told["requests"] == [made.workspace.results.current.request.to_dict()]
    assert "not for clinical use" in image.text("Comment")
    strip = np.array([image.pixelColor(x, image.height() - 20).red() for x in range(0, image.width(), 7)])
    assert strip.max() > 150

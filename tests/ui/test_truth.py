"""A picture is shown only for what it was made for, or the pane says that it was not; with real events."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QSlider, QStyle, QStyleOptionSlider

from seg_editor.export.view import EARLIER_MASK
from seg_editor.session.live import Status
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.state import Layout, Role
from tests.ui.comparing import CTRL, KEYS, SHIFT, Wait, second
from tests.ui.conftest import Hands, quiet, settle
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase

LEFT = Qt.MouseButton.LeftButton


def choose(hands: Hands, view: EnsembleView) -> None:
    """Click a picture of the ensemble."""
    QTest.mouseClick(hands.window.ensemble_card.choice.button(view), LEFT)


def result_pane(hands: Hands) -> PaneContent:
    """The pane of the counterfactual."""
    return next(made for made in hands.window.viewer.contents if made.role is Role.RESULT)


def heading(content: PaneContent) -> str:
    """What stands in the corner of a pane."""
    return f"{content.pane.marks.title} {content.pane.marks.subtitle}"


def shows_one(hands: Hands, content: PaneContent) -> bool:
    """True when a pane shows the single result: the same gray levels as without an ensemble."""
    state = hands.window.compare.state
    shown, wanted = content.pane.picture.image.copy(), state.ensemble
    state.ensemble = EnsembleView.OFF
    alike = np.array_equal(shown, content.pane.picture.image)
    state.ensemble = wanted
    return alike


def grays(content: PaneContent) -> float:
    """How bright the middle of a pane is on the screen."""
    image = content.pane.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    values = np.frombuffer(bits, np.uint8).reshape(image.height(), image.bytesPerLine())
    across, down = image.width(), image.height()
    return float(values[down // 3 : 2 * down // 3, across // 4 : 3 * across // 4].mean())


def drag_slider(slider: QSlider, value: int) -> None:
    """Drag the handle of a slider."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = slider.style().subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    )
    room = slider.width() - handle.width()
    aim = QPoint(round(room * value / slider.maximum()) + handle.width() // 2, handle.center().y())
    QTest.mousePress(slider, LEFT, pos=handle.center())
    QTest.mouseMove(slider, aim)
    QTest.mouseRelease(slider, LEFT, pos=aim)


@pytest.fixture
def averaged(live: Hands, wait: Wait, qtbot: object) -> Hands:
    """Hands in live mode beside the mean of four seeds."""
    live.window.ui.layout = Layout.COMPARE
    settle(qtbot, live.window)
    live.window.compare_bar.seeds.menu().actions()[0].trigger()
    wait(lambda: live.window.compare.ensemble.count == 4 and quiet(live)())
    choose(live, EnsembleView.MEAN)
    assert result_pane(live).pane.marks.title == "Mean of 4 seeds"
    return live


def test_the_mean_stays_with_its_slice(averaged: Hands, wait: Wait, qtbot: object) -> None:
    window, view = averaged.window, averaged.workspace.view
    z, card = view.cursor[2], averaged.window.ensemble_card.choice
    assert window.metrics_panel.badge.text() == "of one seed, not of all"
    averaged.key(Qt.Key.Key_Up)
    wait(lambda: averaged.workspace.results.current.slices == (z + 1,) and quiet(averaged)())
    settle(qtbot, window)
    shown = result_pane(averaged)
    assert shown.pane.marks.title == "Counterfactual"
    assert shown.pane.marks.badge == f"one seed: mean is of axial {z}"
    assert shows_one(averaged, shown)
    assert card.button(EnsembleView.OFF).isChecked()
    assert not card.button(EnsembleView.MEAN).isEnabled()
    assert f"axial {z}" in card.button(EnsembleView.MEAN).toolTip()
    assert not window.metrics_panel.badge.isVisible()
    averaged.key(Qt.Key.Key_Down)
    wait(lambda: averaged.workspace.results.current.slices == (z,) and quiet(averaged)())
    settle(qtbot, window)
    assert shown.pane.marks.title == "Mean of 4 seeds"
    assert shown.pane.marks.badge == ""
    assert card.button(EnsembleView.MEAN).isChecked()


def test_the_mean_stays_with_its_mask(averaged: Hands, backend: FakeBackend, wait: Wait) -> None:
    runs, shown = len(backend.runs), result_pane(averaged)
    averaged.key(Qt.Key.Key_B)
    erase(averaged, 0)
    wait(lambda: len(backend.runs) == runs + 1 and quiet(averaged)())
    assert shown.pane.marks.title == "Counterfactual"
    assert shown.pane.marks.badge == "one seed: mean is of another mask"
    assert shows_one(averaged, shown)
    averaged.key(Qt.Key.Key_Z, CTRL)
    wait(quiet(averaged))
    assert (shown.pane.marks.title, shown.pane.marks.badge) == ("Mean of 4 seeds", "")
    averaged.key(Qt.Key.Key_Z, CTRL)
    wait(lambda: averaged.workspace.results.current is None)
    assert "Mean" not in shown.pane.marks.title
    assert not shown.pane.marks.synthetic


def test_the_mean_of_an_earlier_mask_says_so_in_manual_mode(averaged: Hands, wait: Wait) -> None:
    shown = result_pane(averaged)
    averaged.key(Qt.Key.Key_L, CTRL)
    averaged.key(Qt.Key.Key_B)
    erase(averaged, 0)
    assert averaged.window.generation.status is Status.STALE
    assert (shown.pane.marks.title, shown.pane.marks.badge) == ("Mean of 4 seeds", EARLIER_MASK)
    assert shown.pane.marks.outdated
    averaged.key(Qt.Key.Key_Return)
    wait(lambda: len(averaged.workspace.results) == 5 and quiet(averaged)())
    assert shown.pane.marks.title == "Counterfactual"
    assert shown.pane.marks.badge == "one seed: mean is of another mask"
    choose(averaged, EnsembleView.OFF)
    assert shown.pane.marks.badge == ""


@pytest.mark.parametrize("view", [EnsembleView.MEAN, EnsembleView.SD])
def test_other_planes_show_the_ensemble_of_all_that_was_generated_only(
    averaged: Hands, wait: Wait, qtbot: object, view: EnsembleView
) -> None:
    window, z = averaged.window, averaged.workspace.view.cursor[2]
    choose(averaged, view)
    window.ui.layout, window.ui.picture = Layout.PLANES, Role.RESULT
    settle(qtbot, window)
    told = "SD" if view is EnsembleView.SD else "Mean"
    assert all(f"{told} of 4 seeds" in heading(made) for made in window.viewer.contents)
    assert [made.pane.marks.badge for made in window.viewer.contents][1:] == ["only 1 axial slice generated"] * 2
    averaged.key(Qt.Key.Key_L, CTRL)
    window.generation.settings.slices = "all"
    averaged.key(Qt.Key.Key_Return)
    wait(lambda: len(averaged.workspace.results.current.slices) > 1 and quiet(averaged)())
    axial, *others = window.viewer.contents
    assert f"{told} of 4 seeds" in heading(axial)
    assert axial.pane.marks.badge == ""
    for made in others:
        assert "of 4 seeds" not in heading(made)
        assert made.pane.marks.badge == f"one seed: {told if told == 'SD' else 'mean'} is of axial {z}"
        assert shows_one(averaged, made)
    averaged.key(KEYS[Mode.SWIPE], SHIFT)
    assert window.compare.state.mode is Mode.SWIPE


def test_the_mean_of_another_model_is_not_shown_for_this_one(averaged: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.names = ("m5", "m3c")
    generation, shown = averaged.window.generation, result_pane(averaged)
    generation.find_models()
    wait(lambda: len(generation.models) == 2)
    generation.settings.model = "m3c"
    wait(lambda: averaged.workspace.results.current.request.model == "m3c" and quiet(averaged)())
    assert shown.pane.marks.badge == "one seed: mean is of another model"
    assert shows_one(averaged, shown)


def test_a_step_of_a_run_is_never_called_by_the_name_of_the_mean(averaged: Hands) -> None:
    shown = result_pane(averaged)
    mean = shown.pane.picture.image.copy()
    drag_slider(averaged.window.compare_bar.steps.slider, 300)
    assert shown.pane.marks.title == "Step 2 of 4"
    assert not np.array_equal(shown.pane.picture.image, mean)


def test_every_model_of_an_earlier_mask_says_so(made: Hands, backend: FakeBackend, wait: Wait, qtbot: object) -> None:
    backend.names = ("m5", "m3c", "m2")
    window = made.window
    window.generation.find_models()
    wait(lambda: len(window.generation.models) == 3)
    settle(qtbot, window)
    made.key(Qt.Key.Key_Return, CTRL)
    wait(lambda: len(made.workspace.results) == 3 and quiet(made)())
    assert window.ui.layout is Layout.MODELS
    settle(qtbot, window)
    source, *results = window.viewer.contents
    assert [made.pane.marks.outdated for made in results] == [False] * 3
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    assert [made.pane.marks.badge for made in results] == [EARLIER_MASK] * 3
    assert all(made.pane.marks.outdated for made in results)
    assert (source.pane.marks.badge, source.pane.marks.outdated) == ("", False)
    made.key(Qt.Key.Key_Z, CTRL)
    assert [(made.pane.marks.badge, made.pane.marks.outdated) for made in results] == [("", False)] * 3


def test_a_result_in_place_of_the_source_says_that_its_mask_is_another(
    live: Hands, backend: FakeBackend, wait: Wait, qtbot: object
) -> None:
    window = live.window
    window.ui.layout = Layout.COMPARE
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(lambda: len(backend.runs) == 2 and quiet(live)())
    cards = window.history.cards
    QTest.mouseClick(cards, LEFT, pos=cards.card(0).center().toPoint())
    first, result, _ = window.viewer.contents
    assert (first.pane.marks.badge, result.pane.marks.badge) == (EARLIER_MASK, "")
    assert (first.pane.picture.dimmed, result.pane.picture.dimmed) == (True, False)
    live.key(Qt.Key.Key_L, CTRL)
    live.key(Qt.Key.Key_Z, CTRL)
    assert first.pane.marks.badge == ""


def test_the_chip_follows_a_picture_that_is_chosen_where_it_was_not_generated(
    made: Hands, wait: Wait, qtbot: object
) -> None:
    window, view = made.window, made.workspace.view
    window.generation.settings.slices = "all"
    made.key(Qt.Key.Key_Return)
    wait(lambda: len(made.workspace.results.current.slices) > 1 and quiet(made)())
    z = view.cursor[2]
    others = [k for k in made.workspace.results.current.slices if k != z]
    window.generation.settings.slices = "slice"
    while view.cursor[2] != others[0]:
        made.key(Qt.Key.Key_Up if others[0] > view.cursor[2] else Qt.Key.Key_Down)
    settle(qtbot, window)
    assert window.generation.status is Status.FRESH
    panel = window.metrics_panel
    QTest.mouseClick(panel.runs, LEFT, pos=panel.runs.bar(0).center().toPoint())
    assert window.generation.status is Status.ELSEWHERE
    assert window.generation_panel.chip.text() == Status.ELSEWHERE
    assert Status.FRESH.value not in window.generation_panel.time.text()


def test_a_step_of_an_earlier_mask_says_so_and_the_slider_stays_on_it(made: Hands, wait: Wait) -> None:
    window, bar, shown = made.window, made.window.compare_bar, result_pane(made)
    drag_slider(bar.steps.slider, 300)
    assert shown.pane.marks.title == "Step 2 of 4"
    assert (bar.steps.value.text(), shown.pane.marks.badge) == ("2", "")
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    assert window.generation.status is Status.STALE
    assert (shown.pane.marks.title, shown.pane.marks.badge) == ("Step 2 of 4", EARLIER_MASK)
    assert shown.pane.marks.outdated
    assert (bar.steps.value.text(), bar.steps.fraction) == ("2", pytest.approx(1 / 3, abs=0.001))
    drag_slider(bar.steps.slider, bar.steps.slider.maximum())
    assert shown.pane.marks.title == "Counterfactual"
    assert bar.steps.value.text() == "result"


def test_a_step_of_a_run_under_way_says_that_the_mask_was_changed(
    made: Hands, backend: FakeBackend, wait: Wait, qtbot: object
) -> None:
    window, shown = made.window, result_pane(made)
    backend.let(2)
    window.generation.settings.seed = 5
    made.key(Qt.Key.Key_Return)
    wait(lambda: shown.pane.marks.title == "Step 2 of 4")
    assert (shown.pane.marks.badge, shown.pane.marks.outdated, shown.pane.picture.dimmed) == ("", False, False)
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    settle(qtbot, window)
    assert shown.pane.marks.title == "Step 2 of 4"
    assert (shown.pane.marks.badge, shown.pane.marks.outdated, shown.pane.picture.dimmed) == (EARLIER_MASK, True, True)
    made.key(Qt.Key.Key_Z, CTRL)
    assert (shown.pane.marks.badge, shown.pane.marks.outdated, shown.pane.picture.dimmed) == ("", False, False)
    backend.let(None)
    wait(quiet(made))
    assert (shown.pane.marks.title, shown.pane.marks.badge) == ("Counterfactual", "")


def test_the_slider_says_result_when_another_run_took_the_step_away(
    made: Hands, backend: FakeBackend, wait: Wait, qtbot: object
) -> None:
    window, bar, shown = made.window, made.window.compare_bar, result_pane(made)
    drag_slider(bar.steps.slider, 300)
    backend.hold.clear()
    window.generation.settings.seed = 7
    made.key(Qt.Key.Key_Return)
    wait(lambda: window.generation.running)
    settle(qtbot, window)
    made.key(Qt.Key.Key_Escape)
    wait(lambda: not window.generation.running)
    backend.hold.set()
    assert shown.pane.marks.title == "Counterfactual"
    assert bar.steps.value.text() == "result"
    assert not window.metrics_panel.badge.isVisible()


def test_a_picture_of_an_earlier_mask_is_dimmed_and_its_values_stay(made: Hands, qtbot: object) -> None:
    made.window.ui.layout = Layout.COMPARE
    settle(qtbot, made.window)
    source, result, difference = made.window.viewer.contents
    made.workspace.view.outline = False
    made.window.ui.crosshair = False
    fresh, values = [grays(content) for content in (source, result)], result.pane.picture.image.copy()
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    made.workspace.view.overlay = False
    assert np.array_equal(result.pane.picture.image, values)
    assert 0.5 < grays(result) / fresh[1] < 0.8
    assert grays(source) == pytest.approx(fresh[0], rel=0.02)
    assert difference.pane.difference.dimmed
    made.key(Qt.Key.Key_Z, CTRL)
    assert grays(result) == pytest.approx(fresh[1], rel=0.02)


@pytest.mark.parametrize("mode", Mode)
def test_where_two_pictures_lie_side_by_side_the_one_of_the_present_mask_is_not_dimmed(
    made: Hands, qtbot: object, mode: Mode
) -> None:
    made.window.compare.choose(mode)
    settle(qtbot, made.window)
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    shown = result_pane(made).pane
    assert (shown.marks.badge, shown.marks.outdated) == (EARLIER_MASK, True)
    assert shown.picture.dimmed == (mode in (Mode.PLAIN, Mode.BLINK, Mode.FADE))
    made.window.ui.picture = Role.DIFFERENCE
    assert made.pane().difference.dimmed


def test_the_panes_of_a_run_keep_their_mark_until_its_picture_is_there(
    live: Hands, backend: FakeBackend, wait: Wait, qtbot: object
) -> None:
    live.window.ui.layout, live.window.ui.picture = Layout.PLANES, Role.RESULT
    settle(qtbot, live.window)
    live.key(Qt.Key.Key_B)
    backend.let(1)
    erase(live, 0)
    axial, *others = live.window.viewer.contents
    wait(lambda: "Step" in heading(axial))
    assert axial.pane.marks.badge == ""
    assert [made.pane.marks.badge for made in others] == [EARLIER_MASK] * 2
    backend.let(None)
    wait(quiet(live))
    assert not any(made.pane.marks.outdated for made in live.window.viewer.contents)


def test_results_beside_another_one_come_and_go_with_the_marks(made: Hands, wait: Wait, qtbot: object) -> None:
    second(made, wait)
    made.window.ui.layout = Layout.MODELS
    settle(qtbot, made.window)
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    other = made.window.viewer.contents[2].pane
    assert (other.marks.badge, other.marks.outdated) == (EARLIER_MASK, True)
    assert other.picture.dimmed

"""Several results in the window: two against each other, stars, ensembles, steps, the picture as a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage
from PyQt6.QtTest import QTest

from seg_editor.errors import ModelError
from seg_editor.session.ensemble import Spread
from seg_editor.session.live import Status
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.compare_bar import ONE_STEP
from seg_editor.ui.ensemble import MORE_STEPS
from seg_editor.ui.ensemble_card import spread_text
from seg_editor.ui.pane_content import UNDERWAY
from seg_editor.ui.state import Layout
from tests.ui.comparing import CTRL, KEYS, SHIFT, Wait, second
from tests.ui.conftest import Hands, settle
from tests.ui.fake import FakeBackend


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
        "M5 · 4 steps · seed 9",
        "Difference: M5 · 4 steps · seed 9 − seed 0",
    ]
    assert contents[0].pane.marks.synthetic
    assert contents[2].pane.difference.isVisible()
    assert made.window.compare.overlap() is None
    made.window.compare_bar.source.click()
    assert contents[0].pane.marks.title == "Source"
    assert contents[2].pane.marks.title == "Difference: M5 · seed 9 − source"
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


def test_a_card_does_not_wait_for_figures_that_will_not_come(
    made: Hands, backend: FakeBackend, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_args: object) -> None:
        raise ModelError("the referee is damaged", remedy="Install it again")

    monkeypatch.setattr(backend, "score", failing)
    made.window.generation.settings.seed = 40
    made.window.compare.ensemble.start(4)
    card = made.window.ensemble_card
    wait(lambda: made.window.compare.ensemble.count > 0 and not made.window.generation.running)
    wait(lambda: card.spread.text() == "not measured")


def test_an_ensemble_has_mean_sd_and_spread(made: Hands, wait: Wait) -> None:
    link = made.window.compare
    link.ensemble.start(4)
    wait(lambda: link.ensemble.count == 4 and not made.window.generation.running)
    assert link.ensemble.made.seeds == (0, 1, 2, 3)
    spreads = link.ensemble.spreads()
    assert spreads["diffmap_iou"].n == 4
    assert spreads["texture_ratio"].sd > 0
    assert "4 of 4 seeds" in made.window.ensemble_card.head.text()
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


def test_the_steps_keep_their_place_where_they_are_not_there(made: Hands, wait: Wait, qtbot: object) -> None:
    bar, cards = made.window.compare_bar, made.window.history.cards
    second(made, wait)
    assert bar.steps.isEnabled()
    place = bar.steps.geometry()
    QTest.mouseDClick(cards, Qt.MouseButton.LeftButton, pos=cards.card(0).center().toPoint())
    wait(lambda: made.workspace.results.current.request.seed == 0)
    settle(qtbot, made.window)
    assert bar.steps.isVisible()
    assert not bar.steps.isEnabled()
    assert bar.steps.geometry() == place
    assert bar.steps.toolTip().startswith("Steps are kept for pictures made in this session")
    assert bar.steps.value.text() == "result"
    made.window.generation.settings.steps = 1
    made.key(Qt.Key.Key_Return)
    wait(lambda: made.workspace.results.current.request.steps == 1 and not made.window.generation.running)
    assert bar.steps.toolTip() == ONE_STEP


def test_seeds_of_a_single_step_are_refused(made: Hands) -> None:
    runs = len(made.workspace.results)
    made.window.generation.settings.preset = "preview"
    made.key(Qt.Key.Key_Return, CTRL | SHIFT)
    assert MORE_STEPS in made.window.errors.text.text()
    assert made.window.compare.ensemble.wanted == 0
    assert len(made.workspace.results) == runs


def test_the_deviation_of_the_seeds_is_compared_with_nothing(made: Hands, wait: Wait, qtbot: object) -> None:
    window, link, bar = made.window, made.window.compare, made.window.compare_bar
    link.ensemble.start(4)
    wait(lambda: link.ensemble.count == 4 and not window.generation.running)
    made.key(KEYS[Mode.SWIPE], SHIFT)
    QTest.mouseClick(window.ensemble_card.choice.button(EnsembleView.SD), Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    mixing = [mode for mode in Mode if mode is not Mode.PLAIN]
    for mode in mixing:
        assert not bar.modes.button(mode).isEnabled()
        assert "no second picture" in bar.modes.button(mode).toolTip()
        assert not window.actions_table[f"compare_{mode}"].isEnabled()
        assert not bar.modes.button(mode).isChecked()
    assert bar.modes.button(Mode.PLAIN).isChecked()
    assert not bar.dial.isVisible()
    made.key(KEYS[Mode.LENS], SHIFT)
    assert link.state.mode is Mode.SWIPE
    QTest.mouseClick(window.ensemble_card.choice.button(EnsembleView.MEAN), Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert all(bar.modes.button(mode).isEnabled() for mode in mixing)
    assert bar.modes.button(Mode.SWIPE).isChecked()
    assert made.pane().marks.swipe is not None


def test_one_seed_has_no_deviation(made: Hands, backend: FakeBackend, wait: Wait) -> None:
    link, bar = made.window.compare, made.window.ensemble_card
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

"""Every picture has the name of what it is, in a wording that fits into its pane; with real events."""

from __future__ import annotations

import re
from itertools import product

import pytest
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from seg_editor.export.view import EARLIER_MASK
from seg_editor.ui.chrome import drawn_heading
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.exports import shown_in
from seg_editor.ui.pane_content import NOT_GENERATED, PaneContent
from seg_editor.ui.pane_labels import GENERATED_LINE, REMOVED_LINE
from seg_editor.ui.state import Layout, Role, Tool
from tests.ui.comparing import CTRL, KEYS, SHIFT, Wait, second
from tests.ui.conftest import Hands, quiet, settle
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase

LEFT = Qt.MouseButton.LeftButton
MIXED = [mode for mode in Mode if mode is not Mode.PLAIN]
RANGE = re.compile(r" \(0–\d+\)")
NOTHING = "Source (nothing generated here)"


def click_card(hands: Hands, number: int) -> None:
    """Compare with a card of the history."""
    cards = hands.window.history.cards
    QTest.mouseClick(cards, LEFT, pos=cards.card(number).center().toPoint())


def titles(hands: Hands) -> list[str]:
    """The titles of all panes."""
    return [made.pane.marks.title for made in hands.window.viewer.contents]


def badges(hands: Hands) -> list[str]:
    """The warnings of all panes."""
    return [made.pane.marks.badge for made in hands.window.viewer.contents]


def visible(hands: Hands) -> list[PaneContent]:
    """The panes on display."""
    return [made for made in hands.window.viewer.contents if made.pane.isVisible()]


@pytest.fixture
def averaged(made: Hands, wait: Wait) -> Hands:
    """The mean of four seeds on display."""
    made.window.compare_bar.seeds.menu().actions()[0].trigger()
    wait(lambda: made.window.compare.ensemble.count == 4 and quiet(made)())
    QTest.mouseClick(made.window.ensemble_card.choice.button(EnsembleView.MEAN), LEFT)
    return made


@pytest.mark.parametrize("mode", MIXED)
def test_a_mean_that_is_mixed_with_the_source_is_not_called_the_mean(averaged: Hands, mode: Mode) -> None:
    assert titles(averaged) == ["Mean of 4 seeds"]
    averaged.key(KEYS[mode], SHIFT)
    marks = averaged.pane().marks
    assert marks.title == "Source | Mean of 4 seeds"
    assert marks.subtitle.startswith(f"{mode.display} · FLAIR · Axial")
    averaged.window.ui.layout = Layout.PLANES
    for made in visible(averaged):
        pooled = "Mean of 4 seeds" if made.averaging else "M5"
        assert f"{mode.display} · Source | {pooled}" in made.pane.marks.subtitle


def test_a_mean_and_another_result_are_both_named(averaged: Hands) -> None:
    click_card(averaged, 1)
    averaged.key(KEYS[Mode.SWIPE], SHIFT)
    assert titles(averaged) == ["M5 · 4 steps · seed 1 | Mean of 4 seeds"]


@pytest.fixture
def neighbors(made: Hands, wait: Wait, qtbot: object) -> Hands:
    """One result here, compared with one of another seed of the slice beside it, side by side."""
    made.window.ui.layout = Layout.COMPARE
    made.wheel(1)
    settle(qtbot, made.window)
    second(made, wait)
    assert len({entry.request.slices for entry in made.workspace.results.entries}) == 2
    click_card(made, 0)
    return made


def test_the_source_has_no_name_of_a_result_where_that_has_nothing(neighbors: Hands) -> None:
    first, shown, difference = neighbors.window.viewer.contents
    assert titles(neighbors) == [NOTHING, "M5 · 4 steps · seed 9", "Difference: M5 · seed 9 − source"]
    assert badges(neighbors) == [NOT_GENERATED, "", "seed 0 not generated here"]
    assert not first.pane.marks.synthetic
    assert difference.pane.marks.corner.endswith("changed outside")
    assert REMOVED_LINE in first.pane.marks.legend
    neighbors.key(KEYS[Mode.SWIPE], SHIFT)
    assert shown.pane.marks.title == "Source | M5 · 4 steps · seed 9"
    assert shown.pane.marks.badge == "seed 0 not generated here"
    neighbors.wheel(-1)
    assert titles(neighbors)[:2] == ["M5 · 4 steps · seed 0", NOTHING]
    assert badges(neighbors)[:2] == ["", NOT_GENERATED]


def test_the_record_of_the_view_names_only_what_is_in_the_picture(neighbors: Hands) -> None:
    pictures = neighbors.window.viewer.pictures
    neighbors.key(KEYS[Mode.SWIPE], SHIFT)
    assert [shown_in(made, pictures).against for made in visible(neighbors)] == [None, None, None]
    neighbors.wheel(-1)
    against = neighbors.workspace.results.entries[0].request
    assert [shown_in(made, pictures).against for made in visible(neighbors)] == [against, None, None]


def test_a_result_in_place_of_the_source_is_outlined_as_one(made: Hands, wait: Wait) -> None:
    second(made, wait)
    made.window.ui.layout = Layout.COMPARE
    first = made.window.viewer.contents[0]
    assert first.pane.marks.legend == REMOVED_LINE
    click_card(made, 0)
    assert first.pane.marks.legend == GENERATED_LINE
    made.window.compare_bar.source.click()
    assert first.pane.marks.legend == REMOVED_LINE


def test_two_stale_results_side_by_side_are_both_dimmed(made: Hands, wait: Wait) -> None:
    second(made, wait)
    made.window.ui.layout = Layout.COMPARE
    click_card(made, 0)
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    panes = [content.pane for content in made.window.viewer.contents]
    assert [pane.marks.badge for pane in panes] == [EARLIER_MASK, EARLIER_MASK, f"both {EARLIER_MASK}"]
    assert [pane.picture.dimmed for pane in panes] == [True, True, True]
    assert [pane.marks.outdated for pane in panes] == [True, True, True]
    made.key(Qt.Key.Key_Z, CTRL)
    assert [pane.picture.dimmed for pane in panes] == [False, False, False]


def test_a_mixture_says_which_of_its_results_is_of_an_earlier_mask(made: Hands, wait: Wait) -> None:
    window, (x, y, z) = made.window, made.workspace.view.cursor
    window.generation.settings.seed_locked = True
    window.ui.tool = Tool.PAINT
    made.drag([(x - 4, y - 4, z), (x + 4, y - 4, z)])
    made.key(Qt.Key.Key_Return)
    wait(lambda: len(made.workspace.results) == 2 and quiet(made)())
    window.ui.layout = Layout.COMPARE
    click_card(made, 0)
    assert badges(made) == [EARLIER_MASK, "", f"#1 is {EARLIER_MASK}"]
    for mode in MIXED:
        made.key(KEYS[mode], SHIFT)
        assert badges(made)[1] == f"#1 is {EARLIER_MASK}"
    made.key(Qt.Key.Key_Z, CTRL)
    assert badges(made) == ["", f"#2 is {EARLIER_MASK}", f"#2 is {EARLIER_MASK}"]
    window.compare_bar.source.click()
    assert badges(made)[1:] == [EARLIER_MASK, EARLIER_MASK]


@pytest.fixture
def many(opened: object, hands: Hands, backend: FakeBackend, wait: Wait, qtbot: object) -> Hands:
    """Seven results of one slice, one of them by a compact model, in a window of 1366 × 768."""
    hands.window.resize(1366, 768)
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    settings = hands.window.generation.settings
    for seed, model in ((0, "m5"), (1, "m5"), (2, "m5"), (300, "m5"), (300, "m3c"), (4, "m5"), (5, "m5")):
        settings.seed, settings.model = seed, model
        hands.window.generation.generate()
        wait(quiet(hands))
    assert len(hands.workspace.results) == 7
    return hands


@pytest.fixture
def backend() -> FakeBackend:
    """An engine with a second model."""
    return FakeBackend(models=("m5", "m3c"))


@pytest.mark.parametrize("layout", list(Layout))
def test_no_title_is_cut_and_panes_stay_apart(many: Hands, layout: Layout) -> None:
    window = many.window
    window.ui.layout = layout
    pictures = (Role.RESULT, Role.DIFFERENCE)
    for number, mode, picture in product((None, 0, 4), (Mode.PLAIN, Mode.SWIPE, Mode.CHECKER), pictures):
        window.compare.against(None if number is None else many.workspace.results.entries[number])
        window.ui.picture = picture
        window.compare.state.mode = mode
        QApplication.processEvents()
        full, drawn = [], []
        for made in visible(many):
            port, marks = made.pane.viewport(), made.pane.marks
            full.append((marks.title, RANGE.sub("", marks.subtitle)))
            drawn.append(drawn_heading(QRectF(port.rect()), marks))
        assert not [text for heading in drawn for text in heading if "…" in text]
        assert len({(title, RANGE.sub("", subtitle)) for title, subtitle in drawn}) == len(set(full))


def test_for_comparison_stands_at_the_end_of_every_pane(many: Hands) -> None:
    many.window.ui.layout = Layout.COMPARE
    many.workspace.results.current = many.workspace.results.find(many.workspace.results.entries[4].key)
    subtitles = [made.pane.marks.subtitle for made in many.window.viewer.contents]
    assert [text.endswith(" · for comparison") for text in subtitles] == [False, True, True]
    many.window.ui.layout = Layout.PLANES
    for picture in (Role.RESULT, Role.DIFFERENCE):
        many.window.ui.picture = picture
        assert many.pane().marks.subtitle.startswith("FLAIR · ")
        assert many.pane().marks.subtitle.endswith(" · for comparison")


def test_what_is_alike_is_said_once(made: Hands, wait: Wait) -> None:
    second(made, wait)
    made.window.ui.layout = Layout.COMPARE
    click_card(made, 0)
    made.key(KEYS[Mode.SWIPE], SHIFT)
    _, mixed, difference = (content.pane.marks for content in made.window.viewer.contents)
    assert mixed.title == "M5 · 4 steps: seed 0 | seed 9"
    assert mixed.shorter[0][-1] == "seed 0 | seed 9"
    assert difference.shorter[0] == ("Difference: seed 9 − seed 0", "seed 9 − seed 0")

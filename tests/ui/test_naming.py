"""What is on display has a name of its own: results alike in all but their mask, figures, every plane of a mixture."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.generation import Status
from seg_editor.ui.state import Layout, Role, Tool
from tests.ui.comparing import KEYS, SHIFT, Wait, second
from tests.ui.conftest import Hands, settle

MIXED = [mode for mode in Mode if mode is not Mode.PLAIN]


def headings(hands: Hands) -> list[tuple[str, str]]:
    """Title and subtitle of every pane."""
    return [(made.pane.marks.title, made.pane.marks.subtitle) for made in hands.window.viewer.contents]


def click_card(hands: Hands, number: int) -> None:
    """Compare with a card of the history."""
    cards = hands.window.history.cards
    QTest.mouseClick(cards, Qt.MouseButton.LeftButton, pos=cards.card(number).center().toPoint())


@pytest.fixture
def two_masks(made: Hands, wait: Wait, qtbot: object) -> Hands:
    """The same model, steps and seed before and after a stroke; the first result is clicked."""
    window, (x, y, z) = made.window, made.workspace.view.cursor
    window.generation.settings.seed_locked = True
    window.ui.tool = Tool.PAINT
    made.drag([(x - 4, y - 4, z), (x + 4, y - 4, z)])
    settle(qtbot, window)
    made.key(Qt.Key.Key_Return)
    wait(lambda: len(made.workspace.results) == 2 and window.generation.status is Status.FRESH)
    window.ui.layout = Layout.COMPARE
    click_card(made, 0)
    return made


def test_results_of_two_masks_are_told_apart_by_their_number(two_masks: Hands) -> None:
    name = "M5 · 4 steps · seed 0"
    first, shown, difference = (title for title, _ in headings(two_masks))
    assert (first, shown) == (f"#1 · {name}", f"#2 · {name}")
    assert difference == "Difference: #2 − #1"
    assert two_masks.window.compare_bar.source.text() == "against #1"
    assert name in two_masks.window.compare_bar.source.toolTip()
    two_masks.key(KEYS[Mode.SWIPE], SHIFT)
    assert headings(two_masks)[1][0] == f"#1 | #2 · {name}"
    two_masks.window.compare_bar.source.click()
    assert headings(two_masks)[1][0] == f"Source | #2 · {name}"


def test_a_result_like_no_other_has_no_number(made: Hands, wait: Wait) -> None:
    second(made, wait)
    assert [made.workspace.results.number_of(entry.key) for entry in made.workspace.results.entries] == [0, 0]
    assert made.workspace.results.number_of("never made") == 0
    made.window.ui.layout = Layout.COMPARE
    click_card(made, 0)
    assert [title for title, _ in headings(made)] == [
        "M5 · 4 steps · seed 0",
        "M5 · 4 steps · seed 9",
        "Difference: M5 · 4 steps · seed 9 − seed 0",
    ]


def test_the_figures_name_the_result_they_belong_to_beside_another(made: Hands, wait: Wait) -> None:
    panel = made.window.metrics_panel
    wait(lambda: made.window.generation.measured() is not None)
    assert "seed" not in panel.glance.scope.text() + panel.scope.text()
    second(made, wait)
    wait(lambda: made.window.generation.measured() is not None)
    assert "seed" not in panel.glance.scope.text() + panel.scope.text()
    made.window.ui.layout = Layout.MODELS
    for told in (panel.glance.scope.text(), panel.scope.text()):
        assert "FLAIR · M5 · 4 steps · seed 9" in told
    made.window.ui.layout = Layout.COMPARE
    assert "seed" not in panel.glance.scope.text() + panel.scope.text()
    click_card(made, 0)
    assert "M5 · 4 steps · seed 9" in panel.glance.scope.text()
    made.wheel(1)
    wait(lambda: "not generated here" in panel.glance.scope.text())
    assert "M5 · 4 steps · seed 9" in panel.glance.scope.text()


def test_the_name_beside_the_figures_is_cut_nowhere(two_masks: Hands) -> None:
    scope = two_masks.window.metrics_panel.glance.scope
    assert "#2 · M5 · 4 steps · seed 0" in scope.drawn_text
    assert "…" not in scope.drawn_text
    assert "kept" in scope.text()


@pytest.mark.parametrize("mode", MIXED)
def test_a_mixture_keeps_plane_and_slice_in_every_pane(made: Hands, mode: Mode) -> None:
    made.window.ui.layout = Layout.PLANES
    plain = headings(made)
    assert [title.split()[0] for title, _ in plain] == ["Axial", "Coronal", "Sagittal"]
    made.key(KEYS[mode], SHIFT)
    assert [title for title, _ in headings(made)] == [title for title, _ in plain]
    for _, subtitle in headings(made):
        assert subtitle == f"FLAIR · {mode.display} · Source | M5 · 4 steps · seed 0"
    made.window.ui.layout = Layout.SINGLE
    assert headings(made)[0][0] == "Source | M5 · 4 steps · seed 0"
    assert headings(made)[0][1].startswith(f"{mode.display} · FLAIR · Axial")


@pytest.mark.parametrize("layout", [Layout.MODALITIES, Layout.EIGHT])
def test_a_mixture_keeps_the_modality_of_its_pane(made: Hands, layout: Layout) -> None:
    made.window.ui.layout = layout
    plain = [title for title, _ in headings(made)]
    made.key(KEYS[Mode.SWIPE], SHIFT)
    assert [title for title, _ in headings(made)] == plain
    for content, (_, subtitle) in zip(made.window.viewer.contents, headings(made), strict=True):
        if content.role is Role.RESULT:
            assert subtitle.startswith("Axial ")
            assert subtitle.endswith("Swipe · Source | M5 · 4 steps · seed 0")


def test_mean_step_and_another_result_keep_plane_and_slice(made: Hands, wait: Wait) -> None:
    window, link = made.window, made.window.compare
    link.ensemble.start(4)
    wait(lambda: link.ensemble.count == 4 and not window.generation.running)
    window.ui.layout = Layout.PLANES
    plain = [title for title, _ in headings(made)]
    link.scrub(0)
    assert [title for title, _ in headings(made)] == plain
    assert headings(made)[0][1] == "FLAIR · Step 1 of 4"
    link.scrub(len(window.generation.steps))
    link.state.ensemble = EnsembleView.MEAN
    assert [title for title, _ in headings(made)] == plain
    assert headings(made)[0][1].startswith("FLAIR · Mean of 4 seeds")
    link.state.ensemble = EnsembleView.OFF
    click_card(made, 1)
    window.ui.picture = Role.SOURCE
    assert [title for title, _ in headings(made)] == plain
    assert headings(made)[0][1] == "FLAIR · M5 · 4 steps · seed 1"


def test_the_step_of_a_mixture_is_named_in_it(made: Hands) -> None:
    made.key(KEYS[Mode.SWIPE], SHIFT)
    made.window.compare.scrub(0)
    assert headings(made)[0][0] == "Source | Step 1 of 4"
    made.window.ui.layout = Layout.COMPARE
    made.window.compare.scrub(0)
    assert headings(made)[2][0] == "Difference: Step 1 of 4 − source"

"""The contrast in numbers: typed, shared by its panes, in the units of the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from seg_editor.cases import Modality
from seg_editor.ui.contrast import ContrastWindow, typed
from seg_editor.ui.state import Layout
from tests.ui.conftest import RIGHT, Hands


@pytest.fixture
def contrast(hands: Hands) -> ContrastWindow:
    """The window, opened by its key."""
    hands.key(Qt.Key.Key_J)
    window = hands.window.contrast
    assert window.isVisible()
    return window


def enter(window: ContrastWindow, name: str, text: str) -> None:
    """Type into a field and press Return."""
    field = window.fields[name]
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_typed_numbers_are_the_contrast(hands: Hands, contrast: ContrastWindow) -> None:
    view = hands.workspace.view
    enter(contrast, "window", "400")
    enter(contrast, "level", "300")
    assert view.window() == pytest.approx((100.0, 500.0))
    assert hands.pane().marks.corner == "W 400  L 300"
    enter(contrast, "black", "50")
    assert view.window() == pytest.approx((50.0, 500.0))
    assert contrast.fields["level"].value() == pytest.approx(275.0)
    assert view.cursor == hands.workspace.view.cursor


def test_it_follows_the_drag_and_goes_back_to_automatic(hands: Hands, contrast: ContrastWindow) -> None:
    view = hands.workspace.view
    before = view.window()
    hands.drag([(20, 20, view.cursor[2]), (40, 30, view.cursor[2])], RIGHT)
    low, high = view.window()
    assert (low, high) != before
    assert contrast.fields["white"].value() == pytest.approx(high, abs=0.06)
    contrast.automatic.click()
    assert view.window() == before
    assert contrast.fields["white"].value() == pytest.approx(before[1], abs=0.06)


def test_every_modality_has_its_own_and_the_pane_in_use_comes_first(hands: Hands) -> None:
    view = hands.workspace.view
    hands.window.ui.layout = Layout.MODALITIES
    t2 = next(n for n, made in enumerate(hands.window.viewer.contents) if made.modality is Modality.T2)
    hands.wheel(1, number=t2)
    QTest.keyClick(hands.pane(t2), Qt.Key.Key_J)
    contrast = hands.window.contrast
    enter(contrast, "window", "123")
    assert set(view.windows) == {Modality.T2}
    contrast.modality.button(Modality.T1).click()
    enter(contrast, "level", "77")
    assert set(view.windows) == {Modality.T1, Modality.T2}
    contrast.everywhere.click()
    assert view.windows == {}


def test_escape_closes_it_and_stops_nothing(hands: Hands, contrast: ContrastWindow) -> None:
    QTest.keyClick(contrast.fields["level"], Qt.Key.Key_Escape)
    assert not contrast.isVisible()


def test_it_closes_with_the_case(hands: Hands, contrast: ContrastWindow) -> None:
    hands.window.cases.close()
    assert not contrast.isVisible()


ENDS = st.tuples(st.floats(-1e4, 1e4), st.floats(0.01, 1e4)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(ENDS, st.sampled_from(["window", "level", "black", "white"]), st.floats(-1e4, 1e4))
def test_white_stays_above_black(window: tuple[float, float], name: str, value: float) -> None:
    wanted = abs(value) + 0.01 if name == "window" else value
    low, high = typed(window, name, wanted)
    assert low < high
    now = {"window": high - low, "level": (low + high) / 2, "black": low, "white": high}
    assert now[name] == pytest.approx(wanted, abs=1e-6)

"""The row of figures that is always in sight, and what stands beside the figures."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLabel

from seg_editor.cases import Subregion
from seg_editor.ui.captions import kept_text
from seg_editor.ui.generation import Status
from seg_editor.ui.history_strip import figures
from seg_editor.ui.panels.metrics import number
from tests.ui.comparing import CTRL, Wait
from tests.ui.conftest import Hands, settle


@pytest.mark.parametrize("size", [(1366, 768), (1440, 900)])
def test_the_figures_are_in_sight_with_a_brush_in_hand(generated: Hands, wait: Wait, size: tuple[int, int]) -> None:
    window, glance = generated.window, generated.window.metrics_panel.glance
    window.resize(*size)
    generated.key(Qt.Key.Key_B)
    wait(window.brush_panel.isVisible)
    wait(lambda: (window.width(), window.height()) == size)
    for widget in (glance, window.generation_panel.chip, window.generation_panel.live):
        assert widget.isVisible()
        assert widget.visibleRegion().boundingRect() == widget.rect()
    line = window.generation.metrics().per_slice[0]
    assert glance.values[:2] == (number(line.tumor_residual), number(line.diffmap_iou))
    assert glance.values[2] == "0"
    assert "IoU at 0.10" in [label.text() for label in glance.findChildren(QLabel)]
    assert glance.scope.text().endswith("FLAIR")
    generated.wheel(1)
    wait(lambda: set(glance.values) == {"–"})
    assert "not generated here" in glance.scope.text()


def test_what_was_kept_on_purpose_stands_beside_the_residual(hands: Hands, wait: Wait, qtbot: object) -> None:
    """Only the enhancing part is removed: card, panel, row of figures and table say what stays."""
    window, labels = hands.window, hands.workspace.segmentation.labels
    rim = labels == hands.workspace.case.scheme.value(Subregion.ET)
    both = np.flatnonzero(rim.any(axis=(0, 1)) & ((labels > 0) & ~rim).any(axis=(0, 1)))
    x, y, _ = hands.workspace.view.cursor
    hands.workspace.view.cursor = (x, y, int(both[0]))
    settle(qtbot, window)
    window.actions_table["remove_et"].trigger()
    wait(lambda: window.generation.removed)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_Return)
    wait(lambda: window.generation.status is Status.FRESH)
    (entry,) = hands.workspace.results.entries
    kept = window.generation.metrics().per_slice[0].kept
    assert kept
    assert "ET" not in kept
    names = " + ".join(kept)
    assert f"kept on purpose: {names}" in window.metrics_panel.residual.parts.text()
    assert f"{names} kept on purpose" in window.metrics_panel.glance.scope.text()
    assert figures(entry, "")[1].endswith(kept_text(kept))
    window.metrics_panel.copy_table()
    assert QApplication.clipboard().text().splitlines()[2].endswith(names)


def test_the_figures_say_when_they_are_of_an_earlier_mask(generated: Hands) -> None:
    generated.key(Qt.Key.Key_Z, CTRL)
    assert generated.window.metrics_panel.glance.scope.text() == "from an earlier mask"


def test_a_click_on_the_figures_shows_all_about_them(generated: Hands, wait: Wait) -> None:
    panel = generated.window.metrics_panel
    QTest.mouseClick(panel.fold, Qt.MouseButton.LeftButton)
    assert not panel.residual.isVisible()
    assert generated.window._preferences.folded == {"metrics"}
    QTest.mouseClick(panel.glance, Qt.MouseButton.LeftButton)
    wait(lambda: not panel.residual.visibleRegion().isEmpty())
    assert generated.window._preferences.folded == frozenset()

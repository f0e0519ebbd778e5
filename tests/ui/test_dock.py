"""The dock shows all of every panel: nothing in it asks for more width than there is."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import QPoint
from PyQt6.QtWidgets import QApplication, QWidget

from seg_editor.ui.operations import OPERATIONS
from seg_editor.ui.state import Tool
from tests.ui.comparing import Wait, second
from tests.ui.conftest import Hands, settle

SIZES = pytest.mark.parametrize("height", [700, 1900], ids=["scrolled", "all in sight"])


def cut(hands: Hands) -> list[str]:
    """What of the dock lies beyond its right edge, or is squeezed below the least that it needs."""
    QApplication.processEvents()
    area = hands.window._dock.area
    body, port = area.widget(), area.viewport()
    assert body is not None
    assert port is not None
    if body.width() > port.width():
        return [f"the dock needs {body.width()} of {port.width()} pixels"]
    return [
        f"{type(widget).__name__} {widget.objectName()}"
        for widget in body.findChildren(QWidget)
        if widget.isVisible() and widget.mapTo(body, QPoint(widget.width(), 0)).x() > body.width()
    ]


@SIZES
def test_no_tool_needs_more_than_the_dock_has(made: Hands, height: int, qtbot: object) -> None:
    made.window.resize(1366, height)
    for tool in Tool:
        made.window.ui.tool = tool
        for value in made.workspace.case.scheme.label_values:
            made.workspace.active_label = value
            settle(qtbot, made.window)
            assert cut(made) == [], (tool, value)


@SIZES
def test_no_operation_needs_more_than_the_dock_has(made: Hands, height: int) -> None:
    made.window.resize(1366, height)
    made.window.ui.tool = Tool.RESHAPE
    settings = made.window.reshape.settings
    for value in made.workspace.case.scheme.label_values:
        made.workspace.active_label = value
        for operation in OPERATIONS:
            for amount in (-1.0, 1.0):
                settings.operation, settings.grow_mm = operation.key, amount
                assert cut(made) == [], (operation.key, value)


@SIZES
def test_no_state_needs_more_than_the_dock_has(made: Hands, height: int, wait: Wait, qtbot: object) -> None:
    window, slider = made.window, made.window.compare_bar.steps.slider
    window.resize(1366, height)
    window.ui.tool = Tool.PAINT
    second(made, wait)
    slider.setValue(slider.maximum() // 3)
    assert window.metrics_panel.badge.isVisible()
    assert cut(made) == []
    slider.setValue(slider.maximum())
    assert cut(made) == []
    made.workspace.view.gate = None
    for modality in made.workspace.case.modalities:
        window.brush_panel.range._choose(str(modality))
        assert cut(made) == []
    window.generation.settings.seed = 999_999
    made.workspace.view.gate, (x, y, z) = None, made.workspace.view.cursor
    made.drag([(x - 4, y - 4, z), (x + 4, y - 4, z)])
    settle(qtbot, window)
    assert window.metrics_panel.badge.isVisible()
    assert cut(made) == []


def test_a_long_name_of_a_label_is_shortened(made: Hands) -> None:
    panel = made.window.labels_panel
    row = next(iter(panel.rows.values()))
    row.name.setText("A label whose name is much longer than there is room for in the dock")
    assert cut(made) == []
    assert row.name.drawn_text.endswith("…")
    assert row.eye.visibleRegion().boundingRect() == row.eye.rect()

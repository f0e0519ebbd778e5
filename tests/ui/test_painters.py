"""Painters end with their block; no widget has one outside of such a block."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QApplication

import seg_editor.ui
from seg_editor.ui.painting import painting


def test_a_painter_ends_with_its_block(qapp: QApplication) -> None:
    image = QImage(4, 4, QImage.Format.Format_RGB32)
    with painting(QPainter(image)) as painter:
        assert painter.isActive()
    assert not painter.isActive()


def test_it_ends_before_anyone_handles_the_error(qapp: QApplication) -> None:
    """The traceback keeps the frame and so the painter: another one could not paint meanwhile."""
    image = QImage(4, 4, QImage.Format.Format_RGB32)
    with pytest.raises(ZeroDivisionError) as caught, painting(QPainter(image)):
        raise ZeroDivisionError
    assert caught.tb is not None
    with painting(QPainter(image)) as again:
        assert again.isActive()


def last_name(node: ast.AST | None) -> str:
    """The name that an expression ends in: ``QPainter`` of ``QtGui.QPainter``; empty for other expressions."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def loose_painters(source: str) -> list[int]:
    """Lines where a painter is made outside of ``with painting(...)``, or a class of painters gets another name."""
    nodes = list(ast.walk(ast.parse(source)))
    blocks = [node.context_expr for node in nodes if isinstance(node, ast.withitem)]
    held = [block.args for block in blocks if isinstance(block, ast.Call) and last_name(block.func) == "painting"]
    safe = {id(argument) for arguments in held for argument in arguments}
    loose = []
    for node in nodes:
        if isinstance(node, ast.Call):
            found = last_name(node.func).endswith("Painter") and id(node) not in safe
        elif isinstance(node, ast.alias):
            found = node.name.endswith("Painter") and node.asname is not None
        else:
            found = isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
            found = found and last_name(node.value).endswith("Painter")
        if found:
            loose.append(node.lineno)
    return loose


@pytest.mark.parametrize(
    "source",
    [
        "painter = QPainter(self)",
        "def paintEvent(self, event): painter = QPainter(self)",
        "make(QtGui.QPainter(self), bound=4)",
        "painter = QPainter(\n    self)  # painting(",
        "with painting(other), held(QStylePainter(self)): pass",
        "painting(QPainter(self))",
        "from PyQt6.QtGui import QPainter as Q",
        "Q = QtGui.QPainter",
    ],
)
def test_a_loose_painter_is_found(source: str) -> None:
    assert loose_painters(source) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "with painting(QPainter(self)) as painter: pass",
        "with one(), painting(\n    QtWidgets.QStylePainter(self)\n) as painter: pass",
        "P = TypeVar('P', bound=QPainter)",
        "def paint(self, painter: QPainter) -> None: painter.setRenderHint(QPainter.RenderHint.Antialiasing)",
    ],
)
def test_other_words_of_painters_are_no_painters(source: str) -> None:
    assert loose_painters(source) == []


def test_every_widget_paints_within_such_a_block() -> None:
    """No painter is left to be ended by whoever frees it."""
    paths = sorted(Path(seg_editor.ui.__file__).parent.rglob("*.py"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    assert any("painting(QPainter(" in text for text in texts.values())
    assert {name: lines for name, text in texts.items() if (lines := loose_painters(text))} == {}

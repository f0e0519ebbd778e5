from __future__ import annotations

import pytest
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QApplication

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


def test_every_widget_paints_within_such_a_block() -> None:
    """No painter is left to be ended by whoever frees it."""
    from pathlib import Path

    import seg_editor.ui

    loose = [
        f"{path.name}: {line.strip()}"
        for path in Path(seg_editor.ui.__file__).parent.rglob("*.py")
        for line in path.read_text().splitlines()
        if "Painter(" in line and "painting(" not in line and "bound=" not in line and "def " not in line
    ]
    assert loose == []

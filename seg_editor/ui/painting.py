"""Painters that end where they should, and text that fits its room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFontMetrics, QFontMetricsF, QPainter

P = TypeVar("P", bound=QPainter)


@contextmanager
def painting(painter: P) -> Iterator[P]:
    """End a painter with the block, whatever happens there.

    All widgets of a window share one paint engine. A painter that ends when Python frees it may end while another one
    paints, and the program ends with it: the frame that holds it lives on in a traceback or in a profiler.
    """
    try:
        yield painter
    finally:
        painter.end()


def fitted(metrics: QFontMetrics | QFontMetricsF, room: float, texts: Sequence[str]) -> str:
    """Return the first of `texts` that fits into so many pixels; where none does the last one, with an ellipsis."""
    fitting = next((text for text in texts if metrics.horizontalAdvance(text) <= room), texts[-1])
    return metrics.elidedText(fitting, Qt.TextElideMode.ElideRight, int(room))

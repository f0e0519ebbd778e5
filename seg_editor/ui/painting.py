"""Painters that end where they should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from PyQt6.QtGui import QPainter

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

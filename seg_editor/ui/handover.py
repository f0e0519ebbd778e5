"""Lets the window take Python's lock from background threads soon."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL = 0.0001
"""While a background thread works Python hands over this often, in seconds, so that painting stays smooth.

An event of the window takes the lock dozens of times, and waits this long each time (see docs/adr/005).
"""

_lock = threading.Lock()
_before: list[float] = []
"""What it was before each block that runs now; the first is what comes back."""


@contextmanager
def quick_handover() -> Iterator[None]:
    """Let threads take turns more often than Python does by default, until the last such block has ended."""
    with _lock:
        _before.append(sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        with _lock:
            if len(_before) == 1:
                sys.setswitchinterval(_before[0])
            _before.pop()

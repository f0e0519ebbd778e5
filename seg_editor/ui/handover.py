"""Lets the window take Python's lock from background threads soon."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL = 0.001 if sys.platform == "win32" else 0.0001
"""While a background thread works Python hands over this often, in seconds, so that painting stays smooth.

An event of the window takes the lock dozens of times, and waits this long each time (see docs/adr/005). Windows waits
in whole milliseconds; less would be a busy loop there.
"""


class _Depth:
    """How many blocks run now, and what the interval was before the first of them."""

    lock = threading.Lock()
    count = 0
    before = 0.0


@contextmanager
def quick_handover() -> Iterator[None]:
    """Let threads take turns more often than Python does by default, until the last such block has ended."""
    with _Depth.lock:
        if _Depth.count == 0:
            _Depth.before = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_INTERVAL)
        _Depth.count += 1
    try:
        yield
    finally:
        with _Depth.lock:
            _Depth.count -= 1
            if _Depth.count == 0:
                sys.setswitchinterval(_Depth.before)

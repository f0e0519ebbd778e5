"""A watchdog over the GUI thread: how long was it blocked, and where."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PyQt6.QtCore import QTimer

#: The GUI thread must not be blocked longer, in milliseconds: sampler idle, sampler running.
IDLE_LIMIT, SAMPLING_LIMIT = 16.0, 50.0
_TICK = 2


class Watchdog:
    """Finds stalls of the GUI thread: a timer ticks there, another thread looks where it stands when a tick is late.

    Use as a context manager on the GUI thread while events are processed.

    Parameters
    ----------
    limit : float
        Milliseconds that count as a stall.

    Attributes
    ----------
    longest : float
        The longest time between two ticks, milliseconds, less the tick itself.
    stalls : list of (float, str)
        Milliseconds and the innermost line of this program at the time, longest first, after the watch.
    """

    def __init__(self, limit: float = IDLE_LIMIT) -> None:
        self.limit = limit
        self.longest = 0.0
        self.stalls: list[tuple[float, str]] = []
        self._last = 0.0
        self._where = ""
        self._over = threading.Event()
        self._timer: QTimer | None = None

    def __enter__(self) -> Watchdog:
        from PyQt6.QtCore import Qt, QTimer

        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(_TICK)
        self._watcher = threading.Thread(target=self._watch, args=(threading.get_ident(),), daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.stop()
        self._over.set()
        self._watcher.join()
        self.stalls.sort(reverse=True)

    def _tick(self) -> None:
        now = time.perf_counter()
        late = (now - self._last) * 1000 - _TICK
        self.longest = max(self.longest, late)
        if late > self.limit:
            self.stalls.append((round(late, 1), self._where))
        self._last, self._where = now, ""

    def _watch(self, thread: int) -> None:
        while not self._over.wait(self.limit / 4000):
            if not self._where and (time.perf_counter() - self._last) * 1000 > self.limit:
                self._where = _innermost(sys._current_frames().get(thread))


def _innermost(frame: FrameType | None) -> str:
    """The deepest line of this program on a stack, as ``file:line function``."""
    own = [f for f in traceback.extract_stack(frame) if f"{os.sep}seg_editor{os.sep}" in f.filename]
    driving = [number for number, f in enumerate(own) if f"{os.sep}bench{os.sep}" in f.filename]
    own = own[driving[-1] + 1 :] if driving else own
    return f"{Path(own[-1].filename).name}:{own[-1].lineno} {own[-1].name}" if own else "event loop"

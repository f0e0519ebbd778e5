"""A watchdog over the GUI thread: how long was it blocked, and where."""

from __future__ import annotations

import faulthandler
import re
import threading
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PyQt6.QtCore import QTimer

#: The GUI thread must not be blocked longer, in milliseconds: sampler idle, sampler running.
IDLE_LIMIT, SAMPLING_LIMIT = 16.0, 50.0
_TICK = 2
_THREAD = re.compile(r"hread 0x([0-9a-f]+)")
_PLACE = re.compile(r'  File "(.*)", line (\d+) in (.*)')


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
        with TemporaryFile("w+") as file:
            while not self._over.wait(self.limit / 4000):
                if not self._where and (time.perf_counter() - self._last) * 1000 > self.limit:
                    self._where = _innermost(_stack(thread, file))


def _stack(thread: int, file: IO[str]) -> list[tuple[Path, str, str]]:
    """Files, lines and functions on the stack of a thread, the innermost last.

    The interpreter's own dump is read: who holds frames holds their locals, painters of Qt among them, and frees them
    here, while that thread paints.
    """
    file.seek(0)
    file.truncate()
    faulthandler.dump_traceback(file, all_threads=True)
    file.seek(0)
    own: list[tuple[Path, str, str]] = []
    inside = False
    for line in file:
        if header := _THREAD.search(line):
            inside = int(header[1], 16) == thread
        elif inside and (place := _PLACE.match(line)):
            own.append((Path(place[1]), place[2], place[3]))
    return own[::-1]


def _innermost(stack: list[tuple[Path, str, str]]) -> str:
    """The deepest line of this program on a stack, as ``file:line function``."""
    own = [place for place in stack if "seg_editor" in place[0].parts]
    driving = [number for number, (path, _, _) in enumerate(own) if "bench" in path.parts]
    own = own[driving[-1] + 1 :] if driving else own
    if not own:
        return "event loop"
    path, line, name = own[-1]
    return f"{path.name}:{line} {name}"

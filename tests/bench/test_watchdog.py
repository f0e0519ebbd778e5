from __future__ import annotations

import time

from PyQt6.QtCore import QEventLoop, QTimer
from PyQt6.QtWidgets import QApplication

from seg_editor.bench.watchdog import Watchdog


def live(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def block(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_stall_is_found(qapp: QApplication) -> None:
    with Watchdog(limit=100.0) as watchdog:
        QTimer.singleShot(5, lambda: block(0.3))
        live(400)
    assert watchdog.longest >= 290
    assert watchdog.stalls[0][0] >= 290


def test_a_window_that_answers_has_none(qapp: QApplication) -> None:
    with Watchdog(limit=5000.0) as watchdog:
        live(50)
    assert watchdog.stalls == []


def test_the_place_is_named(qapp: QApplication) -> None:
    """A slow function of the program itself is the one that is named."""
    from seg_editor.ui import content

    slow = compile("def recount():\n    block(0.4)\n", content.__file__, "exec")
    names: dict[str, object] = {"block": block}
    exec(slow, names)
    recount = names["recount"]
    assert callable(recount)
    with Watchdog(limit=50.0) as watchdog:
        QTimer.singleShot(5, recount)
        live(500)
    worst, where = watchdog.stalls[0]
    assert worst >= 390
    assert where.startswith("content.py:")
    assert where.endswith("recount")

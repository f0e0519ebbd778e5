from __future__ import annotations

import sys
import threading
import time
from tempfile import TemporaryFile

from PyQt6.QtCore import QEventLoop, QTimer
from PyQt6.QtWidgets import QApplication

from seg_editor.bench.watchdog import Watchdog, _stack


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


def test_looking_at_a_thread_holds_nothing_of_it() -> None:
    """A painter that the looking thread frees would end while another one paints, and the program with it."""
    freed: list[int] = []

    class Held:
        def __del__(self) -> None:
            freed.append(threading.get_ident())

    def short() -> None:
        held = Held()  # noqa: F841
        block(0.0002)

    own, over = threading.get_ident(), threading.Event()

    def look() -> None:
        with TemporaryFile("w+") as file:
            while not over.is_set():
                _stack(own, file)

    looking = threading.Thread(target=look)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        looking.start()
        for _ in range(2000):
            short()
    finally:
        sys.setswitchinterval(interval)
        over.set()
        looking.join()
    assert set(freed) == {own}


def test_the_stack_of_another_thread_is_read() -> None:
    reached, over = threading.Event(), threading.Event()

    def waiting_here() -> None:
        reached.set()
        over.wait()

    thread = threading.Thread(target=waiting_here)
    thread.start()
    try:
        assert reached.wait(30)
        with TemporaryFile("w+") as file:
            for _ in range(2):
                names = [name for _, _, name in _stack(thread.ident or 0, file)]
                assert "waiting_here" in names
                assert "test_the_stack_of_another_thread_is_read" not in names
    finally:
        over.set()
        thread.join()

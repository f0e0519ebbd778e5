"""Background jobs: results, failures, cancel, and no thread left behind, however often."""

from __future__ import annotations

import threading

from seg_editor.signal import Signal
from seg_editor.ui.bind import bind
from seg_editor.ui.workers import Cancelled, Progress, Tasks


def test_two_hundred_jobs_end_and_are_forgotten(qtbot: object, qapp: object) -> None:
    tasks, done = Tasks(), []
    for number in range(200):
        task = tasks.start(lambda progress, cancelled, number=number: number, "count")
        task.done.connect(done.append)
        if number % 3 == 0:
            task.cancel()
        qtbot.waitUntil(lambda: not tasks._running)  # type: ignore[attr-defined]
        del task
    assert done == [n for n in range(200) if n % 3]


def test_progress_failure_and_cancel(qtbot: object, qapp: object) -> None:
    tasks, seen, failures = Tasks(), [], []
    gate = threading.Event()

    def fails(progress: Progress, cancelled: Cancelled) -> None:
        progress(0.5, "half")
        raise ValueError("no")

    def waits(progress: Progress, cancelled: Cancelled) -> str:
        while not cancelled():
            gate.wait(0.005)
        return "late"

    task = tasks.start(fails, "fails")
    task.progress.connect(lambda fraction, what: seen.append((fraction, what)))
    task.failed.connect(failures.append)
    other = tasks.start(waits, "waits")
    other.done.connect(lambda _: failures.append("a cancelled job spoke"))
    other.cancel()
    qtbot.waitUntil(lambda: not tasks._running)  # type: ignore[attr-defined]
    assert seen == [(0.5, "half")]
    assert [str(error) for error in failures] == ["no"]


def test_shut_down_ends_what_runs(qapp: object) -> None:
    tasks = Tasks()
    task = tasks.start(lambda progress, cancelled: [None for _ in iter(cancelled, True)], "spins")
    tasks.shut_down()
    assert not task.running


def test_bind_calls_in_the_gui_thread_and_ends_with_its_owner(qtbot: object, qapp: object) -> None:
    from PyQt6.QtCore import QObject

    signal, calls, owner = Signal(), [], QObject()
    stop = bind(owner, signal, lambda value: calls.append((value, threading.current_thread())))
    thread = threading.Thread(target=signal.emit, args=(1,))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(calls))  # type: ignore[attr-defined]
    signal.emit(2)
    assert calls == [(1, threading.main_thread()), (2, threading.main_thread())]
    stop()
    stop()
    signal.emit(3)
    assert len(calls) == 2

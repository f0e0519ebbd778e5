"""Work beside the GUI thread: parent-less objects on a QThread, queued signals, cancel by a flag."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event
from typing import Any

from PyQt6.QtCore import QObject, QThread, pyqtSignal, pyqtSlot

from seg_editor.errors import SegEditorError
from seg_editor.ui.handover import quick_handover

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
Cancelled = Callable[[], bool]
Work = Callable[[Progress, Cancelled], Any]


class _Job(QObject):
    """One call of `work`; lives in the worker thread."""

    progress = pyqtSignal(float, str)
    done = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work
        self.cancelled = Event()

    @pyqtSlot()
    def run(self) -> None:
        """Do the work, say how it went, and end the thread without help from the GUI thread, which may be waiting."""
        try:
            with quick_handover():
                result = self._work(self.progress.emit, self.cancelled.is_set)
        except Exception as error:
            if not isinstance(error, SegEditorError):
                log.exception("background job failed")
            self.failed.emit(error)
        else:
            self.done.emit(result)
        thread = QThread.currentThread()
        if thread is not None:
            thread.quit()


class Task(QObject):
    """A job that runs in its own thread; signals arrive in the GUI thread.

    Signals
    -------
    progress(float, str)
        Fraction (negative: unknown) and what is being done.
    done(object)
        The result; not after :meth:`cancel`.
    failed(object)
        The exception; not after :meth:`cancel`.
    finished()
        The thread has ended, however it went.
    """

    progress = pyqtSignal(float, str)
    done = pyqtSignal(object)
    failed = pyqtSignal(object)
    finished = pyqtSignal()

    def __init__(self, work: Work, parent: QObject | None = None, name: str = "task") -> None:
        super().__init__(parent)
        self._job = _Job(work)
        self._thread = QThread()
        self._thread.setObjectName(name)
        self._job.moveToThread(self._thread)
        self._thread.started.connect(self._job.run)
        self._job.progress.connect(self._on_progress)
        self._job.done.connect(self._on_done)
        self._job.failed.connect(self._on_failed)
        self._thread.finished.connect(self._on_finished)

    @property
    def cancelled(self) -> bool:
        """True after :meth:`cancel`."""
        return self._job.cancelled.is_set()

    @property
    def running(self) -> bool:
        """True until the thread has ended."""
        return self._thread.isRunning()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the job to stop; its result is dropped."""
        self._job.cancelled.set()

    def wait(self, milliseconds: int = 30_000) -> bool:
        """Block until the thread has ended; False when it took too long."""
        return bool(self._thread.wait(milliseconds))

    def _on_progress(self, fraction: float, what: str) -> None:
        if not self.cancelled:
            self.progress.emit(fraction, what)

    def _on_finished(self) -> None:
        """Wait for the last steps of the thread: a QThread destroyed during them waits while it holds Python's lock."""
        self._thread.wait()
        self.finished.emit()

    def _on_done(self, result: object) -> None:
        if not self.cancelled:
            self.done.emit(result)

    def _on_failed(self, error: object) -> None:
        if not self.cancelled:
            self.failed.emit(error)


class Tasks(QObject):
    """Keeps tasks alive while they run and ends them with the window."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: list[Task] = []

    def start(self, work: Work, name: str) -> Task:
        """Start a job and return its task."""
        task = Task(work, self, name)
        self._running.append(task)
        task.finished.connect(lambda: self._drop(task))
        task.start()
        return task

    def _drop(self, task: Task) -> None:
        if task in self._running:
            self._running.remove(task)
            task.deleteLater()

    def shut_down(self) -> None:
        """Cancel everything and wait for the threads."""
        for task in self._running:
            task.cancel()
        for task in list(self._running):
            task.wait()

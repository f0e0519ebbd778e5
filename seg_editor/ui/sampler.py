"""The generation worker: one thread, one running order, one waiting place in which the newest order wins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
from PyQt6.QtCore import QObject, QThread, pyqtSignal, pyqtSlot

from seg_editor.errors import ModelError, SegEditorError
from seg_editor.session.live import may_finish
from seg_editor.session.results import Mask, mask_of
from seg_editor.ui.backend import Backend, Order
from seg_editor.ui.handover import quick_handover

log = logging.getLogger(__name__)


class Run(QObject):
    """One order on its way, with the flag that stops it; `replaced` when a picture made before took its place."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order
        self.stop = Event()
        self.replaced = False
        self.fraction = 0.0
        self.mask: Mask | None = None


class _Worker(QObject):
    """Lives in the worker thread. Every run ends with exactly one of finished, cancelled and failed."""

    ready = pyqtSignal(object)
    step = pyqtSignal(object, object)
    result = pyqtSignal(object, object, float)
    scored = pyqtSignal(object, object, object)
    finished = pyqtSignal(object)
    cancelled = pyqtSignal(object)
    failed = pyqtSignal(object, object)
    loaded = pyqtSignal(str, str, str)
    load_failed = pyqtSignal(str, str, object)

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend

    @pyqtSlot(str, str)
    def load(self, model: str, device: str) -> None:
        try:
            with quick_handover():
                title = self._backend.load(model, device)
        except BaseException as error:
            self.load_failed.emit(model, device, _survived(error))
        else:
            self.loaded.emit(model, device, title)

    @pyqtSlot(object)
    def run(self, run: Run) -> None:
        try:
            with quick_handover():
                done = self._run(run)
        except BaseException as error:
            if run.stop.is_set():
                self.cancelled.emit(run)
            else:
                self.failed.emit(run, _survived(error))
        else:
            (self.finished if done else self.cancelled).emit(run)

    def _run(self, run: Run) -> bool:
        """Generate, then measure: at once the slice on display, then all; False when the run was stopped."""
        order, made = run.order, None
        if not run.stop.is_set():
            self._backend.load(order.model, order.device)
            self.ready.emit(run)
        started = time.perf_counter()
        if not run.stop.is_set():
            for step in self._backend.run(order, run.stop.is_set):
                if run.stop.is_set():
                    break
                check_finite(step)
                run.fraction = step.k / max(step.total, 1)
                made = step.result
                self.step.emit(run, step)
        if run.stop.is_set():
            return False
        if made is None:
            raise ModelError("the engine ended without a result", remedy="Try another model")
        run.mask = mask_of(order.case, order.labels, order.original, order.token)
        self.result.emit(run, made, time.perf_counter() - started)
        if order.first is not None and order.first in made.slices and len(made.slices) > 1:
            self.scored.emit(run, made, self._backend.score(order, made, (order.first,)))
        if not run.stop.is_set():
            self.scored.emit(run, made, self._backend.score(order, made))
        return True


def check_finite(step: Any) -> None:
    """Refuse a step whose picture holds values that are not finite.

    Raises
    ------
    ModelError
    """
    if step.preview is not None and not all(np.isfinite(picture).all() for picture in step.preview.values()):
        raise ModelError("the model gave values that are not finite", remedy="Try another seed or model")


def _survived(error: BaseException) -> Exception:
    """Return what to tell of an error; even one that would end the program ends only the run."""
    if not isinstance(error, SegEditorError):
        log.error("generation failed", exc_info=error)
    if isinstance(error, Exception):
        return error
    return ModelError(f"the engine tried to end the program ({type(error).__name__})", remedy="Try another model")


class Sampler(QObject):
    """Runs orders one after another. Signals arrive in the GUI thread.

    Signals
    -------
    started(Run), ready(Run) when its model is loaded, step(Run, Step),
    result(Run, Counterfactual, seconds), scored(Run, Counterfactual, Measured),
    finished(Run), cancelled(Run), failed(Run, Exception),
    loaded(model, device asked for, title of the device), load_failed(model, device, Exception),
    ended() after a run was let go of, when :attr:`running` is None or the next one
    """

    started = pyqtSignal(object)
    ready = pyqtSignal(object)
    step = pyqtSignal(object, object)
    result = pyqtSignal(object, object, float)
    scored = pyqtSignal(object, object, object)
    finished = pyqtSignal(object)
    cancelled = pyqtSignal(object)
    failed = pyqtSignal(object, object)
    loaded = pyqtSignal(str, str, str)
    load_failed = pyqtSignal(str, str, object)
    ended = pyqtSignal()
    _go = pyqtSignal(object)
    _load = pyqtSignal(str, str)

    def __init__(self, backend: Backend, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = QThread()
        self._thread.setObjectName("generation")
        self._worker = _Worker(backend)
        self._worker.moveToThread(self._thread)
        self._go.connect(self._worker.run)
        self._load.connect(self._worker.load)
        self._worker.ready.connect(self.ready)
        self._worker.step.connect(self._on_step)
        self._worker.result.connect(self.result)
        self._worker.scored.connect(self.scored)
        self._worker.finished.connect(self._on_finished)
        self._worker.cancelled.connect(self._on_cancelled)
        self._worker.failed.connect(self._on_failed)
        self._worker.loaded.connect(self.loaded)
        self._worker.load_failed.connect(self.load_failed)
        self.running: Run | None = None
        self.waiting: Run | None = None
        self._closed = False

    @property
    def alive(self) -> bool:
        """True while the thread exists."""
        return self._thread.isRunning()

    def load(self, model: str, device: str = "auto") -> None:
        """Make a model ready in the background."""
        if self._closed:
            return
        self._ensure_thread()
        self._load.emit(model, device)

    def submit(self, order: Order, *, patient: bool = False) -> None:
        """Run an order now or as soon as the running one ended; an order that still waited is dropped.

        Parameters
        ----------
        order : Order
        patient : bool
            Let a running order that is nearly done come to its end; else it stops after the step in progress.
        """
        if self._closed:
            return
        run = Run(order)
        if self.running is None:
            self._begin(run)
            return
        self.waiting = run
        lets_finish = may_finish(self.running.fraction, background=self.running.order.background)
        if not (patient and lets_finish):
            self.running.stop.set()

    def stop(self) -> bool:
        """Stop the running order within one step and drop the waiting one; False when nothing ran."""
        self.waiting = None
        if self.running is None:
            return False
        self.running.stop.set()
        return True

    def drop(self, unwanted: Callable[[Order], bool]) -> None:
        """Let go of the running and the waiting order where they are unwanted: a picture took their place."""
        if self.waiting is not None and unwanted(self.waiting.order):
            self.waiting = None
        run = self.running
        if run is not None and not run.stop.is_set() and unwanted(run.order):
            run.replaced = True
            run.stop.set()

    def shut_down(self, milliseconds: int = 120_000) -> bool:
        """Stop and end the thread for good; it ends after the step in progress."""
        self._closed = True
        self.stop()
        self._thread.quit()
        return bool(self._thread.wait(milliseconds))

    def _ensure_thread(self) -> None:
        if not self._thread.isRunning():
            self._thread.start()

    def _begin(self, run: Run) -> None:
        self._ensure_thread()
        self.running = run
        self.started.emit(run)
        self._go.emit(run)

    def _end(self, run: Run) -> None:
        if self.running is run:
            self.running = None
            waiting, self.waiting = self.waiting, None
            if waiting is not None:
                self._begin(waiting)
            self.ended.emit()

    def _on_step(self, run: Run, step: object) -> None:
        if not run.stop.is_set():
            self.step.emit(run, step)

    def _on_finished(self, run: Run) -> None:
        self.finished.emit(run)
        self._end(run)

    def _on_cancelled(self, run: Run) -> None:
        self.cancelled.emit(run)
        self._end(run)

    def _on_failed(self, run: Run, error: object) -> None:
        self.failed.emit(run, error)
        self._end(run)

"""The orders of a case on their way: what runs, what waits, how far it is, its steps, how it ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.session.live import Status
from seg_editor.session.pace import Pace
from seg_editor.session.previews import StepPicture, StepPreviews
from seg_editor.ui.backend import Order
from seg_editor.ui.content import Preview
from seg_editor.ui.orders import kind_of
from seg_editor.ui.sampler import Run, Sampler

if TYPE_CHECKING:
    from seg_editor.cases import Case


class Runs(QObject):
    """A queue in front of the sampler, and the state of its run.

    Signals
    -------
    changed()
        What runs or waits, its progress, or how it ended.
    previewed(object)
        A :class:`Preview`, or None when the preview ends.
    arrived(Run, Counterfactual)
        A result of the case.
    scored(Run, Counterfactual, Measured)
        Figures of a result of the case.
    failed(object)
        An exception to show.
    ready(str, str)
        Model and device of the running order: it is loaded.

    Attributes
    ----------
    pace : Pace
    steps : StepPreviews
        Of the last run that showed any.
    error : object
        Why the last run failed, or None.
    ended : Status or None
        How the last run ended where it left no result: cancelled or failed.
    """

    changed = pyqtSignal()
    previewed = pyqtSignal(object)
    arrived = pyqtSignal(object, object)
    scored = pyqtSignal(object, object, object)
    failed = pyqtSignal(object)
    ready = pyqtSignal(str, str)

    def __init__(self, sampler: Sampler, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.pace = Pace()
        self.steps = StepPreviews()
        self.error: object = None
        self.ended: Status | None = None
        self._case: Case | None = None
        self._scoring = ""
        self._queue: deque[Order] = deque()
        self._done = 0
        self._series_began = 0.0
        self._sampler = sampler
        sampler.started.connect(self._on_started)
        sampler.ready.connect(self._on_ready)
        sampler.step.connect(self._on_step)
        sampler.result.connect(self._on_result)
        sampler.scored.connect(self._on_scored)
        sampler.finished.connect(lambda _run: self._after())
        sampler.cancelled.connect(self._on_cancelled)
        sampler.failed.connect(self._on_failed)
        sampler.ended.connect(self._on_ended)

    @property
    def running(self) -> bool:
        """True while a run is in progress, its measuring included."""
        return self._sampler.running is not None

    @property
    def stopping(self) -> bool:
        """True while a run that was told to stop has not ended yet."""
        run = self._sampler.running
        return run is not None and run.stop.is_set()

    @property
    def scoring(self) -> bool:
        """True while the picture of the run is there and is being measured."""
        return bool(self._scoring)

    @property
    def measuring(self) -> str:
        """Key of the picture that is being measured; empty for none."""
        return self._scoring

    @property
    def waiting(self) -> bool:
        """True while an order waits for the running one to end."""
        return self._sampler.waiting is not None

    @property
    def series(self) -> tuple[Order, int, int] | None:
        """The running order, its number in a series of several orders, and how many these are; None outside of one."""
        run, total = self._sampler.running, self._done + 1 + len(self._queue)
        return None if run is None or self.waiting or total == 1 else (run.order, self._done + 1, total)

    @property
    def to_come(self) -> tuple[Order, ...]:
        """The orders of the series that have not begun."""
        return tuple(self._queue)

    @property
    def elapsed(self) -> float:
        """Seconds since the running order began and its model was there; in a series, since the series began."""
        if not self.running:
            return 0.0
        now = time.perf_counter()
        return self.pace.elapsed(now) if self.series is None else now - self._series_began

    @property
    def expected(self) -> float | None:
        """Seconds from where :attr:`elapsed` begins to the end of the running order; None when nothing is known."""
        run, total, now = self._sampler.running, self.pace.progress[1], time.perf_counter()
        if run is None:
            return None
        alone = self.pace.expected(kind_of(run.order, total) if total else None, now)
        return None if alone is None else self.elapsed - self.pace.elapsed(now) + alone

    def set_case(self, case: Case | None) -> None:
        """Work on another case: the running order stops, its results are dropped."""
        self._queue.clear()
        self._sampler.stop()
        self.steps.clear()
        self._case, self.ended = case, None

    def submit(self, orders: Iterable[Order], *, patient: bool = False) -> None:
        """Run orders one after another, the first at once; what waited is dropped."""
        first, *rest = orders
        self._queue, self._done, self._series_began = deque(rest), 0, time.perf_counter()
        self._sampler.submit(first, patient=patient)
        self.changed.emit()

    def holds(self, order: Order) -> bool:
        """True when an order for the same picture is running or waits already."""
        runs = (self._sampler.running, self._sampler.waiting)
        return any(run is not None and not run.stop.is_set() and run.order.place == order.place for run in runs)

    def keep(self, wanted: Callable[[Order], bool]) -> None:
        """Let go of the orders that are not wanted: a picture took their place."""
        self.ended = None
        self._queue = deque(order for order in self._queue if wanted(order))
        self._sampler.drop(lambda order: not wanted(order))

    def stop(self) -> bool:
        """Stop the running order and what waits; False when nothing ran."""
        self._queue.clear()
        stopped = self._sampler.stop()
        self.changed.emit()
        return stopped

    def shut_down(self) -> bool:
        """End the worker thread."""
        self._queue.clear()
        return self._sampler.shut_down()

    def _current(self, run: Run) -> bool:
        return self._case is not None and run.order.case is self._case

    def _on_started(self, run: Run) -> None:
        self._scoring, self.error, self.ended = "", None, None
        self.pace.begin(time.perf_counter())
        if run.order.show and not run.order.background:
            self.steps.begin()
        self.changed.emit()

    def _on_ready(self, run: Run) -> None:
        self.ready.emit(run.order.model, run.order.device)
        if self._sampler.running is run:
            self.pace.begin(time.perf_counter())

    def _on_step(self, run: Run, step: Any) -> None:
        if not self._current(run):
            return
        self.pace.step(step.k, step.total, time.perf_counter())
        order = run.order
        if step.preview is not None and order.show and not order.background:
            self.steps.add(StepPicture(step.k, step.slice_index, step.preview))
            if step.result is None:
                maker, token = (order.model, order.seed), order.place.token
                self.previewed.emit(Preview(step.slice_index, step.preview, step.k, step.total, *maker, token=token))
        self.changed.emit()

    def _on_result(self, run: Run, made: Any, seconds: float) -> None:
        if not self._current(run):
            return
        order, key = run.order, made.request.key
        self._scoring = key
        if key not in order.known:
            kind = order.kind(made.request.steps, len(made.request.slices))
            self.pace.times.add(kind, seconds, sum(made.seconds.values()))
        if order.show:
            self.previewed.emit(None)
        if order.show and not order.background:
            self.steps.finish(key)
        self.arrived.emit(run, made)
        self.changed.emit()

    def _on_scored(self, run: Run, made: Any, measured: Any) -> None:
        if self._current(run):
            self.scored.emit(run, made, measured)
            self.changed.emit()

    def _on_cancelled(self, run: Run) -> None:
        if self._current(run) and not run.replaced:
            self.ended = Status.CANCELLED
        self._after()

    def _on_failed(self, run: Run, error: object) -> None:
        if self._current(run):
            self.ended, self.error = Status.FAILED, error
            self._queue.clear()
        self._after()
        if self._current(run):
            self.failed.emit(error)

    def _after(self) -> None:
        """End the preview; `changed` follows when the sampler let go of the run, so that nothing shows an old state."""
        self._scoring = ""
        self.previewed.emit(None)

    def _on_ended(self) -> None:
        if self._queue and not self.running:
            self._done += 1
            self._sampler.submit(self._queue.popleft())
        self.changed.emit()

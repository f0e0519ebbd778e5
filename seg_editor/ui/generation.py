"""Generation as the window sees it: submits runs, keeps what comes back, says how far it is and how long it takes."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.session import Workspace
from seg_editor.session.live import ChipFacts, Kind, RunTimes, Status, status_of
from seg_editor.session.measured import Measured
from seg_editor.session.pace import Pace
from seg_editor.session.previews import StepPicture, StepPreviews
from seg_editor.session.results import Entry
from seg_editor.session.stage import Stage
from seg_editor.ui.backend import Backend, ModelInfo, Order
from seg_editor.ui.bind import bind
from seg_editor.ui.content import Preview
from seg_editor.ui.orders import fitting_preset, kind_of, next_kind, order_of, place_of, restore_settings
from seg_editor.ui.sampler import Run, Sampler
from seg_editor.ui.state import GenerationSettings

__all__ = ["SEED_LIMIT", "Generation", "Status"]

SEED_LIMIT = 1_000_000
_RELOADS = ("model", "device")


class Generation(QObject):
    """Submits runs for a workspace and keeps what comes back.

    Signals
    -------
    changed()
        Status, progress, numbers or models changed.
    previewed(object)
        A :class:`Preview`, or None when the preview ends.
    failed(object)
        An exception to show.
    stale_changed(bool)
    made(object)
        The :class:`Order` whose result arrived.
    loaded()
        The chosen model is there.
    """

    changed = pyqtSignal()
    previewed = pyqtSignal(object)
    failed = pyqtSignal(object)
    stale_changed = pyqtSignal(bool)
    made = pyqtSignal(object, str)
    loaded = pyqtSignal()

    def __init__(self, backend: Backend, settings: GenerationSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self.models: Sequence[ModelInfo] = ()
        self.model_problem = "The models are still being looked up"
        self.device = ""
        self.error: object = None
        self.pace = Pace()
        self.steps = StepPreviews()
        self.pending: Callable[[], bool] = lambda: False
        self.paused = ""
        self._backend = backend
        self._workspace: Workspace | None = None
        self._stage: Stage | None = None
        self._unbind: list[Callable[[], None]] = []
        self._ended: Status | None = None
        self._scoring = False
        self._stale = False
        self._queue: deque[Order] = deque()
        self._sampler = sampler = Sampler(backend, self)
        sampler.started.connect(self._on_started)
        sampler.ready.connect(self._on_ready)
        sampler.step.connect(self._on_step)
        sampler.result.connect(self._on_result)
        sampler.scored.connect(self._on_scored)
        sampler.finished.connect(lambda _run: self._after())
        sampler.cancelled.connect(self._on_cancelled)
        sampler.failed.connect(self._on_failed)
        sampler.ended.connect(self._on_ended)
        sampler.loaded.connect(self._on_loaded)
        sampler.load_failed.connect(self._on_load_failed)
        bind(self, settings.changed, self._on_setting)

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
    def status(self) -> Status:
        """What the chip shows."""
        return status_of(
            ChipFacts(
                running=self.running,
                preparing=self.progress == (0, 0),
                stopping=self.stopping,
                scoring=self._scoring,
                waiting=self._sampler.waiting is not None or self.pending(),
                ended=self._ended,
                has_result=self._stage is not None and self._stage.shown is not None,
                stale=self._stale,
                paused=self.paused,
            )
        )

    @property
    def stale(self) -> bool:
        """True when the mask changed since the result on display was ordered."""
        return self._stale

    @property
    def removed(self) -> bool:
        """True when tumor was removed, so that there is something to generate."""
        return self._stage is not None and self._stage.removed

    @property
    def has_results(self) -> bool:
        """True when a picture was made of this case."""
        return self._workspace is not None and len(self._workspace.results) > 0

    @property
    def times(self) -> RunTimes:
        """What earlier runs took."""
        return self.pace.times

    @property
    def progress(self) -> tuple[int, int]:
        """Network passes done and in all."""
        return self.pace.progress

    @property
    def elapsed(self) -> float:
        """Seconds since the running order began and its model was there."""
        return self.pace.elapsed(time.perf_counter()) if self.running else 0.0

    @property
    def expected(self) -> float | None:
        """Seconds that the running order takes, or the one that would run next; None when nothing is known."""
        run, total = self._sampler.running, self.progress[1]
        if run is None:
            return self.times.expected(self.next_kind())
        return self.pace.expected(kind_of(run.order, total) if total else None, time.perf_counter())

    def next_kind(self, slices: str = "") -> Kind:
        """What the next run would be, for its expected time."""
        whole = self._stage is not None and (slices or self.settings.slices) != "slice"
        count = self._stage.removed_count if whole and self._stage is not None else 1
        return next_kind(self.settings, self.models, count)

    def measured(self, key: str = "") -> Measured | None:
        """Return figures and referee maps of a result, by default of the one on display."""
        return None if self._stage is None else self._stage.measured(key)

    def metrics(self) -> Any:
        """Return the numbers of the result on display, or None."""
        return getattr(self.measured(), "metrics", None)

    def find_models(self) -> None:
        """List the models and load the chosen one in the background; called after the window shows."""
        try:
            self.models = tuple(self._backend.models())
        except Exception as error:
            self.model_problem = f"No model can be used: {error}"
            self.failed.emit(error)
        else:
            self.model_problem = "" if self.models else "No model is installed: add one under resources/models"
        names = [model.name for model in self.models]
        if names and self.settings.model not in names:
            self.settings.model = names[0]
        elif names:
            self._sampler.load(self.settings.model, self.settings.device)
        self.changed.emit()

    def _on_setting(self, name: str) -> None:
        self.paused = ""
        if name == "model":
            self.settings.preset = fitting_preset(self.models, self.settings)
        if name in _RELOADS and self.models:
            self.model_problem = ""
            self._sampler.load(self.settings.model, self.settings.device)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case: the running order stops, results of the old case are dropped."""
        self._queue.clear()
        self._sampler.stop()
        for unbind in self._unbind:
            unbind()
        self._workspace, self._ended, self.paused = workspace, None, ""
        self._stage = None if workspace is None else Stage(workspace)
        self.steps.clear()
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.segmentation.changed, lambda _box: self._check_stale()),
                bind(self, workspace.results.changed, self._check_stale),
            ]
        self._check_stale()
        self.changed.emit()

    @property
    def token(self) -> Hashable:
        """The present state of the mask; equal tokens, equal masks."""
        return -1 if self._stage is None else self._stage.token

    def _check_stale(self) -> None:
        stale = self._stage is not None and self._stage.stale
        if stale != self._stale:
            self._stale = stale
            self.stale_changed.emit(stale)
            self.changed.emit()

    def order(self, **changes: Any) -> Order | None:
        """The order that the settings, the mask and the slice of this moment make; None without case or model."""
        if self._workspace is None or self.model_problem:
            return None
        model = changes.get("model", "")
        return replace(order_of(self._workspace, self.settings, self.models, self.token, model), **changes)

    def generate(self) -> None:
        """Order a run with the settings, the mask and the slice of this moment; what runs stops."""
        if self._workspace is not None and not self.model_problem and not self.settings.seed_locked:
            self.new_seed()
        order = self.order()
        if order is not None:
            self.submit([order])

    def submit(self, orders: Iterable[Order], *, patient: bool = False) -> None:
        """Run orders one after another, the first at once; what waited is dropped."""
        self.paused = ""
        first, *rest = orders
        self._queue = deque(rest)
        self._sampler.submit(first, patient=patient)
        self.changed.emit()

    def runs(self, order: Order) -> bool:
        """True when an order for the same picture is running or waits already."""
        runs = (self._sampler.running, self._sampler.waiting)
        return any(run is not None and not run.stop.is_set() and run.order.place == order.place for run in runs)

    def recall(self, z: int | None = None) -> bool:
        """Show the picture made before for the present mask, settings and slice; False when there is none.

        What live generation ordered for another mask or other settings stops.
        """
        workspace, stage = self._workspace, self._stage
        if workspace is None or stage is None or self.model_problem:
            return False
        place = place_of(workspace, self.settings, self.models, stage.token)
        index = workspace.view.cursor[2] if z is None else z
        if not stage.recall(place, index, open_seed=not self.settings.seed_locked):
            return False
        self._on_stage_set(lambda order: order.place._replace(slices="all") == place)
        return True

    def show_source(self) -> None:
        """Take the picture from the stage where nothing is removed any more."""
        if self._stage is not None and not self._stage.removed:
            self._stage.show(None)
            self._on_stage_set(lambda _order: False)

    def _on_stage_set(self, wanted: Callable[[Order], bool]) -> None:
        """Another picture was put on display by hand: how the last run ended no longer matters."""
        self._ended = None
        self._check_stale()
        self._drop_live(wanted)

    def _drop_live(self, wanted: Callable[[Order], bool]) -> None:
        """Stop what live generation ordered, unless it is wanted still."""
        self._queue = deque(order for order in self._queue if not order.live or wanted(order))
        self._sampler.drop(lambda order: order.live and not wanted(order))

    def restore(self, entry: Entry) -> None:
        """Bring back a result with its mask and its settings; the mask as one step that undo takes back."""
        if self._stage is None or not self._stage.restore(entry):
            return
        restore_settings(self.settings, entry, self.models)
        self._on_stage_set(lambda _order: False)
        self.changed.emit()

    def new_seed(self) -> None:
        """Draw another seed."""
        self.settings.seed = random.randrange(SEED_LIMIT)

    def next_seed(self) -> None:
        """Take the following seed."""
        self.settings.seed = (self.settings.seed + 1) % SEED_LIMIT

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
        return self._workspace is not None and run.order.case is self._workspace.case

    def _on_started(self, run: Run) -> None:
        self._scoring, self.error, self._ended = False, None, None
        self.pace.begin(time.perf_counter())
        if run.order.show and not run.order.background:
            self.steps.clear()
        self.changed.emit()

    def _on_ready(self, run: Run) -> None:
        self._suppose(run.order.model, run.order.device)
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
                self.previewed.emit(Preview(step.slice_index, step.preview, f"Step {step.k} of {step.total}"))
        self.changed.emit()

    def _on_result(self, run: Run, made: Any, seconds: float) -> None:
        order, stage, key = run.order, self._stage, made.request.key
        if not self._current(run) or stage is None:
            return
        self._scoring = True
        if key not in order.known:
            kind = order.kind(made.request.steps, len(made.request.slices))
            self.times.add(kind, seconds, sum(made.seconds.values()))
        if order.show:
            self.previewed.emit(None)
        if order.show and not order.background:
            self.steps.finish(key)
        stage.receive(made, run.mask, order.place, wanted=order.show and not run.replaced)
        self._check_stale()
        self.made.emit(order, key)
        self.changed.emit()

    def _on_scored(self, run: Run, made: Any, measured: Any) -> None:
        if self._current(run) and self._workspace is not None:
            self._workspace.results.set_metrics(made.request.key, measured)
            self.changed.emit()

    def _on_cancelled(self, run: Run) -> None:
        if self._current(run) and not run.replaced:
            self._ended = Status.CANCELLED
        self._after()

    def _on_failed(self, run: Run, error: object) -> None:
        if not self._current(run):
            self._after()
            return
        self._ended, self.error = Status.FAILED, error
        self._queue.clear()
        self.settings.live = False
        self._after()
        self.failed.emit(error)

    def _after(self) -> None:
        """End the preview; `changed` follows when the sampler let go of the run, so that nothing shows an old state."""
        self._scoring = False
        self.previewed.emit(None)

    def _on_ended(self) -> None:
        if self._queue and not self.running:
            self._sampler.submit(self._queue.popleft())
        self.changed.emit()

    def _chosen(self, model: str, device: str) -> bool:
        return (model, device) == (self.settings.model, self.settings.device)

    def _on_loaded(self, model: str, device: str, title: str) -> None:
        self._suppose(model, device)
        if self._chosen(model, device):
            self.model_problem, self.device = "", title
            self.loaded.emit()
        self.changed.emit()

    def _suppose(self, model: str, device: str) -> None:
        self.times.suppose(model, device, self._backend.pass_seconds(model, device))

    def _on_load_failed(self, model: str, device: str, error: object) -> None:
        if not self._chosen(model, device):
            return
        self.model_problem = f"{model} cannot be used"
        self.failed.emit(error)
        self.changed.emit()

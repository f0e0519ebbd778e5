"""The state of generation: what the chip says, which results belong to which mask, which numbers to which picture."""

from __future__ import annotations

import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.session import Workspace
from seg_editor.ui.backend import Backend, ModelInfo, Order
from seg_editor.ui.bind import bind
from seg_editor.ui.content import Preview
from seg_editor.ui.sampler import Run, Sampler
from seg_editor.ui.state import GenerationSettings

SEED_LIMIT = 1_000_000


class Status(StrEnum):
    """What the chip shows."""

    IDLE = "Idle"
    STALE = "Stale"
    WAITING = "Waiting"
    LOADING = "Loading model"
    RUNNING = "Running"
    SCORING = "Measuring"
    FRESH = "Fresh"
    CANCELLED = "Cancelled"
    FAILED = "Failed"


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
    """

    changed = pyqtSignal()
    previewed = pyqtSignal(object)
    failed = pyqtSignal(object)
    stale_changed = pyqtSignal(bool)

    def __init__(self, backend: Backend, settings: GenerationSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self.models: Sequence[ModelInfo] = ()
        self.model_problem = "The models are still being looked up"
        self.device = ""
        self.progress = (0, 0)
        self.error: object = None
        self._backend = backend
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._ending = Status.IDLE
        self._loading = False
        self._scoring = False
        self._began = 0.0
        self._times: dict[tuple[object, ...], deque[float]] = defaultdict(lambda: deque(maxlen=10))
        self._revisions: dict[str, int] = {}
        self._metrics: dict[str, Any] = {}
        self._stale = False
        self._sampler = Sampler(backend, self)
        self._sampler.started.connect(self._on_started)
        self._sampler.step.connect(self._on_step)
        self._sampler.result.connect(self._on_result)
        self._sampler.scored.connect(self._on_scored)
        self._sampler.cancelled.connect(self._on_cancelled)
        self._sampler.failed.connect(self._on_failed)
        self._sampler.ended.connect(self.changed)
        self._sampler.loaded.connect(self._on_loaded)
        self._sampler.load_failed.connect(self._on_load_failed)

    @property
    def running(self) -> bool:
        """True while a run is in progress, its measuring included."""
        return self._sampler.running is not None

    @property
    def status(self) -> Status:
        """What the chip shows."""
        if self._sampler.waiting is not None:
            return Status.WAITING
        if self.running:
            if self._scoring:
                return Status.SCORING
            return Status.LOADING if self.progress == (0, 0) else Status.RUNNING
        if self._ending in (Status.FAILED, Status.CANCELLED):
            return self._ending
        if self._workspace is None or self._workspace.results.current is None:
            return Status.IDLE
        return Status.STALE if self._stale else Status.FRESH

    @property
    def stale(self) -> bool:
        """True when the mask changed since the result on display was ordered."""
        return self._stale

    @property
    def elapsed(self) -> float:
        """Seconds since the running order began."""
        return time.perf_counter() - self._began if self.running else 0.0

    @property
    def expected(self) -> float | None:
        """Mean seconds of the last runs of the running kind, or of the kind that would run next."""
        run = self._sampler.running
        kind = run.order.kind if run is not None else self._next_kind()
        times = self._times.get(kind)
        return sum(times) / len(times) if times else None

    def _next_kind(self) -> tuple[object, ...]:
        s = self.settings
        return s.model, s.preset, s.steps, 1 if s.slices == "slice" else 0

    def metrics(self) -> Any:
        """Return the numbers of the result on display, or None."""
        result = None if self._workspace is None else self._workspace.results.current
        return None if result is None else self._metrics.get(result.request.key)

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
        if names:
            self._loading = True
            self._sampler.load(self.settings.model)
        self.changed.emit()

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case: the running order stops, results of the old case are dropped."""
        self._sampler.stop()
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._revisions, self._metrics, self._ending = {}, {}, Status.IDLE
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.segmentation.changed, lambda _box: self._check_stale()),
                bind(self, workspace.results.changed, self._check_stale),
            ]
        self._check_stale()
        self.changed.emit()

    def _check_stale(self) -> None:
        workspace = self._workspace
        result = None if workspace is None else workspace.results.current
        stale = False
        if workspace is not None and result is not None:
            stale = self._revisions.get(result.request.key) != workspace.segmentation.revision
        if stale != self._stale:
            self._stale = stale
            self.stale_changed.emit(stale)
            self.changed.emit()

    def generate(self) -> None:
        """Order a run with the settings, the mask and the slice of this moment."""
        workspace, settings = self._workspace, self.settings
        if workspace is None or self.model_problem:
            return
        if not settings.seed_locked:
            self.new_seed()
        segmentation = workspace.segmentation
        order = Order(
            case=workspace.case,
            original=segmentation.original.copy(),
            labels=segmentation.labels.copy(),
            revision=segmentation.revision,
            model=settings.model,
            preset=settings.preset,
            steps=settings.steps,
            slices=(workspace.view.cursor[2],) if settings.slices == "slice" else settings.slices,
            seed=settings.seed,
            first=workspace.view.cursor[2],
            known={result.request.key: result for result in workspace.results},
        )
        self._sampler.submit(order)
        self.changed.emit()

    def new_seed(self) -> None:
        """Draw another seed."""
        self.settings.seed = random.randrange(SEED_LIMIT)

    def stop(self) -> bool:
        """Stop the running order; False when nothing ran."""
        stopped = self._sampler.stop()
        self.changed.emit()
        return stopped

    def shut_down(self) -> bool:
        """End the worker thread."""
        return self._sampler.shut_down()

    def _current(self, run: Run) -> bool:
        return self._workspace is not None and run.order.case is self._workspace.case

    def _on_started(self, run: Run) -> None:
        self.progress, self._scoring, self.error = (0, 0), False, None
        self._ending = Status.IDLE
        self._began = time.perf_counter()
        self.changed.emit()

    def _on_step(self, run: Run, step: Any) -> None:
        if not self._current(run):
            return
        self.progress = (step.k, step.total)
        if step.preview is not None and step.result is None:
            self.previewed.emit(Preview(step.slice_index, step.preview))
        self.changed.emit()

    def _on_result(self, run: Run, made: Any, seconds: float) -> None:
        if not self._current(run) or self._workspace is None:
            return
        self._scoring = True
        if made.request.key not in run.order.known:
            self._times[run.order.kind].append(seconds)
        self._revisions[made.request.key] = run.order.revision
        self.previewed.emit(None)
        self._workspace.results.add(made)
        self._check_stale()
        self.changed.emit()

    def _on_scored(self, run: Run, made: Any, metrics: Any) -> None:
        self._scoring = False
        if self._current(run):
            self._metrics[made.request.key] = metrics
        self._after()

    def _on_cancelled(self, run: Run) -> None:
        if self._current(run):
            self._ending = Status.CANCELLED
        self._after()

    def _on_failed(self, run: Run, error: object) -> None:
        self._ending, self.error = Status.FAILED, error
        self._after()
        self.failed.emit(error)

    def _after(self) -> None:
        """End the preview; `changed` follows when the sampler let go of the run, so that nothing shows an old state."""
        self._scoring = False
        self.previewed.emit(None)

    def _on_loaded(self, model: str, device: str) -> None:
        self._loading, self.device = False, device
        self.changed.emit()

    def _on_load_failed(self, model: str, error: object) -> None:
        self._loading = False
        self.model_problem = f"{model} cannot be used"
        self.failed.emit(error)
        self.changed.emit()

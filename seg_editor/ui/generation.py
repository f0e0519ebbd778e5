"""Generation as the window sees it: orders pictures, keeps what comes back, says what state it all is in."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.session import Workspace
from seg_editor.session.live import ChipFacts, Kind, RunTimes, Status, status_of
from seg_editor.session.measured import Measured
from seg_editor.session.previews import StepPreviews
from seg_editor.session.results import Entry
from seg_editor.session.stage import Stage
from seg_editor.ui.backend import Backend, ModelInfo, Order
from seg_editor.ui.bind import bind
from seg_editor.ui.models import Models
from seg_editor.ui.orders import next_kind, order_kind, order_of, place_of, restore_settings
from seg_editor.ui.runs import Runs
from seg_editor.ui.sampler import Run, Sampler
from seg_editor.ui.state import GenerationSettings

__all__ = ["SEED_LIMIT", "Generation", "Status"]

SEED_LIMIT = 1_000_000


class Generation(QObject):
    """Turns settings, mask and slice into orders, and results into what is on display.

    :class:`~seg_editor.ui.models.Models` loads the models, :class:`~seg_editor.ui.runs.Runs` runs the orders.

    Signals
    -------
    changed()
        Status, progress, numbers or models changed.
    previewed(object)
        A :class:`Preview`, or None when the preview ends.
    failed(object)
        An exception to show.
    stale_changed(bool)
    made(object, str)
        The :class:`Order` whose result arrived, and the key of its request.
    recalled()
        What was asked for had been made before and is on display: nothing ran.
    loaded()
        The chosen model is there.
    """

    changed = pyqtSignal()
    previewed = pyqtSignal(object)
    failed = pyqtSignal(object)
    stale_changed = pyqtSignal(bool)
    made = pyqtSignal(object, str)
    recalled = pyqtSignal()
    loaded = pyqtSignal()

    def __init__(self, backend: Backend, settings: GenerationSettings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self._workspace: Workspace | None = None
        self._stage: Stage | None = None
        self._unbind: list[Callable[[], None]] = []
        self._pending = self._recalled = self._stale = self._removed = False
        self._paused = ""
        self._told = Status.IDLE
        self._z = -1
        sampler = Sampler(backend, self)
        self._runs = runs = Runs(sampler, self)
        runs.changed.connect(self._tell)
        runs.previewed.connect(self.previewed)
        runs.arrived.connect(self._on_arrived)
        runs.scored.connect(self._on_scored)
        runs.failed.connect(self._on_failed)
        bind(self, settings.changed, lambda _name: self._forget_notes())
        self._models = models = Models(backend, settings, sampler, self.times, self)
        models.changed.connect(self._tell)
        models.loaded.connect(self.loaded)
        models.failed.connect(self.failed)
        runs.ready.connect(models.note_pass)

    @property
    def models(self) -> Sequence[ModelInfo]:
        """The models to choose from."""
        return self._models.known

    @property
    def model_problem(self) -> str:
        """Why nothing can be generated; empty when it can."""
        return self._models.problem

    @property
    def device(self) -> str:
        """What the chosen model runs on, such as ``CPU``."""
        return self._models.device

    @property
    def pending(self) -> bool:
        """True while live generation waits to act on an edit."""
        return self._pending

    @property
    def paused(self) -> str:
        """Why live generation stands still, or nothing."""
        return self._paused

    @property
    def showed_again(self) -> bool:
        """True when what was asked for last had been made before: the same picture is on display."""
        return self._recalled

    def set_live(self, *, pending: bool | None = None, paused: str | None = None) -> None:
        """Take the state of live generation: whether it waits to act, why it stands still; None leaves as it is."""
        before = self._pending, self._paused
        self._pending = self._pending if pending is None else pending
        self._paused = self._paused if paused is None else paused
        if (self._pending, self._paused) != before:
            self._tell()

    @property
    def running(self) -> bool:
        """True while a run is in progress, its measuring included."""
        return self._runs.running

    @property
    def stopping(self) -> bool:
        """True while a run that was told to stop has not ended yet."""
        return self._runs.stopping

    @property
    def measuring(self) -> str:
        """Key of the picture that is being measured; empty for none."""
        return self._runs.measuring

    @property
    def error(self) -> object:
        """Why the last run failed, or None."""
        return self._runs.error

    @property
    def steps(self) -> StepPreviews:
        """The steps of the last run that showed any."""
        return self._runs.steps

    @property
    def status(self) -> Status:
        """What the chip shows."""
        runs = self._runs
        return status_of(
            ChipFacts(
                running=runs.running,
                preparing=self.progress == (0, 0),
                stopping=runs.stopping,
                scoring=runs.scoring,
                waiting=runs.waiting or self._pending,
                ended=runs.ended,
                has_result=self._stage is not None and self._stage.shown is not None,
                here=self._stage is not None and self._stage.here,
                stale=self._stale,
                paused=self._paused,
            )
        )

    @property
    def stale(self) -> bool:
        """True when the mask changed since the result on display was ordered."""
        return self._stale

    def outdated(self, key: str) -> bool:
        """True when the mask is not the one that the result of a request was made for."""
        return self._stage is not None and self._stage.outdated(key)

    def fits(self, token: Hashable) -> bool:
        """True when a picture made for this state of the mask is a picture of the present one."""
        return self._stage is not None and self._stage.fits(token)

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
        return self._runs.pace.times

    @property
    def progress(self) -> tuple[int, int]:
        """Network passes done and in all."""
        return self._runs.pace.progress

    @property
    def elapsed(self) -> float:
        """Seconds since the running order began and its model was there; in a series, since the series began."""
        return self._runs.elapsed

    @property
    def expected(self) -> float | None:
        """Seconds that the running order takes with all that follow in its series, or that the next run would take.

        Every order counts with its own steps; a model that never ran is taken to be as fast as the running one.
        None when nothing is known.
        """
        if not self.running:
            return self.times.expected(self.next_kind())
        running, series = self._runs.expected, self.series
        if running is None or series is None:
            return running
        slices = self.next_kind("all").slices
        kinds = (order_kind(order, self.models, slices) for order in self._runs.to_come)
        return running + sum(self.times.expected_like(kind, series[0].model) for kind in kinds)

    @property
    def series(self) -> tuple[Order, int, int] | None:
        """The running order, its number in a series of several, and how many these are; None outside of one."""
        return self._runs.series

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
        self._models.find()

    def _tell(self) -> None:
        self._told = self.status
        self.changed.emit()

    def _forget_notes(self) -> None:
        """Settings or mask are others now: why live stood still and what was there already no longer matters."""
        self._paused, self._recalled = "", False

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case: the running order stops, results of the old case are dropped."""
        self._runs.set_case(None if workspace is None else workspace.case)
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._forget_notes()
        self._z = -1 if workspace is None else workspace.view.cursor[2]
        self._stage = None if workspace is None else Stage(workspace)
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.segmentation.changed, lambda _box: self._check_stale()),
                bind(self, workspace.results.changed, self._check_stale),
                bind(self, workspace.view.changed, self._on_view),
            ]
        self._check_stale()
        self._tell()

    @property
    def token(self) -> Hashable:
        """The present state of the mask; equal tokens, equal masks."""
        return -1 if self._stage is None else self._stage.token

    def _on_view(self, name: str) -> None:
        """The chip is about the slice on display."""
        if name == "cursor" and self._workspace is not None and self._workspace.view.cursor[2] != self._z:
            self._z = self._workspace.view.cursor[2]
            self._recalled = False
            if self._runs.ended is Status.CANCELLED:
                self._runs.ended = None
            if self.status is not self._told:
                self._tell()

    def _check_stale(self) -> None:
        stale = self._stage is not None and self._stage.stale
        changed, emptied = stale != self._stale, self.removed != self._removed
        self._stale, self._removed = stale, self.removed
        if changed:
            self._recalled = self._recalled and not stale
            self.stale_changed.emit(stale)
        if changed or emptied or self.status is not self._told:
            self._tell()

    def order(self, **changes: Any) -> Order | None:
        """The order that the settings, the mask and the slice of this moment make; None without case or model."""
        if self._workspace is None or self.model_problem:
            return None
        model = changes.get("model", "")
        return replace(order_of(self._workspace, self.settings, self.models, self.token, model), **changes)

    def generate(self) -> None:
        """Order a run with the settings, the mask and the slice of this moment; what runs stops.

        A picture that these made before is shown at once in place of a run, its steps included.
        """
        if self._workspace is not None and not self.model_problem and not self.settings.seed_locked:
            self.new_seed()
        if self._show_again():
            return
        order = self.order()
        if order is not None:
            self.submit([order])

    def _show_again(self) -> bool:
        """Show the measured picture of exactly these settings, mask and slices; False when there is none."""
        workspace, stage = self._workspace, self._stage
        if workspace is None or stage is None or self.model_problem:
            return False
        place = place_of(workspace, self.settings, self.models, stage.token)
        whole = self.settings.slices == "all"
        if not stage.recall(place, workspace.view.cursor[2], whole=whole, measured=True):
            return False
        self._on_stage_set(lambda _order: False, live_only=False)
        self._recalled = True
        self.recalled.emit()
        self._tell()
        return True

    def submit(self, orders: Iterable[Order], *, patient: bool = False) -> None:
        """Run orders one after another, the first at once; what waited is dropped."""
        self._forget_notes()
        self._runs.submit(orders, patient=patient)

    def runs(self, order: Order) -> bool:
        """True when an order for the same picture is running or waits already."""
        return self._runs.holds(order)

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

    def _on_stage_set(self, wanted: Callable[[Order], bool], *, live_only: bool = True) -> None:
        """Another picture was put on display by hand: what live generation (or anyone) ordered stops unless wanted."""
        self._forget_notes()
        self._check_stale()
        self._runs.keep(lambda order: (live_only and not order.live) or wanted(order))
        self._tell()

    def restore(self, entry: Entry) -> None:
        """Bring back a result with its mask and its settings; the mask as one step that undo takes back."""
        if self._stage is None or not self._stage.restore(entry):
            return
        restore_settings(self.settings, entry, self.models)
        self._on_stage_set(lambda _order: False)

    def new_seed(self) -> None:
        """Draw another seed."""
        self.settings.seed = random.randrange(SEED_LIMIT)

    def next_seed(self) -> None:
        """Take the following seed."""
        self.settings.seed = (self.settings.seed + 1) % SEED_LIMIT

    def stop(self) -> bool:
        """Stop the running order and what waits; False when nothing ran."""
        return self._runs.stop()

    def shut_down(self) -> bool:
        """End the worker thread."""
        return self._runs.shut_down()

    def _on_arrived(self, run: Run, made: Any) -> None:
        if self._stage is not None:
            self._stage.receive(made, run.mask, run.order.place, wanted=run.order.show and not run.replaced)
            self._check_stale()
            self.made.emit(run.order, made.request.key)

    def _on_scored(self, _run: Run, made: Any, measured: Any) -> None:
        if self._workspace is not None:
            self._workspace.results.set_metrics(made.request.key, measured)

    def _on_failed(self, error: object) -> None:
        self.settings.live = False
        self.failed.emit(error)

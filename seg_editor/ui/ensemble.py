"""An ensemble on its way: the same slice with several seeds, one run after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.errors import UsageError
from seg_editor.session import Workspace
from seg_editor.session.ensemble import Ensemble, Spread, figures_spread
from seg_editor.ui.generation import SEED_LIMIT, Generation

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual

SIZES = (4, 8, 16)
MORE_STEPS = "Choose a Quality of more steps, then generate the seeds"


class EnsembleRun(QObject):
    """Orders the seeds and collects what comes back.

    Signals
    -------
    changed()
        A seed arrived or was measured, or the ensemble was dropped.
    """

    changed = pyqtSignal()

    def __init__(self, generation: Generation, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._generation = generation
        self._workspace: Workspace | None = None
        self._keys: list[str] = []
        self._results: list[Counterfactual] = []
        self._places: set[object] = set()
        self._made: Ensemble | None = None
        self.wanted = 0
        generation.made.connect(self._collect)
        generation.changed.connect(self._measured)
        self._seen = (0, False)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Drop the ensemble of the case before."""
        self._workspace = workspace
        self.drop()

    @property
    def count(self) -> int:
        """Seeds that are there."""
        return len(self._keys)

    @property
    def made(self) -> Ensemble | None:
        """What there is so far; None before the first seed."""
        return self._made

    def start(self, size: int) -> None:
        """Order `size` seeds of the slice on display, beginning with the seed of the settings."""
        order = self._generation.order(show=False)
        if order is None:
            return
        if self._generation.next_kind().steps <= 1:
            error = UsageError("one step paints the mean: every seed gives the same picture", remedy=MORE_STEPS)
            self._generation.failed.emit(error)
            return
        self.drop()
        self.wanted = size
        orders = []
        for number in range(size):
            seeded = self._generation.order(show=number == 0, seed=(order.seed + number) % SEED_LIMIT)
            assert seeded is not None
            orders.append(seeded)
        self._places = {order.place for order in orders}
        self._generation.submit(orders)
        self.changed.emit()

    def drop(self) -> None:
        """Forget the ensemble; its results stay in the history."""
        self._keys, self._results, self._places, self._made = [], [], set(), None
        self.wanted, self._seen = 0, (0, False)
        self.changed.emit()

    @property
    def pending(self) -> bool:
        """True while seeds may still come or be measured."""
        return self._generation.running

    def spreads(self) -> Mapping[str, Spread]:
        """Mean, standard deviation and range of every figure over the seeds measured so far."""
        found = [self._generation.measured(key) for key in self._keys]
        return figures_spread([measured.metrics for measured in found if measured is not None])

    def _collect(self, order: object, key: str) -> None:
        if self._workspace is None or getattr(order, "place", None) not in self._places or key in self._keys:
            return
        found = self._workspace.results.find(key)
        if found is None:
            return
        try:
            self._made = Ensemble([*self._results, found])
        except UsageError:
            self.drop()
            return
        self._keys.append(key)
        self._results.append(replace(found, hole=self._results[0].hole) if self._results else found)
        self.changed.emit()

    def _measured(self) -> None:
        seen = sum(self._generation.measured(key) is not None for key in self._keys), self.pending
        if seen != self._seen:
            self._seen = seen
            self.changed.emit()

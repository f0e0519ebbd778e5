"""Live generation: a committed edit starts a run by the rules of :mod:`seg_editor.session.live`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from seg_editor.editing import Change
from seg_editor.session import Workspace
from seg_editor.session.live import GRACE_SECONDS, duration, grace, may_be_long, too_long
from seg_editor.ui.bind import bind
from seg_editor.ui.generation import Generation

UNKNOWN = "how long a picture takes is being found out"


class Live(QObject):
    """Listens to edits, undo, redo and the slice on display; never polls.

    A state of the mask that has a picture shows it at once, in live and in manual mode. In live mode any other state
    orders one: the slice on display first, then, where the settings ask for all slices, the rest in the background.

    Signals
    -------
    ordered()
        An edit or another slice is about to start a run.
    """

    ordered = pyqtSignal()

    def __init__(self, generation: Generation, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._generation = generation
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._focus: int | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._fire)
        self._z = -1
        self._drawing = False
        bind(self, generation.settings.changed, self._on_setting)
        generation.loaded.connect(self._on_loaded)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Listen to another case."""
        self._rest()
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = []
        self._z = -1 if workspace is None else workspace.view.cursor[2]
        if workspace is not None:
            edits = (workspace.segmentation.committed, workspace.history.undone, workspace.history.redone)
            self._unbind = [bind(self, signal, self._on_edit) for signal in edits]
            self._unbind.append(bind(self, workspace.view.changed, self._on_view))

    def stop(self) -> bool:
        """Forget an edit that waits for its run; False when none did."""
        waited = self._timer.isActive()
        self._rest()
        return waited

    def _rest(self) -> None:
        self._timer.stop()
        self._generation.set_live(pending=False)

    def _on_edit(self, change: Change) -> None:
        self._focus = change.focus[2]
        self._generation.show_source()
        mean = self._generation.times.expected(self._generation.next_kind("slice"))
        self._soon(grace(mean))

    def _on_view(self, name: str) -> None:
        workspace = self._workspace
        if name == "cursor" and workspace is not None and workspace.view.cursor[2] != self._z:
            self._z = workspace.view.cursor[2]
            result = workspace.results.current
            if result is None or self._z not in result.slices or self._generation.stale:
                self._focus = None
                self._soon(GRACE_SECONDS)

    def _on_setting(self, name: str) -> None:
        if self._drawing:
            return
        if name == "live" and not self._generation.settings.live:
            self._rest()
        elif name in ("live", "seed", "model", "preset", "steps", "slices", "device"):
            self._soon(0.0)

    def _on_loaded(self) -> None:
        """What waited for the model to be measured is decided now."""
        if self._generation.paused == UNKNOWN:
            self._generation.set_live(paused="")
            self._soon(0.0)

    def _soon(self, seconds: float) -> None:
        """Act when the event that led here is done with; in manual mode this only looks for a picture made before."""
        if self._workspace is not None and (self._generation.settings.live or len(self._workspace.results)):
            live = self._generation.settings.live
            self._timer.start(round(seconds * 1000) if live else 0)
            self._generation.set_live(pending=live)

    def _fire(self) -> None:
        workspace, generation = self._workspace, self._generation
        generation.set_live(pending=False)
        if workspace is None or workspace.segmentation.in_stroke:
            return
        if not generation.settings.live:
            generation.recall()
            return
        z = self._slice_to_run(workspace)
        if z is not None and not generation.recall(z):
            self._order(z)
        elif z is not None and generation.settings.slices == "all":
            self._complete(workspace, z)

    def _slice_to_run(self, workspace: Workspace) -> int | None:
        """The slice on display, or the one that was edited where that is another; None where nothing was removed."""
        for z in (workspace.view.cursor[2], self._focus):
            if z is not None and removed_in(workspace, z):
                return z
        return None

    def _order(self, z: int) -> None:
        generation = self._generation
        kind = generation.next_kind("slice")
        expected = generation.times.expected(kind)
        if may_be_long(kind, expected):
            generation.set_live(paused=UNKNOWN)
            return
        if too_long(generation.times.likely(kind)):
            generation.set_live(paused=f"a picture takes about {duration(expected)}: press {{generate}} to start")
            return
        if not generation.settings.seed_locked:
            self._drawing = True
            generation.new_seed()
            self._drawing = False
        first = generation.order(slices=(z,), first=z, live=True)
        if first is None or generation.runs(first):
            return
        rest = [replace(first, slices="all", background=True)] if generation.settings.slices == "all" else []
        self.ordered.emit()
        generation.submit([first, *rest], patient=True)

    def _complete(self, workspace: Workspace, z: int) -> None:
        """Order the slices that the picture recalled lacks, in the background."""
        result = workspace.results.current
        free = not self._generation.running or self._generation.stopping
        if result is not None and len(result.slices) == 1 and free:
            order = self._generation.order(slices="all", first=z, background=True, live=True)
            if order is not None and not self._generation.runs(order):
                self._generation.submit([order])


def removed_in(workspace: Workspace, index: int) -> bool:
    """True when an axial slice lost tumor since the case was opened."""
    segmentation = workspace.segmentation
    if segmentation.revision == 0:
        return False
    return bool(np.any((segmentation.original[:, :, index] > 0) & (segmentation.labels[:, :, index] == 0)))

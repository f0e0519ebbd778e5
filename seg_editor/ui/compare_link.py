"""Ties the comparison to the panes: redraws, the blink, the lens under the mouse, the swipe handle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PyQt6.QtCore import QEvent, QObject, QPointF, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QMouseEvent

from seg_editor.cases import Modality
from seg_editor.metrics import diffmap_iou, display01, display_window
from seg_editor.session import Workspace
from seg_editor.session.results import Entry
from seg_editor.ui.bind import bind
from seg_editor.ui.captions import seeds_of
from seg_editor.ui.compare import CompareState, EnsembleView, Mode
from seg_editor.ui.content import Preview
from seg_editor.ui.ensemble import EnsembleRun
from seg_editor.ui.generation import Generation
from seg_editor.ui.pane import SlicePane
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.state import Layout, Role, UiState
from seg_editor.ui.viewer import Viewer

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual

_KNOB_PX = 16
_LINE_PX = 7
_RANKS = 5


class CompareLink(QObject):
    """Keeps the panes in step with :class:`CompareState`.

    Signals
    -------
    changed()
        What can be compared changed.
    foreign(str)
        What the figures of the result belong to, while the panes show something else; empty when they do not.
    """

    changed = pyqtSignal()
    foreign = pyqtSignal(str)

    def __init__(self, viewer: Viewer, ui: UiState, generation: Generation, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = CompareState()
        self.ensemble = EnsembleRun(generation, self)
        self._viewer = viewer
        self._ui = ui
        self._generation = generation
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._dragged: PaneContent | None = None
        self._scrubbed: Preview | None = None
        self._number = 0
        self._pool = ("", False)
        self._panes: dict[QObject, PaneContent] = {}
        self._blink = QTimer(self)
        self._blink.timeout.connect(self._flip)
        bind(self, self.state.changed, self._on_state)
        bind(self, ui.changed, lambda name: self._follow_pool() if name in ("layout", "picture") else None)
        viewer.pane_made.connect(self._watch)
        generation.changed.connect(self._on_generation)
        generation.recalled.connect(self._on_recalled)
        self.ensemble.changed.connect(self._on_ensemble)

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Compare the pictures of another case; call it after the viewer's."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = []
        self._scrubbed = self._dragged = None
        self._forget_panes()
        self.state.against, self.state.ensemble = "", EnsembleView.OFF
        self.ensemble.set_workspace(workspace)
        if workspace is not None and self._viewer.pictures is not None:
            self._viewer.pictures.compare = self.state
            self._viewer.pictures.number_of = workspace.results.number_of
            self._viewer.pictures.outdated = self._generation.outdated
            self._viewer.pictures.fits = self._generation.fits
            self._unbind = [
                bind(self, workspace.results.changed, self._on_results),
                bind(self, workspace.view.changed, self._on_view),
            ]
            self._on_results()

    def choose(self, mode: Mode) -> None:
        """Compare by a mode, where the counterfactual is to be seen."""
        self.state.mode = mode
        if mode is not Mode.PLAIN and not self.shows(Role.RESULT):
            self._ui.picture = Role.RESULT
            if self._ui.layout is Layout.COMPARE:
                self._ui.layout = Layout.SINGLE

    def against(self, entry: Entry | None) -> None:
        """Compare with a result, or with the source again; where nothing is on display the result itself is shown."""
        workspace = self._workspace
        if workspace is not None and workspace.results.current is None and entry is not None:
            workspace.results.current = workspace.results.find(entry.key)
            return
        current = None if workspace is None else workspace.results.current
        same = entry is None or current is None or entry.key == current.request.key
        self.state.against = "" if same or entry is None else entry.key

    def overlap(self) -> float | None:
        """DiffMap IoU of the axial slice on display at the threshold of the slider; None where it has no meaning."""
        workspace = self._workspace
        result = None if workspace is None else workspace.results.current
        if workspace is None or result is None or self.state.against:
            return None
        z, modality = workspace.view.cursor[2], self.judged_modality
        if z not in result.slices or modality not in result.modalities:
            return None
        raw = workspace.case.volumes[modality].raw
        window = display_window(raw)
        first, second = raw[:, :, z], result.slice_raw(workspace.case, modality, z)
        found = diffmap_iou(
            display01(first, window)[None],
            display01(second, window)[None],
            result.hole.core[:, :, z][None],
            self.state.threshold,
        )
        return None if found is None else found.value

    @property
    def judged_modality(self) -> Modality:
        """The modality whose change is compared with the tumor: that of the figures, else the one on display."""
        metrics = self._generation.metrics()
        if metrics is not None:
            return Modality(metrics.modality)
        return Modality.FLAIR if self._workspace is None else self._workspace.view.modality

    def shows(self, role: Role) -> bool:
        """True when a pane is there for a role."""
        return any(made.role is role for made in self._viewer.contents)

    @property
    def spread_alone(self) -> bool:
        """True when the counterfactual panes show the deviation of the seeds: no picture to mix with the source."""
        pictures = self._viewer.pictures
        if pictures is None or self.state.ensemble is not EnsembleView.SD:
            return False
        if any(made.role is Role.RESULT and made.slot.rank for made in self._viewer.contents):
            return False
        return all(pictures.pooled(made.view, made.index) for made in self._seed_panes())

    @property
    def seeds_elsewhere(self) -> str:
        """What the seeds are of, where the ensemble may not take the place of the result in any pane; else empty."""
        pictures, workspace = self._viewer.pictures, self._workspace
        if pictures is None or workspace is None or pictures.ensemble is None:
            return ""
        if any(pictures.pooled(made.view, made.index) for made in self._seed_panes()):
            return ""
        return seeds_of(workspace.case, pictures.ensemble, pictures.result)

    def _seed_panes(self) -> list[PaneContent]:
        """The panes that an ensemble shows in; where there is none the one that would show it."""
        shown = [made for made in self._viewer.contents if made.role is Role.RESULT and not made.slot.rank]
        active = self._viewer.active
        return shown or ([] if active is None else [active])

    @property
    def step(self) -> int | None:
        """The number of the step on display in place of its result; None where none is."""
        pictures = self._viewer.pictures
        shown = pictures is not None and self._scrubbed is not None and pictures.preview is self._scrubbed
        return self._number if shown else None

    def scrub(self, number: int) -> None:
        """Show a step of the last run in place of its result; the number of steps ends that."""
        steps = self._generation.steps
        if 0 <= number < len(steps):
            step = steps[number]
            entry = None if self._workspace is None else self._workspace.results.entry(steps.key)
            shown = Preview(step.slice_index, step.pictures, step.k)
            if entry is not None:
                run = entry.request
                shown = replace(shown, total=run.steps, model=run.model, seed=run.seed, key=run.key)
            self._scrubbed, self._number = shown, number
        else:
            self._scrubbed = None
        self._viewer.set_preview(self._scrubbed)
        self._tell_foreign()

    def _on_recalled(self) -> None:
        """The picture that was asked for is on display: no step of it, no mean of several."""
        self.state.ensemble = EnsembleView.OFF
        self.scrub(len(self._generation.steps))
        self.changed.emit()

    def _tell_foreign(self) -> None:
        """Say what the figures belong to where the slice on display shows something else."""
        z = None if self._workspace is None else self._workspace.view.cursor[2]
        if self.step is not None and self._scrubbed is not None and self._scrubbed.slice_index == z:
            self.foreign.emit("of the result, not of this step")
        else:
            pooled = self.state.ensemble is not EnsembleView.OFF and not self.seeds_elsewhere
            self.foreign.emit("of one seed, not of all" if pooled else "")

    def _on_view(self, name: str) -> None:
        if name in ("cursor", "plane"):
            self._tell_foreign()
            self._follow_pool()

    def _follow_pool(self) -> None:
        """Tell when the ensemble can be shown no more, or again."""
        now = self.seeds_elsewhere, self.spread_alone
        if now != self._pool:
            self._pool = now
            self._tell_foreign()
            self.changed.emit()

    def _on_results(self) -> None:
        workspace, pictures = self._workspace, self._viewer.pictures
        if workspace is None or pictures is None:
            return
        if self.state.against and self.state.against not in workspace.results:
            self.state.against = ""
        if self._scrubbed is not None:
            self._scrubbed = None
            self._viewer.set_preview(None)
        self._tell_foreign()
        others = tuple(self._others(workspace))
        if [o.request.key for o in others] != [o.request.key for o in pictures.others]:
            pictures.others = others
            self._on_measured()
            self._viewer.fit_plan()
            for made in self._viewer.contents:
                if made.slot.rank:
                    made.draw()
        self._on_measured()
        self.changed.emit()

    def _others(self, workspace: Workspace) -> list[Counterfactual]:
        """The newest results of the same slice and mask beside the current one: other models first, then seeds."""
        results, current = workspace.results, workspace.results.current
        if current is None:
            return []
        alike = [
            entry
            for entry in reversed(results.entries)
            if entry.request.hole_hash == current.request.hole_hash
            and entry.key != current.request.key
            and set(entry.request.slices) & set(current.request.slices)
        ]
        seen = {current.request.model}
        first: list[Entry] = []
        rest: list[Entry] = []
        for entry in alike:
            (rest if entry.request.model in seen else first).append(entry)
            seen.add(entry.request.model)
        chosen = (*first, *rest)[:_RANKS]
        return [found for entry in chosen if (found := results.find(entry.key)) is not None]

    def _on_state(self, name: str) -> None:
        pictures, workspace = self._viewer.pictures, self._workspace
        if name == "mode":
            for pane in self._viewer.panes:
                if (port := pane.viewport()) is not None:
                    port.unsetCursor()
        if name in ("mode", "hertz"):
            blinking = self.state.mode is Mode.BLINK
            self._blink.start(round(500 / self.state.hertz)) if blinking else self._blink.stop()
            self.state.second_shown = True
        if name == "against" and pictures is not None and workspace is not None:
            key = self.state.against
            pictures.against = workspace.results.find(key) if key else None
            pictures.measured_against = self._generation.measured(key) if key else None
        if name == "point" and self.state.mode is not Mode.LENS:
            return
        if name == "threshold":
            self._redraw(Role.DIFFERENCE)
        elif name in ("referee", "against"):
            self._redraw(*Role)
            for made in self._viewer.contents:
                made.draw_labels()
        else:
            self._redraw(Role.RESULT)
        if name in ("against", "ensemble"):
            self._tell_foreign()
            self.changed.emit()

    def _redraw(self, *roles: Role) -> None:
        for made in self._viewer.contents:
            if made.role in (roles or (Role.RESULT, Role.DIFFERENCE)):
                made.draw_picture()

    def _flip(self) -> None:
        self.state.second_shown = not self.state.second_shown

    def _on_generation(self) -> None:
        """A pane without a picture says whether one is on its way."""
        pictures, generation = self._viewer.pictures, self._generation
        underway = generation.running or generation.pending
        if pictures is not None and pictures.underway != underway:
            pictures.underway = underway
            if pictures.result is None:
                self._redraw()
        self._tell_foreign()
        self._on_measured()

    def _on_measured(self) -> None:
        pictures = self._viewer.pictures
        if pictures is None:
            return
        measured = self._generation.measured()
        others = tuple(self._generation.measured(other.request.key) for other in pictures.others)
        against = self._generation.measured(self.state.against) if self.state.against else None
        fresh = (measured, against, *others)
        if fresh != (pictures.measured, pictures.measured_against, *pictures.measured_others):
            pictures.measured, pictures.measured_against, pictures.measured_others = measured, against, others
            if self.state.referee:
                for made in self._viewer.contents:
                    made.draw_labels()

    def _on_ensemble(self) -> None:
        pictures = self._viewer.pictures
        if pictures is not None and pictures.ensemble is not self.ensemble.made:
            pictures.ensemble = self.ensemble.made
            if pictures.ensemble is None:
                self.state.ensemble = EnsembleView.OFF
            self._redraw(Role.RESULT)
            self._tell_foreign()
        self.changed.emit()

    def _watch(self, pane: SlicePane, made: PaneContent) -> None:
        port = pane.viewport()
        assert port is not None
        self._forget_panes()
        self._panes[port] = made
        port.installEventFilter(self)
        pane.moved.connect(lambda pointer, made=made: self._on_move(made, pointer.u, pointer.v))
        pane.left.connect(lambda: setattr(self.state, "point", None))

    def _forget_panes(self) -> None:
        """Let go of the panes that are no longer there, and of their case."""
        self._panes = {port: made for port, made in self._panes.items() if made in self._viewer.contents}

    def _on_move(self, made: PaneContent, u: float, v: float) -> None:
        if self.state.mode is Mode.LENS:
            self.state.point = (int(made.plane), u, v)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Take the mouse while it drags the swipe handle; everything else goes to the tool."""
        made = None if watched is None else self._panes.get(watched)
        if made is None or not isinstance(event, QMouseEvent):
            return False
        if event.type() == QEvent.Type.MouseButtonPress:
            if event.button() == Qt.MouseButton.LeftButton and self._on_handle(made, event.position()):
                self._dragged = made
                return True
        elif self._dragged is None and event.type() == QEvent.Type.MouseMove:
            self._point_at(made, event)
        elif self._dragged is made and event.type() == QEvent.Type.MouseMove:
            self._drag(made, event.position())
            return True
        elif self._dragged is made and event.type() == QEvent.Type.MouseButtonRelease:
            self._dragged = None
            return True
        return False

    def _on_handle(self, made: PaneContent, at: QPointF) -> bool:
        """True on the line of the handle, all along it, and on the knob in its middle."""
        handle, port = made.pane.marks.swipe, made.pane.viewport()
        if handle is None or port is None:
            return False
        x = made.pane.viewportTransform().map(QPointF(handle, 0.0)).x()
        away, level = abs(at.x() - x), abs(at.y() - port.rect().center().y())
        return away <= _LINE_PX or (away <= _KNOB_PX and level <= _KNOB_PX)

    def _point_at(self, made: PaneContent, event: QMouseEvent) -> None:
        """Let the shape of the mouse say that the handle can be dragged."""
        port = made.pane.viewport()
        free = event.buttons() == Qt.MouseButton.NoButton
        if port is not None and free and self._on_handle(made, event.position()):
            port.setCursor(Qt.CursorShape.SplitHCursor)
        elif port is not None and free:
            port.unsetCursor()

    def _drag(self, made: PaneContent, at: QPointF) -> None:
        inverse, _ = made.pane.viewportTransform().inverted()
        place = made.pane.picture.mapRectToScene(made.pane.picture.boundingRect())
        share = (inverse.map(at).x() - place.left()) / max(place.width(), 1e-6)
        self.state.fraction = float(np.clip(share, 0.0, 1.0))

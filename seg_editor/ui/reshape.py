"""Operations on whole shapes beside the GUI thread: computed on a copy, previewed, applied as one step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.anatomy.mirror import MirrorPlane
from seg_editor.cases import Case
from seg_editor.editing import Border, Ready, Segmentation, compute
from seg_editor.editing.edit import Edit
from seg_editor.errors import SegEditorError, told
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.operations import (
    BY_KEY,
    MOVED_ON,
    NOTHING,
    ReshapeSettings,
    Scene,
    build,
    gained_and_lost,
    mid_sagittal,
    scope_name,
    volumes,
    why_not_grown,
)
from seg_editor.ui.overlays import Overlays
from seg_editor.ui.state import Tool, UiState
from seg_editor.ui.strokes import sentence
from seg_editor.ui.viewer import Viewer
from seg_editor.ui.workers import Cancelled, Progress, Task, Tasks

EMPTY = "There is no {}: choose another label, or the whole tumor"
#: A key held down queues no more operations than this.
_MOST_WAITING = 20
TOO_MANY = f"{_MOST_WAITING} operations wait already"
_AMOUNTS = ("grow_mm", "smooth_mm", "small_ml", "whole", "over_labels", "flat")


class _Kept:
    """What operations on one case share; each scene holds that of its own case, so a late worker cannot mix two up.

    Parameters
    ----------
    case : Case
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._border: tuple[object, Border] | None = None
        self._plane: MirrorPlane | None = None

    def border(self, key: object, make: Callable[[], Border]) -> Border:
        """In the worker: the border of the selection, made once while nothing but the amount changes."""
        kept = self._border
        if kept is None or key is None or kept[0] != key:
            self._border = kept = (key, make())
        return kept[1]

    def mirror(self) -> MirrorPlane:
        """In the worker: the mid-sagittal plane, estimated once."""
        if self._plane is None:
            self._plane = mid_sagittal(self._case)
        return self._plane


def _nothing() -> str:
    return NOTHING


@dataclass(frozen=True)
class _Place:
    """Where an operation was asked for: it does not follow the user elsewhere while it waits."""

    segmentation: Segmentation
    label: int
    axis: int
    index: int
    locked: frozenset[int]


@dataclass(frozen=True)
class _Wish:
    """One computation: what, from which state, and what to do with it."""

    name: str
    revision: int
    make: Callable[[], Edit]
    scene: Scene
    apply: bool
    segmentation: Segmentation
    unchanged: Callable[[], str] = _nothing
    """In the worker: the reason when it changes nothing."""
    label: int | None = None
    anywhen: bool = False
    """Means the same on later labels, so it is computed again when they changed."""
    settings: ReshapeSettings | None = None
    """What an operation of the panel was computed with; None for any other edit."""


class Reshape(QObject):
    """Runs one operation at a time; the newest preview wins, operations to be applied wait for those before.

    Signals
    -------
    changed()
        Preview or state changed.
    refused(str)
        Why an operation did nothing.
    applied(str)
        The name of the step made, and the volume that it gained and lost.
    progress(str)
        What takes long now; empty when it ended.
    """

    changed = pyqtSignal()
    refused = pyqtSignal(str)
    applied = pyqtSignal(str)
    progress = pyqtSignal(str)

    def __init__(self, tasks: Tasks, viewer: Viewer, overlays: Overlays, ui: UiState) -> None:
        super().__init__(viewer)
        self.settings = ReshapeSettings()
        self.preview: Ready | None = None
        self.problem = ""
        self._tasks, self._viewer, self._overlays, self._ui = tasks, viewer, overlays, ui
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self._task: Task | None = None
        self._running: _Wish | None = None
        self._next: _Wish | None = None
        self._waiting: deque[Callable[[], _Wish]] = deque()
        self._asked: tuple[Segmentation, int] | None = None
        """The layer of the newest operation, and its revision then or after the step that one of ours made."""
        self._shown: object = None
        self._applying = False
        self._rested: int | None = None
        self._kept: _Kept | None = None
        bind(self, self.settings.changed, lambda _name: self.refresh())
        bind(self, ui.changed, lambda name: self.refresh() if name in ("tool", "layout", "maximized") else None)

    @property
    def busy(self) -> bool:
        """True while an operation is being computed that will be applied."""
        wishes = (self._running, self._next)
        return any(wish is not None and wish.apply for wish in wishes)

    @property
    def gained_and_lost(self) -> tuple[float, float]:
        """Milliliters that the label in hand, or the whole tumor, gains and loses by the preview."""
        if self.preview is None or self._workspace is None:
            return 0.0, 0.0
        return gained_and_lost(self.preview, self._workspace.segmentation.labels, self._label, self._voxel_ml)

    @property
    def scope(self) -> str:
        """What the next operation works on, such as ``NCR`` or ``tumor``; empty without a case."""
        return "" if self._workspace is None else scope_name(self._workspace.case.scheme, self._label)

    @property
    def _label(self) -> int | None:
        whole = self._workspace is None or self.settings.whole
        return None if whole or self._workspace is None else self._workspace.view.active_label

    @property
    def _voxel_ml(self) -> float:
        return 0.0 if self._workspace is None else self._workspace.case.grid.voxel_ml

    @property
    def resting(self) -> bool:
        """True after an operation was applied, until a setting or the labels change: nothing more is previewed."""
        workspace = self._workspace
        return self._applying or (workspace is not None and workspace.segmentation.revision == self._rested)

    @property
    def computing(self) -> bool:
        """True while anything is being computed."""
        return self._task is not None

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case; what runs is dropped."""
        for unbind in self._unbind:
            unbind()
        self.cancel()
        self._workspace, self._kept = workspace, None if workspace is None else _Kept(workspace.case)
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.segmentation.committed, lambda _change: self._on_labels()),
                bind(self, workspace.history.changed, self._on_labels),
                bind(self, workspace.view.changed, self._on_view),
            ]
        self.refresh()

    def cancel(self) -> bool:
        """Forget what is being computed; False when nothing was."""
        self._next = None
        self._waiting.clear()
        if self._task is None:
            return False
        self._task.cancel()
        self._task = self._running = None
        self.progress.emit("")
        self.changed.emit()
        return True

    def take_back(self) -> bool:
        """Take the newest operation back that is not a step yet; False when there is none, or a step came after it."""
        layer = None if self._workspace is None else self._workspace.active.segmentation
        if layer is None or self._asked != (layer, layer.revision):
            return False
        if self._waiting:
            self._waiting.pop()
            return True
        if not self.busy:
            return False
        self.cancel()
        self.refresh()
        return True

    def _in_turn(self, segmentation: Segmentation, make: Callable[[], _Wish]) -> None:
        """Compute and apply an operation, after those that are under way: it works on what they leave."""
        self._asked = (segmentation, segmentation.revision)
        if not self.busy:
            self._want(make())
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(make)
        else:
            self.refused.emit(TOO_MANY)

    def refresh(self) -> None:
        """Compute the preview again while the tool is in hand, or end it."""
        self._rested = None
        workspace = self._workspace
        if workspace is None or self._ui.tool is not Tool.RESHAPE or workspace.view.on_tissue:
            self._show(None, "")
            return
        here = self._here(workspace.segmentation)
        self._want(self._wish(self._frozen(self.settings.operation), here, apply=False))

    def _on_labels(self) -> None:
        if self.resting:
            self._show(None, "")
        else:
            self.refresh()

    def apply(self) -> None:
        """Make the previewed operation one step."""
        self.run(self.settings.operation)

    def run(self, key: str, **settings: Any) -> None:
        """Compute an operation and apply it; `settings` in place of the chosen ones."""
        if self._workspace is not None:
            here = self._here(self._workspace.segmentation)
            self._in_turn(here.segmentation, partial(self._wish, self._frozen(key, **settings), here, apply=True))

    def run_edit(self, name: str, make: Callable[[], Edit]) -> None:
        """Compute any other edit of the tumor and apply it."""
        if self._workspace is not None:
            here = self._here(self._workspace.segmentation)
            self._in_turn(here.segmentation, partial(self._edit_wish, here, name, make))

    def run_here(self, edit: Edit, unchanged: str) -> None:
        """Compute an edit of the layer in hand and apply it; `unchanged` is the reason when it changes nothing."""
        if self._workspace is not None:
            here = self._here(self._workspace.active.segmentation)
            make = partial(self._edit_wish, here, edit.name, lambda: edit, lambda: unchanged)
            self._in_turn(here.segmentation, make)

    def _here(self, segmentation: Segmentation) -> _Place:
        assert self._workspace is not None
        view, content = self._workspace.view, self._viewer.active
        axis, index = (2, view.cursor[2]) if content is None else (int(content.plane), content.index)
        return _Place(segmentation, view.active_label, axis, index, view.locked)

    def _frozen(self, key: str, **other: Any) -> ReshapeSettings:
        frozen = ReshapeSettings()
        frozen.operation = key
        for name in _AMOUNTS:
            setattr(frozen, name, other.get(name, getattr(self.settings, name)))
        return frozen

    def _edit_wish(
        self, here: _Place, name: str, make: Callable[[], Edit], unchanged: Callable[[], str] = _nothing
    ) -> _Wish:
        layer = here.segmentation
        return _Wish(name, layer.revision, make, self._scene(here), True, layer, unchanged, anywhen=True)

    def _wish(self, frozen: ReshapeSettings, here: _Place, *, apply: bool) -> _Wish:
        key, segmentation = frozen.operation, here.segmentation
        scene = self._scene(here, self._border_key(frozen, here))
        make = partial(build, key, frozen, scene)
        label = None if frozen.whole or not BY_KEY[key].whole else scene.label
        nothing = _nothing
        if label is not None and not segmentation.counts.get(label):
            nothing = partial(EMPTY.format, scene.scheme.name_of(label))
        elif key == "grow" and frozen.grow_mm > 0:
            nothing = partial(why_not_grown, frozen, scene)
        return _Wish(
            BY_KEY[key].text, segmentation.revision, make, scene, apply, segmentation, nothing, label, settings=frozen
        )

    def _repeats(self, wish: _Wish) -> bool:
        """Whether the panel, as it is set now, would do the same once more."""
        made = wish.settings
        return made is not None and all(
            getattr(made, name) == getattr(self.settings, name) for name in ("operation", *_AMOUNTS)
        )

    @staticmethod
    def _border_key(settings: ReshapeSettings, here: _Place) -> object:
        if settings.operation != "grow":
            return None
        place = (here.axis, here.index) if settings.flat else None
        return here.segmentation.revision, None if settings.whole else here.label, place

    def _scene(self, here: _Place, border_key: object = None) -> Scene:
        workspace, kept = self._workspace, self._kept
        assert workspace is not None
        assert kept is not None
        return Scene(
            labels=here.segmentation.labels.copy(),
            spacing=workspace.case.grid.spacing,
            label=here.label,
            axis=here.axis,
            index=here.index,
            locked=here.locked,
            scheme=workspace.case.scheme,
            brain=workspace.case.brain,
            mirror=kept.mirror,
            border=partial(kept.border, border_key),
        )

    def _want(self, wish: _Wish) -> None:
        waiting = self._next
        if waiting is not None and waiting.apply and not wish.apply:
            return
        self._next = wish
        if self._task is None:
            self._start()
        self.changed.emit()

    def _start(self) -> None:
        wish, self._next = self._next, None
        workspace = self._workspace
        if wish is None or workspace is None:
            return
        self._running = wish
        scheme = wish.segmentation.scheme

        def work(progress: Progress, cancelled: Cancelled) -> tuple[Ready | None, str]:
            ready = compute(wish.make(), wish.scene.labels, scheme, wish.scene.spacing)
            return ready, "" if ready else wish.unchanged()

        self._task = task = self._tasks.start(work, "operation")
        task.done.connect(lambda found: self._finish(wish, *found))
        task.failed.connect(lambda error: self._finish(wish, None, _why(error)))
        if wish.apply:
            self.progress.emit(wish.name)

    def _finish(self, wish: _Wish, ready: Ready | None, problem: str) -> None:
        self._task = self._running = None
        if wish.apply:
            self.progress.emit("")
            self._apply(wish, ready, problem)
        elif self._ui.tool is Tool.RESHAPE:
            self._show(ready, problem)
        if self._next is not None and self._task is None:
            self._start()
        if self._waiting and not self.busy:
            self._want(self._waiting.popleft()())
        self.changed.emit()

    def _apply(self, wish: _Wish, ready: Ready | None, problem: str) -> None:
        workspace = self._workspace
        if workspace is None:
            return
        segmentation = wish.segmentation
        known = any(layer.segmentation is segmentation for layer in workspace.layers)
        moved_on = segmentation.revision != wish.revision
        if not known or segmentation.in_stroke or (moved_on and not wish.anywhen):
            self._waiting.clear()
            self.refused.emit(MOVED_ON)
        elif moved_on:
            scene = replace(wish.scene, labels=segmentation.labels.copy())
            self._want(replace(wish, revision=segmentation.revision, scene=scene))
        elif ready is None:
            self._waiting.clear()
            self.refused.emit(problem)
        else:
            gained, lost = gained_and_lost(ready, segmentation.labels, wish.label, workspace.case.grid.voxel_ml)
            self._applying = True
            try:
                segmentation.apply(ready)
            finally:
                self._applying = False
            if self._asked is not None and self._asked[0] is segmentation:
                self._asked = (segmentation, segmentation.revision)
            if self._next is not None and not self._next.apply:
                self._next = None
            if segmentation is workspace.segmentation:
                self._rested = segmentation.revision
                if not self._repeats(wish):
                    self.refresh()
            self.applied.emit(", ".join((ready.name, *volumes(gained, lost))))

    def _show(self, ready: Ready | None, problem: str) -> None:
        self.preview, self.problem = ready, problem
        self._overlays.show_patch(None if ready is None else ready.patch)
        self.changed.emit()

    def _on_view(self, name: str) -> None:
        operation = BY_KEY[self.settings.operation]
        by_slice = self.settings.flat and operation.slices
        if name == "cursor" and (by_slice or operation.key.startswith("copy")):
            place = None if self._viewer.active is None else (self._viewer.active.plane, self._viewer.active.index)
            if place != self._shown:
                self._shown = place
                self.refresh()
        elif name in ("active_label", "locked", "on_tissue"):
            self.refresh()


def _why(error: object) -> str:
    return sentence(error) if isinstance(error, SegEditorError) else f"This failed: {told(error).rstrip('.')}"

"""What the mouse does in the panes: navigate, paint, erase, fill, pick, pan, zoom, window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PyQt6.QtCore import QObject, QPointF, Qt, pyqtSignal

from seg_editor.editing import Fill, PaintOver, Stroke, nearest_voxel
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.ui.pane import Pointer, SlicePane
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.state import Tool, UiState, stepped_radius
from seg_editor.ui.viewer import Viewer
from seg_editor.ui.windowing import dragged, width_of

_LEFT, _MIDDLE, _RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
_ALT, _CTRL, _SHIFT = (
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
_ZOOM_STEP = 1.2


@dataclass
class _Drag:
    """A drag in progress; `move` takes the pointer, `end` is called at release."""

    content: PaneContent
    button: Qt.MouseButton
    move: Callable[[Pointer], None]
    end: Callable[[], None]


class Tools(QObject):
    """Turns pointer events of every pane into edits and view changes.

    Signals
    -------
    refused(str)
        Why nothing happened, in one line.
    stroke_changed(bool)
        A stroke began or ended.
    """

    refused = pyqtSignal(str)
    stroke_changed = pyqtSignal(bool)

    def __init__(self, viewer: Viewer, ui: UiState) -> None:
        super().__init__(viewer)
        self._viewer = viewer
        self._ui = ui
        self._workspace: Workspace | None = None
        self._drag: _Drag | None = None
        self._stroke: Stroke | None = None
        self.space_held = False
        viewer.pane_made.connect(self._connect)

    @property
    def stroking(self) -> bool:
        """True between press and release of a brush stroke."""
        return self._stroke is not None

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        self.cancel()
        self._workspace = workspace

    def _connect(self, pane: SlicePane, content: PaneContent) -> None:
        pane.pressed.connect(lambda p: self._press(content, p))
        pane.moved.connect(lambda p: self._move(content, p))
        pane.released.connect(self._release)
        pane.wheeled.connect(lambda p, notches: self._wheel(content, p, notches))
        pane.held.connect(self._hold)

    def _hold(self, key: int, down: bool) -> None:
        if key == Qt.Key.Key_Tab:
            self._ui.peek = down
        else:
            self.space_held = down

    def cancel(self) -> bool:
        """Take a running stroke back; False when there was none."""
        stroke, self._stroke, self._drag = self._stroke, None, None
        if stroke is None:
            return False
        self._viewer.live = None
        stroke.cancel()
        self.stroke_changed.emit(False)
        return True

    def _point(self, content: PaneContent, p: Pointer) -> tuple[float, float, float]:
        return content.view.to_voxel(p.u, p.v, content.index)

    def _press(self, content: PaneContent, p: Pointer) -> None:
        if self._workspace is None or self._drag is not None:
            return
        if p.button == _MIDDLE or (p.button == _LEFT and self.space_held):
            self._begin_pan(content, p)
        elif p.button == _LEFT and p.modifiers & _ALT:
            self._begin_crosshair(content, p)
        elif p.button == _LEFT and p.modifiers & _CTRL:
            self._pick(content, p)
        elif p.button == _LEFT:
            self._press_tool(content, p)
        elif p.button == _RIGHT and self._ui.tool in (Tool.PAINT, Tool.ERASE, Tool.FILL):
            self._begin_stroke(content, p, erase=True)
        elif p.button == _RIGHT:
            self._begin_window(content, p)

    def _press_tool(self, content: PaneContent, p: Pointer) -> None:
        tool = self._ui.tool
        if tool.brushes:
            self._begin_stroke(content, p, erase=tool is Tool.ERASE)
        elif tool is Tool.FILL:
            self._fill(content, p)
        elif tool is Tool.PICK:
            self._pick(content, p)
        else:
            self._begin_crosshair(content, p)

    def _move(self, content: PaneContent, p: Pointer) -> None:
        if self._drag is not None:
            if self._drag.content is content:
                self._drag.move(p)
        elif p.modifiers & _SHIFT and not p.buttons.value:
            self._set_cursor(content, p)

    def _release(self, p: Pointer) -> None:
        if self._drag is not None and p.button == self._drag.button:
            drag, self._drag = self._drag, None
            drag.end()

    def _wheel(self, content: PaneContent, p: Pointer, notches: float) -> None:
        workspace = self._workspace
        if workspace is None or not notches:
            return
        if p.modifiers & _CTRL:
            content.pane.zoom_at(QPointF(p.x, p.y), _ZOOM_STEP**notches)
        elif p.modifiers & _SHIFT and self._ui.tool.brushes:
            brush = workspace.view.brush
            workspace.view.brush = replace(brush, radius_mm=stepped_radius(brush.radius_mm, notches))
        elif self._stroke is None:
            whole = int(notches) or (1 if notches > 0 else -1)
            self._viewer.step(whole * (5 if p.modifiers & _SHIFT else 1))

    def _begin_pan(self, content: PaneContent, p: Pointer) -> None:
        last = [p.x, p.y]

        def move(q: Pointer) -> None:
            content.pane.pan(q.x - last[0], q.y - last[1])
            last[:] = [q.x, q.y]

        self._drag = _Drag(content, p.button, move, lambda: None)

    def _set_cursor(self, content: PaneContent, p: Pointer) -> None:
        if self._workspace is not None:
            self._workspace.view.cursor = nearest_voxel(self._point(content, p))

    def _begin_crosshair(self, content: PaneContent, p: Pointer) -> None:
        self._set_cursor(content, p)
        self._drag = _Drag(content, p.button, lambda q: self._set_cursor(content, q), lambda: None)

    def _begin_window(self, content: PaneContent, p: Pointer) -> None:
        assert self._workspace is not None
        state = self._workspace.view
        modality = content.modality
        if modality not in state.modalities:
            return
        start = state.window(modality)
        span = width_of(start)
        size = max(200, min(content.pane.width(), content.pane.height()))

        def move(q: Pointer) -> None:
            state.set_window(modality, dragged(start, (q.x - p.x) / size, (q.y - p.y) / size, span))

        self._drag = _Drag(content, p.button, move, lambda: None)

    def _begin_stroke(self, content: PaneContent, p: Pointer, *, erase: bool) -> None:
        assert self._workspace is not None
        state = self._workspace.view
        active = state.active_label if state.only_label is None else state.only_label
        only: int | None = active
        if erase:
            sparing = state.erase_active_only if p.button == _RIGHT else state.paint_over is PaintOver.ACTIVE
            only = state.active_label if sparing else None
        try:
            stroke = Stroke(
                self._workspace.segmentation,
                state.brush,
                int(content.plane),
                0 if erase else state.active_label,
                state.paint_over,
                only,
                locked=state.locked,
            )
            self._viewer.live = content
            self._stroke = stroke
            stroke.begin(self._point(content, p))
        except SegEditorError as error:
            self._viewer.live = self._stroke = None
            self.refused.emit(str(error))
            return
        self._drag = _Drag(content, p.button, lambda q: self._extend(content, q), self._commit)
        self.stroke_changed.emit(True)

    def _extend(self, content: PaneContent, p: Pointer) -> None:
        if self._stroke is not None:
            self._stroke.extend(self._point(content, p))

    def _commit(self) -> None:
        stroke, self._stroke = self._stroke, None
        self._viewer.live = None
        if stroke is not None:
            stroke.commit()
            self.stroke_changed.emit(False)

    def _fill(self, content: PaneContent, p: Pointer) -> None:
        assert self._workspace is not None
        state = self._workspace.view
        at = nearest_voxel(self._point(content, p))
        edit = Fill(at, int(content.plane), state.active_label, state.paint_over, state.active_label, state.locked)
        try:
            if self._workspace.apply(edit) is None:
                self.refused.emit("Nothing to fill here: the region already has this label.")
        except SegEditorError as error:
            self.refused.emit(str(error))

    def _pick(self, content: PaneContent, p: Pointer) -> None:
        assert self._workspace is not None
        voxel = nearest_voxel(self._point(content, p))
        labels = self._workspace.segmentation.labels
        if all(0 <= i < n for i, n in zip(voxel, labels.shape, strict=True)) and labels[voxel]:
            self._workspace.view.active_label = int(labels[voxel])
        else:
            self.refused.emit("There is no label here to pick.")

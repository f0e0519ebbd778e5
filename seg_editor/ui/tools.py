"""What the mouse does in the panes: the gesture table says what an event means, this does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from PyQt6.QtCore import QEvent, QObject, QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QKeySequence

from seg_editor.editing import nearest_voxel
from seg_editor.session import Workspace
from seg_editor.ui.bind import bind
from seg_editor.ui.gestures import Chord, Gestures, modal_keys
from seg_editor.ui.key_texts import with_keys
from seg_editor.ui.move_tool import MoveTool
from seg_editor.ui.operations import ReshapeSettings
from seg_editor.ui.overlays import Overlays
from seg_editor.ui.pane import Pointer, SlicePane
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.polygon_tool import PolygonTool
from seg_editor.ui.state import Tool, UiState, stepped_radius
from seg_editor.ui.strokes import Beside, Strokes
from seg_editor.ui.viewer import Viewer
from seg_editor.ui.windowing import dragged, width_of

_BUTTONS = {
    Qt.MouseButton.LeftButton: "Left",
    Qt.MouseButton.MiddleButton: "Middle",
    Qt.MouseButton.RightButton: "Right",
}
_HELD = (
    (Qt.KeyboardModifier.ControlModifier, "Ctrl"),
    (Qt.KeyboardModifier.ShiftModifier, "Shift"),
    (Qt.KeyboardModifier.AltModifier, "Alt"),
)
OUTLINE_DROPPED = "The outline was given up: another tool is in hand"
OUTLINE_LOST = "The outline was given up: its pane is gone"
PIECE_LOST = "The piece stays where it was: its pane is gone"
STROKE_FIRST = "Finish the stroke first"
OUTLINE_FIRST = "Let go of the outline first"
PIECE_FIRST = "Put the piece down first"
_ZOOM_STEP = 1.2
_ZOOM_DRAG_PX = 120.0


@dataclass
class _Drag:
    """A drag in progress; `move` takes the pointer, `end` is called at release.

    `holds` says why its pane has to stay as it is meanwhile; empty for a drag that edits nothing.
    """

    content: PaneContent
    button: Qt.MouseButton
    move: Callable[[Pointer], None]
    end: Callable[[], None]
    holds: str = ""


class Tools(QObject):
    """Turns pointer events of every pane into edits and view changes.

    Attributes
    ----------
    beside : callable(Edit, str) or None
        Does edits of many slices beside the GUI thread, for the cases opened after it was set.

    Signals
    -------
    refused(str)
        Why nothing happened, in one line; it flashes in the pane, too.
    stroke_changed(bool)
        A stroke or an outline began or ended.
    """

    refused = pyqtSignal(str)
    stroke_changed = pyqtSignal(bool)

    def __init__(
        self, viewer: Viewer, ui: UiState, overlays: Overlays | None = None, settings: ReshapeSettings | None = None
    ) -> None:
        super().__init__(viewer)
        self._viewer = viewer
        self._ui = ui
        self._overlays = overlays or Overlays(viewer, ui)
        self._settings = settings or ReshapeSettings()
        self._workspace: Workspace | None = None
        self._unbind: Callable[[], None] = lambda: None
        self._drag: _Drag | None = None
        self._strokes: Strokes | None = None
        self._polygon: PolygonTool | None = None
        self._mover: MoveTool | None = None
        self._preset, self._gestures = "seg-editor", Gestures()
        self._modal: dict[str, str] = {}
        self.space_held = False
        self.beside: Beside | None = None
        self.use_preset("seg-editor")
        viewer.pane_made.connect(self._connect)
        viewer.pinned = lambda: self.holds != "" or self.drafting
        viewer.panes_going.connect(self._on_panes_going)
        self.stroke_changed.connect(lambda on: None if on else viewer.fit_plan())
        bind(self, ui.changed, self._on_ui)

    @property
    def stroking(self) -> bool:
        """True between press and release of a brush stroke."""
        return self._strokes is not None and self._strokes.running

    @property
    def drafting(self) -> bool:
        """True while an outline is being drawn."""
        return self._polygon is not None and self._polygon.drawing

    @property
    def holds(self) -> str:
        """Why the panes have to stay as they are: the mouse holds a stroke, an outline or a piece. Else empty."""
        return self._drag.holds if self._drag is not None else ""

    def keeps_view(self, *, across: bool = False) -> bool:
        """True, and it says why, while the view may not change under what the mouse holds.

        Parameters
        ----------
        across : bool
            The change is to another slice, through which a piece may be carried.
        """
        drag = self._drag
        if drag is None or not drag.holds or (across and drag.holds == PIECE_FIRST):
            return False
        self._refuse(drag.content, drag.holds)
        return True

    @property
    def overlays(self) -> Overlays:
        """What is drawn over the panes."""
        return self._overlays

    def use_preset(self, preset: str) -> None:
        """Take the gestures of a preset."""
        self._preset, self._gestures = preset, Gestures(preset)
        self._modal = {QKeySequence(key).toString(): name for key, name in modal_keys(preset).items()}

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Work on another case."""
        self.cancel()
        self._unbind()
        self._unbind = lambda: None
        self._workspace = workspace
        self._strokes = self._polygon = self._mover = None
        if workspace is not None:
            self._strokes = Strokes(workspace, self.beside, self._ui)
            self._polygon = PolygonTool(self._strokes, self._overlays)
            self._mover = MoveTool(workspace, self._overlays, self._settings)
            polygon = self._polygon
            self._unbind = bind(self, workspace.view.changed, lambda name: polygon.follow(name))

    def cancel(self) -> bool:
        """Take a running stroke back, or give an outline up; False when there was none."""
        self._drag = None
        self._viewer.label_updates.live = None
        parts = (self._strokes, self._polygon, self._mover)
        cancelled = [part.cancel() for part in parts if part is not None]
        if any(cancelled):
            self.stroke_changed.emit(False)
        return any(cancelled)

    def take_back(self) -> None:
        """Take the last point of the outline back."""
        if self._polygon is not None:
            self._polygon.take_back()
            self.stroke_changed.emit(self.drafting)

    def close_outline(self, *, clear: bool = False) -> None:
        """Close the outline and fill it, or clear what lies inside."""
        if self._polygon is not None:
            content = self._viewer.active
            reason = self._polygon.close(clear=clear)
            if content is not None:
                self._refuse(content, reason)
            self.stroke_changed.emit(self.drafting)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """While an outline is drawn its keys come first."""
        if self.drafting and isinstance(event, QKeyEvent):
            name = self._modal.get(QKeySequence(event.keyCombination()).toString(), "")
            if name and event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if name and event.type() == QEvent.Type.KeyPress:
                self._do_modal(name)
                return True
        return super().eventFilter(watched, event)

    def _on_panes_going(self) -> None:
        """What is drawn in a pane ends with it."""
        lost = OUTLINE_LOST if self.drafting else PIECE_LOST if self.holds == PIECE_FIRST else ""
        if self.cancel() and lost:
            self.refused.emit(lost)

    def _on_ui(self, name: str) -> None:
        """A drag ends with the pane that holds it; an outline and a piece in hand end with their tool."""
        if name == "maximized" and (self.holds or (self._polygon is not None and self._polygon.hidden)):
            self._on_panes_going()
        elif name == "tool" and self.drafting and self._ui.tool is not Tool.POLYGON:
            content = self._viewer.active
            self.cancel()
            if content is not None:
                self._refuse(content, OUTLINE_DROPPED)
        elif name == "tool" and self._mover is not None and self._mover.cancel():
            self._drag = None
            self.stroke_changed.emit(False)

    def _do_modal(self, name: str) -> None:
        if name == "o_back":
            self.take_back()
        elif name == "o_cancel":
            self.cancel()
        else:
            self.close_outline(clear=name == "o_clear")

    def _connect(self, pane: SlicePane, content: PaneContent) -> None:
        pane.pressed.connect(lambda p: self._press(content, p))
        pane.moved.connect(lambda p: self._move(content, p))
        pane.released.connect(self._release)
        pane.double_clicked.connect(lambda p: self._double(content, p))
        pane.wheeled.connect(lambda p, notches: self._wheel(content, p, notches))
        pane.held.connect(self._hold)
        pane.installEventFilter(self)

    def _hold(self, key: int, down: bool) -> None:
        if key == Qt.Key.Key_Tab:
            self._ui.peek = down
        else:
            self.space_held = down

    def _meaning(self, control: str, p: Pointer) -> str:
        held = {name for flag, name in _HELD if p.modifiers & flag}
        if self.space_held and control == "Left":
            held.add("Space")
        return self._gestures.meaning(Chord(control, frozenset(held)), self._ui.tool)

    def _refuse(self, content: PaneContent, reason: str, at: Pointer | None = None) -> None:
        if reason:
            reason = with_keys(reason, self._preset)
            place = None if at is None else self._point(content, at)
            self._overlays.flash(content, reason, place)
            self.refused.emit(reason)

    @staticmethod
    def _point(content: PaneContent, p: Pointer) -> tuple[float, float, float]:
        return content.view.to_voxel(p.u, p.v, content.index)

    def _press(self, content: PaneContent, p: Pointer) -> None:
        if self._workspace is None or self._drag is not None:
            return
        begin = {
            "m_paint": lambda: self._begin_stroke(content, p, erase=self._ui.tool is Tool.ERASE),
            "m_erase": lambda: self._begin_stroke(content, p, erase=True, right=True),
            "m_fill": lambda: self._fill(content, p),
            "m_pick": lambda: self._pick(content, p),
            "m_pick_here": lambda: self._pick(content, p),
            "m_point": lambda: self._begin_outline(content, p),
            "m_move": lambda: self._begin_move(content, p),
            "m_navigate": lambda: self._begin_crosshair(content, p),
            "m_crosshair": lambda: self._begin_crosshair(content, p),
            "m_pan": lambda: self._begin_pan(content, p),
            "m_zoom_drag": lambda: self._begin_zoom(content, p),
            "m_window": lambda: self._begin_window(content, p),
        }.get(self._meaning(_BUTTONS.get(p.button, ""), p))
        if begin is not None:
            begin()

    def _move(self, content: PaneContent, p: Pointer) -> None:
        if self._drag is not None and not p.buttons & self._drag.button:
            self._let_go()  # the release went to another window
        elif self._drag is not None:
            if self._drag.content is content:
                self._drag.move(p)
        elif not p.buttons.value and self._meaning("Move", p) == "m_crosshair":
            self._set_cursor(content, p)
        elif self._polygon is not None and self._polygon.drawing:
            self._polygon.hover(content, p)

    def _release(self, p: Pointer) -> None:
        if self._drag is not None and p.button == self._drag.button:
            self._let_go()

    def _let_go(self) -> None:
        drag, self._drag = self._drag, None
        if drag is not None:
            drag.end()

    def _double(self, content: PaneContent, p: Pointer) -> None:
        if self._meaning("Double", p) == "m_close" and self.drafting:
            self.close_outline()

    def _wheel(self, content: PaneContent, p: Pointer, notches: float) -> None:
        workspace = self._workspace
        if workspace is None or not notches:
            return
        meaning = self._meaning("Wheel", p)
        whole = int(notches) or (1 if notches > 0 else -1)
        if meaning == "m_zoom":
            content.pane.zoom_at(QPointF(p.x, p.y), _ZOOM_STEP**notches)
        elif meaning == "m_size":
            brush = workspace.view.brush
            workspace.view.brush = replace(brush, radius_mm=stepped_radius(brush.radius_mm, notches))
        elif meaning in ("m_slice", "m_slice_5") and not self.keeps_view(across=True):
            self._viewer.step(whole * (5 if meaning == "m_slice_5" else 1))

    def _begin(
        self,
        content: PaneContent,
        p: Pointer,
        move: Callable[[Pointer], None],
        end: Callable[[], None] = lambda: None,
        holds: str = "",
    ) -> None:
        self._drag = _Drag(content, p.button, move, end, holds)

    def _begin_pan(self, content: PaneContent, p: Pointer) -> None:
        last = [p.x, p.y]

        def move(q: Pointer) -> None:
            content.pane.pan(q.x - last[0], q.y - last[1])
            last[:] = [q.x, q.y]

        self._begin(content, p, move)

    def _begin_zoom(self, content: PaneContent, p: Pointer) -> None:
        last = [p.y]

        def move(q: Pointer) -> None:
            content.pane.zoom_at(QPointF(p.x, p.y), 2 ** ((last[0] - q.y) / _ZOOM_DRAG_PX))
            last[0] = q.y

        self._begin(content, p, move)

    def _set_cursor(self, content: PaneContent, p: Pointer) -> None:
        if self._workspace is not None:
            self._workspace.view.cursor = nearest_voxel(self._point(content, p))

    def _begin_crosshair(self, content: PaneContent, p: Pointer) -> None:
        self._set_cursor(content, p)
        self._begin(content, p, lambda q: self._set_cursor(content, q))

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

        self._begin(content, p, move)

    def _begin_stroke(self, content: PaneContent, p: Pointer, *, erase: bool, right: bool = False) -> None:
        assert self._workspace is not None
        strokes = self._strokes
        assert strokes is not None
        sparing = right and self._workspace.view.erase_active_only
        self._viewer.label_updates.live = content
        reason = strokes.begin(self._point(content, p), int(content.plane), erase=erase, spare_others=sparing)
        self._refuse(content, reason, p)
        if not strokes.running:
            self._viewer.label_updates.live = None
            return

        def end() -> None:
            self._viewer.label_updates.live = None
            self._refuse(content, strokes.commit(), p)
            self.stroke_changed.emit(False)

        self._begin(content, p, lambda q: strokes.extend(self._point(content, q)), end, STROKE_FIRST)
        self.stroke_changed.emit(True)

    def _begin_outline(self, content: PaneContent, p: Pointer) -> None:
        polygon = self._polygon
        assert polygon is not None
        reason = polygon.press(content, p)
        self._refuse(content, reason, p)
        if reason:
            return

        def end() -> None:
            self._refuse(content, polygon.release())
            self.stroke_changed.emit(self.drafting)

        self._begin(content, p, lambda q: polygon.drag(content, q), end, OUTLINE_FIRST)
        self.stroke_changed.emit(True)

    def _begin_move(self, content: PaneContent, p: Pointer) -> None:
        mover = self._mover
        assert mover is not None
        reason = mover.press(content, p)
        self._refuse(content, reason, p)
        if not reason:
            release = partial(self._drop, content, mover)
            self._begin(content, p, lambda q: mover.drag(content, q), release, PIECE_FIRST)

    def _drop(self, content: PaneContent, mover: MoveTool) -> None:
        self._refuse(content, mover.release())
        self.stroke_changed.emit(False)

    def _fill(self, content: PaneContent, p: Pointer) -> None:
        assert self._strokes is not None
        self._refuse(content, self._strokes.fill(self._point(content, p), int(content.plane)), p)

    def _pick(self, content: PaneContent, p: Pointer) -> None:
        assert self._strokes is not None
        self._refuse(content, self._strokes.pick(self._point(content, p)), p)

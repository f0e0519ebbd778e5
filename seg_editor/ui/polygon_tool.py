"""The polygon and lasso tool: click corners, drag freehand, move corners, take points back, close or give up."""

from __future__ import annotations

import math

from PyQt6.QtCore import QPointF

from seg_editor.editing import Polygon
from seg_editor.ui.overlays import Overlays
from seg_editor.ui.pane import Pointer
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.strokes import Strokes

_STEP_PX, _REACH_PX = 2.0, 6.0
_FEWEST = 3
UNCHANGED = "The outline changes nothing: the label is there already, or the rules protect what lies inside"
Point = tuple[float, float, float]


class PolygonTool:
    """An outline in progress.

    A click adds a corner, a drag a freehand piece; a corner can be dragged to another place. Each of these is one step
    to take back. A click on the first corner closes the outline.

    Parameters
    ----------
    strokes : Strokes
        Does the edit.
    overlays : Overlays
    """

    def __init__(self, strokes: Strokes, overlays: Overlays) -> None:
        self._strokes = strokes
        self._workspace = strokes.workspace
        self._overlays = overlays
        self._content: PaneContent | None = None
        self._index, self._axis = 0, 0
        self._steps: list[list[Point]] = []
        self._past: list[list[list[Point]]] = []
        self._held: int | None = None
        self._moved = False
        self._dragging = False
        self._last_px = (0.0, 0.0)
        self._mouse: Point | None = None

    @property
    def drawing(self) -> bool:
        """True while there is an outline."""
        return bool(self._steps)

    @property
    def hidden(self) -> bool:
        """True while there is an outline in a pane that is not on display."""
        return self.drawing and self._content is not None and self._content.pane.isHidden()

    @property
    def points(self) -> list[Point]:
        """All points so far, as voxel positions."""
        return [point for step in self._steps for point in step]

    def press(self, content: PaneContent, p: Pointer) -> str:
        """Take hold of a corner, or add one; the reason when it cannot be."""
        if self.drawing and not self._is_here(content):
            return "Finish the outline in its slice first: {o_close} fills it, {o_cancel} gives it up"
        self._content, self._index, self._axis = content, content.index, int(content.plane)
        self._last_px, self._moved, self._dragging = (p.x, p.y), False, True
        self._held = self._corner_at(content, p)
        if self._held is not None:
            return ""
        self._remember()
        self._steps.append([content.view.to_voxel(p.u, p.v, content.index)])
        self._draw()
        return ""

    def drag(self, content: PaneContent, p: Pointer) -> None:
        """Draw freehand, or move the corner that is held, as one step with the press; in its slice only."""
        if not self._dragging or not self._is_here(content):
            return
        if math.dist(self._last_px, (p.x, p.y)) < _STEP_PX:
            return
        if self._held is not None:
            if not self._moved:
                self._remember()
                self._moved = True
            self._steps[self._held][0] = content.view.to_voxel(p.u, p.v, self._index)
            self._draw()
        else:
            self._steps[-1].append(content.view.to_voxel(p.u, p.v, self._index))
            self._last_px = (p.x, p.y)
            self._draw()

    def release(self) -> str:
        """Let go; a click on the first corner closes the outline. The reason when that changes nothing."""
        held, self._held, self._dragging = self._held, None, False
        closes = held == 0 and not self._moved and len(self.points) >= _FEWEST
        return self.close() if closes else ""

    def _remember(self) -> None:
        self._past.append([list(step) for step in self._steps])

    def _corner_at(self, content: PaneContent, p: Pointer) -> int | None:
        to_px = content.pane.viewportTransform()
        for number, step in enumerate(self._steps):
            at = to_px.map(QPointF(*content.view.to_plane(step[0])))
            if math.dist((at.x(), at.y()), (p.x, p.y)) <= _REACH_PX:
                return number
        return None

    def hover(self, content: PaneContent, p: Pointer) -> None:
        """Show the line to where the next corner would be."""
        if self.drawing and self._is_here(content):
            self._mouse = content.view.to_voxel(p.u, p.v, self._index)
            self._draw()

    def take_back(self) -> None:
        """Take the last corner, freehand piece or move of a corner back."""
        if self._past:
            self._steps, self._held, self._dragging = self._past.pop(), None, False
            self._draw()

    def close(self, *, clear: bool = False) -> str:
        """Fill the outline with the active label, or clear what lies inside; the reason when that changes nothing."""
        points, axis = self.points, self._axis
        if not self._steps:
            return ""
        if len(points) < _FEWEST:
            return "An outline needs three corners"
        workspace = self._workspace
        over, only = workspace.view.rule(on_tumor=workspace.active is workspace.tumor)
        value = 0 if clear else workspace.active_label
        flat = tuple((q[0] if axis else q[1], q[1] if axis == 2 else q[2]) for q in points)
        name = "Clear outline" if clear else "Polygon"
        index: int | None = self._index
        if workspace.view.in_3d:
            name, index = f"{name} through all slices", None
        edit = Polygon(flat, axis, index, value, over, only, workspace.locked, name)
        self.cancel()
        return self._strokes.apply(edit, UNCHANGED, many=index is None)

    def cancel(self) -> bool:
        """Give the outline up; False when there was none."""
        had = self.drawing
        self._steps, self._mouse = [], None
        self._past, self._held, self._dragging = [], None, False
        self._overlays.show_outline(None, ())
        return had

    def follow(self, name: str) -> None:
        """Draw the outline again, or hide it while another slice or plane is on display."""
        if self.drawing and name in ("cursor", "plane"):
            self._draw()

    def _is_here(self, content: PaneContent) -> bool:
        """Whether a pane shows the slice of the outline, and is the one that it was begun in."""
        return content is self._content and (content.index, int(content.plane)) == (self._index, self._axis)

    def _draw(self) -> None:
        if self._content is None or not self._steps or not self._is_here(self._content):
            self._overlays.show_outline(None, ())
            return
        ahead = [self._mouse] if self._mouse is not None else []
        corners = [step[0] for step in self._steps]
        self._overlays.show_outline(self._content, [*self.points, *ahead, self.points[0]], corners)

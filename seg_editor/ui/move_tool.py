"""The move tool: drag a piece of tumor; its outline follows the mouse, the labels move at release."""

from __future__ import annotations

from seg_editor.editing import MovePiece, PaintOver, Piece, Within, nearest_voxel
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.ui.operations import ReshapeSettings
from seg_editor.ui.overlays import Overlays
from seg_editor.ui.pane import Pointer
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.strokes import sentence

Offset = tuple[int, int, int]


class MoveTool:
    """A piece on its way.

    Parameters
    ----------
    workspace : Workspace
    overlays : Overlays
    settings : ReshapeSettings
        Whole tumor or active label; this slice or the volume.
    """

    def __init__(self, workspace: Workspace, overlays: Overlays, settings: ReshapeSettings) -> None:
        self._workspace, self._overlays, self._settings = workspace, overlays, settings
        self._piece: Piece | None = None
        self._start: Offset = (0, 0, 0)
        self._offset: Offset = (0, 0, 0)

    def press(self, content: PaneContent, p: Pointer) -> str:
        """Take hold of the piece under the mouse; the reason when there is none."""
        workspace = self._workspace
        self._start = nearest_voxel(content.view.to_voxel(p.u, p.v, content.index))
        label = None if self._settings.whole_piece else workspace.active_label
        axis = int(content.plane) if self._settings.flat else None
        try:
            self._piece = Piece.at(workspace.active.segmentation.labels, self._start, label, axis, workspace.locked)
        except SegEditorError as error:
            return sentence(error)
        self._offset = (0, 0, 0)
        self._overlays.show_piece(self._piece)
        return ""

    def drag(self, content: PaneContent, p: Pointer) -> None:
        """Let the outline follow."""
        if self._piece is not None:
            here = nearest_voxel(content.view.to_voxel(p.u, p.v, content.index))
            x, y, z = (a - b for a, b in zip(here, self._start, strict=True))
            self._offset = self._piece.kept_inside((x, y, z))
            self._overlays.show_piece(self._piece, self._offset)

    def release(self) -> str:
        """Move the labels; the reason when that is refused."""
        piece, self._piece = self._piece, None
        self._overlays.show_piece(None)
        if piece is None or not any(self._offset):
            return ""
        workspace = self._workspace
        over, only = workspace.view.rule(on_tumor=workspace.active is workspace.tumor)
        if over is PaintOver.ACTIVE:
            over, only = PaintOver.ALL, None
        try:
            workspace.apply(Within(MovePiece(piece, self._offset, over, only), locked=workspace.locked))
        except SegEditorError as error:
            return sentence(error)
        return ""

    def cancel(self) -> bool:
        """Let go of the piece; False when none was held."""
        had, self._piece = self._piece is not None, None
        self._overlays.show_piece(None)
        return had

"""The move tool: drag a piece of tumor; its outline follows the mouse, the labels move at release."""

from __future__ import annotations

from seg_editor.editing import MovePiece, PaintOver, Patch, Piece, nearest_voxel
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.ui.actions import TUMOR_ONLY
from seg_editor.ui.operations import MOVED_ON, ReshapeSettings
from seg_editor.ui.overlays import Overlays
from seg_editor.ui.pane import Pointer
from seg_editor.ui.pane_content import PaneContent
from seg_editor.ui.strokes import sentence

Offset = tuple[int, int, int]


class MoveTool:
    """A piece on its way; what may not land where it would is tinted, and then the piece stays where it was.

    Parameters
    ----------
    workspace : Workspace
    overlays : Overlays
    settings : ReshapeSettings
        Whole tumor or active label; this slice or the volume; what it may cover.
    """

    def __init__(self, workspace: Workspace, overlays: Overlays, settings: ReshapeSettings) -> None:
        self._workspace, self._overlays, self._settings = workspace, overlays, settings
        self._piece: Piece | None = None
        self._revision = 0
        self._start: Offset = (0, 0, 0)
        self._offset: Offset = (0, 0, 0)

    def press(self, content: PaneContent, p: Pointer) -> str:
        """Take hold of the piece under the mouse; the reason when there is none."""
        workspace = self._workspace
        if workspace.active is not workspace.tumor:
            return TUMOR_ONLY
        segmentation = workspace.segmentation
        self._start = nearest_voxel(content.view.to_voxel(p.u, p.v, content.index))
        label = None if self._settings.whole_piece else workspace.view.active_label
        axis = int(content.plane) if self._settings.flat else None
        try:
            self._piece = Piece.at(segmentation.labels, self._start, label, axis, workspace.view.locked)
        except SegEditorError as error:
            return sentence(error)
        self._offset, self._revision = (0, 0, 0), segmentation.revision
        self._overlays.show_piece(self._piece)
        return ""

    def drag(self, content: PaneContent, p: Pointer) -> None:
        """Let the outline follow."""
        piece = self._piece
        if piece is None or self._moved_on:
            return
        here = nearest_voxel(content.view.to_voxel(p.u, p.v, content.index))
        x, y, z = (a - b for a, b in zip(here, self._start, strict=True))
        offset = piece.kept_inside((x, y, z))
        if offset == self._offset:
            return
        self._offset = offset
        stranded = self._edit(piece).stranded(self._workspace.segmentation.labels)
        self._overlays.show_piece(piece, offset)
        self._overlays.show_patch(Patch(piece.moved(offset), stranded, 0) if stranded.any() else None)

    def release(self) -> str:
        """Move the labels; the reason when that is refused."""
        piece = self._piece
        self.cancel()
        if piece is None or not any(self._offset):
            return ""
        if self._moved_on:
            return MOVED_ON
        try:
            self._workspace.apply(self._edit(piece))
        except SegEditorError as error:
            return sentence(error)
        return ""

    def cancel(self) -> bool:
        """Let go of the piece; False when none was held."""
        had, self._piece = self._piece is not None, None
        if had:
            self._overlays.show_piece(None)
            self._overlays.show_patch(None)
        return had

    @property
    def _moved_on(self) -> bool:
        """Whether the labels, or the layer in hand, are others than at the press."""
        workspace = self._workspace
        return workspace.active is not workspace.tumor or workspace.segmentation.revision != self._revision

    def _edit(self, piece: Piece) -> MovePiece:
        workspace = self._workspace
        over = PaintOver.ALL if self._settings.covers else PaintOver.BACKGROUND
        return MovePiece(piece, self._offset, over, workspace.view.locked, workspace.brain_gate())

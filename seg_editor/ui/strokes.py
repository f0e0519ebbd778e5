"""Brush strokes, fill and pick: from pointer positions to edits, and the reason when nothing happens."""

from __future__ import annotations

from collections.abc import Callable

from seg_editor.editing import Block, Edit, Fill, PaintOver, Stroke, Within, nearest_voxel
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace

Point = tuple[float, float, float]
Beside = Callable[[Edit, str], None]
HIDDEN = "The labels are hidden: S shows them"
NOTHING_TO_FILL = "Nothing to fill here: the region has this label already, or the rules protect it"
OUTSIDE_BRAIN = 'Outside the brain: "Only in" of the brush says where paint may go'


class Strokes:
    """Edits of the layer in hand by the settings of the view. No Qt here.

    Parameters
    ----------
    workspace : Workspace
    beside : callable(Edit, str), optional
        Does an edit of many slices beside the caller's thread; the second is the reason when it changes nothing.
        Without it every edit is done at once.
    """

    def __init__(self, workspace: Workspace, beside: Beside | None = None) -> None:
        self.workspace = workspace
        self._beside = beside
        self.stroke: Stroke | None = None
        self._erasing = False

    @property
    def running(self) -> bool:
        """True between press and release."""
        return self.stroke is not None

    def begin(self, point: Point, axis: int, *, erase: bool, spare_others: bool = False) -> str:
        """Press; the reason when nothing can be painted here, else nothing."""
        self._erasing = erase
        try:
            self.stroke = self.workspace.stroke(axis, erase=erase, spare_others=spare_others)
            self.stroke.begin(point)
        except SegEditorError as error:
            self.stroke = None
            return sentence(error)
        return self._reason()

    def extend(self, point: Point) -> None:
        """Move."""
        if self.stroke is not None:
            self.stroke.extend(point)

    def commit(self) -> str:
        """Release; the reason when the stroke changed nothing."""
        stroke = self.stroke
        if stroke is None:
            return ""
        reason = self._reason()
        self.stroke = None
        return reason if stroke.commit() is None else ""

    def cancel(self) -> bool:
        """Take the stroke back; False when none was running."""
        stroke, self.stroke = self.stroke, None
        if stroke is None:
            return False
        stroke.cancel()
        return True

    def fill(self, point: Point, axis: int) -> str:
        """Fill the region under `point`, in its plane or in 3D; the reason when nothing was filled."""
        workspace = self.workspace
        over, only = workspace.view.rule(on_tumor=workspace.active is workspace.tumor)
        normal = None if workspace.view.in_3d else axis
        edit = Fill(nearest_voxel(point), normal, workspace.active_label, over, only, workspace.locked)
        return self.apply(edit, NOTHING_TO_FILL, many=normal is None)

    def apply(self, edit: Edit, unchanged: str, *, many: bool) -> str:
        """Do an edit where paint may go; an edit of `many` slices beside this thread. The reason when it fails."""
        within = Within(edit, gate=self.workspace.gate())
        if many and self._beside is not None:
            self._beside(within, unchanged)
            return ""
        try:
            return unchanged if self.workspace.apply(within) is None else ""
        except SegEditorError as error:
            return sentence(error)

    def pick(self, point: Point) -> str:
        """Make the label under `point` the active one; the reason when there is none."""
        workspace, voxel = self.workspace, nearest_voxel(point)
        labels = workspace.active.segmentation.labels
        if all(0 <= i < n for i, n in zip(voxel, labels.shape, strict=True)) and labels[voxel]:
            workspace.active_label = int(labels[voxel])
            return ""
        return "There is no label here to pick"

    def _reason(self) -> str:
        workspace = self.workspace
        block = None if self.stroke is None else self.stroke.block
        on_tumor = workspace.active is workspace.tumor
        name = workspace.active.segmentation.scheme.name_of
        over, only = workspace.view.rule(on_tumor=on_tumor)
        if block is Block.LOCKED:
            return "This label is locked: its lock in the panel opens it"
        if block is Block.GATE:
            return OUTSIDE_BRAIN if workspace.view.gate is None else "Outside the intensity range of the brush"
        if block is Block.SAME:
            return "Nothing to erase here" if self._erasing else ""
        if block is Block.RULE and self._erasing:
            return f"Only {name(workspace.active_label if only is None else only)} is erased now"
        if block is Block.RULE:
            return f"Only {'background' if over is PaintOver.BACKGROUND else name(only or 0)} may be painted over now"
        return HIDDEN if on_tumor and not workspace.view.overlay else ""


def sentence(error: SegEditorError) -> str:
    """Return an error as one short sentence."""
    text = str(error).rstrip(".")
    return text[:1].upper() + text[1:]

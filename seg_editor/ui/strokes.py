"""Brush strokes, fill and pick: from pointer positions to edits, and the reason when nothing happens."""

from __future__ import annotations

from collections.abc import Callable

from seg_editor.editing import Block, Edit, Fill, PaintOver, Polygon, Stroke, Within, nearest_voxel
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.ui.state import UiState

Point = tuple[float, float, float]
Beside = Callable[[Edit, str], None]
HIDDEN = "The labels are hidden[: {overlay} shows them]"
ONE_HIDDEN = "{} is hidden: its eye in the panel shows it"
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
    ui : UiState, optional
        Knows which labels are hidden, so that an edit that nobody sees is said.
    """

    def __init__(self, workspace: Workspace, beside: Beside | None = None, ui: UiState | None = None) -> None:
        self.workspace = workspace
        self._beside, self._ui = beside, ui
        self.stroke: Stroke | None = None
        self._erasing = False
        self._concerned: int | None = None
        self._said = ""

    @property
    def running(self) -> bool:
        """True between press and release."""
        return self.stroke is not None

    def begin(self, point: Point, axis: int, *, erase: bool, spare_others: bool = False) -> str:
        """Press; the reason when nothing can be painted here, else nothing."""
        self._erasing, self._said = erase, ""
        self._concerned = self.workspace.active_label if spare_others or not erase else self._rule[1]
        try:
            self.stroke = self.workspace.stroke(axis, erase=erase, spare_others=spare_others)
            self.stroke.begin(point)
        except SegEditorError as error:
            self.stroke = None
            return sentence(error)
        self._said = self._reason()
        return self._said

    def extend(self, point: Point) -> None:
        """Move."""
        if self.stroke is not None:
            self.stroke.extend(point)

    def commit(self) -> str:
        """Release; the reason when the stroke changed nothing, or nothing that is seen and this was not said yet."""
        stroke = self.stroke
        if stroke is None:
            return ""
        reason = self._reason()
        self.stroke = None
        if stroke.commit() is None:
            return reason
        unseen = self._unseen(self._concerned)
        return "" if unseen == self._said else unseen

    def cancel(self) -> bool:
        """Take the stroke back; False when none was running."""
        stroke, self.stroke = self.stroke, None
        if stroke is None:
            return False
        stroke.cancel()
        return True

    def fill(self, point: Point, axis: int) -> str:
        """Fill the region under `point`, in its plane or in 3D; the reason when nothing was filled or is seen."""
        workspace, (over, only) = self.workspace, self._rule
        normal = None if workspace.view.in_3d else axis
        edit = Fill(nearest_voxel(point), normal, workspace.active_label, over, only, workspace.locked)
        return self.apply(edit, NOTHING_TO_FILL, many=normal is None)

    def apply(self, edit: Fill | Polygon, unchanged: str, *, many: bool) -> str:
        """Do an edit where paint may go; an edit of `many` slices beside this thread.

        Returns
        -------
        str
            The reason when it fails, or when its label is hidden.
        """
        unseen = self._unseen(edit.value or None)
        within = Within(edit, gate=self.workspace.gate())
        if many and self._beside is not None:
            self._beside(within, unchanged)
            return unseen
        try:
            return unchanged if self.workspace.apply(within) is None else unseen
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

    @property
    def _rule(self) -> tuple[PaintOver, int | None]:
        """What paint may cover on the layer in hand, and the one label of that rule."""
        return self.workspace.view.rule(on_tumor=self.workspace.active is self.workspace.tumor)

    def _unseen(self, label: int | None) -> str:
        """Why what is done with a label, or with None with all, does not show."""
        workspace = self.workspace
        if workspace.active is not workspace.tumor:
            return ""
        if not workspace.view.overlay:
            return HIDDEN
        hidden = frozenset() if self._ui is None else self._ui.hidden_labels
        return ONE_HIDDEN.format(workspace.case.scheme.name_of(label)) if label in hidden and label else ""

    def _reason(self) -> str:
        workspace = self.workspace
        block = None if self.stroke is None else self.stroke.block
        name = workspace.active.segmentation.scheme.name_of
        over, only = self._rule
        if block is Block.LOCKED:
            return "This label is locked: its lock in the panel opens it"
        if block is Block.GATE:
            return OUTSIDE_BRAIN if workspace.view.gate is None else "Outside the intensity range of the brush"
        if block is Block.SAME and self._erasing:
            return "Nothing to erase here"
        if block is Block.RULE and self._erasing:
            return f"Only {name(workspace.active_label if only is None else only)} is erased now"
        if block is Block.RULE:
            return f"Only {'background' if over is PaintOver.BACKGROUND else name(only or 0)} may be painted over now"
        return self._unseen(self._concerned)


def sentence(error: SegEditorError) -> str:
    """Return an error as one short sentence."""
    text = str(error).rstrip(".")
    return text[:1].upper() + text[1:]

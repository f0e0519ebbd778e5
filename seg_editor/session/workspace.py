"""One opened case with everything that the user does to it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, open_case, read_labels
from seg_editor.cases.write import remove_leftovers
from seg_editor.editing import Change, Edit, Gate, History, MaskGate, RangeGate, Segmentation, Stroke
from seg_editor.errors import CaseError, UsageError
from seg_editor.session.journal import Recovery, default_journal_folder, find_recovery
from seg_editor.session.keeper import Keeper
from seg_editor.session.layer import Layer, TissueScheme
from seg_editor.session.results import Results, opened_labels
from seg_editor.session.saving import Files, Loss, Save, Written
from seg_editor.session.view import ViewState
from seg_editor.signal import Signal

if TYPE_CHECKING:
    from seg_editor.generation.hole import Hole


_PICTURES = "pictures"


class Workspace:
    """A case, its segmentation with history, the view, and the results.

    Parameters
    ----------
    case : Case
    journal_folder : Path, optional
        Where every step is written down for recovery after a crash, and every result for the next session; nowhere by
        default (:meth:`open` has a folder).

    Attributes
    ----------
    case : Case
    tumor : Layer
        The segmentation with its history and journal.
    tissue : Layer or None
        The tissue map, once there is one; ``tissue_changed`` emits when it comes and goes.
    view : ViewState
    results : Results
        With those of earlier sessions.
    keeper : Keeper or None
        Writes the results down; ``keeper.failed`` emits when it cannot.
    notes : tuple of str
        What the user should know about what was read.
    tissue_left : Recovery or None
        Steps that an earlier session left unsaved on a tissue map other than `tissue`, once they were looked for.
    """

    def __init__(self, case: Case, *, journal_folder: Path | None = None) -> None:
        self.case = case
        self._folder = journal_folder
        made = Segmentation(opened_labels(case), case.scheme, case.grid.spacing)
        self.tumor = Layer(made, case.content_hash, journal_folder, home=case.labels_path)
        self.tissue: Layer | None = None
        self.tissue_left: Recovery | None = None
        self.view = ViewState(case)
        self.results = Results()
        self.notes = case.notes
        self.keeper: Keeper | None = None
        if journal_folder is not None:
            self.keeper = Keeper(journal_folder / _PICTURES, case.content_hash, opened_labels(case))
            self._take_over(self.keeper)
        self.journal_failed = self.tumor.journal_failed
        self.tissue_changed = Signal()
        self._files = Files(case, self.tumor)
        if journal_folder is not None:
            remove_leftovers(self.segmentation_path)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        journal_folder: Path | None = None,
        journal: bool = True,
        case: Case | None = None,
    ) -> Workspace:
        """Open the case in a folder, or the one that a file belongs to.

        Parameters
        ----------
        path : path-like
        journal_folder : Path, optional
            In place of the platform's folder.
        journal : bool
            Whether to keep a journal at all.
        case : Case, optional
            What was read from `path` ahead of time.

        Raises
        ------
        CaseError
            See :func:`seg_editor.cases.open_case`.
        """
        folder = (journal_folder or default_journal_folder()) if journal else None
        return cls(open_case(path) if case is None else case, journal_folder=folder)

    @property
    def segmentation(self) -> Segmentation:
        """The tumor's labels."""
        return self.tumor.segmentation

    @property
    def history(self) -> History:
        """The tumor's history."""
        return self.tumor.history

    @property
    def segmentation_path(self) -> Path:
        """Where :meth:`save_segmentation` writes."""
        return self.tumor.path

    @property
    def tissue_path(self) -> Path:
        """Where a save of the tissue map writes."""
        return self._files.tissue_home if self.tissue is None else self.tissue.path

    @property
    def recovery(self) -> Recovery | None:
        """Steps of an earlier session that ended without saving; :meth:`recover` or :meth:`dismiss_recovery`."""
        return self.tumor.recovery

    @property
    def journal_error(self) -> str | None:
        """Why crash recovery is off."""
        return self.tumor.journal_error

    @property
    def active(self) -> Layer:
        """The layer that tools, undo and redo act on: the tumor, or the tissue map while `view.on_tissue`."""
        return self.tissue if self.view.on_tissue and self.tissue is not None else self.tumor

    @property
    def active_label(self) -> int:
        """The label that paints on the active layer."""
        return self.view.active_label if self.active is self.tumor else self.view.tissue_label

    @active_label.setter
    def active_label(self, value: int) -> None:
        if self.active is self.tumor:
            self.view.active_label = value
        else:
            self.view.tissue_label = value

    @property
    def opacity(self) -> float:
        """How strongly the active layer covers the picture, 0 to 1."""
        return self.view.opacity if self.active is self.tumor else self.view.tissue_opacity

    @opacity.setter
    def opacity(self, value: float) -> None:
        if self.active is self.tumor:
            self.view.opacity = value
        else:
            self.view.tissue_opacity = value

    @property
    def locked(self) -> frozenset[int]:
        """Labels of the active layer that no edit changes."""
        return self.view.locked if self.active is self.tumor else frozenset()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer there is, the tumor first."""
        return (self.tumor,) if self.tissue is None else (self.tumor, self.tissue)

    @property
    def dirty(self) -> bool:
        """Whether closing now would lose work."""
        return any(layer.dirty for layer in self.layers)

    @property
    def loss(self) -> Loss | None:
        """What a save into `segmentation_path` loses; None when that is at most half of the tumor in the file."""
        return self._files.loss

    @property
    def _tissue_hash(self) -> str:
        return f"tissue{self.case.content_hash}"

    def find_tissue_steps(self) -> None:
        """Look for `tissue_left` in the journals, and remove those with nothing to recover. Any thread, once."""
        if self._folder is not None:
            self.tissue_left = find_recovery(self._folder, self._tissue_hash, None)

    def dismiss_tissue_steps(self) -> None:
        """Give up `tissue_left`, for good."""
        if self.tissue_left is not None:
            self.tissue_left.discard()
            self.tissue_left = None

    def set_tissue(self, labels: NDArray[Any] | None, *, saved: bool = False) -> None:
        """Take a tissue map (uint8, x y z: 1 CSF, 2 gray, 3 white matter) as a layer that can be edited, or drop it.

        With `saved`, it is the one in the file that a later session offers.
        """
        if self.tissue is not None:
            self.tissue.close()
            self.tissue_left = self.tissue.recovery or self.tissue_left
        self.tissue = None
        self.view.on_tissue = False
        if labels is not None:
            made = Segmentation(labels, TissueScheme(), self.case.grid.spacing)
            self.tissue = Layer(made, self._tissue_hash, self._folder, home=self._files.tissue_home, read=saved)
            if self.tissue.recovery is not None:
                self.tissue_left = None
        self.tissue_changed.emit()

    def open_tissue(self) -> None:
        """Take the tissue map saved beside the case as the layer.

        Raises
        ------
        CaseError
            It cannot be read, or is no tissue map of this case.
        """
        path = self._files.tissue_home
        volume = read_labels(path)
        fits = volume.raw.shape == self.case.grid.shape and volume.raw.min() >= 0
        if not fits or volume.raw.max() > max(TissueScheme().label_values):
            raise CaseError("this is no tissue map of the case", path=path, remedy="Keep the new one")
        self._files.saw(path, volume.source.sha256)
        self.set_tissue(volume.raw.astype(np.uint8), saved=True)

    def apply(self, edit: Edit) -> Change | None:
        """Do `edit` on the active layer as one step; None when it changes nothing; `UsageError` when it refuses."""
        return self.active.segmentation.apply(edit)

    def gate(self) -> Gate | None:
        """Where paint may go: inside the brain, and in the view's intensity range; None for anywhere."""
        chosen, brain = self.range_gate(), self.brain_gate()
        return chosen if brain is None else MaskGate(brain.mask, chosen)

    def brain_gate(self) -> MaskGate | None:
        """The brain where the view keeps labels inside it; None for anywhere, or where no brain is known."""
        return MaskGate(self.case.brain) if self.view.in_brain and self.case.brain.any() else None

    def range_gate(self) -> RangeGate | None:
        """Where the view's intensity range lets paint in; None without a range."""
        chosen = self.view.gate
        if chosen is None or chosen.modality not in self.case.volumes:
            return None
        return RangeGate(self.case.volumes[chosen.modality].raw, chosen.low, chosen.high)

    def stroke(self, axis: int | None = None, *, erase: bool = False, spare_others: bool | None = None) -> Stroke:
        """A stroke with the brush and rules of the view on the active layer.

        Parameters
        ----------
        axis : int, optional
            Normal of the plane; the view's by default.
        erase : bool
        spare_others : bool, optional
            Erasing takes the active label only; ``view.erase_active_only`` by default. If not, it takes the one label
            that the rule of painting names, or all.
        """
        view = self.view
        if spare_others is None:
            spare_others = view.erase_active_only
        over, only = view.rule(on_tumor=self.active is self.tumor)
        if erase:
            only = self.active_label if spare_others else only
        return Stroke(
            self.active.segmentation,
            view.brush,
            int(view.plane) if axis is None else axis,
            0 if erase else self.active_label,
            over,
            only,
            locked=self.locked,
            gate=self.gate(),
        )

    def undo(self, shown: Collection[int] = ()) -> Change | None:
        """Take the newest step of the active layer back and look at it; None when there is none.

        Parameters
        ----------
        shown : collection of int
            Normals of the planes on display; all of them go to where the step acts. The view's plane by default.
        """
        change = self.active.history.undo()
        self._look_at(change, shown)
        return change

    def redo(self, shown: Collection[int] = ()) -> Change | None:
        """Do the step undone last again and look at it as :meth:`undo` does; None when there is none."""
        change = self.active.history.redo()
        self._look_at(change, shown)
        return change

    def hole(self, margin: int = 3) -> Hole:
        """The voxels that have to become healthy after the edits so far, widened by `margin` mm."""
        from seg_editor.generation.hole import find_hole

        seg = self.segmentation
        return find_hole(seg.original, seg.labels, brain=self.case.brain, margin=margin, spacing=self.case.grid.spacing)

    def save_segmentation(self, path: Path | str | None = None, *, overwrite: bool = False) -> Path:
        """Write the segmentation, and count it as saved once the file was read back and found equal.

        Parameters
        ----------
        path : path-like, optional
            `segmentation_path` by default; a path given becomes that. The file gets the grid, dtype and label values of
            the segmentation that was opened; where there was none, the grid of an image and uint8.
        overwrite : bool
            Write over the file even if another program wrote or changed it meanwhile.

        Returns
        -------
        Path

        Raises
        ------
        UsageError
            A stroke is running.
        ExportError
            The file cannot be written, belongs to an image or another layer, or was changed by another program. The
            segmentation stays unsaved.
        """
        job = self.begin_save(self.tumor, path, overwrite=overwrite)
        try:
            written = job.run()
        except BaseException:
            self.end_save(job, None)
            raise
        self.end_save(job, written)
        return written.path

    def begin_save(self, layer: Layer, path: Path | str | None = None, *, overwrite: bool = False) -> Save:
        """The first part of a save: copy what is to be written.

        Call :meth:`Save.run` next, in any thread, and :meth:`end_save` last, in this one. Editing may go on meanwhile.

        Parameters
        ----------
        layer : Layer
            One of `layers`.
        path, overwrite
            See :meth:`save_segmentation`; the layer's own path by default.

        Raises
        ------
        UsageError
            A stroke is running, or the layer is none of this workspace any more.
        ExportError
            The target is one of the case's images, or a file of another layer, be it only being written.
        """
        self.check_layer(layer)
        if layer.segmentation.in_stroke:
            raise UsageError("a stroke is running", remedy="Finish it, then save")
        others = [other for other in self.layers if other is not layer]
        return self._files.begin(layer, None if path is None else Path(path), others, overwrite=overwrite)

    def end_save(self, job: Save, written: Written | None) -> None:
        """The last part: count the state that was written as saved, or with None as not saved."""
        self._files.end(job, written)

    def check_layer(self, layer: Layer) -> None:
        """Raise `UsageError` for a layer that was replaced or dropped."""
        if layer not in self.layers:
            raise UsageError(f"this {layer.name} was replaced meanwhile", remedy="Save the one that is shown now")

    def knows(self, path: Path) -> bool:
        """Whether this session read or wrote `path`, or there is no such file."""
        return self._files.knows(path)

    def recover(self, *, take_back: bool = False) -> int:
        """Do the steps of the session that ended without saving again; see :meth:`Layer.recover`."""
        return self.tumor.recover(take_back=take_back)

    def dismiss_recovery(self) -> None:
        """Give up the steps of the session that ended without saving, for good."""
        self.tumor.dismiss_recovery()

    def close(self) -> None:
        """End the session. Ask about unsaved work before: the journals go, too."""
        for layer in self.layers:
            layer.close()
        if self.keeper is not None:
            self.keeper.close()
        self._folder = None

    def _take_over(self, keeper: Keeper) -> None:
        entries, trouble = keeper.load()
        if trouble:
            self.notes = (*self.notes, trouble)
        keeper.follow(self.results)
        if entries:
            self.results.adopt(entries)

    def _look_at(self, change: Change | None, shown: Collection[int]) -> None:
        if change is None:
            return
        for axis in shown or (int(self.view.plane),):
            if not change.box[axis].start <= self.view.cursor[axis] < change.box[axis].stop:
                self.view.cursor = change.focus
                return

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
from seg_editor.errors import CaseError, ExportError, UsageError
from seg_editor.session.journal import Recovery, default_journal_folder, find_recovery
from seg_editor.session.keeper import Keeper
from seg_editor.session.layer import Layer, TissueScheme
from seg_editor.session.results import Results, opened_labels
from seg_editor.session.saving import Loss, Save, Written, file_hash, tumor_loss
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
    segmentation_path, tissue_path : Path
        Where :meth:`save_segmentation` and a save of the tissue map write.
    """

    def __init__(self, case: Case, *, journal_folder: Path | None = None) -> None:
        self.case = case
        self._folder = journal_folder
        self.tumor = Layer(
            Segmentation(opened_labels(case), case.scheme, case.grid.spacing), case.content_hash, journal_folder
        )
        self.tissue: Layer | None = None
        self.view = ViewState(case)
        self.results = Results()
        self.notes = case.notes
        self.keeper: Keeper | None = None
        if journal_folder is not None:
            self.keeper = Keeper(journal_folder / _PICTURES, case.content_hash, opened_labels(case))
            self._take_over(self.keeper)
        self.journal_failed = self.tumor.journal_failed
        self.tissue_changed = Signal()
        self.segmentation_path = case.labels_path
        self.tissue_path = case.folder / f"{case.case_id}_tissue.nii.gz"
        self._home = case.labels_path.resolve()
        self._on_disk = opened_labels(case)
        self._written: dict[Path, str] = {}
        self._last_seen = {self._home: file_hash(self._home) if case.labels is None else case.labels.source.sha256}
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
        return tumor_loss(self._on_disk, self.segmentation.labels, self.case.grid.voxel_ml)

    @property
    def _tissue_hash(self) -> str:
        return f"tissue{self.case.content_hash}"

    @property
    def tissue_left(self) -> Recovery | None:
        """Steps that an earlier session left unsaved on a tissue map, while there is none yet to do them again on."""
        if self._folder is None or self.tissue is not None:
            return None
        return find_recovery(self._folder, self._tissue_hash, None)

    def set_tissue(self, labels: NDArray[Any] | None) -> None:
        """Take a tissue map (uint8, x y z: 1 CSF, 2 gray, 3 white matter) as a layer that can be edited, or drop it."""
        if self.tissue is not None:
            self.tissue.close()
        self.tissue = None
        self.view.on_tissue = False
        if labels is not None:
            made = Segmentation(labels, TissueScheme(), self.case.grid.spacing)
            self.tissue = Layer(made, self._tissue_hash, self._folder)
        self.tissue_changed.emit()

    def open_tissue(self) -> None:
        """Take the tissue map saved at `tissue_path` as the layer.

        Raises
        ------
        CaseError
            It cannot be read, or is no tissue map of this case.
        """
        volume = read_labels(self.tissue_path)
        fits = volume.raw.shape == self.case.grid.shape and volume.raw.min() >= 0
        if not fits or volume.raw.max() > max(TissueScheme().label_values):
            raise CaseError("this is no tissue map of the case", path=self.tissue_path, remedy="Keep the new one")
        self._last_seen[self.tissue_path.resolve()] = volume.source.sha256
        self.set_tissue(volume.raw.astype(np.uint8))

    def apply(self, edit: Edit) -> Change | None:
        """Do `edit` on the active layer as one step; None when it changes nothing; `UsageError` when it refuses."""
        return self.active.segmentation.apply(edit)

    def gate(self) -> Gate | None:
        """Where paint may go: inside the brain, and in the view's intensity range; None for anywhere."""
        chosen = self.range_gate()
        brain = self.case.brain if self.view.in_brain else None
        return chosen if brain is None or not brain.any() else MaskGate(brain, chosen)

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
            The file cannot be written, is one of the case's images, or was changed by another program. The segmentation
            stays unsaved.
        """
        job = self.begin_save(path, overwrite=overwrite)
        try:
            written = job.run()
        except BaseException:
            self.end_save(job, None)
            raise
        self.end_save(job, written)
        return written.path

    def begin_save(self, path: Path | str | None = None, *, overwrite: bool = False, tissue: bool = False) -> Save:
        """The first part of :meth:`save_segmentation`: copy what is to be written.

        Call :meth:`Save.run` next, in any thread, and :meth:`end_save` last, in this one. Editing may go on meanwhile.

        Parameters
        ----------
        path, overwrite
            See :meth:`save_segmentation`.
        tissue : bool
            Save the tissue map, into `tissue_path` by default.

        Raises
        ------
        UsageError
            A stroke is running, or there is no tissue map.
        ExportError
            The target is one of the case's images.
        """
        layer = self.tissue if tissue else self.tumor
        if layer is None:
            raise UsageError("there is no tissue map", remedy="Compute it first")
        seg = layer.segmentation
        if seg.in_stroke:
            raise UsageError("a stroke is running", remedy="Finish it, then save")
        home = self.tissue_path if tissue else self.segmentation_path
        target = home if path is None else Path(path)
        resolved = target.resolve()
        if any(volume.source.path.resolve() == resolved for volume in self.case.volumes.values()):
            raise ExportError("this is an image of the case", path=target, remedy="Choose another name")
        expected = None if overwrite or path is not None else self._last_seen.get(resolved, "")
        layer.begin_save()
        source = self.case.volumes[self.case.modalities[0]].source.with_dtype(np.uint8, is_labels=True)
        own = None
        if not tissue:
            source = self.case.labels_source
            own = self._written.get(resolved, "") if self.loss is None else ""
        return Save(layer, source, target, seg.labels.copy(), seg.original.copy(), seg.revision, expected, own)

    def end_save(self, job: Save, written: Written | None) -> None:
        """The last part: count the state that was written as saved, or with None as not saved."""
        if written is None:
            job.layer.end_save(None)
            return
        self._last_seen[written.path.resolve()] = written.file_hash
        if job.layer is self.tumor:
            self.segmentation_path, self._on_disk = written.path, job.labels
            self._written[written.path.resolve()] = written.file_hash
        else:
            self.tissue_path = written.path
        job.layer.segmentation.mark_saved(job.revision)
        at_home = job.layer is not self.tumor or written.path.resolve() == self._home
        job.layer.end_save(written.start, None if at_home else written.path)

    def knows(self, path: Path) -> bool:
        """Whether this session read or wrote `path`, or there is no such file."""
        return path.resolve() in self._last_seen or not path.exists()

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

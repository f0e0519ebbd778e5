"""The editable label volume: the one place that writes label voxels."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import LabelScheme
from seg_editor.editing.delta import (
    Box,
    Change,
    Delta,
    Labels,
    Mask,
    Values,
    between,
    common_box,
    difference,
    fits,
    focus_of,
    tight_box,
    union_box,
    whole_box,
)
from seg_editor.editing.edit import Edit, OriginalRule, Patch, Spacing, bound
from seg_editor.editing.tally import read_only, tally
from seg_editor.errors import UsageError
from seg_editor.signal import Signal


class Segmentation:
    """Labels with their counts, a revision, and a reference tumor.

    Parameters
    ----------
    labels : uint8 or int16 array (x, y, z)
        Copied.
    scheme : LabelScheme
    spacing : (float, float, float)
        mm per voxel along x, y, z.

    Notes
    -----
    `revision` names a state: undo brings the old number back, a new edit gets a number never used before.
    `changed` emits the box after any write, `committed` the :class:`Change` after an edit or a finished stroke
    (not after undo and redo), `saved` nothing after :meth:`mark_saved`.
    """

    def __init__(self, labels: Labels, scheme: LabelScheme, spacing: Spacing = (1.0, 1.0, 1.0)) -> None:
        if labels.ndim != 3 or labels.dtype not in (np.dtype(np.uint8), np.dtype(np.int16)):
            raise UsageError(f"labels must be a 3-D uint8 or int16 array, not {labels.dtype} {labels.shape}")
        self.scheme = scheme
        self.spacing = spacing
        self.changed = Signal()
        self.committed = Signal()
        self.saved = Signal()
        self._labels: Labels = np.array(labels, order="C", copy=True)
        self._original: Labels = self._labels.copy()
        self._original_box = tight_box(self._original > 0)
        self._counts: dict[int, int] = dict.fromkeys((0, *scheme.label_values), 0)
        tally(self._counts, self._labels, 1)
        self._limits = np.iinfo(self._labels.dtype)
        self._revision = 0
        self._saved_revision = 0
        self._next_revision = count(1)
        self._live: LiveEdit | None = None
        self._removed_slices = np.zeros(self._labels.shape[2], dtype=np.int64)
        self._settled: Labels = self._labels.copy()
        self._unsettled: Box | None = None

    @property
    def labels(self) -> Labels:
        """The labels (x, y, z), a read-only view that follows every edit."""
        return read_only(self._labels)

    @property
    def original(self) -> Labels:
        """The reference tumor, read-only: the labels as opened, or as last set by an automatic segmentation."""
        return read_only(self._original)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        nx, ny, nz = self._labels.shape
        return nx, ny, nz

    @property
    def revision(self) -> int:
        """Number of the present state."""
        return self._revision

    @property
    def dirty(self) -> bool:
        """Whether the present state differs from the one last confirmed as saved."""
        return self._revision != self._saved_revision

    @property
    def counts(self) -> dict[int, int]:
        """Voxels per label value, kept from changes."""
        return dict(self._counts)

    @property
    def tumor(self) -> Mask:
        """Bool (x, y, z): any label but background."""
        tumor: Mask = self._labels > 0
        return tumor

    @property
    def removed(self) -> Mask:
        """Bool (x, y, z): reference tumor that is now background."""
        removed: Mask = (self._original > 0) & (self._labels == 0)
        return removed

    @property
    def removed_slices(self) -> NDArray[np.int64]:
        """How many voxels of :attr:`removed` each axial slice holds, (z,); kept from changes."""
        counts = self._removed_slices.view()
        counts.flags.writeable = False
        return counts

    @property
    def in_stroke(self) -> bool:
        """Whether a live edit (a stroke, a preview) is open."""
        return self._live is not None

    def volume_ml(self, value: int) -> float:
        """Volume of label `value` in milliliters."""
        return self._counts.get(value, 0) * float(np.prod(self.spacing)) / 1000.0

    def mark_saved(self, revision: int | None = None) -> None:
        """Remember `revision` (the present one by default) as confirmed on disk."""
        self._saved_revision = self._revision if revision is None else revision
        self.saved.emit()

    def apply(self, edit: Edit) -> Change | None:
        """Do `edit`; None when it changes no voxel.

        Raises
        ------
        UsageError
            A stroke is running, the edit refuses, or a label does not fit the dtype of the labels.
        """
        self._refuse_in_stroke()
        ready = bound(edit, self.scheme, self.spacing)
        result = ready(self.labels)
        if result is None:
            return None
        patch = Patch(*result)
        patch = patch._replace(new=self._checked(patch.new))
        delta = difference(self._labels, patch.box, patch.mask, patch.new)
        base = self._base_delta(patch, delta)
        lead = delta or base
        if lead is None:
            return None
        return self._make(ready.name, delta, base, lead)

    def revert(self, change: Change) -> None:
        """Undo `change`, which must be the one that made the present state."""
        self._refuse_in_stroke()
        if self._revision != change.after:
            raise UsageError(f"{change.name} is not the last step", remedy="Undo the later steps first")
        self._replay(change, forward=False)
        self.changed.emit(change.box)

    def reapply(self, change: Change) -> None:
        """Redo `change`, which must have been made in the present state."""
        self._refuse_in_stroke()
        if self._revision != change.before:
            raise UsageError(f"{change.name} does not follow the present state")
        self._replay(change, forward=True)
        self.changed.emit(change.box)

    def replay(self, name: str, delta: Delta | None, base: Delta | None = None) -> Change:
        """Do a recorded step again as a new one (crash recovery).

        Raises
        ------
        UsageError
            The record does not fit: labels other than its `old` ones lie there.
        """
        self._refuse_in_stroke()
        for array, part in ((self._labels, delta), (self._original, base)):
            if part is not None and not fits(array, part):
                raise UsageError(f"the recorded step {name} does not fit this segmentation")
        lead = delta or base
        if lead is None:
            raise UsageError(f"the recorded step {name} is empty")
        return self._make(name, delta, base, lead)

    def set_original(self, labels: Labels) -> None:
        """Say where the picture's tumor is, outside the history (on opening a stored session); no label changes.

        Raises
        ------
        UsageError
            The shape differs.
        """
        if labels.shape != self._labels.shape:
            raise UsageError(f"a reference of shape {labels.shape} does not fit this case of {self._labels.shape}")
        self._original[...] = labels
        self._original_box = tight_box(self._original > 0)
        self._removed_slices[:] = np.count_nonzero(self.removed, axis=(0, 1))
        self.changed.emit(whole_box(self._labels.shape))

    def base_delta(self) -> Delta | None:
        """From the present labels to the reference tumor, None when they are alike."""
        return between(self._labels, self._original, whole_box(self._labels.shape))

    def begin_live(self, name: str) -> LiveEdit:
        """Open an edit that writes bit by bit and ends as one :class:`Change` (a stroke, a preview)."""
        self._refuse_in_stroke()
        self._settle()
        self._live = LiveEdit(self, name)
        return self._live

    def _make(self, name: str, delta: Delta | None, base: Delta | None, lead: Delta) -> Change:
        change = Change(name, delta, base, focus_of(lead.mask, lead.box), self._revision, next(self._next_revision))
        self._replay(change, forward=True)
        self.committed.emit(change)
        self.changed.emit(change.box)
        return change

    def _refuse_in_stroke(self) -> None:
        if self._live is not None:
            raise UsageError(f"{self._live.name} is still running", remedy="Finish or cancel it first")

    def _checked(self, new: Values | np.integer[Any]) -> Values:
        """`new` as an int or an array, if every label fits the dtype of the labels."""
        if isinstance(new, int | np.integer):
            new = int(new)
            low = high = new
        elif new.dtype.kind not in "iu":
            raise UsageError(f"labels are whole numbers, not {new.dtype}")
        else:
            low, high = int(new.min(initial=0)), int(new.max(initial=0))
        for value in (low, high):
            if not self._limits.min <= value <= self._limits.max:
                raise UsageError(f"label {value} does not fit {self._labels.dtype} labels")
        return new

    def _base_delta(self, patch: Patch, delta: Delta | None) -> Delta | None:
        if patch.original is OriginalRule.ADOPT and delta is not None:
            mask = delta.mask
            drawn = mask & (self._original[delta.box] == 0)
            return difference(self._original, delta.box, drawn, self._labels[delta.box][drawn])
        if patch.original is OriginalRule.REPLACE:
            wanted = self._labels.copy()
            wanted[patch.box][patch.mask] = patch.new
            return between(self._original, wanted, whole_box(wanted.shape))
        return None

    def _replay(self, change: Change, *, forward: bool) -> None:
        for array, delta, counted in ((self._labels, change.delta, True), (self._original, change.base, False)):
            if delta is None:
                continue
            step = delta if forward else delta.inverse
            if not counted:
                self._original_box = step.box if self._original_box is None else union_box(self._original_box, step.box)
            self._count_removed(step.box, -1)
            array[step.box][step.mask] = step.new
            self._count_removed(step.box, 1)
            if counted:
                tally(self._counts, step.old, -1, step.count)
                tally(self._counts, step.new, 1, step.count)
                self._unsettled = step.box if self._unsettled is None else union_box(self._unsettled, step.box)
        self._revision = change.after if forward else change.before

    def _write(self, box: Box, mask: Mask, value: int) -> bool:
        new = self._checked(value)
        region = self._labels[box]
        touched: Mask = mask & (region != new)
        old = region[touched]
        if old.size == 0:
            return False
        self._count_removed(box, -1)
        region[touched] = new
        self._count_removed(box, 1)
        tally(self._counts, old, -1)
        tally(self._counts, new, 1, old.size)
        self._revision = next(self._next_revision)
        return True

    def _commit_live(self, name: str, box: Box, before: int) -> Change | None:
        delta = between(self._settled[box], self._labels[box], box)
        if delta is None:
            self._revision = before
            return None
        self._unsettled = box
        change = Change(name, delta, None, focus_of(delta.mask, delta.box), before, self._revision)
        self.committed.emit(change)
        return change

    def _cancel_live(self, box: Box, before: int) -> None:
        region = self._labels[box]
        tally(self._counts, region, -1)
        self._count_removed(box, -1)
        region[...] = self._settled[box]
        self._count_removed(box, 1)
        tally(self._counts, region, 1)
        self._revision = before
        self.changed.emit(box)

    def _count_removed(self, box: Box, sign: int) -> None:
        part = None if self._original_box is None else common_box(box, self._original_box)
        if part is not None:
            gone = (self._original[part] > 0) & (self._labels[part] == 0)
            self._removed_slices[part[2]] += sign * np.count_nonzero(gone, axis=(0, 1))

    def _settle(self) -> None:
        """Bring the copy of the labels that a live edit compares with up to date."""
        if self._unsettled is not None:
            self._settled[self._unsettled] = self._labels[self._unsettled]
            self._unsettled = None


class LiveEdit:
    """An edit in progress: its writes show at once, :meth:`commit` makes them one step, :meth:`cancel` none.

    Made by :meth:`Segmentation.begin_live`.
    """

    def __init__(self, segmentation: Segmentation, name: str) -> None:
        self.name = name
        self._segmentation = segmentation
        self._before = segmentation.revision
        self._box: Box | None = None
        self._open = True

    def write(self, box: Box, mask: Mask, value: int) -> Box | None:
        """Set `value` at the voxels of `mask` in `box`; returns `box`, or None when nothing changed."""
        self._check_open()
        if not self._segmentation._write(box, mask, value):
            return None
        self._box = box if self._box is None else union_box(self._box, box)
        self._segmentation.changed.emit(box)
        return box

    def commit(self) -> Change | None:
        """Close; the step that was made, or None when every voxel is as before."""
        self._close()
        return None if self._box is None else self._segmentation._commit_live(self.name, self._box, self._before)

    def cancel(self) -> None:
        """Close and put every voxel back; harmless when already closed."""
        if self._open:
            self._close()
            if self._box is not None:
                self._segmentation._cancel_live(self._box, self._before)

    def _check_open(self) -> None:
        if not self._open:
            raise UsageError(f"{self.name} has ended already")

    def _close(self) -> None:
        self._check_open()
        self._open = False
        self._segmentation._live = None

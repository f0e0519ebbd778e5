"""Saving a layer in three parts, so that the slow one can run beside the thread that edits; who may write where."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, NiftiSource, write_like
from seg_editor.cases.write import refuse_protected, remove_leftovers
from seg_editor.editing.delta import between, whole_box
from seg_editor.errors import ExportError
from seg_editor.hashing import file_sha256
from seg_editor.session.journal import Start
from seg_editor.session.layer import TISSUE_MAP, Layer, labels_hash
from seg_editor.session.results import opened_labels


class Written(NamedTuple):
    """What a finished save says: the file, its SHA-256, the state it holds, and where the file before it is kept."""

    path: Path
    file_hash: str
    start: Start
    copy: Path | None = None


class Loss(NamedTuple):
    """The tumor in a file and what a save would leave of it there, in ml."""

    held_ml: float
    left_ml: float


@dataclass(frozen=True, eq=False)
class Save:
    """One save, begun: copies of what the layer held at that moment.

    Parameters
    ----------
    layer : Layer
    source : NiftiSource
        What the file is written like.
    path : Path
    labels, original : array (x, y, z)
        Copies.
    revision : int
        Of the segmentation.
    expected : str or None
        SHA-256 that the file on disk has to have (or it has to be missing); None writes over anything.
    own : str or None
        SHA-256 of a file that nobody misses, such as the one this session wrote: a file of any other content is kept
        beside the new one. None keeps nothing.
    """

    layer: Layer
    source: NiftiSource
    path: Path
    labels: NDArray[Any]
    original: NDArray[Any]
    revision: int
    expected: str | None
    own: str | None = None

    def run(self) -> Written:
        """Write beside, flush, read back, compare, replace. Any thread.

        A file that has to be kept (see `own`) is copied first, see :func:`copy_path`.

        Raises
        ------
        ExportError
            The file cannot be written, or was changed by another program. What was there is as it was.
        """
        refuse_protected(self.path)
        before = file_hash(self.path)
        if self.expected is not None and before not in (self.expected, ""):
            raise ExportError(
                "another program changed this file since it was opened",
                path=self.path,
                remedy="Save under another name",
            )
        remove_leftovers(self.path)
        copy = self._keep_copy() if self.own is not None and before not in (self.own, "") else None
        path = write_like(self.source, self.labels, self.path)
        base = between(self.labels, self.original, whole_box(self.labels.shape))
        start = Start(self.layer.start_hashes[0], labels_hash(self.labels), base, str(path))
        return Written(path, file_hash(path), start, copy)

    def _keep_copy(self) -> Path:
        copy = copy_path(self.path)
        try:
            if not copy.exists():
                shutil.copy2(self.path, copy)
        except OSError as error:
            why = f"the file that is replaced cannot be copied: {error.strerror or error}"
            raise ExportError(why, path=copy, remedy="Save under another name") from error
        return copy


class Files:
    """What a session knows of the files of its case, and what it writes where.

    Parameters
    ----------
    case : Case
    tumor : Layer

    Attributes
    ----------
    tissue_home : Path
        Where a tissue map lies beside the case.
    """

    def __init__(self, case: Case, tumor: Layer) -> None:
        self.tissue_home = case.folder / f"{case.case_id}_tissue.nii.gz"
        self._case = case
        self._tumor = tumor
        self._held = opened_labels(case)
        self._written: dict[Path, str] = {}
        opened = case.labels_path.resolve()
        self._seen = {opened: file_hash(opened) if case.labels is None else case.labels.source.sha256}

    @property
    def loss(self) -> Loss | None:
        """What a save of the tumor loses; None when that is at most half of the tumor in its file."""
        return tumor_loss(self._held, self._tumor.segmentation.labels, self._case.grid.voxel_ml)

    def knows(self, path: Path) -> bool:
        """Whether this session read or wrote `path`, or there is no such file."""
        return path.resolve() in self._seen or not path.exists()

    def saw(self, path: Path, sha256: str) -> None:
        """Remember what a file held that was read or written."""
        self._seen[path.resolve()] = sha256

    def begin(self, layer: Layer, path: Path | None, others: Sequence[Layer], *, overwrite: bool) -> Save:
        """Begin to save a layer into `path`, or its own file; ExportError for an image or a file of `others`."""
        target = path or layer.path
        self._refuse_taken(layer, target, others)
        resolved, seg = target.resolve(), layer.segmentation
        expected = None if overwrite or path is not None else self._seen.get(resolved, "")
        source, own = self._case.labels_source, None
        if layer is self._tumor:
            own = self._written.get(resolved, "") if self.loss is None else ""
        else:
            source = self._case.volumes[self._case.modalities[0]].source.with_dtype(np.uint8, is_labels=True)
        layer.begin_save(target)
        return Save(layer, source, target, seg.labels.copy(), seg.original.copy(), seg.revision, expected, own)

    def end(self, job: Save, written: Written | None) -> None:
        """Count the state that was written as saved; with None, as not saved."""
        if written is None:
            job.layer.end_save(None)
            return
        self.saw(written.path, written.file_hash)
        if job.layer is self._tumor:
            self._held = job.labels
            self._written[written.path.resolve()] = written.file_hash
        job.layer.path = written.path
        job.layer.segmentation.mark_saved(job.revision)
        job.layer.end_save(written.start)

    def _refuse_taken(self, layer: Layer, target: Path, others: Sequence[Layer]) -> None:
        taken = [(volume.source.path, "an image of the case") for volume in self._case.volumes.values()]
        if self._case.mask_file is not None:
            taken.append((self._case.mask_file.source.path, "the brain mask of the case"))
        if layer is self._tumor:
            taken.append((self.tissue_home, f"the file of the {TISSUE_MAP}"))
        for other in others:
            files = (other.home, other.path, other.saving)
            taken += [(path, f"the file of the {other.name}") for path in files if path is not None]
        what = next((what for path, what in taken if one_file(path, target)), "")
        if what:
            raise ExportError(f"this is {what}", path=target, remedy="Choose another name")


def copy_path(path: Path) -> Path:
    """Where a file is kept before another replaces it: its name and ``.bak``.

    ``.bak2`` and so on where that name holds something else.
    """
    content = file_hash(path)
    names = (path.with_name(f"{path.name}.bak{number if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not name.exists() or file_hash(name) == content)


def tumor_loss(held: NDArray[Any], labels: NDArray[Any], voxel_ml: float) -> Loss | None:
    """Return what is lost where `labels` replace those held in a file (x, y, z); None for up to half of the tumor."""
    tumor = held > 0
    before = int(np.count_nonzero(tumor))
    if 2 * np.count_nonzero(tumor & (labels == 0)) <= before:
        return None
    return Loss(before * voxel_ml, int(np.count_nonzero(labels)) * voxel_ml)


def one_file(path: Path, other: Path) -> bool:
    """Whether two paths name one file; names that differ in case only do on many disks."""
    return str(path.resolve()).casefold() == str(other.resolve()).casefold()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, ``""`` when it is not there."""
    try:
        return file_sha256(path)
    except OSError:
        return ""

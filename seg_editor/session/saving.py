"""Saving a layer in three parts, so that the slow one can run beside the thread that edits."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from seg_editor.cases import NiftiSource, read_labels, write_like
from seg_editor.cases.write import remove_leftovers
from seg_editor.editing.delta import between, whole_box
from seg_editor.errors import ExportError, SegEditorError
from seg_editor.hashing import file_sha256
from seg_editor.session.journal import Start
from seg_editor.session.layer import Layer, labels_hash


class Written(NamedTuple):
    """What a finished save says: the file, its SHA-256, and the state it holds."""

    path: Path
    file_hash: str
    start: Start


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
    """

    layer: Layer
    source: NiftiSource
    path: Path
    labels: NDArray[Any]
    original: NDArray[Any]
    revision: int
    expected: str | None

    def run(self) -> Written:
        """Write beside, flush, read back, compare, replace. Any thread.

        Before empty labels replace a file that holds some, a copy of it is kept beside it: its name and ``.bak``.

        Raises
        ------
        ExportError
            The file cannot be written, or was changed by another program. What was there is as it was.
        """
        if self.expected is not None and file_hash(self.path) not in (self.expected, ""):
            raise ExportError(
                "another program changed this file since it was opened",
                path=self.path,
                remedy="Save under another name",
            )
        remove_leftovers(self.path)
        if not self.labels.any() and holds_labels(self.path):
            self._keep_copy()
        path = write_like(self.source, self.labels, self.path)
        base = between(self.labels, self.original, whole_box(self.labels.shape))
        start = Start(self.layer.start_hashes[0], labels_hash(self.labels), base)
        return Written(path, file_hash(path), start)

    def _keep_copy(self) -> None:
        copy = self.path.with_name(f"{self.path.name}.bak")
        try:
            shutil.copy2(self.path, copy)
        except OSError as error:
            why = f"the file that is replaced cannot be copied: {error.strerror or error}"
            raise ExportError(why, path=copy, remedy="Save under another name") from error


def holds_labels(path: Path) -> bool:
    """Whether a segmentation file has any label, or cannot be read; False when there is none."""
    if not path.is_file():
        return False
    try:
        return bool(read_labels(path).raw.any())
    except (SegEditorError, OSError):
        return True


def file_hash(path: Path) -> str:
    """SHA-256 of a file, ``""`` when it is not there."""
    try:
        return file_sha256(path)
    except OSError:
        return ""

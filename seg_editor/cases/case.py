"""One patient's visit: images and at most one segmentation on one grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases.brain import brain_mask
from seg_editor.cases.grid import Grid
from seg_editor.cases.labels import LabelScheme
from seg_editor.cases.modality import MODALITIES, Modality
from seg_editor.cases.naming import Layout, segmentation_name
from seg_editor.cases.source import NiftiSource
from seg_editor.cases.volume import Volume


@dataclass(eq=False)
class Case:
    """A case as read; nothing here changes while it is edited.

    Parameters
    ----------
    case_id : str
        From the file names, or the folder's name in the 2013 layout.
    folder : Path
        Where its files lie.
    layout : Layout
        How they are named.
    grid : Grid
        Of every volume of the case.
    volumes : dict of Modality to Volume
        The images that are there, in the order of ``MODALITIES``.
    labels : Volume or None
        The segmentation as read, label values as in the file.
    scheme : LabelScheme
        What the label values mean.
    notes : tuple of str
        Things that the user should know, one line each.
    mask_file : Volume or None
        The brain mask that came with the case.
    """

    case_id: str
    folder: Path
    layout: Layout
    grid: Grid
    volumes: dict[Modality, Volume]
    labels: Volume | None
    scheme: LabelScheme
    notes: tuple[str, ...] = ()
    mask_file: Volume | None = None

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that are there, in the order of ``MODALITIES``."""
        return tuple(modality for modality in MODALITIES if modality in self.volumes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        return self.grid.shape

    @cached_property
    def brain(self) -> NDArray[np.bool_]:
        """The brain, bool (x, y, z), read-only; computed on first use."""
        mask = brain_mask([self.volumes[modality] for modality in self.modalities], self.mask_file)
        mask.flags.writeable = False
        return mask

    @cached_property
    def tumor(self) -> NDArray[np.bool_] | None:
        """The tumor as read, bool (x, y, z), read-only; ``None`` without a segmentation."""
        if self.labels is None:
            return None
        mask = np.asarray(self.labels.raw > 0)
        mask.flags.writeable = False
        return mask

    @cached_property
    def content_hash(self) -> str:
        """sha256 over modalities, voxels, scaling and affine, and a brain mask's file; not over the segmentation."""
        digest = hashlib.sha256()
        for modality in self.modalities:
            digest.update(f"{modality.value}:{self.volumes[modality].sha256};".encode())
        if self.mask_file is not None:  # decides the brain, and so scale and context
            digest.update(f"brain:{self.mask_file.sha256};".encode())
        return digest.hexdigest()

    @property
    def labels_hash(self) -> str | None:
        """sha256 of the segmentation as read, ``None`` without one."""
        return None if self.labels is None else self.labels.sha256

    @property
    def labels_source(self) -> NiftiSource:
        """What a saved segmentation is written like: the segmentation's own file, else an image as uint8."""
        if self.labels is not None:
            return self.labels.source
        return self.volumes[self.modalities[0]].source.with_dtype(np.uint8, is_labels=True)

    @property
    def labels_path(self) -> Path:
        """Where the segmentation lies, or would by the case's file names."""
        if self.labels is not None:
            return self.labels.path
        return self.folder / segmentation_name(self.case_id, self.layout)

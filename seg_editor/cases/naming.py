"""File names of the BraTS years, and what they say about a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from seg_editor.cases.modality import Modality


class Layout(StrEnum):
    """How a case's files are named."""

    BRATS = "brats"
    BRATS2023 = "brats2023"
    BRATS2013 = "brats2013"


class Role(StrEnum):
    """What a file is in its case, apart from the modalities."""

    SEGMENTATION = "seg"
    BRAIN_MASK = "brainmask"


@dataclass(frozen=True)
class FileName:
    """What a file's name says: whose file it is and what it holds."""

    path: Path
    case_id: str
    layout: Layout
    role: Modality | Role


EXPECTED_NAMES = (
    "<id>_flair, <id>_t1, <id>_t1ce, <id>_t2 and <id>_seg (BraTS up to 2022), "
    "<id>-t2f, <id>-t1n, <id>-t1c, <id>-t2w and <id>-seg (2023 and later), "
    "or Flair_, T1_, T1c_, T2_subtrMeanDivStd and OTMultiClass (2013), each .nii.gz or .nii"
)

_EXTENSION = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_BRATS = re.compile(r"(?:(?P<id>.+)_)?(?P<token>flair|t1|t1ce|t1gd|t1c|t2|segm?)", re.IGNORECASE)
_BRATS2023 = re.compile(r"(?:(?P<id>.+)-)?(?P<token>t2f|t1n|t1c|t2w|seg)", re.IGNORECASE)
_BRATS2013 = re.compile(r"(?P<token>flair|t1c|t1|t2)_subtrmeandivstd|(?P<other>otmulticlass|brainmask)", re.IGNORECASE)

_ROLES: dict[str, Modality | Role] = {
    "flair": Modality.FLAIR,
    "t2f": Modality.FLAIR,
    "t1": Modality.T1,
    "t1n": Modality.T1,
    "t1ce": Modality.T1C,
    "t1gd": Modality.T1C,
    "t1c": Modality.T1C,
    "t2": Modality.T2,
    "t2w": Modality.T2,
    "seg": Role.SEGMENTATION,
    "segm": Role.SEGMENTATION,
    "otmulticlass": Role.SEGMENTATION,
    "brainmask": Role.BRAIN_MASK,
}

_SEGMENTATION_NAME = {
    Layout.BRATS: "{}_seg.nii.gz",
    Layout.BRATS2023: "{}-seg.nii.gz",
    Layout.BRATS2013: "OTMultiClass.nii.gz",
}


def is_gzip_name(path: Path) -> bool:
    """Return whether a file of this name is written compressed."""
    return path.name.lower().endswith(".gz")


def is_nifti_name(path: Path) -> bool:
    """Return whether the name ends in ``.nii`` or ``.nii.gz``, in any case of letters."""
    return _EXTENSION.search(path.name) is not None


def parse_name(path: Path) -> FileName | None:
    """Read a file's name; ``None`` when it is no case file (holes, hidden files, anything else).

    Names without an id (``flair.nii.gz``) take the folder's name as the case id.
    """
    extension = _EXTENSION.search(path.name)
    if extension is None or path.name.startswith("."):
        return None
    stem = path.name[: extension.start()]
    if match := _BRATS2013.fullmatch(stem):
        token = (match["token"] or match["other"]).lower()
        return FileName(path, path.parent.name, Layout.BRATS2013, _ROLES[token])
    for pattern, layout in ((_BRATS, Layout.BRATS), (_BRATS2023, Layout.BRATS2023)):
        if match := pattern.fullmatch(stem):
            return FileName(path, match["id"] or path.parent.name, layout, _ROLES[match["token"].lower()])
    return None


def segmentation_name(case_id: str, layout: Layout) -> str:
    """Return the file name that a segmentation of this case has in its layout."""
    return _SEGMENTATION_NAME[layout].format(case_id)

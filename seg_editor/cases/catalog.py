"""Which files make up a case, and which cases a folder holds."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from seg_editor.cases.modality import Modality
from seg_editor.cases.naming import EXPECTED_NAMES, FileName, Layout, Role, is_gzip_name, is_nifti_name, parse_name
from seg_editor.cases.stream import read_errors
from seg_editor.errors import CaseError

_DEPTH = 3


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case, by what they are."""

    case_id: str
    folder: Path
    layout: Layout
    paths: dict[Modality | Role, Path]
    notes: tuple[str, ...] = field(default=())

    @property
    def has_image(self) -> bool:
        """Whether at least one modality is among the files."""
        return any(isinstance(role, Modality) for role in self.paths)


def choose_files(path: Path) -> CaseFiles:
    """Return the files of the case that a folder or a file belongs to.

    Raises
    ------
    CaseError
        No case, several cases, or two files for one modality.
    """
    with read_errors(path):
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    if is_folder:
        return _files_of_folder(path)
    file = Path(os.path.abspath(path))
    name = parse_name(file)
    if name is None:
        kind = "the file's name does not say what it holds" if is_nifti_name(path) else "it is no NIfTI file"
        raise CaseError(kind, path=path, remedy=f"Expected are {EXPECTED_NAMES}")
    groups = _group(_names_in(file.parent))
    key = (name.case_id, name.layout is Layout.BRATS2013)
    files = _one_case(groups.get(key, [name]), prefer=file)
    if not files.has_image:
        raise CaseError(f"no modality of case {name.case_id} lies beside it", path=path, remedy=_expected())
    return files


def find_cases(folder: Path | str) -> list[Path]:
    """Find cases by their file names, without reading any file.

    Parameters
    ----------
    folder : path-like
        It is searched itself and down to three levels below; hidden and unreadable folders are passed over.

    Returns
    -------
    list of Path
        Sorted. Each is accepted by :func:`~seg_editor.cases.open_case`: a case folder, or, where one folder holds
        the files of several cases, one image file of each.

    Raises
    ------
    CaseError
        The folder is missing or unreadable.
    """
    root = Path(os.path.abspath(Path(folder).expanduser()))
    with read_errors(Path(folder)):
        os.scandir(root).close()
    found: list[Path] = []
    _search(root, _DEPTH, found)
    return sorted(found)


def _search(folder: Path, depth: int, found: list[Path]) -> None:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    names = [name for entry in entries if (name := parse_name(folder / entry.name)) and entry.is_file()]
    cases = [group for group in _group(names).values() if any(isinstance(n.role, Modality) for n in group)]
    if len(cases) == 1:
        found.append(folder)
    else:
        found.extend(next(n.path for n in group if isinstance(n.role, Modality)) for group in cases)
    if depth:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir():
                _search(folder / entry.name, depth - 1, found)


def _names_in(folder: Path) -> list[FileName]:
    with read_errors(folder):
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [name for path in paths if (name := parse_name(path))]


def _group(names: list[FileName]) -> dict[tuple[str, bool], list[FileName]]:
    """Group by case; the 2013 layout has no id in its names, so it never mixes with the others."""
    groups: dict[tuple[str, bool], list[FileName]] = {}
    for name in names:
        groups.setdefault((name.case_id, name.layout is Layout.BRATS2013), []).append(name)
    return groups


def _files_of_folder(folder: Path) -> CaseFiles:
    where = Path(os.path.abspath(folder))
    groups = _group(_names_in(where))
    cases = {key: names for key, names in groups.items() if any(isinstance(n.role, Modality) for n in names)}
    if not cases:
        raise CaseError("the folder holds no image of a case", path=folder, remedy=_hint(where))
    if len(cases) > 1:
        ids = sorted(case_id for case_id, _ in cases)
        shown = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
        raise CaseError(
            f"the folder holds files of {len(ids)} cases ({shown})", path=folder, remedy="Choose one file of the case"
        )
    (key, names), *_ = cases.items()
    files = _one_case(names)
    strays = [
        n.path.name for other, group in groups.items() if other != key for n in group if n.role is Role.SEGMENTATION
    ]
    if not strays or Role.SEGMENTATION in files.paths:
        return files
    note = f"{strays[0]} is left aside: its name does not begin with {files.case_id}"
    return CaseFiles(files.case_id, files.folder, files.layout, files.paths, (note,))


def _one_case(names: list[FileName], prefer: Path | None = None) -> CaseFiles:
    """Pick one file for each role; of a .nii and a .nii.gz the kind of ``prefer``, the file that the user chose."""
    paths: dict[Modality | Role, Path] = {}
    for name in names:
        earlier = paths.setdefault(name.role, name.path)
        if earlier == name.path:
            continue
        if prefer and is_gzip_name(earlier) != is_gzip_name(name.path):
            paths[name.role] = name.path if is_gzip_name(name.path) == is_gzip_name(prefer) else earlier
            continue
        raise CaseError(
            f"{earlier.name} and {name.path.name} are the same part of one case",
            path=name.path.parent,
            remedy="Move one of the two away",
        )
    layouts = [name.layout for name in names if isinstance(name.role, Modality)] or [names[0].layout]
    layout = max(set(layouts), key=layouts.count)
    return CaseFiles(names[0].case_id, names[0].path.parent, layout, paths)


def _hint(folder: Path) -> str:
    """Return what to do about a folder without images: a case below it, or the names to use."""
    below: list[Path] = []
    _search(folder, 1, below)
    if below:
        count = f"{len(below)} cases lie below it" if len(below) > 1 else "A case lies below it"
        return f"{count}: open {min(below).relative_to(folder)}"
    return _expected()


def _expected() -> str:
    return f"Expected are {EXPECTED_NAMES}"

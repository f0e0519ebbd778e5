"""Open a case from its folder or any one of its files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg_editor.cases.brain import background
from seg_editor.cases.case import Case
from seg_editor.cases.catalog import CaseFiles, choose_files
from seg_editor.cases.grid import Grid
from seg_editor.cases.header import read_source
from seg_editor.cases.labels import SCHEME_124, LabelScheme, decide_scheme
from seg_editor.cases.modality import MODALITIES, Modality
from seg_editor.cases.naming import Layout, Role
from seg_editor.cases.source import NiftiSource
from seg_editor.cases.volume import Volume, read_labels, read_volume
from seg_editor.errors import CaseError

_THREADS = 4
_USUAL_MM = (0.1, 20.0)


@dataclass(frozen=True)
class _Task:
    role: Modality | Role
    source: NiftiSource


def open_case(path: Path | str, *, threads: int = _THREADS) -> Case:
    """Open a case.

    Parameters
    ----------
    path : path-like
        A case folder, or any one file of the case.
    threads : int
        How many files are read at once.

    Returns
    -------
    Case
        All volumes in canonical order; ``notes`` says what is missing or odd.

    Raises
    ------
    CaseError
        One line: what is wrong, with which file, and what to do.
    """
    files = choose_files(Path(path).expanduser())
    order: list[Modality | Role] = [*MODALITIES, Role.SEGMENTATION, Role.BRAIN_MASK]
    tasks = [_Task(role, read_source(files.paths[role])) for role in order if role in files.paths]
    grid = _common_grid(tasks)
    volumes = _read_all(tasks, threads)
    labels = volumes.pop(Role.SEGMENTATION, None)
    mask_file = volumes.pop(Role.BRAIN_MASK, None)
    images = {modality: volumes[modality] for modality in MODALITIES if modality in volumes}
    values, scheme = _labels_meaning(labels, files.layout)
    return Case(
        case_id=files.case_id,
        folder=files.folder,
        layout=files.layout,
        grid=grid,
        volumes=images,
        labels=labels,
        scheme=scheme,
        notes=(*files.notes, *_notes(images, grid, tasks), *_label_notes(labels, values, scheme, files)),
        mask_file=mask_file,
    )


def _common_grid(tasks: list[_Task]) -> Grid:
    """Return the grid of all files, one with known orientation if there is any; all must agree."""
    first = tasks[0].source
    grid = first.grid
    for task in tasks[1:]:
        source = task.source
        if source.grid.shape != grid.shape:
            here, there = (" x ".join(map(str, one.shape)) for one in (source.grid, grid))
            raise CaseError(
                f"its shape {here} differs from {there} of {first.path.name}",
                path=source.path,
                remedy="Resample one of the two to the grid of the other",
            )
        if not source.grid.matches(first.grid):
            raise CaseError(
                f"its affine (position or voxel size) differs from that of {first.path.name}",
                path=source.path,
                remedy="Resample one of the two to the grid of the other, or correct its header",
            )
        if grid.ambiguous and not source.grid.ambiguous:
            grid = source.grid
    return grid


def _read_all(tasks: list[_Task], threads: int) -> dict[Modality | Role, Volume]:
    """Read the voxels of all files, `threads` at once (gzip and copying let other threads run)."""
    readers: dict[Modality | Role, Callable[[Path, NiftiSource], Volume]] = {Role.SEGMENTATION: read_labels}
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(readers.get(t.role, read_volume), t.source.path, t.source) for t in tasks]
        try:
            return {task.role: future.result() for task, future in zip(tasks, running, strict=True)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _labels_meaning(labels: Volume | None, layout: Layout) -> tuple[set[int], LabelScheme]:
    """Return the label values present, without background, and the scheme that they and the names decide."""
    if labels is None:
        return set(), decide_scheme((), layout)
    values = {int(value) for value in np.unique(labels.raw[labels.raw != 0])}
    try:
        return values, decide_scheme(values, layout)
    except CaseError as error:
        raise CaseError(error.what, path=labels.path, remedy=error.remedy) from None


def _notes(images: dict[Modality, Volume], grid: Grid, tasks: list[_Task]) -> list[str]:
    notes = [f"{modality.display} is missing" for modality in MODALITIES if modality not in images]
    for modality, volume in images.items():
        value, fills = background(volume.raw)
        if not (volume.raw != value).any():
            notes.append(f"{modality.display} is empty: every voxel is {value}")
        elif not fills:
            notes.append(f"{modality.display} has no even background: the image may not be skull-stripped")
    if grid.ambiguous:
        notes.append("left and right are uncertain: the headers carry no orientation (qform and sform codes are 0)")
    torn = [task.source.path.name for task in tasks if task.source.forms_disagree]
    if torn:
        notes.append(f"qform and sform disagree, the sform is used: {', '.join(torn)}")
    if not all(_USUAL_MM[0] <= size <= _USUAL_MM[1] for size in grid.spacing):
        size = " x ".join(f"{size:g}" for size in grid.spacing)
        notes.append(f"the voxel size {size} mm is unusual: lengths and volumes may be wrong")
    return notes


def _label_notes(labels: Volume | None, values: set[int], scheme: LabelScheme, files: CaseFiles) -> list[str]:
    if labels is None:
        return ["there is no segmentation"]
    if not values:
        return ["the segmentation is empty"]
    if files.layout is Layout.BRATS2023 and scheme is SCHEME_124:
        return ["label 4 is read as enhancing tumor, although files named like these use 3 for it"]
    return []

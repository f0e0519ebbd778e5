"""The healthy reference: mean FLAIR of the healthy tissue of registered training cases, and a baseline made of it.

It is prepared once (``seg-train reference``): each training case is registered to the SRI24 atlas (affine), its healthy
voxels are averaged there in units of its own scale, and the mean is brought back onto each case that is evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.atlas import Placed, from_template, read_template, to_template
from seg_editor.anatomy.margins import with_margin
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import Case, Modality, open_case
from seg_editor.errors import CaseError
from seg_editor.hashing import file_sha256
from training.evaluate.subject import Floats, Subject

MEAN_FILE = "mean.npz"
#: A voxel of the mean counts when this many cases are healthy brain there (partial cases by interpolation).
_MIN_CASES = 2.0


def prepare_reference(
    training: Sequence[Path], wanted: Sequence[Path], atlas: Path, out: Path, *, threads: int | None = None
) -> Iterator[str]:
    """Write ``mean.npz`` (atlas space) and ``<id>.npz`` for each wanted case; what is of the same cases is kept.

    Parameters
    ----------
    training, wanted : sequence of Path
        Case folders: whose tissue is averaged, and who needs the mean.
    atlas : Path
        Folder of the SRI24 atlas.
    out : Path
    threads : int, optional
        Threads for ANTs.

    Yields
    ------
    str
        Name of what was just made.

    Raises
    ------
    CaseError
        A training case is among the wanted ones, or a case has no FLAIR or no segmentation.
    ModelError, UsageError
        Registration is not possible.
    """
    names = sorted(p.name for p in training)
    both = sorted(set(names) & {p.name for p in wanted})
    if both:
        raise CaseError("a case cannot be its own reference", path=both[0], remedy="Keep the splits apart")
    out.mkdir(parents=True, exist_ok=True)
    template = read_template(atlas)
    kept = _load_mean(out / MEAN_FILE, names)
    if kept is None:
        total = np.zeros((2, *template[1].shape), np.float64)
        for folder in training:
            total += _add_case(open_case(folder), template, threads)
            yield folder.name
        covered = total[1] >= _MIN_CASES
        mean = np.where(covered, total[0] / np.maximum(total[1], 1e-6), 0).astype(np.float32)
        text = np.frombuffer(json.dumps(names).encode(), np.uint8)
        _save(out / MEAN_FILE, flair=mean, covered=covered, cases=text)
        kept = mean, covered
    made_of = file_sha256(out / MEAN_FILE)
    for folder in wanted:
        path = out / f"{folder.name}.npz"
        if _mean_of(path) != made_of:
            case = open_case(folder)
            moved = from_template(case, template, dict(zip(("flair", "share"), kept, strict=True)), threads=threads)
            inside = moved["share"] > 0.5
            flair = np.where(inside, moved["flair"] / np.maximum(moved["share"], 0.5), 0)
            mean_hash = np.frombuffer(made_of.encode(), np.uint8)
            _save(path, flair=flair.astype(np.float32), covered=inside, mean=mean_hash)
            yield folder.name


def _add_case(case: Case, template: Placed, threads: int | None) -> NDArray[np.float32]:
    """Sum and count (2, x, y, z) of one case's healthy tissue in atlas space."""
    if Modality.FLAIR not in case.volumes or case.tumor is None:
        raise CaseError("the reference needs FLAIR and a segmentation", path=case.folder, remedy="Leave the case out")
    healthy = case.brain & ~with_margin(case.tumor & case.brain, case.brain)
    values = case.volumes[Modality.FLAIR].values()
    scaled = np.where(healthy, IntensityScale.of(values, healthy).normalize(values), 0)
    moved = to_template(case, template, {"flair": scaled, "healthy": healthy}, threads=threads)
    return np.stack([moved["flair"], moved["healthy"]])


def _load_mean(path: Path, names: list[str]) -> tuple[Floats, NDArray[np.bool_]] | None:
    """Mean and where there is one; None when there is no file of these cases."""
    try:
        with np.load(path, allow_pickle=False) as z:
            found = np.asarray(z["flair"], np.float32), np.asarray(z["covered"], bool)
            return found if json.loads(z["cases"].tobytes()) == names else None
    except (OSError, EOFError, KeyError, ValueError, BadZipFile):
        return None


def _mean_of(path: Path) -> str | None:
    """sha256 of the ``mean.npz`` that a case's reference was made of; None when there is none or it does not say."""
    try:
        with np.load(path, allow_pickle=False) as z:
            return str(z["mean"].tobytes().decode())
    except (OSError, EOFError, KeyError, ValueError, BadZipFile):
        return None


def _save(path: Path, **arrays: NDArray[np.generic]) -> None:
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as f:
        np.savez_compressed(f, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)


def read_reference(folder: Path, subject: Subject) -> tuple[Floats, NDArray[np.bool_]]:
    """The reference of a case in FLAIR's own intensities (x, y, z), and where there is one.

    Raises
    ------
    CaseError
        It is missing, damaged, of another mean or of another grid.
    """
    path = folder / f"{subject.case.case_id}.npz"
    try:
        with np.load(path, allow_pickle=False) as z:
            scaled, covered = np.asarray(z["flair"], np.float32), np.asarray(z["covered"], bool)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise CaseError("no healthy reference can be read", path=path, remedy="Run seg-train reference") from error
    if scaled.shape != subject.case.grid.shape:
        raise CaseError("the healthy reference does not fit the case", path=path, remedy="Make it again")
    if _mean_of(path) != file_sha256(folder / MEAN_FILE):
        raise CaseError("the healthy reference is of other cases", path=path, remedy="Run seg-train reference again")
    return subject.scale.invert(scaled), covered

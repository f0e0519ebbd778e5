"""One case of ``seg-train prepare``, from files to files: what a local process or a dask worker runs.

What is done is written to ``done/<id>.json`` with the hashes of what went in and what came out; a restart skips it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import CaseError, SegEditorError
from seg_editor.hashing import file_sha256
from training.prepare.manifest import files_hash
from training.prepare.slices import SliceSettings

if TYPE_CHECKING:
    from seg_editor.cases import Case

VERSION = 1
AUTO, OFF = "auto", "off"
#: Gray and white matter each make up about 35 to 45 % of a real brain.
MIN_SHARE = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseJob:
    """Everything that a worker needs to know.

    Attributes
    ----------
    folder, out : Path
        The case; the prepared set.
    split : str
    tissue : Path or str
        Folder of maps (``<id>.npz``, key ``tissue``), ``auto`` to compute, ``off`` for none (and no slices).
    slices : SliceSettings
    pictures : str, optional
        Write the PNG folders too, in this layout.
    atlas : Path, optional
        Check the tissue names against this folder's SRI24.
    """

    folder: Path
    out: Path
    split: str
    tissue: Path | str = OFF
    slices: SliceSettings = field(default_factory=SliceSettings)
    pictures: str | None = None
    atlas: Path | None = None

    @property
    def case_id(self) -> str:
        return self.folder.name

    @property
    def files(self) -> dict[str, Path]:
        """What the job may write, by the name in its record."""
        return {
            "case": self.out / "cases" / f"{self.case_id}.npz",
            "slices": self.out / "slices" / "cases" / f"{self.case_id}.npz",
        }

    @property
    def record(self) -> Path:
        return self.out / "done" / f"{self.case_id}.json"

    def key(self) -> str:
        """sha256 of all that decides the result."""
        tissue = self.tissue
        if isinstance(tissue, Path):
            tissue = file_sha256(tissue / f"{self.case_id}.npz")
        parts = {
            "version": VERSION,
            "source": files_hash(p for p in self.folder.iterdir() if p.is_file()),
            "tissue": tissue,
            "slices": self.slices.to_json(),
            "pictures": f"{self.split} {self.pictures}" if self.pictures else None,
            "benchmark": self.split == "val",
            "atlas": self.atlas is not None,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_case(job: CaseJob) -> dict[str, Any]:
    """Prepare a case unless that is done.

    Returns
    -------
    dict
        The record of what was done, with ``fresh``; or ``case_id`` and ``error``, one line.
    """
    try:
        return _run(job)
    except SegEditorError as error:
        return {"case_id": job.case_id, "error": str(error)}
    except Exception as error:
        _log.exception("case %s", job.case_id)
        text = " ".join(str(error).split())
        return {"case_id": job.case_id, "error": f"{job.folder}: {type(error).__name__}: {text}"}


def _run(job: CaseJob) -> dict[str, Any]:
    from seg_editor.cases import open_case
    from training.prepare.volumes import prepare_opened

    key = _key(job)
    kept = _finished(job, key)
    if kept is not None:
        return kept | {"fresh": False}
    began = time.monotonic()
    for name in ("cases", "slices/cases", "done", "val_holes"):
        (job.out / name).mkdir(parents=True, exist_ok=True)
    case = open_case(job.folder)
    _check_tumor(case)
    tissue, report = _tissue(job, case)
    prepared = prepare_opened(case, tissue=tissue)
    prepared.save(job.files["case"])
    record: dict[str, Any] = {"case_id": job.case_id, "key": key, "notes": list(case.notes), **report}
    record["content_sha256"] = prepared.content_hash
    record |= _slices(job, case, tissue)
    if job.split == "val":
        _benchmark_holes(job, prepared.origin, prepared.shape)
    record["sha256"] = {name: file_sha256(path) for name, path in job.files.items() if path.exists()}
    record["seconds"] = round(time.monotonic() - began, 2)
    record["peak_mb"] = peak_mb()
    temporary = job.record.with_name(f".{job.record.name}.part")
    temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    temporary.replace(job.record)
    return record | {"fresh": True}


def _check_tumor(case: Case) -> None:
    """Refuse a case whose tumor would pass for healthy tissue, or that has none to learn from."""
    remedy = "Add its segmentation, or leave the case out of the splits"
    if case.tumor is None:
        raise CaseError(
            "there is no segmentation: tumor would pass for healthy tissue", path=case.folder, remedy=remedy
        )
    if not case.tumor.any():
        raise CaseError("there is no tumor in the segmentation", path=case.folder, remedy=remedy)


def _key(job: CaseJob) -> str:
    try:
        return job.key()
    except OSError as error:
        what = "there is no tissue map" if isinstance(job.tissue, Path) and job.folder.is_dir() else "cannot be read"
        path = Path(error.filename or job.folder)
        remedy = "Add it, or use --tissue auto" if what.startswith("there") else "Check the folder and the splits"
        raise CaseError(f"{what} ({error.strerror})", path=path, remedy=remedy) from error


def _finished(job: CaseJob, key: str) -> dict[str, Any] | None:
    """The record of an earlier run, if it did the same and its files are still what it wrote."""
    try:
        record: dict[str, Any] = json.loads(job.record.read_text(encoding="utf-8"))
        same = record["key"] == key and all(file_sha256(job.files[n]) == h for n, h in record["sha256"].items())
        return record if same else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _tissue(job: CaseJob, case: Case) -> tuple[NDArray[np.uint8] | None, dict[str, Any]]:
    """Tissue map on the case's grid and what it agrees with."""
    if job.tissue == OFF:
        return None, {}
    agreement: dict[str, float] = {}
    if job.tissue == AUTO:
        from seg_editor.anatomy.tissue import tissue_map

        allow_children()
        found = tissue_map(case, cache_dir=job.out, threads=1)
        labels, agreement = found.labels, {k: round(float(v), 4) for k, v in found.agreement.items()}
    else:
        labels = _read_map(Path(job.tissue) / f"{job.case_id}.npz")
    _check_shares(labels, case)
    report: dict[str, Any] = {"tissue": agreement}
    if job.atlas is not None:
        from seg_editor.anatomy.atlas import prior_agreement
        from seg_editor.anatomy.names import TISSUE_NAMES, TISSUES

        allow_children()
        prior = prior_agreement(case, labels, job.atlas, threads=1)
        report["prior"] = {k: round(v, 4) for k, v in prior.items()}
        right = float(np.mean([prior[TISSUE_NAMES[k]] for k in TISSUES]))
        if right < prior["permuted"]:
            raise CaseError(
                f"the tissue names disagree with the atlas ({right:.2f} against {prior['permuted']:.2f} permuted)",
                path=job.folder,
                remedy="Look at the map, or leave the case out",
            )
    return labels, report


def _check_shares(labels: NDArray[np.uint8], case: Case) -> None:
    """Refuse a map that fits another grid or calls nearly all of the healthy brain one tissue."""
    if labels.shape != case.brain.shape:
        raise CaseError("the tissue map does not fit the case", path=case.folder, remedy="Make it again from this case")
    healthy = case.brain if case.tumor is None else case.brain & ~case.tumor
    counts = np.bincount(labels[healthy], minlength=4)
    for k, name in ((2, "gray"), (3, "white")):
        share = float(counts[k]) / max(int(counts.sum()), 1)
        if share < MIN_SHARE:
            raise CaseError(
                f"the tissue map says {100 * share:.0f} % {name} matter", path=case.folder, remedy="Make the map again"
            )


def allow_children() -> None:
    """A dask worker is a daemon, and a daemon may not start the process that ANTs runs in: be none."""
    multiprocessing.current_process().daemon = False


def _read_map(path: Path) -> NDArray[np.uint8]:
    try:
        with np.load(path, allow_pickle=False) as z:
            return np.asarray(z["tissue"], np.uint8)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise CaseError("not a tissue map", path=path, remedy="Make it again, or use --tissue auto") from error


def _slices(job: CaseJob, case: Case, tissue: NDArray[np.uint8] | None) -> dict[str, Any]:
    """Write the slices of a case that can have some; the number of them, or why there are none."""
    from seg_editor.anatomy.tissue import five_class
    from seg_editor.cases import Modality
    from training.prepare.pictures import remove_pictures, write_pictures
    from training.prepare.slices import case_slices
    from training.prepare.volumes import widened_tumor

    path = job.files["slices"]
    why = "no tissue map" if tissue is None else ""
    if Modality.FLAIR not in case.volumes:
        why = "no FLAIR"
    if why or tissue is None or case.tumor is None:
        path.unlink(missing_ok=True)
        return {"slices": 0, "tumor_slices": 0, "no_slices": why}
    five = np.where(case.brain, five_class(tissue, case.tumor), 0).astype(np.uint8)
    found = case_slices(case, five, case.brain & ~widened_tumor(case), job.slices)
    found.save(path)
    if job.pictures:
        remove_pictures(job.out / "png", job.case_id)
        write_pictures(found, job.out / "png" / job.split, job.pictures)
    return {"slices": len(found.index), "tumor_slices": sum(e["tumor"] > 0 for e in found.index)}


def _benchmark_holes(job: CaseJob, origin: tuple[int, int, int], shape: tuple[int, int, int]) -> None:
    """Crop a case's benchmark holes like its volumes."""
    from seg_editor.cases import read_labels

    source, target = job.folder / f"{job.case_id}_holes.nii.gz", job.out / "val_holes" / f"{job.case_id}.npz"
    if target.exists() or not source.exists():
        return
    box = tuple(slice(o, o + n) for o, n in zip(origin, shape, strict=True))
    np.savez_compressed(target, holes=read_labels(source).raw[box].astype(np.uint8))


def peak_mb() -> int:
    """Peak memory of this process and of the largest one that it started, MB; 0 where it is not told."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 2**20 if sys.platform == "darwin" else 2**10
    everyone = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(sum(resource.getrusage(who).ru_maxrss for who in everyone) / unit)

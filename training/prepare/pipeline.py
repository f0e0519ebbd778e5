"""From case folders to a prepared set: ``cases/``, ``slices/``, ``holes/``, ``val_holes/``, ``manifest.json``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from scipy import ndimage as ndi

from seg_editor.anatomy.atlas import OTHERWISE
from seg_editor.anatomy.names import TISSUE_NAMES, TISSUES
from seg_editor.cases import find_cases
from seg_editor.errors import CaseError, UsageError, reason
from training.prepare.bank import make_shard
from training.prepare.holes import TumorShapes, place_holes
from training.prepare.job import AUTO, OFF, CaseJob
from training.prepare.manifest import SPLITS, patient_of, read_manifest, save_manifest
from training.prepare.parallel import run_jobs
from training.prepare.slices import SliceSettings, consolidate
from training.prepare.volumes import PreparedCase

__all__ = ["SPLITS", "Splits", "list_cases", "make_bank", "patient_of", "prepare", "read_manifest"]

Say = Callable[[str], None]

#: Share of a split's slices that should show tumor; below, :func:`prepare` says so.
MIN_TUMOR_SHARE = 0.15


@dataclass(frozen=True)
class Splits:
    """Case ids a split; no case is in two."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Splits:
        """Read ``splits.json``: lists of case ids under train, val and test.

        Raises
        ------
        UsageError
            The file is missing, lacks a split, or a case is in two splits.
        """
        try:
            data = json.loads(path.read_text())
            parts = {name: tuple(str(i) for i in data[name]) for name in SPLITS}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} holds no train, val and test lists ({reason(error)})",
                remedy="Give --splits a JSON with those three keys",
            ) from error
        seen: dict[str, tuple[str, str]] = {}
        for name, ids in parts.items():
            for i in ids:
                other, where = seen.setdefault(patient_of(i), (i, name))
                if where != name:
                    who = i if i == other else f"the patient of {other} and {i}"
                    raise UsageError(
                        f"{path}: {who} is in {where} and in {name}", remedy="Keep every patient in one split"
                    )
        return cls(**parts)

    @classmethod
    def seeded(cls, ids: list[str], seed: int = 0) -> Splits:
        """Split patients 80/10/10 at random, at least one each when there are three."""
        patients = sorted({patient_of(i) for i in ids})
        order = [patients[int(k)] for k in np.random.default_rng(seed).permutation(len(patients))]
        held = max(1, round(len(order) / 10)) if len(order) >= 3 else 0

        def cases_of(chosen: list[str]) -> tuple[str, ...]:
            return tuple(i for p in chosen for i in sorted(ids) if patient_of(i) == p)

        return cls(cases_of(order[2 * held :]), cases_of(order[:held]), cases_of(order[held : 2 * held]))


def prepare(
    cases: Path,
    out: Path,
    splits: Splits,
    *,
    tissue: Path | str | None = None,
    slices: SliceSettings | None = None,
    pictures: str | None = None,
    atlas: Path | None = None,
    include_test: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    say: Say = print,
) -> list[str]:
    """Prepare every case of the train and val splits; done ones are skipped.

    Parameters
    ----------
    cases, out : Path
        Folder of case folders; the prepared set.
    splits : Splits
    tissue : Path or str, optional
        Folder of tissue maps, or ``auto`` to compute them. Without, there are no slices.
    slices : SliceSettings, optional
    pictures : str, optional
        Write the paper's PNG folders too, in the layout ``text`` or ``code``.
    atlas : Path, optional
        Folder of the SRI24 atlas, to check the tissue names against.
    include_test : bool
        Prepare the test split too, for evaluation.
    workers, scheduler
        See :func:`training.prepare.parallel.run_jobs`.

    Returns
    -------
    list of str
        One line for each case that could not be prepared.
    """
    (out / "cases").mkdir(parents=True, exist_ok=True)
    settings = slices or SliceSettings()
    chosen = {i: name for name in (SPLITS if include_test else SPLITS[:2]) for i in getattr(splits, name)}
    root, target = (Path(os.path.abspath(p)) for p in (cases, out))
    how: dict[str, Any] = {"tissue": tissue or OFF, "slices": settings, "pictures": pictures, "atlas": atlas}
    jobs = [CaseJob(root / i, target, split, **how) for i, split in chosen.items()]
    records, failures = _collected(_with_bar(run_jobs(jobs, workers=workers, scheduler=scheduler), len(jobs)), say)
    figures = {
        name: {"cases": sum(split == name and i in records for i, split in chosen.items())}
        | consolidate(out, name, [i for i, s in chosen.items() if s == name and records.get(i, {}).get("slices")])
        for name in dict.fromkeys(chosen.values())
    }
    entries = {i: _entry(records[i], split) for i, split in chosen.items() if i in records}
    kind = tissue if tissue is None or tissue == AUTO else "given"
    save_manifest(out, entries, settings={**settings.to_json(), "tissue": kind or OFF}, splits=figures)
    for name, f in figures.items():
        if f["slices"]:
            say(f"{name}: {f['cases']} cases, {f['slices']} slices, {100 * f['tumor_share']:.0f} % with tumor")
            if f["tumor_share"] < MIN_TUMOR_SHARE:
                say(f"{name}: tumor is on too few slices to learn from or judge by; give it other cases (--splits)")
    return [failures[i] for i in chosen if i in failures]


def _collected(found: Iterator[dict[str, Any]], say: Say) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Records of what is prepared, and errors, by case."""
    records: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    for record in found:
        case_id = record["case_id"]
        if "error" in record:
            failures[case_id] = record["error"]
            continue
        records[case_id] = record
        if record["fresh"]:
            say(f"{case_id} prepared{_agreement(record.get('prior'))}")
    return records, failures


def _agreement(prior: dict[str, float] | None) -> str:
    """What the registered atlas says of the tissue names, Dice a class."""
    if not prior:
        return ""
    names = [TISSUE_NAMES[k] for k in TISSUES]
    each = ", ".join(f"{name} {prior[name]:.2f} ({prior[name + OTHERWISE]:.2f})" for name in names)
    right = sum(prior[name] for name in names) / len(names)
    return (
        f"; Dice with the atlas, in brackets the best by another name: {each}; "
        f"mean {right:.2f}, with the names permuted at best {prior['permuted']:.2f}"
    )


def _entry(record: dict[str, Any], split: str) -> dict[str, Any]:
    """What the manifest says of a case."""
    hashes = record["sha256"]
    entry = {"split": split, "sha256": hashes["case"], "content_sha256": record["content_sha256"]}
    if "slices" in hashes:
        entry["slices_sha256"] = hashes["slices"]
    keys = ("slices", "tumor_slices", "no_slices", "tissue", "prior", "seconds", "peak_mb")
    return entry | {k: record[k] for k in keys if k in record}


def _with_bar(records: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """Show progress on stderr when that is a terminal."""
    from tqdm import tqdm

    yield from tqdm(records, total=count, unit="case", file=sys.stderr, disable=None)


def make_bank(
    out: Path, splits: Splits, shapes: Path, *, shards: range, per_shard: int, seed: int, say: Say = print
) -> None:
    """Place holes in the training cases, and in validation cases without benchmark holes; what exists is kept.

    Raises
    ------
    CaseError
        The shapes are missing or damaged.
    UsageError
        No case of the training split is prepared.
    """
    (out / "holes").mkdir(parents=True, exist_ok=True)
    try:
        tumor_shapes = TumorShapes(shapes)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise CaseError(
            f"not a file of tumor shapes ({reason(error)})", path=shapes, remedy="Give --shapes an .npz of label maps"
        ) from error
    _validation_holes(out, splits, tumor_shapes, seed)
    cases: list[PreparedCase] | None = None
    for index in shards:
        path = out / "holes" / f"holes_{index:04d}.npz"
        if path.exists():
            continue
        if cases is None:
            cases = _prepared(out, splits.train)
        make_shard(cases, tumor_shapes, path, seed=seed, index=index, count=per_shard)
        say(path.name)


def _prepared(out: Path, ids: tuple[str, ...]) -> list[PreparedCase]:
    paths = [out / "cases" / f"{i}.npz" for i in ids]
    cases = [PreparedCase.load(path) for path in paths if path.exists()]
    if not cases:
        raise UsageError(
            f"{out} holds no case of the train split", remedy="Run seg-train prepare on cases that it names"
        )
    return cases


def _validation_holes(out: Path, splits: Splits, shapes: TumorShapes, seed: int) -> None:
    """Place holes in validation cases that came without benchmark holes; a pure function of (case, seed)."""
    for case_id in splits.val:
        source, target = out / "cases" / f"{case_id}.npz", out / "val_holes" / f"{case_id}.npz"
        if target.exists() or not source.exists():
            continue
        case = PreparedCase.load(source)
        rng = np.random.default_rng([seed, *case_id.encode()])
        parts, _ = ndi.label(place_holes(case.brain, case.tumor, shapes, rng, count=4).hole)
        target.parent.mkdir(exist_ok=True)
        np.savez_compressed(target, holes=parts.astype(np.uint8))


def list_cases(folder: Path) -> list[str]:
    """Names of the subfolders that hold a case by their file names; whether it can be read shows later.

    Raises
    ------
    CaseError
        The folder is missing.
    UsageError
        It holds no case folder.
    """
    root = Path(os.path.abspath(folder))
    found = [path.name for path in find_cases(folder) if path.is_dir() and path.parent == root]
    if not found:
        raise UsageError(f"{folder} holds no case folders", remedy="Give --cases the folder that they lie in")
    return found

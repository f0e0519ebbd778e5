"""From case folders to a prepared set: ``cases/<id>.npz``, ``holes/``, ``val_holes/``, ``manifest.json``."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.cases import find_cases, read_labels
from seg_editor.errors import CaseError, SegEditorError, UsageError
from training.prepare.bank import make_shard
from training.prepare.holes import TumorShapes, place_holes
from training.prepare.volumes import PreparedCase, prepare_case

SPLITS = ("train", "val", "test")
Say = Callable[[str], None]


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
                f"{path} holds no train, val and test lists ({error})",
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


def patient_of(case_id: str) -> str:
    """The patient of a case: names of 2023 and later end in the number of the visit (``BraTS-GLI-00027-001``)."""
    visit = re.fullmatch(r"(BraTS-[A-Za-z]+-\d+)-\d+", case_id)
    return visit[1] if visit else case_id


def prepare(
    cases: Path,
    out: Path,
    splits: Splits,
    *,
    tissue: Path | None = None,
    say: Say = print,
) -> list[str]:
    """Prepare every case of the train and val splits; done ones are skipped.

    Returns
    -------
    list of str
        One line for each case that could not be prepared.
    """
    (out / "cases").mkdir(parents=True, exist_ok=True)
    (out / "val_holes").mkdir(exist_ok=True)
    failures = []
    for case_id in (*splits.train, *splits.val):
        path = out / "cases" / f"{case_id}.npz"
        try:
            if not path.exists():
                prepare_case(cases / case_id, tissue=_tissue(tissue, case_id)).save(path)
                say(f"{case_id} prepared")
            if case_id in splits.val:
                _benchmark_holes(cases / case_id, case_id, out)
        except SegEditorError as error:
            failures.append(str(error))
            say(str(error))
    write_manifest(out, splits)
    return failures


def _tissue(folder: Path | None, case_id: str) -> NDArray[np.uint8] | None:
    if folder is None or not (folder / f"{case_id}.npz").exists():
        return None
    with np.load(folder / f"{case_id}.npz", allow_pickle=False) as z:
        return np.asarray(z["tissue"], np.uint8)


def _benchmark_holes(folder: Path, case_id: str, out: Path) -> None:
    """Crop a case's benchmark holes like its volumes."""
    source, target = folder / f"{case_id}_holes.nii.gz", out / "val_holes" / f"{case_id}.npz"
    if target.exists() or not source.exists():
        return
    labels = read_labels(source).raw
    prepared = PreparedCase.load(out / "cases" / f"{case_id}.npz")
    box = tuple(slice(o, o + n) for o, n in zip(prepared.origin, prepared.shape, strict=True))
    np.savez_compressed(target, holes=labels[box].astype(np.uint8))


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
            f"not a file of tumor shapes ({error})", path=shapes, remedy="Give --shapes an .npz of label maps"
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


def write_manifest(out: Path, splits: Splits) -> None:
    """Record which cases belong to which split, with the hash of every file."""
    record = {}
    for name in SPLITS:
        for case_id in getattr(splits, name):
            path = out / "cases" / f"{case_id}.npz"
            if path.exists():
                record[case_id] = {"split": name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    temporary = out / ".manifest.json.part"
    temporary.write_text(json.dumps({"format": 1, "cases": record}, indent=1))
    temporary.replace(out / "manifest.json")


def read_manifest(out: Path, split: str, *, verify: bool = False) -> list[str]:
    """Case ids of a split.

    Raises
    ------
    UsageError
        There is no manifest, no such split, or (with `verify`) a file does not match its hash.
    """
    path = out / "manifest.json"
    try:
        cases = json.loads(path.read_text())["cases"]
        ids = [i for i, entry in cases.items() if entry["split"] == split]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read ({error})", remedy="Run seg-train prepare first") from error
    if not ids:
        raise UsageError(f"{path} has no case in the {split} split", remedy="Prepare the set with such a split")
    for i in ids if verify else ():
        file = out / "cases" / f"{i}.npz"
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != cases[i].get("sha256"):
            raise UsageError(f"{file} does not match the manifest", remedy="Delete it and run seg-train prepare again")
    return ids


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

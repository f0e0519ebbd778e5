"""The manifest of a prepared set: which case belongs to which split, with hashes. Needs no package but ours."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seg_editor.errors import UsageError, reason
from seg_editor.hashing import file_sha256

FORMAT = 1
SPLITS = ("train", "val", "test")


def save_manifest(out: Path, cases: Mapping[str, Mapping[str, Any]], **more: Any) -> None:
    """Write ``manifest.json``: `cases` maps an id to its split, hash and figures; `more` goes beside it."""
    temporary = out / ".manifest.json.part"
    temporary.write_text(json.dumps({"format": FORMAT, **more, "cases": cases}, indent=1), encoding="utf-8")
    temporary.replace(out / "manifest.json")


def load_manifest(out: Path) -> dict[str, Any]:
    """The whole manifest.

    Raises
    ------
    UsageError
        There is none, it is damaged, or a newer program wrote it.
    """
    path = out / "manifest.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = data.get("format", FORMAT)
        for entry in data["cases"].values():
            entry["split"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read ({reason(error)})", remedy="Run seg-train prepare first") from error
    if version != FORMAT:
        raise UsageError(f"{path} has format {version}, this program reads {FORMAT}", remedy="Prepare the set again")
    return data


def read_manifest(out: Path, split: str, *, verify: bool = False) -> list[str]:
    """Case ids of a split.

    Raises
    ------
    UsageError
        There is no manifest, no such split, or (with `verify`) a file does not match its hash.
    """
    cases = load_manifest(out)["cases"]
    ids = [i for i, entry in cases.items() if entry["split"] == split]
    if not ids:
        raise UsageError(
            f"{out / 'manifest.json'} has no case in the {split} split", remedy="Prepare the set with such a split"
        )
    for i in ids if verify else ():
        file = out / "cases" / f"{i}.npz"
        if not file.exists() or file_sha256(file) != cases[i].get("sha256"):
            raise UsageError(f"{file} does not match the manifest", remedy="Delete it and run seg-train prepare again")
    return ids


def patient_of(case_id: str) -> str:
    """The patient of a case: names of 2023 and later end in the number of the visit (``BraTS-GLI-00027-001``)."""
    visit = re.fullmatch(r"(BraTS-[A-Za-z]+-\d+)-\d+", case_id)
    return visit[1] if visit else case_id


def files_hash(paths: Iterable[Path]) -> str:
    """sha256 over names and contents of files, in name order."""
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        digest.update(f"{path.name}:{file_sha256(path)};".encode())
    return digest.hexdigest()

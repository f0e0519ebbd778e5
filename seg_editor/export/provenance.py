"""Where a result came from, and whether a file is still what was written."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seg_editor import __version__
from seg_editor.errors import CaseError, ExportError
from seg_editor.export.picture import SYNTHETIC_ASCII
from seg_editor.export.seal import SEAL, holds
from seg_editor.export.view import VIEW_CHUNK
from seg_editor.hashing import file_sha256

if TYPE_CHECKING:
    from seg_editor.cases import Case
    from seg_editor.generation.counterfactual import Counterfactual

FORMAT = "seg-editor provenance 2"
_FORMATS = ("seg-editor provenance 1", FORMAT)
_PROGRAMS = ("numpy", "scipy", "torch", "nibabel", "scikit-image", "pillow", "antspyx")
_SUFFIX = "_provenance.json"
INTACT, REPACKED, ALTERED, UNSEALED = "intact", "repacked", "altered", "unsealed"


def program_versions() -> dict[str, str]:
    """Return the versions of this program, Python and the libraries that take part in a result."""
    versions = {"seg-editor": __version__, "python": platform.python_version()}
    for name in _PROGRAMS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def source_hashes(case: Case) -> dict[str, dict[str, str]]:
    """Return file name and SHA-256 of each file that the case was read from, by modality and ``seg``."""
    volumes = {str(m): case.volumes[m] for m in case.modalities}
    if case.labels is not None:
        volumes["seg"] = case.labels
    return {key: {"file": volume.path.name, "sha256": volume.source.sha256} for key, volume in volumes.items()}


def sidecar(
    case: Case,
    counterfactual: Counterfactual,
    *,
    results: Mapping[str, Mapping[str, str]],
    metrics: Mapping[str, Any],
    card: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the sidecar of an export, plain JSON types, to be sealed when it is complete.

    Parameters
    ----------
    results : mapping
        File name to its hashes: ``sha256`` of the bytes, ``voxels_sha256`` of a volume's voxels and grid.
    metrics : mapping
        ``Metrics.to_dict()``.
    card : mapping, optional
        The model's card; its hash is kept.
    """
    request = counterfactual.request
    model = {"name": request.model, "weights_sha256": request.model_hash}
    if card is not None:
        text = json.dumps(card, sort_keys=True, separators=(",", ":"), default=str)
        model["card_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return {
        "format": FORMAT,
        "notice": SYNTHETIC_ASCII,
        "case_id": case.case_id,
        "request": request.to_dict(),
        "request_key": request.key,
        "model": model,
        "hole": {
            "sha256": counterfactual.hole.content_hash,
            "voxels": counterfactual.hole.voxels,
            "margin": counterfactual.hole.margin,
        },
        "device": counterfactual.device,
        "runtime": counterfactual.runtime,
        "finished": counterfactual.finished,
        "programs": program_versions(),
        "sources": source_hashes(case),
        "results": {name: dict(hashes) for name, hashes in results.items()},
        "metrics": dict(metrics),
    }


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    path : Path
    state : str
        ``intact`` (byte for byte as written), ``repacked`` (other bytes, the same voxels and grid), ``altered`` (the
        file or its provenance), or ``unsealed``: as far as can be told as written, by an early version, which did not
        protect the provenance and, of a picture of the view, the pixels.
    sidecar : mapping
        The provenance that belongs to the file; a picture of the view holds its own.
    """

    path: Path
    state: str
    sidecar: Mapping[str, Any]

    @property
    def intact(self) -> bool:
        """Whether the values and where they came from are known to be as they were written."""
        return self.state in (INTACT, REPACKED)


def verify(path: Path | str) -> Verification:
    """Compare an exported file with the provenance file beside it.

    Raises
    ------
    ExportError
        If the file or its provenance is missing or unreadable.
    """
    path = Path(path)
    if not path.is_file():
        raise ExportError("there is no such file", path=path, remedy="Name a file that seg-editor exported")
    told = _view_provenance(path)
    if told is not None:
        return told
    data = _find_sidecar(path)
    known: Mapping[str, str] = data["results"][path.name]
    if not isinstance(known, Mapping) or "sha256" not in known or not isinstance(data.get("request"), Mapping):
        raise ExportError("its provenance file is damaged", path=path, remedy="Export the result again")
    try:
        same = file_sha256(path) == known["sha256"]
    except OSError as error:
        raise ExportError(f"it cannot be read ({error.strerror})", path=path, remedy="Check its permissions") from error
    if not same and ("voxels_sha256" not in known or _voxels(path) != known["voxels_sha256"]):
        return Verification(path, ALTERED, data)
    if data["format"] != FORMAT and SEAL not in data:
        return Verification(path, UNSEALED, data)
    state = INTACT if same else REPACKED
    return Verification(path, state if holds(data) else ALTERED, data)


def _view_provenance(path: Path) -> Verification | None:
    """What a picture of the view says of itself in its text chunk; None for any other file."""
    import numpy as np
    from PIL import Image

    if path.suffix.lower() != ".png":
        return None
    try:
        with Image.open(path) as image:
            image.load()
            told = json.loads(image.info.get(VIEW_CHUNK, "null"))
            if not (isinstance(told, dict) and {"case_id", "requests"} <= told.keys()):
                return None
            if SEAL not in told and "panes" not in told:
                return Verification(path, UNSEALED, told)
            same = holds(told, np.asarray(image.convert("RGB")))
    except (OSError, ValueError):
        return None
    return Verification(path, INTACT if same else ALTERED, told)


def _voxels(path: Path) -> str | None:
    from seg_editor.cases import read_volume

    try:
        return read_volume(path).sha256
    except CaseError:
        return None


def _find_sidecar(path: Path) -> dict[str, Any]:
    for candidate in sorted(path.absolute().parent.glob(f"*{_SUFFIX}")):
        try:
            data = json.loads(candidate.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(data, dict) and data.get("format") in _FORMATS and path.name in data.get("results", {}):
            return data
    raise ExportError(
        "no provenance file beside it mentions it", path=path, remedy=f"Keep the file that ends in {_SUFFIX} with it"
    )

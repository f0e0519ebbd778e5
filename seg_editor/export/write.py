"""Write a result: volumes, edited segmentation, panel, metrics and provenance — all of them or none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor import __version__
from seg_editor.cases import Case, Modality, Volume, write_like
from seg_editor.export import names
from seg_editor.export.folder import Staging, staging
from seg_editor.export.panel import draw_panel, panel_modality, panel_slice
from seg_editor.export.picture import SYNTHETIC_ASCII
from seg_editor.export.png import picture_text, png_bytes
from seg_editor.export.provenance import sidecar, source_hashes
from seg_editor.export.seal import sealed
from seg_editor.hashing import file_sha256
from seg_editor.metrics import Metrics, score

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual

DESCRIP = f"{SYNTHETIC_ASCII} (seg-editor {__version__})"


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
        All files, the metrics file included.
    metrics_path : Path
    summary : mapping
        The content of the metrics file.
    coverage : (int, int) or None
        Axial slices that were generated, of those in which tumor was removed; None without an edited segmentation.
    """

    files: tuple[Path, ...]
    metrics_path: Path
    summary: Mapping[str, Any]
    coverage: tuple[int, int] | None = None

    @property
    def gap(self) -> str:
        """What the volumes still hold, in one line; empty where the whole removed tumor was generated."""
        if self.coverage is None or self.coverage[0] >= self.coverage[1]:
            return ""
        return "{} of {} tumor slices generated; the others keep the tumor".format(*self.coverage)


def write_counterfactual(
    case: Case,
    counterfactual: Counterfactual,
    *,
    edited_labels: NDArray[Any] | None,
    metrics: Metrics | None,
    out: Path,
    panel: bool = True,
    card: Mapping[str, Any] | None = None,
) -> ExportResult:
    """Write a result into a folder.

    The files are ``<case_id>_<modality>_synthetic.nii.gz`` (T1c is spelled ``t1ce`` beside BraTS <= 2022 names, else
    ``t1c``), ``<case_id>_seg_edited.nii.gz``, ``<case_id>_panel_synthetic.png``, ``<case_id>_metrics.json`` and
    ``<case_id>_provenance.json``. Volumes keep the source's grid, header, dtype and scale, and its voxels
    outside the hole. Everything is written into a hidden folder first and moved in place at the end.

    Parameters
    ----------
    case : Case
    counterfactual : Counterfactual
    edited_labels : (x, y, z) integer array or None
        The edited segmentation; None writes none. Removed tumor on slices that were not generated is written back:
        it is still in the picture.
    metrics : Metrics or None
        As scored before; None scores without a referee.
    out : Path
        A folder; made where missing.
    panel : bool
        Whether to draw the panel.
    card : mapping, optional
        The model's card, for the provenance.

    Returns
    -------
    ExportResult

    Raises
    ------
    ExportError
        Nothing was written, one line says why.
    UsageError
        The result belongs to another case.
    """
    figures = score(case, counterfactual) if metrics is None else metrics
    made = [m for m in counterfactual.modalities if m in case.volumes]
    hashes: dict[str, dict[str, str]] = {}
    covered = coverage(case, counterfactual, edited_labels)
    with staging(Path(out)) as stage:
        for modality in made:
            _write_volume(stage, case, counterfactual, modality, hashes)
        if edited_labels is not None:
            name = names.edited_name(case.case_id)
            write_like(case.labels_source, labels_of_result(case, counterfactual, edited_labels), stage.path(name))
            hashes[name] = {"sha256": file_sha256(stage.folder / name)}
        if panel:
            _write_panel(stage, case, counterfactual, figures, hashes)
        files = [*stage.names, names.metrics_name(case), names.provenance_name(case)]
        summary = metrics_summary(case, counterfactual, figures, files=files, results=hashes)
        stage.write_json(names.metrics_name(case), summary)
        hashes[names.metrics_name(case)] = {"sha256": file_sha256(stage.folder / names.metrics_name(case))}
        record = sidecar(case, counterfactual, results=hashes, metrics=_plain(figures.to_dict()), card=card)
        record["tumor_slices"] = None if covered is None else {"generated": covered[0], "removed": covered[1]}
        stage.write_json(names.provenance_name(case), sealed(record))
        written = stage.publish()
    return ExportResult(written, Path(out) / names.metrics_name(case), summary, covered)


def coverage(case: Case, counterfactual: Counterfactual, edited: NDArray[Any] | None) -> tuple[int, int] | None:
    """Count the axial slices in which tumor was removed: generated, and in all.

    Parameters
    ----------
    case : Case
    counterfactual : Counterfactual
    edited : (x, y, z) integer array or None
        The edited segmentation.

    Returns
    -------
    (int, int) or None
        None where nothing says what was removed.
    """
    if case.labels is None or edited is None:
        return None
    removed = np.flatnonzero(((case.labels.raw != 0) & (edited == 0)).any(axis=(0, 1))).tolist()
    return len(set(removed) & set(counterfactual.slices)), len(removed)


def labels_of_result(case: Case, counterfactual: Counterfactual, edited: NDArray[Any]) -> NDArray[Any]:
    """Labels that fit the picture: tumor that was removed but not generated (other slices) is still in it, so it stays.

    Parameters
    ----------
    case : Case
    counterfactual : Counterfactual
    edited : (x, y, z) integer array
        The edited segmentation.

    Returns
    -------
    (x, y, z) array
        `edited` where slices were generated; elsewhere the case's own labels come back where `edited` has none.
    """
    if case.labels is None:
        return edited
    left = np.ones(edited.shape[2], bool)
    left[list(counterfactual.slices)] = False
    original = case.labels.raw
    return np.where(left & (edited == 0) & (original != 0), original, edited).astype(edited.dtype)


def metrics_summary(
    case: Case,
    counterfactual: Counterfactual,
    metrics: Metrics,
    *,
    files: list[str],
    results: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Return the content of the metrics file, plain JSON types.

    ``slices[].index`` counts along the file's own slice axis, from 0: the index that a reader of the written NIfTI file
    uses. ``files`` are names in the folder of the metrics file.
    """
    request = counterfactual.request
    source = case.volumes[case.modalities[0]].source
    rows = [
        {
            "index": names.file_slice_index(source, row.index),
            "tumor_residual": row.tumor_residual,
            "diffmap_iou": row.diffmap_iou,
            "change_outside_max": row.change_outside_max,
            "seconds": row.seconds,
        }
        for row in metrics.per_slice
    ]
    summary = {
        "case_id": case.case_id,
        "model": request.model,
        "seed": request.seed,
        "steps": request.steps,
        "device": counterfactual.device,
        "runtime": counterfactual.runtime,
        "hashes": {
            "case": request.case_hash,
            "hole": request.hole_hash,
            "model": request.model_hash,
            "request": request.key,
            "sources": {key: found["sha256"] for key, found in source_hashes(case).items()},
            "results": {name: found["sha256"] for name, found in results.items()},
        },
        "slices": sorted(rows, key=lambda row: int(row["index"] or 0)),
        "overall": dict(metrics.overall),
        "files": files,
    }
    plain: dict[str, Any] = _plain(summary)
    return plain


def _write_volume(
    stage: Staging,
    case: Case,
    counterfactual: Counterfactual,
    modality: Modality,
    hashes: dict[str, dict[str, str]],
) -> None:
    volume = case.volumes[modality]
    raw = counterfactual.raw(case, modality)
    name = names.synthetic_name(case, modality)
    write_like(volume.source, raw, stage.path(name), descrip=DESCRIP)
    written = Volume(raw, volume.source, volume.slope, volume.inter)
    hashes[name] = {"sha256": file_sha256(stage.folder / name), "voxels_sha256": written.sha256}


def _write_panel(
    stage: Staging, case: Case, counterfactual: Counterfactual, metrics: Metrics, hashes: dict[str, dict[str, str]]
) -> None:
    modality, k = panel_modality(counterfactual), panel_slice(counterfactual)
    panel = draw_panel(case, counterfactual, metrics=metrics, modality=modality, index=k)
    text = picture_text(case, view="panel", modality=modality, index=k, zoom=panel.zoom, counterfactual=counterfactual)
    name = names.panel_name(case)
    stage.write_bytes(name, png_bytes(panel.image, text, synthetic=True))
    hashes[name] = {"sha256": file_sha256(stage.folder / name)}


def _plain(value: Any) -> Any:
    """Return JSON types; numbers that JSON lacks become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

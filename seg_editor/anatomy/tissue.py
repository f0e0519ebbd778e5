"""The tissue map of a case: background 0, CSF 1, gray matter 2, white matter 3.

Made by N4 and Atropos (antspyx) within the brain without the tumor, named by anatomy, completed inside the tumor from
the other hemisphere and the nearest tissue, and kept in the user's cache by content.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy import cache
from seg_editor.anatomy.classes import evidence, name_classes
from seg_editor.anatomy.mirror import MirrorPlane, estimate_plane
from seg_editor.anatomy.names import CSF, GM, TISSUE_NAMES, TISSUES, TUMOR, WM
from seg_editor.anatomy.process import Arrays, Cancelled, run_job
from seg_editor.boxes import EMPTY, Box, bounding_box, widened
from seg_editor.cases import Case, Modality
from seg_editor.errors import ModelError, UsageError

__all__ = [
    "CSF",
    "GM",
    "TISSUES",
    "TISSUE_NAMES",
    "TUMOR",
    "WM",
    "Cancelled",
    "TissueMap",
    "five_class",
    "healthy_tissue",
    "known_tissue_map",
    "tissue_map",
    "tissue_name",
]

METHOD_VERSION = "atropos-5"
"""Part of the cache key: change it whenever a change of settings changes maps."""

_PREFERENCE = (Modality.T1, Modality.T1C, Modality.T2, Modality.FLAIR)
_TUMOR_MARGIN_MM = 3.0
_PAD = 3
_RIM = 2
_VOID = 0.65
"""Mean of T1 and T2, each over its median, below which a voxel is bone, air, vessel or skin left by the stripping."""
_GLARE = 1.5
"""T1 over its median above which a voxel is fat, skin or a vessel; left out where they would be taken for a tissue."""
_MIN_BRAIN_VOXELS = 1000
_FOUND: WeakKeyDictionary[Case, dict[Path | None, TissueMap]] = WeakKeyDictionary()
_ENTRIES: WeakKeyDictionary[Case, Path] = WeakKeyDictionary()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TissueMap:
    """Tissue of every brain voxel.

    Parameters
    ----------
    labels : uint8 array (x, y, z)
        0 outside the brain, 1 CSF, 2 GM, 3 WM. Inside the tumor it says what would be there without it, so that
        the map is complete wherever the brain is; `five_class` pastes the tumor on top.
    source : str
        ``"atropos"``, ``"referee"``, or ``"edited"`` by hand.
    agreement : dict of str to float
        What the map was checked against: `classes.evidence`; 1 is agreement, 0 contradiction.
    """

    labels: NDArray[np.uint8]
    source: str
    agreement: Mapping[str, float] = field(default_factory=dict)


def five_class(tissue: TissueMap | NDArray[np.uint8], tumor: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Paste the tumor (4) over a tissue map; the paper's five-class mask.

    Parameters
    ----------
    tissue : TissueMap or uint8 array (x, y, z)
    tumor : bool array (x, y, z), or None
        All tumor, subregions united.

    Returns
    -------
    uint8 array (x, y, z)
        A new array.
    """
    labels = tissue.labels if isinstance(tissue, TissueMap) else tissue
    return labels.copy() if tumor is None else np.where(tumor, np.uint8(TUMOR), labels).astype(np.uint8)


def tissue_map(
    case: Case,
    *,
    progress: Callable[[float, str], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    cache_dir: Path | None = None,
    method: str = "atropos",
    threads: int | None = None,
) -> TissueMap:
    """Find the tissue map of a case, or fetch it from the cache.

    Parameters
    ----------
    case : Case
        T1 (else T1c) against T2 is used, or the one of them that is there, else FLAIR. The case's own segmentation
        tells where the tumor is.
    progress : callable(fraction, text), optional
        Called in the calling thread about ten times a second.
    cancel : callable() -> bool, optional
        Asked about ten times a second; the computing process is ended at once.
    cache_dir : Path, optional
        Folder of the cache; the user's cache folder if not given.
    method : str
        ``"atropos"`` is the only one.
    threads : int, optional
        Threads for ANTs; all cores but one if not given.

    Returns
    -------
    TissueMap

    Raises
    ------
    Cancelled
        `cancel` returned True.
    ModelError
        antspyx is missing, or the brain does not separate into three tissues.
    UsageError
        `method` is unknown.
    """
    if method != "atropos":
        raise UsageError(f'there is no tissue method "{method}"', remedy='Use "atropos"')
    entry = _entry(case, cache_dir)
    kept = _from_cache(entry, case.brain)
    if kept is not None:
        return kept
    tissue = _compute(case, _tumor(case), progress, cancel, threads)
    stored: Arrays = {"tissue": tissue.labels, "agreement": np.array(json.dumps(dict(tissue.agreement)))}
    cache.store(entry, stored)
    if progress is not None:
        progress(1.0, "Tissue map ready")
    return tissue


def known_tissue_map(case: Case, cache_dir: Path | None = None) -> TissueMap | None:
    """The tissue map of a case if it was found before, else None.

    The first call reads it from the cache (about a fifth of a second); it is kept for as long as the case is.
    """
    kept = _FOUND.get(case, {})
    if cache_dir not in kept:
        found = _from_cache(_entry(case, cache_dir), case.brain)
        if found is None:
            return None
        _FOUND[case] = kept = {**kept, cache_dir: found}
    return kept[cache_dir]


def tissue_name(case: Case) -> str:
    """Tell the map that `known_tissue_map` gives of a case from another one, unread; empty where there is none."""
    if case not in _ENTRIES:
        _ENTRIES[case] = _entry(case, None)
    entry = _ENTRIES[case]
    try:
        return f"{entry.stem[:16]}-{entry.stat().st_mtime_ns}"
    except OSError:
        return ""


def healthy_tissue(
    tissue: TissueMap | NDArray[np.uint8], tumor: NDArray[np.bool_], *, plane: MirrorPlane | None = None
) -> NDArray[np.uint8]:
    """Tissue as it would be without the tumor.

    Parameters
    ----------
    tissue : TissueMap or uint8 array (x, y, z)
        What it says inside the tumor is not looked at.
    tumor : bool array (x, y, z)
        Voxels to fill.
    plane : MirrorPlane, optional
        Mid-sagittal plane; estimated on the map if not given.

    Returns
    -------
    uint8 array (x, y, z)
        A new array. In the tumor: the reflected voxel where the other side is healthy brain, else the nearest tissue.
        Equal to the input outside.
    """
    labels = tissue.labels if isinstance(tissue, TissueMap) else tissue
    filled = labels.copy()
    filled[tumor] = 0
    known = filled > 0
    if not tumor.any() or not known.any():
        return filled
    if plane is None:
        plane = estimate_plane(filled.astype(np.float32) - 2 * known, known)
    where = np.argwhere(tumor)
    source = np.rint(where @ plane.matrix.T + plane.shift).astype(np.intp)
    inside = np.all((source >= 0) & (source < np.array(tumor.shape)), axis=1)
    mirrored = np.zeros(len(where), np.uint8)
    mirrored[inside] = filled[tuple(source[inside].T)]
    filled[tuple(where.T)] = mirrored
    return _fill_nearest(filled, tumor & (filled == 0))


def _tumor(case: Case) -> NDArray[np.bool_]:
    return np.zeros(case.brain.shape, bool) if case.tumor is None else case.tumor


def _entry(case: Case, cache_dir: Path | None) -> Path:
    """Where the map of a case is kept: by method, images, brain and tumor."""
    key = cache.digest(METHOD_VERSION, case.content_hash, np.packbits(case.brain), np.packbits(_tumor(case)))
    return (cache_dir or cache.cache_folder()) / "tissue" / f"{key}.npz"


def _from_cache(entry: Path, brain: NDArray[np.bool_]) -> TissueMap | None:
    arrays = cache.load(entry)
    if arrays is None:
        return None
    labels = arrays.get("tissue")
    if labels is None or labels.dtype != np.uint8 or labels.shape != brain.shape or labels.max(initial=0) > WM:
        cache.discard(entry, "not a tissue map of this case")
        return None
    try:
        agreement = {str(k): float(v) for k, v in json.loads(str(arrays["agreement"])).items()}
    except (KeyError, ValueError, AttributeError) as error:
        cache.discard(entry, str(error))
        return None
    return TissueMap(np.ascontiguousarray(labels), "atropos", agreement)


def _compute(
    case: Case,
    tumor: NDArray[np.bool_],
    progress: Callable[[float, str], None] | None,
    cancel: Callable[[], bool] | None,
    threads: int | None,
) -> TissueMap:
    modality = next((m for m in _PREFERENCE if m in case.volumes), None)
    if modality is None or int(case.brain.sum()) < _MIN_BRAIN_VOXELS:
        remedy = "Check the images of this case"
        raise ModelError("there is no brain to find tissue in", path=case.folder, remedy=remedy)
    box = _box(case.brain)
    brain = case.brain[box]
    values = {m: volume.values(box) for m, volume in case.volumes.items()}
    use = brain & ~_grow(tumor[box], _TUMOR_MARGIN_MM, case.grid.spacing)
    choices: list[tuple[Modality, ...]] = [(modality,)]
    if modality in (Modality.T1, Modality.T1C) and Modality.T2 in values:
        choices.insert(0, (modality, Modality.T2))
    tries = [(chosen, np.inf) for chosen in choices]
    if modality in (Modality.T1, Modality.T1C):
        tries += [(chosen, _GLARE) for chosen in choices]
    best: _Attempt | None = None
    for chosen, limit in tries:
        arrays = _inputs([values[m] for m in chosen], use, brain, limit)
        if int(arrays["mask"].sum()) < _MIN_BRAIN_VOXELS:
            raise ModelError("too little brain is left beside the tumor to find tissue in", path=case.folder)
        options = {"spacing": list(case.grid.spacing)}
        job = "seg_editor.anatomy.atropos:segment"
        try:
            found = run_job(job, arrays, options, progress=progress, cancel=cancel, threads=threads)
        except ModelError:
            if (chosen, limit) == tries[-1] and best is None:
                raise
            continue
        attempt = _judge(found, chosen, values, brain, arrays["mask"] > 0)
        if attempt is None:
            continue
        if attempt.against:
            seen = " and ".join(m.display for m in chosen)
            _log.warning("%s: tissue from %s disagrees with %s", case.case_id, seen, ", ".join(attempt.against))
        if best is None or len(attempt.against) < len(best.against):
            best = attempt
        if not best.against:
            break
    if best is None:
        remedy = "Check that the images show a whole brain"
        raise ModelError("the brain does not separate into three tissues", path=case.folder, remedy=remedy)
    labels = np.zeros(case.brain.shape, np.uint8)
    labels[box] = without_white_rim(_fill_nearest(best.labels, brain & (best.labels == 0)), brain)
    return TissueMap(healthy_tissue(labels, tumor & case.brain), "atropos", best.agreement)


@dataclass(frozen=True)
class _Attempt:
    labels: NDArray[np.uint8]
    agreement: dict[str, float]
    against: list[str]
    """What contradicts, among what had no part in the naming."""


def _judge(
    found: Arrays,
    chosen: tuple[Modality, ...],
    values: Mapping[Modality, NDArray[np.float32]],
    brain: NDArray[np.bool_],
    mask: NDArray[np.bool_],
) -> _Attempt | None:
    """Name what was found and look for contradictions; None where there are no three classes."""
    try:
        named = name_classes(found["classes"], found["image"], chosen[0], brain)
    except ValueError:
        return None
    agreement = evidence(named, values, brain, mask)
    witnesses = {"depth", Modality.FLAIR.value} - {m.value for m in chosen}
    return _Attempt(named, agreement, sorted(name for name in witnesses if agreement.get(name) == 0.0))


def _inputs(
    images: list[NDArray[np.float32]], use: NDArray[np.bool_], brain: NDArray[np.bool_], limit: float
) -> Arrays:
    """Images for the worker and the mask of what they can tell.

    Background is left out, what is dark on T1 and T2, and what is brighter than `limit` times the first one's median.
    """
    for image in images:
        use = use & np.isfinite(image) & (image != _outside(image, brain))
    if not use.any():
        return {"mask": use.astype(np.uint8)}
    if np.isfinite(limit):
        use = use & (positive(images[0], use) <= limit * np.median(positive(images[0], use)[use]))
    scaled = [positive(image, use) for image in images]
    if len(scaled) == 2:
        use = use & (sum(image / np.median(image[use]) for image in scaled) > 2 * _VOID)
    arrays: Arrays = {f"image{k}": np.where(use, image, 0) for k, image in enumerate(scaled)}
    arrays["mask"] = use.astype(np.uint8)
    return arrays


def without_white_rim(labels: NDArray[np.uint8], brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Rename white matter in the outermost two voxels of the brain to the nearest other tissue.

    Cortex and CSF lie outside of white matter; what looks white at the rim is fat, dura or the coil's shading. Where
    the image ends inside the brain there is no rim.
    """
    rim = brain & ~ndi.binary_erosion(brain, iterations=_RIM, border_value=1) & (labels == WM)
    other = _fill_nearest(np.where(labels == WM, np.uint8(0), labels), rim)
    return np.where(rim & (other > 0), other, labels).astype(np.uint8)


def positive(values: NDArray[np.floating], use: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bring an image to positive values of about 1 to 1000, as N4 needs, outliers cut.

    Parameters
    ----------
    values : float array (x, y, z)
        Any units; z-scored images may be negative.
    use : bool array (x, y, z)
        Voxels that matter; elsewhere the result is 0.
    """
    low, high = (float(v) for v in np.percentile(values[use], [0.1, 99.8]))
    if low >= 0:
        low = 0.0
    else:
        low -= 0.25 * (high - low)
    scaled = (values - low) * (1000.0 / max(high - low, 1e-12))
    return np.where(use, np.clip(scaled, 1.0, 1000.0), 0).astype(np.float32)


def _outside(values: NDArray[np.floating], brain: NDArray[np.bool_]) -> float:
    """Return the value that the image has outside the brain (0, or the minimum of a z-scored image)."""
    rest = values[~brain]
    if rest.size == 0:
        return float("nan")
    found, counts = np.unique(rest, return_counts=True)
    return float(found[counts.argmax()])


def _box(mask: NDArray[np.bool_]) -> Box:
    return widened(bounding_box(mask) or EMPTY, _PAD, mask.shape)


def _grow(mask: NDArray[np.bool_], millimeters: float, spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    if not mask.any():
        return mask
    return np.asarray(ndi.distance_transform_edt(~mask, sampling=spacing) <= millimeters)


def _fill_nearest(labels: NDArray[np.uint8], holes: NDArray[np.bool_]) -> NDArray[np.uint8]:
    if not holes.any() or not (labels > 0).any():
        return labels
    box = _box(holes | (labels > 0))
    inner = labels[box].copy()
    nearest = ndi.distance_transform_edt(inner == 0, return_distances=False, return_indices=True)
    gaps = holes[box]
    inner[gaps] = inner[tuple(axis[gaps] for axis in nearest)]
    result = labels.copy()
    result[box] = inner
    return result

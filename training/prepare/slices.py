"""Axial slices for the slice models: 256x256 FLAIR and five-class masks, one memory-mapped file a split.

A prepared set holds ``slices/<split>_images.npy`` (uint8, (n, 256, 256)), ``<split>_masks.npy`` (class ids 0 to 4) and
``<split>_index.json`` (a list of ``{"case_id", "slice", "tumor", ...}``, one entry a row). Arrays run (x, y) in the
canonical orientation; ``slice`` is the canonical axial index. :class:`training.models.slice_set.SliceSet` reads them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import CaseError, UsageError

if TYPE_CHECKING:
    from seg_editor.cases import Case

SIZE = 256
PRESETS = ("compact", "paper")
NORMALISATIONS = ("robust", "paper")
#: Class ids of a mask and what the paper's color-coded PNG shows for them.
CLASSES = ("background", "CSF", "GM", "WM", "tumor")
COLORS = np.array([(0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)], np.uint8)

#: ``robust``: code 0 is air, 1 to 255 are ROBUST_LOW to ROBUST_HIGH interquartile ranges from the median.
ROBUST_LOW, ROBUST_HIGH = -5.0, 7.0
ROBUST_STEP = (ROBUST_HIGH - ROBUST_LOW) / 254


@dataclass(frozen=True)
class SliceSettings:
    """What decides the slices of a case.

    Attributes
    ----------
    preset : str
        ``compact`` pads or cuts to 256x256; ``paper`` resizes (images bilinear, masks nearest).
    normalisation : str
        ``robust``: median and interquartile range of the healthy brain, see :func:`robust_code`; ``paper``: each
        slice from its own minimum to its own maximum.
    min_brain : float
        A slice is dropped when less of it is brain.
    """

    preset: str = "compact"
    normalisation: str = "robust"
    min_brain: float = 0.05

    def __post_init__(self) -> None:
        for value, known in ((self.preset, PRESETS), (self.normalisation, NORMALISATIONS)):
            if value not in known:
                raise UsageError(f"there is no {value!r} for slices", remedy=f"Choose one of {', '.join(known)}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"size": SIZE, "robust_range": [ROBUST_LOW, ROBUST_HIGH]}


@dataclass
class CaseSlices:
    """The kept slices of one case: uint8 (n, 256, 256) twice, and an index entry for each."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    index: list[dict[str, Any]]

    def save(self, path: Path) -> None:
        temporary = path.with_name(f".{path.name}.part")
        with temporary.open("wb") as f:
            np.savez_compressed(
                f,
                images=self.images,
                masks=self.masks,
                index=np.frombuffer(json.dumps(self.index).encode(), np.uint8),
            )
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> CaseSlices:
        with np.load(path, allow_pickle=False) as z:
            return cls(z["images"], z["masks"], json.loads(z["index"].tobytes()))


def robust_code(normalized: NDArray[np.floating], brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Normalized intensities (median 0, interquartile range 1) to bytes; outside the range they are cut, air is 0."""
    code = np.rint((np.asarray(normalized, np.float32) - ROBUST_LOW) / ROBUST_STEP) + 1
    return np.where(brain, np.clip(code, 1, 255), 0).astype(np.uint8)


def robust_value(code: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Undo :func:`robust_code` to half a step; air becomes ``ROBUST_LOW - ROBUST_STEP``."""
    return ((code.astype(np.float32) - 1) * ROBUST_STEP + ROBUST_LOW).astype(np.float32)


def case_slices(case: Case, five: NDArray[np.uint8], healthy: NDArray[np.bool_], settings: SliceSettings) -> CaseSlices:
    """Cut a case into slices; those with less brain than ``settings.min_brain`` are dropped.

    Parameters
    ----------
    case : Case
    five : uint8 (x, y, z)
        Class ids 0 to 4.
    healthy : bool (x, y, z)
        Brain away from the tumor: what the robust scale is measured on.

    Raises
    ------
    CaseError
        The case has no FLAIR.
    """
    from seg_editor.anatomy.scale import IntensityScale
    from seg_editor.cases import Modality

    if Modality.FLAIR not in case.volumes:
        raise CaseError("slices need FLAIR", path=case.folder, remedy="Add the FLAIR volume or leave the case out")
    values = case.volumes[Modality.FLAIR].values()
    share = case.brain.mean((0, 1))
    kept = [int(z) for z in np.flatnonzero(share >= settings.min_brain)]
    scale = IntensityScale.of(values, healthy)
    images = np.zeros((len(kept), SIZE, SIZE), np.uint8)
    masks = np.zeros_like(images)
    index: list[dict[str, Any]] = []
    for row, z in enumerate(kept):
        entry: dict[str, Any] = {"case_id": case.case_id, "slice": z}
        if settings.normalisation == "robust":
            image = robust_code(scale.normalize(values[:, :, z]), case.brain[:, :, z])
            entry |= {"median": scale.median, "iqr": scale.iqr}
        else:
            image, low, high = minmax_code(values[:, :, z])
            entry |= {"low": low, "high": high}
        images[row], masks[row] = fit(image, settings), fit(five[:, :, z], settings, nearest=True)
        entry["tumor"] = int((masks[row] == 4).sum())
        index.append(entry)
    return CaseSlices(images, masks, index)


def minmax_code(values: NDArray[np.floating]) -> tuple[NDArray[np.uint8], float, float]:
    """The paper's scale: a slice from its minimum (0) to its maximum (255); a constant slice is 0."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.shape, np.uint8), low, high
    return ((values - low) / (high - low) * 255).astype(np.uint8), low, high


def fit(a: NDArray[np.uint8], settings: SliceSettings, *, nearest: bool = False) -> NDArray[np.uint8]:
    """Bring a slice to 256x256 as the preset says."""
    if settings.preset == "paper":
        from PIL import Image

        how = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
        return np.asarray(Image.fromarray(a).resize((SIZE, SIZE), how), np.uint8)
    out = np.zeros((SIZE, SIZE), np.uint8)
    to: list[slice] = []
    of: list[slice] = []
    for n in a.shape:
        start = (SIZE - n) // 2
        to.append(slice(max(start, 0), max(start, 0) + min(n, SIZE)))
        of.append(slice(max(-start, 0), max(-start, 0) + min(n, SIZE)))
    out[tuple(to)] = a[tuple(of)]
    return out


# -- one file a split


def consolidate(out: Path, split: str, case_ids: list[str]) -> dict[str, Any]:
    """Join the slices of some cases to the three files of a split.

    Returns
    -------
    dict
        Slices, tumor slices, their share, pixels of each class, sha256 of the two arrays.
    """
    import hashlib

    folder = out / "slices"
    sets = [(folder / "cases" / f"{i}.npz") for i in case_ids]
    counts = [len(CaseSlices.load(p).index) for p in sets]
    shape = (sum(counts), SIZE, SIZE)
    targets = {k: folder / f"{split}_{k}.npy" for k in ("images", "masks")}
    parts = {k: p.with_name(f".{p.name}.part") for k, p in targets.items()}
    index: list[dict[str, Any]] = []
    pixels = np.zeros(len(CLASSES), np.int64)
    if not shape[0]:
        for path in (*targets.values(), folder / f"{split}_index.json"):
            path.unlink(missing_ok=True)
        return {"slices": 0, "tumor_slices": 0, "tumor_share": 0.0}
    create: Any = np.lib.format.open_memmap
    maps: dict[str, Any] = {k: create(p, "w+", np.uint8, shape) for k, p in parts.items()}
    for path in sets:
        one = CaseSlices.load(path)
        rows = slice(len(index), len(index) + len(one.index))
        maps["images"][rows], maps["masks"][rows] = one.images, one.masks
        pixels += np.bincount(one.masks.ravel(), minlength=len(CLASSES))
        index += one.index
    for m in maps.values():
        m.flush()
    del maps
    hashes = {}
    for k, part in parts.items():
        with part.open("rb") as f:
            hashes[f"{k}_sha256"] = hashlib.file_digest(f, "sha256").hexdigest()
        part.replace(targets[k])
    temporary = folder / f".{split}_index.json.part"
    temporary.write_text(json.dumps(index), encoding="utf-8")
    temporary.replace(folder / f"{split}_index.json")
    tumor = sum(e["tumor"] > 0 for e in index)
    return {
        "slices": len(index),
        "tumor_slices": tumor,
        "tumor_share": round(tumor / len(index), 4),
        "pixels": dict(zip(CLASSES, pixels.tolist(), strict=True)),
        **hashes,
    }

"""Axial slices for the slice models: 256x256 FLAIR and five-class masks, one memory-mapped file a split.

A prepared set holds ``slices/<split>_images.npy`` (uint8, (n, 256, 256)), ``<split>_masks.npy`` (class ids 0 to 4) and
``<split>_index.json`` (a list of ``{"case_id", "slice", "tumor", ...}``, one entry a row). Arrays run (x, y) in the
canonical orientation; ``slice`` is the canonical axial index. :class:`training.models.slice_set.SliceSet` reads them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import TUMOR
from seg_editor.errors import CaseError
from seg_editor.generation.paper_grid import (
    ROBUST_STEP,
    SIZE,
    SliceSettings,
    encode_slice,
    fit,
    minmax_code,
    robust_code,
    robust_value,
)
from seg_editor.hashing import file_sha256

if TYPE_CHECKING:
    from seg_editor.cases import Case

__all__ = [
    "CLASSES",
    "COLORS",
    "ROBUST_STEP",
    "SIZE",
    "CaseSlices",
    "SliceSettings",
    "case_slices",
    "consolidate",
    "fit",
    "minmax_code",
    "robust_code",
    "robust_value",
]

#: Class ids of a mask and what the paper's color-coded PNG shows for them.
CLASSES = ("background", "CSF", "GM", "WM", "tumor")
COLORS = np.array([(0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 255, 0), (255, 0, 0)], np.uint8)


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
        images[row], way = encode_slice(values[:, :, z], case.brain[:, :, z], scale, settings)
        masks[row] = fit(five[:, :, z], settings, nearest=True)
        entry |= way
        entry["tumor"] = int((masks[row] == TUMOR).sum())
        index.append(entry)
    return CaseSlices(images, masks, index)


# -- one file a split


def consolidate(out: Path, split: str, case_ids: list[str]) -> dict[str, Any]:
    """Join the slices of some cases to the three files of a split.

    Returns
    -------
    dict
        Slices, tumor slices, their share, pixels of each class, sha256 of the two arrays.
    """
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
        hashes[f"{k}_sha256"] = file_sha256(part)
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

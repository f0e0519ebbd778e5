"""A tiny slice set and a tiny network for the paper's models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from seg_editor.generation.unet import UNetConfig

SIZE = 16
TINY = UNetConfig(image_size=SIZE, fold=2, widths=(8, 8), layers=1, attention_level=1, head_size=4, groups=4)
CASES = {"train": ("BraTS2021_80001", "BraTS2021_80002"), "val": ("BraTS2021_80003",)}


def write_slices(
    folder: Path, *, count: int = 6, size: int = SIZE, cases: dict[str, tuple[str, ...]] | None = None
) -> Path:
    """`count` slices a case: rings of tissue around CSF, with a tumor in every other slice."""
    (folder / "slices").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    radius = np.hypot(*(np.indices((size, size)) - size / 2 + 0.5))
    rings = np.select([radius < 2, radius < 4, radius < 6], [1, 2, 3], 0).astype(np.uint8)
    for split, ids in (cases or CASES).items():
        masks = np.repeat(rings[None], count * len(ids), 0)
        masks[::2, 3:7, 6:10] = 4
        level = np.array([0, 60, 120, 160, 230], np.uint8)[masks]
        images = np.where(masks > 0, level + rng.integers(0, 20, masks.shape), 0).astype(np.uint8)
        index = [{"case_id": i, "slice": k} for i in ids for k in range(count)]
        np.save(folder / "slices" / f"{split}_images.npy", images)
        np.save(folder / "slices" / f"{split}_masks.npy", masks)
        (folder / "slices" / f"{split}_index.json").write_text(json.dumps(index))
    return folder

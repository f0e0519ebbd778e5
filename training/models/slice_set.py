"""The prepared slices of a split, memory-mapped: pictures, five-class masks, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seg_editor.anatomy.names import TUMOR
from seg_editor.errors import UsageError, reason
from seg_editor.generation.paper_grid import Window, moved_window
from seg_editor.hashing import file_sha256
from training.prepare.manifest import load_manifest, patient_of

_BLOCK = 256
_PREPARE = "Run seg-train prepare again"


@dataclass
class SliceSet:
    """One split: ``images`` uint8 (n, x, y), ``masks`` uint8 (n, x, y) of class ids 0-4, ``cases`` of the slices.

    The arrays are memory-mapped: processes on one machine share one copy in memory.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    cases: tuple[str, ...]
    numbers: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, data: Path, split: str, *, verify: bool = False) -> SliceSet:
        """Map ``slices/<split>_{images,masks}.npy`` and read ``slices/<split>_index.json``.

        Parameters
        ----------
        data : Path
            Prepared set; its manifest says how the slices were made.
        split : str
        verify : bool
            Compare the arrays with the manifest's hashes, which also brings them into memory.

        Raises
        ------
        UsageError
            A file is missing or damaged, or they do not fit each other or the manifest.
        """
        folder = data / "slices"
        images, masks = (_map(folder / f"{split}_{what}.npy") for what in ("images", "masks"))
        manifest = load_manifest(data) if (data / "manifest.json").exists() else {}
        if verify:
            _check_hashes(folder, split, manifest.get("splits", {}).get(split, {}))
        path = folder / f"{split}_index.json"
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            cases = tuple(str(row["case_id"]) for row in index)
            numbers = tuple(int(row["slice"]) for row in index)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} cannot be read ({reason(error)})", remedy=_PREPARE) from error
        if images.shape != masks.shape or len(images) != len(cases):
            raise UsageError(
                f"{folder}: {split} has {images.shape} images, {masks.shape} masks and {len(cases)} names",
                remedy=_PREPARE,
            )
        if not cases:
            raise UsageError(f"{folder}: the split {split} is empty", remedy="Prepare more cases")
        return cls(images, masks, cases, numbers, manifest.get("settings", {}))

    def __len__(self) -> int:
        return len(self.cases)

    def tumor_slices(self) -> NDArray[np.intp]:
        """Indices of the slices that show tumor."""
        return np.flatnonzero([bool((mask == TUMOR).any()) for mask in self.masks])

    def window(self, multiple: int) -> tuple[slice, slice]:
        """The smallest window that shows what is not air in any slice, its sides multiples of `multiple`."""
        lit: NDArray[np.bool_] = np.zeros(self.images.shape[1:], bool)
        for image in self.images:
            lit |= image > 0
        columns, rows = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
        return _span(columns, lit.shape[0], multiple), _span(rows, lit.shape[1], multiple)

    def case_windows(self, trained: Window, multiple: int) -> dict[str, Window]:
        """`trained` for each case, moved (and, if need be, widened) until it shows the case, as the editor does."""
        lit: dict[str, NDArray[np.bool_]] = {}
        for case_id, image in zip(self.cases, self.images, strict=True):
            lit[case_id] = lit.get(case_id, False) | (image > 0)
        return {case_id: moved_window(trained, shown, multiple) for case_id, shown in lit.items()}

    def picture(self, multiple: int) -> tuple[int, int]:
        """Width and height of the :meth:`window`."""
        x, y = self.window(multiple)
        return x.stop - x.start, y.stop - y.start

    def take(self, rows: Sequence[int], window: Sequence[slice] = (slice(None), slice(None))) -> tuple[Tensor, Tensor]:
        """Images (b, x, y) and masks (b, x, y) of some slices, uint8, cut to `window`."""
        x, y = window
        images = np.stack([self.images[row, x, y] for row in rows])
        return torch.from_numpy(images), torch.from_numpy(np.stack([self.masks[row, x, y] for row in rows]))

    def table(self, window: Sequence[slice], device: torch.device) -> tuple[Tensor, Tensor]:
        """All images and masks, cut to `window`, on a device; no second copy of them is made on the host."""
        x, y = window
        shape = (len(self), x.stop - x.start, y.stop - y.start)
        made = [torch.empty(shape, dtype=torch.uint8, device=device) for _ in range(2)]
        for start in range(0, len(self), _BLOCK):
            block = slice(start, min(start + _BLOCK, len(self)))
            for to, array in zip(made, (self.images, self.masks), strict=True):
                to[block] = torch.from_numpy(np.array(array[block, x, y]))
        return made[0], made[1]


def _span(at: NDArray[np.intp], length: int, multiple: int) -> slice:
    """`at`'s range, widened evenly to a multiple inside 0 to `length`; all of it where there is no such."""
    if not at.size:
        return slice(0, length)
    size = -(-(int(at[-1]) + 1 - int(at[0])) // multiple) * multiple
    start = min(max((int(at[0]) + int(at[-1]) + 1 - size) // 2, 0), length - size)
    return slice(start, start + size) if start >= 0 else slice(0, length)


def _check_hashes(folder: Path, split: str, known: dict[str, Any]) -> None:
    for what in ("images", "masks"):
        path = folder / f"{split}_{what}.npy"
        if f"{what}_sha256" in known and file_sha256(path) != known[f"{what}_sha256"]:
            raise UsageError(f"{path} does not match the manifest", remedy=_PREPARE)


def check_disjoint(*parts: SliceSet) -> None:
    """No patient is in two splits.

    Raises
    ------
    UsageError
        One is.
    """
    seen: dict[str, int] = {}
    for i, part in enumerate(parts):
        for case_id in sorted(set(part.cases)):
            if seen.setdefault(patient_of(case_id), i) != i:
                raise UsageError(f"the patient of {case_id} is in two splits", remedy=_PREPARE)


def _map(path: Path) -> NDArray[np.uint8]:
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({reason(error)})", remedy="Run seg-train prepare first") from error
    if array.dtype != np.uint8 or array.ndim != 3:
        raise UsageError(f"{path} holds {array.dtype} {array.shape}, not uint8 (n, x, y)", remedy=_PREPARE)
    return array

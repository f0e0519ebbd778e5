"""The steps of the last run, for looking at how a picture came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from seg_editor.cases import Modality

DEFAULT_LIMIT = 48


@dataclass(frozen=True, eq=False)
class StepPicture:
    """One step: its number, the axial slice, and the slice of each modality ``(x, y)`` in image values."""

    k: int
    slice_index: int
    pictures: Mapping[Modality, np.ndarray]


class StepPreviews:
    """Steps of one run, of the slice it began with; long runs are thinned out evenly.

    Parameters
    ----------
    limit : int
        Steps kept at most.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = max(2, limit)
        self._stride = 1
        self._kept: list[StepPicture] = []
        self._anew = False
        self.key = ""

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, number: int) -> StepPicture:
        return self._kept[number]

    def clear(self) -> None:
        """Forget the steps."""
        self._kept, self._stride, self.key, self._anew = [], 1, "", False

    def begin(self) -> None:
        """Begin another run: its first step drops those of the last; one without steps leaves them."""
        self._anew = True

    def add(self, step: StepPicture) -> None:
        """Keep a step if it is of the first slice and its turn has come."""
        if self._anew:
            self.clear()
        if self._kept and self._kept[0].slice_index != step.slice_index:
            return
        if (step.k - 1) % self._stride:
            return
        self._kept.append(step)
        if len(self._kept) > self._limit:
            self._stride *= 2
            self._kept = [kept for kept in self._kept if (kept.k - 1) % self._stride == 0]

    def finish(self, key: str) -> None:
        """Say which result the run led to."""
        if not self._anew:
            self.key = key

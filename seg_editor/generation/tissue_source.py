"""Where an engine takes tissue from: the map found before, else what the referee sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.tissue import TissueMap, known_tissue_map
from seg_editor.cases import Case
from seg_editor.errors import ModelError

if TYPE_CHECKING:
    from seg_editor.generation.referee import Referee

#: Tissue planes (n, x, y) of axial slices: 0 outside the brain, 1 CSF, 2 GM, 3 WM; no tumor.
Tissue = Callable[[Case, Sequence[int]], NDArray[np.uint8]]


class TissueSource:
    """Tissue of axial slices of a case.

    Parameters
    ----------
    known : callable, optional
        Gives the map of a case, or None; by default what the cache holds.
    referee : Referee, optional
        Asked where there is no map; by default the bundled one, loaded on the first need.
    device : str
        For the bundled referee.
    """

    def __init__(
        self,
        known: Callable[[Case], TissueMap | None] = known_tissue_map,
        referee: Referee | None = None,
        device: str = "auto",
    ) -> None:
        self._known = known
        self._referee = referee
        self._device = device
        self._judged: tuple[str, dict[int, NDArray[np.uint8]]] = ("", {})

    def __call__(self, case: Case, slices: Sequence[int]) -> NDArray[np.uint8]:
        """Tissue planes (n, x, y) of canonical axial slices.

        Raises
        ------
        ModelError
            There is no map, and no referee to ask.
        """
        known = self._known(case)
        if known is not None:
            return np.ascontiguousarray(np.moveaxis(known.labels[:, :, list(slices)], 2, 0))
        if self._judged[0] != case.content_hash:
            self._judged = (case.content_hash, {})
        planes = self._judged[1]
        missing = [k for k in slices if k not in planes]
        if missing:
            seen = without_tumor(self._load(case).segment_slices(case, missing), case.brain[:, :, missing])
            planes.update(zip(missing, seen, strict=True))
        return np.stack([planes[k] for k in slices])

    def _load(self, case: Case) -> Referee:
        if self._referee is None:
            from seg_editor.generation.referee import find_referee

            self._referee = find_referee(self._device)
        if self._referee is None:
            raise ModelError(
                f"there is no tissue map of {case.case_id} and no referee to make one",
                remedy="Compute the tissue map first",
            )
        return self._referee


def without_tumor(seen: NDArray[np.uint8], brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """What the referee saw, (n, x, y), with tumor and gaps in the brain (x, y, n) replaced by the nearest tissue."""
    from seg_editor.generation.diffusion import HoleFill, fill_hole

    gaps = np.moveaxis(brain, 2, 0) & ~np.isin(seen, (1, 2, 3))
    return fill_hole(seen, HoleFill.NEAREST, hole=gaps)

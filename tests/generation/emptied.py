"""Cases that differ in some voxels only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import Case, Modality, Volume


def with_voxels(case: Case, change: Callable[[Modality, NDArray[np.generic]], NDArray[np.generic]]) -> Case:
    """A copy of the case whose stored voxels went through `change`; nothing is cached yet."""
    volumes = {}
    for modality, volume in case.volumes.items():
        raw = np.ascontiguousarray(change(modality, volume.raw.copy()).astype(volume.raw.dtype))
        volumes[modality] = Volume(raw, volume.source, volume.slope, volume.inter)
    return dataclasses.replace(case, volumes=volumes)


def scrambled(case: Case, where: NDArray[np.bool_], seed: int = 1) -> Case:
    """A copy with other values (never the background) in the voxels of `where`."""
    rng = np.random.default_rng(seed)

    def change(_: Modality, raw: NDArray[np.generic]) -> NDArray[np.generic]:
        raw[where] = rng.integers(1, 120, int(where.sum()))
        return raw

    return with_voxels(case, change)

"""The result: generated inside the hole, the source's own voxels everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import ModelError, UsageError
from seg_editor.generation.hole import Hole
from seg_editor.generation.request import GenerationRequest

if TYPE_CHECKING:
    from seg_editor.cases import Case, Modality, Volume


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """A generated result, kept as the hole's voxels only.

    Outside the hole there is nothing to keep: composing copies the source, so it is equal bit for bit.

    Parameters
    ----------
    request : GenerationRequest
    hole : Hole
        Restricted to the slices that were generated.
    patches : mapping of Modality to (n,) array
        Values in the file's own stored dtype and scale (see `to_raw`) at ``hole.mask``, in C order.
    seconds : mapping of int to float
        Computing time of each canonical axial slice.
    device, runtime : str
        What computed it, as ``cpu`` and ``torch-cpu``.
    finished : bool
        False for a preview.

    Raises
    ------
    ValueError
        If a patch doesn't fit the hole.
    """

    request: GenerationRequest
    hole: Hole
    patches: Mapping[Modality, NDArray[Any]] = field(repr=False)
    seconds: Mapping[int, float] = field(repr=False)
    device: str
    runtime: str
    finished: bool = True

    def __post_init__(self) -> None:
        patches = {}
        for modality, values in self.patches.items():
            if values.shape != (self.hole.voxels,):
                raise ValueError(f"{modality}: patch of shape {values.shape}, the hole has {self.hole.voxels} voxels")
            patches[modality] = _frozen_copy(values)
        object.__setattr__(self, "patches", MappingProxyType(patches))
        object.__setattr__(self, "seconds", MappingProxyType(dict(self.seconds)))

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that were generated."""
        return tuple(self.patches)

    @property
    def slices(self) -> tuple[int, ...]:
        """The canonical axial slices that were generated."""
        return self.hole.slices

    def raw(self, case: Case, modality: Modality) -> NDArray[Any]:
        """Compose the whole volume.

        Parameters
        ----------
        case : Case
            The case that the result was made from.
        modality : Modality

        Returns
        -------
        (x, y, z) array
            A new array in the source's stored dtype and scale; the source's own values outside the hole.

        Raises
        ------
        UsageError
            If the result belongs to another case or lacks the modality.
        """
        if case.content_hash != self.request.case_hash:
            raise UsageError(f"this result was not made from case {case.case_id}", remedy="Generate it again")
        source = self._source(case, modality)
        out: NDArray[Any] = np.array(source, order="C")
        out[self.hole.box][self.hole.mask[self.hole.box]] = self.patches[modality]
        return out

    def slice_raw(self, case: Case, modality: Modality, k: int, axis: int = 2) -> NDArray[Any]:
        """Compose one slice, as ``raw(case, modality).take(k, axis)`` but fast.

        Parameters
        ----------
        k : int
            Index along `axis`.
        axis : int
            0 sagittal, 1 coronal, 2 axial.

        Returns
        -------
        2D array
            A new array; the two other axes in their order.
        """
        source = self._source(case, modality)
        out: NDArray[Any] = np.array(_plane(source, k, axis), order="C")
        box = self.hole.box
        if box[axis].start <= k < box[axis].stop:
            plane = tuple(s for a, s in enumerate(box) if a != axis)
            inside = _plane(self.hole.mask[box], k - box[axis].start, axis)
            out[plane][inside] = _plane(self._boxed[modality], k - box[axis].start, axis)[inside]
        return out

    def value(self, modality: Modality, voxel: tuple[int, int, int]) -> float | None:
        """Return the generated stored value of a voxel (x, y, z); None where nothing was generated."""
        if modality not in self.patches or not self.hole.mask[voxel]:
            return None
        x, y, z = (at - part.start for at, part in zip(voxel, self.hole.box, strict=True))
        return float(self._boxed[modality][x, y, z])

    @cached_property
    def _boxed(self) -> dict[Modality, NDArray[Any]]:
        inside = self.hole.mask[self.hole.box]
        boxed = {}
        for modality, values in self.patches.items():
            boxed[modality] = np.zeros(inside.shape, dtype=values.dtype)
            boxed[modality][inside] = values
        return boxed

    def _source(self, case: Case, modality: Modality) -> NDArray[Any]:
        if modality not in self.patches:
            raise UsageError(f"{modality.display} was not generated", remedy="Generate it with this modality chosen")
        if modality not in case.volumes:
            raise UsageError(f"case {case.case_id} has no {modality.display} to compose with")
        source: NDArray[Any] = case.volumes[modality].raw
        if source.shape != self.hole.mask.shape or source.dtype != self.patches[modality].dtype:
            raise UsageError(f"this result does not fit the {modality.display} of case {case.case_id}")
        return source


def to_raw(volume: Volume, values: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Turn intensities into the stored values of the volume's file.

    Parameters
    ----------
    volume : Volume
        Gives dtype, slope and intercept.
    values : float array of any shape
        Intensities with the scaling applied, as ``Volume.values`` gives them.

    Returns
    -------
    array of the same shape
        In the stored dtype; for integers rounded to even and clipped to the dtype's range.

    Raises
    ------
    ModelError
        If a value isn't finite.
    """
    if not np.isfinite(values).all():
        raise ModelError("the model gave values that are not finite", remedy="Try another seed or model")
    stored = (np.asarray(values, dtype=np.float64) - volume.inter) / volume.slope
    dtype = volume.raw.dtype
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        stored = np.clip(np.rint(stored), float(info.min), float(info.max))
    out: NDArray[Any] = stored.astype(dtype)
    return out


def _plane(volume: NDArray[Any], k: int, axis: int) -> NDArray[Any]:
    """A view of one slice; ``take`` would copy it voxel by voxel."""
    return volume[(slice(None),) * axis + (k,)]


def _frozen_copy(values: NDArray[Any]) -> NDArray[Any]:
    copy = np.array(values, order="C")
    copy.setflags(write=False)
    return copy

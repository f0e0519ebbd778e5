"""How rough the tissue in a hole should be, judged by what the patient shows: M5's samples are brought to it.

Few network passes leave a sample too smooth, by how much depends on patient and place: the variance of the finest
detail (what a Gaussian of sigma 1 takes away) differs tenfold between scanners and between white matter and cortex.
Three things that are known tell it: the tissue near the hole, the other hemisphere at the same place, and how much
structure the network's own mean draws there. A linear model of their logarithms, fitted on healthy holes of training
and validation patients, is part of the model card.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seg_editor.generation.conditioning import BRAIN_CHANNEL, LATERAL_CHANNEL, N_MODALITIES, NEIGHBORS, UNKNOWN_CHANNEL

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: What the logarithm of the variance is made of, beside the logarithm for the tissue near the hole.
TERMS = ("one", "mirror - near", "mirror seen", "mean's middle - near", "mean's finest - near")
#: Width of the tissue near the hole, voxels.
_REACH = 14
#: Voxels of a slice that a variance needs: near the hole, in it, and mirrored.
_MIN_NEAR, _MIN_INSIDE, _MIN_MIRROR = 100, 50, 30
#: How far detail is scaled at most: beyond it, single voxels stand out where the sample has drawn nothing.
_LIMITS = (0.5, 2.2)
_FLOOR = 1e-6
_SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True)
class DetailModel:
    """Coefficients of the expected detail, a row for each modality and a column for each of :data:`TERMS`."""

    coefficients: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, rows: ArrayLike) -> DetailModel:
        """From the card's lists.

        Raises
        ------
        ValueError
            The rows are not 4 times 5 finite numbers.
        """
        values = np.asarray(rows)
        good = values.dtype.kind in "fiu" and values.shape == (N_MODALITIES, len(TERMS))
        if not good or not np.isfinite(values).all():
            raise ValueError("the detail needs four rows of five numbers")
        return cls(tuple(tuple(float(v) for v in row) for row in values))

    def to_json(self) -> list[list[float]]:
        """What a card holds."""
        return [list(row) for row in self.coefficients]

    @property
    def recipe(self) -> str:
        """What decides the finish of a sample, short: part of the request."""
        parts: list[Any] = [self.to_json(), _REACH, _MIN_NEAR, _MIN_INSIDE, _MIN_MIRROR, _LIMITS]
        return f"detail {hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"

    def match(self, sample: Floats, mean: Floats, channels: Floats) -> Floats:
        """Scale a sample's finest detail in the hole until its variance is the expected one.

        At the rim nothing is scaled, so that no step arises there; from the third voxel on all is.

        Parameters
        ----------
        sample, mean : float32 (4, h, w)
            The composed slice (generated in the hole, source around it) after the last pass and after the first.
        channels : float32 (CONTEXT_CHANNELS, h, w)
            What the network saw; it may be larger than the pictures, by padding at the end.

        Returns
        -------
        float32 (4, h, w)
            `sample` itself when there is too little tissue to measure.
        """
        from scipy import ndimage as ndi

        seen = channels[:, : sample.shape[1], : sample.shape[2]]
        terms = detail_terms(mean, seen)
        if terms is None:
            return sample
        expected = terms.near + (terms.values * np.asarray(self.coefficients)).sum(1)
        fine = _fine(sample)
        gain = np.sqrt(np.exp(expected) / np.maximum(fine[:, terms.inside].var(axis=1), _FLOOR)).clip(*_LIMITS)
        weight = np.clip((ndi.distance_transform_edt(_hole(seen)) - 1) / 2, 0, 1)
        return np.asarray(sample + (gain[:, None, None] - 1) * fine * weight, np.float32)


@dataclass(frozen=True)
class DetailTerms:
    """What is known of a hole's detail in one slice.

    Attributes
    ----------
    near : float (4,)
        Logarithm of the variance of the finest detail in the tissue near the hole.
    values : float (4, 5)
        :data:`TERMS`.
    inside : bool (h, w)
        The inner part of the hole, where detail is measured.
    """

    near: NDArray[np.float64]
    values: NDArray[np.float64]
    inside: Mask


def detail_terms(mean: Floats, channels: Floats) -> DetailTerms | None:
    """Measure what :class:`DetailModel` needs; ``None`` when there is too little tissue near the hole.

    Parameters
    ----------
    mean : float32 (4, h, w)
        The slice with the network's mean in the hole.
    channels : float32 (CONTEXT_CHANNELS, h, w)
    """
    from scipy import ndimage as ndi

    hole, brain = _hole(channels), channels[BRAIN_CHANNEL] > 0
    filled = channels[len(NEIGHBORS) // 2 : N_MODALITIES * len(NEIGHBORS) : len(NEIGHBORS)]
    mirrored, valid = channels[LATERAL_CHANNEL - 5 : LATERAL_CHANNEL - 1], channels[LATERAL_CHANNEL - 1] > 0
    known = ndi.binary_erosion(brain & ~hole, _SQUARE, iterations=2)
    near = known & (ndi.distance_transform_edt(~hole) <= _REACH)
    if np.count_nonzero(near) < _MIN_NEAR:
        near = known
    if np.count_nonzero(near) < _MIN_NEAR:
        return None
    eroded = (ndi.binary_erosion(hole, _SQUARE, iterations=n) for n in (2, 1))
    inside = next((core for core in eroded if np.count_nonzero(core) >= _MIN_INSIDE), hole)
    opposite = inside & ndi.binary_erosion(valid, _SQUARE, iterations=2)
    base = _log_variance(_fine(filled), near)
    values = np.zeros((N_MODALITIES, len(TERMS)))
    values[:, 0] = 1
    if np.count_nonzero(opposite) >= _MIN_MIRROR:
        values[:, 1] = _log_variance(_fine(mirrored), opposite) - base
        values[:, 2] = 1
    smooth = ndi.gaussian_filter(mean, (0, 1, 1))
    values[:, 3] = _log_variance(smooth - ndi.gaussian_filter(mean, (0, 3, 3)), inside) - base
    values[:, 4] = _log_variance(mean - smooth, inside) - base
    return DetailTerms(base, values, inside)


def fine_log_variance(picture: Floats, place: Mask) -> NDArray[np.float64]:
    """Logarithm of the variance of the finest detail of (4, h, w) in a place, (4,)."""
    return _log_variance(_fine(picture), place)


def _hole(channels: Floats) -> Mask:
    return np.asarray((channels[UNKNOWN_CHANNEL] > 0) & (channels[BRAIN_CHANNEL] > 0))


def _fine(picture: Floats) -> Floats:
    from scipy import ndimage as ndi

    return np.asarray(picture - ndi.gaussian_filter(picture, (0, 1, 1)), np.float32)


def _log_variance(detail: Floats, place: Mask) -> NDArray[np.float64]:
    return np.asarray(np.log(detail[:, place].var(axis=1, dtype=np.float64) + _FLOOR))

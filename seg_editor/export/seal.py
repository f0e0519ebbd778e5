"""A checksum over a record and the pixels that it tells of: neither can be changed without the other being off.

It tells damage and careless edits; it is no signature, since whoever changes a file can compute it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEAL = "seal_sha256"


def sealed(record: Mapping[str, Any], pixels: NDArray[np.uint8] | None = None) -> dict[str, Any]:
    """Return the record with its seal.

    Parameters
    ----------
    record : mapping
        What JSON can hold.
    pixels : (rows, columns, 3) array, optional
        The picture that the record belongs to.

    Raises
    ------
    ValueError
        The record holds a number that JSON lacks.
    """
    return {**record, SEAL: _digest(record, pixels)}


def holds(record: Mapping[str, Any], pixels: NDArray[np.uint8] | None = None) -> bool:
    """Return whether record and pixels are those that were sealed; False without a seal."""
    try:
        return SEAL in record and record[SEAL] == _digest(record, pixels)
    except ValueError:
        return False


def _digest(record: Mapping[str, Any], pixels: NDArray[np.uint8] | None) -> str:
    """Hash the record without its seal, as a reader of its JSON has it, then the number of pixels and the pixels."""
    told = json.loads(json.dumps({key: value for key, value in record.items() if key != SEAL}, allow_nan=False))
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())
    if pixels is not None:
        rows, columns, _ = pixels.shape
        digest.update(f"\n{rows} x {columns}\n".encode() + np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()

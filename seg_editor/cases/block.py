"""The header block of a NIfTI file as bytes: kept verbatim, changed only where asked."""

from __future__ import annotations

from typing import Any

import numpy as np

HEADER_BYTES = {1: 348, 2: 540}
"""Size of the fixed header, by NIfTI version."""

_PLAIN = str.maketrans({"\u2013": "-", "\u2014": "-"})


def nibabel_header(block: bytes, version: int) -> Any:
    """Return the nibabel header object of a header block, values as stored."""
    import nibabel

    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    return kind(block[: HEADER_BYTES[version]], check=False)  # type: ignore[no-untyped-call]


def stored_dtype(header: Any) -> np.dtype[Any]:
    """Return the data type of a nibabel header, with the file's byte order."""
    dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    return dtype.newbyteorder("<" if header.endianness == "<" else ">")


def retyped_block(block: bytes, version: int, dtype: np.dtype[Any]) -> bytes:
    """Return the header block with another data type, unscaled and with no display range; the rest as it is."""
    header = nibabel_header(block, version)
    header.set_data_dtype(dtype)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["cal_max"] = header["cal_min"] = 0
    return bytes(header.binaryblock) + block[HEADER_BYTES[version] :]


def described_block(block: bytes, version: int, descrip: str) -> bytes:
    """Return the header block with another ``descrip`` text, cut to 79 bytes."""
    header = nibabel_header(block, version)
    header["descrip"] = descrip.translate(_PLAIN).encode("ascii", "replace")[:79]
    return bytes(header.binaryblock) + block[HEADER_BYTES[version] :]

"""One journal record as bytes and back, without pickle."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from seg_editor.editing import Box, Change, Delta
from seg_editor.editing.delta import Values

_LENGTH = struct.Struct("<I")
_DTYPES = ("|u1", "<i2")


class RecordKind(StrEnum):
    """What a record says."""

    START = "start"
    DO = "do"
    UNDO = "undo"
    REDO = "redo"
    SAVED = "saved"


@dataclass(frozen=True)
class Record:
    """One record.

    Parameters
    ----------
    kind : RecordKind
    name : str
        Name of the step, or the path saved to.
    step : int
        Number that names the step within its session, the same for doing, undoing and redoing it.
    delta, base : Delta or None
        The step as it was done (also in an undo), see :class:`Change`; for ``start`` and ``saved``, `base` leads from
        the labels to the reference tumor.
    case_hash, labels_hash : str
        For ``start`` and ``saved``.
    """

    kind: RecordKind
    name: str = ""
    step: int = 0
    delta: Delta | None = None
    base: Delta | None = None
    case_hash: str = ""
    labels_hash: str = ""

    @classmethod
    def of(cls, kind: RecordKind, change: Change) -> Record:
        """The record of a step done, undone or redone."""
        return cls(kind, change.name, change.after, change.delta, change.base)


def encode(record: Record) -> bytes:
    """The record as bytes: length of the JSON, JSON, raw parts."""
    parts: list[bytes] = []
    fields: dict[str, Any] = {"kind": str(record.kind), "name": record.name, "step": record.step}
    if record.case_hash:
        fields |= {"case": record.case_hash, "labels": record.labels_hash}
    for key, delta in (("delta", record.delta), ("base", record.base)):
        if delta is not None:
            fields[key] = _delta_fields(delta, parts)
    text = json.dumps(fields, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(text)), text, *parts))


def decode(payload: bytes) -> Record | None:
    """The record, or None when the bytes are not one."""
    try:
        (size,) = _LENGTH.unpack_from(payload)
        fields = json.loads(payload[_LENGTH.size : _LENGTH.size + size])
        rest = memoryview(payload)[_LENGTH.size + size :]
        deltas: dict[str, Delta] = {}
        for key in ("delta", "base"):
            if key in fields:
                deltas[key], rest = _read_delta(fields[key], rest)
        return Record(
            RecordKind(fields["kind"]),
            str(fields["name"]),
            int(fields["step"]),
            deltas.get("delta"),
            deltas.get("base"),
            str(fields.get("case", "")),
            str(fields.get("labels", "")),
        )
    except (ValueError, KeyError, TypeError, struct.error):
        return None


def _delta_fields(delta: Delta, parts: list[bytes]) -> dict[str, Any]:
    parts.append(delta.bits)
    return {
        "box": [[s.start, s.stop] for s in delta.box],
        "bits": len(delta.bits),
        "squeezed": delta.squeezed,
        "count": delta.count,
        "old": _value_field(delta.old, parts),
        "new": _value_field(delta.new, parts),
    }


def _value_field(values: Values, parts: list[bytes]) -> int | str:
    if isinstance(values, int):
        return values
    little = values.astype(values.dtype.newbyteorder("<"))
    parts.append(little.tobytes())
    return little.dtype.str


def _read_delta(fields: dict[str, Any], rest: memoryview) -> tuple[Delta, memoryview]:
    bits, rest = bytes(rest[: int(fields["bits"])]), rest[int(fields["bits"]) :]
    count = int(fields["count"])
    old, rest = _read_values(fields["old"], count, rest)
    new, rest = _read_values(fields["new"], count, rest)
    x, y, z = (slice(int(a), int(b)) for a, b in fields["box"])
    box: Box = (x, y, z)
    return Delta(box, bits, bool(fields["squeezed"]), count, old, new), rest


def _read_values(field: Any, count: int, rest: memoryview) -> tuple[Values, memoryview]:
    if isinstance(field, int):
        return field, rest
    if field not in _DTYPES:
        raise ValueError(f"unknown dtype {field}")
    size = np.dtype(field).itemsize * count
    values = np.frombuffer(rest[:size], dtype=field)
    if values.size != count:
        raise ValueError("values are missing")
    return values.astype(values.dtype.newbyteorder("=")), rest[size:]

"""A result with its mask, figures and star as plain arrays and back, without loss; nothing is pickled.

The mask is written down as the labels themselves, in a box around everything labeled, so that it comes back after the
segmentation on the disk has changed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.process import Arrays
from seg_editor.cases import Modality
from seg_editor.editing.delta import Box, Delta, between, inner_box, tight_box, union_box
from seg_editor.generation.request import GenerationRequest
from seg_editor.metrics import Metrics
from seg_editor.session.measured import Measured, Seen
from seg_editor.session.recall import Place
from seg_editor.session.results import Entry, Mask, Packed

if TYPE_CHECKING:
    from collections.abc import Hashable

VERSION = 1
_NOWHERE: Box = (slice(0, 1), slice(0, 1), slice(0, 1))


@dataclass(frozen=True, eq=False)
class Opened:
    """The segmentation (x, y, z) as it was opened, which masks are differences from."""

    labels: NDArray[Any]
    box: Box

    @classmethod
    def of(cls, labels: NDArray[Any]) -> Opened:
        """Find the box around what is labeled."""
        return cls(labels, tight_box(labels != 0) or _NOWHERE)


def to_arrays(entry: Entry, opened: Opened, when: float, group: str) -> Arrays:
    """Return an entry as arrays.

    Parameters
    ----------
    entry : Entry
    opened : Opened
    when : float
        Seconds since the epoch; orders the history.
    group : str
        Names the mask: entries of one group share it.
    """
    packed, rest = entry.packed, entry.packed.rest
    arrays: Arrays = {f"patch.{m}": np.asarray(values) for m, values in rest["patches"].items()}
    arrays |= {"hole": _from_bytes(packed.mask), "core": _from_bytes(packed.core)}
    fields: dict[str, Any] = {
        "version": VERSION,
        "when": when,
        "starred": entry.starred,
        "request": entry.request.to_dict(),
        "shape": packed.shape,
        "box": _box_field(packed.box),
        "margin": packed.margin,
        "seconds": [[int(k), float(v)] for k, v in rest["seconds"].items()],
        "device": rest["device"],
        "runtime": rest["runtime"],
        "finished": rest["finished"],
        "place": None if entry.place is None else list(entry.place[1:]),
    }
    if entry.mask is not None:
        box = _box_of(opened, entry.mask)
        fields |= {"group": group, "mask_box": _box_field(box)}
        arrays["labels"] = _inside(opened, entry.mask.labels, box)
        arrays["original"] = _inside(opened, entry.mask.original, box)
    if isinstance(entry.metrics, Measured):
        fields["measured"] = _measured_fields(entry.metrics, arrays)
    arrays["entry"] = _from_bytes(json.dumps(fields, separators=(",", ":")).encode())
    return arrays


@dataclass(frozen=True, eq=False)
class Kept:
    """An entry that was read, when it was made, and the name of its mask."""

    entry: Entry
    when: float


def from_arrays(arrays: Arrays, opened: Opened, masks: dict[str, Mask]) -> Kept:
    """Return the entry again; raises whatever comes of it where the arrays are not one.

    Parameters
    ----------
    arrays : mapping of str to array
    opened : Opened
        Of the session that reads; it may differ from the one that wrote.
    masks : dict
        Masks by the name of their group, filled as they are met, so that entries share them.
    """
    fields = json.loads(arrays["entry"].tobytes())
    if fields["version"] != VERSION:
        raise ValueError(f"version {fields['version']} is not known")
    shape = _shape(fields["shape"])
    if shape != opened.labels.shape:
        raise ValueError("it is of another grid")
    request = GenerationRequest.from_dict(fields["request"])
    rest = {
        "request": request,
        "patches": {Modality(m): arrays[f"patch.{m}"] for m in fields["request"]["modalities"]},
        "seconds": {int(k): float(v) for k, v in fields["seconds"]},
        "device": str(fields["device"]),
        "runtime": str(fields["runtime"]),
        "finished": bool(fields["finished"]),
    }
    hole, core = (arrays[name].tobytes() for name in ("hole", "core"))
    packed = Packed(shape, _box(fields["box"]), hole, core, int(fields["margin"]), rest)
    _check(packed)
    mask = _mask(fields, arrays, opened, masks) if "group" in fields else None
    measured = _measured(fields["measured"], arrays) if "measured" in fields else None
    token = None if mask is None else mask.token
    place = None if fields["place"] is None else _place(token, fields["place"])
    entry = Entry(0, request, packed, mask, bool(fields["starred"]), measured, place)
    return Kept(entry, float(fields["when"]))


def is_starred(path: Path) -> bool:
    """Whether a file holds a starred entry; a damaged file holds none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return bool(json.loads(arrays["entry"].tobytes())["starred"])
    except OSError:
        raise
    except Exception:  # damage can raise anything
        return False


def _check(packed: Packed) -> None:
    """Refuse a hole that leaves the grid, or that its patches do not fit."""
    size = [part.stop - part.start for part in packed.box]
    inside = all(0 <= part.start < part.stop <= n for part, n in zip(packed.box, packed.shape, strict=True))
    for bits in (packed.mask, packed.core):
        voxels = np.unpackbits(np.frombuffer(zlib.decompress(bits), np.uint8), count=int(np.prod(size)))
        if not inside or voxels.size != np.prod(size):
            raise ValueError("the hole does not fit the grid")
        if bits is packed.mask and any(values.shape != (voxels.sum(),) for values in packed.rest["patches"].values()):
            raise ValueError("the patches do not fit the hole")


def _place(token: Hashable, written: Sequence[Any]) -> Place:
    model, device, preset, steps, seed, slices, *identities = written
    parts = slices if isinstance(slices, str) else tuple(slices)
    return Place(token, model, device, preset, steps, seed, parts, *identities)


def _mask(fields: Mapping[str, Any], arrays: Arrays, opened: Opened, masks: dict[str, Mask]) -> Mask:
    group = str(fields["group"])
    if group not in masks:
        box = _box(fields["mask_box"])
        whole = union_box(box, opened.box)
        before = opened.labels[whole]
        parts = []
        for name in ("labels", "original"):
            after = np.zeros_like(before)
            after[inner_box(box, whole)] = arrays[name]
            parts.append(between(before, after, whole))
        masks[group] = Mask(parts[0], parts[1], ("kept", group))
    return masks[group]


def _box_of(opened: Opened, mask: Mask) -> Box:
    box = opened.box
    for delta in (mask.labels, mask.original):
        if delta is not None:
            box = union_box(box, delta.box)
    return box


def _inside(opened: Opened, delta: Delta | None, box: Box) -> NDArray[Any]:
    labels = np.array(opened.labels[box], order="C")
    if delta is not None:
        labels[inner_box(delta.box, box)][delta.mask] = delta.new
    return labels


def _measured_fields(measured: Measured, arrays: Arrays) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "metrics": measured.metrics.to_dict(),
        "complete": measured.complete,
        "maps": [list(map(list, figures.items())) for figures in (measured.floors, measured.full, measured.bounds)],
        "seen": {},
    }
    for name, seen in (("source", measured.source), ("result", measured.result)):
        if seen is not None:
            fields["seen"][name] = [*seen.shape, *seen.bits]
            arrays[f"seen.{name}"] = _from_bytes(b"".join(seen.bits.values()))
    return fields


def _measured(fields: Mapping[str, Any], arrays: Arrays) -> Measured:
    floors, full, bounds = ({int(k): float(v) for k, v in pairs} for pairs in fields["maps"])
    seen: dict[str, Seen] = {}
    for name, (width, height, *slices) in fields["seen"].items():
        rows = arrays[f"seen.{name}"].reshape(len(slices), -1)
        seen[name] = Seen(
            (int(width), int(height)), {int(k): row.tobytes() for k, row in zip(slices, rows, strict=True)}
        )
    metrics, complete = Metrics.from_dict(fields["metrics"]), bool(fields["complete"])
    return Measured(metrics, floors, full, bounds, seen.get("source"), seen.get("result"), complete)


def _from_bytes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _box_field(box: Box) -> list[list[int]]:
    return [[int(part.start), int(part.stop)] for part in box]


def _box(field: Sequence[Sequence[int]]) -> Box:
    x, y, z = (slice(int(start), int(stop)) for start, stop in field)
    return x, y, z


def _shape(field: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = (int(n) for n in field)
    return x, y, z

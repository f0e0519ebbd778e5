"""The counterfactuals made in this session: kept without loss within a byte budget, with the mask each was made for."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.editing.delta import Change, Delta, between, whole_box
from seg_editor.errors import UsageError
from seg_editor.signal import Signal

if TYPE_CHECKING:
    from seg_editor.boxes import Box
    from seg_editor.cases import Case
    from seg_editor.editing import Segmentation
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.generation.request import GenerationRequest
    from seg_editor.session.recall import Place

DEFAULT_BUDGET = 256 << 20
_OVERHEAD = 1024


@dataclass(frozen=True, eq=False)
class Mask:
    """The labels that a result was made for, as differences from the segmentation as it was opened.

    Parameters
    ----------
    labels, original : Delta or None
        From the opened segmentation to the edited labels, and to the reference tumor; None where they are alike.
    token : object
        Names the state of the mask; equal tokens, equal masks.
    """

    labels: Delta | None
    original: Delta | None
    token: object = None

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(part.nbytes for part in (self.labels, self.original) if part is not None)

    def equals(self, other: Mask) -> bool:
        """True when labels and reference tumor are the same in every voxel; both masks are of one case."""
        return _alike(self.labels, other.labels) and _alike(self.original, other.original)

    def labels_on(self, opened: NDArray[Any]) -> NDArray[Any]:
        """The labels (x, y, z) of that moment; `opened` is the segmentation as it was opened."""
        return _written(opened, self.labels)

    def original_on(self, opened: NDArray[Any]) -> NDArray[Any]:
        """The reference tumor (x, y, z) of that moment."""
        return _written(opened, self.original)


@dataclass(eq=False)
class Entry:
    """One result, packed, with what belongs to it.

    Parameters
    ----------
    number : int
        Counts the results of the case from 1.
    request : GenerationRequest
    packed : Packed
    mask : Mask or None
    starred : bool
        The user wants to keep it: it is dropped last.
    metrics : Measured or None
    place : Place or None
        What was asked for when it was first made.
    """

    number: int
    request: GenerationRequest
    packed: Packed
    mask: Mask | None = None
    starred: bool = False
    metrics: Any = None
    place: Place | None = None

    @property
    def key(self) -> str:
        """Of the request."""
        return self.request.key

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.packed.nbytes + (0 if self.mask is None else self.mask.nbytes)


@dataclass(frozen=True, eq=False)
class Packed:
    """A counterfactual whose hole is bits in a box; unpacks to the same result, bit for bit."""

    shape: tuple[int, int, int]
    box: Box
    mask: bytes
    core: bytes
    margin: int
    rest: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, result: Counterfactual) -> Packed:
        """Pack a result."""
        hole = result.hole
        x, y, z = hole.mask.shape
        names = ("request", "patches", "seconds", "device", "runtime", "finished")
        rest = {name: getattr(result, name) for name in names}
        return cls((x, y, z), hole.box, _bits(hole.mask[hole.box]), _bits(hole.core[hole.box]), hole.margin, rest)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        patches = sum(int(values.nbytes) for values in self.rest["patches"].values())
        return len(self.mask) + len(self.core) + patches + _OVERHEAD

    def unpack(self) -> Counterfactual:
        """The result again."""
        from seg_editor.generation.counterfactual import Counterfactual
        from seg_editor.generation.hole import Hole

        return Counterfactual(hole=Hole(self._volume(self.mask), self._volume(self.core), self.margin), **self.rest)

    def _volume(self, bits: bytes) -> NDArray[np.bool_]:
        size = tuple(s.stop - s.start for s in self.box)
        volume = np.zeros(self.shape, dtype=np.bool_)
        flat = np.frombuffer(zlib.decompress(bits), dtype=np.uint8)
        volume[self.box] = np.unpackbits(flat, count=int(np.prod(size))).view(np.bool_).reshape(size)
        volume.setflags(write=False)
        return volume


class Results:
    """The results of one case with one current.

    ``changed`` emits when results come, go or take the stage, ``noted`` when one got figures or a star.

    Parameters
    ----------
    max_bytes : int
        Memory for all packed results. The oldest go first, starred ones last; the current one stays.
    """

    def __init__(self, max_bytes: int = DEFAULT_BUDGET) -> None:
        self.changed = Signal()
        self.noted = Signal()
        self._max_bytes = max_bytes
        self._entries: dict[str, Entry] = {}
        self._made = self._adopted = 0
        self._current: Counterfactual | None = None
        self._unpacked: dict[str, Counterfactual] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Counterfactual]:
        return (self._unpack(entry) for entry in tuple(self._entries.values()))

    def __getitem__(self, index: int) -> Counterfactual:
        return self._unpack(tuple(self._entries.values())[index])

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is kept, oldest first."""
        return tuple(self._entries.values())

    @property
    def made(self) -> int:
        """How many results this session made; those of earlier sessions are not counted."""
        return self._made - self._adopted

    @property
    def nbytes(self) -> int:
        """Memory held by the packed results, in bytes."""
        return sum(entry.nbytes for entry in self._entries.values())

    @property
    def current(self) -> Counterfactual | None:
        """The result shown, or None."""
        return self._current

    @current.setter
    def current(self, result: Counterfactual | None) -> None:
        if result is self._current:
            return
        if result is not None and result.request.key not in self._entries:
            self._keep(result, None)
        self._current = result
        self.changed.emit()

    def add(
        self, result: Counterfactual, mask: Mask | None = None, *, place: Place | None = None, show: bool = True
    ) -> Entry:
        """Keep `result` and show it (unless told not to); one with the same request is replaced, its star stays."""
        entry = self._keep(result, mask, place)
        if show:
            self._current = result
        self._fit(entry.key)
        self.changed.emit()
        return entry

    def adopt(self, entries: Iterable[Entry]) -> None:
        """Take over what an earlier session kept, oldest first, before anything is made; none of it is shown."""
        for entry in entries:
            self._made += 1
            entry.number = self._made
            self._entries[entry.key] = entry
        self._adopted = self._made
        self._fit("")
        self.changed.emit()

    def find(self, key: str) -> Counterfactual | None:
        """The result of the request with this key, or None."""
        entry = self._entries.get(key)
        return None if entry is None else self._unpack(entry)

    def entry(self, key: str) -> Entry | None:
        """What is kept of the request with this key, or None."""
        return self._entries.get(key)

    def number_of(self, key: str) -> int:
        """The number of a result whose model, steps and seed another result has too; 0 where these name it."""
        entry = self._entries.get(key)
        if entry is None:
            return 0
        alike = [_settings(other.request) == _settings(entry.request) for other in self._entries.values()]
        return entry.number if sum(alike) > 1 else 0

    def set_metrics(self, key: str, metrics: Any) -> None:
        """Remember the figures of a result."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.metrics = metrics
            self.noted.emit()

    def star(self, key: str, starred: bool) -> None:
        """Mark a result as one to keep, or no more."""
        entry = self._entries.get(key)
        if entry is not None and entry.starred != starred:
            entry.starred = starred
            self.noted.emit()

    def remove(self, result: Counterfactual) -> None:
        """Drop `result`; the newest of the others is shown if it was the current one."""
        self._forget(result.request.key)
        if self._current is not None and self._current.request.key == result.request.key:
            self._current = self[-1] if self._entries else None
        self.changed.emit()

    def _keep(self, result: Counterfactual, mask: Mask | None, place: Place | None = None) -> Entry:
        before = self._entries.get(result.request.key)
        if before is None:
            self._made += 1
        number = self._made if before is None else before.number
        entry = Entry(number, result.request, Packed.of(result), mask, place=place)
        if before is not None:
            entry.starred, entry.metrics = before.starred, before.metrics
            self._forget(before.key)
        self._entries[entry.key] = entry
        self._unpacked = {entry.key: result}
        return entry

    def _unpack(self, entry: Entry) -> Counterfactual:
        """The few results unpacked last are kept as they are: a whole-volume hole is large."""
        if self._current is not None and self._current.request.key == entry.key:
            return self._current
        if entry.key not in self._unpacked:
            while len(self._unpacked) >= 3:
                del self._unpacked[next(iter(self._unpacked))]
            self._unpacked[entry.key] = entry.packed.unpack()
        return self._unpacked[entry.key]

    def _fit(self, newest: str) -> None:
        shown = "" if self._current is None else self._current.request.key
        excess = self.nbytes - self._max_bytes
        for starred in (False, True):
            for entry in tuple(self._entries.values()):
                if excess > 0 and entry.starred is starred and entry.key not in (newest, shown):
                    excess -= entry.nbytes
                    self._forget(entry.key)

    def _forget(self, key: str) -> None:
        self._entries.pop(key, None)
        self._unpacked.pop(key, None)


class Known(Mapping[str, "Counterfactual"]):
    """The results of a moment by request key, unpacked when one is asked for; safe to read in another thread."""

    def __init__(self, results: Results) -> None:
        self._packed = {entry.key: entry.packed for entry in results.entries}

    def __getitem__(self, key: str) -> Counterfactual:
        return self._packed[key].unpack()

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def _settings(request: GenerationRequest) -> tuple[str, int, int]:
    return request.model, request.steps, request.seed


def opened_labels(case: Case) -> NDArray[Any]:
    """The segmentation (x, y, z) as it was opened; zeros where the case has none."""
    if case.labels is None:
        return np.zeros(case.grid.shape, dtype=np.uint8)
    return case.labels.raw


def mask_of(case: Case, labels: NDArray[Any], original: NDArray[Any], token: object = None) -> Mask:
    """Remember labels and reference tumor (x, y, z) of a moment."""
    opened = opened_labels(case)
    box = whole_box(opened.shape)
    return Mask(between(opened, labels, box), between(opened, original, box), token)


def restore_mask(
    segmentation: Segmentation, case: Case, mask: Mask, name: str, locked: frozenset[int] = frozenset()
) -> Change | None:
    """Bring the labels of a result back as one undoable step; None when they are what they were.

    Raises
    ------
    UsageError
        A stroke is running, or a label of `locked` would change: half a mask would not be the picture's.
    """
    opened = opened_labels(case)
    box = whole_box(opened.shape)
    labels = between(segmentation.labels, mask.labels_on(opened), box)
    original = between(segmentation.original, mask.original_on(opened), box)
    if labels is not None and any(np.isin(values, list(locked)).any() for values in (labels.old, labels.new)):
        raise UsageError("the mask of this picture changes a label that is locked", remedy="Open its lock first")
    return None if labels is None and original is None else segmentation.replay(name, labels, original)


def _alike(one: Delta | None, other: Delta | None) -> bool:
    """True when two deltas from the same labels lead to the same labels."""
    if one is None or other is None:
        return one is other
    return one.box == other.box and np.array_equal(one.mask, other.mask) and np.array_equal(one.new, other.new)


def _bits(mask: NDArray[np.bool_]) -> bytes:
    return zlib.compress(np.packbits(mask, axis=None).tobytes(), 1)


def _written(opened: NDArray[Any], delta: Delta | None) -> NDArray[Any]:
    labels = np.array(opened, order="C")
    if delta is not None:
        labels[delta.box][delta.mask] = delta.new
    return labels

"""What a picture of the view shows, pane by pane, as its text chunk tells it and as `verify` reads it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from seg_editor import __version__
from seg_editor.errors import UsageError
from seg_editor.export.names import steps_text
from seg_editor.generation.request import GenerationRequest

if TYPE_CHECKING:
    from seg_editor.cases import Modality

VIEW_CHUNK = "seg-editor"
EARLIER_MASK = "from an earlier mask"
NOTHING = "nothing in it was generated"


class Kind(StrEnum):
    """What the generated part of a pane is."""

    NONE = "none"
    SINGLE = "single"
    MEAN = "mean"
    SD = "sd"
    STEP = "step"


@dataclass(frozen=True)
class Step:
    """A step of a run on its way to a picture: the `k`-th of `total` (0 where that is not known any more)."""

    k: int
    total: int
    model: str
    seed: int


@dataclass(frozen=True)
class Shown:
    """One pane of a picture of the view.

    Parameters
    ----------
    picture : str
        ``source``, ``counterfactual`` or ``difference``.
    modality : Modality
    plane : str
    index : int
        Canonical slice index along the normal of the plane.
    kind : Kind
        ``NONE`` where the pane shows the source alone.
    requests : tuple of GenerationRequest
        What was asked for: one, all seeds of a mean or SD, or the run of a step; a run under way has none yet.
    against : GenerationRequest, optional
        The result that stands in the place of the source.
    step : Step, optional
    mode : str
        How the two are mixed: ``plain`` shows the second only.
    outdated, against_outdated : bool
        Whether the picture, or what stands in the place of the source, was made for another mask than the present one.
    brightness : float
        Of the picture in the pane: less than 1 where a picture of an earlier mask is dimmed.
    """

    picture: str
    modality: Modality
    plane: str
    index: int
    kind: Kind = Kind.NONE
    requests: tuple[GenerationRequest, ...] = ()
    against: GenerationRequest | None = None
    step: Step | None = None
    mode: str = "plain"
    outdated: bool = False
    against_outdated: bool = False
    brightness: float = 1.0

    @property
    def synthetic(self) -> bool:
        """True when the pane holds generated voxels."""
        return self.kind is not Kind.NONE or self.against is not None


def view_record(case_id: str, cursor: Sequence[int], modality: Modality, panes: Sequence[Shown]) -> dict[str, Any]:
    """Return what the panes show, plain JSON types.

    ``requests`` holds every request in sight once; a pane names its own by their places in that list.
    """
    found: dict[str, GenerationRequest] = {}
    for pane in panes:
        for request in (*pane.requests, *([] if pane.against is None else [pane.against])):
            found.setdefault(request.key, request)
    place = {key: number for number, key in enumerate(found)}
    return {
        "seg_editor": __version__,
        "case_id": case_id,
        "synthetic": any(pane.synthetic for pane in panes),
        "cursor": list(cursor),
        "modality": str(modality),
        "panes": [_pane_record(pane, place) for pane in panes],
        "requests": [request.to_dict() for request in found.values()],
    }


def _pane_record(pane: Shown, place: Mapping[str, int]) -> dict[str, Any]:
    step = pane.step
    return {
        "picture": pane.picture,
        "modality": str(pane.modality),
        "plane": pane.plane,
        "canonical_index": pane.index,
        "kind": str(pane.kind),
        "requests": [place[request.key] for request in pane.requests],
        "against": None if pane.against is None else place[pane.against.key],
        "step": None if step is None else {"k": step.k, "total": step.total, "model": step.model, "seed": step.seed},
        "mode": pane.mode,
        "outdated": pane.outdated,
        "against_outdated": pane.against_outdated,
        "brightness": pane.brightness,
    }


def describe(told: Mapping[str, Any]) -> str:
    """Return in words everything generated that a picture of the view shows.

    Parameters
    ----------
    told : mapping
        A `view_record`, or one without ``panes``, of an earlier version.

    Raises
    ------
    UsageError
        It is none.
    """
    try:
        requests = told["requests"]
        if "panes" not in told:
            return _joined(_single(request) for request in requests)
        return _joined(phrase for pane in told["panes"] for phrase in _phrases(pane, requests))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UsageError("this is no record of a view", remedy="Export the picture again") from error


def _joined(phrases: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(phrases)) or NOTHING


def _phrases(pane: Mapping[str, Any], requests: Sequence[Mapping[str, Any]]) -> list[str]:
    kind, own, step = Kind(pane["kind"]), [requests[number] for number in pane["requests"]], pane["step"]
    phrases: list[str] = []
    if kind in (Kind.MEAN, Kind.SD):
        what = "mean" if kind is Kind.MEAN else "SD"
        makers = " and ".join(dict.fromkeys(f"{r['model']}, {steps_text(r['steps'])}" for r in own))
        phrases = [f"{what} of {len(own)} seeds ({_ranges([int(r['seed']) for r in own])}), {makers}"]
    elif kind is Kind.STEP:
        of = f" of {step['total']}" if step["total"] else ""
        phrases = [f"step {step['k']}{of} of {step['model']}, seed {step['seed']}"]
    elif kind is Kind.SINGLE:
        phrases = [_single(request) for request in own]
    age = f", {EARLIER_MASK}" + ("" if pane["brightness"] == 1 else f", dimmed to {pane['brightness']:.0%}")
    phrases = [phrase + (age if pane["outdated"] else "") for phrase in phrases]
    if pane["against"] is not None:
        phrases.append(_single(requests[pane["against"]]) + (age if pane["against_outdated"] else ""))
    return phrases


def _single(request: Mapping[str, Any]) -> str:
    return f"{request['model']}, seed {request['seed']}, {steps_text(request['steps'])}"


def _ranges(numbers: Sequence[int]) -> str:
    """Write whole numbers in ascending order, neighbors as a range: ``0-3, 9``."""
    ordered = sorted(set(numbers))
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if b > a + 1)]
    ends = [*(a for a, b in pairwise(ordered) if b > a + 1), ordered[-1]]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))

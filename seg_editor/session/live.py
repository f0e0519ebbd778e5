"""The rules of live generation, as pure functions and small counters: no clock, no thread, no Qt."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Hashable
from dataclasses import dataclass, replace
from enum import StrEnum

GRACE_SECONDS = 0.25
SLOW_SECONDS = 1.5
NEARLY_DONE = 0.7
TOO_LONG_SECONDS = 60.0
MANY_PASSES = 100
REMEMBERED = 10


class Status(StrEnum):
    """What the chip shows."""

    IDLE = "Idle"
    STALE = "Stale"
    WAITING = "Waiting"
    PREPARING = "Preparing"
    RUNNING = "Running"
    SCORING = "Measuring"
    STOPPING = "Stopping…"
    FRESH = "Fresh"
    ELSEWHERE = "Not generated here"
    CANCELLED = "Cancelled"
    FAILED = "Failed"
    PAUSED = "Paused"


@dataclass(frozen=True)
class ChipFacts:
    """What decides the state of the chip.

    Parameters
    ----------
    running, preparing, scoring, waiting : bool
        A run is in progress; it has not made its first step; its picture is there and is being measured; an order waits
        for its turn or for the grace period.
    stopping : bool
        The run was told to stop and has not ended yet.
    ended : Status or None
        How the last run ended where it left no result: cancelled or failed.
    has_result, here, stale : bool
        A result is on display; it holds the axial slice on display; the mask is newer than it.
    paused : str
        Why live generation stands still, or nothing.
    """

    running: bool = False
    preparing: bool = False
    scoring: bool = False
    waiting: bool = False
    stopping: bool = False
    ended: Status | None = None
    has_result: bool = False
    here: bool = True
    stale: bool = False
    paused: str = ""


def status_of(facts: ChipFacts) -> Status:
    """Return the one state that the facts amount to."""
    if facts.waiting:
        return Status.WAITING
    if facts.running:
        if facts.stopping:
            return Status.STOPPING
        if facts.scoring:
            return Status.SCORING
        return Status.PREPARING if facts.preparing else Status.RUNNING
    if facts.ended is not None:
        return facts.ended
    if facts.paused:
        return Status.PAUSED
    if not facts.has_result:
        return Status.IDLE
    if not facts.here:
        return Status.ELSEWHERE
    return Status.STALE if facts.stale else Status.FRESH


def grace(mean_seconds: float | None) -> float:
    """Return how long to wait for the next stroke before a run starts: nothing unless runs are slow."""
    return GRACE_SECONDS if mean_seconds is not None and mean_seconds > SLOW_SECONDS else 0.0


def may_finish(fraction: float, *, background: bool) -> bool:
    """True when a run that a newer mask overtakes is so far that it may end; work in the background never is."""
    return fraction > NEARLY_DONE and not background


def too_long(seconds: float | None) -> bool:
    """True when a run takes so long (see :meth:`RunTimes.likely`) that a stroke must not start it by itself."""
    return seconds is not None and seconds > TOO_LONG_SECONDS


def may_be_long(kind: Kind, expected_seconds: float | None) -> bool:
    """True when a run of so many network passes may take very long and nobody knows yet."""
    return expected_seconds is None and kind.steps * kind.slices > MANY_PASSES


@dataclass(frozen=True)
class Kind:
    """Runs of one kind take about the same time: model, device, network passes, and how many slices."""

    model: str
    device: str
    steps: int
    slices: int


class RunTimes:
    """What the last runs took: ten of each kind, and of each model what preparing and what a network pass takes."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._passes: dict[Hashable, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._preparing: dict[Hashable, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._supposed: dict[Hashable, float] = {}

    def suppose(self, model: str, device: str, seconds: float | None) -> None:
        """Take `seconds` a network pass for true until a run shows better; None says nothing."""
        if seconds is not None:
            self._supposed[model, device] = seconds

    def add(self, kind: Kind, seconds: float, generating: float | None = None) -> None:
        """Remember a run.

        Parameters
        ----------
        kind : Kind
        seconds : float
            From the order to the picture, without loading the model.
        generating : float, optional
            Of these, what the slices took; the rest is preparation, which comes once a run. Default: all.
        """
        passes = seconds if generating is None else min(generating, seconds)
        model = (kind.model, kind.device)
        self._runs[kind].append(seconds)
        self._passes[model].append(passes / max(kind.steps * kind.slices, 1))
        self._preparing[model].append(seconds - passes)

    def mean(self, kind: Kind) -> float | None:
        """Mean seconds of the last runs of this kind, or None."""
        return _mean(self._runs.get(kind))

    def likely(self, kind: Kind) -> float | None:
        """Seconds that decide whether live generation pauses: the newest run's or the usual one's, whichever is less.

        The usual one is the median of the last runs of this kind, the lower of two. So one run beside a busy machine
        does not hold live back for the next ten, and one quick run after slow ones brings it back at once. What is
        shown is `expected`, the average; where no run of this kind is known that decides, too.
        """
        runs = self._runs.get(kind)
        return min(runs[-1], sorted(runs)[(len(runs) - 1) // 2]) if runs else self.expected(kind)

    def expected(self, kind: Kind) -> float | None:
        """The mean, or what other runs of the model let expect; None when nothing is known."""
        mean = self.mean(kind)
        if mean is not None:
            return mean
        model = (kind.model, kind.device)
        preparing, one = _mean(self._preparing.get(model)), _mean(self._passes.get(model))
        if preparing is None or one is None:
            preparing, one = 0.0, self._supposed.get(model)
        return None if one is None else preparing + one * kind.steps * kind.slices

    def expected_like(self, kind: Kind, model: str) -> float:
        """`expected`, where nothing is known as if it were a run of `model`; 0 when that is not known either."""
        known = self.expected(kind)
        return (self.expected(replace(kind, model=model)) if known is None else known) or 0.0


def _mean(values: Collection[float] | None) -> float | None:
    return sum(values) / len(values) if values else None


def duration(seconds: float | None) -> str:
    """Return a duration as people say it."""
    if seconds is None:
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

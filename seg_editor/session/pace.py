"""How far a run is and how long it takes. The caller tells the time, in seconds of any steady clock."""

from __future__ import annotations

from seg_editor.session.live import Kind, RunTimes


class Pace:
    """The progress of the running order, beside what earlier runs took.

    Attributes
    ----------
    times : RunTimes
    progress : (int, int)
        Network passes done and in all; zeros before the first.
    """

    def __init__(self) -> None:
        self.times = RunTimes()
        self.progress = (0, 0)
        self._began = 0.0
        self._first_pass = 0.0

    def begin(self, now: float) -> None:
        """A run begins, or begins to count because its model is there."""
        self.progress = (0, 0)
        self._began = self._first_pass = now

    def step(self, done: int, total: int, now: float) -> None:
        """A network pass is done."""
        if self.progress == (0, 0):
            self._first_pass = now
        self.progress = (done, total)

    def elapsed(self, now: float) -> float:
        """Seconds since the run began."""
        return now - self._began

    def expected(self, kind: Kind | None, now: float) -> float | None:
        """Seconds that the run takes in all, by earlier ones of its kind or by its own passes; None at first."""
        found = None if kind is None else self.times.expected(kind)
        done, total = self.progress
        if found is None and done > 1:
            found = self.elapsed(now) + (now - self._first_pass) * (total - done) / (done - 1)
        return found

"""Batches of a run, drawn ahead by worker processes or by the task on the device.

A batch is a function of (seed, step), whoever draws it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Batch = dict[str, Tensor]

#: Batches that each worker has ready.
AHEAD = 3
#: Samples that a task which draws on the device makes at a time.
TOGETHER = 128
_MOST_WORKERS = 12


class Draws(Protocol):
    """The part of a task that makes batches.

    A task may also have ``batch_rows(size, seed, step, rows)``, which draws some rows only and leaves to
    ``finish(batch)`` what is cheaper on the device: noise, augmentation. With ``settle(device)`` it may take its data
    to the device; when that says True it draws there, no worker is needed, and ``several(size, seed, steps, rows)``
    makes the parts (a range of `rows` each) of some steps at once.
    """

    def batch(self, size: int, seed: int, step: int) -> Batch: ...


def default_workers(device: torch.device, processes: int = 1) -> int:
    """Worker processes: none for a CPU, whose cores the network needs; else one of `processes`' share of the cores."""
    if device.type == "cpu":
        return 0
    return max(1, min(_MOST_WORKERS, (os.cpu_count() or 2) // processes - 1))


def draw(task: Draws, size: int, seed: int, step: int, rows: list[range]) -> list[Batch]:
    """Parts of the batch of a step, one for each range of rows, unfinished."""
    some: Callable[..., Batch] | None = getattr(task, "batch_rows", None)
    if some is not None:
        return [some(size, seed, step, part) for part in rows]
    whole = task.batch(size, seed, step)
    return [{k: v[part.start : part.stop : part.step] for k, v in whole.items()} for part in rows]


class BatchSource:
    """This process's parts of each step's batch, on the device.

    Parameters
    ----------
    task : Draws
    size, seed : int
        Of the global batch.
    rows : list of range
        This process's rows of it, a range for each part of an accumulated step.
    device : torch.device
    workers : int
        Processes that draw ahead; 0 draws where the batch is asked for, and so does a task that draws on the device.
        Where processes can be forked they share what the task holds in memory; elsewhere each gets a copy.
    """

    def __init__(
        self, task: Draws, size: int, seed: int, rows: list[range], device: torch.device, *, workers: int = 0
    ) -> None:
        settle: Callable[[torch.device], bool] = getattr(task, "settle", lambda _: False)
        self.resident = settle(device)
        self.task, self.device, self.workers = task, device, 0 if self.resident else workers
        self._steps = _Steps(task, size, seed, rows)
        several = getattr(task, "several", None) if self.resident else None
        self._several: Callable[..., list[list[Batch]]] | None = several
        self._together = max(TOGETHER // sum(len(part) for part in rows), 1)
        self._made: dict[int, list[Batch]] = {}
        self._finish: Callable[[Batch], Batch] = getattr(task, "finish", dict)
        self._iterator: Iterator[list[Batch]] | None = None
        self._next = -1
        self._last: tuple[int, list[Batch]] | None = None

    def __call__(self, step: int) -> list[Batch]:
        """Parts of the batch of `step`; steps asked for in order are ready."""
        if self._last is None or self._last[0] != step:
            self._last = (step, self.drawn(step))
        moved = ({k: v.to(self.device, non_blocking=True) for k, v in part.items()} for part in self._last[1])
        return [self._finish(part) for part in moved]

    def close(self) -> None:
        """End the workers."""
        self._iterator = None
        self._last = None
        self._made = {}

    def drawn(self, step: int) -> list[Batch]:
        """The same, unfinished and where the task draws."""
        if self._several is not None:
            if step not in self._made:
                self._made = {}  # before its memory is needed again
                steps, of = range(step, step + self._together), self._steps
                self._made = dict(zip(steps, self._several(of.size, of.seed, steps, of.rows), strict=True))
            return self._made[step]
        if self.workers == 0:
            return self._steps[step]
        if self._iterator is None or self._next != step:
            self._iterator = self._ahead(step)
        self._next = step + 1
        return next(self._iterator)

    def _ahead(self, first: int) -> Iterator[list[Batch]]:
        fork = "fork" in multiprocessing.get_all_start_methods()
        loader: DataLoader[list[Batch]] = DataLoader(
            self._steps,
            batch_size=None,
            sampler=cast(Any, _From(first)),
            num_workers=self.workers,
            prefetch_factor=AHEAD,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_begin,
            multiprocessing_context="fork" if fork else None,
            generator=torch.Generator(),  # the global one stays as it is
        )
        return iter(loader)


class _Steps(Dataset[list[Batch]]):
    def __init__(self, task: Draws, size: int, seed: int, rows: list[range]) -> None:
        self.task, self.size, self.seed, self.rows = task, size, seed, rows

    def __getitem__(self, step: int) -> list[Batch]:
        return draw(self.task, self.size, self.seed, step, self.rows)


class _From:
    """Steps from a number on, without end."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        step = self.first
        while True:
            yield step
            step += 1


def _begin(_worker: int) -> None:
    """Ctrl+C is for the main process, which saves and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

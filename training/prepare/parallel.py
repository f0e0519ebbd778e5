"""Run case jobs here, in several processes, or on a dask cluster: the same function everywhere."""

from __future__ import annotations

import multiprocessing
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol, TypeVar

from seg_editor.errors import UsageError
from training.prepare.job import run_case

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
_CONNECT_SECONDS = "20s"


class Job(Protocol):
    """What a function needs to do its work on one case, on whatever machine."""

    @property
    def case_id(self) -> str:
        """Whose."""

    @property
    def folder(self) -> Path:
        """Where the case lies."""


J = TypeVar("J", bound=Job)
Run = Callable[[J], dict[str, Any]]


def run_jobs(
    jobs: Sequence[J], *, workers: int = 1, scheduler: str | None = None, run: Run[J] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield what a function returns for each job, in the order of completion.

    Parameters
    ----------
    jobs : sequence of Job
    workers : int
        Processes on this machine, one thread each; 1 runs the jobs in this one.
    scheduler : str, optional
        Address of a dask.distributed scheduler, as ``tcp://host:8786``. Its workers need this program and the same
        paths.
    run : callable, optional
        Takes a job and returns a record with ``case_id``; default :func:`training.prepare.job.run_case`.

    Raises
    ------
    UsageError
        ``dask.distributed`` is missing or nothing answers at the address.
    """
    work: Any = run or run_case
    if scheduler is not None:
        yield from _on_cluster(jobs, scheduler, work)
    elif workers <= 1:
        for job in jobs:
            yield work(job)
    else:
        yield from _on_this_machine(jobs, workers, work)


def _on_this_machine(jobs: Sequence[J], workers: int, run: Run[J]) -> Iterator[dict[str, Any]]:
    context = multiprocessing.get_context("spawn")
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read by the children when they load their libraries
    pool = ProcessPoolExecutor(max_workers=min(workers, max(len(jobs), 1)), mp_context=context)
    try:
        futures = {pool.submit(run, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield _lost(futures[future], "Use fewer --workers if memory is short, and run it again")
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _on_cluster(jobs: Sequence[J], address: str, run: Run[J]) -> Iterator[dict[str, Any]]:
    try:
        from distributed import Client
        from distributed import as_completed as completed
    except ImportError as error:
        raise UsageError(
            "--scheduler needs dask.distributed", remedy='Install it with: pip install "dask[distributed]"'
        ) from error
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"no dask scheduler answers at {address}", remedy="Start one with: dask scheduler; and give its address"
        ) from error
    with client:
        token = uuid.uuid4().hex
        keys = [f"case-{token}-{i}-{job.case_id}" for i, job in enumerate(jobs)]
        futures = client.map(run, jobs, pure=False, key=keys)
        by_key = {future.key: job for future, job in zip(futures, jobs, strict=True)}
        for future in completed(futures):  # type: ignore[no-untyped-call]
            if future.status == "finished":
                yield future.result()
            else:
                yield _lost(by_key[future.key], f"See the workers' logs ({future.status})")


def _lost(job: Job, remedy: str) -> dict[str, Any]:
    return {"case_id": job.case_id, "error": f"{job.folder}: its worker ended early. {remedy}."}

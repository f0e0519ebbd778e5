"""Run a blocking native computation in a process of its own, with progress and a cancel that works at once.

ANTs calls cannot be interrupted and hold the interpreter, so they run in a spawned process that is ended on cancel.
Arrays travel as ``.npz`` files in a temporary folder; messages are JSON. Nothing is pickled but the folder's name.
"""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import ModelError, SegEditorError

Arrays = dict[str, NDArray[Any]]
Report = Callable[[float, float, float, str], None]
Job = Callable[[Arrays, dict[str, Any], Report], Arrays]

_POLL = 0.1
_GRACE = 3.0
_NICE = 5
_log = logging.getLogger(__name__)


class Cancelled(SegEditorError):
    """The user stopped the computation; nothing was written."""


def run_job(
    job: str,
    arrays: Mapping[str, NDArray[Any]],
    options: Mapping[str, Any],
    *,
    progress: Callable[[float, str], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    threads: int | None = None,
) -> Arrays:
    """Run a job in a spawned process and wait for its arrays.

    Parameters
    ----------
    job : str
        ``"package.module:function"``. The function takes the arrays, the options and a `Report` and returns arrays.
        It is the only place that imports native libraries.
    arrays : mapping of str to array
        Input; no object arrays.
    options : mapping
        JSON-able settings.
    progress : callable(fraction, text), optional
        Called in this thread about ten times a second. Within a stage the fraction follows the clock, because native
        calls do not tell how far they are.
    cancel : callable() -> bool, optional
        Asked about ten times a second.
    threads : int, optional
        Threads of ITK; all cores but one if not given.

    Returns
    -------
    dict of str to array

    Raises
    ------
    Cancelled
        `cancel` returned True. The process has ended and its temporary files are gone.
    ModelError
        The job failed, or antspyx is not installed.

    Notes
    -----
    A script that calls this needs the usual ``if __name__ == "__main__":`` (spawned processes import the main module).
    """
    if cancel is not None and cancel():
        raise Cancelled("the tissue map was cancelled")
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="seg-editor-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        np.savez(folder / "in.npz", **dict(arrays))  # type: ignore[arg-type]
        order = {"job": job, "options": dict(options), "threads": threads or max(1, (os.cpu_count() or 1) - 1)}
        (folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(str(folder), there), daemon=True, name="seg-editor-tissue")
        process.start()
        there.close()
        try:
            reply = _wait(process, here, progress, cancel)
        finally:
            _end(process)
            here.close()
        if "error" in reply:
            raise ModelError(reply["error"], remedy=reply.get("remedy", ""))
        return load_arrays(folder / "out.npz")


def load_arrays(path: Path) -> Arrays:
    """Read an ``.npz`` without pickle; ``OSError``, ``ValueError`` or ``zipfile.BadZipFile`` on a broken file."""
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _wait(
    process: multiprocessing.process.BaseProcess,
    pipe: Connection,
    progress: Callable[[float, str], None] | None,
    cancel: Callable[[], bool] | None,
) -> dict[str, Any]:
    start, end, seconds, text = 0.0, 0.02, 2.0, "Starting"
    began = time.monotonic()
    while True:
        if cancel is not None and cancel():
            raise Cancelled("the tissue map was cancelled")
        if pipe.poll(_POLL):
            try:
                message: dict[str, Any] = json.loads(pipe.recv_bytes())
            except EOFError:
                process.join(_GRACE)
                return {
                    "error": f"the tissue process ended early (exit code {process.exitcode})",
                    "remedy": "Close other programs if memory is short, and try again",
                }
            if "stage" not in message:
                return message
            start, end, seconds, text = message["stage"]
            began = time.monotonic()
        if progress is not None:
            share = 1.0 - 2.0 ** (-2.0 * (time.monotonic() - began) / max(seconds, 0.1))
            progress(start + (end - start) * share, text)


def _end(process: multiprocessing.process.BaseProcess) -> None:
    process.join(0.2)
    if process.is_alive():
        process.terminate()
        process.join(_GRACE)
    if process.is_alive():
        process.kill()
        process.join(_GRACE)


def _serve(folder_name: str, pipe: Connection) -> None:
    """Body of the spawned process: one job, then the end."""
    folder = Path(folder_name)
    order = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    for variable in ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(order["threads"])
    os.environ["TMPDIR"] = os.environ["TEMP"] = os.environ["TMP"] = folder_name
    tempfile.tempdir = folder_name
    _quiet(folder / "log.txt")
    if hasattr(os, "nice"):
        os.nice(max(0, _NICE - os.nice(0)))
    _die_with_parent()

    def report(start: float, end: float, seconds: float, text: str) -> None:
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(1)
        _send(pipe, {"stage": [start, end, seconds, text]})

    try:
        module, _, function = order["job"].partition(":")
        job: Job = getattr(importlib.import_module(module), function)
        result = job(load_arrays(folder / "in.npz"), order["options"], report)
        np.savez(folder / "out.npz", **result)  # type: ignore[arg-type]
        _send(pipe, {"done": True})
    except ImportError as error:
        _send(pipe, {"error": f"antspyx cannot be loaded ({error})", "remedy": "Install it with: pip install antspyx"})
    except Exception as error:
        traceback.print_exc()
        _send(pipe, {"error": f"the tissue computation failed ({type(error).__name__}: {error})"})


def _die_with_parent() -> None:
    """Ask Linux to end this process if the program is killed; elsewhere it ends at its next stage."""
    if sys.platform == "linux":
        import ctypes
        import signal

        pr_set_pdeathsig = 1
        try:
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        except (OSError, AttributeError):
            _log.debug("prctl is not available")


def _quiet(log: Path) -> None:
    """Send what native code prints to a file, so that the terminal stays clean."""
    sys.stdout.flush()
    sys.stderr.flush()
    with open(log, "ab", buffering=0) as stream:
        for descriptor in (1, 2):
            try:
                os.dup2(stream.fileno(), descriptor)
            except OSError:
                _log.debug("descriptor %d cannot be redirected", descriptor)


def _send(pipe: Connection, message: dict[str, Any]) -> None:
    pipe.send_bytes(json.dumps(message).encode())

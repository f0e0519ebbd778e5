"""A scripted session under a watchdog, and what the sampler does to it in a thread and in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from seg_editor.bench.driver import Driver, look_at_hole
from seg_editor.bench.latency import spread
from seg_editor.bench.watchdog import IDLE_LIMIT, SAMPLING_LIMIT, Watchdog


def scripted_session(driver: Driver, strokes: int) -> dict[str, Any]:
    """Strokes in all three planes, with scrolls and undos between; half of them while the whole volume is sampled."""
    window = driver.window
    driver.trigger("layout_planes")
    driver.trigger("paint")
    memory = _resident_mb()
    with Watchdog(IDLE_LIMIT) as idle:
        idle_dabs = _work(driver, strokes // 2)
    figures: dict[str, Any] = {
        "session_idle_stall_max_ms": idle.longest,
        "session_idle_stalls": len(idle.stalls),
        **spread("session_idle_dab", idle_dabs),
    }
    if not window.generation.model_problem:
        window.generation.settings.slices = "all"
        with Watchdog(SAMPLING_LIMIT) as busy:
            busy_dabs = _work(driver, strokes - strokes // 2, sampling=True)
        window.generation.stop()
        driver.until(lambda: not window.generation.running)
        figures |= {
            "session_sampling_stall_max_ms": busy.longest,
            "session_sampling_stalls": len(busy.stalls),
            **spread("session_sampling_dab", busy_dabs),
        }
        idle.stalls += busy.stalls
    figures["session_memory_growth_mb"] = _resident_mb() - memory
    figures["session_worst"] = [f"{ms} ms in {where or 'event loop'}" for ms, where in sorted(idle.stalls)[:-6:-1]]
    return figures


def _work(driver: Driver, strokes: int, *, sampling: bool = False) -> list[float]:
    from seg_editor.editing import Brush

    window = driver.window
    driver.workspace.view.brush = Brush("round", 10.0 * min(driver.workspace.case.grid.spacing))
    times: list[float] = []
    for s in range(strokes):
        if sampling and not window.generation.running:
            window.generation.generate()
        times += driver.stroke(12, 0.35 + 0.3 * (s % 7) / 7, pane=s % 3)
        driver.timed(lambda: driver.wheel(1 if s % 2 else -1, s % 3))  # noqa: B023
        if s % 4 == 3:
            driver.timed(lambda: driver.trigger("undo"))
    return times


def repeated(driver: Driver, count: int) -> dict[str, float]:
    """Memory in use after tens of generations of one slice with the real model, each with another seed.

    ``generations_growth_mb`` is what the last tenth uses more than the second one; the results that are kept
    (``generations_kept_mb``) are part of it.
    """
    window, settings = driver.window, driver.window.generation.settings
    if not count or window.generation.model_problem:
        return {}
    settings.slices, settings.live = "slice", False
    look_at_hole(driver)
    results, sizes = driver.workspace.results, []
    began, kept = time.perf_counter(), results.nbytes
    for number in range(count):
        settings.seed = 1000 + number
        window.generation.generate()
        driver.until(lambda: not window.generation.running)
        sizes.append(_resident_mb())
    tenth = max(1, count // 10)
    return {
        "generations": count,
        "generations_growth_mb": sum(sizes[-tenth:]) / tenth - sum(sizes[tenth : 2 * tenth] or sizes[:1]) / tenth,
        "generations_kept_mb": (results.nbytes - kept) / 2**20,
        "generations_mean_s": (time.perf_counter() - began) / count,
    }


def other_process(driver: Driver, case: Path) -> dict[str, float]:
    """Paint while the same engine samples in another process with one core less: what a process would gain."""
    from seg_editor.editing import Brush

    threads = str(max(1, (os.cpu_count() or 2) - 1))
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "seg_editor", "remove", str(case), "--out", out]
        env = {**os.environ, "OMP_NUM_THREADS": threads}
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=env) as child:
            driver.workspace.view.brush = Brush("round", 20.0 * min(driver.workspace.case.grid.spacing))
            began = time.monotonic()
            driver.until(lambda: child.poll() is not None or time.monotonic() - began > 4.0)
            with Watchdog() as watchdog:
                dabs = driver.strokes(3, 25)
            still = child.poll() is None
            child.terminate()
    return {**spread("dab_other_process", dabs), "gui_stall_other_process_ms": watchdog.longest} if still else {}


def _resident_mb() -> float:
    """Memory in use now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

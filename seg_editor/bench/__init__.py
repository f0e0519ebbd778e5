"""``seg-editor bench``: the editor's latencies on this machine, with the real window, real events and the real model.

Every time runs from an event to the end of the repaint that it caused. Times on shared machines are noisy: compare
ratios within one run, not milliseconds between machines.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

__all__ = ["machine", "render", "run_bench"]


def run_bench(
    case: Path, *, strokes: int = 8, dabs: int = 25, session: int = 200, generations: int = 0
) -> dict[str, Any]:
    """Measure on a case; flat keys, milliseconds unless the key says otherwise.

    Parameters
    ----------
    case : Path
        What ``open_case`` accepts; it needs a segmentation with a tumor.
    strokes, dabs : int
        Strokes painted for the latencies, and mouse events in each.
    session : int
        Strokes of the scripted session under the watchdog, half of them while the sampler runs; 0 leaves it out.
    generations : int
        Generations of one slice, to see that memory stays flat; 0 leaves them out.

    Raises
    ------
    CaseError
        The case cannot be opened.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # the offscreen plugin is talkative
    from seg_editor.bench.comparing import comparing
    from seg_editor.bench.driver import Driver, window_visible
    from seg_editor.bench.latency import editing, generating, next_case, opening, overlays
    from seg_editor.bench.session import other_process, repeated, scripted_session
    from seg_editor.cases import open_case

    open_case(case)  # a bad case is said before anything is measured
    stolen = _stolen_ms()
    figures: dict[str, Any] = {"window_visible_ms": window_visible()}
    driver = Driver(case)
    try:
        figures |= next_case(driver)
        figures |= opening(driver)
        figures |= editing(driver, strokes, dabs)
        figures |= overlays(driver)
        figures |= generating(driver)
        figures |= comparing(driver)
        figures |= repeated(driver, generations)
        if session:
            figures |= scripted_session(driver, session)
            figures |= other_process(driver, case)
    finally:
        driver.close()
    figures |= _peak_memory()
    if stolen is not None:
        figures["stolen_ms"] = (_stolen_ms() or 0.0) - stolen
    return (
        {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
        | machine()
        | {"case": driver.case_id}
    )


def _peak_memory() -> dict[str, int]:
    """Peak memory of this process in MB, where the system tells."""
    try:
        import resource
    except ImportError:
        return {}
    unit = 2**20 if sys.platform == "darwin" else 1024
    return {"peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)}


def _stolen_ms() -> float | None:
    """What the host of a virtual machine has taken from its cores since the start; None where the system does not tell.

    Source: the eighth figure of ``cpu`` in Linux' ``/proc/stat``, in clock ticks.
    """
    try:
        with Path("/proc/stat").open(encoding="ascii") as file:
            ticks = file.readline().split()[8]
        return 1000 * int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    from seg_editor.doctor import examine

    found = examine()
    return {
        "machine": f"{platform.machine()}, {found['cores']} cores, {found['memory_gb']} GB",
        "system": found["system"],
        "python": found["python"],
        "versions": found["packages"],
        "seg_editor": found["seg_editor"],
        "runtime": found["device"]["runtime"],
    }


def render(figures: dict[str, Any]) -> str:
    """The figures as a table."""
    rows = [(k, v) for k, v in figures.items() if isinstance(v, int | float)]
    return "\n".join([*(f"{k:36s} {v:>10}" for k, v in rows), figures["machine"]])

"""The process that computes a tissue map: it leaves nothing, can be stopped, and fails in one line."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seg_editor.anatomy.process import Arrays, Cancelled, Report, run_job
from seg_editor.errors import ModelError


def sleep_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    report(0.1, 0.9, 1.0, "Sleeping")
    time.sleep(60)
    return arrays


def exit_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    os._exit(3)


def import_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    import no_such_module_of_ants  # type: ignore[import-not-found]  # noqa: F401

    return arrays


def echo_job(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    report(0.0, 1.0, 1.0, "Echo")
    print("native noise")
    return {"a": arrays["a"] + options["plus"], "threads": np.array(os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"])}


def test_a_job_runs_apart_and_leaves_nothing(temporary: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a = np.arange(6, dtype=np.int16).reshape(2, 3)
    seen: list[tuple[float, str]] = []
    found = run_job(f"{__name__}:echo_job", {"a": a}, {"plus": 2}, progress=lambda f, t: seen.append((f, t)), threads=1)
    assert np.array_equal(found["a"], a + 2)
    assert str(found["threads"]) == "1"
    assert not list(temporary.iterdir())
    assert "noise" not in capfd.readouterr().out
    assert all(0 <= f <= 1 for f, _ in seen)


def test_cancel_ends_the_process_at_once(temporary: Path) -> None:
    texts: list[str] = []
    began = 0.0

    def cancel() -> bool:
        nonlocal began
        if "Sleeping" in texts and not began:
            began = time.monotonic()
        return began > 0

    with pytest.raises(Cancelled):
        run_job(f"{__name__}:sleep_job", {}, {}, progress=lambda _, t: texts.append(t), cancel=cancel)
    assert time.monotonic() - began < 3
    assert not list(temporary.iterdir())
    assert not [p for p in multiprocessing.active_children() if p.name == "seg-editor-tissue"]


def test_cancel_before_the_start_starts_nothing(temporary: Path) -> None:
    with pytest.raises(Cancelled):
        run_job(f"{__name__}:sleep_job", {}, {}, cancel=lambda: True)


def test_a_dead_process_is_one_line(temporary: Path) -> None:
    with pytest.raises(ModelError, match="exit code 3"):
        run_job(f"{__name__}:exit_job", {}, {})
    assert not list(temporary.iterdir())


def test_missing_antspyx_says_what_to_install(temporary: Path) -> None:
    with pytest.raises(ModelError, match="pip install antspyx"):
        run_job(f"{__name__}:import_job", {}, {})

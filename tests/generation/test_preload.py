"""Torch's libraries are mapped without the interpreter's lock, and importing torch afterwards works as ever."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

from seg_editor.generation.preload import map_torch


def _said(script: str) -> list[str]:
    words = [sys.executable, "-c", textwrap.dedent(script)]
    debug = {**os.environ, "PYTHONMALLOC": "debug"}  # a call into Python without its lock ends the program
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, env=debug)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_nothing_is_done_once_torch_is_there() -> None:
    import torch  # noqa: F401

    assert not map_torch()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is mapped")
def test_other_threads_go_on_meanwhile() -> None:
    """Best of three, for a machine with other work may stop any thread for a while."""
    assert min(_longest_gap() for _ in range(3)) < 0.5


def _longest_gap() -> float:
    """How long another thread had to wait for the lock, as a part of the time that the mapping took."""
    mapped, result, gap, whole = _said(
        """
        import sys, threading, time
        from seg_editor.generation.preload import map_torch

        sys.setswitchinterval(0.0005)
        told = []
        begin = last = time.perf_counter()
        worker = threading.Thread(target=lambda: told.append((map_torch(), time.perf_counter())))
        worker.start()
        gap = 0.0
        while not told:
            now = time.perf_counter()
            gap, last = max(gap, now - last), now
        worker.join()
        import torch
        print(told[0][0], int(torch.ones(3).sum()), gap, told[0][1] - begin)
        """
    )
    assert (mapped, result) == ("True", "3")
    return float(gap) / float(whole)


def test_a_broken_search_is_left_to_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> None:
        raise ValueError("torch.__spec__ is None")

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", broken)
    assert not map_torch()


def test_a_library_that_is_missing_is_left_to_the_import() -> None:
    assert _said(
        """
        from seg_editor.generation import preload
        preload._LIBRARIES = (("libtorch_of_another_version", 0),)
        print(preload.map_torch())
        import torch
        print(int(torch.ones(2).sum()))
        """
    ) == ["False", "2"]

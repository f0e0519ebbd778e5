"""The history of a case when its program ends: killed, or closed while the disk is slow."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seg_editor.session import keeper
from tests.session.conftest import Opener
from tests.session.entries import alike, make

_CHILD = """
import sys, time
from seg_editor.session import Workspace
from tests.session.entries import make
from pathlib import Path
workspace = Workspace.open(Path(sys.argv[1]), journal_folder=Path(sys.argv[2]))
for seed in range(10_000):
    make(workspace, seed)
    if seed == 3:
        workspace.keeper.flush()
        print("ready", flush=True)
"""


@pytest.fixture
def killed(case_folder: Path, journals: Path) -> Callable[[float], None]:
    """Run a session that makes results, and kill it some time after the fourth was flushed."""

    def run(seconds: float) -> None:
        command = [sys.executable, "-c", _CHILD, str(case_folder), str(journals)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
            assert child.stdout is not None
            assert child.stdout.readline().strip() == b"ready"
            time.sleep(seconds)  # somewhere in the middle of a write
            child.send_signal(signal.SIGKILL)

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_killed_session_leaves_whole_files(
    killed: Callable[[float], None], open_workspace: Opener, journals: Path
) -> None:
    for seconds in (0.0, 0.013):
        killed(seconds)
    workspace = open_workspace()
    assert {0, 1, 2, 3} <= {entry.request.seed for entry in workspace.results.entries}
    assert not workspace.notes
    for entry in workspace.results.entries:
        assert entry.packed.unpack().request == entry.request
    assert all(path.stat().st_mtime >= keeper._STARTED for path in (journals / "pictures").glob("*/.*.part"))


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing is written before the event is set."""
    goes_on, written = threading.Event(), keeper.np.savez_compressed

    def slow(*args: Any, **kinds: Any) -> None:
        goes_on.wait(10)
        written(*args, **kinds)

    monkeypatch.setattr(keeper.np, "savez_compressed", slow)
    yield goes_on
    goes_on.set()


def settled(held: keeper.Keeper) -> None:
    assert held._thread is not None
    held._thread.join(10)
    assert not held._thread.is_alive()


def test_a_case_opened_again_while_its_history_is_written_has_all_of_it(
    open_workspace: Opener, slow_disk: threading.Event
) -> None:
    """Closing returns though the disk is slow; the same program has lost nothing, and the folder stays held."""
    workspace = open_workspace()
    entries, held = [make(workspace, seed) for seed in (1, 2, 3)], workspace.keeper
    assert held is not None
    began = time.monotonic()
    held.close(0.05)
    assert time.monotonic() - began < 5
    again = open_workspace()
    assert [entry.key for entry in again.results.entries] == [entry.key for entry in entries]
    for before, after in zip(entries, again.results.entries, strict=True):
        alike(before, after, workspace.case)
    assert (again.notes, (held.folder / ".unwritten").read_text()) == ((), "3")
    slow_disk.set()
    settled(held)
    assert not (held.folder / ".unwritten").exists()
    assert len(list(held.folder.glob("*.npz"))) == 3
    assert keeper._thin(held.folder, 1 << 40) == 0
    again.close()
    assert keeper._thin(held.folder, 1 << 40) > 0
    assert not held.folder.exists()


def test_what_is_removed_after_opening_again_stays_removed(open_workspace: Opener, slow_disk: threading.Event) -> None:
    workspace = open_workspace()
    one, _other = make(workspace, 1), make(workspace, 2)
    assert workspace.keeper is not None
    workspace.keeper.close(0.0)
    again = open_workspace()
    found = again.results.find(one.key)
    assert found is not None
    again.results.remove(found)
    slow_disk.set()
    again.close()
    assert [entry.request.seed for entry in open_workspace().results.entries] == [2]


_CHILD_WITH_A_SLOW_DISK = """
import os, sys, threading
from pathlib import Path
from seg_editor.session import Workspace, keeper
from tests.session.entries import make
workspace = Workspace.open(Path(sys.argv[1]), journal_folder=Path(sys.argv[2]))
keeper.np.savez_compressed = lambda *_, **__: threading.Event().wait()
make(workspace, 1)
workspace.keeper.close(0.05)
os._exit(0)
"""


def test_pictures_lost_with_their_program_are_told_once(
    open_workspace: Opener, case_folder: Path, journals: Path
) -> None:
    command = [sys.executable, "-c", _CHILD_WITH_A_SLOW_DISK, str(case_folder), str(journals)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    assert open_workspace().notes == ("One picture made last went unwritten when the program ended",)
    assert open_workspace().notes == ()


def test_what_was_written_after_closing_is_not_called_lost(open_workspace: Opener, slow_disk: threading.Event) -> None:
    workspace = open_workspace()
    held = workspace.keeper
    assert held is not None
    make(workspace, 1)
    held.close(0.0)
    slow_disk.set()
    settled(held)
    again = open_workspace()
    assert (len(again.results.entries), again.notes) == (1, ())

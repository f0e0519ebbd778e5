"""The history of a case survives the session: without loss, through kills, damage and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seg_editor.anatomy.process import load_arrays
from seg_editor.cases import Case
from seg_editor.editing import RemoveTumor, Scope
from seg_editor.session import Results, Workspace, keeper
from seg_editor.session.kept import Opened, from_arrays, to_arrays
from seg_editor.session.measured import Measured, measure
from seg_editor.session.recall import Place
from seg_editor.session.results import Entry, mask_of
from seg_editor.session.stage import Stage
from tests.session.conftest import Opener
from tests.session.steps import dab
from tests.session.test_results import seeded
from tests.tiny import make_case
from tests.ui.fake import FakeReferee

PLACE = Place(1, "m5", "auto", "standard", None, 7, (5,), "edited")


def make(workspace: Workspace, seed: int, *, slices: tuple[int, ...] | None = None) -> Entry:
    """A result for the present mask, measured."""
    case, segmentation = workspace.case, workspace.segmentation
    result = seeded(case, seed, 300.0 + seed, slices)
    mask = mask_of(case, segmentation.labels, segmentation.original, segmentation.revision)
    entry = workspace.results.add(result, mask, place=PLACE._replace(token=mask.token, seed=seed))
    workspace.results.set_metrics(entry.key, measure(case, result, referee=FakeReferee(400.0)))
    return entry


def files(journals: Path, suffix: str = ".npz") -> list[Path]:
    return sorted((journals / "pictures").glob(f"*/*{suffix}"))


def alike(one: Entry, other: Entry, case: Case) -> None:
    """Same pixels, mask, figures, star, settings."""
    assert one.request == other.request
    assert one.starred == other.starred
    first, second = one.packed.unpack(), other.packed.unpack()
    assert first.hole == second.hole
    assert (first.seconds, first.device, first.finished) == (second.seconds, second.device, second.finished)
    for modality in case.modalities:
        assert np.array_equal(first.raw(case, modality), second.raw(case, modality))
        assert first.patches[modality].dtype == second.patches[modality].dtype
    assert one.mask is not None
    assert other.mask is not None
    assert one.mask.equals(other.mask)
    assert isinstance(one.metrics, Measured)
    assert isinstance(other.metrics, Measured)
    assert one.metrics.metrics == other.metrics.metrics
    assert (one.metrics.floors, one.metrics.full) == (other.metrics.floors, other.metrics.full)
    assert one.metrics.source is not None
    assert other.metrics.source is not None
    for k in one.request.slices:
        assert np.array_equal(one.metrics.source.slice(k), other.metrics.source.slice(k))  # type: ignore[arg-type]
    assert one.place is not None
    assert other.place is not None
    assert one.place[1:] == other.place[1:]


def test_the_next_session_has_the_same_history(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(RemoveTumor(Scope.WHOLE))
    entries = [make(first, 1), make(first, 2, slices=(10,))]
    first.results.star(entries[1].key, True)
    first.close()
    again = open_workspace()
    assert [entry.number for entry in again.results.entries] == [1, 2]
    assert again.results.current is None
    assert again.results.made == 0
    for before, after in zip(entries, again.results.entries, strict=True):
        alike(before, after, first.case)
    assert not again.notes


def test_restoring_brings_the_mask_back_after_the_file_changed(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(RemoveTumor(Scope.WHOLE))
    make(first, 1)
    removed, original = first.segmentation.labels.copy(), first.segmentation.original.copy()
    first.apply(dab(6, 2))
    first.save_segmentation()
    first.close()
    again = open_workspace()
    assert not np.array_equal(again.segmentation.labels, removed)
    stage = Stage(again)
    assert stage.restore(again.results.entries[0])
    assert np.array_equal(again.segmentation.labels, removed)
    assert np.array_equal(again.segmentation.original, original)
    assert not stage.stale
    again.undo()
    assert stage.stale


def test_a_picture_of_an_earlier_session_is_recalled_by_its_mask(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(RemoveTumor(Scope.WHOLE))
    entry = make(first, 7, slices=(10,))
    first.close()
    again = open_workspace()
    stage = Stage(again)
    assert stage.restore(again.results.entries[0])
    again.undo()
    assert stage.token == 0
    stage.show(None)
    again.redo()
    place = PLACE._replace(token=stage.token)
    assert not stage.recall(place, 10, open_seed=False)  # kept for slice 5 only, by its place
    again.results.entries[0].place = None
    assert not Stage(again).recall(place, 5, open_seed=False)
    assert entry.key == again.results.entries[0].key


def test_what_goes_from_the_history_goes_from_the_disk(open_workspace: Opener, journals: Path) -> None:
    workspace = open_workspace()
    make(workspace, 1)
    entry = make(workspace, 2)
    assert workspace.keeper is not None
    assert workspace.keeper.flush()
    assert len(files(journals)) == 2
    workspace.results.remove(workspace.results.find(entry.key))  # type: ignore[arg-type]
    assert workspace.keeper.flush()
    assert len(files(journals)) == 1
    workspace.results._max_bytes = 1
    make(workspace, 3)
    workspace.close()
    assert [entry.request.seed for entry in open_workspace().results.entries] == [3]


def test_a_smaller_budget_drops_the_oldest_at_opening(
    open_workspace: Opener, journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace()
    entries = [make(workspace, seed) for seed in (1, 2, 3)]
    workspace.close()
    init = Results.__init__
    monkeypatch.setattr(Results, "__init__", lambda self: init(self, entries[2].nbytes + 1))
    again = open_workspace()
    assert [entry.request.seed for entry in again.results.entries] == [3]
    again.close()
    assert len(files(journals)) == 1


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "text"])
def test_a_damaged_file_is_one_line_and_nothing_else_is_lost(open_workspace: Opener, journals: Path, harm: str) -> None:
    workspace = open_workspace()
    keys = [make(workspace, seed).key for seed in (1, 2, 3)]
    workspace.close()
    victim = next(path for path in files(journals) if keys[1].startswith(path.stem))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0xFF
    harmed = {"cut": bytes(data[: len(data) // 2]), "flip": bytes(data), "empty": b"", "text": b"hello"}
    victim.write_bytes(harmed[harm])
    again = open_workspace()
    assert [entry.key for entry in again.results.entries] == [keys[0], keys[2]]
    (line,) = again.notes
    assert line.startswith("One picture of the history")
    assert str(victim.parent) in line
    assert "\n" not in line
    assert len(files(journals, ".damaged")) == 1
    again.close()
    assert not open_workspace().notes


def test_any_flipped_byte_is_found_or_harmless(workspace: Workspace, tmp_path: Path) -> None:
    workspace.apply(RemoveTumor(Scope.WHOLE))
    entry = make(workspace, 1, slices=(10,))
    opened = Opened.of(workspace.case.labels.raw)  # type: ignore[union-attr]
    path = tmp_path / "one.npz"
    np.savez_compressed(path, **to_arrays(entry, opened, 1.0, "a"))  # type: ignore[arg-type]
    data = path.read_bytes()
    for at in range(0, len(data), 97):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            found = from_arrays(load_arrays(path), opened, {}).entry
        except Exception:
            continue
        alike(entry, found, workspace.case)


def test_a_full_disk_ends_the_keeping_and_not_the_session(
    open_workspace: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace()
    assert workspace.keeper is not None
    heard: list[str] = []
    workspace.keeper.failed.connect(heard.append)

    def full(*_args: object, **_kinds: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeper.np, "savez_compressed", full)
    make(workspace, 1)
    workspace.keeper.flush()
    workspace.keeper.close()
    make(workspace, 2)
    assert len(heard) == 1
    assert heard[0].endswith("the history is not kept: No space left on device.")
    assert len(workspace.results) == 2


def test_looking_at_a_case_keeps_nothing(open_workspace: Opener, journals: Path) -> None:
    open_workspace().close()
    assert not (journals / "pictures").exists()


def test_histories_of_other_cases_go_when_the_budget_is_spent(
    open_workspace: Opener, journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, when in (("old", 1e9), ("new", 2e9)):
        folder = journals / "pictures" / name
        folder.mkdir(parents=True)
        (folder / "x.npz").write_bytes(bytes(600))
        os.utime(folder, (when, when))
    monkeypatch.setattr(keeper, "TOTAL_BUDGET", 1000)
    workspace = open_workspace()
    make(workspace, 1)
    workspace.close()
    assert [folder.name for folder in sorted((journals / "pictures").iterdir()) if len(folder.name) < 16] == ["new"]


_CHILD = """
import sys, time
from seg_editor.session import Workspace
from tests.session.test_keeper import make
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


def test_pictures_of_another_window_and_starred_ones_stay_over_the_budget(
    open_workspace: Opener, journals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spend() -> None:
        other = Workspace.open(make_case(tmp_path / "case_b", seed=5), journal_folder=journals)
        make(other, 1)
        other.close()

    monkeypatch.setattr(keeper, "TOTAL_BUDGET", 1)
    workspace = open_workspace()
    make(workspace, 1)
    starred = make(workspace, 2)
    workspace.results.star(starred.key, True)
    assert workspace.keeper is not None
    assert workspace.keeper.flush()
    spend()
    assert len(list(workspace.keeper.folder.glob("*.npz"))) == 2
    workspace.close()
    spend()
    assert [path.stem for path in workspace.keeper.folder.glob("*.npz")] == [starred.key[:40]]


def test_an_entry_that_cannot_be_written_is_told_and_the_next_one_is_kept(
    open_workspace: Opener, monkeypatch: pytest.MonkeyPatch, journals: Path
) -> None:
    workspace = open_workspace()
    assert workspace.keeper is not None
    heard: list[str] = []
    workspace.keeper.failed.connect(heard.append)

    def no_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(keeper, "to_arrays", no_memory)
        make(workspace, 1)
        assert workspace.keeper.flush()
    assert heard
    assert "MemoryError" in heard[0]
    make(workspace, 2)
    assert workspace.keeper.flush()
    assert len(files(journals)) == 1


def test_a_picture_made_again_is_the_newest_in_the_next_session_too(open_workspace: Opener) -> None:
    workspace = open_workspace()
    one = make(workspace, 1)
    make(workspace, 2)
    workspace.results.remove(one.packed.unpack())
    make(workspace, 1)
    workspace.close()
    assert [entry.request.seed for entry in open_workspace().results.entries] == [2, 1]


def test_a_picture_of_replaced_weights_is_not_recalled(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(RemoveTumor(Scope.WHOLE))
    entry = make(first, 7, slices=(10,))
    assert entry.place is not None
    entry.place = entry.place._replace(slices=(10,), weights="old")
    first.results.star(entry.key, True)
    first.close()
    again = open_workspace()
    stage = Stage(again)
    assert stage.restore(again.results.entries[0])
    stage.show(None)
    place = PLACE._replace(token=stage.token, weights="new")
    assert not stage.recall(place, 10, open_seed=True)
    assert stage.recall(place._replace(weights="old"), 10, open_seed=False)
    again.results.entries[0].place = again.results.entries[0].place._replace(weights="")  # type: ignore[union-attr]
    assert not Stage(again).recall(place._replace(weights=""), 10, open_seed=False)


def test_a_place_written_before_weights_were_named_can_be_read(workspace: Workspace) -> None:
    entry = make(workspace, 1)
    assert entry.place is not None
    opened = Opened.of(workspace.case.labels.raw)  # type: ignore[union-attr]
    entry.place = entry.place[:-1]  # type: ignore[assignment]
    found = from_arrays(to_arrays(entry, opened, 1.0, "a"), opened, {}).entry
    assert found.place is not None
    assert found.place.weights == ""


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
from tests.session.test_keeper import make
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


def test_what_was_written_after_closing_is_not_called_lost(
    open_workspace: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, written = threading.Event(), keeper.np.savez_compressed
    workspace = open_workspace()
    held = workspace.keeper
    assert held is not None
    with monkeypatch.context() as patch:
        patch.setattr(keeper.np, "savez_compressed", lambda *a, **k: (goes_on.wait(10), written(*a, **k)))
        make(workspace, 1)
        held.close(0.0)
        goes_on.set()
        assert held._thread is not None
        held._thread.join(10)
    again = open_workspace()
    assert (len(again.results.entries), again.notes) == (1, ())

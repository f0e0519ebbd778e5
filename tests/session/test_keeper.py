"""The history of a case survives the session: without loss, through kills, damage and full disks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from seg_editor.anatomy.process import load_arrays
from seg_editor.editing import RemoveTumor, Scope
from seg_editor.session import Results, Workspace, keeper
from seg_editor.session.kept import Opened, from_arrays, to_arrays
from seg_editor.session.stage import Stage
from tests.session.conftest import Opener
from tests.session.entries import PLACE, alike, files, make
from tests.session.steps import dab
from tests.tiny import make_case


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

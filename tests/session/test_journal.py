from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seg_editor.editing import Brush, RemoveTumor, ReplaceAll
from seg_editor.errors import UsageError
from seg_editor.session import Workspace, layer
from seg_editor.session.journal import Journal, Start, default_journal_folder, find_recovery, read_records
from seg_editor.session.records import Record, RecordKind, decode, encode
from tests.session.steps import crash, dab, paint

Opener = Callable[[], Workspace]


def journal_of(journals: Path) -> Path:
    (path,) = journals.glob("*.journal")
    return path


def test_a_crash_loses_nothing_committed(open_workspace: Opener, journals: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    first.apply(RemoveTumor())
    first.undo()
    first.redo()
    first.apply(dab(14, value=4))
    first.undo()
    first.undo()
    first.apply(dab(12, value=2))
    labels, original = first.segmentation.labels.copy(), first.segmentation.original.copy()
    names = first.history.names
    crash(first)

    second = open_workspace()
    assert second.recovery is not None
    assert second.recovery.steps == 2
    assert second.recover() == 2
    np.testing.assert_array_equal(second.segmentation.labels, labels)
    np.testing.assert_array_equal(second.segmentation.original, original)
    assert second.history.names == names == ("Paint", "Paint")
    assert second.dirty
    assert second.recovery is None
    second.undo()
    second.undo()
    np.testing.assert_array_equal(second.segmentation.labels, second.case.labels.raw)
    assert not second.dirty


def test_recovered_edits_survive_the_next_crash(open_workspace: Opener) -> None:
    first = open_workspace()
    paint(first, 8)
    labels = first.segmentation.labels.copy()
    for _ in range(3):
        crash(first)
        first = open_workspace()
        first.recover()
        np.testing.assert_array_equal(first.segmentation.labels, labels)


def test_truncated_at_every_byte_of_the_last_record(open_workspace: Opener, journals: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    kept = first.segmentation.labels.copy()
    path = journal_of(journals)
    whole_before = path.stat().st_size
    paint(first, 14, value=2)
    final = first.segmentation.labels.copy()
    case_hash, labels_hash = first.tumor.start_hashes
    crash(first)
    data = path.read_bytes()
    assert whole_before < len(data)
    for size in range(whole_before, len(data) + 1):
        path.write_bytes(data[:size])
        recovery = find_recovery(journals, case_hash, labels_hash)
        assert recovery is not None
        assert len(recovery.records) == (2 if size == len(data) else 1)
    for size, expected in ((len(data) - 1, kept), (len(data), final)):
        path.write_bytes(data[:size])
        again = Workspace(first.case, journal_folder=journals)
        again.recover()
        np.testing.assert_array_equal(again.segmentation.labels, expected)
        again.close()


def test_any_flipped_byte_costs_that_record_and_the_later_ones_only(open_workspace: Opener, journals: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    path = journal_of(journals)
    whole_before = path.stat().st_size
    paint(first, 14)
    crash(first)
    data = path.read_bytes()
    for place in range(whole_before, len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x41
        path.write_bytes(broken)
        assert len(read_records(path)) == 2


def test_saving_and_closing_clear_the_journal(open_workspace: Opener, journals: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    first.save_segmentation()
    assert list(journals.iterdir()) == []
    crash(first)
    second = open_workspace()
    assert second.recovery is None
    paint(second, 14)
    second.close()
    assert list(journals.iterdir()) == []


def test_steps_after_saving_are_recovered_with_the_hole(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(RemoveTumor())
    first.save_segmentation()
    first.apply(dab(8))
    first.undo()
    first.undo()
    first.redo()
    first.apply(dab(12, value=2))
    labels, removed = first.segmentation.labels.copy(), first.segmentation.removed.copy()
    assert removed.any()
    crash(first)
    second = open_workspace()
    assert not second.segmentation.labels.any()
    second.recover()
    np.testing.assert_array_equal(second.segmentation.labels, labels)
    np.testing.assert_array_equal(second.segmentation.removed, removed)


def test_undo_of_steps_older_than_the_save(open_workspace: Opener) -> None:
    first = open_workspace()
    first.apply(dab(8))
    first.apply(dab(12, value=2))
    first.save_segmentation()
    first.undo()
    first.undo()
    first.redo()
    labels = first.segmentation.labels.copy()
    crash(first)
    second = open_workspace()
    second.recover()
    np.testing.assert_array_equal(second.segmentation.labels, labels)


def test_saved_elsewhere(open_workspace: Opener, tmp_path: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    first.save_segmentation(tmp_path / "elsewhere.nii.gz")
    crash(first)
    assert open_workspace().recovery is None


def test_steps_after_saving_elsewhere(open_workspace: Opener, tmp_path: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    first.save_segmentation(tmp_path / "elsewhere.nii.gz")
    paint(first, 14)
    labels = first.segmentation.labels.copy()
    crash(first)
    second = open_workspace()
    second.recover()
    np.testing.assert_array_equal(second.segmentation.labels, labels)


def test_automatic_segmentation_is_recovered_with_its_reference(open_workspace: Opener) -> None:
    first = open_workspace()
    found = np.zeros(first.segmentation.shape, dtype=np.uint8)
    found[3:9, 3:9, 3:9] = np.random.default_rng(0).choice([1, 2, 4], (6, 6, 6))
    first.apply(ReplaceAll(found, "Segment automatically"))
    first.apply(RemoveTumor())
    removed = first.segmentation.removed.copy()
    crash(first)
    second = open_workspace()
    second.recover()
    np.testing.assert_array_equal(second.segmentation.removed, removed)
    np.testing.assert_array_equal(second.segmentation.original, found)


def test_a_journal_of_other_labels_is_left_alone(open_workspace: Opener, case_folder: Path, journals: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    crash(first)
    other = Workspace.open(case_folder, journal=False)
    other.apply(dab(3, value=4))
    other.save_segmentation()
    second = open_workspace()
    assert second.recovery is None
    assert journal_of(journals).exists()
    with pytest.raises(UsageError, match="nothing to recover"):
        second.recover()


def test_a_running_session_is_left_alone(open_workspace: Opener) -> None:
    first = open_workspace()
    paint(first, 8)
    assert open_workspace().recovery is None


def test_everything_undone_is_nothing_to_recover(open_workspace: Opener) -> None:
    first = open_workspace()
    paint(first, 8)
    first.undo()
    crash(first)
    assert open_workspace().recovery is None


def test_recovering_comes_before_editing(open_workspace: Opener) -> None:
    first = open_workspace()
    paint(first, 8)
    crash(first)
    second = open_workspace()
    paint(second, 14)
    with pytest.raises(UsageError, match="edits were made"):
        second.recover()
    second.undo()
    assert second.recover() == 1


def test_dismissed_for_good(open_workspace: Opener) -> None:
    first = open_workspace()
    paint(first, 8)
    crash(first)
    open_workspace().dismiss_recovery()
    assert open_workspace().recovery is None


def test_looking_at_a_case_writes_nothing(workspace: Workspace, journals: Path) -> None:
    workspace.view.cursor = (1, 2, 3)
    assert not journals.exists()


def test_a_folder_that_cannot_be_written_turns_recovery_off_and_says_so(case_folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    workspace = Workspace.open(case_folder, journal_folder=blocked / "journal")
    heard: list[str] = []
    workspace.journal_failed.connect(heard.append)
    paint(workspace, 8)
    paint(workspace, 12)
    assert len(heard) == 1
    assert workspace.journal_error == heard[0]
    assert "crash recovery is off" in heard[0]
    assert len(workspace.history) == 2


def test_a_failing_write_never_stops_the_edit(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(workspace, 8)
    journal = workspace.tumor.journal
    assert journal is not None

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def fileno(self) -> int:
            raise ValueError

        def close(self) -> None:
            pass

    monkeypatch.setattr(journal, "_file", Full())
    paint(workspace, 12)
    assert workspace.journal_error is not None
    assert "No space left" in workspace.journal_error


def test_killed_process(case_folder: Path, journals: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from seg_editor.session import Workspace\n"
        "from tests.session.steps import paint\n"
        "w = Workspace.open(Path(sys.argv[1]), journal_folder=Path(sys.argv[2]))\n"
        "paint(w, 8); paint(w, 12)\n"
        "stroke = w.stroke(2); stroke.begin((3, 3, 3))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", script, str(case_folder), str(journals)]
    done = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert done.returncode == -signal.SIGKILL
    workspace = Workspace.open(case_folder, journal_folder=journals)
    assert workspace.recover() == 2
    workspace.close()


def test_records_come_back(workspace: Workspace) -> None:
    workspace.view.brush = Brush("round", 4)
    change = paint(workspace, 10)
    removed = workspace.apply(RemoveTumor())
    assert removed is not None
    for step in (change, removed):
        record = Record.of(RecordKind.DO, step)
        again = decode(encode(record))
        assert again is not None
        assert again.delta is not None
        assert record.delta is not None
        np.testing.assert_array_equal(again.delta.mask, record.delta.mask)
        np.testing.assert_array_equal(again.delta.old, record.delta.old)
        assert (again.name, again.step, again.delta.box) == (record.name, record.step, record.delta.box)


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xff\xff\xff\xff", b"\x02\x00\x00\x00{}", b"\x02\x00\x00\x00[]x"])
def test_nonsense_is_no_record(payload: bytes) -> None:
    assert decode(payload) is None


def test_closing_twice_and_writing_after_is_harmless(journals: Path, workspace: Workspace) -> None:
    journal = Journal(journals, Start("c" * 64, "l" * 64))
    journal.close(discard=True)
    journal.close(discard=True)
    journal.write(RecordKind.DO, paint(workspace, 8))
    assert not journal.path.exists()


def test_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEG_EDITOR_STATE", str(tmp_path))
    assert default_journal_folder() == tmp_path / "journal"
    monkeypatch.delenv("SEG_EDITOR_STATE")
    assert default_journal_folder().name == "journal"


def test_recovering_keeps_the_old_journal_when_no_new_one_can_be_written(
    open_workspace: Opener, journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_workspace()
    paint(first, 8)
    crash(first)
    (old,) = journals.glob("*.journal")
    second = open_workspace()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(layer, "Journal", full)
        assert second.recover() == 1
        assert str(old) in (second.journal_error or "")
    crash(second)
    third = open_workspace()
    assert third.recover() == 1
    assert not old.exists()


def test_the_kept_journal_goes_once_the_labels_are_saved(
    open_workspace: Opener, journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_workspace()
    paint(first, 8)
    crash(first)
    second = open_workspace()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full_disk)
        second.recover()
    assert len(list(journals.glob("*.journal"))) == 1
    second.save_segmentation()
    assert not list(journals.glob("*.journal"))


def _full_disk(_number: int) -> None:
    raise OSError(28, "No space left on device")


def test_journals_with_nothing_to_recover_are_removed(open_workspace: Opener, journals: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    first.undo()
    crash(first)
    assert open_workspace().recovery is None
    assert not list(journals.glob("*.journal"))


def test_journals_of_other_labels_go_after_a_while(open_workspace: Opener, journals: Path) -> None:
    first = open_workspace()
    paint(first, 8)
    crash(first)
    (path,) = journals.glob("*.journal")
    case_hash = first.case.content_hash
    assert find_recovery(journals, case_hash, "other labels") is None
    assert path.exists()
    os.utime(path, (1e9, 1e9))
    assert find_recovery(journals, case_hash, "other labels") is None
    assert not path.exists()

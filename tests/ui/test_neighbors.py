from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PyQt6.QtTest import QTest

from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.neighbors import stamp_of
from tests.tiny import make_case


def wait(window: MainWindow, name: str) -> None:
    """Until a case is open and its neighbors are known and read ahead."""
    for _ in range(20_000):
        workspace = window.workspace
        if workspace is not None and workspace.case.case_id == name and not window.neighbors.reading_ahead:
            return
        QTest.qWait(1)
    raise AssertionError(f"{name} was not opened")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in (1, 2, 3):
        make_case(tmp_path / "cases" / f"BraTS2021_7000{k}", shape=(24, 24, 16), seed=k)
    return tmp_path / "cases"


@pytest.fixture(autouse=True)
def no_waiting(window: MainWindow) -> None:
    window.neighbors._idle.setInterval(0)


def test_going_through_a_folder(window: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    window.cases.open(folder / "BraTS2021_70001")
    wait(window, "BraTS2021_70001")
    assert window.neighbors.previous is None
    assert window.neighbors.next == folder / "BraTS2021_70002"

    def unread(_path: object) -> None:
        raise AssertionError("the next case was read ahead already")

    with monkeypatch.context() as patch:
        patch.setattr("seg_editor.session.workspace.open_case", unread)
        window.actions_table["next_case"].trigger()
        wait(window, "BraTS2021_70002")
    assert window.neighbors.previous == folder / "BraTS2021_70001"
    window.actions_table["next_case"].trigger()
    wait(window, "BraTS2021_70003")
    assert window.neighbors.next is None
    for _ in range(200):
        if not window.busy_with_actions:
            break
        QTest.qWait(1)
    assert not window.actions_table["next_case"].isEnabled()
    assert "no case after" in window.actions_table.why_disabled("next_case")
    window.actions_table["previous_case"].trigger()
    wait(window, "BraTS2021_70002")


def test_a_changed_file_is_read_again(window: MainWindow, folder: Path) -> None:
    window.cases.open(folder / "BraTS2021_70001")
    wait(window, "BraTS2021_70001")
    file = next((folder / "BraTS2021_70002").glob("*_seg.nii.gz"))
    before = stamp_of(folder / "BraTS2021_70002")
    os.utime(file, (1, 1))
    assert stamp_of(folder / "BraTS2021_70002") != before
    assert window.neighbors.take(folder / "BraTS2021_70002") is None


def test_a_damaged_neighbor_is_no_trouble_until_it_is_opened(window: MainWindow, folder: Path) -> None:
    for file in (folder / "BraTS2021_70002").glob("*_t1.nii.gz"):
        file.write_bytes(b"no image")
    window.cases.open(folder / "BraTS2021_70001")
    wait(window, "BraTS2021_70001")
    assert not window.errors.isVisible()
    assert window.neighbors.take(folder / "BraTS2021_70002") is None


def test_names_that_begin_alike_in_one_folder(window: MainWindow, tmp_path: Path) -> None:
    flat = tmp_path / "flat" / "cases"
    flat.mkdir(parents=True)
    for name in ("Pat1", "Pat10", "Pat2"):
        for file in make_case(tmp_path / "made" / name, shape=(24, 24, 16)).glob("*.nii.gz"):
            shutil.copy(file, flat / file.name)
    window.cases.open(flat / "Pat1_flair.nii.gz")
    wait(window, "Pat1")
    assert window.neighbors.previous == flat / "Pat10_flair.nii.gz"
    assert window.neighbors.next == flat / "Pat2_flair.nii.gz"

"""Saving what has unsaved changes, and only that: both layers, chosen names, protected files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton

from seg_editor.cases import read_labels
from seg_editor.editing import RemoveTumor
from seg_editor.session.layer import Layer
from seg_editor.session.saving import Save, Written
from seg_editor.ui.case_actions import DISCARD
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.saves import NOTHING, REPLACE, SAVE_AS, SAVE_EMPTY, written_text
from tests.session.steps import dab
from tests.tiny import make_case
from tests.ui.conftest import LEFT, Hands, settle
from tests.ui.steps import paint, save

Wait = Callable[[Callable[[], bool]], None]
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def files(folder: Path) -> dict[str, bytes]:
    """Content of every file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def answer_file(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Type these names into the next questions for a file."""
    names = iter(paths)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, **_options: (str(next(names)), ""))


def bar_button(window: MainWindow, text: str) -> QPushButton:
    """A choice in the bar."""
    return next(b for b in window.errors.findChildren(QPushButton) if b.text() == text and b.isVisible())


def test_the_key_saves_the_tissue_map_and_leaves_the_other_file(hands: Hands, tissue: Layer, wait: Wait) -> None:
    workspace, before = hands.workspace, files(hands.workspace.case.folder)
    paint(hands)
    assert tissue.dirty
    save(hands, wait)
    name = f"{workspace.case.case_id}_tissue.nii.gz"
    assert hands.window.errors.message == f"Saved {name}."
    assert not workspace.dirty
    after = files(workspace.case.folder)
    assert np.array_equal(read_labels(workspace.case.folder / name).raw, tissue.segmentation.labels)
    del after[name]
    assert after == before


def test_the_key_saves_both_layers(hands: Hands, tissue: Layer, wait: Wait) -> None:
    workspace = hands.workspace
    paint(hands)
    hands.key(Qt.Key.Key_T, SHIFT)
    assert workspace.active is workspace.tumor
    paint(hands, 8)
    save(hands, wait)
    path, map_path = workspace.segmentation_path, workspace.tissue_path
    kept = f"{path.name}, the one before is kept as {path.name}.bak, and {map_path.name}"
    assert hands.window.errors.message == f"Saved {kept}."
    assert not workspace.dirty
    assert np.array_equal(read_labels(path).raw, workspace.segmentation.labels)
    assert np.array_equal(read_labels(map_path).raw, tissue.segmentation.labels)


def test_saving_one_layer_says_that_the_other_is_unsaved(
    hands: Hands, tissue: Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace = hands.workspace
    paint(hands)
    answer_file(monkeypatch, tmp_path / "copy.nii.gz")
    save(hands, wait, CTRL | SHIFT)
    assert hands.window.errors.message == "Saved copy.nii.gz. The changes of the tissue map are still unsaved."
    workspace.apply(dab(30, value=1))
    workspace.view.on_tissue = False
    paint(hands, 8)
    hands.window.actions_table["save_tissue"].trigger()
    wait(lambda: not hands.window.cases.saves.running)
    said = f"Saved {workspace.tissue_path.name}. The changes of the segmentation are still unsaved."
    assert hands.window.errors.message == said
    assert workspace.tumor.dirty
    assert not tissue.dirty


@pytest.mark.parametrize("leave", ["close", "quit", "next_case"])
def test_save_in_the_question_saves_both(hands: Hands, tissue: Layer, leave: str, wait: Wait, qtbot: object) -> None:
    window, workspace, told = hands.window, hands.workspace, []
    make_case(workspace.case.folder.with_name("BraTS2021_90003"))
    window.neighbors.follow(workspace.case)
    wait(lambda: window.neighbors.next is not None)
    paint(hands)
    workspace.view.on_tissue = False
    paint(hands, 8)
    labels, tissues = workspace.segmentation.labels.copy(), tissue.segmentation.labels.copy()
    settle(qtbot, window)
    window.cases.ask = window.cases._ask

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        told.append((box.text(), box.informativeText()))
        QTest.mouseClick(next(b for b in box.buttons() if b.text() == "Save"), LEFT)

    QTimer.singleShot(0, answer)
    window.actions_table[leave].trigger()
    window.cases.ask = lambda _purpose: DISCARD
    wait(lambda: not window.isVisible() if leave == "quit" else window.workspace is not workspace)
    ((text, detail),) = told
    path, map_path = workspace.segmentation_path, workspace.tissue_path
    assert text == f"Save the changes to the segmentation and the tissue map of {workspace.case.case_id}?"
    assert f"Save writes over {path.name} and writes {map_path.name}." in detail
    assert np.array_equal(read_labels(path).raw, labels)
    assert np.array_equal(read_labels(map_path).raw, tissues)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("", "writes a and b"),
        ("a", "writes over a and writes b"),
        ("b", "writes a and writes over b"),
        ("ab", "writes over a and b"),
    ],
)
def test_what_a_save_does_with_files(tmp_path: Path, there: str, said: str) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert written_text([tmp_path / "a", tmp_path / "b"]) == said


def test_a_question_that_is_cancelled_keeps_its_layer_only(hands: Hands, tissue: Layer, wait: Wait) -> None:
    workspace, window = hands.workspace, hands.window
    workspace.tissue_path.write_bytes(b"the map of another day")
    paint(hands)
    workspace.view.on_tissue = False
    paint(hands, 8)
    asked: list[tuple[str, ...]] = []
    window.cases.confirm = lambda _text, _detail, choices: (asked.append(tuple(choices)), "")[1]
    save(hands, wait)
    assert asked == [(SAVE_AS, REPLACE)]
    assert workspace.tissue_path.read_bytes() == b"the map of another day"
    assert not workspace.tumor.dirty
    assert tissue.dirty
    assert window.errors.message.endswith("The changes of the tissue map are still unsaved.")


def test_one_file_that_fails_does_not_stop_the_other(
    hands: Hands, tissue: Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace, window = hands.workspace, hands.window
    paint(hands)
    workspace.view.on_tissue = False
    paint(hands, 8)
    workspace.segmentation_path.chmod(0o444)
    save(hands, wait)
    assert "write-protected" in window.errors.message
    assert window.errors.message.endswith(f"Saved {workspace.tissue_path.name}.")
    assert workspace.tumor.dirty
    assert not tissue.dirty
    answer_file(monkeypatch, tmp_path / "other.nii.gz")
    QTest.mouseClick(bar_button(window, SAVE_AS), LEFT)
    wait(lambda: not workspace.dirty)
    assert np.array_equal(read_labels(tmp_path / "other.nii.gz").raw, workspace.segmentation.labels)


def test_a_write_protected_tissue_map_can_be_saved_elsewhere(
    hands: Hands, tissue: Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace, window = hands.workspace, hands.window
    workspace.tissue_path.write_bytes(b"protected")
    workspace.tissue_path.chmod(0o444)
    window.cases.confirm = lambda *_: REPLACE
    paint(hands)
    save(hands, wait)
    assert "write-protected" in window.errors.message
    assert workspace.tissue_path.read_bytes() == b"protected"
    answer_file(monkeypatch, tmp_path / "map")
    QTest.mouseClick(bar_button(window, "Save tissue map as…"), LEFT)
    wait(lambda: not workspace.dirty)
    assert np.array_equal(read_labels(tmp_path / "map.nii.gz").raw, tissue.segmentation.labels)


@pytest.mark.skipif(os.name != "posix", reason="permissions of posix")
def test_a_write_protected_segmentation_is_not_replaced(hands: Hands, wait: Wait) -> None:
    workspace, window = hands.workspace, hands.window
    path = workspace.segmentation_path
    before = files(path.parent)
    path.chmod(0o444)
    paint(hands, 8)
    save(hands, wait)
    assert window.errors.message.startswith(f"{path}: the file is write-protected. Save under another name")
    assert bar_button(window, SAVE_AS).isEnabled()
    assert files(path.parent) == before
    assert path.stat().st_mode & 0o777 == 0o444
    assert workspace.dirty


def test_a_write_protected_picture_is_not_replaced(hands: Hands, tmp_path: Path) -> None:
    path = tmp_path / "view.png"
    path.write_bytes(b"mine")
    path.chmod(0o444)
    hands.window.exports.choose_png = lambda _start: str(path)
    hands.key(Qt.Key.Key_E, CTRL)
    assert "write-protected" in hands.window.errors.message
    assert path.read_bytes() == b"mine"
    assert not list(tmp_path.glob(".view*"))


def test_a_name_without_extension_gets_one(
    hands: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace, window, asked = hands.workspace, hands.window, []
    answer_file(monkeypatch, tmp_path / "mine", tmp_path / "mine", tmp_path / "v1.2", tmp_path / "plain.NII")
    window.cases.confirm = lambda text, _detail, choices: (asked.append((text, tuple(choices))), "")[1]
    paint(hands, 8)
    save(hands, wait, CTRL | SHIFT)
    assert window.errors.message == "Saved mine.nii.gz."
    assert workspace.segmentation_path == tmp_path / "mine.nii.gz"
    before = workspace.segmentation_path.read_bytes()
    paint(hands, 14)
    save(hands, wait, CTRL | SHIFT)
    assert asked == [("Replace mine.nii.gz?", (REPLACE,))]
    assert workspace.dirty
    assert workspace.segmentation_path.read_bytes() == before
    for name in ("v1.2.nii.gz", "plain.NII"):
        save(hands, wait, CTRL | SHIFT)
        assert window.errors.message == f"Saved {name}."
        assert np.array_equal(read_labels(tmp_path / name).raw, workspace.segmentation.labels)


def test_nothing_is_written_where_nothing_changed(hands: Hands, wait: Wait) -> None:
    workspace = hands.workspace
    before = files(workspace.case.folder)
    save(hands, wait)
    assert hands.window.status.readout.text() == NOTHING
    assert files(workspace.case.folder) == before
    paint(hands, 8)
    save(hands, wait)
    once = files(workspace.case.folder)
    assert once != before
    save(hands, wait)
    assert hands.window.status.readout.text() == NOTHING
    assert files(workspace.case.folder) == once


def test_a_case_without_a_segmentation_can_be_saved_as_it_is(
    window: MainWindow, tmp_path: Path, wait: Wait, qtbot: object
) -> None:
    window.cases.open(make_case(tmp_path / "BraTS2021_90004", segmentation=False))
    wait(lambda: window.workspace is not None)
    settle(qtbot, window)
    hands = Hands(window)
    path = hands.workspace.segmentation_path
    assert not path.exists()
    save(hands, wait)
    assert not read_labels(path).raw.any()


def test_saving_without_tumor_goes_on_with_the_tissue_map(hands: Hands, tissue: Layer, wait: Wait) -> None:
    workspace = hands.workspace
    paint(hands)
    workspace.view.on_tissue = False
    workspace.apply(RemoveTumor())
    hands.window.cases.confirm = lambda *_: SAVE_EMPTY
    save(hands, wait)
    assert not workspace.dirty
    assert not read_labels(workspace.segmentation_path).raw.any()


def test_the_tissue_map_does_not_replace_the_segmentation(
    hands: Hands, tissue: Layer, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace, window = hands.workspace, hands.window
    workspace.tissue_path.write_bytes(b"the map of another day")
    before = files(workspace.case.folder)
    paint(hands)
    window.cases.confirm = lambda *_: SAVE_AS
    answer_file(monkeypatch, workspace.segmentation_path)
    save(hands, wait)
    said = f"{workspace.segmentation_path}: this is the file of the segmentation. Choose another name."
    assert window.errors.message == said
    assert files(workspace.case.folder) == before
    assert tissue.dirty


def test_two_layers_under_one_new_name(
    hands: Hands, tissue: Layer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace, window, both = hands.workspace, hands.window, tmp_path / "both.nii.gz"
    workspace.tissue_path.write_bytes(b"the map of another day")
    paint(hands)
    workspace.view.on_tissue = False
    workspace.apply(RemoveTumor())
    window.cases.confirm = lambda *_: SAVE_AS
    answer_file(monkeypatch, both, both)
    save(hands, wait)
    assert (
        window.errors.message
        == f"{both}: this is the file of the segmentation. Choose another name. Saved {both.name}."
    )
    assert np.array_equal(read_labels(both).raw, workspace.segmentation.labels)
    assert not workspace.tumor.dirty
    assert tissue.dirty


def test_an_unforeseen_failure_hides_nothing(
    hands: Hands, tissue: Layer, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace, window, run = hands.workspace, hands.window, Save.run

    def broken(job: Save) -> Written:
        if job.layer is workspace.tumor:
            raise ValueError("a riddle")
        return run(job)

    monkeypatch.setattr(Save, "run", broken)
    paint(hands)
    workspace.view.on_tissue = False
    paint(hands, 8)
    save(hands, wait)
    assert window.errors.message == f"Something went wrong: a riddle. Saved {workspace.tissue_path.name}."
    assert "ValueError: a riddle" in window.errors.details.toPlainText()
    assert window.errors.details_button.isVisible()
    tissue.segmentation.apply(dab(12, value=1))
    workspace.tissue_path.chmod(0o444)
    save(hands, wait)
    assert window.errors.message.startswith("Something went wrong: a riddle. ")
    assert f"{workspace.tissue_path}: the file is write-protected." in window.errors.message
    assert "ValueError: a riddle" in window.errors.details.toPlainText()


def test_a_map_that_was_replaced_is_not_saved_in_the_name_of_the_new_one(
    hands: Hands, tissue: Layer, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    workspace, window = hands.workspace, hands.window
    paint(hands)
    save(hands, wait)
    workspace.tissue_path.chmod(0o444)
    paint(hands, 8)
    save(hands, wait)
    workspace.set_tissue(workspace.case.brain.astype(np.uint8))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, **_options: pytest.fail("nothing to save"))
    QTest.mouseClick(bar_button(window, "Save tissue map as…"), LEFT)
    assert window.errors.message == "This tissue map was replaced meanwhile. Save the one that is shown now."

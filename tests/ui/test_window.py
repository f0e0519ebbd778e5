"""Opening, saving, closing, exporting, dropping, errors, themes, focus, start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6 import sip
from PyQt6.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QMessageBox

from seg_editor.cases import open_case
from seg_editor.editing import RemoveTumor
from seg_editor.errors import CaseError
from seg_editor.ui import app
from seg_editor.ui.app import ExceptionHook, make_window
from seg_editor.ui.case_actions import CANCEL, DISCARD, SAVE
from seg_editor.ui.generation import Status
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.shortcut_sheet import ShortcutSheet
from seg_editor.ui.state import Tool
from tests.tiny import make_case
from tests.ui.conftest import Hands, settle
from tests.ui.fake import FakeBackend

CTRL = Qt.KeyboardModifier.ControlModifier
Wait = Callable[[Callable[[], bool]], None]


def test_the_first_window_says_what_to_do(window: MainWindow) -> None:
    assert window.empty.isVisible()
    assert window.empty.open_button.isVisible()
    assert window.empty.demo_button.toolTip()
    assert not window.actions_table["save"].isEnabled()


def test_open_shows_the_case_and_remembers_it(opened: MainWindow, big_case: Path, preferences: Preferences) -> None:
    assert not opened.empty.isVisible()
    assert opened.viewer.isVisible()
    assert big_case.name in opened.windowTitle()
    assert preferences.recent == [big_case]


def test_drop_opens(window: MainWindow, big_case: Path, wait: Wait) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(next(big_case.glob("*_flair*"))))])
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    where, left = QPointF(50, 50), Qt.MouseButton.LeftButton
    QApplication.sendEvent(window, QDragEnterEvent(where.toPoint(), copy, data, left, none))
    assert window.empty.card.property("dropping")
    QApplication.sendEvent(window, QDropEvent(where, copy, data, left, none))
    wait(lambda: window.workspace is not None)


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"\x1f\x8b\x08\x00truncated", b""])
def test_a_broken_file_is_one_line_and_the_window_goes_on(
    window: MainWindow, tmp_path: Path, content: bytes, wait: Wait, big_case: Path
) -> None:
    folder = make_case(tmp_path / "BraTS2021_90003")
    (folder / "BraTS2021_90003_flair.nii.gz").write_bytes(content)
    window.cases.open(folder)
    wait(window.errors.isVisible)
    assert "BraTS2021_90003_flair.nii.gz" in window.errors.text.text()
    assert "\n" not in window.errors.text.text()
    assert not window.errors.details_button.isVisible()
    window.errors.copy_button.click()
    assert QApplication.clipboard().text() == window.errors.message
    window.errors.close_button.click()
    assert not window.errors.isVisible()
    window.cases.open(big_case)
    wait(lambda: window.workspace is not None)


def test_opening_can_be_cancelled(window: MainWindow, big_case: Path, wait: Wait) -> None:
    window.cases.open(big_case)
    assert window.empty.cancel_button.isVisible()
    window.empty.cancel_button.click()
    wait(lambda: not window._tasks._running)
    assert window.workspace is None
    assert not window.empty.cancel_button.isVisible()


def test_notes_of_a_case_are_said(window: MainWindow, tmp_path: Path, wait: Wait) -> None:
    folder = make_case(tmp_path / "BraTS2021_90004", modalities=["flair", "t1"], segmentation=False)
    window.cases.open(folder)
    wait(lambda: window.workspace is not None)
    assert window.errors.isVisible()
    assert "There is no segmentation." in window.errors.message
    assert not window.viewer_bar.modality.button("t2").isEnabled()
    assert "no T2" in window.viewer_bar.modality.button("t2").toolTip()


def paint(hands: Hands) -> None:
    hands.window.ui.tool = Tool.PAINT
    z = hands.workspace.view.cursor[2]
    hands.drag([(10, 10, z), (14, 10, z)])
    assert hands.workspace.dirty


def test_save_writes_the_file_and_cleans_the_title(hands: Hands, wait: Wait) -> None:
    paint(hands)
    wait(hands.window.isWindowModified)
    hands.key(Qt.Key.Key_S, CTRL)
    wait(lambda: not hands.workspace.dirty)
    wait(lambda: not hands.window.isWindowModified())
    again = open_case(hands.workspace.case.folder)
    assert np.array_equal(again.labels.raw, hands.workspace.segmentation.labels)


def test_a_failed_save_stays_dirty_and_says_why(hands: Hands, wait: Wait) -> None:
    paint(hands)
    path = hands.workspace.segmentation_path
    path.unlink()
    path.mkdir()
    hands.key(Qt.Key.Key_S, CTRL)
    wait(hands.window.errors.isVisible)
    assert hands.workspace.dirty
    assert path.name in hands.window.errors.text.text()


@pytest.mark.parametrize(
    ("answer", "closes", "saved"), [(CANCEL, False, False), (DISCARD, True, False), (SAVE, True, True)]
)
def test_unsaved_changes_are_asked_about(hands: Hands, answer: str, closes: bool, saved: bool) -> None:
    paint(hands)
    labels = hands.workspace.segmentation.labels.copy()
    folder, asked = hands.workspace.case.folder, []
    hands.window.cases.ask = lambda purpose: asked.append(purpose) or answer
    assert hands.window.close() is closes
    assert asked == ["quit"]
    assert np.array_equal(open_case(folder).labels.raw, labels) is saved
    hands.window.cases.ask = lambda _purpose: DISCARD


def test_saving_over_a_tumor_without_any_is_not_the_default(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def look(box: QMessageBox) -> int:
        seen.append((box.defaultButton().text(), box.informativeText()))
        return 0

    monkeypatch.setattr(QMessageBox, "exec", look)
    paint(hands)
    hands.window.cases._ask("quit")
    hands.workspace.apply(RemoveTumor())
    hands.window.cases._ask("quit")
    assert hands.workspace.save_segmentation()
    hands.window.cases._ask("quit")
    assert [button for button, _ in seen] == ["Save", "Cancel", "Save"]
    assert ["without tumor" in text for _, text in seen] == [False, True, False]


def test_a_long_path_in_an_error_does_not_widen_the_window(window: MainWindow) -> None:
    wide = window.minimumSizeHint().width()
    text = f"/{'long/' * 100}file.nii.gz: cannot be read."
    window.errors.show_error(text)
    QApplication.processEvents()
    assert window.minimumSizeHint().width() == wide
    assert "…" in window.errors.text.text()
    assert window.errors.text.text().endswith("file.nii.gz: cannot be read.")
    assert window.errors.text.toolTip() == text
    window.errors.copy_button.click()
    assert QApplication.clipboard().text() == text


@pytest.mark.parametrize("tool", list(Tool))
def test_the_panels_are_never_wider_than_their_room(hands: Hands, tool: Tool, wait: Wait) -> None:
    window = hands.window
    window.resize(1366, 480)
    window.ui.tool = tool
    window.brush_panel.range._choose("flair")
    body = window.labels_panel.parentWidget()
    assert body is not None
    room = body.parentWidget()
    assert room is not None
    wait(lambda: body.height() > room.height())
    assert body.minimumSizeHint().width() <= room.width()
    assert body.width() == room.width()
    panel = window.generation_panel
    for button in (panel.remove, panel.generate):
        assert not button.visibleRegion().isEmpty(), "out of sight below the panels"


def test_nothing_is_asked_without_changes(hands: Hands) -> None:
    hands.window.cases.ask = lambda _purpose: pytest.fail("asked")
    assert hands.window.cases.close()
    assert hands.window.empty.isVisible()


def test_export_png(hands: Hands, tmp_path: Path) -> None:
    hands.window.exports.choose_png = lambda _start: str(tmp_path / "view.png")
    hands.key(Qt.Key.Key_E, CTRL)
    picture = QImage(str(tmp_path / "view.png"))
    assert picture.width() == 2 * hands.window.viewer.panes_widget.width()


def test_export_png_into_nowhere_is_one_line(hands: Hands, tmp_path: Path) -> None:
    hands.window.exports.choose_png = lambda _start: str(tmp_path / "missing" / "view.png")
    hands.key(Qt.Key.Key_E, CTRL)
    assert "view.png" in hands.window.errors.text.text()
    assert not list(tmp_path.glob("**/*.part"))


def test_export_counterfactual(hands: Hands, tmp_path: Path, wait: Wait, qtbot: object) -> None:
    out = tmp_path / "out"
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_Return)
    wait(lambda: hands.window.generation.status is Status.FRESH)
    wait(lambda: hands.window.actions_table["export_result"].isEnabled())
    hands.window.exports.choose_folder = lambda: str(out)
    hands.key(Qt.Key.Key_E, CTRL | Qt.KeyboardModifier.ShiftModifier)
    case_id = hands.workspace.case.case_id
    wait(lambda: (out / f"{case_id}_metrics.json").exists())
    wait(lambda: "Exported" in hands.window.errors.text.text())
    assert "tumor slices generated; the others keep the tumor" in hands.window.errors.text.text()
    names = {path.name for path in out.iterdir()}
    assert f"{case_id}_flair_synthetic.nii.gz" in names
    assert f"{case_id}_seg_edited.nii.gz" in names
    assert any(name.endswith(".png") for name in names)
    assert "synthetic" in hands.window.exports.png_name()


def test_themes_and_keys_are_remembered(opened: MainWindow, preferences: Preferences) -> None:
    opened.actions_table["theme_light"].trigger()
    assert preferences.theme == "light"
    assert opened.theme_choice == "light"
    opened.choose_keys("slicer")
    assert preferences.keys == "slicer"
    assert opened.actions_table["undo"].shortcuts()[0].toString() == "Z"


def test_the_shortcut_sheet(opened: MainWindow, hands: Hands, qtbot: object) -> None:
    opened.actions_table["shortcuts"].trigger()
    sheet = opened.findChild(ShortcutSheet)
    assert sheet is not None
    assert sheet.isVisible()
    sheet._choose("itksnap")
    assert opened.actions_table.preset == "itksnap"
    sheet.close()


def test_f6_moves_between_picture_and_panels(opened: MainWindow, hands: Hands, wait: Wait) -> None:
    opened.activateWindow()
    wait(lambda: QApplication.focusWidget() is not None)
    hands.pane().setFocus()
    hands.key(Qt.Key.Key_F6)
    assert opened.generation_panel.model.hasFocus()
    QTest.keyClick(opened.generation_panel.model, Qt.Key.Key_F6)
    assert hands.pane().hasFocus()


def test_typing_a_seed_does_not_paint_or_scroll(opened: MainWindow, hands: Hands) -> None:
    field = opened.generation_panel.seed
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "42")
    assert opened.generation.settings.seed == 42
    assert opened.ui.tool is Tool.NAVIGATE


def test_an_uncaught_exception_reaches_the_bar(window: MainWindow, caplog: pytest.LogCaptureFixture) -> None:
    hook = ExceptionHook()
    hook.caught.connect(window.errors.show_error)
    error = RuntimeError("surprise")
    hook._handle(RuntimeError, error, None)
    assert "surprise" in window.errors.text.text()
    assert "unexpected error" in caplog.text
    window.errors.show_error(CaseError("there is nothing to do"))
    assert window.errors.text.text() == "There is nothing to do."
    window.errors.show_error(CaseError("is damaged", path="a.nii.gz", remedy="Copy it again"))
    assert window.errors.text.text() == "a.nii.gz: is damaged. Copy it again."


def test_settings_survive_a_restart(qapp: QApplication, preferences: Preferences, backend: FakeBackend) -> None:
    preferences.keys = "itksnap"
    made = make_window(qapp, backend=backend, preferences=preferences)
    assert made.actions_table.preset == "itksnap"
    made.close()
    made.deleteLater()


def test_the_window_imports_nothing_heavy() -> None:
    code = (
        "import sys, seg_editor.ui.app;"
        "print([m for m in ('torch', 'diffusers', 'ants', 'nilearn', 'openvino', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_program_leaves_no_window_to_the_cleanup_at_its_end(
    qapp: QApplication, preferences: Preferences, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyQt's own cleanup deletes what it walks along."""
    made: list[MainWindow] = []

    def make(application: QApplication, **options: Any) -> MainWindow:
        made.append(make_window(application, backend=backend, preferences=preferences, **options))
        return made[0]

    def until_closed(_application: QApplication) -> int:
        made[0].close()
        return 0

    monkeypatch.setattr(app, "make_window", make)
    monkeypatch.setattr(QApplication, "exec", until_closed)
    assert app.run() == 0
    assert sip.isdeleted(made[0])

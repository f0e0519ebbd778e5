"""The scenes of the pictures are real: what a question in them says is what the user would be asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import QEvent
from PyQt6.QtWidgets import QApplication, QMessageBox

from tests.tiny import make_case
from tests.ui.fake import FakeBackend

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
NAME = "BraTS2021_90002"


def test_the_question_before_closing_names_the_edited_layer_and_its_file(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PACKAGING))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    import director
    import screenshots

    monkeypatch.setattr(director, "_backend", FakeBackend)
    seen: dict[str, tuple[str, str]] = {}

    class Watched(screenshots.Scenes):  # type: ignore[misc, name-defined]
        def shoot(self, name: str, widget: Any = None) -> None:
            self.rest(0.0)
            if isinstance(widget, QMessageBox):
                seen[name] = widget.text(), widget.informativeText()

    scenes = Watched(tmp_path, "", "dark", make_case(tmp_path / NAME, shape=(60, 64, 40)))
    try:
        scenes.open()
        before = scenes.window.workspace.segmentation.labels.copy()
        scenes.dialogs()
        assert scenes.window.isVisible()
        assert (scenes.window.workspace.segmentation.labels == before).all()
    finally:
        scenes.window.close()
        scenes.window.deleteLater()
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        for module in ("screenshots", "director"):
            sys.modules.pop(module, None)
    text, detail = seen["unsaved"]
    assert text == f"Save the changes to the segmentation of {NAME}?"
    assert detail.startswith("Save ")
    assert f"{NAME}_seg" in detail

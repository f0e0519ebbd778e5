"""What an exported picture of the view says about itself, and what a folder of results does not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QWidget

from seg_editor.cli import main
from seg_editor.export import verify
from seg_editor.ui.compare import EnsembleView, Mode
from seg_editor.ui.pane_content import FREE_PLACE
from seg_editor.ui.state import Layout
from tests.tiny import make_case
from tests.ui.comparing import CTRL, KEYS, SHIFT, Wait, second
from tests.ui.conftest import Hands, settle
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase

CASE = "BraTS2021_90002"


def exported(hands: Hands, folder: Path, name: str = "") -> Path:
    """Press the key for a picture of the view and return the only new file; each has a name of its own by default."""
    before = set(folder.glob("*.png"))
    hands.window.exports.choose_png = lambda _start: str(folder / (name or f"view{len(before)}.png"))
    hands.key(Qt.Key.Key_E, CTRL)
    (path,) = set(folder.glob("*.png")) - before
    return path


def told(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says about a picture."""
    assert main(["verify", str(path)]) == 0
    return capsys.readouterr().out.removeprefix(f"{path}: ").strip()


def ensemble(hands: Hands, wait: Wait) -> None:
    link = hands.window.compare
    link.ensemble.start(4)
    wait(lambda: link.ensemble.count == 4 and not hands.window.generation.running)


def test_mean_and_deviation(made: Hands, wait: Wait, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ensemble(made, wait)
    state = made.window.compare.state
    for shown, word in ((EnsembleView.MEAN, "mean"), (EnsembleView.SD, "SD")):
        state.ensemble = shown
        path = exported(made, tmp_path, f"{word}.png")
        assert path.name == f"{word}_synthetic.png"
        assert told(path, capsys) == f"intact, a picture of {CASE}: {word} of 4 seeds (0-3), m5, 4 steps"
        record = verify(path).sidecar
        assert [request["seed"] for request in record["requests"]] == [0, 1, 2, 3]
        assert [pane["kind"] for pane in record["panes"]] == [word.lower()]


def test_a_step(made: Hands, wait: Wait, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slider = made.window.compare_bar.steps.slider
    slider.setValue(slider.maximum() // 2)
    assert made.pane().marks.title == "Step 3 of 4"
    path = exported(made, tmp_path)
    assert told(path, capsys) == f"intact, a picture of {CASE}: step 3 of 4 of m5, seed 0"
    assert verify(path).sidecar["requests"] == [made.workspace.results.current.request.to_dict()]
    ensemble(made, wait)
    made.window.compare.state.ensemble = EnsembleView.MEAN
    for value in (0, slider.maximum()):
        slider.setValue(value)
        words = told(exported(made, tmp_path), capsys)
        assert made.pane().marks.title.lower() in words
        assert words.count(";") == 0


def test_a_step_of_a_run_under_way(
    made: Hands, backend: FakeBackend, wait: Wait, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.let(2)
    made.window.generation.settings.seed = 31
    made.key(Qt.Key.Key_Return)
    wait(lambda: made.pane().marks.title == "Step 2 of 4")
    assert told(exported(made, tmp_path), capsys).endswith(": step 2 of 4 of m5, seed 31")
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    words = told(exported(made, tmp_path), capsys)
    assert words.endswith(": step 2 of 4 of m5, seed 31, from an earlier mask, dimmed to 70%")
    backend.let(None)
    wait(lambda: not made.window.generation.running)


def test_several_results(made: Hands, wait: Wait, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second(made, wait)
    made.window.ui.layout = Layout.MODELS
    assert told(exported(made, tmp_path), capsys).endswith(": m5, seed 9, 4 steps; m5, seed 0, 4 steps")
    made.window.ui.layout = Layout.SINGLE
    assert told(exported(made, tmp_path), capsys).endswith(": m5, seed 9, 4 steps")
    made.window.compare.state.against = made.workspace.results.entries[0].key
    assert told(exported(made, tmp_path), capsys).endswith(": m5, seed 9, 4 steps")
    made.key(KEYS[Mode.SWIPE], SHIFT)
    path = exported(made, tmp_path)
    assert told(path, capsys).endswith(": m5, seed 9, 4 steps; m5, seed 0, 4 steps")
    assert verify(path).sidecar["panes"][0]["mode"] == "swipe"


def test_a_picture_of_an_earlier_mask(
    made: Hands, wait: Wait, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not verify(exported(made, tmp_path)).sidecar["panes"][0]["outdated"]
    made.key(Qt.Key.Key_B)
    erase(made, 0)
    path = exported(made, tmp_path)
    assert told(path, capsys).endswith(": m5, seed 0, 4 steps, from an earlier mask, dimmed to 70%")
    (pane,) = verify(path).sidecar["panes"]
    assert (pane["outdated"], pane["brightness"]) == (True, 0.7)
    made.key(KEYS[Mode.SWIPE], SHIFT)
    path = exported(made, tmp_path)
    assert told(path, capsys).endswith(": m5, seed 0, 4 steps, from an earlier mask")
    (pane,) = verify(path).sidecar["panes"]
    assert (pane["outdated"], pane["brightness"]) == (True, 1.0)
    second(made, wait)
    made.window.compare.state.against = made.workspace.results.entries[0].key
    words = told(exported(made, tmp_path), capsys)
    assert words.endswith(": m5, seed 9, 4 steps; m5, seed 0, 4 steps, from an earlier mask")


def test_a_pane_without_a_result_shows_nothing_generated(made: Hands, wait: Wait) -> None:
    second(made, wait)
    made.window.ui.layout = Layout.MODELS
    free = made.window.viewer.contents[3]
    assert free.pane.marks.title == FREE_PLACE
    before = free.pane.picture.image.copy()
    made.window.compare.state.against = made.workspace.results.entries[0].key
    assert not free.pane.marks.synthetic
    assert np.array_equal(free.pane.picture.image, before)
    assert not made.window.exports.shown()[3].synthetic


def test_a_pane_that_is_out_of_sight_is_not_told(
    made: Hands, tmp_path: Path, capsys: pytest.CaptureFixture[str], qtbot: Any
) -> None:
    made.window.ui.layout = Layout.COMPARE
    made.window.ui.maximized = 0
    settle(qtbot, made.window)
    path = exported(made, tmp_path, "view.png")
    assert path.name == "view.png"
    assert told(path, capsys) == f"intact, a picture of {CASE}: nothing in it was generated"
    made.window.ui.maximized = 2
    settle(qtbot, made.window)
    assert exported(made, tmp_path, "view.png").name == "view_synthetic.png"


def test_what_is_there_for_the_hand_is_not_in_the_picture(hands: Hands, wait: Wait) -> None:
    window, viewer = hands.window, hands.window.viewer
    window.ui.layout = Layout.VOLUME
    wait(lambda: viewer.surface is not None and viewer.surface.isVisible() and not viewer.surface.busy)
    marks, looks = viewer.active.pane.marks, viewer.surface.looks
    host = viewer.panes_widget

    def pixels(widget: QWidget, image: QImage) -> set[int]:
        """The colors of its first two lines."""
        at = widget.mapTo(host, widget.rect().topLeft())
        return {image.pixel(at.x() + x, at.y() + y) for x in range(widget.width()) for y in range(2)}

    assert marks.active
    accent = marks.accent.rgb()
    assert accent in pixels(viewer.active.pane, host.grab().toImage())
    picture = window.exports.picture(1.0)
    assert accent not in pixels(viewer.active.pane, picture)
    assert marks.active
    assert looks.isVisible()
    assert len(pixels(looks, host.grab().toImage())) > len(pixels(looks, picture)) == 1
    button = looks.button("solid")
    button.setFocus()
    wait(button.hasFocus)
    window.exports.picture(1.0)
    assert button.hasFocus()
    viewer.surface.setFocus()
    wait(viewer.surface.hasFocus)
    assert viewer.surface.accent.rgb() not in pixels(viewer.surface, window.exports.picture(1.0))


def test_an_altered_picture(made: Hands, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exported(made, tmp_path)
    with Image.open(path) as image:
        assert "SYNTHETIC" in image.text["Comment"]  # type: ignore[attr-defined]
        info, pixels = PngInfo(), np.array(image.convert("RGB"))
        info.add_text("seg-editor", image.info["seg-editor"])
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path, pnginfo=info)
    assert main(["verify", str(path)]) == 2
    assert "it or its provenance was altered after it was written" in capsys.readouterr().err


def test_no_file_tells_a_path_or_a_text_of_the_header(hands: Hands, wait: Wait, tmp_path: Path, qtbot: Any) -> None:
    folder = make_case(tmp_path / "secret" / "BraTS2021_90077")
    for path in folder.glob("*.nii.gz"):
        image = nib.load(path)
        data = np.asarray(image.dataobj)
        for field in ("descrip", "aux_file", "db_name", "intent_name"):
            image.header[field] = b"Doe^Jane"
        nib.save(nib.Nifti1Image(data, image.affine, image.header), path)
    hands.window.cases.open(folder)
    wait(lambda: hands.window.workspace is not None and hands.workspace.case.case_id == folder.name)
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    hands.key(Qt.Key.Key_Return)
    wait(lambda: hands.workspace.results.current is not None and not hands.window.generation.running)
    out = tmp_path / "out"
    hands.window.exports.choose_folder = lambda: str(out)
    hands.key(Qt.Key.Key_E, CTRL | SHIFT)
    wait(lambda: "Exported" in hands.window.errors.text.text())
    texts = {exported(hands, out).name: ""}
    for path in out.iterdir():
        if path.suffix == ".json":
            texts[path.name] = path.read_text()
        elif path.suffix == ".png":
            with Image.open(path) as image:
                texts[path.name] = str(image.info)
    assert len(texts) == 4
    for name, text in texts.items():
        assert text
        assert "Doe" not in text, name
        assert "secret" not in text, name
        assert str(tmp_path) not in text, name
    generated = [path.name for path in out.iterdir() if path.suffix == ".png" or "_t1" in path.name]
    assert all("synthetic" in name for name in generated)


def test_the_menu_says_which_picture_is_which(hands: Hands) -> None:
    table = hands.window.actions_table
    assert "as on screen" in table["export_png"].text()
    assert "integer zoom" in table["export_result"].toolTip()


def test_a_file_that_the_dialog_did_not_ask_about_stays(made: Hands, tmp_path: Path) -> None:
    """The name gets its word after the dialog has asked about replacing the file of the name that was typed."""
    path = exported(made, tmp_path, "view.png")
    assert path.name == "view_synthetic.png"
    before = path.read_bytes()
    made.window.compare_bar.steps.slider.setValue(1)
    made.window.exports.choose_png = lambda _start: str(tmp_path / "view.png")
    made.key(Qt.Key.Key_E, CTRL)
    assert path.read_bytes() == before
    assert "Choose another name" in made.window.errors.text.text()
    made.window.exports.choose_png = lambda _start: str(path)
    made.key(Qt.Key.Key_E, CTRL)
    assert path.read_bytes() != before

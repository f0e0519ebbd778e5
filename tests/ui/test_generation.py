"""Remove, generate, stop, measure, compare; threads end with the window."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from seg_editor.cases import Modality
from seg_editor.errors import ModelError
from seg_editor.ui.generation import Generation, Status
from seg_editor.ui.handover import SWITCH_INTERVAL
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.panels.generation import AGAIN, ELSEWHERE
from seg_editor.ui.panels.metrics import number
from seg_editor.ui.planes import Plane
from seg_editor.ui.state import GenerationSettings, Layout, Role
from tests.ui.conftest import Hands, settle
from tests.ui.fake import FakeBackend

CTRL = Qt.KeyboardModifier.ControlModifier
Wait = Callable[[Callable[[], bool]], None]


def test_generate_needs_a_hole_and_says_so(hands: Hands) -> None:
    action = hands.window.actions_table["generate"]
    assert not action.isEnabled()
    assert "Remove the tumor" in action.toolTip()
    assert "Remove the tumor" in hands.window.generation_panel.generate.toolTip()


def test_remove_and_generate(generated: Hands) -> None:
    workspace, viewer = generated.workspace, generated.window.viewer
    result = workspace.results.current
    assert result is not None
    assert generated.window.ui.layout is Layout.COMPARE
    source, made = viewer.contents[0].pane.picture.image, viewer.contents[1].pane.picture.image
    hole = viewer.pictures.hole(viewer.contents[0].view, viewer.contents[0].index)
    part = hole[viewer.contents[0].view.crop(viewer.pictures.brain_box)]
    assert (source != made)[part].any()
    assert np.array_equal(source[~part], made[~part])
    assert viewer.contents[1].pane.marks.synthetic
    assert viewer.contents[2].pane.marks.color_bar is not None


def test_generation_never_writes_the_segmentation(removed: Hands, wait: Wait) -> None:
    before, revision = removed.workspace.segmentation.labels.copy(), removed.workspace.segmentation.revision
    removed.key(Qt.Key.Key_Return)
    wait(lambda: removed.window.generation.status is Status.FRESH)
    assert np.array_equal(removed.workspace.segmentation.labels, before)
    assert removed.workspace.segmentation.revision == revision


def test_numbers_belong_to_the_picture(generated: Hands) -> None:
    panel = generated.window.metrics_panel
    line = generated.window.generation.metrics().per_slice[0]
    assert panel.residual.value.text() == f"{line.tumor_residual:.3f}"
    assert panel.iou.value.text() == f"{line.diffmap_iou:.3f}"
    assert panel.outside.value.text() == "0"
    assert panel.texture.value.text() == number(line.texture_ratio)
    assert panel.seam.value.text() == number(line.seam_ratio)
    generated.wheel(3)
    assert panel.residual.isHidden()
    assert not panel.jump.isHidden()
    panel.jump.click()
    assert not panel.residual.isHidden()


def test_slices_that_were_not_generated_carry_a_badge(generated: Hands) -> None:
    view, contents = generated.workspace.view, generated.window.viewer.contents
    marks = [contents[number].pane.marks for number in range(3)]
    assert [m.badge for m in marks] == ["", "", ""]
    generated.wheel(1)
    assert [m.badge for m in marks] == ["", "not generated", "not generated"]
    generated.wheel(-1)
    view.plane = Plane.CORONAL
    removed = np.count_nonzero(generated.workspace.segmentation.original, axis=(0, 2))
    view.cursor = (view.cursor[0], int(np.argmax(removed)), view.cursor[2])
    marks = [content.pane.marks for content in generated.window.viewer.contents]
    assert [m.badge for m in marks] == ["", *["only 1 axial slice generated"] * 2]


def test_a_changed_mask_makes_the_result_stale_and_undo_fresh_again(generated: Hands, qtbot: object) -> None:
    generation, (x, y, z) = generated.window.generation, generated.workspace.view.cursor
    generated.key(Qt.Key.Key_B)
    generated.drag([(x - 4, y - 4, z), (x + 4, y - 4, z)])
    assert generation.status is Status.STALE
    assert generated.window.viewer.contents[1].pane.marks.badge
    assert not generated.window.metrics_panel.badge.isHidden()
    settle(qtbot, generated.window)
    generated.key(Qt.Key.Key_Z, CTRL)
    assert generation.status is Status.FRESH
    assert not generated.window.viewer.contents[1].pane.marks.badge


def test_the_same_request_is_shown_again_at_once(generated: Hands, backend: FakeBackend) -> None:
    window = generated.window
    bar, steps = window.compare_bar, len(window.generation.steps)
    assert bar.steps.isVisible()
    for _ in range(2):
        generated.key(Qt.Key.Key_Return)
        assert not window.generation.running
        assert window.status.readout.text() == window.generation_panel.time.text() == AGAIN
    assert window.generation.status is Status.FRESH
    assert bar.steps.isVisible()
    assert len(window.generation.steps) == steps > 1
    assert backend.ends == ["finished"]
    assert len(generated.workspace.results) == 1
    window.generation.settings.seed = 5
    assert window.generation_panel.time.text() != AGAIN


def test_the_same_request_leaves_a_step_for_its_result(generated: Hands) -> None:
    window = generated.window
    window.compare.scrub(1)
    assert window.viewer.pictures.preview is not None
    generated.key(Qt.Key.Key_Return)
    assert window.viewer.pictures.preview is None


def test_a_picture_that_was_never_measured_is_measured_by_enter(
    generated: Hands, backend: FakeBackend, wait: Wait
) -> None:
    results = generated.workspace.results
    results.set_metrics(results.entries[0].key, None)
    generated.key(Qt.Key.Key_Return)
    wait(lambda: backend.ends == ["finished", "known"] and not generated.window.generation.running)
    assert generated.window.generation.measured() is not None
    assert generated.window.compare_bar.steps.isVisible()


def test_the_chip_is_about_the_slice_on_display(generated: Hands, wait: Wait) -> None:
    chip, generation = generated.window.generation_panel.chip, generated.window.generation
    assert chip.text() == "Fresh"
    generated.wheel(1)
    wait(lambda: chip.text() == "Not generated here")
    assert generated.window.generation_panel.time.text() == ELSEWHERE
    generated.wheel(-1)
    wait(lambda: chip.text() == "Fresh")
    generation.settings.seed = 9
    generated.key(Qt.Key.Key_Return)
    generation.stop()
    wait(lambda: not generation.running)
    wait(lambda: chip.text() == "Cancelled")
    generated.wheel(1)
    wait(lambda: chip.text() == "Not generated here")


def test_another_seed_is_another_result(generated: Hands, wait: Wait) -> None:
    generated.window.generation.settings.seed = 5
    generated.key(Qt.Key.Key_Return)
    wait(lambda: len(generated.workspace.results) == 2)
    wait(lambda: not generated.window.generation.running)


def test_an_open_seed_changes_with_every_run(generated: Hands, wait: Wait) -> None:
    settings = generated.window.generation.settings
    generated.window.generation_panel.lock.click()
    assert not settings.seed_locked
    seed = settings.seed
    generated.key(Qt.Key.Key_Return)
    wait(lambda: len(generated.workspace.results) == 2)
    assert settings.seed != seed
    assert generated.window.generation_panel.seed.value() == settings.seed
    wait(lambda: not generated.window.generation.running)


def test_previews_show_in_the_counterfactual_pane(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation, viewer = removed.window.generation, removed.window.viewer
    backend.hold.clear()
    removed.key(Qt.Key.Key_Return)
    wait(lambda: bool(backend.runs))
    source = viewer.contents[0].pane.picture.image
    backend.hold.set()
    wait(lambda: viewer.pictures.preview is not None or generation.status is Status.FRESH)
    assert not np.array_equal(viewer.contents[1].pane.picture.image, source)
    wait(lambda: generation.status is Status.FRESH)
    assert viewer.pictures.preview is None


def test_escape_stops_within_one_step(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.hold.clear()
    removed.key(Qt.Key.Key_Return)
    wait(lambda: bool(backend.runs))
    removed.key(Qt.Key.Key_Escape)
    wait(lambda: removed.window.generation.status is Status.CANCELLED and not removed.window.generation.running)
    assert backend.ends == ["cancelled"]
    assert removed.workspace.results.current is None


def test_the_newest_order_wins(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation = removed.window.generation
    backend.hold.clear()
    removed.key(Qt.Key.Key_Return)
    wait(lambda: len(backend.runs) == 1)
    for seed in (11, 12, 13):
        generation.settings.seed = seed
        generation.generate()
        assert generation.status is Status.WAITING
    backend.hold.set()
    wait(lambda: generation.status is Status.FRESH and not generation.running)
    assert [run.seed for run in backend.runs] == [0, 13]
    assert removed.workspace.results.current.request.seed == 13


def test_a_failure_is_shown_and_the_next_run_works(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation, bar = removed.window.generation, removed.window.errors
    backend.failure = ModelError("the network returned values that are not finite", remedy="Try another seed")
    removed.key(Qt.Key.Key_Return)
    wait(lambda: generation.status is Status.FAILED and not generation.running)
    assert bar.isVisible()
    assert "not finite" in bar.text.text()
    backend.failure = None
    removed.key(Qt.Key.Key_Return)
    wait(lambda: generation.status is Status.FRESH)


def test_an_unexpected_failure_carries_its_traceback(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.failure = ZeroDivisionError("boom")
    removed.key(Qt.Key.Key_Return)
    wait(lambda: removed.window.generation.status is Status.FAILED)
    bar = removed.window.errors
    wait(lambda: bar.isVisible())
    bar.details_button.click()
    assert "ZeroDivisionError" in bar.details.toPlainText()


def test_tab_shows_the_original_while_it_is_held(generated: Hands) -> None:
    viewer = generated.window.viewer
    made = viewer.contents[1].pane.picture.image.copy()
    QTest.keyPress(generated.pane(1), Qt.Key.Key_Tab)
    assert np.array_equal(viewer.contents[1].pane.picture.image, viewer.contents[0].pane.picture.image)
    QTest.keyRelease(generated.pane(1), Qt.Key.Key_Tab)
    assert np.array_equal(viewer.contents[1].pane.picture.image, made)


def test_the_result_shows_in_every_plane(generated: Hands) -> None:
    generated.window.ui.layout = Layout.PLANES
    generated.window.ui.picture = Role.RESULT
    for content in generated.window.viewer.contents:
        assert content.pane.marks.synthetic
        assert content.pane.picture.image.any()


def test_all_slices(removed: Hands, wait: Wait) -> None:
    removed.window.generation.settings.slices = "all"
    removed.key(Qt.Key.Key_Return)
    wait(lambda: removed.window.generation.status is Status.FRESH)
    result = removed.workspace.results.current
    assert len(result.slices) > 1
    assert removed.window.viewer.slice_bar._hole.sum() == len(result.slices)
    assert Modality.FLAIR in result.modalities


def test_painting_goes_on_while_a_run_is_held(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.hold.clear()
    removed.key(Qt.Key.Key_Return)
    wait(lambda: bool(backend.runs))
    removed.key(Qt.Key.Key_B)
    z = removed.workspace.view.cursor[2]
    removed.drag([(10, 10, z), (14, 10, z)])
    assert removed.workspace.history.undo_name == "Paint"
    assert removed.window.generation.running
    backend.hold.set()
    wait(lambda: removed.window.generation.status is Status.STALE and not removed.window.generation.running)


def test_closing_while_generating_leaves_no_thread(removed: Hands, backend: FakeBackend, wait: Wait) -> None:
    window = removed.window
    before = sys.getswitchinterval()
    backend.hold.clear()
    removed.key(Qt.Key.Key_Return)
    wait(lambda: bool(backend.runs))
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert window.close()
    assert not window.generation._runs._sampler.alive
    assert not window._tasks._running or not any(task.running for task in window._tasks._running)
    assert backend.ends == ["cancelled"]
    assert sys.getswitchinterval() == pytest.approx(max(before, 0.005))
    assert all(thread is threading.main_thread() or thread.daemon for thread in threading.enumerate())


def test_another_case_drops_the_run(removed: Hands, backend: FakeBackend, case_folder: object, wait: Wait) -> None:
    window: MainWindow = removed.window
    backend.hold.clear()
    removed.key(Qt.Key.Key_Return)
    wait(lambda: bool(backend.runs))
    first = window.workspace
    window.cases.open(case_folder)  # type: ignore[arg-type]
    wait(lambda: window.workspace is not first)
    backend.hold.set()
    wait(lambda: not window.generation.running)
    assert window.workspace.results.current is None
    assert window.generation.status in (Status.IDLE, Status.CANCELLED)


class OneBroken(FakeBackend):
    """The second model cannot be loaded."""

    def load(self, model: str, device: str = "auto") -> str:
        if model == "broken":
            raise ModelError("its weights are damaged", remedy="Install it again")
        return super().load(model, device)


def test_the_failure_of_a_model_left_meanwhile_does_not_stop_the_present_one(wait: Wait) -> None:
    settings = GenerationSettings()
    generation = Generation(OneBroken(models=("m5", "broken")), settings)
    try:
        generation.find_models()
        wait(lambda: generation.device == "CPU")
        loaded: list[str] = []
        generation.loaded.connect(lambda: loaded.append(settings.model))
        settings.model = "broken"
        settings.model = "m5"
        wait(lambda: bool(loaded))
        assert loaded == ["m5"]
        assert not generation.model_problem
        settings.model = "broken"
        wait(lambda: generation.model_problem == "broken cannot be used")
    finally:
        generation.shut_down()


def test_the_device_named_is_the_one_chosen_now(wait: Wait) -> None:
    settings = GenerationSettings()
    generation = Generation(FakeBackend(), settings)
    heard: list[str] = []
    generation.loaded.connect(lambda: heard.append(generation.device))
    try:
        generation.find_models()
        settings.device = "cuda"
        wait(lambda: bool(heard))
        assert heard == ["GPU"]
    finally:
        generation.shut_down()

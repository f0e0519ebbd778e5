"""The picture follows the brush: live runs by real strokes, cache, cancel, faults, threads, memory."""

from __future__ import annotations

import gc
import random
import threading
import time

import numpy as np
import pytest
from PyQt6.QtCore import Qt

from seg_editor.errors import DeviceMemoryError
from seg_editor.session.live import Status
from seg_editor.ui.device_page import DevicePage
from seg_editor.ui.live_wiring import follow_live
from seg_editor.ui.state import Layout
from tests.ui.comparing import CTRL, Wait
from tests.ui.conftest import Hands, quiet, settle
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase


def test_removing_starts_a_run_by_itself(live: Hands, backend: FakeBackend) -> None:
    assert len(backend.runs) == 1
    assert backend.runs[0].slices == (live.workspace.view.cursor[2],)
    assert live.window.metrics_panel.residual.value.text() != ""


def test_manual_mode_waits_for_enter(hands: Hands, backend: FakeBackend, qtbot: object) -> None:
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    assert backend.runs == []
    assert hands.window.generation.status is Status.IDLE


def test_ten_strokes_ten_pictures_and_back_without_a_run(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    results, segmentation = live.workspace.results, live.workspace.segmentation
    first = results.current
    live.key(Qt.Key.Key_B)
    for number in range(10):
        before = segmentation.revision
        erase(live, number)
        assert segmentation.revision != before
        wait(quiet(live))
        assert results.entry(results.current.request.key).mask.token == live.window.generation.token
    assert len(live.workspace.history) == 11
    assert len(backend.runs) == 11
    for _ in range(10):
        live.key(Qt.Key.Key_Z, CTRL)
        wait(quiet(live))
    assert results.current.request == first.request
    assert len(backend.runs) == 11
    shown = live.window.viewer.pictures.result
    assert shown.request == first.request
    assert not live.window.metrics_panel.badge.isVisible()


def test_a_newer_stroke_overtakes_a_run(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    live.key(Qt.Key.Key_B)
    backend.hold.clear()
    erase(live, 0)
    wait(lambda: len(backend.runs) == 2)
    for number in range(1, 4):
        erase(live, number)
    assert live.window.generation.status is Status.WAITING
    wait(lambda: len(backend.ends) == 2)
    backend.hold.set()
    wait(quiet(live))
    assert len(backend.runs) == 3
    assert backend.ends == ["finished", "cancelled", "finished"]
    assert np.array_equal(backend.runs[-1].labels, live.workspace.segmentation.labels)


def test_slow_runs_wait_a_moment_for_the_next_stroke(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation = live.window.generation
    generation.times.add(generation.next_kind("slice"), 10.0)
    live.key(Qt.Key.Key_B)
    began = time.perf_counter()
    erase(live, 0)
    assert generation.status is Status.WAITING
    wait(lambda: len(backend.runs) == 2)
    assert time.perf_counter() - began >= 0.24
    wait(quiet(live))


def test_a_run_of_an_hour_waits_for_enter(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation = live.window.generation
    for _ in range(10):
        generation.times.add(generation.next_kind("slice"), 3600.0)
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(lambda: generation.status is Status.PAUSED)
    assert "about 60 min" in live.window.generation_panel.time.text()
    assert len(backend.runs) == 1
    live.key(Qt.Key.Key_Return)
    wait(quiet(live))
    assert len(backend.runs) == 2


def test_a_quick_run_by_hand_brings_live_back(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation = live.window.generation
    for _ in range(3):
        generation.times.add(generation.next_kind("slice"), 180.0)
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(lambda: generation.status is Status.PAUSED)
    live.key(Qt.Key.Key_Return)
    wait(quiet(live))
    assert generation.times.expected(generation.next_kind("slice")) > 60
    erase(live, 1)
    wait(lambda: len(backend.runs) == 3 and quiet(live)())


def test_the_hour_of_a_model_never_run_is_told_before_it_starts(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    """A thousand steps of a model just chosen: measured while it loads, told, and not begun by a stroke."""
    generation, panel = live.window.generation, live.window.generation_panel
    backend.names, backend.pace = ("m5", "m3"), {"m3": 3.6}
    generation.find_models()
    generation.settings.steps = 1000
    wait(quiet(live))
    before = len(backend.runs)
    generation.settings.model = "m3"
    wait(lambda: generation.status is Status.PAUSED and "60 min" in panel.time.text())
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(lambda: generation.status is Status.PAUSED and "60 min" in panel.time.text())
    assert len(backend.runs) == before


def test_the_whole_volume_follows_in_the_background(hands: Hands, backend: FakeBackend, wait: Wait) -> None:
    hands.window.generation.settings.slices = "all"
    hands.key(Qt.Key.Key_L, CTRL)
    hands.key(Qt.Key.Key_R, CTRL)
    wait(lambda: len(backend.ends) == 2 and quiet(hands)())
    z = hands.workspace.view.cursor[2]
    assert [run.slices for run in backend.runs] == [(z,), "all"]
    assert [run.background for run in backend.runs] == [False, True]
    result = hands.workspace.results.current
    assert len(result.slices) > 1
    hands.wheel(1)
    assert hands.window.generation.measured().complete
    assert hands.window.metrics_panel.residual.value.text()
    assert len(backend.runs) == 2


def test_a_stroke_stops_the_background(hands: Hands, backend: FakeBackend, wait: Wait) -> None:
    hands.window.generation.settings.slices = "all"
    hands.key(Qt.Key.Key_L, CTRL)
    hands.key(Qt.Key.Key_R, CTRL)
    wait(lambda: len(backend.ends) == 1)
    backend.hold.clear()
    wait(lambda: len(backend.runs) == 2)
    hands.key(Qt.Key.Key_B)
    erase(hands, 2)
    wait(lambda: len(backend.ends) == 2)
    backend.hold.set()
    wait(lambda: len(backend.ends) == 4 and quiet(hands)())
    assert backend.ends[:2] == ["finished", "cancelled"]
    assert backend.runs[2].slices == (hands.workspace.view.cursor[2],)


def test_another_slice_gets_its_picture_and_the_first_is_remembered(
    live: Hands, backend: FakeBackend, wait: Wait
) -> None:
    z = live.workspace.view.cursor[2]
    live.wheel(1)
    wait(lambda: len(backend.runs) == 2 and quiet(live)())
    assert backend.runs[1].slices == (z + 1,)
    live.wheel(-1)
    wait(lambda: live.workspace.results.current.slices == (z,))
    assert len(backend.runs) == 2


def test_moving_the_crosshair_in_the_slice_starts_nothing(live: Hands, backend: FakeBackend, qtbot: object) -> None:
    x, y, z = live.workspace.view.cursor
    for step in range(5):
        live.workspace.view.cursor = (x + step, y, z)
    settle(qtbot, live.window)
    assert not live.window.generation.pending
    assert len(backend.runs) == 1


def test_following_seed_makes_another_picture(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    live.window.generation_panel.following.click()
    wait(lambda: len(live.workspace.results) == 2 and quiet(live)())
    assert [run.seed for run in backend.runs] == [0, 1]


def test_an_open_seed_draws_once_for_each_stroke(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    live.window.generation_panel.lock.click()
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(lambda: len(backend.runs) == 2 and quiet(live)())
    assert backend.runs[1].seed != 0
    live.key(Qt.Key.Key_Z, CTRL)
    wait(quiet(live))
    assert len(backend.runs) == 2


def test_a_failed_run_stops_live_and_keeps_everything(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation = live.window.generation
    kept = live.workspace.results.current
    backend.failure = ValueError("the network broke")
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(quiet(live, Status.FAILED))
    assert not generation.settings.live
    assert "Live is off" in live.window.generation_panel.time.text()
    assert live.window.errors.isVisible()
    assert live.workspace.results.current is kept
    assert live.workspace.history.undo_name == "Paint"
    backend.failure = None
    live.key(Qt.Key.Key_Return)
    wait(quiet(live))


def test_values_that_are_not_finite_are_a_failure(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.spoiled = True
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(quiet(live, Status.FAILED))
    assert "not finite" in live.window.errors.text.text()
    backend.spoiled = False
    live.key(Qt.Key.Key_Return)
    wait(quiet(live))


def test_a_full_gpu_offers_the_cpu(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.gpu_memory = False
    settings = live.window.generation.settings
    settings.device = "cuda"
    wait(quiet(live, Status.FAILED))
    assert isinstance(live.window.generation.error, DeviceMemoryError)
    bar = live.window.errors
    assert "out of memory" in bar.text.text()
    button = bar._choices.itemAt(0).widget()
    assert button.text() == "Generate on the CPU"
    button.click()
    wait(quiet(live))
    assert settings.device == "cpu"
    assert backend.loads[-1] == ("m5", "cpu")
    assert live.window.generation.device == "CPU"


def test_cancel_at_any_step_fifty_times(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    generation, rng = live.window.generation, random.Random(1)
    backend.steps, backend.pause = 12, 0.002
    ends: list[object] = []
    generation._runs._sampler.ended.connect(lambda: ends.append(None))
    for number in range(50):
        before = len(backend.runs)
        generation.settings.seed = 100 + number
        wait(lambda before=before: len(backend.runs) > before)
        step = rng.randrange(12)
        wait(lambda step=step: generation.progress[0] >= step or not generation.running)
        live.key(Qt.Key.Key_Escape)
        wait(lambda: not generation.running and generation.status is not Status.WAITING)
        assert generation.status in (Status.CANCELLED, Status.FRESH)
    assert all(thread is threading.main_thread() or thread.daemon for thread in threading.enumerate())
    assert len(ends) == len(backend.runs) - 1


def test_closing_in_the_middle_of_live(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.hold.clear()
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(lambda: len(backend.runs) == 2)
    erase(live, 1)
    assert live.window.close()
    assert not live.window.generation._runs._sampler.alive
    assert backend.ends == ["finished", "cancelled"]


def test_figures_follow_their_picture_before_the_run_ends(live: Hands, wait: Wait) -> None:
    generation, told = live.window.generation, []
    generation.made.connect(lambda _order, _key: told.append("picture"))
    generation._runs._sampler.scored.connect(lambda *_: told.append("figures"))
    generation._runs._sampler.finished.connect(lambda _run: told.append("end"))
    for seed in range(20, 25):
        generation.settings.seed = seed
        wait(lambda seed=seed: live.workspace.results.current.request.seed == seed and quiet(live)())
        assert generation.measured() is not None
    assert told == ["picture", "figures", "end"] * 5


def test_restoring_brings_picture_and_mask_back_as_one_step(live: Hands, wait: Wait) -> None:
    workspace, strip = live.workspace, live.window.history
    first = workspace.results.entries[0]
    removed = workspace.segmentation.labels.copy()
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    wait(quiet(live))
    painted = workspace.segmentation.labels.copy()
    assert not np.array_equal(painted, removed)
    strip.restored.emit(first)
    assert np.array_equal(workspace.segmentation.labels, removed)
    wait(quiet(live))
    assert workspace.results.current.request == first.request
    assert workspace.history.undo_name == "Mask of picture 1"
    live.key(Qt.Key.Key_Z, CTRL)
    wait(quiet(live))
    assert np.array_equal(workspace.segmentation.labels, painted)
    assert workspace.results.current.request == workspace.results.entries[1].request


def test_six_models_are_all_shown(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.names = ("m5", "m1", "m2", "m3", "m3c", "m3k")
    live.window.generation.find_models()
    live.key(Qt.Key.Key_Return, CTRL)
    wait(lambda: len(live.workspace.results) == 6 and quiet(live)())
    wait(lambda: len(live.window.viewer.contents) == 8)
    titles = [content.pane.marks.title.split(" ")[0] for content in live.window.viewer.contents]
    assert titles[:2] == ["Source", "M5"]
    assert set(titles[2:7]) == {"M1", "M2", "M3", "M3c", "M3k"}
    assert titles[7] == "Difference:"
    assert len({(pane.width(), pane.height()) for pane in live.window.viewer.panes}) <= 4  # all alike but for a pixel


def test_generating_with_every_model_says_which_and_how_many_and_how_long_all_take(
    live: Hands, backend: FakeBackend, wait: Wait
) -> None:
    backend.names, backend.pace = ("m5", "m2", "m3"), {"m5": 1.0, "m2": 10.0, "m3": 100.0}
    generation, panel = live.window.generation, live.window.generation_panel
    generation.find_models()
    wait(lambda: len(generation.models) == 3)
    for name in ("m2", "m3", "m5"):
        generation.times.suppose(name, generation.settings.device, backend.pace[name])
    seen: list[str] = []
    estimates: dict[str, float] = {}

    def note() -> None:
        seen.append(panel.chip.text())
        if generation.progress[1] and generation.expected is not None:
            estimates.setdefault(panel.chip.text(), generation.expected)

    generation.changed.connect(note)
    live.key(Qt.Key.Key_Return, CTRL)
    wait(lambda: len(live.workspace.results) == 3 and quiet(live)())
    assert [text for text in dict.fromkeys(seen) if " of " in text] == ["M5 · 1 of 3", "M2 · 2 of 3", "M3 · 3 of 3"]
    assert generation.series is None
    for text in ("M5 · 1 of 3", "M2 · 2 of 3"):
        assert backend.steps * 110.0 <= estimates[text] < backend.steps * 110.0 + 20


def test_every_model_runs_on_the_same_slice_and_seed(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.names = ("m5", "m2", "m3")
    live.window.generation.find_models()
    live.key(Qt.Key.Key_Return, CTRL)
    wait(lambda: len(live.workspace.results) == 3 and quiet(live)())
    wait(lambda: len(live.window.viewer.pictures.others) == 2)
    assert live.window.ui.layout is Layout.MODELS
    titles = [content.pane.marks.title for content in live.window.viewer.contents]
    assert titles[0] == "Source"
    assert set(titles[1:]) == {f"{model} · 4 steps · seed 0" for model in ("M5", "M2", "M3")}
    pictures = [content.pane.picture.image for content in live.window.viewer.contents]
    assert all(not np.array_equal(pictures[0], other) for other in pictures[1:])
    assert not np.array_equal(pictures[1], pictures[2])


def test_live_and_device_are_remembered(live: Hands) -> None:
    preferences = live.window._preferences
    assert preferences.live
    assert preferences.device == "auto"
    follow_live(live.window, preferences)
    live.window.generation.settings.live = False
    live.window.generation.settings.device = "cpu"
    assert not preferences.live
    assert preferences.device == "cpu"


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_memory_is_flat(live: Hands, backend: FakeBackend, wait: Wait, count: int) -> None:
    psutil = pytest.importorskip("psutil")
    generation, results = live.window.generation, live.workspace.results
    results._max_bytes = 10 * results.entries[0].nbytes
    backend.steps = 2
    process, sizes = psutil.Process(), []
    for number in range(count):
        generation.settings.seed = 1000 + number
        wait(lambda seed=1000 + number: results.current.request.seed == seed and not generation.running)
        backend.runs.clear()
        if number % 20 == 19:
            gc.collect()
            sizes.append(process.memory_info().rss / 2**20)
    assert len(results) <= 11
    assert sizes[-1] - sizes[0] < 16
    assert all(thread is threading.main_thread() or thread.daemon for thread in threading.enumerate())


def test_the_device_is_chosen_in_the_settings(hands: Hands, backend: FakeBackend, wait: Wait) -> None:
    dialog = hands.window.settings_dialog
    dialog.show_page("Device")
    page = dialog.findChild(DevicePage)
    assert page.now.text().startswith("In use: CPU")
    page.device.button("cpu").click()
    assert hands.window.generation.settings.device == "cpu"
    wait(lambda: backend.loads[-1] == ("m5", "cpu"))
    dialog.close()

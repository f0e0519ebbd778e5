"""What was made before comes back and stays: runs in flight, other slices, restored cards, undo to the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt

import seg_editor.export
from seg_editor.editing import Patch
from seg_editor.session.live import Status
from seg_editor.ui.history_strip import THUMB
from seg_editor.ui.live_wiring import restore
from seg_editor.ui.panels.generation import NOTHING_REMOVED
from seg_editor.ui.sampler import Run
from seg_editor.ui.state import Layout, Role
from seg_editor.ui.theme import load_theme
from tests.tiny import make_case
from tests.ui.comparing import CTRL, SHIFT, Wait
from tests.ui.conftest import Hands, quiet, settle
from tests.ui.fake import FakeBackend
from tests.ui.steps import erase


class Labels:
    """An edit that writes a whole volume."""

    name = "Write"

    def __init__(self, wanted: np.ndarray) -> None:
        self.wanted = wanted

    def __call__(self, labels: np.ndarray) -> Patch | None:
        x, y, z = (slice(0, n) for n in labels.shape)
        changed = self.wanted != labels
        return Patch((x, y, z), changed, self.wanted[changed]) if changed.any() else None


def run(hands: Hands, wait: Wait, pictures: int) -> None:
    """Generate and wait until there are so many pictures."""
    hands.window.generation.generate()
    wait(lambda: len(hands.workspace.results) == pictures and not hands.window.generation.running)


def test_undo_in_the_middle_of_a_run_keeps_the_picture_of_the_mask(
    live: Hands, backend: FakeBackend, wait: Wait
) -> None:
    results = live.workspace.results
    first = results.current.request
    live.key(Qt.Key.Key_B)
    backend.hold.clear()
    erase(live, 0)
    wait(lambda: len(backend.runs) == 2)
    live.key(Qt.Key.Key_Z, CTRL)
    wait(lambda: len(backend.ends) == 2)
    backend.hold.set()
    wait(quiet(live))
    assert backend.ends == ["finished", "cancelled"]
    assert results.current.request == first


def test_a_late_run_does_not_take_the_picture_of_this_slice(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    z = live.workspace.view.cursor[2]
    backend.hold.clear()
    live.wheel(1)
    wait(lambda: len(backend.runs) == 2)
    live.wheel(-1)
    assert live.workspace.view.cursor[2] == z
    backend.hold.set()
    wait(lambda: len(live.workspace.results) == 2 and quiet(live)())
    assert live.workspace.results.current.slices == (z,)


def test_live_shows_the_first_picture_beside_the_source(live: Hands) -> None:
    assert live.window.ui.layout is Layout.COMPARE
    live.window.ui.layout = Layout.SINGLE
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    assert live.window.ui.layout is Layout.SINGLE


def test_a_picture_under_the_brush_comes_where_the_source_was(hands: Hands, wait: Wait) -> None:
    """Live generation by a stroke: nothing moves under the mouse, from the tool in hand to the picture."""
    hands.key(Qt.Key.Key_L, CTRL)
    hands.key(Qt.Key.Key_E)
    pane, (x, y, z) = hands.pane(), hands.workspace.view.cursor
    wait(lambda: pane.height() == hands.window.viewer.height())
    before = pane.viewportTransform()
    assert hands.window.tray.isVisible()
    hands.drag([(x - 4, y, z), (x + 4, y, z)])
    wait(quiet(hands))
    assert hands.pane() is pane
    assert pane.viewportTransform() == before
    assert hands.window.ui.picture is Role.RESULT
    assert hands.window.history.cards.entries


def test_the_panes_keep_their_place_when_pictures_and_ensembles_arrive(
    hands: Hands, backend: FakeBackend, wait: Wait, qtbot: object
) -> None:
    window = hands.window
    window.ui.layout = Layout.COMPARE
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, window)
    assert not window.tray.isVisible()
    backend.hold.clear()
    hands.key(Qt.Key.Key_Return)
    wait(lambda: bool(backend.runs))
    assert window.tray.isVisible()
    pane = hands.pane()
    wait(lambda: pane.height() == window.viewer.height())
    before = pane.viewportTransform()
    backend.hold.set()
    wait(quiet(hands))
    assert pane.viewportTransform() == before
    window.compare.ensemble.start(4)
    wait(lambda: window.compare.ensemble.count == 4 and quiet(hands)())
    assert window.ensemble_card.isVisible()
    assert hands.pane() is pane
    assert pane.viewportTransform() == before


def test_who_only_edits_labels_keeps_the_whole_window(hands: Hands, wait: Wait) -> None:
    pane, (x, y, z) = hands.pane(), hands.workspace.view.cursor
    before = pane.viewportTransform()
    hands.key(Qt.Key.Key_E)
    hands.drag([(x - 4, y, z), (x + 4, y, z)])
    hands.key(Qt.Key.Key_B)
    hands.drag([(x - 4, y, z), (x + 4, y, z)])
    assert not hands.window.tray.isVisible()
    assert pane.viewportTransform() == before
    hands.key(Qt.Key.Key_L, CTRL)
    wait(hands.window.tray.isVisible)


def test_a_first_run_in_full_screen_has_its_tray_afterwards(hands: Hands, wait: Wait, qtbot: object) -> None:
    window = hands.window
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_F11)
    wait(window.isFullScreen)
    hands.key(Qt.Key.Key_Return)
    wait(lambda: len(hands.workspace.results) == 1 and not window.generation.running)
    assert not window.tray.isVisible()
    hands.key(Qt.Key.Key_F11)
    wait(window.tray.isVisible)


def test_another_case_has_no_tray_of_the_case_before(
    hands: Hands, backend: FakeBackend, wait: Wait, qtbot: object, tmp_path: Path
) -> None:
    """Neither by a run that is still stopping, nor by full screen."""
    window, before = hands.window, hands.workspace
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, window)
    backend.hold.clear()
    hands.key(Qt.Key.Key_Return)
    wait(lambda: bool(backend.runs) and window.tray.isVisible())
    hands.key(Qt.Key.Key_F11)
    wait(window.isFullScreen)
    window.cases.open(make_case(tmp_path / "BraTS2021_90055", shape=(24, 24, 12)))
    wait(lambda: window.workspace is not None and window.workspace is not before)
    assert not window.tray.isVisible()
    backend.hold.set()
    wait(lambda: not window.generation.running)
    hands.key(Qt.Key.Key_F11)
    wait(lambda: not window.isFullScreen())
    assert not window.tray.isVisible()


def test_the_tray_stays_away_in_full_screen_and_from_a_case_that_is_only_looked_at(hands: Hands, wait: Wait) -> None:
    window = hands.window
    hands.key(Qt.Key.Key_L, CTRL)
    hands.key(Qt.Key.Key_F11)
    wait(window.isFullScreen)
    hands.key(Qt.Key.Key_B)
    assert not window.tray.isVisible()
    hands.key(Qt.Key.Key_F11)
    hands.key(Qt.Key.Key_1)
    hands.key(Qt.Key.Key_B)
    wait(window.tray.isVisible)


def test_the_export_holds_the_mask_of_the_picture(
    live: Hands, wait: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[np.ndarray] = []
    made_for = live.workspace.segmentation.labels.copy()

    def write(*_args: object, edited_labels: np.ndarray, **_kinds: object) -> None:
        written.append(edited_labels)

    monkeypatch.setattr(seg_editor.export, "write_counterfactual", write)
    live.window.generation.settings.live = False
    live.key(Qt.Key.Key_B)
    erase(live, 0)
    assert live.window.generation.stale
    live.window.exports.choose_folder = lambda: str(tmp_path)
    live.window.exports.export_result()
    wait(lambda: bool(written))
    assert np.array_equal(written[0], made_for)


def test_a_restored_seed_stays(hands: Hands, wait: Wait, qtbot: object) -> None:
    generation, results = hands.window.generation, hands.workspace.results
    generation.settings.seed_locked = False
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    run(hands, wait, 1)
    run(hands, wait, 2)
    old = results.entries[0]
    restore(hands.window, old)
    fired: list[None] = []
    hands.window.live._timer.timeout.connect(lambda: fired.append(None))
    wait(lambda: bool(fired) or not hands.window.live._timer.isActive())
    assert results.current.request == old.request


def test_restoring_brings_every_setting_back(hands: Hands, wait: Wait, qtbot: object) -> None:
    generation, results = hands.window.generation, hands.workspace.results
    settings = generation.settings
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, hands.window)
    settings.steps, settings.slices, settings.device = 7, "all", "cpu"
    run(hands, wait, 1)
    settings.steps, settings.slices, settings.device = None, "slice", "auto"
    generation.restore(results.entries[0])
    assert (settings.steps, settings.slices, settings.device) == (7, "all", "cpu")
    generation.generate()
    assert generation.showed_again
    assert not generation.running
    assert len(results) == 1


def test_a_relabeled_mask_shares_the_picture_but_not_the_mask(hands: Hands, wait: Wait, backend: FakeBackend) -> None:
    generation, segmentation = hands.window.generation, hands.workspace.segmentation
    half = segmentation.labels.copy()
    half[: hands.workspace.view.cursor[0]] = 0
    segmentation.apply(Labels(half))
    run(hands, wait, 1)
    values = np.unique(half[half > 0])
    segmentation.apply(Labels(np.where(half == values[0], values[-1], half)))
    assert generation.stale
    generation.generate()
    wait(lambda: len(backend.ends) == 2 and not generation.running)
    assert backend.ends == ["finished", "known"]
    assert not generation.stale
    generation.restore(hands.workspace.results.entries[0])
    assert np.array_equal(segmentation.labels, half)


def test_a_failed_run_of_an_earlier_case_is_not_told(live: Hands) -> None:
    generation, told = live.window.generation, []
    generation.failed.connect(told.append)
    order = generation.order(case=None)
    generation._runs._on_failed(Run(order), ValueError("the network broke"))
    assert not told
    assert generation.settings.live
    assert generation.status is Status.FRESH


def test_stop_is_told_at_once(live: Hands, backend: FakeBackend, wait: Wait) -> None:
    backend.hold.clear()
    generation = live.window.generation
    generation.settings.seed = 9
    wait(lambda: len(backend.runs) == 2)
    assert generation.status is Status.PREPARING
    live.key(Qt.Key.Key_Escape)
    assert live.window.generation_panel.chip.text() == "Stopping…"
    wait(lambda: generation.status is Status.CANCELLED)


def test_undo_to_the_start_shows_the_source(live: Hands, backend: FakeBackend, wait: Wait, qtbot: object) -> None:
    live.key(Qt.Key.Key_Z, CTRL)
    wait(lambda: not live.window.generation.running)
    settle(qtbot, live.window)
    assert live.workspace.results.current is None
    assert live.window.generation.status is Status.IDLE
    assert live.window.generation_panel.time.text() == NOTHING_REMOVED
    live.key(Qt.Key.Key_Z, CTRL | SHIFT)
    wait(quiet(live))
    assert live.workspace.results.current is not None
    assert len(backend.runs) == 1


def test_the_badge_of_a_step_leaves_with_its_slice(live: Hands) -> None:
    link, badge = live.window.compare, live.window.metrics_panel.badge
    link.scrub(0)
    assert badge.text() == "of the result, not of this step"
    titles = [content.pane.marks.title for content in live.window.viewer.contents]
    assert f"Step 1 of {live.workspace.results.current.request.steps}" in titles
    live.window.generation.settings.live = False
    live.wheel(1)
    assert badge.text() != "of the result, not of this step"


def test_an_ensemble_keeps_the_seeds_that_the_history_dropped(live: Hands, wait: Wait) -> None:
    workspace, ensemble = live.workspace, live.window.compare.ensemble
    workspace.results._max_bytes = 1
    ensemble.start(4)
    wait(lambda: ensemble.count == 4 and not live.window.generation.running)
    assert len(workspace.results) < 4
    assert ensemble.made is not None
    assert ensemble.made.seeds == (0, 1, 2, 3)
    first, second, third, _ = ensemble.made.results
    assert first.hole is second.hole is third.hole


def test_the_chip_follows_undo_and_redo_in_manual_mode(hands: Hands, wait: Wait, qtbot: object) -> None:
    window, panel = hands.window, hands.window.generation_panel
    window.generation.settings.live = False
    hands.key(Qt.Key.Key_R, CTRL)
    run(hands, wait, 1)
    wait(lambda: panel.chip.text() == str(Status.FRESH))
    settle(qtbot, window)
    hands.key(Qt.Key.Key_Z, CTRL)
    wait(lambda: panel.chip.text() == str(Status.IDLE) and panel.time.text() == NOTHING_REMOVED)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_Z, CTRL | SHIFT)
    wait(lambda: panel.chip.text() == str(Status.FRESH) and panel.time.text() != NOTHING_REMOVED)


def test_a_card_of_an_earlier_mask_looks_alike_in_both_themes(live: Hands, wait: Wait) -> None:
    history = live.window.history
    live.key(Qt.Key.Key_Z, CTRL)
    wait(lambda: not live.window.generation.running and bool(history.cards._thumbs))
    x, y = round(history.cards.card(0).left()) + 6, round(history.cards.card(0).top()) + 6
    seen = []
    for name in ("dark", "light"):
        history.set_theme(load_theme(name))
        picture = history.cards.grab().toImage()
        spots = range(8, THUMB - 8, 4)
        seen.append([picture.pixelColor(x + column, y + row).lightness() for row in spots for column in spots])
    assert seen[0] == seen[1]
    assert max(seen[0]) < 200

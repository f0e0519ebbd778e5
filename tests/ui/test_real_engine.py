"""The window with the real engine: a small random network from disk, and the bundled models where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtWidgets import QApplication

from seg_editor.generation import registry
from seg_editor.ui.app import make_window
from seg_editor.ui.backend import EngineBackend
from seg_editor.ui.case_actions import DISCARD
from seg_editor.ui.generation import Status
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.preferences import Preferences
from tests.models import write_model, write_referee
from tests.ui.conftest import Hands, settle

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(params=["random", "bundled"])
def window(
    request: pytest.FixtureRequest, qtbot: object, qapp: QApplication, preferences: Preferences, tmp_path: Path
) -> Iterator[MainWindow]:
    """The window with the real engine."""
    if request.param == "random":
        write_model(tmp_path / "models" / "m5")
        write_referee(tmp_path / "models" / "m4")
        monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        monkeypatch.setattr(registry, "resource_path", lambda *parts: tmp_path.joinpath(*parts))
    elif not EngineBackend().models():
        pytest.skip("no generating model is bundled")
    made = make_window(qapp, backend=EngineBackend("cpu"), preferences=preferences, theme="dark")
    made.cases.journal = False
    made.cases.ask = lambda _purpose: DISCARD
    made.show()
    qtbot.waitUntil(lambda: bool(made.generation.models))  # type: ignore[attr-defined]
    yield made
    made.close()
    made.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_remove_generate_measure(hands: Hands, qtbot: object, wait: Callable[[Callable[[], bool]], None]) -> None:
    window, generation = hands.window, hands.window.generation
    failures: list[object] = []
    generation.failed.connect(failures.append)
    generation.settings.steps = 2
    hands.key(Qt.Key.Key_R, CTRL)
    settle(qtbot, window)
    hands.key(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: generation.status in (Status.FRESH, Status.FAILED), timeout=120_000)  # type: ignore[attr-defined]
    assert not failures
    result = hands.workspace.results.current
    assert result is not None
    assert generation.device == "CPU"
    modality = hands.workspace.view.modality
    source, made = hands.workspace.case.volumes[modality].raw, result.raw(hands.workspace.case, modality)
    assert np.array_equal(source[~result.hole.mask], made[~result.hole.mask])
    assert window.metrics_panel.outside.value.text() == "0"
    assert generation.metrics().per_slice[0].tumor_residual is not None
    hands.key(Qt.Key.Key_Return)
    wait(lambda: not generation.running)
    assert len(hands.workspace.results) == 1


@pytest.mark.slow
def test_a_live_session(hands: Hands, qtbot: object) -> None:
    """Ten live strokes, undo back to the first picture without a run, an ensemble, cancel, close while running."""
    window, generation, results = hands.window, hands.window.generation, hands.workspace.results

    def quiet() -> bool:
        idle = not generation.running and not generation.pending
        return idle and generation.status in (Status.FRESH, Status.FAILED)

    def until(true: Callable[[], bool]) -> None:
        qtbot.waitUntil(true, timeout=300_000)  # type: ignore[attr-defined]

    runs: list[object] = []
    generation.made.connect(lambda order, key: runs.append(order))
    hands.key(Qt.Key.Key_L, CTRL)
    hands.key(Qt.Key.Key_R, CTRL)
    until(lambda: bool(runs) and quiet())
    first = results.current
    assert first is not None
    hands.key(Qt.Key.Key_B)
    x, y, z = hands.workspace.view.cursor
    for number in range(10):
        hands.drag([(x - 4, y - 6 + number, z), (x + 4, y - 6 + number, z)])
        until(lambda count=number + 2: len(runs) == count and quiet())
    assert len(hands.workspace.history) == 11
    for _ in range(10):
        hands.key(Qt.Key.Key_Z, CTRL)
        until(quiet)
    assert len(runs) == 11
    assert results.current.request == first.request
    window.compare.ensemble.start(4)
    until(lambda: window.compare.ensemble.count == 4 and not generation.running)
    assert window.compare.ensemble.spreads()["texture_ratio"].sd > 0
    generation.settings.seed = 77
    until(lambda: generation.running)
    hands.key(Qt.Key.Key_Escape)
    until(lambda: not generation.running)
    generation.settings.slices = "all"
    until(lambda: generation.running)
    assert window.close()
    assert not generation._runs._sampler.alive

"""Every key and every gesture of every preset, pressed for real, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QDialog

from seg_editor.cases import Modality
from seg_editor.editing import Brush, PaintStroke
from seg_editor.ui import case_actions, exports
from seg_editor.ui.action_table import ACTIONS, PRESETS
from seg_editor.ui.app import make_window
from seg_editor.ui.case_actions import CANCEL, DISCARD
from seg_editor.ui.compare import Mode
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.planes import Plane
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.state import Layout, Role, Tool
from tests.tiny import make_case
from tests.ui.conftest import NO_BUTTON, NONE, Hands
from tests.ui.fake import FakeBackend

CASES = [
    pytest.param(preset, action.id, key, id=f"{preset}-{action.id}-{key}")
    for preset in PRESETS
    for action in ACTIONS
    if action.kind in ("press", "hold", "modal")
    for key in action.keys_for(preset)
]
GESTURES = [
    pytest.param(preset, action.id, text, tool, id=f"{preset}-{action.id}-{text}-{tool or 'any'}")
    for preset in PRESETS
    for action in ACTIONS
    if action.kind == "mouse"
    for text in action.keys_for(preset)
    for tool in action.tools or ("",)
]
BUTTONS = {
    "Left": Qt.MouseButton.LeftButton,
    "Middle": Qt.MouseButton.MiddleButton,
    "Right": Qt.MouseButton.RightButton,
}
HELD = {
    "Ctrl": Qt.KeyboardModifier.ControlModifier,
    "Shift": Qt.KeyboardModifier.ShiftModifier,
    "Alt": Qt.KeyboardModifier.AltModifier,
}


class Bench:
    """One window for all bindings; :meth:`reset` brings it back to where each test begins."""

    def __init__(self, app: QApplication, folder: Path) -> None:
        self.app = app
        self.calls: list[str] = []
        self.triggered: list[str] = []
        self.backend = FakeBackend()
        self.window: MainWindow = make_window(
            app, backend=self.backend, preferences=Preferences(folder / "p.ini"), theme="dark"
        )
        self.window.resize(1280, 800)
        self.window.cases.journal = False
        self.window.show()
        for neighbor in ("BraTS2021_90002", "BraTS2021_90004"):
            make_case(folder / neighbor, shape=(12, 12, 8))
        self.window.cases.open(make_case(folder / "BraTS2021_90003", shape=(60, 64, 40)))
        self.until(lambda: self.window.workspace is not None and bool(self.window.generation.models))
        self.until(lambda: self.window.neighbors.previous is not None and not self.window.neighbors.reading_ahead)
        self.hands = Hands(self.window)
        self.window.generation.settings.live = False
        for action in ACTIONS:
            if action.kind == "press":
                made = self.window.actions_table[action.id]
                made.triggered.connect(lambda _on=False, name=action.id: self.triggered.append(name))
        self.start = self.hands.workspace.view.cursor
        self.act("remove")
        self.window.generation.generate()
        self.until(lambda: self.hands.workspace.results.current is not None and not self.window.generation.running)

    def until(self, true: Callable[[], bool], turns: int = 20_000) -> None:
        """Let the window live until something is true."""
        for _ in range(turns):
            if true():
                return
            self.app.processEvents()
            QTest.qWait(1)
        raise AssertionError("the window did not get there")

    def settle(self) -> None:
        """Wait until the actions know what is true now."""
        window = self.window
        self.until(
            lambda: not (window.busy_with_actions or window.reshape.computing or window.viewer.following.pending)
        )

    def act(self, name: str) -> None:
        """Trigger an action by its name."""
        self.settle()
        self.window.actions_table[name].trigger()
        self.settle()

    def reset(self, preset: str) -> None:
        """Start state: navigate, one axial pane, tumor as opened, cursor in it."""
        window, workspace = self.window, self.hands.workspace
        window.tools.cancel()
        window.generation.stop()
        clipboard = self.app.clipboard()
        if clipboard is not None:
            clipboard.clear()
        for widget in self.app.topLevelWidgets():
            if isinstance(widget, QDialog) and widget.isVisible():
                widget.close()
        window.cases.saves.wait()
        while workspace.history.can_undo:
            workspace.undo()
        view, ui = workspace.view, window.ui
        view.on_tissue, view.locked, ui.hidden_labels = False, frozenset(), frozenset()
        view.cursor, view.plane, view.brush, view.opacity = self.start, Plane.AXIAL, Brush("round", 3.0), 0.5
        view.modality, view.active_label, view.windows, view.overlay = view.modalities[1], 2, {}, True
        ui.maximized, ui.layout, ui.tool, ui.picture = None, Layout.SINGLE, Tool.NAVIGATE, Role.SOURCE
        if window.actions_table.preset != preset:
            window.choose_keys(preset)
        window.compare.state.mode = Mode.PLAIN
        window.viewer.fit()
        window.activateWindow()
        self.hands.pane().setFocus()
        self.settle()
        self.calls.clear()
        self.triggered.clear()

    def state(self) -> dict[str, Any]:
        """Everything that a binding may change."""
        window, workspace = self.window, self.hands.workspace
        view, ui = workspace.view, window.ui
        fields = {f"view.{k}": v for k, v in vars(view).items() if isinstance(k, str) and k not in ("changed", "_case")}
        fields |= {f"ui.{k}": v for k, v in vars(ui).items() if k != "changed"}
        fields |= {f"run.{k}": v for k, v in vars(window.generation.settings).items() if k != "changed"}
        fields |= {f"compare.{k}": v for k, v in vars(window.compare.state).items() if k != "changed"}
        fields["labels"] = workspace.segmentation.labels.tobytes()
        fields["revision"] = workspace.segmentation.revision
        fields["cameras"] = [(pane.camera.zoom, pane.camera.center) for pane in window.viewer.panes]
        fields["windows"] = sum(w.isVisible() for w in self.app.topLevelWidgets())
        fields["full"] = window.isFullScreen()
        fields["calls"] = tuple(self.calls)
        fields["runs"] = len(self.backend.runs)
        fields["focus"] = id(self.app.focusWidget())
        fields["active"] = window.viewer.contents.index(window.viewer.active) if window.viewer.active else None
        fields["saving"] = window.cases.saves.running
        clipboard = self.app.clipboard()
        fields["clipboard"] = "" if clipboard is None else clipboard.text()
        return fields


@pytest.fixture(scope="module")
def bench(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(qapp, tmp_path_factory.mktemp("bindings"))
    yield made
    made.window.cases.ask = lambda _purpose: DISCARD
    made.window.close()
    made.window.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture(autouse=True)
def no_dialogs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """File dialogs and questions are written down and answered with no."""

    def asked(what: str, answer: Any) -> Callable[..., Any]:
        def ask(*_args: object, **_more: object) -> Any:
            bench.calls.append(what)
            return answer

        return ask

    for module in (case_actions, exports):
        monkeypatch.setattr(module.QFileDialog, "getExistingDirectory", asked("folder", ""))
        monkeypatch.setattr(module.QFileDialog, "getOpenFileName", asked("file", ("", "")))
        monkeypatch.setattr(module.QFileDialog, "getSaveFileName", asked("save", ("", "")))
    bench.window.cases.ask = asked("question", CANCEL)


def paint(bench: Bench) -> None:
    bench.hands.workspace.apply(PaintStroke(((5.0, 5.0, 20.0),), Brush("round", 2.0), 2, 1))


def two_slices(bench: Bench) -> None:
    """The active label in two slices that are apart, and nowhere else."""
    bench.act("remove")
    for z in (18.0, 22.0):
        bench.hands.workspace.apply(PaintStroke(((20.0, 20.0, z),), Brush("round", 3.0), 2, 2))


def one_slice(bench: Bench) -> None:
    """The slice on display differs from its neighbors."""
    x, y, z = bench.start
    bench.hands.workspace.apply(PaintStroke(((x - 9.0, y - 9.0, float(z)),), Brush("round", 2.0), 2, 1))


def pictured(bench: Bench) -> None:
    """The tumor removed and a picture on display."""
    bench.act("remove")
    bench.window.generation.generate()
    bench.until(lambda: bench.hands.workspace.results.current is not None and not bench.window.generation.running)


def fading(bench: Bench) -> None:
    pictured(bench)
    bench.window.compare.state.mode = Mode.FADE


def redone(bench: Bench) -> None:
    paint(bench)
    bench.hands.workspace.undo()


def zoomed(bench: Bench) -> None:
    bench.window.viewer.zoom(3.0)


def windowed(bench: Bench) -> None:
    view = bench.hands.workspace.view
    view.set_window(view.modality, (1.0, 2.0))


def planes(bench: Bench) -> None:
    bench.window.ui.layout = Layout.PLANES


def with_tissue(bench: Bench) -> None:
    if bench.window.tissue.labels is None:
        brain = bench.hands.workspace.case.brain

        class Made:
            labels = brain.astype(np.uint8) * 2

        bench.window.tissue._finish(Made)


def emptied(bench: Bench) -> None:
    bench.act("remove")


def other(name: str, value: Any) -> Callable[[Bench], None]:
    return lambda bench: setattr(bench.window.ui, name, value)


def looking(name: str, value: Any) -> Callable[[Bench], None]:
    return lambda bench: setattr(bench.hands.workspace.view, name, value)


BEFORE: dict[str, Callable[[Bench], None]] = {
    "undo": paint,
    "redo": redone,
    "save": paint,
    "close": paint,
    "next_case": paint,
    "previous_case": paint,
    "quit": paint,
    "op_interpolate": two_slices,
    "op_interpolate_all": two_slices,
    "op_copy_next": one_slice,
    "op_copy_previous": one_slice,
    "ensemble": emptied,
    "compare_plain": fading,
    "compare_blink": pictured,
    "compare_fade": pictured,
    "compare_swipe": pictured,
    "compare_lens": pictured,
    "compare_checker": pictured,
    "referee": pictured,
    "copy_metrics": pictured,
    "export_result": pictured,
    "navigate": other("tool", Tool.PAINT),
    "stop": other("tool", Tool.PAINT),
    "fit": zoomed,
    "auto_window": windowed,
    "reset_windows": windowed,
    "pan_left": zoomed,
    "maximize": planes,
    "pane_next": planes,
    "tissue": with_tissue,
    "edit_tissue": with_tissue,
    "generate": emptied,
    "generate_models": emptied,
    "axial": looking("plane", Plane.CORONAL),
    "layout_single": planes,
    "show_source": other("picture", Role.RESULT),
    "modality_t1c": looking("modality", Modality.T1),
    "largest": looking("cursor", (5, 5, 2)),
}


def press(bench: Bench, key: str) -> None:
    combination = QKeySequence(key)[0]
    QTest.keyClick(bench.hands.pane(), combination.key(), combination.keyboardModifiers())


@pytest.mark.parametrize(("preset", "name", "key"), CASES)
def test_key(bench: Bench, preset: str, name: str, key: str) -> None:
    spec = next(action for action in ACTIONS if action.id == name)
    bench.reset(preset)
    if spec.kind == "hold":
        check_hold(bench, key)
    elif spec.kind == "modal":
        check_modal(bench, name, key)
    else:
        check_press(bench, name, key)


def check_press(bench: Bench, name: str, key: str) -> None:
    BEFORE.get(name, lambda _bench: None)(bench)
    bench.settle()
    bench.triggered.clear()
    before = bench.state()
    action = bench.window.actions_table[name]
    assert action.isEnabled(), f"disabled: {bench.window.actions_table.why_disabled(name)}"
    press(bench, key)
    assert bench.triggered == [name]
    bench.until(lambda: bench.state() != before)
    if name in ("generate", "generate_models", "ensemble"):
        bench.until(lambda: not bench.window.generation.running)
    if name == "full_screen":
        press(bench, key)
    if name == "live":
        bench.window.generation.settings.live = False


def check_hold(bench: Bench, key: str) -> None:
    which = QKeySequence(key)[0].key()
    QTest.keyPress(bench.hands.pane(), which)
    assert bench.window.ui.peek
    QTest.keyRelease(bench.hands.pane(), which)
    assert not bench.window.ui.peek


def check_modal(bench: Bench, name: str, key: str) -> None:
    window, hands = bench.window, bench.hands
    window.ui.tool = Tool.POLYGON
    x, y, z = bench.start
    before = hands.workspace.segmentation.labels.copy()
    for corner in ((x - 6, y - 6, z), (x + 6, y - 6, z), (x, y + 8, z)):
        hands.drag([corner])
    points = len(window.tools._polygon.points)  # type: ignore[union-attr]
    assert points == 3
    press(bench, key)
    assert bench.triggered == []
    if name == "o_back":
        assert len(window.tools._polygon.points) == points - 1  # type: ignore[union-attr]
        return
    assert not window.tools.drafting
    after = hands.workspace.segmentation.labels
    wanted = {"o_close": 2, "o_clear": 0}.get(name)
    if wanted is None:
        assert np.array_equal(before, after)
    else:
        assert after[x, y, z] == wanted
        assert not np.array_equal(before, after)


OBSERVED: dict[str, Callable[[Bench], Any]] = {
    "m_paint": lambda b: b.hands.workspace.history.names,
    "m_erase": lambda b: b.hands.workspace.history.names,
    "m_fill": lambda b: b.hands.workspace.history.names,
    "m_pick_here": lambda b: b.hands.workspace.view.active_label,
    "m_pick": lambda b: b.hands.workspace.view.active_label,
    "m_point": lambda b: b.window.tools.drafting,
    "m_close": lambda b: b.hands.workspace.history.names,
    "m_move": lambda b: b.hands.workspace.history.names,
    "m_navigate": lambda b: b.hands.workspace.view.cursor,
    "m_crosshair": lambda b: b.hands.workspace.view.cursor,
    "m_size": lambda b: b.hands.workspace.view.brush.radius_mm,
    "m_slice": lambda b: b.hands.workspace.view.cursor[2],
    "m_slice_5": lambda b: b.hands.workspace.view.cursor[2],
    "m_zoom": lambda b: b.hands.pane().camera.zoom,
    "m_zoom_drag": lambda b: b.hands.pane().camera.zoom,
    "m_pan": lambda b: b.hands.pane().camera.center,
    "m_window": lambda b: dict(b.hands.workspace.view.windows),
    "m_maximize": lambda b: b.window.ui.maximized,
}
ANY_TOOL = {"m_pick": Tool.NAVIGATE, "m_crosshair": Tool.PAINT, "m_slice_5": Tool.NAVIGATE, "m_pan": Tool.NAVIGATE}


@pytest.mark.parametrize(("preset", "name", "text", "tool"), GESTURES)
def test_gesture(bench: Bench, preset: str, name: str, text: str, tool: str) -> None:
    bench.reset(preset)
    window, hands = bench.window, bench.hands
    window.ui.tool = Tool(tool) if tool else ANY_TOOL.get(name, Tool.NAVIGATE)
    hands.workspace.view.active_label = 1
    x, y, z = bench.start
    labels = hands.workspace.segmentation.labels
    there = np.argwhere(labels[:, :, z] == (1 if name == "m_erase" else 2))[0]
    start = (float(there[0]), float(there[1]), float(z))
    if name == "m_close":
        for corner in ((x - 9, y - 9, z), (x + 9, y - 9, z), (x, y + 9, z)):
            hands.drag([corner])
    if name == "m_maximize":
        window.ui.layout = Layout.PLANES
    before = OBSERVED[name](bench)
    gesture(hands, text, start, (start[0] + 4, start[1] + 6, start[2]))
    assert OBSERVED[name](bench) != before
    if name.startswith("m_slice"):
        assert abs(hands.workspace.view.cursor[2] - z) == (5 if name == "m_slice_5" else 1)


def gesture(hands: Hands, text: str, start: tuple[float, float, float], end: tuple[float, float, float]) -> None:
    *held, control = text.split("+")
    keys = NONE
    for name in held:
        keys |= HELD.get(name, NONE)
    if "Space" in held:
        QTest.keyPress(hands.pane(), Qt.Key.Key_Space)
    what = control.split(" ")[0]
    if what in BUTTONS:
        hands.drag([start, end] if "drag" in control else [start], BUTTONS[what], keys)
    elif what == "Wheel":
        hands.wheel(1, keys)
    elif what == "Move":
        hands.send(QEvent.Type.MouseMove, hands.at(end), NO_BUTTON, NO_BUTTON, keys)
    else:
        left = BUTTONS["Left"]
        at = hands.at(start)
        hands.send(QEvent.Type.MouseButtonDblClick, QPointF(at), left, left, keys)
        hands.send(QEvent.Type.MouseButtonRelease, QPointF(at), left, NO_BUTTON, keys)
    if "Space" in held:
        QTest.keyRelease(hands.pane(), Qt.Key.Key_Space)

"""``seg-editor bench``: the editor's latencies on this machine, with the real window, real events and the real model.

Every time runs from an event to the end of the repaint that it caused. Times on shared machines are noisy: compare
ratios within one run, not milliseconds between machines.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seg_editor.errors import ModelError

if TYPE_CHECKING:
    from PyQt6.QtCore import QEvent, QPointF, Qt

_VISIBLE = (
    "from seg_editor.ui.app import make_application, make_window\n"
    "a = make_application(); w = make_window(a); w.show()\n"
    "while not w.windowHandle().isExposed(): a.processEvents()\n"
    "a.processEvents(); print('visible', flush=True); w.close()\n"
)


def run_bench(case: Path, *, strokes: int = 8, dabs: int = 25) -> dict[str, Any]:
    """Measure on a case; flat keys, milliseconds unless the key says otherwise.

    Parameters
    ----------
    case : Path
        What ``open_case`` accepts; it needs a segmentation with a tumor.
    strokes, dabs : int
        Strokes painted, and mouse events in each.

    Raises
    ------
    CaseError
        The case cannot be opened.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # the offscreen plugin is talkative
    from seg_editor.cases import open_case

    open_case(case)  # a bad case is said before anything is measured
    figures: dict[str, Any] = {"window_visible_ms": _window_visible()}
    bench = _Bench(case)
    try:
        figures |= bench.open()
        figures |= bench.paint(strokes, dabs)
        figures |= bench.generate()
    finally:
        bench.close()
    figures["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return (
        {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
        | machine()
        | {"case": bench.case_id}
    )


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    from seg_editor.doctor import examine

    found = examine()
    return {
        "machine": f"{platform.machine()}, {found['cores']} cores, {found['memory_gb']} GB",
        "system": found["system"],
        "python": found["python"],
        "versions": found["packages"],
        "seg_editor": found["seg_editor"],
        "runtime": found["device"]["runtime"],
    }


def render(figures: dict[str, Any]) -> str:
    """The figures as a table."""
    rows = [(k, v) for k, v in figures.items() if isinstance(v, int | float)]
    return "\n".join([*(f"{k:36s} {v:>10}" for k, v in rows), figures["machine"]])


def _window_visible() -> float:
    """Process start to a visible window."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "XDG_CONFIG_HOME": home}
        began = time.perf_counter()
        with subprocess.Popen([sys.executable, "-c", _VISIBLE], stdout=subprocess.PIPE, env=env) as child:
            assert child.stdout is not None
            child.stdout.readline()
            return (time.perf_counter() - began) * 1000


class _Bench:
    """One window and what is done to it."""

    def __init__(self, case: Path) -> None:
        from seg_editor.ui.app import make_application, make_window
        from seg_editor.ui.preferences import Preferences

        self.path = case
        self.case_id = case.name
        self.application = make_application()
        self._folder = tempfile.TemporaryDirectory()
        self.window = make_window(
            self.application, preferences=Preferences(Path(self._folder.name) / "preferences.ini")
        )
        self.window.cases.journal = False
        self.window.cases.ask = lambda _purpose: "discard"
        self.window.resize(1440, 900)
        self.window.show()

    def close(self) -> None:
        self.window.close()
        self.application.processEvents()
        self._folder.cleanup()

    def until(self, true: Callable[[], bool], seconds: float = 120.0) -> None:
        """Let the window work until something is true."""
        from PyQt6.QtCore import QEventLoop

        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise ModelError("the window did not answer in time", remedy="Look at the log, or try a smaller case")
            self.application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)

    def timed(self, act: Callable[[], Any]) -> float:
        """Milliseconds of an action and of the repaint that it caused."""
        began = time.perf_counter()
        act()
        self.application.processEvents()
        return (time.perf_counter() - began) * 1000

    def open(self) -> dict[str, float]:
        window = self.window
        began = time.perf_counter()
        window.cases.open(self.path)
        self.until(lambda: window.workspace is not None)
        self.application.processEvents()
        opened = (time.perf_counter() - began) * 1000
        assert window.workspace is not None
        self.case_id = window.workspace.case.case_id
        self.trigger("layout_planes")
        self.until(lambda: not window.busy_with_actions)
        steps = [self.timed(lambda n=n: self._wheel(n)) for n in [1, -1] * 30]  # type: ignore[misc]
        return {"case_open_ms": opened, **_spread("slice_step", steps)}

    def paint(self, strokes: int, dabs: int) -> dict[str, float]:
        """Strokes of radius 20 voxels across the axial pane, three panes visible; then undo all."""
        from seg_editor.editing import Brush

        self.trigger("paint")
        workspace = self.window.workspace
        assert workspace is not None
        spacing = min(workspace.case.grid.spacing)
        workspace.view.brush = Brush("round", 20.0 * spacing)
        flat = self._strokes(strokes, dabs)
        workspace.view.brush = Brush("round", 10.0 * spacing, True)
        solid = self._strokes(max(2, strokes // 3), dabs)
        undo = [self.timed(lambda: self.trigger("undo")) for _ in range(len(workspace.history.names))]
        return {**_spread("dab", flat), **_spread("three_d_dab", solid), **_spread("undo", undo)}

    def generate(self) -> dict[str, float]:
        """Remove the tumor; time previews and results of single slices, painting meanwhile, and cancel."""
        window = self.window
        workspace = window.workspace
        assert workspace is not None
        self.until(lambda: bool(window.generation.models) or bool(window.generation.model_problem))
        if window.generation.model_problem:
            return {}
        self.trigger("navigate")
        self.trigger("remove")
        slices = list(workspace.hole().slices)
        middle = slices[len(slices) // 2]
        first, final = self._run(middle)
        warm = [self._run(k) for k in slices[len(slices) // 2 + 1 : len(slices) // 2 + 6]]
        figures = {
            "first_preview_new_hole_ms": first,
            "final_counterfactual_new_hole_ms": final,
            "first_preview_ms": float(np.median([a for a, _ in warm])),
            "final_counterfactual_ms": float(np.median([b for _, b in warm])),
        }
        return figures | self._while_sampling(slices)

    def _while_sampling(self, slices: list[int]) -> dict[str, float]:
        from PyQt6.QtCore import QTimer

        from seg_editor.editing import Brush

        window = self.window
        assert window.workspace is not None
        late: list[float] = []
        last = [time.perf_counter()]

        def tick() -> None:
            now = time.perf_counter()
            late.append((now - last[0]) * 1000 - 5)
            last[0] = now

        window.generation.settings.slices = "all"
        window.generation.generate()
        self.until(lambda: window.generation.running)
        timer = QTimer()
        timer.timeout.connect(tick)
        timer.start(5)
        self.trigger("paint")
        window.workspace.view.brush = Brush("round", 20.0 * min(window.workspace.case.grid.spacing))
        dabs = self._strokes(3, 25)
        timer.stop()
        began = time.perf_counter()
        window.generation.stop()
        self.until(lambda: not window.generation.running)
        return {
            **_spread("dab_while_sampling", dabs),
            "gui_stall_max_ms": max(late, default=0.0),
            "cancel_ms": (time.perf_counter() - began) * 1000,
        }

    def _run(self, k: int) -> tuple[float, float]:
        """Generate one slice: milliseconds to the first preview and to the result."""
        window = self.window
        workspace = window.workspace
        assert workspace is not None
        x, y, _ = workspace.view.cursor
        workspace.view.cursor = (x, y, k)
        window.generation.settings.slices = "slice"
        self.until(lambda: not window.busy_with_actions)
        previews: list[float] = []
        before = len(list(workspace.results))
        began = time.perf_counter()

        def seen(_preview: object) -> None:
            previews.append((time.perf_counter() - began) * 1000)

        window.generation.previewed.connect(seen)
        window.generation.generate()
        self.until(lambda: len(list(workspace.results)) > before)
        self.application.processEvents()
        final = (time.perf_counter() - began) * 1000
        window.generation.previewed.disconnect(seen)
        self.until(lambda: not window.generation.running)
        return previews[0], final

    def trigger(self, name: str) -> None:
        self.until(lambda: not self.window.busy_with_actions)
        self.window.actions_table[name].trigger()

    def _strokes(self, strokes: int, dabs: int) -> list[float]:
        from PyQt6.QtCore import QEvent, QPointF, Qt

        port = self.window.viewer.panes[0].viewport()
        assert port is not None
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        times = []
        for s in range(strokes):
            row = port.height() * (0.35 + 0.3 * s / max(strokes, 1))
            points = [QPointF(port.width() * (0.3 + 0.4 * i / dabs), row) for i in range(dabs)]
            self.timed(lambda p=points[0]: self._mouse(QEvent.Type.MouseButtonPress, p, left, left))  # type: ignore[misc]
            for point in points[1:]:
                times.append(self.timed(lambda p=point: self._mouse(QEvent.Type.MouseMove, p, none, left)))  # type: ignore[misc]
            self.timed(lambda p=points[-1]: self._mouse(QEvent.Type.MouseButtonRelease, p, left, none))  # type: ignore[misc]
        return times

    def _mouse(self, kind: QEvent.Type, where: QPointF, button: Qt.MouseButton, buttons: Qt.MouseButton) -> None:
        from PyQt6.QtCore import Qt
        from PyQt6.QtGui import QMouseEvent

        port = self.window.viewer.panes[0].viewport()
        assert port is not None
        event = QMouseEvent(kind, where, port.mapToGlobal(where), button, buttons, Qt.KeyboardModifier.NoModifier)
        self.application.sendEvent(port, event)

    def _wheel(self, notches: int) -> None:
        from PyQt6.QtCore import QPoint, QPointF, Qt
        from PyQt6.QtGui import QWheelEvent

        port = self.window.viewer.panes[0].viewport()
        assert port is not None
        where = QPointF(port.rect().center())
        delta = QPoint(0, 120 * notches)
        none = Qt.MouseButton.NoButton
        event = QWheelEvent(
            where,
            port.mapToGlobal(where),
            delta,
            delta,
            none,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        self.application.sendEvent(port, event)


def _spread(name: str, times: list[float]) -> dict[str, float]:
    """Median and 95th percentile under flat keys."""
    return {f"{name}_p50_ms": float(np.median(times)), f"{name}_p95_ms": float(np.percentile(times, 95))}

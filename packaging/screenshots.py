"""Drive the real window on the demo case and save pictures of it: ``python packaging/screenshots.py FOLDER``.

Works without a display. Every combination of theme and scale runs in its own process, as Qt fixes the scale at start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SIZE = (1440, 900)
ERROR = "BraTS2021_00014_flair.nii.gz: the file ends too early. Copy it again from where it came."


class Director:
    """Performs the scenes on one window."""

    def __init__(self, folder: Path, suffix: str, theme: str, case: Path | None) -> None:
        from seg_editor.ui.app import make_application, make_window
        from seg_editor.ui.preferences import Preferences

        self.folder, self.suffix = folder, suffix
        self.application = make_application()
        preferences = Preferences(Path(tempfile.mkdtemp()) / "preferences.ini")
        self.window = make_window(self.application, backend=_backend(), preferences=preferences, theme=theme)
        self.window.cases.journal = False
        self.window.cases.ask = lambda _purpose: "discard"
        self.window.resize(*SIZE)
        self.case = case

    def until(self, true: Callable[[], bool], seconds: float = 300.0) -> None:
        """Let the window work until something is true."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise TimeoutError("the window did not get there")
            self.application.processEvents()
            time.sleep(0.002)
        self.rest()

    def rest(self, seconds: float = 0.15) -> None:
        """Let timers and repaints finish."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.application.processEvents()
            time.sleep(0.002)

    def shoot(self, name: str, widget: Any = None) -> None:
        """Save a picture of the window or of a widget."""
        self.rest()
        path = self.folder / f"{name}{self.suffix}.png"
        (widget or self.window).grab().save(str(path))
        print(path, flush=True)

    def trigger(self, name: str) -> None:
        """Do an action of the table."""
        self.rest(0.05)
        action = self.window.actions_table[name]
        if not action.isEnabled():
            raise RuntimeError(f"{name} is disabled: {action.toolTip()}")
        action.trigger()

    def stroke(self, path: list[tuple[float, float]]) -> None:
        """Paint along fractions of the first pane with real mouse events; the mouse stays over it."""
        from PyQt6.QtCore import QEvent, QPointF, Qt
        from PyQt6.QtGui import QMouseEvent

        port = self.window.viewer.panes[0].viewport()
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * (len(path) - 1)]
        for kind, (x, y) in zip(kinds, path, strict=True):
            where = QPointF(x * port.width(), y * port.height())
            button = left if kind is QEvent.Type.MouseButtonPress else none
            event = QMouseEvent(kind, where, port.mapToGlobal(where), button, left, Qt.KeyboardModifier.NoModifier)
            self.application.sendEvent(port, event)
        release = QEvent.Type.MouseButtonRelease
        event = QMouseEvent(release, where, port.mapToGlobal(where), left, none, Qt.KeyboardModifier.NoModifier)
        self.application.sendEvent(port, event)

    def perform(self) -> None:
        """All scenes, one after another."""
        window = self.window
        window.show()
        self.until(lambda: bool(window.generation.models) or bool(window.generation.model_problem))
        self.shoot("empty")
        if self.case is None:
            window.cases.open_demo()
        else:
            window.cases.open(self.case)
        self.until(lambda: window.workspace is not None)
        self.shoot("open")
        self.layouts()
        self.settings()
        self.trigger("layout_single")
        self.trigger("paint")
        window.workspace.view.active_label = window.workspace.case.scheme.label_values[1]
        self.stroke([(0.60, 0.36), (0.63, 0.42), (0.62, 0.48), (0.64, 0.53)])
        self.shoot("painting")
        self.trigger("undo")
        self.trigger("navigate")
        self.trigger("remove")
        if not window.generation.model_problem:
            self.compare()
        window.errors.show_error(ERROR)
        self.shoot("error")
        window.errors.dismiss()
        self.trigger("shortcuts")
        self.sheet()
        window.close()

    def layouts(self) -> None:
        """Every layout of the source, and the 3D pane alone."""
        window = self.window
        for layout in ("planes", "modalities", "volume"):
            self.trigger(f"layout_{layout}")
            self.until(lambda: window.viewer.surface is None or not window.viewer.surface.busy)
            self.shoot(layout)
        for look in ("solid", "glass"):
            window.ui.maximized = len(window.viewer.contents)
            window.ui.brain_look = look
            self.rest()
            self.until(lambda: not window.viewer.surface.busy)
            self.shoot(f"surface_{look}")

    def settings(self) -> None:
        """Every page of the settings."""
        dialog = self.window.settings_dialog
        for row in range(dialog.titles.count()):
            title = dialog.titles.item(row).text()
            dialog.show_page(title)
            self.shoot(f"settings_{title.lower().replace(' ', '_')}", dialog)
        dialog.close()

    def compare(self) -> None:
        """Generate, and the views of the result."""
        window = self.window
        window.generation.settings.slices = "all"
        self.trigger("generate")
        self.until(lambda: window.generation.progress[0] > 4 or not window.generation.running)
        self.shoot("running")
        self.until(lambda: not window.generation.running, 1800.0)
        self.shoot("compare")
        self.trigger("layout_single")
        self.trigger("show_result")
        self.shoot("result")
        for mode in ("fade", "swipe", "checker"):
            self.trigger(f"compare_{mode}")
            self.shoot(f"compare_{mode}")
        self.trigger("compare_plain")
        for layout in ("eight", "models"):
            self.trigger(f"layout_{layout}")
            self.shoot(layout)
        self.trigger("layout_compare")
        self.trigger("undo")
        self.shoot("stale")
        self.trigger("redo")

    def sheet(self) -> None:
        """The sheet of keys."""
        from seg_editor.ui.shortcut_sheet import ShortcutSheet

        sheet = self.window.findChild(ShortcutSheet)
        self.shoot("shortcuts", sheet)
        sheet.close()


def _backend() -> Any:
    """The real engine where a model is installed, else the stand-in of the tests."""
    from seg_editor.ui.backend import EngineBackend

    if EngineBackend().models():
        return EngineBackend()
    from tests.ui.fake import FakeBackend

    backend = FakeBackend(12)
    backend.pause = 0.1
    return backend


def main() -> int:
    """Shoot everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--case", type=Path, help="another case than the demo")
    parser.add_argument("--theme", choices=("dark", "light"), help="one theme only")
    parser.add_argument("--scale", type=float, help="one scale only")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.here:
        suffix = f"_{options.theme}" + ("" if options.scale == 1 else f"@{options.scale:g}x")
        Director(options.folder, suffix, options.theme, options.case).perform()
        return 0
    for theme in [options.theme] if options.theme else ["dark", "light"]:
        for scale in [options.scale] if options.scale else [1, 2]:
            command = [sys.executable, __file__, str(options.folder), "--here", "--theme", theme, "--scale", str(scale)]
            command += ["--case", str(options.case)] if options.case else []
            environment = {**os.environ, "QT_SCALE_FACTOR": str(scale)}
            environment.setdefault("QT_QPA_PLATFORM", "offscreen")
            subprocess.run(command, check=True, env=environment)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Drive the real window on the demo case and save pictures of it: ``python packaging/screenshots.py FOLDER``.

Works without a display. Every combination of theme and scale runs in its own process, as Qt fixes the scale at start.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from director import SIZE, Director

SCREEN = (1920, 1080)
ERROR = "BraTS2021_00014_flair.nii.gz: the file ends too early. Copy it again from where it came."


class Scenes(Director):
    """Everything there is to see, one picture after another."""

    slices = "slice"

    def perform(self, wanted: Sequence[str]) -> None:
        """Play scenes; those that need a model are left out without one."""
        self.open()
        for name in wanted:
            if name != "results" or not self.window.generation.model_problem:
                getattr(self, name)()
        self.window.close()

    def layouts(self) -> None:
        """Every layout of the source, and the 3D pane alone."""
        window = self.window
        for layout in ("single", "planes", "modalities", "volume"):
            self.trigger(f"layout_{layout}")
            self.until(lambda: window.viewer.surface is None or not window.viewer.surface.busy)
            self.shoot(layout)
        for look in ("solid", "glass"):
            window.ui.maximized = len(window.viewer.contents)
            window.ui.brain_look = look
            self.rest()
            self.until(lambda: not window.viewer.surface.busy)
            self.shoot(f"surface_{look}")
        window.ui.maximized = None
        self.trigger("layout_single")

    def tools(self) -> None:
        """Every tool with its panel, in use."""
        window = self.window
        view, scheme = window.workspace.view, window.workspace.case.scheme
        x, y, _ = (float(i) for i in view.cursor)
        tumor = self.at(view.cursor)
        view.active_label = scheme.label_values[1]
        self.press("paint")
        self.stroke([(0.60, 0.36), (0.63, 0.42), (0.62, 0.48), (0.64, 0.53)])
        self.shoot("painting")
        self.trigger("undo")
        self.press("brush_3d")
        window.brush_panel.range._choose("flair")
        self.hover((0.64, 0.52))
        self.shoot("tool_paint_range")
        window.brush_panel.range._choose("brain")
        self.trigger("brush_3d")
        self.press("erase")
        self.stroke([tumor, (tumor[0] + 0.03, tumor[1] + 0.02)])
        self.shoot("tool_erase")
        self.trigger("undo")
        self.press("fill")
        view.in_3d = True
        self.hover(tumor)
        self.shoot("tool_fill")
        view.locked = frozenset(scheme.label_values)
        self.stroke([tumor])
        self.shoot("refused")
        view.locked, view.in_3d = frozenset(), False
        self.press("polygon")
        for corner in ((0.60, 0.36), (0.68, 0.40), (0.66, 0.50)):
            self.stroke([corner])
        self.stroke([(0.63, 0.54), (0.61, 0.53), (0.60, 0.51)])
        self.hover((0.58, 0.45))
        self.shoot("tool_polygon")
        self.trigger("stop")
        self.press("pick")
        self.shoot("tool_pick")
        self.press("move")
        self.stroke([tumor, self.at((x - 12, y - 8, view.cursor[2]))], release=False)
        self.shoot("tool_move")
        window.tools.cancel()
        self.press("reshape")
        self.until(lambda: window.reshape.preview is not None and not window.reshape.computing)
        self.shoot("tool_reshape")
        self.press("navigate")

    def tissue(self) -> None:
        """The tissue map, shown and being edited; takes a minute the first time."""
        window = self.window
        self.trigger("compute_tissue")
        self.until(lambda: window.tissue.labels is not None, 1800.0)
        self.shoot("tissue")
        self.trigger("edit_tissue")
        self.shoot("tissue_edited")
        self.trigger("edit_tissue")
        window.ui.tissue = False
        self.press("navigate")

    def dialogs(self) -> None:
        """Settings, numbers, keys, palette, questions, messages."""
        window = self.window
        dialog = window.settings_dialog
        for row in range(dialog.titles.count()):
            title = dialog.titles.item(row).text()
            dialog.show_page(title)
            self.shoot(f"settings_{title.lower().replace(' ', '_')}", dialog)
        dialog.close()
        self.trigger("contrast")
        self.shoot("contrast", window.contrast)
        window.contrast.close()
        self.trigger("shortcuts")
        self.shoot_child("ShortcutSheet", "shortcuts")
        self.trigger("palette")
        self.shoot_child("Palette", "palette")
        self.modal("about", lambda: self.trigger("about"))
        self.unsaved()
        for menu in window.menuBar().actions():
            title = menu.text().replace("&", "").lower()
            menu.menu().popup(window.mapToGlobal(window.rect().topLeft()))
            self.shoot(f"menu_{title}", menu.menu())
            menu.menu().close()

    def unsaved(self) -> None:
        """The question that comes before an edited case is closed; it is answered with Cancel, and the edit undone."""
        window = self.window
        window.workspace.view.active_label = window.workspace.case.scheme.label_values[1]
        self.press("paint")
        self.stroke([(0.60, 0.36), (0.63, 0.42), (0.62, 0.48), (0.64, 0.53)])
        discard, window.cases.ask = window.cases.ask, self.asked
        self.modal("unsaved", window.close)
        window.cases.ask = discard
        self.trigger("undo")
        self.press("navigate")

    def shoot_child(self, kind: str, name: str) -> None:
        """Picture the open window of a class, and close it."""
        shown = next(w for w in self.application.topLevelWidgets() if type(w).__name__ == kind and w.isVisible())
        self.shoot(name, shown)
        shown.close()

    def modal(self, name: str, ask: Callable[[], object]) -> None:
        """Picture a question that waits for its answer, and leave it unanswered."""
        from PyQt6.QtCore import QTimer

        def answer() -> None:
            shown = self.application.activeModalWidget()
            self.shoot(name, shown)
            shown.close()

        QTimer.singleShot(300, answer)
        ask()

    def errors(self) -> None:
        """The bar of messages."""
        errors = self.window.errors
        errors.show_error(ERROR)
        self.shoot("error")
        try:
            raise RuntimeError("the disk is full")
        except RuntimeError as error:
            errors.show_error(error)
        errors.details_button.click()
        self.shoot("error_details")
        errors.show_note("The automatic segmentation is ready.", (("Replace", lambda: None), ("Drop it", lambda: None)))
        self.shoot("note")
        errors.clear()

    def results(self) -> None:
        """Generate, and the views of the result."""
        window = self.window
        self.generate(self.slices)
        self.shoot("compare")
        self.trigger("layout_single")
        self.trigger("show_result")
        self.shoot("result")
        for mode in ("fade", "swipe", "lens", "checker"):
            self.trigger(f"compare_{mode}")
            self.hover((0.42, 0.40))
            self.shoot(f"compare_{mode}")
        self.trigger("compare_plain")
        self.trigger("show_difference")
        self.shoot("difference")
        self.trigger("show_result")
        for layout in ("planes", "volume", "eight", "models"):
            self.trigger(f"layout_{layout}")
            self.until(lambda: window.viewer.surface is None or not window.viewer.surface.busy)
            self.shoot(f"result_{layout}")
        self.trigger("layout_compare")
        self.press("paint")
        tumor = self.at(window.workspace.view.cursor)
        self.stroke([tumor, (tumor[0] + 0.06, tumor[1] + 0.02)])
        self.shoot("stale")
        self.trigger("undo")
        self.shoot("fresh_again")
        self.press("navigate")
        self.trigger("undo")
        self.shoot("nothing_removed")
        self.trigger("redo")
        self.shoot("redone")


SCENES = ("layouts", "tools", "dialogs", "errors", "results")


def readme(folder: Path, theme: str) -> None:
    """The two pictures of the README."""
    director = Director(folder, "", theme, None)
    director.shoot = lambda *_: None  # type: ignore[method-assign]
    director.open()
    window = director.window
    if theme == "dark":
        director.generate("all")
        Director.shoot(director, "editor")
    else:
        window.workspace.view.active_label = window.workspace.case.scheme.label_values[1]
        director.trigger("layout_single")
        director.trigger("paint")
        director.stroke([(0.60, 0.36), (0.63, 0.42), (0.62, 0.48), (0.64, 0.53)])
        Director.shoot(director, "painting")
    window.close()


def _platform(scale: float, folder: Path) -> str:
    """Qt's offscreen platform with a screen of a usual size; `scale` makes its pixels finer, not its room smaller."""
    width, height = (round(side * scale) for side in SCREEN)
    screen = {"name": "screen", "x": 0, "y": 0, "width": width, "height": height, "logicalDpi": 96, "dpr": 1}
    path = folder / "screen.json"
    path.write_text(json.dumps({"screens": [screen]}), encoding="utf-8")
    return f"offscreen:configfile={path}"


def _here(options: argparse.Namespace) -> None:
    if options.readme:
        readme(options.folder, options.theme)
        return
    suffix = f"_{options.theme}" + ("" if options.scale == 1 else f"@{options.scale:g}x")
    scenes = Scenes(options.folder, suffix, options.theme, options.case, tuple(options.size))
    scenes.slices = options.slices
    scenes.perform(options.scenes)


def main() -> int:
    """Shoot everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--case", type=Path, help="another case than the demo")
    parser.add_argument("--theme", choices=("dark", "light"), help="one theme only")
    parser.add_argument("--scale", type=float, help="one scale only")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--scenes", nargs="+", choices=(*SCENES, "tissue"), default=SCENES)
    parser.add_argument("--slices", choices=("slice", "all"), default="slice", help="what is generated")
    parser.add_argument("--readme", action="store_true", help="the two pictures of the README only")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.here:
        _here(options)
        return 0
    scales = [1.0] if options.readme else [options.scale] if options.scale else [1.0, 2.0]
    with tempfile.TemporaryDirectory() as made:
        for theme in [options.theme] if options.theme else ["dark", "light"]:
            for scale in scales:
                command = [sys.executable, __file__, *sys.argv[1:], "--here", "--theme", theme, "--scale", str(scale)]
                environment = {**os.environ, "QT_SCALE_FACTOR": str(scale)}
                environment["QT_QPA_PLATFORM"] = _platform(scale, Path(made))
                subprocess.run(command, check=True, env=environment)
    return 0


if __name__ == "__main__":
    sys.exit(main())

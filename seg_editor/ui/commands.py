"""What each action of the table does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PyQt6.QtWidgets import QMessageBox

from seg_editor import __version__
from seg_editor.cases import MODALITIES
from seg_editor.session import Workspace
from seg_editor.ui.actions import Facts
from seg_editor.ui.edit_commands import EditCommands
from seg_editor.ui.edit_wiring import use_saved_tissue
from seg_editor.ui.live_commands import LiveCommands
from seg_editor.ui.live_wiring import reveal
from seg_editor.ui.planes import Plane
from seg_editor.ui.shortcut_sheet import ShortcutSheet
from seg_editor.ui.state import Layout, Role, Tool

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow

Handlers = dict[str, Callable[[], object]]
_PAN = 0.1
#: These move what a pane shows from under the mouse.
_MOVES_VIEW = (
    *("slice_", "largest", "axial", "coronal", "sagittal", "layout_", "maximize", "pane_next", "full_screen"),
    *("show_", "compare_", "live", "radiological", "nose_left", "fit", "zoom_", "pan_"),
    *("generate", "ensemble"),
)
_UI_FLAGS = ("crosshair", "tissue", "radiological", "nose_left", "smooth")
_ABOUT = (
    "<p><b>seg-editor {version}</b></p>"
    "<p>Browse and edit brain-MRI cases, and see what the brain would look like without the tumor.</p>"
    "<p>Generated pictures are synthetic. This is not a medical device: not for clinical use.</p>"
    "<p>GPL-3.0-or-later.</p>"
)


class Commands:
    """Handlers of every action, and the facts that enable them."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._live = LiveCommands(window)
        self._edit = EditCommands(window)
        self._sheet: ShortcutSheet | None = None

    @property
    def _workspace(self) -> Workspace | None:
        return self._window.workspace

    def handlers(self) -> Handlers:
        """Return what each pressable action of the table does."""
        table = self._files() | self._display() | self._choices() | self._live.handlers() | self._edit.handlers()
        return {name: self._kept(name, do) if name.startswith(_MOVES_VIEW) else do for name, do in table.items()}

    def _kept(self, name: str, do: Callable[[], object]) -> Callable[[], object]:
        """Do it, unless the mouse holds a stroke, an outline or a piece: then say so."""

        def unless_held() -> object:
            return None if self._window.tools.keeps_view(across=name.startswith("slice_")) else do()

        return unless_held

    def _files(self) -> Handlers:
        """Cases, exports, the program itself."""
        window, cases, exports = self._window, self._window.cases, self._window.exports
        return {
            "open": cases.choose_folder,
            "open_file": cases.choose_file,
            "open_demo": cases.open_demo,
            "next_case": lambda: self._open(window.neighbors.next),
            "previous_case": lambda: self._open(window.neighbors.previous),
            "save": cases.saves.save,
            "save_as": cases.saves.save_as,
            "recover": cases.recover,
            "close": cases.close,
            "quit": window.close,
            "generate": self._generate,
            "stop": self._stop,
            "new_seed": window.generation.new_seed,
            "settings": window.open_settings,
            "export_png": exports.export_png,
            "export_result": exports.export_result,
            "panel_focus": window.move_focus,
            "shortcuts": self._show_shortcuts,
            "about": self._about,
        }

    def _display(self) -> Handlers:
        """Slices, contrast, panes, overlays."""
        window, viewer = self._window, self._window.viewer
        return {
            "slice_next": lambda: viewer.step(1),
            "slice_previous": lambda: viewer.step(-1),
            "slice_next_5": lambda: viewer.step(5),
            "slice_previous_5": lambda: viewer.step(-5),
            "largest": self._go_to_largest,
            "modality_next": lambda: self._step_modality(1),
            "modality_previous": lambda: self._step_modality(-1),
            "contrast": lambda: window.contrast.open_window(),
            "auto_window": viewer.auto_window,
            "reset_windows": lambda: self._set_view("windows", {}),
            "maximize": viewer.toggle_maximized,
            "pane_next": viewer.next_pane,
            "pan_left": lambda: viewer.pan(-_PAN, 0.0),
            "pan_right": lambda: viewer.pan(_PAN, 0.0),
            "pan_up": lambda: viewer.pan(0.0, -_PAN),
            "pan_down": lambda: viewer.pan(0.0, _PAN),
            "fill_labels": lambda: self._flip_view("fill"),
            "nose_left": lambda: self._flip_ui("nose_left"),
            "fit": viewer.fit,
            "zoom_in": lambda: viewer.zoom(1.25),
            "zoom_out": lambda: viewer.zoom(0.8),
            "overlay": lambda: self._flip_view("overlay"),
            "outline": lambda: self._flip_view("outline"),
            "opacity_less": lambda: self._change_opacity(-0.1),
            "opacity_more": lambda: self._change_opacity(0.1),
            "crosshair": lambda: self._flip_ui("crosshair"),
            "tissue": self._show_tissue,
            "radiological": lambda: self._flip_ui("radiological"),
            "smooth": lambda: self._flip_ui("smooth"),
        }

    def _choices(self) -> Handlers:
        """One of several: plane, layout, picture, modality, theme."""
        window, ui = self._window, self._window.ui
        table: Handlers = {}
        for plane in Plane:
            table[plane.name.lower()] = partial(self._set_view, "plane", plane)
        for layout in Layout:
            table[f"layout_{layout}"] = partial(setattr, ui, "layout", layout)
        for role in Role:
            table[f"show_{role}"] = partial(setattr, ui, "picture", role)
        for modality in MODALITIES:
            table[f"modality_{modality}"] = partial(self._set_view, "modality", modality)
        for choice in ("system", "dark", "light"):
            table[f"theme_{choice}"] = partial(window.choose_theme, choice)
        return table

    def _show_tissue(self) -> None:
        """Show the tissue map, or hide it; the one saved with the case is read when it is first asked for."""
        if self._window.tissue.labels is None:
            use_saved_tissue(self._window)
        else:
            self._flip_ui("tissue")

    def facts(self) -> Facts:
        """Return what is true now."""
        window, workspace = self._window, self._workspace
        generation, loading = window.generation, window.cases.loading
        common: dict[str, Any] = {
            "loading": loading,
            "running": generation.running,
            "model_problem": generation.model_problem,
            "slices": generation.settings.slices,
            "tissue_running": window.tissue.running,
            "has_tissue": window.tissue.labels is not None,
            "tissue_saved": window.tissue.saved,
            "next_case": window.neighbors.next.name if window.neighbors.next else "",
            "previous_case": window.neighbors.previous.name if window.neighbors.previous else "",
        }
        common |= self._edit.facts()
        if workspace is None:
            return Facts(**common)
        segmentation, history = workspace.segmentation, workspace.active.history
        counts = segmentation.counts
        return Facts(
            has_case=True,
            has_tumor=any(count for value, count in counts.items() if value),
            can_undo=history.can_undo,
            can_redo=history.can_redo,
            undo_name=_within_line(history.undo_name),
            redo_name=_within_line(history.redo_name),
            stroking=window.tools.stroking,
            dirty=workspace.dirty,
            removed=bool(segmentation.removed_slices.any()),
            hole_here=bool(segmentation.removed_slices[workspace.view.cursor[2]]),
            has_result=workspace.results.current is not None,
            spread_alone=window.compare.spread_alone,
            modalities=tuple(str(m) for m in workspace.case.modalities),
            **common,
        )

    def checked(self) -> dict[str, bool]:
        """Return the state of every checkable action."""
        ui, workspace = self._window.ui, self._workspace
        states = {str(tool): ui.tool is tool for tool in Tool}
        states |= {f"layout_{layout}": ui.layout is layout for layout in Layout}
        states |= {f"show_{role}": ui.picture is role for role in Role}
        states |= {name: bool(getattr(ui, name)) for name in _UI_FLAGS}
        states |= {f"theme_{c}": self._window.theme_choice == c for c in ("system", "dark", "light")}
        view = None if workspace is None else workspace.view
        states |= {p.name.lower(): view is not None and view.plane is p for p in Plane}
        states |= {f"modality_{m}": view is not None and view.modality is m for m in MODALITIES}
        states |= {name: view is not None and bool(getattr(view, name)) for name in ("overlay", "outline")}
        states["fill_labels"] = view is not None and view.fill
        return states | self._live.checked() | self._edit.checked()

    def _open(self, path: Path | None) -> None:
        if path is not None:
            self._window.cases.open(path)

    def _set_view(self, name: str, value: object) -> None:
        if self._workspace is not None:
            setattr(self._workspace.view, name, value)

    def _flip_view(self, name: str) -> None:
        if self._workspace is not None:
            setattr(self._workspace.view, name, not getattr(self._workspace.view, name))

    def _flip_ui(self, name: str) -> None:
        setattr(self._window.ui, name, not getattr(self._window.ui, name))

    def _change_opacity(self, by: float) -> None:
        if self._workspace is not None:
            workspace = self._workspace
            workspace.opacity = round(workspace.opacity + by, 2)
            if workspace.active is workspace.tumor:
                workspace.view.overlay = True
            else:
                self._window.ui.tissue = True

    def _step_modality(self, by: int) -> None:
        if self._workspace is not None:
            modalities, view = self._workspace.case.modalities, self._workspace.view
            view.modality = modalities[(modalities.index(view.modality) + by) % len(modalities)]

    def _generate(self) -> None:
        reveal(self._window)
        self._window.generation.generate()

    def _stop(self) -> None:
        window = self._window
        if not window.tools.cancel() and not window.live.stop() and not window.generation.stop():
            self._window.ui.tool = Tool.NAVIGATE

    def _go_to_largest(self) -> None:
        if self._workspace is None:
            return
        segmentation = self._workspace.segmentation
        counts = np.count_nonzero(segmentation.labels, axis=(0, 1))
        if not counts.any():
            counts = np.count_nonzero(segmentation.original, axis=(0, 1))
        x, y, _ = self._workspace.view.cursor
        if counts.any():
            self._workspace.view.cursor = (x, y, int(np.argmax(counts)))

    def _show_shortcuts(self) -> None:
        if self._sheet is None:
            actions = self._window.actions_table
            self._sheet = ShortcutSheet(actions.preset, self._window)
            self._sheet.preset_chosen.connect(self._window.choose_keys)
            actions.preset_changed.connect(self._sheet.show_preset)
        self._sheet.open_window()

    def _about(self) -> None:
        QMessageBox.about(self._window, "About seg-editor", _ABOUT.format(version=__version__))


def _within_line(name: str) -> str:
    """Return the name of a step as it stands after another word: ``grow NCR by 1 mm``."""
    return name[:1].lower() + name[1:]

"""What the actions of editing do, and what they need to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from seg_editor.cases import Subregion
from seg_editor.editing import Change, RemoveTumor, Within
from seg_editor.editing.edit import Edit, Voxel
from seg_editor.errors import SegEditorError
from seg_editor.session import Workspace
from seg_editor.ui.edit_wiring import use_saved_tissue
from seg_editor.ui.operations import OPERATIONS, removal
from seg_editor.ui.palette import Palette
from seg_editor.ui.state import Tool, stepped_radius

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow


class EditCommands:
    """Handlers, facts and states for :class:`~seg_editor.ui.commands.Commands`."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._hovered: Voxel | None = None
        self._painted = 0
        window.viewer.hovered.connect(self._note_hovered)

    @property
    def _workspace(self) -> Workspace | None:
        return self._window.workspace

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what each action does."""
        window, reshape = self._window, self._window.reshape
        table: dict[str, Callable[[], object]] = {
            "undo": lambda: self._jump("undo"),
            "redo": lambda: self._jump("redo"),
            "remove": self._remove,
            "compute_tissue": window.tissue.start,
            "brush_smaller": lambda: self._resize_brush(-1),
            "brush_larger": lambda: self._resize_brush(1),
            "brush_3d": lambda: self._set_brush(three_d=lambda brush: not brush.three_d),
            "brush_square": lambda: self._set_brush(
                shape=lambda brush: "round" if brush.shape == "square" else "square"
            ),
            "label_previous": lambda: self._step_label(-1),
            "label_next": lambda: self._step_label(1),
            "swap": self._swap,
            "label_hidden": self._flip_hidden,
            "label_locked": self._flip_locked,
            "remove_component": self._remove_component,
            "segment": window.segmenting.start,
            "edit_tissue": self._edit_tissue,
            "save_tissue": window.cases.saves.save_tissue,
            "op_grow": lambda: reshape.run("grow", grow_mm=1.0),
            "op_shrink": lambda: reshape.run("grow", grow_mm=-1.0),
            "op_copy_next": lambda: reshape.run("copy_next", whole=True),
            "op_copy_previous": lambda: reshape.run("copy_previous", whole=True),
            "op_interpolate": lambda: reshape.run("interpolate", whole=False),
            "op_interpolate_all": lambda: reshape.run("interpolate", whole=True),
            "palette": self._show_palette,
        }
        for part in Subregion:
            table[f"remove_{part}"] = partial(self._remove_part, part)
            table[f"lesion_{part}"] = partial(self.paint_with, part)
        for tool in Tool:
            table[str(tool)] = partial(setattr, window.ui, "tool", tool)
        for operation in OPERATIONS:
            table.setdefault(f"op_{operation.key}", partial(reshape.run, operation.key))
        return table

    def facts(self) -> dict[str, Any]:
        """Return what is true of the open case."""
        window, workspace = self._window, self._workspace
        common = {
            "saving": window.cases.saves.running,
            "segmenting": window.segmenting.running,
            "reshaping": window.reshape.busy,
            "scope": window.reshape.scope,
        }
        if workspace is None:
            return common
        counts, scheme = workspace.segmentation.counts, workspace.case.scheme
        return common | {
            "drafting": window.tools.drafting,
            "on_tissue": workspace.active is not workspace.tumor,
            "recovery": workspace.tissue_left is not None
            or any(layer.recovery is not None for layer in workspace.layers),
            "labels": frozenset(str(part) for part, value in scheme.values if counts.get(value)),
            "scheme": frozenset(str(part) for part, _ in scheme.values),
        }

    def checked(self) -> dict[str, bool]:
        """Return the state of checkable actions."""
        workspace = self._workspace
        brush = None if workspace is None else workspace.view.brush
        return {
            "brush_3d": brush is not None and brush.three_d,
            "brush_square": brush is not None and str(brush.shape) == "square",
            "edit_tissue": workspace is not None and workspace.active is not workspace.tumor,
            "label_hidden": workspace is not None and workspace.view.active_label in self._window.ui.hidden_labels,
            "label_locked": workspace is not None and workspace.view.active_label in workspace.view.locked,
        }

    def paint_with(self, part: Subregion) -> None:
        """Take the brush with the label of a subregion."""
        workspace = self._workspace
        if workspace is not None:
            workspace.view.on_tissue = False
            workspace.view.active_label = workspace.case.scheme.value(part)
            self._window.ui.tool = Tool.PAINT

    def _note_hovered(self, voxel: Voxel | None) -> None:
        self._hovered = voxel

    def _set_brush(self, **changes: Callable[[Any], object]) -> None:
        if self._workspace is not None:
            view = self._workspace.view
            made: dict[str, Any] = {name: change(view.brush) for name, change in changes.items()}
            view.brush = replace(view.brush, **made)

    def _resize_brush(self, notches: int) -> None:
        if self._workspace is not None:
            view = self._workspace.view
            view.brush = replace(view.brush, radius_mm=stepped_radius(view.brush.radius_mm, notches))

    def _jump(self, name: str) -> None:
        if self._window.tools.drafting and name == "undo":
            self._window.tools.take_back()
        elif name == "undo" and self._window.reshape.take_back():
            self._window.status_message("Undone before it was done: the operation was dropped")
        elif self._workspace is not None:
            viewer = self._window.viewer
            with viewer.following.jump():
                change: Change | None = getattr(self._workspace, name)(viewer.planes)
            if change is not None:
                self._window.status_message(f"{'Undone' if name == 'undo' else 'Redone'}: {change.name}")

    def _remove(self) -> None:
        if self._workspace is None:
            return
        try:
            change = self._workspace.segmentation.apply(Within(RemoveTumor(), locked=self._workspace.view.locked))
        except SegEditorError as error:
            self._window.errors.show_error(error)
            return
        content = self._window.viewer.active
        if change is None and content is not None:
            self._window.tools.overlays.flash(content, "All that could be removed is locked")

    def _step_label(self, by: int) -> None:
        workspace = self._workspace
        if workspace is not None:
            values = workspace.active.segmentation.scheme.label_values
            now = workspace.active_label
            at = values.index(now) if now in values else 0
            workspace.active_label = values[(at + by) % len(values)]

    def _flip_hidden(self) -> None:
        if self._workspace is not None:
            self._window.ui.hidden_labels ^= {self._workspace.view.active_label}

    def _flip_locked(self) -> None:
        if self._workspace is not None:
            self._workspace.view.locked ^= {self._workspace.view.active_label}

    def _swap(self) -> None:
        """Paint becomes erase and erase becomes paint; any other tool becomes erase."""
        ui = self._window.ui
        ui.tool = Tool.PAINT if ui.tool is Tool.ERASE else Tool.ERASE

    def _remove_component(self) -> None:
        workspace = self._workspace
        if workspace is not None:
            at = self._hovered or workspace.view.cursor
            self._run("Remove this tumor", lambda: removal("component", at, workspace.view.locked))

    def _remove_part(self, part: Subregion) -> None:
        workspace = self._workspace
        if workspace is not None:
            value, locked = workspace.case.scheme.value(part), workspace.view.locked
            at = workspace.view.cursor
            self._run(f"Remove {part.display}", lambda: removal("subregion", at, locked, value))

    def _run(self, name: str, make: Callable[[], Edit]) -> None:
        self._window.reshape.run_edit(name, make)

    def _edit_tissue(self) -> None:
        workspace = self._workspace
        if workspace is not None and workspace.tissue is None:
            use_saved_tissue(self._window)
        if workspace is not None and workspace.tissue is not None:
            workspace.view.on_tissue = not workspace.view.on_tissue
            if workspace.view.on_tissue:
                self._window.ui.tissue = True
                if not self._window.ui.tool.brushes:
                    self._window.ui.tool = Tool.PAINT

    def _show_palette(self) -> None:
        Palette(self._window.actions_table, self._window).show()

"""The main window: puts the parts together and tells them which case is open."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QSize, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from seg_editor.editing import PaintOver
from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.backend import Backend
from seg_editor.ui.bind import bind
from seg_editor.ui.case_actions import CaseActions, demo_folder
from seg_editor.ui.commands import Commands
from seg_editor.ui.compare_bar import CompareBar
from seg_editor.ui.compare_link import CompareLink
from seg_editor.ui.contrast import ContrastWindow
from seg_editor.ui.dock import Dock
from seg_editor.ui.edit_wiring import connect_editing, follow_workspace
from seg_editor.ui.empty_state import EmptyState
from seg_editor.ui.ensemble_card import EnsembleCard
from seg_editor.ui.error_bar import ErrorBar
from seg_editor.ui.exports import Exports
from seg_editor.ui.full_screen import FullScreen
from seg_editor.ui.generation import Generation
from seg_editor.ui.history_strip import HistoryStrip
from seg_editor.ui.keys_page import KeysPage
from seg_editor.ui.live import Live
from seg_editor.ui.live_wiring import connect_live, tell_trouble
from seg_editor.ui.menus import fill_menus
from seg_editor.ui.neighbors import Neighbors
from seg_editor.ui.overlays import Overlays
from seg_editor.ui.panels.brush import BrushPanel
from seg_editor.ui.panels.generation import GenerationPanel
from seg_editor.ui.panels.labels import LabelsPanel
from seg_editor.ui.panels.metrics import MetricsPanel
from seg_editor.ui.panels.operations import OperationsPanel
from seg_editor.ui.panels.parts import named
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.reshape import Reshape
from seg_editor.ui.segmenting import Segmenting
from seg_editor.ui.settings_dialog import SettingsDialog
from seg_editor.ui.state import GenerationSettings, UiState
from seg_editor.ui.status import Status
from seg_editor.ui.theme import Theme, ThemeManager
from seg_editor.ui.tissue import Tissue
from seg_editor.ui.tools import Tools
from seg_editor.ui.tray import Tray
from seg_editor.ui.viewer import Viewer
from seg_editor.ui.viewer_bar import ViewerBar
from seg_editor.ui.workers import Tasks

_OPACITY = 0.25
_STRIP = ("navigate", "paint", "erase", "polygon", "fill", "pick", "move", "reshape", "-", "undo", "redo")


class MainWindow(QMainWindow):
    """The editor.

    Parameters
    ----------
    backend : Backend
        Models; none is loaded before the window shows.
    themes : ThemeManager
    preferences : Preferences
    """

    def __init__(self, backend: Backend, themes: ThemeManager, preferences: Preferences) -> None:
        super().__init__()
        self.setWindowTitle("seg-editor")
        self.setAcceptDrops(True)
        self.resize(1440, 900)
        self.workspace: Workspace | None = None
        self.ui = UiState()
        preferences.restore_display(self.ui)
        preferences.follow_display(self, self.ui)
        self._themes = themes
        self._preferences = preferences
        self._tasks = Tasks(self)
        self.errors = ErrorBar()
        self.viewer = Viewer(self.ui)
        overlays = Overlays(self.viewer, self.ui)
        self.reshape = Reshape(self._tasks, self.viewer, overlays, self.ui)
        self.tools = Tools(self.viewer, self.ui, overlays, self.reshape.settings)
        self.tools.use_preset(preferences.keys)
        self.generation = Generation(backend, GenerationSettings(), self)
        self.live = Live(self.generation, self)
        self.compare = CompareLink(self.viewer, self.ui, self.generation, self)
        self.tissue = Tissue(self._tasks, self)
        self.segmenting = Segmenting(self._tasks, self)
        self.settings_dialog = SettingsDialog(self.ui, lambda: self.theme_choice, self.choose_theme, self)
        self.cases = CaseActions(self, self.errors, self._tasks, preferences)
        self.neighbors = Neighbors(self._tasks, self)
        self.cases.ahead = self.neighbors.take
        self.neighbors.changed.connect(self.later)
        self.exports = Exports(self, self.errors, self._tasks, self.viewer, self.generation)
        self._commands = Commands(self)
        self.actions_table = ActionSet(self, self._commands.handlers(), preferences.keys)
        self._build()
        self.full_screen = FullScreen(self, self._chrome)
        self.full_screen.changed.connect(self.tray.put_away)
        self._connect()
        self._facts_timer = QTimer(self)
        self._facts_timer.setSingleShot(True)
        self._facts_timer.timeout.connect(self._update_actions)
        self._models_sought = False
        self._unbind = [bind(self, self.ui.changed, lambda _n: self.later())]
        bind(self, self.generation.settings.changed, lambda _n: self.later())
        self.actions_table.pressed.connect(self.later)
        themes.changed.connect(self._apply_theme)
        self._apply_theme(themes.theme)
        self._show_workspace(None)

    @property
    def theme_choice(self) -> str:
        """``system``, ``dark`` or ``light``."""
        return self._themes.choice

    @property
    def busy_with_actions(self) -> bool:
        """True between a change and the update of the actions that follows it."""
        return self._facts_timer.isActive()

    def _build(self) -> None:
        strip = named(QToolBar("Tools"), "toolStrip")
        strip.setMovable(False)
        strip.setIconSize(QSize(22, 22))
        strip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        for name in _STRIP:
            if name == "-":
                strip.addSeparator()
            else:
                strip.addAction(self.actions_table[name])
        self._strip = strip
        self.addToolBar(Qt.ToolBarArea.LeftToolBarArea, strip)
        self.labels_panel = LabelsPanel(self.ui, self.actions_table)
        self.brush_panel = BrushPanel(self.ui, self.actions_table)
        self.operations_panel = OperationsPanel(self.reshape, self.ui, self.actions_table)
        self.generation_panel = GenerationPanel(self.generation, self.actions_table)
        self.metrics_panel = MetricsPanel(self.generation)
        self.contrast = ContrastWindow(self.viewer, self.actions_table, self)
        self.viewer_bar = ViewerBar(self.ui, self.actions_table)
        self.compare_bar = CompareBar(self.compare, self.generation, self.ui, self.actions_table)
        self.history = HistoryStrip()
        self.ensemble_card = EnsembleCard(self.compare)
        low = (self.compare_bar, self.ensemble_card, self.history)
        self.tray = Tray(*low, self.ui, self.generation, self.viewer.make_room)
        self.empty = EmptyState()
        self.status = Status()
        self.setStatusBar(self.status)
        picture = QWidget()
        column = QVBoxLayout(picture)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.viewer_bar)
        column.addWidget(self.viewer, 1)
        column.addWidget(self.tray)
        self._dock = self._make_dock()
        work = QWidget()
        line = QHBoxLayout(work)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addWidget(picture, 1)
        line.addWidget(self._dock)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(work)
        center = QWidget()
        stack = QVBoxLayout(center)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.setSpacing(0)
        stack.addWidget(self._pages, 1)
        self.errors.float_over(center, self.viewer, self.empty)
        self.setCentralWidget(center)
        bar = self.menuBar()
        assert bar is not None
        fill_menus(bar, self.actions_table, lambda: self._preferences.recent, self.cases.open)

    def _chrome(self) -> tuple[QWidget, ...]:
        """What full screen puts away."""
        bars = (self.viewer_bar, self._dock, self._strip, self.status)
        bar = self.menuBar()
        return bars if bar is None else (*bars, bar)

    def _make_dock(self) -> Dock:
        panels = (self.labels_panel, self.brush_panel, self.operations_panel, self.generation_panel, self.metrics_panel)
        self.generation_panel.pin(self.metrics_panel.glance)
        dock = Dock(panels, self.generation_panel.footer, self._preferences)
        self.metrics_panel.glance.clicked.connect(lambda: dock.reveal(self.metrics_panel))
        return dock

    def _connect(self) -> None:
        self.cases.opened.connect(self._show_workspace)
        self.cases.opening.connect(self._show_opening)
        self.empty.open_folder.connect(self.cases.choose_folder)
        self.empty.open_demo.connect(self.cases.open_demo)
        self.empty.open_path.connect(self.cases.open)
        self.empty.cancel.connect(self.cases.cancel_opening)
        self.status.result = lambda: self.viewer.shown_result
        self.viewer.hovered.connect(self.status.show_voxel)
        connect_editing(self)
        self.settings_dialog.add_page("Keys", lambda: KeysPage(self.actions_table, self.choose_keys))
        self.generation.changed.connect(self.later)
        self.generation.previewed.connect(self.viewer.set_preview)
        self.generation.stale_changed.connect(lambda _stale: self.viewer.follow_age())
        connect_live(self)
        self.tissue.progress.connect(lambda what, part: self.status.show_work(what, part, self.tissue.cancel))
        self.tissue.progress.connect(lambda *_: self.later())
        self.tissue.ready.connect(self._show_tissue)
        self.tissue.failed.connect(self.errors.show_error)
        self.exports.on_work = lambda what: self.status.show_work(what, -1.0)

    def _show_workspace(self, workspace: Workspace | None) -> None:
        if workspace is not None:
            carry_over(self.workspace, workspace)
        self.workspace = workspace
        for unbind in self._unbind[1:]:
            unbind()
        del self._unbind[1:]
        self.ui.picture = type(self.ui.picture).SOURCE
        self.ui.hidden_labels = frozenset()
        parts = (self.viewer, self.tools, self.generation, self.tissue, self.labels_panel, self.brush_panel)
        for part in (*parts, self.metrics_panel, self.viewer_bar, self.status, self.settings_dialog, self.contrast):
            part.set_workspace(workspace)
        for editing in (self.tools.overlays, self.reshape, self.segmenting, self.operations_panel):
            editing.set_workspace(workspace)
        for following in (self.live, self.compare, self.compare_bar, self.history, self.tray):
            following.set_workspace(workspace)
        self.exports.workspace = workspace
        self.neighbors.follow(None if workspace is None else workspace.case)
        self._pages.setCurrentIndex(0 if workspace is None else 1)
        self._strip.setVisible(workspace is not None)
        self.empty.show_recent(self._preferences.recent)
        self.empty.show_demo("" if demo_folder() else "The demo case is missing from this installation")
        if workspace is not None:
            self._unbind += [
                bind(self, workspace.history.changed, self.later),
                bind(self, workspace.segmentation.saved, self.later),
                bind(self, workspace.segmentation.committed, lambda _change: self.status.refresh()),
                bind(self, workspace.results.changed, self.later),
                bind(self, workspace.view.changed, self._on_view),
            ]
            self._unbind.append(follow_workspace(self, workspace))
            self._unbind += tell_trouble(self, workspace)
            self.status.show_voxel(None)
            if self.viewer.panes:
                self.viewer.panes[0].setFocus()
        self._update_actions()

    def _on_view(self, name: str) -> None:
        if name == "cursor":
            self.status.show_voxel(None)
        elif name in ("modality", "on_tissue"):
            self.status.refresh()
        self.later()

    def _show_opening(self, what: str) -> None:
        self.empty.show_progress(what)
        if self.workspace is not None:
            self.status.show_work(what, -1.0, self.cases.cancel_opening)

    def _show_tissue(self, labels: object) -> None:
        self.viewer.set_tissue(labels)  # type: ignore[arg-type]
        if labels is not None:
            self.ui.tissue = True
        self.later()

    def later(self) -> None:
        """Update the actions soon, once for many changes."""
        if not self._facts_timer.isActive():
            self._facts_timer.start(0)

    def _update_actions(self) -> None:
        facts = self._commands.facts()
        self.actions_table.update_facts(facts)
        self.actions_table.check(self._commands.checked())
        name = "seg-editor" if self.workspace is None else f"{self.workspace.case.case_id}[*] – seg-editor"
        self.setWindowTitle(name)
        self.setWindowModified(facts.dirty)

    def status_message(self, text: str) -> None:
        """Show a short message for a moment."""
        self.status.flash(text)

    def move_focus(self) -> None:
        """Move the keyboard between the picture and the panels."""
        panes = self.viewer.panes
        if panes and any(pane.hasFocus() for pane in panes):
            self.generation_panel.model.setFocus(Qt.FocusReason.ShortcutFocusReason)
        elif panes:
            panes[0].setFocus(Qt.FocusReason.ShortcutFocusReason)

    def choose_theme(self, choice: str) -> None:
        """Switch the theme and remember it."""
        self._preferences.theme = choice
        self._themes.choose(choice)
        self.later()

    def open_settings(self) -> None:
        """Show the settings."""
        self.settings_dialog.open_window()

    def choose_keys(self, preset: str) -> None:
        """Switch the preset of the keys and remember it."""
        self._preferences.keys = preset
        self.actions_table.use_preset(preset)
        self.tools.use_preset(preset)
        self.later()

    def _apply_theme(self, theme: Theme) -> None:
        parts = (self.actions_table, self.errors, self.empty, self.status, self.labels_panel, self.generation_panel)
        for part in (*parts, self.compare_bar, self.history, self.metrics_panel):
            part.set_theme(theme)
        self.viewer.set_theme(theme.color("viewer_accent"))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look for models once the window is on the screen."""
        super().showEvent(event)
        if not self._models_sought:
            self._models_sought = True
            QTimer.singleShot(0, self.generation.find_models)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Ask about unsaved changes, then end every thread."""
        if event is None:
            return
        if not self.cases.may_leave("quit"):
            event.ignore()
            return
        self.tools.cancel()
        self.full_screen.leave()
        self._preferences.geometry = self.saveGeometry()
        self.hide()
        self.tissue.cancel()
        self.segmenting.cancel()
        self.reshape.cancel()
        self.viewer.shut_down()
        self.cases.shut_down()
        self.generation.shut_down()
        self._tasks.shut_down()
        event.accept()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Accept a folder or a file."""
        data = None if event is None else event.mimeData()
        if event is not None and data is not None and any(url.isLocalFile() for url in data.urls()):
            event.acceptProposedAction()
            self.empty.show_dropping(True)
            self.status.flash(f"Drop to open {Path(data.urls()[0].toLocalFile()).name}")

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """End the invitation."""
        self.empty.show_dropping(False)
        self.status.refresh()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open what was dropped."""
        self.empty.show_dropping(False)
        self.status.refresh()
        data = None if event is None else event.mimeData()
        if event is not None and data is not None:
            paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
            if paths:
                event.acceptProposedAction()
                self.cases.open(paths[0])


def carry_over(old: Workspace | None, new: Workspace) -> None:
    """Keep brush, overlay and modality from one case to the next."""
    if old is None:
        new.view.opacity = _OPACITY
        return
    for name in ("brush", "in_3d", "erase_active_only", "overlay", "outline", "fill", "modality", "plane"):
        setattr(new.view, name, getattr(old.view, name))
    new.view.opacity, new.view.tissue_opacity = old.view.opacity, old.view.tissue_opacity
    if old.view.paint_over is not PaintOver.ACTIVE:
        new.view.paint_over = old.view.paint_over

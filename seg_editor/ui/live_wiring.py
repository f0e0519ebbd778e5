"""Ties live generation, comparing and the history to the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt6.QtWidgets import QWidget

from seg_editor.errors import DeviceMemoryError, SegEditorError
from seg_editor.session import Workspace
from seg_editor.session.results import Entry
from seg_editor.ui.backend import Order
from seg_editor.ui.bind import bind
from seg_editor.ui.device_page import DevicePage
from seg_editor.ui.naming import name_of
from seg_editor.ui.panels.generation import AGAIN
from seg_editor.ui.preferences import Preferences
from seg_editor.ui.state import Layout, Role

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow


def connect_live(window: MainWindow) -> None:
    """Connect generation, comparison and history strip with the rest of the window."""
    generation, compare, history = window.generation, window.compare, window.history
    generation.failed.connect(lambda error: show_failure(window, error))
    generation.changed.connect(history.cards.update)
    generation.made.connect(lambda order, _key: _on_made(window, order))
    window.live.ordered.connect(lambda: _on_ordered(window))
    generation.recalled.connect(lambda: window.status_message(AGAIN))
    compare.foreign.connect(window.metrics_panel.set_foreign)
    compare.changed.connect(lambda: name_judged(window))
    bind(window, window.ui.changed, lambda name: name_judged(window) if name == "layout" else None)
    history.set_token(lambda: generation.token)
    history.set_measuring(lambda: generation.measuring)
    history.compared.connect(compare.against)
    history.restored.connect(lambda entry: restore(window, entry))
    bind(window, compare.state.changed, lambda name: _on_compare(window, name))
    window.settings_dialog.add_page("Device", lambda: device_page(window))


def tell_trouble(window: MainWindow, workspace: Workspace) -> list[Callable[[], None]]:
    """Say it when edits or pictures can no longer be kept for after a crash; returns what ends that."""
    signals = [workspace.journal_failed]
    if workspace.keeper is not None:
        signals.append(workspace.keeper.failed)
    return [bind(window, signal, window.errors.show_error) for signal in signals]


def reveal(window: MainWindow) -> None:
    """Make room for the counterfactual where a single pane shows the source, and nothing is being drawn in it."""
    if not window.viewer.pinned() and window.ui.layout is Layout.SINGLE and window.ui.picture is Role.SOURCE:
        window.ui.layout = Layout.COMPARE


def _on_ordered(window: MainWindow) -> None:
    """Make room for the first picture of a session before live generation makes it; later the layout is the user's.

    With a brush in hand nothing moves under it: :func:`_on_made` shows the picture where the source was.
    """
    workspace = window.workspace
    if workspace is not None and workspace.results.made == 0 and not window.ui.tool.brushes:
        reveal(window)


def _on_made(window: MainWindow, order: Order) -> None:
    workspace, ui = window.workspace, window.ui
    first = workspace is not None and workspace.results.made == 1
    if first and order.live and ui.layout is Layout.SINGLE and ui.tool.brushes and not window.viewer.pinned():
        ui.picture = Role.RESULT


def _on_compare(window: MainWindow, name: str) -> None:
    if name == "against":
        window.history.set_against(window.compare.state.against)
    if name not in ("point", "second_shown"):
        window.later()


def name_judged(window: MainWindow) -> None:
    """Say beside the figures whose they are, where more than one result is on display."""
    pictures, contents = window.viewer.pictures, window.viewer.contents
    name = ""
    if pictures is not None and pictures.result is not None:
        beside = bool(pictures.others) and any(made.slot.rank for made in contents)
        name = name_of(pictures.result, pictures) if beside or pictures.against is not None else ""
    window.metrics_panel.set_name(name)


def show_failure(window: MainWindow, error: BaseException) -> None:
    """Say what went wrong; out of memory on the GPU comes with the way out."""
    settings = window.generation.settings
    if isinstance(error, DeviceMemoryError) and settings.device != "cpu":

        def on_cpu() -> None:
            settings.device = "cpu"
            window.generation.generate()

        window.errors.show_error(error, [("Generate on the CPU", on_cpu)])
    else:
        window.errors.show_error(error)


def restore(window: MainWindow, entry: Entry) -> None:
    """Bring a result back with its mask, and look at its slice."""
    workspace = window.workspace
    if workspace is None:
        return
    try:
        window.generation.restore(entry)
    except SegEditorError as error:
        window.errors.show_error(error)
        return
    window.compare.against(None)
    x, y, z = workspace.view.cursor
    if z not in entry.request.slices:
        workspace.view.cursor = (x, y, min(entry.request.slices, key=lambda k: abs(k - z)))


def device_page(window: MainWindow) -> QWidget:
    """Make the settings page for the device."""
    return DevicePage(window.generation)


def follow_live(window: MainWindow, preferences: Preferences) -> None:
    """Take live mode and device from the last session, and remember them from now on."""
    settings = window.generation.settings
    settings.live, settings.device = preferences.live, preferences.device

    def store(name: str) -> None:
        if name in ("live", "device"):
            setattr(preferences, name, getattr(settings, name))

    bind(window, settings.changed, store)

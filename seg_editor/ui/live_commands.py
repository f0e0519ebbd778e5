"""What the actions of live generation and comparing do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from seg_editor.ui.compare import Mode
from seg_editor.ui.state import Layout

if TYPE_CHECKING:
    from seg_editor.ui.main_window import MainWindow

_SEEDS = 8


class LiveCommands:
    """Handlers and states for :class:`~seg_editor.ui.commands.Commands`."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what each action does."""
        window = self._window
        table: dict[str, Callable[[], object]] = {
            "live": self._flip_live,
            "next_seed": window.generation.next_seed,
            "generate_models": self._generate_models,
            "ensemble": lambda: window.compare.ensemble.start(_SEEDS),
            "referee": self._flip_referee,
            "full_screen": lambda: window.full_screen.toggle(),
            "copy_metrics": lambda: window.metrics_panel.copy_table(),
        }
        for mode in Mode:
            table[f"compare_{mode}"] = partial(window.compare.choose, mode)
        return table

    def checked(self) -> dict[str, bool]:
        """Return the state of the checkable ones."""
        window = self._window
        shown = Mode.PLAIN if window.compare.spread_alone else window.compare.state.mode
        states = {f"compare_{mode}": shown is mode for mode in Mode}
        states["live"] = window.generation.settings.live
        states["referee"] = window.compare.state.referee
        states["full_screen"] = window.isFullScreen()
        return states

    def _flip_live(self) -> None:
        settings = self._window.generation.settings
        settings.live = not settings.live

    def _flip_referee(self) -> None:
        state = self._window.compare.state
        state.referee = not state.referee

    def _generate_models(self) -> None:
        """The chosen model first, then the others, each with its preset of the same name."""
        generation = self._window.generation
        settings = generation.settings
        orders = []
        for info in sorted(generation.models, key=lambda model: model.name != settings.model):
            preset = settings.preset if settings.preset in info.presets else next(iter(info.presets), "")
            order = generation.order(model=info.name, preset=preset, show=info.name == settings.model)
            if order is not None:
                orders.append(order)
        if orders:
            self._window.ui.layout = Layout.MODELS
            generation.submit(orders)

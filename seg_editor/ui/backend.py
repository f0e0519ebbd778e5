"""The only door from the window to models: what it asks of the engine, and the real engine behind it. No Qt here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from seg_editor.cases import Case
    from seg_editor.generation.counterfactual import Counterfactual

Cancel = Callable[[], bool]


@dataclass(frozen=True)
class ModelInfo:
    """One model to choose from.

    Parameters
    ----------
    name, title : str
        Key and readable name.
    presets : mapping of str to int
        Sampling steps of each preset.
    """

    name: str
    title: str
    presets: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Order:
    """One run that the user asked for, with the labels as they were at that moment.

    Parameters
    ----------
    case : Case
    original, labels : (x, y, z) arrays
        Copies: later edits do not reach them.
    revision : int
        Of the segmentation.
    slices : "all" or tuple of int
    first : int or None
        Axial slice to begin with, the one on display.
    known : mapping of request key to Counterfactual
        Results made before; the same request is not run twice.
    """

    case: Case
    original: np.ndarray
    labels: np.ndarray
    revision: int
    model: str
    preset: str
    steps: int | None
    slices: str | tuple[int, ...]
    seed: int
    first: int | None = None
    known: Mapping[str, Counterfactual] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[object, ...]:
        """Runs of one kind take about the same time."""
        count = 1 if isinstance(self.slices, tuple) else 0
        return self.model, self.preset, self.steps, count


class Backend(Protocol):
    """What the window needs of an engine. Every method is called in the worker thread, except `models`."""

    def models(self) -> Sequence[ModelInfo]:
        """List the models, quickly and without loading one."""

    def load(self, model: str) -> str:
        """Make a model ready; return the device it runs on, such as ``CPU``."""

    def run(self, order: Order, cancel: Cancel) -> Iterator[Any]:
        """Generate: yields ``Step`` objects, the last of them with the result."""

    def score(self, order: Order, result: Counterfactual) -> Any:
        """Return the ``Metrics`` of a result."""


class EngineBackend:
    """The real engine: torch is imported when the first model is loaded, in the thread that loads it."""

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._engines: dict[str, Any] = {}
        self._referee: Any = None

    def models(self) -> Sequence[ModelInfo]:
        """List the generating models found on disk."""
        from seg_editor.generation.registry import list_models

        found = []
        for card in list_models():
            if card.kind == "inpaint":
                found.append(ModelInfo(card.name, card.title, dict(preset_steps(card.presets))))
        return found

    def load(self, model: str) -> str:
        """Load weights into an engine, once."""
        from seg_editor.generation.engine import Engine
        from seg_editor.generation.registry import load_model

        if model not in self._engines:
            self._engines[model] = Engine(load_model(model, device=self._device))
        device = str(self._engines[model].model.device)
        return "GPU" if device.startswith("cuda") else device.upper()

    def run(self, order: Order, cancel: Cancel) -> Iterator[Any]:
        """Plan and run; a request that was run before comes back at once."""
        from seg_editor.generation.hole import find_hole

        self.load(order.model)
        engine = self._engines[order.model]
        case = order.case
        hole = find_hole(order.original, order.labels, brain=case.brain, spacing=case.grid.spacing)
        stays = order.labels > 0
        request = engine.plan(
            case, hole, slices=order.slices, seed=order.seed, steps=order.steps, preset=order.preset, tumor=stays
        )
        again = order.known.get(request.key)
        if again is not None:
            yield Done(again)
            return
        yield from engine.run(case, hole, request, cancel=cancel, tumor=stays, first=order.first)

    def score(self, order: Order, result: Counterfactual) -> Any:
        """Score with the referee where its weights exist."""
        from seg_editor.metrics.score import score

        return score(
            order.case, result, tumor=result.hole.core, referee=self._load_referee(), remaining=order.labels > 0
        )

    def _load_referee(self) -> Any:
        if self._referee is None:
            from seg_editor.generation.referee import Referee
            from seg_editor.generation.registry import list_models, load_model

            names = [card.name for card in list_models() if card.kind == "referee"]
            self._referee = Referee(load_model(names[0], device=self._device)) if names else False
        return self._referee or None


@dataclass(frozen=True)
class Done:
    """A step for a result that needed no work."""

    result: Any
    k: int = 1
    total: int = 1
    slice_index: int = -1
    preview: Any = None
    seconds: float = 0.0


def preset_steps(presets: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield ``(name, steps)`` of a card's presets, whether they are written as numbers or as settings."""
    for name, value in presets.items():
        steps = value.get("steps") if isinstance(value, Mapping) else value
        if isinstance(steps, int):
            yield name, steps

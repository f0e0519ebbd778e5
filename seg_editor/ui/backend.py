"""The only door from the window to models: what it asks of the engine, and the real engine behind it. No Qt here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from seg_editor.errors import DeviceMemoryError, ModelError
from seg_editor.session.layer import labels_hash
from seg_editor.session.live import Kind
from seg_editor.session.measured import Measured, Remembering, measure
from seg_editor.session.recall import Place

if TYPE_CHECKING:
    from seg_editor.anatomy.tissue import TissueMap
    from seg_editor.cases import Case
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.generation.registry import ModelCard

Cancel = Callable[[], bool]
_PREFERRED = "m5"


@dataclass(frozen=True)
class ModelInfo:
    """One model to choose from.

    Parameters
    ----------
    name, title : str
        Key and readable name.
    presets : mapping of str to int
        Sampling steps of each preset.
    uses_tissue : bool
        Whether its pictures depend on the tissue map.
    weights : str
        Names the weights and settings behind the name: another text after an update.
    """

    name: str
    title: str
    presets: Mapping[str, int]
    uses_tissue: bool = False
    weights: str = ""


@dataclass(frozen=True, eq=False)
class Order:
    """One run that the user asked for, with the labels as they were at that moment.

    Parameters
    ----------
    case : Case
    original, labels : (x, y, z) arrays
        Copies: later edits do not reach them.
    token : object
        Names the state of the mask: equal tokens, equal masks.
    slices : "all" or tuple of int
    first : int or None
        Axial slice to begin with, the one on display.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    background : bool
        Nobody waits for it: anything newer stops it.
    live : bool
        Nobody asked for it: live generation ordered it for the mask of that moment.
    show : bool
        Whether its result is put on display.
    tissue : uint8 (x, y, z), or None
        The tissue map as it was edited, for models that look at it.
    tissue_name : str
        For these, the map that was found before, where none was edited; empty: the referee's tissue.
    weights : str
        ``ModelInfo.weights`` of the model.
    known : mapping of request key to Counterfactual
        Results made before; the same request is not run twice.
    """

    case: Case
    original: np.ndarray
    labels: np.ndarray
    token: Hashable
    model: str
    preset: str
    steps: int | None
    slices: str | tuple[int, ...]
    seed: int
    first: int | None = None
    device: str = "auto"
    background: bool = False
    live: bool = False
    show: bool = True
    tissue: np.ndarray | None = None
    tissue_name: str = ""
    weights: str = ""
    known: Mapping[str, Counterfactual] = field(default_factory=dict)

    def kind(self, steps: int, slices: int) -> Kind:
        """Runs of one kind take about the same time."""
        return Kind(self.model, self.device, steps, slices)

    @cached_property
    def place(self) -> Place:
        """Where its result is found again."""
        tissue = self.tissue_name if self.tissue is None else labels_hash(self.tissue)
        return Place(
            self.token, self.model, self.device, self.preset, self.steps, self.seed, self.slices, tissue, self.weights
        )


class Backend(Protocol):
    """What the window needs of an engine. `load`, `run` and `score` are called in the worker thread."""

    def models(self) -> Sequence[ModelInfo]:
        """List the models, quickly and without loading one."""

    def load(self, model: str, device: str = "auto") -> str:
        """Make a model ready; return the device it runs on, such as ``CPU``."""

    def pass_seconds(self, model: str, device: str) -> float | None:
        """Seconds of a network pass, measured while the model was loaded; None where that was not needed."""

    def run(self, order: Order, cancel: Cancel) -> Iterator[Any]:
        """Generate: yields ``Step`` objects, the last of them with the result."""

    def score(self, order: Order, result: Counterfactual, slices: Sequence[int] | None = None) -> Measured:
        """Return the figures of a result, or of some of its slices."""


class EngineBackend:
    """The real engine: torch is imported when the first model is loaded, in the thread that loads it.

    Parameters
    ----------
    device : str
        What ``auto`` means here; tests pin it to ``cpu``.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._engines: dict[tuple[str, str], Any] = {}
        self._referees: dict[str, Any] = {}
        self._passes: dict[tuple[str, str], float | None] = {}
        self._tissue: TissueMap | None = None

    def models(self) -> Sequence[ModelInfo]:
        """List the generating models found on disk, M5 first."""
        from seg_editor.generation.engines import GENERATING
        from seg_editor.generation.registry import list_models

        every = list_models()
        judges = [card for card in every if card.kind == "referee"]
        cards = [card for card in every if card.kind in GENERATING]
        cards.sort(key=lambda card: (card.name != _PREFERRED, card.name))
        return tuple(
            ModelInfo(
                card.name,
                card.title,
                dict(preset_steps(card.presets)),
                uses_tissue=card.kind == "diffusion",
                weights=_identity(card, *(judges if card.kind == "diffusion" else ())),
            )
            for card in cards
        )

    def load(self, model: str, device: str = "auto") -> str:
        """Load weights into an engine, once for each device; engines on other devices are let go of."""
        from seg_editor.generation.preload import map_torch

        map_torch()
        from seg_editor.generation.engines import engine_for, pass_seconds
        from seg_editor.generation.registry import load_model
        from seg_editor.generation.tissue_source import TissueSource

        engine = self._engines.get((model, device))
        if engine is None:
            spare_a_core()
            self._engines = {key: kept for key, kept in self._engines.items() if key[1] == device}
            with device_memory():
                source = TissueSource(self._tissue_of, device=self._real(device))
                engine = engine_for(load_model(model, device=self._real(device)), tissue=source)
                self._passes[model, device] = pass_seconds(engine)
            self._engines[model, device] = engine
            with suppress(ModelError):  # the first picture is measured at once; what is wrong is said then
                self._load_referee(device)
        return device_title(str(engine.model.device))

    def pass_seconds(self, model: str, device: str) -> float | None:
        """As the first load found."""
        return self._passes.get((model, device))

    def _real(self, device: str) -> str:
        return self._device if device == "auto" else device

    def _tissue_of(self, case: Case) -> TissueMap | None:
        """The map that the running order names; None asks the referee."""
        return self._tissue

    def run(self, order: Order, cancel: Cancel) -> Iterator[Any]:
        """Plan and run; a request that was run before comes back at once."""
        from seg_editor.anatomy.tissue import TissueMap, known_tissue_map
        from seg_editor.generation.hole import find_hole
        from seg_editor.generation.planning import check_cancel

        self.load(order.model, order.device)
        case = order.case
        if order.tissue is not None:
            self._tissue = TissueMap(order.tissue, "edited", {})
        else:
            self._tissue = known_tissue_map(case) if order.tissue_name else None
        engine = self._engines[order.model, order.device]
        check_cancel(cancel)
        hole = find_hole(order.original, order.labels, brain=case.brain, spacing=case.grid.spacing)
        check_cancel(cancel)
        stays = order.labels > 0
        request = engine.plan(
            case, hole, slices=order.slices, seed=order.seed, steps=order.steps, preset=order.preset, tumor=stays
        )
        again = order.known.get(request.key)
        if again is not None:
            yield Done(again)
            return
        with device_memory():
            yield from engine.run(case, hole, request, cancel=cancel, tumor=stays, first=order.first)

    def score(self, order: Order, result: Counterfactual, slices: Sequence[int] | None = None) -> Measured:
        """Score with the referee where its weights exist."""
        referee = self._load_referee(order.device)
        return measure(order.case, result, referee=referee, remaining=order.labels, slices=slices)

    def _load_referee(self, device: str) -> Any:
        from seg_editor.generation.referee import find_referee

        if device not in self._referees:
            with device_memory():
                found = find_referee(self._real(device))
            self._referees = {device: None if found is None else Remembering(found)}
        return self._referees[device]


@dataclass(frozen=True)
class Done:
    """A step for a result that needed no work."""

    result: Any
    k: int = 1
    total: int = 1
    slice_index: int = -1
    preview: Any = None
    seconds: float = 0.0


def _identity(*cards: ModelCard) -> str:
    """Hash of what a picture is made with: of a model that looks at tissue, the referee that may see it too."""
    return hashlib.sha256(json.dumps([card.to_dict() for card in cards], sort_keys=True).encode()).hexdigest()


def device_title(device: str) -> str:
    """Return a torch device as people say it."""
    return "GPU" if device.startswith("cuda") else device.upper()


def spare_a_core() -> None:
    """Leave one core to the window: torch takes the others."""
    import torch

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 2) - 1)))


class device_memory:
    """Turn torch's out-of-memory error into one that says what to do."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        if error is None or type(error).__name__ != "OutOfMemoryError":
            return
        raise DeviceMemoryError("the device ran out of memory", remedy="Generate on the CPU") from error


def preset_steps(presets: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield ``(name, steps)`` of a card's presets, whether they are written as numbers or as settings."""
    for name, value in presets.items():
        steps = value.get("steps") if isinstance(value, Mapping) else value
        if isinstance(steps, int):
            yield name, steps

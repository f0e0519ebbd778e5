"""An engine without a network: fills the hole step by step, and can be held, made slow or made to fail."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Event, Semaphore
from typing import Any

import numpy as np

from seg_editor.cases import Modality
from seg_editor.errors import DeviceMemoryError
from seg_editor.generation.counterfactual import Counterfactual, to_raw
from seg_editor.generation.hole import Hole, find_hole
from seg_editor.generation.request import GenerationRequest
from seg_editor.session.measured import Measured, measure
from seg_editor.ui.backend import Cancel, Done, ModelInfo, Order


class FakeReferee:
    """Sees tumor nowhere, or wherever FLAIR is brighter than `level`."""

    def __init__(self, level: float | None = None) -> None:
        self.level = level

    def segment_slices(self, case: Any, indices: Sequence[int], raw: np.ndarray | None = None) -> np.ndarray:
        """White matter wherever there is brain."""
        brain = np.moveaxis(case.brain[:, :, list(indices)], 2, 0)
        classes = np.where(brain, 3, 0).astype(np.uint8)
        if self.level is not None:
            volume = case.volumes[Modality.FLAIR].raw if raw is None else raw
            classes[brain & (np.moveaxis(volume[:, :, list(indices)], 2, 0) > self.level)] = 4
        return classes


class FakeBackend:
    """A :class:`~seg_editor.ui.backend.Backend` for tests and screenshots.

    Parameters
    ----------
    steps : int
        Steps of the standard preset.
    models : sequence of str
        Names of the models.
    """

    def __init__(self, steps: int = 4, models: Sequence[str] = ("m5",)) -> None:
        self.steps = steps
        self.names = tuple(models)
        self.referee = FakeReferee()
        self.hold = Event()
        self.hold.set()
        self._allowed: Semaphore | None = None
        self.failure: BaseException | None = None
        self.spoiled = False
        self.gpu_memory = True
        self.loads: list[tuple[str, str]] = []
        self.runs: list[Order] = []
        self.ends: list[str] = []
        self.pause = 0.0
        self.pace: dict[str, float] = {}

    def let(self, steps: int | None) -> None:
        """Let exactly so many further steps of any run through, then hold it; None lets all through again."""
        self._allowed = None if steps is None else Semaphore(steps)

    def _may_step(self) -> bool:
        """True when a step may be made now; waits a moment for it."""
        allowed = self._allowed
        return self.hold.wait(0.005) and (allowed is None or allowed.acquire(timeout=0.005))

    def models(self) -> Sequence[ModelInfo]:
        """The models by name, each with two presets."""
        titles = {"m5": "M5 · context-guided"}
        presets = {"preview": 1, "standard": self.steps}
        return tuple(
            ModelInfo(name, titles.get(name, name.upper()), presets, weights=self._hash(name)) for name in self.names
        )

    def _hash(self, model: str) -> str:
        return f"{self.names.index(model):02x}" * 32

    def load(self, model: str, device: str = "auto") -> str:
        """Nothing to load; the GPU's memory can be too small."""
        self.loads.append((model, device))
        return "GPU" if device == "cuda" else "CPU"

    def pass_seconds(self, model: str, device: str) -> float | None:
        """As :attr:`pace` says."""
        return self.pace.get(model)

    def run(self, order: Order, cancel: Cancel) -> Iterator[Any]:
        """Yield previews, then the result; waits while :attr:`hold` is cleared, and as :meth:`let` says."""
        self.runs.append(order)
        if order.device == "cuda" and not self.gpu_memory:
            raise DeviceMemoryError("the device ran out of memory", remedy="Generate on the CPU")
        case = order.case
        hole = find_hole(order.original, order.labels, brain=case.brain, spacing=case.grid.spacing)
        slices = order.slices if isinstance(order.slices, tuple) else hole.slices
        request = GenerationRequest(
            case_hash=case.content_hash,
            hole_hash=hole.content_hash,
            slices=slices,
            modalities=case.modalities,
            model=order.model,
            model_hash=self._hash(order.model),
            seed=order.seed,
            steps=order.steps or self.steps,
            preset=order.preset,
            margin=hole.margin,
            runtime="torch-cpu",
        )
        if request.key in order.known:
            self.ends.append("known")
            yield Done(order.known[request.key])
            return
        part = hole.restricted(slices)
        offset = 40 * self.names.index(order.model)
        filled = {m: _fill(case.volumes[m].values(), part, order.seed, offset) for m in case.modalities}
        for k in range(1, request.steps):
            while not self._may_step():
                if cancel():
                    break
            if cancel():
                self.ends.append("cancelled")
                return
            time.sleep(self.pause)
            if self.failure is not None:
                raise self.failure
            rng = np.random.default_rng(k)
            z = slices[0]
            noise = rng.normal(0, 60.0 * (1 - k / request.steps), part.mask[:, :, z].shape) * part.mask[:, :, z]
            preview = {m: (v[:, :, z] + noise).astype(np.float32) for m, v in filled.items()}
            if self.spoiled:
                preview = {m: np.full_like(v, np.nan) for m, v in preview.items()}
            yield Done(None, k, request.steps, z, preview, 0.0)
        patches = {m: to_raw(case.volumes[m], filled[m][part.mask]) for m in case.modalities}
        result = Counterfactual(request, part, patches, dict.fromkeys(slices, 0.1), "cpu", "torch-cpu")
        self.ends.append("finished")
        yield Done(result, request.steps, request.steps, slices[-1])

    def score(self, order: Order, result: Counterfactual, slices: Sequence[int] | None = None) -> Measured:
        """Real metrics with a referee of its own."""
        return measure(order.case, result, referee=self.referee, remaining=order.labels, slices=slices)


def _fill(values: np.ndarray, hole: Hole, seed: int, offset: float = 0.0) -> np.ndarray:
    """Values with the hole filled slice by slice: mirrored tissue where there is some, else the healthy median."""
    out = values.copy()
    rng = np.random.default_rng(seed)
    brain = values > 0
    columns = np.flatnonzero(brain.any(axis=(1, 2)))
    middle = int(columns[0] + columns[-1])
    mirrored = np.zeros_like(values)
    source = middle - np.arange(values.shape[0])
    valid = (source >= 0) & (source < values.shape[0])
    mirrored[valid] = values[source[valid]]
    median = float(np.median(values[brain & ~hole.mask])) if (brain & ~hole.mask).any() else 1.0
    fill = np.where(mirrored > 0, mirrored, median) + rng.normal(offset, 4, values.shape)
    out[hole.mask] = np.clip(fill, 1, None)[hole.mask]
    return out.astype(np.float32)

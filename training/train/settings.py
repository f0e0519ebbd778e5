"""Settings and state of a training run: plain data, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from seg_editor.errors import UsageError


@dataclass(frozen=True)
class LoopSettings:
    """How long and how: everything a run needs besides its task.

    ``ema`` 0 keeps no average; ``accumulate`` splits a batch into parts; ``keep_every`` steps a numbered checkpoint
    and sample grids are kept (0: never).
    """

    steps: int = 10_000
    batch: int = 16
    learning_rate: float = 6e-4
    warmup: int = 150
    weight_decay: float = 0.01
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    validate_every: int = 500
    checkpoint_every: float = 240.0
    amp: str = "auto"
    final_fraction: float = 0.02
    adam_betas: tuple[float, float] = (0.9, 0.99)
    accumulate: int = 1
    keep_every: int = 0

    def __post_init__(self) -> None:
        counts = ("batch", "validate_every", "accumulate")
        for name in (*counts, "steps", "keep_every", "seed"):
            least = int(name in counts)
            if getattr(self, name) < least:
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{option} {getattr(self, name)}", remedy=f"Give {least} or more")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"--lr {self.learning_rate}", remedy="Give a positive number, for example 6e-4")


@dataclass
class RunState:
    """Where a run stands; JSON-able. The seconds of validating and saving are the longest that were measured."""

    step: int = 0
    seconds: float = 0.0
    samples: int = 0
    best: float = -math.inf
    validation_seconds: float = 0.0
    save_seconds: float = 0.0
    task: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)


@dataclass
class RunResult:
    """How a call of :func:`train` ended."""

    state: RunState
    reason: str
    images_per_second: float


def learning_rate(settings: LoopSettings, step: int) -> float:
    """Warm-up, then cosine down to ``final_fraction``."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    progress = min((step - settings.warmup) / max(settings.steps - settings.warmup, 1), 1.0)
    low = settings.final_fraction
    return settings.learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))

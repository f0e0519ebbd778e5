"""The training loop: one for every model. A step's batch depends on (seed, step) alone, so resuming is exact."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TextIO

import torch
from torch import Tensor, nn

from seg_editor.errors import ModelError, UsageError
from seg_editor.generation.registry import choose_device
from training.train.checkpoint import load_checkpoint, save_checkpoint

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class LoopSettings:
    """How long and how: everything a run needs besides its task."""

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


class Task(Protocol):
    """What the loop needs to know of a model."""

    name: str

    def build(self) -> nn.Module: ...

    def batch(self, size: int, seed: int, step: int) -> Batch: ...

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]: ...

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on held-out cases; ``score`` (higher is better) picks the best checkpoint."""
        ...

    def describe(self) -> dict[str, Any]: ...


@dataclass
class RunState:
    """Where a run stands; JSON-able."""

    step: int = 0
    seconds: float = 0.0
    samples: int = 0
    best: float = -math.inf
    task: dict[str, Any] = field(default_factory=dict)


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


def train(
    task: Task,
    settings: LoopSettings,
    out: Path,
    *,
    budget: float | None = None,
    device: str = "auto",
    init: Path | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> RunResult:
    """Train until ``settings.steps`` or until `budget` seconds of this call are used; continue what `out` holds.

    Parameters
    ----------
    task : Task
    settings : LoopSettings
    out : Path
        Gets ``last.safetensors``, ``best.safetensors``, ``run.json`` and ``stats.jsonl``.
    budget : float, optional
        Seconds; saving is included.
    device : str
        ``auto``, ``cpu``, ``cuda``.
    init : Path, optional
        A checkpoint whose averaged weights a new run starts from.
    report : callable, optional
        Gets every record that goes into ``stats.jsonl``.

    Raises
    ------
    ModelError
        The loss is not finite (the last good checkpoint stays), the checkpoint does not fit, the disk is full.
    UsageError
        `out` belongs to another kind of run.
    """
    began = time.monotonic()
    target = choose_device(device)
    torch.manual_seed(settings.seed)
    fresh = task.build()
    if init is not None:
        fresh.load_state_dict(load_checkpoint(init, fresh)[0])
    model = fresh.to(target).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, settings.adam_betas, weight_decay=settings.weight_decay
    )
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()}
    state = RunState(task=task.describe())
    last = out / "last.safetensors"
    if last.exists():
        ema, saved = load_checkpoint(last, model, optimizer)
        ema = {k: v.to(target) for k, v in ema.items()}
        state = _resumed(saved, state.task, last)
    run = _Run(task, settings, out, target, model, optimizer, ema, state, began, budget, report)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "stats.jsonl").open("a") as log:
            return run.go(log)
    except OSError as error:
        raise ModelError(
            f"the run cannot be written ({error.strerror or error})",
            path=out,
            remedy="Choose a writable folder with free space; what was saved is kept",
        ) from error


def _resumed(saved: dict[str, Any], task: dict[str, Any], path: Path) -> RunState:
    name = saved.get("task", {}).get("name")
    if name != task.get("name"):
        raise UsageError(f"{path.parent} holds a run of {name}", remedy="Choose another --out")
    try:
        return RunState(**{**saved, "task": task})
    except TypeError as error:
        raise ModelError("the checkpoint lacks the state of a run", path=path, remedy="Choose another --out") from error


class _Run:
    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        out: Path,
        device: torch.device,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        ema: dict[str, Tensor],
        state: RunState,
        began: float,
        budget: float | None,
        report: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.task, self.settings, self.out, self.device = task, settings, out, device
        self.model, self.optimizer, self.ema, self.state = model, optimizer, ema, state
        self.began, self.budget, self.report = began, budget, report
        self.before = state.seconds
        self.stop: str | None = None
        self.save_cost = 5.0
        amp = settings.amp
        if amp == "auto":
            amp = "bf16"
        self.amp = amp == "bf16"

    def go(self, log: TextIO) -> RunResult:
        settings, state = self.settings, self.state
        previous = signal.signal(signal.SIGINT, self._interrupt) if _in_main_thread() else None
        first, clock, saved_at = state.step, time.monotonic(), time.monotonic()
        (self.out / "run.json").write_text(
            json.dumps({"settings": asdict(settings), "task": state.task, "torch": torch.__version__}, indent=1)
        )
        window: list[dict[str, float]] = []
        try:
            while state.step < settings.steps and self.stop is None:
                window.append(self._step())
                if len(window) == 50:
                    self._log(log, {"kind": "train", **_mean(window)}, clock, first)
                    window = []
                if state.step % settings.validate_every == 0:
                    self._validate(log, clock, first)
                now = time.monotonic()
                if now - saved_at > settings.checkpoint_every:
                    self._save()
                    saved_at = time.monotonic()
                if self.budget is not None and now - self.began > self.budget - self.save_cost:
                    self.stop = "budget"
            if state.step % settings.validate_every:
                self._validate(log, clock, first)
            self._save()
        finally:
            if previous is not None:
                signal.signal(signal.SIGINT, previous)
        speed = (state.step - first) * settings.batch / max(time.monotonic() - clock, 1e-6)
        return RunResult(state, self.stop or "done", speed)

    def _interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        self.stop = "interrupted"

    def _step(self) -> dict[str, float]:
        settings, state = self.settings, self.state
        drawn = self.task.batch(settings.batch, settings.seed, state.step)
        batch = {k: v.to(self.device, non_blocking=True) for k, v in drawn.items()}
        rate = learning_rate(settings, state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            loss, figures = self.task.loss(self.model, batch)
        if not torch.isfinite(loss):
            raise self._diverged("loss", float(loss))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        if not torch.isfinite(norm):
            raise self._diverged("gradient", float(norm))
        self.optimizer.step()
        self._average()
        state.step += 1
        state.samples += settings.batch
        state.seconds = self.before + time.monotonic() - self.began
        return {**figures, "grad_norm": float(norm), "lr": rate}

    def _diverged(self, what: str, value: float) -> ModelError:
        kept = (self.out / "last.safetensors").exists()
        return ModelError(
            f"the {what} became {value} at step {self.state.step}",
            path=self.out / "last.safetensors",
            remedy="The last good checkpoint was kept; resume with a lower --lr" if kept else "Use a lower --lr",
        )

    def _average(self) -> None:
        keep = min(self.settings.ema, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            for key, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.ema[key].lerp_(value, 1 - keep)
                else:
                    self.ema[key].copy_(value)

    def _validate(self, log: TextIO, clock: float, first: int) -> None:
        raw = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.ema)
        self.model.eval()
        with torch.inference_mode():
            figures = self.task.validate(self.model, self.device)
        self.model.load_state_dict(raw)
        self._log(log, {"kind": "validate", **figures}, clock, first)
        if figures.get("score", -math.inf) > self.state.best:
            self.state.best = figures["score"]
            self._save("best.safetensors")

    def _save(self, name: str = "last.safetensors") -> None:
        began = time.monotonic()
        save_checkpoint(self.out / name, self.model, self.ema, self.optimizer, asdict(self.state))
        self.save_cost = max(5.0, 3 * (time.monotonic() - began))

    def _log(self, log: TextIO, record: dict[str, Any], clock: float, first: int) -> None:
        speed = (self.state.step - first) * self.settings.batch / max(time.monotonic() - clock, 1e-6)
        state = self.state
        place = {"step": state.step, "seconds": round(state.seconds, 1), "images_per_second": round(speed, 2)}
        record = {**place, **record}
        if self.device.type == "cuda":
            record["peak_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
        log.write(json.dumps(record) + "\n")
        log.flush()
        if self.report:
            self.report(record)


def _mean(records: list[dict[str, float]]) -> dict[str, float]:
    out = {}
    for key in records[0]:
        values = [r[key] for r in records if math.isfinite(r[key])]
        out[key] = round(sum(values) / max(len(values), 1), 7)
    return out


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()

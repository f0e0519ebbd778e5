"""The training loop: one for every model. A step's batch depends on (seed, step) alone, so resuming is exact."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from seg_editor.errors import ModelError
from training.train.checkpoint import load_checkpoint, save_checkpoint
from training.train.loader import Batch, BatchSource, default_workers
from training.train.logging import RunLog
from training.train.parallel import LossModule, Parallel
from training.train.precision import Precision
from training.train.resume import check_settings, resumed, start_from
from training.train.settings import LoopSettings, RunResult, RunState, learning_rate
from training.train.usage import Usage

__all__ = ["Batch", "LoopSettings", "RunResult", "RunState", "Task", "learning_rate", "start_from", "train"]

#: Overflowing fp16 steps in a row after which a run counts as diverged.
MAX_SKIPPED = 50
#: Of the measured time to validate and save, how much a budget keeps free.
RESERVE = 1.2


class Task(Protocol):
    """What the loop needs to know of a model.

    A task may also have ``batch_rows`` and ``finish`` (see :class:`training.train.loader.Draws`), and
    ``samples(model, device)``, which returns a picture and figures.
    """

    name: str

    def build(self) -> nn.Module: ...

    def batch(self, size: int, seed: int, step: int) -> Batch: ...

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]: ...

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on held-out cases; ``score`` (higher is better) picks the best checkpoint."""
        ...

    def describe(self) -> dict[str, Any]: ...


def train(
    task: Task,
    settings: LoopSettings,
    out: Path,
    *,
    budget: float | None = None,
    device: str = "auto",
    init: Path | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
    wandb: str = "off",
    progress: bool = False,
    workers: int | None = 0,
    began: float | None = None,
) -> RunResult:
    """Train until ``settings.steps`` or until `budget` seconds of this call are used; continue what `out` holds.

    Parameters
    ----------
    task : Task
    settings : LoopSettings
    out : Path
        Gets ``last.safetensors``, ``best.safetensors``, ``run.json`` and ``stats.jsonl``.
    budget : float, optional
        Seconds; a last validation and saving are included.
    device : str
        ``auto``, ``cpu``, ``cuda``.
    init : Path, optional
        A checkpoint whose averaged weights a new run starts from.
    report : callable, optional
        Gets every record that goes into ``stats.jsonl``.
    wandb : str
        ``auto``, ``off``, ``offline`` or ``online``: see :class:`training.train.logging.RunLog`.
    progress : bool
        Measure two steps first and record an estimate of the time; show a bar on standard error.
    workers : int, optional
        Processes that draw batches ahead; None chooses by the device. The result does not depend on it.
    began : float, optional
        When the budget began, by ``time.monotonic``; now if not given.

    Raises
    ------
    ModelError
        The loss is not finite (the last good checkpoint stays), the checkpoint does not fit, the disk is full.
    UsageError
        `out` belongs to another kind of run.
    """
    began = time.monotonic() if began is None else began
    parallel = Parallel(device)
    rows = parallel.rows(settings.batch, settings.accumulate)
    run = _Run(task, settings, out, parallel, _begun(task, settings, out, init, parallel.device), began, budget)
    count = default_workers(parallel.device, parallel.local) if workers is None else workers
    run.source = BatchSource(task, settings.batch, settings.seed, rows, parallel.device, workers=count)
    with closing(run.source), _explained(out):
        return run.start(report, wandb, progress)


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    """Say in one line what went wrong with the files of a run."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"the run cannot be written ({error.strerror or error})",
            path=out,
            remedy="Choose a writable folder with free space; what was saved is kept",
        ) from error


class _Begun(NamedTuple):
    """What a step changes."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: dict[str, Tensor]
    state: RunState


def _begun(task: Task, settings: LoopSettings, out: Path, init: Path | None, device: torch.device) -> _Begun:
    """Network, optimizer, moving average and state, as `out` left them or new."""
    torch.manual_seed(settings.seed)
    fresh = task.build()
    if init is not None:
        start_from(init, fresh)
    model: nn.Module = fresh.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, settings.adam_betas, weight_decay=settings.weight_decay
    )
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()} if settings.ema else {}
    state = RunState(task=task.describe())
    last = out / "last.safetensors"
    if last.exists():
        averaged, saved = load_checkpoint(last, model, optimizer)
        ema = {k: averaged[k].to(device) if k in averaged else v for k, v in ema.items()}
        state = resumed(saved, state.task, last)
        check_settings(out / "run.json", settings)
    return _Begun(model, optimizer, ema, state)


class _Run:
    source: BatchSource
    log: RunLog | None = None

    def __init__(
        self,
        task: Task,
        settings: LoopSettings,
        out: Path,
        parallel: Parallel,
        begun: _Begun,
        began: float,
        budget: float | None,
    ) -> None:
        self.task, self.settings, self.out, self.parallel = task, settings, out, parallel
        self.model, self.optimizer, self.ema, self.state = begun
        self.began, self.budget, self.device = began, budget, parallel.device
        self.before = self.state.seconds
        self.wish: str | None = None
        self.step_cost = 0.0
        self.validated_at = -1
        self.skipped = 0
        self.usage = Usage(self.device)
        self.precision = Precision(settings.amp, self.device)
        self.precision.restore(self.state.scaler)
        self.wrapped = parallel.wrap(LossModule(task, self.model))

    def start(self, report: Callable[[dict[str, Any]], None] | None, wandb: str, progress: bool) -> RunResult:
        """Open the log, then train."""
        settings, state = self.settings, self.state
        if self.parallel.main:
            config: dict[str, Any] = {"settings": asdict(settings), "task": state.task, "torch": torch.__version__}
            config |= {"device": str(self.device), "precision": self.precision.mode, "processes": self.parallel.world}
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / "run.json").write_text(json.dumps(config, indent=1))
            where = {"total": settings.steps, "first": state.step}
            self.log = RunLog(self.out, config, wandb=wandb, report=report, progress=progress, **where)
        try:
            return self.go(progress)
        finally:
            if self.log is not None:
                self.log.close()
            self.parallel.close()

    def go(self, progress: bool) -> RunResult:
        """Train until the end or until something asks to stop; then validate and save."""
        settings, state = self.settings, self.state
        previous = signal.signal(signal.SIGINT, self._interrupt) if _in_main_thread() else None
        self.first, self.clock, saved_at = state.step, time.monotonic(), time.monotonic()
        window: list[dict[str, float]] = []
        stop: str | None = None
        try:
            if progress and state.step < settings.steps:
                self._estimate()
                self.clock = saved_at = time.monotonic()
            while state.step < settings.steps and stop is None:
                before = time.monotonic()
                window.append(self._step())
                self.step_cost = time.monotonic() - before
                if len(window) == 50:
                    self._record({"kind": "train", **self.parallel.mean(_mean(window))})
                    window = []
                if state.step % settings.validate_every == 0:
                    self._validate()
                if settings.keep_every and state.step % settings.keep_every == 0:
                    self._keep()
                now = time.monotonic()
                if now - saved_at > settings.checkpoint_every:
                    self._save()
                    saved_at = time.monotonic()
                self._watch(now - self.began)
                stop = self.parallel.agree(self.wish)
                if stop == "validate":
                    self._validate()
                    stop = None
                    self.wish = None if self.wish == "validate" else self.wish
            if window:
                self._record({"kind": "train", **self.parallel.mean(_mean(window))})
            if state.step % settings.validate_every and self.validated_at != state.step:
                self._validate()
            self._save()
            if self.log is not None:
                self.log.checkpoint(self.out / "best.safetensors", state.step)
        finally:
            if previous is not None:
                signal.signal(signal.SIGINT, previous)
        return RunResult(state, stop or "done", self._speed())

    def _watch(self, spent: float) -> None:
        """Wish to stop in time to validate and save; where the cost of validating is unknown, to validate halfway."""
        if self.budget is None or self.wish is not None:
            return
        state = self.state
        if spent + self.step_cost + RESERVE * (state.validation_seconds + 2 * state.save_seconds) > self.budget:
            self.wish = "budget"
        elif state.validation_seconds == 0 and spent > self.budget / 2:
            self.wish = "validate"

    def _interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        self.wish = "interrupted"

    def _gradients(self, parts: list[Batch]) -> dict[str, float]:
        figures: list[dict[str, float]] = []
        for i, part in enumerate(parts):
            with self.parallel.gather_late(self.wrapped, i + 1 == len(parts)):
                with self.precision.autocast():
                    loss, found = self.wrapped(part)
                if not torch.isfinite(loss) and self.parallel.world == 1:
                    raise self._diverged("loss", float(loss.detach()))
                self.precision.backward(loss / len(parts))
            figures.append(found)
        return _mean(figures) if len(figures) > 1 else figures[0]

    def _step(self) -> dict[str, float]:
        settings, state = self.settings, self.state
        rate = learning_rate(settings, state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        figures = self._gradients(self.source(state.step))
        self.precision.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        finite = bool(torch.isfinite(norm))
        self.skipped = 0 if finite else self.skipped + 1
        if not finite and (not self.precision.scaled or self.skipped > MAX_SKIPPED):
            raise self._diverged("gradient", float(norm))
        self.precision.step(self.optimizer)
        self._average()
        state.step += 1
        state.samples += settings.batch
        state.seconds = self.before + time.monotonic() - self.began
        if self.log is not None:
            self.log.advance(state.step, figures.get("loss", math.nan))
        return {**figures, "grad_norm": float(norm), "lr": rate}

    def _estimate(self) -> None:
        """Time a step on the first batch without taking it, and say how long the run will be."""
        kept = {k: v.detach().clone() for k, v in self.model.named_buffers()}
        parts = self.source(self.state.step)
        self.model.train()
        spent = math.inf
        for _ in range(2):  # the first one warms up
            began = time.monotonic()
            self._gradients(parts)
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            spent = min(spent, time.monotonic() - began)
        self.optimizer.zero_grad(set_to_none=True)
        for name, buffer in self.model.named_buffers():
            buffer.copy_(kept[name])
        left = self.settings.steps - self.state.step
        if self.log is not None:
            speed = self.settings.batch / spent
            self.log.estimate(self.state.step, left, spent * left, speed, self.budget)

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
            weights = self.model.state_dict()
            for key, mean in self.ema.items():
                if mean.is_floating_point():
                    mean.lerp_(weights[key], 1 - keep)
                else:
                    mean.copy_(weights[key])

    @contextmanager
    def _averaged(self) -> Iterator[nn.Module]:
        """The model with its averaged weights, for looking."""
        raw = {k: self.model.state_dict()[k].detach().clone() for k in self.ema}
        if self.ema:
            self.model.load_state_dict(self.ema)
        self.model.eval()
        try:
            with torch.inference_mode():
                yield self.model
        finally:
            if raw:
                self.model.load_state_dict(raw)

    def _validate(self) -> None:
        began, self.validated_at = time.monotonic(), self.state.step
        if self.parallel.main:
            with self._averaged() as model:
                figures = self.task.validate(model, self.device)
            self._record({"kind": "validate", **figures})
            if figures.get("score", -math.inf) > self.state.best:
                self.state.best = figures["score"]
                self._save("best.safetensors")
        self.parallel.wait()
        self.state.validation_seconds = max(self.state.validation_seconds, round(time.monotonic() - began, 3))

    def _keep(self) -> None:
        """A numbered checkpoint (weights only) and a grid of samples."""
        if self.log is not None:
            step = self.state.step
            path = self.out / f"step-{step:07d}.safetensors"
            save_checkpoint(path, self.model, self.ema, None, asdict(self.state))
            self.log.checkpoint(path, step)
            make = getattr(self.task, "samples", None)
            if make is not None:
                with self._averaged() as model:
                    pixels, figures = make(model, self.device)
                self._record({"kind": "samples", **figures})
                self.log.picture("samples", pixels, step)
        self.parallel.wait()

    def _save(self, name: str = "last.safetensors") -> None:
        if not self.parallel.main:
            return
        began = time.monotonic()
        self.state.scaler = self.precision.state()
        save_checkpoint(self.out / name, self.model, self.ema, self.optimizer, asdict(self.state))
        self.state.save_seconds = max(self.state.save_seconds, round(time.monotonic() - began, 3))

    def _speed(self) -> float:
        """Images a second in this call."""
        return (self.state.step - self.first) * self.settings.batch / max(time.monotonic() - self.clock, 1e-6)

    def _record(self, record: dict[str, Any]) -> None:
        if self.log is None:
            return
        state, speed = self.state, self._speed()
        place = {"step": state.step, "seconds": round(state.seconds, 1), "images_per_second": round(speed, 2)}
        left = (self.settings.steps - state.step) * self.settings.batch
        remaining = round(left / speed) if speed > 0 else None
        self.log.record({**place, "seconds_left": remaining, **self.usage.look(), **record})


def _mean(records: list[dict[str, float]]) -> dict[str, float]:
    out = {}
    for key in records[0]:
        values = [r[key] for r in records if math.isfinite(r[key])]
        out[key] = round(sum(values) / max(len(values), 1), 7)
    return out


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()

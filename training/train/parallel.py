"""One process or many: ranks, rows of a batch, averages. accelerate is used only where it launched the program."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from seg_editor.errors import UsageError
from seg_editor.generation.registry import choose_device

Batch = dict[str, Tensor]


class Parallel:
    """The processes of a run. With one process every method is a no-op."""

    def __init__(self, device: str = "auto") -> None:
        self.accelerator: Any = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            try:
                from accelerate import Accelerator
            except ImportError as error:
                raise UsageError(
                    "a distributed launch needs accelerate", remedy="pip install seg-editor[train]"
                ) from error
            on_cpu = choose_device(device).type == "cpu"
            self.accelerator = Accelerator(cpu=on_cpu, mixed_precision="no")
        self.rank = int(self.accelerator.process_index) if self.accelerator else 0
        self.world = int(self.accelerator.num_processes) if self.accelerator else 1
        self.device: torch.device = self.accelerator.device if self.accelerator else choose_device(device)

    @property
    def main(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def rows(self, size: int, accumulate: int) -> list[range]:
        """This process's rows of a global batch, one range for each part of the gradient accumulation.

        Raises
        ------
        UsageError
            The batch cannot be shared out evenly.
        """
        shares = self.world * accumulate
        if accumulate < 1 or size % shares:
            raise UsageError(
                f"a batch of {size} cannot be shared by {self.world} processes x {accumulate} parts",
                remedy=f"Choose a --batch that {shares} divides",
            )
        return [range(self.rank + part * self.world, size, shares) for part in range(accumulate)]

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model whose gradients are averaged over processes."""
        return cast(nn.Module, self.accelerator.prepare_model(model)) if self.accelerator else model

    def gather_late(self, model: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Context of one part of an accumulated step: gradients travel with the last part only."""
        if self.accelerator is None or last:
            return nullcontext()
        return cast("AbstractContextManager[Any]", self.accelerator.no_sync(model))

    def mean(self, figures: dict[str, float]) -> dict[str, float]:
        """Figures averaged over processes."""
        if self.accelerator is None:
            return figures
        values = torch.tensor(list(figures.values()), dtype=torch.float64).float().to(self.device)
        reduced = self.accelerator.reduce(values, "mean").tolist()
        return dict(zip(figures, reduced, strict=True))

    def agree(self, reason: str | None) -> str | None:
        """A reason to stop that any process has becomes everyone's."""
        if self.accelerator is None:
            return reason
        reasons = (None, "budget", "interrupted")
        vote = torch.tensor(reasons.index(reason), device=self.device)
        votes = self.accelerator.gather(vote[None])
        return reasons[int(votes.max())]

    def wait(self) -> None:
        """Until every process is here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes."""
        if self.accelerator is not None:
            self.accelerator.end_training()


class Draws(Protocol):
    """The part of a task that makes batches."""

    def batch(self, size: int, seed: int, step: int) -> Batch: ...


class BatchSource:
    """This process's parts of each step's batch, on the device; drawn one step ahead where a GPU would wait."""

    def __init__(self, task: Draws, size: int, seed: int, rows: list[range], device: torch.device) -> None:
        self.task, self.size, self.seed, self.rows, self.device = task, size, seed, rows, device
        self._pool = ThreadPoolExecutor(1) if device.type == "cuda" else None
        self._next: tuple[int, Future[list[Batch]]] | None = None

    def __call__(self, step: int) -> list[Batch]:
        """Parts of the batch of `step`."""
        if self._pool is None:
            drawn = self._draw(step)
        else:
            ready = self._next
            drawn = ready[1].result() if ready is not None and ready[0] == step else self._draw(step)
            self._next = (step + 1, self._pool.submit(self._draw, step + 1))
        return [{k: v.to(self.device, non_blocking=True) for k, v in part.items()} for part in drawn]

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _draw(self, step: int) -> list[Batch]:
        some: Callable[..., Batch] | None = getattr(self.task, "batch_rows", None)
        if some is not None:
            parts = [some(self.size, self.seed, step, rows) for rows in self.rows]
        else:
            whole = self.task.batch(self.size, self.seed, step)
            parts = [{k: v[rows.start : rows.stop : rows.step] for k, v in whole.items()} for rows in self.rows]
        if self.device.type == "cuda":
            parts = [{k: v.pin_memory() for k, v in part.items()} for part in parts]
        return parts


class LossModule(nn.Module):
    """A task's loss as a module, so that gradients of any task can be averaged over processes."""

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._loss = task.loss

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Loss and figures of a batch."""
        return cast("tuple[Tensor, dict[str, float]]", self._loss(self.model, batch))

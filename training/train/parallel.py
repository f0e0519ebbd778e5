"""One process or many: ranks, rows of a batch, averages. accelerate is used only where it launched the program."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from seg_editor.errors import UsageError
from seg_editor.generation.registry import choose_device
from training.train.loader import Batch


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
    def local(self) -> int:
        """Processes of the run on this machine."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", self.world)) if self.accelerator else 1

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
        """A wish (to validate, to stop for a reason) that any process has becomes everyone's; the strongest counts."""
        if self.accelerator is None:
            return reason
        reasons = (None, "validate", "budget", "interrupted")
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


class LossModule(nn.Module):
    """A task's loss as a module, so that gradients of any task can be averaged over processes."""

    def __init__(self, task: Any, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._loss = task.loss

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Loss and figures of a batch."""
        return cast("tuple[Tensor, dict[str, float]]", self._loss(self.model, batch))

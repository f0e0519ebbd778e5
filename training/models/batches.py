"""What tasks share that make their batches on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Batch = dict[str, Tensor]


def has_room(device: torch.device, need: int) -> bool:
    """Whether data of `need` bytes may lie on a device: a GPU, and at most half of its free memory."""
    return device.type == "cuda" and need <= torch.cuda.mem_get_info(device)[0] / 2


def cut(tables: Batch, drawn: Sequence[Batch]) -> Batch:
    """Rows of tables on a device: those at ``place`` of every draw, and the rest of the draws beside them."""
    device = next(iter(tables.values())).device
    whole = {k: torch.cat([d[k] for d in drawn]).to(device, non_blocking=True) for k in drawn[0]}
    place = whole.pop("place")
    return {k: table.index_select(0, place) for k, table in tables.items()} | whole


def parted(whole: Batch, lengths: list[int], steps: int) -> list[list[Batch]]:
    """Cut samples of some steps, one after the other, to the parts of each step; they share memory.

    Parameters
    ----------
    whole : dict
        Values (steps * sum(lengths), ...).
    lengths : list of int
        Rows of each part of a step.
    steps : int
    """
    values = zip(*(torch.split(v, lengths * steps) for v in whole.values()), strict=True)
    parts = [dict(zip(whole, part, strict=True)) for part in values]
    return [parts[i : i + len(lengths)] for i in range(0, len(parts), len(lengths))]

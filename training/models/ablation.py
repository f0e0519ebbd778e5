"""Mask ablation: which classes of a conditioning mask become 0; drawn apart from the masks, to check the rates.

The paper writes one ablation (tumor, p = 0.3) and its code stacks two; both are here, and their sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seg_editor.anatomy.names import CSF, GM, TUMOR, WM
from seg_editor.errors import UsageError

#: Classes that can be removed, in the order of a draw's columns: CSF, GM, WM, tumor.
CLASSES = (CSF, GM, WM, TUMOR)


@dataclass(frozen=True)
class Ablation:
    """How masks lose classes in training.

    Attributes
    ----------
    tumor : float
        Chance that the tumor label becomes 0.
    classes : float
        Chance that a class (each on its own, tumor too) becomes 0, in one draw for the whole batch.
    per_batch : bool
        Draw the tumor's removal once a batch instead of once a sample.
    """

    tumor: float = 0.0
    classes: float = 0.0
    per_batch: bool = False

    def __post_init__(self) -> None:
        for name in ("tumor", "classes"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"the chance to ablate {name} is {getattr(self, name)}", remedy="Give 0 to 1")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Which classes each sample of a batch loses.

        Parameters
        ----------
        count : int
            Samples of the batch.
        generator : torch.Generator

        Returns
        -------
        bool (count, 4)
            Columns as :data:`CLASSES`.
        """
        tumor = draw_tumor(count, self.tumor, generator, per_batch=self.per_batch)
        return tumor | draw_classes(count, self.classes, generator)

    def __call__(self, masks: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for a batch of masks (n, h, w) and apply."""
        return remove(masks, self.draw(len(masks), generator))

    def to_json(self) -> dict[str, Any]:
        return {"tumor": self.tumor, "classes": self.classes, "per_batch": self.per_batch}


def draw_tumor(count: int, chance: float, generator: torch.Generator, *, per_batch: bool = False) -> Tensor:
    """Removal of the tumor alone, bool (count, 4); all samples alike with `per_batch`."""
    drawn = torch.rand(1 if per_batch else count, generator=generator) < chance
    removed = torch.zeros(count, len(CLASSES), dtype=torch.bool)
    removed[:, CLASSES.index(TUMOR)] = drawn
    return removed


def draw_classes(count: int, chance: float, generator: torch.Generator) -> Tensor:
    """Removal class by class, one draw for the batch: bool (count, 4) with equal rows."""
    return (torch.rand(len(CLASSES), generator=generator) < chance).expand(count, -1).clone()


def remove(masks: Tensor, removed: Tensor) -> Tensor:
    """Set the removed classes of each mask to 0.

    Parameters
    ----------
    masks : integer (n, h, w)
        Class ids 0-4.
    removed : bool (n, 4)

    Returns
    -------
    integer (n, h, w)
        A new tensor; `masks` stays as it is.
    """
    out = masks.clone()
    for column, value in enumerate(CLASSES):
        out.masked_fill_((masks == value) & removed[:, column, None, None].to(masks.device), 0)
    return out

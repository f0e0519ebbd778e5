"""Ablation rates over 10,000 draws against the paper's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seg_editor.errors import UsageError
from training.models.ablation import CLASSES, Ablation, draw_classes, draw_tumor, remove
from training.presets import ARMS

DRAWS = 10_000
#: One row with every class id.
MASK = torch.arange(5, dtype=torch.uint8)[None, None]


def close(chance: float) -> object:
    """Four standard deviations around an expected rate."""
    return pytest.approx(chance, abs=4 * (chance * (1 - chance) / DRAWS) ** 0.5)


def batches_of_one(model: str) -> Tensor:
    """(10000, 4): whether each class was removed, one batch of one sample a draw."""
    generator = torch.Generator().manual_seed(3)
    return torch.cat([ARMS[model].ablation.draw(1, generator) for _ in range(DRAWS)])


@pytest.mark.parametrize("model", ["m1", "m2"])
def test_no_ablation(model: str) -> None:
    assert not ARMS[model].ablation.draw(DRAWS, torch.Generator().manual_seed(0)).any()


def test_m3_drops_the_tumor_alone_per_sample() -> None:
    removed = ARMS["m3"].ablation.draw(DRAWS, torch.Generator().manual_seed(1))
    assert removed.float().mean(0).tolist() == [0, 0, 0, close(0.3)]


def test_per_batch_treats_all_samples_alike() -> None:
    generator = torch.Generator().manual_seed(2)
    ablation = Ablation(tumor=0.3, per_batch=True)
    drawn = [ablation.draw(3, generator)[:, 3] for _ in range(DRAWS)]
    assert all(bool((d == d[0]).all()) for d in drawn)
    assert float(torch.stack(drawn)[:, 0].float().mean()) == close(0.3)


def test_m3k_drops_each_class_by_half() -> None:
    removed = batches_of_one("m3k")
    assert removed.float().mean(0).tolist() == [close(0.5)] * 4
    assert float(removed.all(1).float().mean()) == close(1 / 16)
    assert float((~removed).all(1).float().mean()) == close(1 / 16)


def test_m3c_is_both_as_the_code_stacks_them() -> None:
    """On masks: tumor absent on tumor slices 0.65, mask untouched 4.4 %; tissues gone 1/8."""
    generator = torch.Generator().manual_seed(4)
    ablation = ARMS["m3c"].ablation
    masks = torch.cat([ablation(MASK, generator) for _ in range(DRAWS)])[:, 0]
    kept = masks == MASK[0, 0]
    assert float((~kept[:, 4]).float().mean()) == close(0.65)
    assert [float((~kept[:, c]).float().mean()) for c in (1, 2, 3)] == [close(0.5)] * 3
    assert float(kept.all(1).float().mean()) == close(0.7 / 16)
    # the class draw removes all four in 1 of 16; the three tissues together in 1 of 8, and the tumor in 0.65 of those
    assert float((~kept[:, 1:4]).all(1).float().mean()) == close(1 / 8)
    assert float((~kept[:, 1:]).all(1).float().mean()) == close(0.65 / 8)


def test_the_class_draw_of_m3c_removes_everything_in_one_of_sixteen() -> None:
    generator = torch.Generator().manual_seed(5)
    drawn = torch.cat([draw_classes(1, 0.5, generator) for _ in range(DRAWS)])
    assert float(drawn.all(1).float().mean()) == close(1 / 16)


def test_classes_are_drawn_once_a_batch_and_the_tumor_once_a_sample() -> None:
    generator = torch.Generator().manual_seed(6)
    removed = Ablation(tumor=0.3, classes=0.5).draw(64, generator)
    assert all(len(set(removed[:, c].tolist())) == 1 for c in range(3))
    assert len(set(draw_tumor(64, 0.3, generator)[:, 3].tolist())) == 2


def test_removing_touches_the_removed_classes_only() -> None:
    masks = torch.randint(0, 5, (3, 6, 6), generator=torch.Generator().manual_seed(7), dtype=torch.uint8)
    before = masks.clone()
    removed = torch.tensor([[0, 0, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]], dtype=torch.bool)
    out = remove(masks, removed)
    assert torch.equal(masks, before)
    assert out.dtype == masks.dtype
    for row, gone in enumerate(removed):
        lost = torch.tensor([c for c, g in zip(CLASSES, gone, strict=True) if g], dtype=torch.uint8)
        expected = torch.where(torch.isin(masks[row], lost), 0, masks[row])
        assert torch.equal(out[row], expected)


@pytest.mark.parametrize("chance", [-0.1, 1.5])
def test_a_chance_that_is_none(chance: float) -> None:
    with pytest.raises(UsageError, match="chance to ablate tumor"):
        Ablation(tumor=chance)

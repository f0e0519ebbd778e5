"""What the difference and the spread say about their scale."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from seg_editor.ui.compare import CompareState, EnsembleView
from seg_editor.ui.comparison import SPREAD_SHARE, Comparison
from seg_editor.ui.state import Role


def compared(change: float, *, slope: float = 1.0, spread: float | None = None) -> Comparison:
    """A picture with gray values 0 to 200 whose counterfactual differs by `change` in one voxel."""
    raw = np.zeros((20, 20, 1), np.int16)
    raw[..., 0] = np.linspace(1, 200, 400).reshape(20, 20)
    volume: Any = SimpleNamespace(raw=raw, slope=slope)
    second = raw[..., 0].astype(np.float32)
    second[3, 4] += change
    state, averaged = CompareState(), None
    if spread is not None:
        state.ensemble = EnsembleView.SD
        averaged = np.full((20, 20), spread, np.float32)
    return Comparison(state, Role.DIFFERENCE, raw[..., 0], second, averaged, volume)


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        (0.0, ("−200", "+200")),
        (150.0, ("−200", "+200")),
        (201.0, ("−200", "≥ +200")),
        (-201.0, ("≤ −200", "+200")),
    ],
)
def test_a_difference_beyond_the_scale_is_said_at_its_end(change: float, ends: tuple[str, str]) -> None:
    assert compared(change)._ends() == ends


def test_the_scale_is_in_image_units() -> None:
    assert compared(201.0, slope=0.5)._ends() == ("−100", "≥ +100")


def test_a_spread_beyond_the_scale_is_said() -> None:
    reach = 200 * SPREAD_SHARE
    assert compared(0.0, spread=reach - 1)._ends() == ("", f"SD {reach:.0f}")
    assert compared(0.0, spread=reach + 1)._ends() == ("", f"SD ≥ {reach:.0f}")


def test_no_difference_of_two_grays_is_beyond_the_scale() -> None:
    found = compared(0.0)
    codes = found.codes((slice(None), slice(None)))
    assert codes is not None
    assert set(np.unique(codes)) == {128}
    assert found.reach >= 199

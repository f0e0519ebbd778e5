"""Amounts in words."""

from __future__ import annotations

import pytest

from seg_editor.wording import milliliters


@pytest.mark.parametrize(
    ("volume", "said"), [(0.0, "0 ml"), (0.0042, "0.0042 ml"), (0.314, "0.31 ml"), (7.16, "7.2 ml"), (120, "120.0 ml")]
)
def test_small_volumes_have_two_digits_and_others_one_decimal(volume: float, said: str) -> None:
    assert milliliters(volume) == said

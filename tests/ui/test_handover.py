"""The switch interval: short while any background thread asks for it, and as before afterwards."""

from __future__ import annotations

import sys

import pytest

from seg_editor.ui.handover import SWITCH_INTERVAL, quick_handover


def test_blocks_that_overlap_end_in_any_order() -> None:
    before = sys.getswitchinterval()
    first, second = quick_handover(), quick_handover()
    first.__enter__()
    second.__enter__()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(before)


def test_an_error_ends_the_block() -> None:
    before = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError), quick_handover():
        _ = 1 // 0
    assert sys.getswitchinterval() == pytest.approx(before)

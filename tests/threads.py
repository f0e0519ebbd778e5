"""One thread for torch: small networks are faster so. Imported by the conftests that want it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def single_thread() -> Iterator[None]:
    """Set torch to one thread and back; for fixtures of a wider scope than a test."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread for every test."""
    with single_thread():
        yield

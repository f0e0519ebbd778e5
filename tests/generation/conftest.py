"""Small models on one thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seg_editor.cases import Case
from seg_editor.generation.engine import Engine
from seg_editor.generation.hole import Hole, find_hole
from seg_editor.generation.registry import load_model
from tests.models import write_model
from tests.threads import one_thread  # noqa: F401


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A model folder with a small random network."""
    return write_model(tmp_path / "models" / "m5")


@pytest.fixture
def engine(model_folder: Path) -> Engine:
    """An engine with it, on the CPU."""
    return Engine(load_model(model_folder, device="cpu"))


@pytest.fixture
def hole(tiny_case: Case) -> Hole:
    """The hole that removing the whole tumor leaves."""
    assert tiny_case.labels is not None
    return find_hole(tiny_case.labels.raw, np.zeros_like(tiny_case.labels.raw), brain=tiny_case.brain, margin=1)

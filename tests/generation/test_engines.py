"""What is known of an engine before its first run."""

from __future__ import annotations

from pathlib import Path

from seg_editor.generation.engine import Engine
from seg_editor.generation.engines import pass_seconds
from tests.generation.test_paper_engine import engine_of


def test_a_pass_of_a_paper_model_is_measured(tmp_path: Path, engine: Engine) -> None:
    seconds = pass_seconds(engine_of(tmp_path))
    assert seconds is not None
    assert 0 < seconds < 10
    assert pass_seconds(engine) is None

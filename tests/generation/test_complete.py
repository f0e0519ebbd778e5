from __future__ import annotations

from typing import Any, cast

import pytest

from seg_editor.errors import ModelError
from seg_editor.generation.complete import complete
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.generation.engine import Step


def steps(result: Counterfactual | None) -> list[Step]:
    return [Step(k, 3, 0, None, 0.0, result if k == 3 else None) for k in (1, 2, 3)]


def test_a_run_is_taken_to_its_result() -> None:
    result, seen = cast(Counterfactual, object()), list[Any]()
    assert complete(steps(result), lambda step: seen.append(step.k)) is result
    assert seen == [1, 2, 3]


def test_a_run_without_a_result_is_told() -> None:
    with pytest.raises(ModelError, match="returned no result"):
        complete(steps(None))
    with pytest.raises(ModelError, match="returned no result"):
        complete([])

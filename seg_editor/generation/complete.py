"""A run to its end, for those who want the result and not the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from seg_editor.errors import ModelError

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual
    from seg_editor.generation.engine import Step


def complete(steps: Iterable[Step], watch: Callable[[Step], object] | None = None) -> Counterfactual:
    """Take all steps of a run and return its result.

    Parameters
    ----------
    steps : iterable of Step
        What an engine's ``run`` yields.
    watch : callable, optional
        Is given every step as it comes.

    Raises
    ------
    ModelError
        The run ended without a result.
    """
    result: Counterfactual | None = None
    for step in steps:
        if watch is not None:
            watch(step)
        result = step.result or result
    if result is None:
        raise ModelError("the model returned no result", remedy="Try another model")
    return result

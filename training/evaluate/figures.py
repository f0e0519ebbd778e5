"""All figures of an evaluation, each from the module that draws its kind; what has no data is left out.

Pictures are of the demo case unless another is named: those of a patient stay private.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seg_editor.cases import find_cases
from seg_editor.errors import UsageError
from seg_editor.generation.referee import find_referee
from seg_editor.generation.registry import find_card
from seg_editor.resources import resource_path
from training.evaluate.curves import learning_figures
from training.evaluate.number_figures import number_figures, read_run
from training.evaluate.pictures import case_figures


def write_figures(
    run: Path | None,
    out: Path,
    *,
    training: Path | None = None,
    case: Path | None = None,
    models: Sequence[str] = (),
    steps: int = 50,
) -> Iterator[Path]:
    """Write PNG files and yield their paths.

    Parameters
    ----------
    run : Path, optional
        What ``seg-train evaluate`` wrote, for the figures of numbers.
    out : Path
    training : Path, optional
        Folder of run folders with ``stats.jsonl``, for the learning curves.
    case : Path, optional
        Case folder for the pictures; the demo case if not given.
    models : sequence of str
        Models of the pictures, names or folders.
    steps : int
        Grid of time steps for the paper's models.

    Raises
    ------
    UsageError
        `run` holds no evaluation, or `training` no run.
    CaseError, ModelError
        The case or a model cannot be used.
    """
    if run is not None:
        read_run(run)
    if training is not None and not any(training.glob("*/stats.jsonl")):
        raise UsageError(f"{training} holds no run folders with stats.jsonl", remedy="Name the folder above the runs")
    for name in models:
        find_card(name)  # an unknown model is told before the work
    out.mkdir(parents=True, exist_ok=True)
    if training is not None:
        yield from learning_figures(training, out)
    if run is not None:
        yield from number_figures(run, out)
    referee = find_referee("cpu")
    folder = case or next((p for p in find_cases(resource_path("demo")) if p.is_dir()), None)
    if referee is not None and folder is not None:
        yield from case_figures(folder, out, referee, models=models, steps=steps)

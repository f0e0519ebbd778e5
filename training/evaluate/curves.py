"""Figures 6 and 8: how training went, from the ``stats.jsonl`` of run folders named after their model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seg_editor.errors import UsageError
from training.evaluate.drawing import look, method_name, new_figure, save_figure, tidy
from training.presets import ARMS

#: Records of the training loss that one drawn point is the mean of: single batches of eight jump.
_MEAN_OF = 4
_REFEREE = "m4"
_Records = list[dict[str, Any]]


def learning_figures(training: Path, out: Path) -> Iterator[Path]:
    """Write the learning curves of the runs in a folder and yield their paths.

    A run's folder is called ``m2`` or ``m2-anything``. Drawn are the paper's models and the referee.

    Raises
    ------
    UsageError
        A ``stats.jsonl`` is damaged before its last line.
    """
    curves = {name: _read(training, name) for name in (*ARMS, _REFEREE)}
    arms = {name: lines for name, lines in curves.items() if lines and name != _REFEREE}
    if any(_points(lines, "val_loss", "noise_error", "loss") for lines in arms.values()):
        yield save_figure(_learning(arms, curves[_REFEREE]), out / "fig6_learning.png")
    if any(_points(lines, "val_ssim") for lines in arms.values()):
        yield save_figure(_monitor(arms), out / "fig8_val_ssim.png")


def _read(training: Path, name: str) -> _Records:
    for path in sorted([*training.glob(f"{name}/stats.jsonl"), *training.glob(f"{name}-*/stats.jsonl")]):
        return [record for record in _records(path) if "step" in record]
    return []


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a run that may still go on, or was ended while it wrote: a last line that is cut off is left out."""
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            what = f"record {number} of {len(lines)} is no JSON"
            raise UsageError(what, path=path, remedy="Take out that line, or leave the run out") from error
        if isinstance(record, dict):
            yield record


def _points(lines: _Records, *keys: str) -> list[tuple[float, float]]:
    """Points of the first key that any record has."""
    for key in keys:
        found = {line["step"]: line[key] for line in lines if key in line}
        if found:
            return sorted(found.items())
    return []


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    n = len(points) // _MEAN_OF * _MEAN_OF
    if len(points) < 2 * _MEAN_OF:
        return points
    grouped = np.asarray(points[-n:], float).reshape(-1, _MEAN_OF, 2).mean(1)
    return [(float(a), float(b)) for a, b in grouped]


def _draw(axis: Any, name: str, points: list[tuple[float, float]], *, label: str = "", line: str = "-") -> None:
    if points:
        how = look(name)
        axis.plot(
            *zip(*points, strict=True),
            color=how.color,
            marker=how.marker,
            ms=4,
            lw=1.4,
            ls=line,
            label=label or method_name(name),
        )


def _learning(arms: dict[str, _Records], referee: _Records) -> Any:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    classes = [k for k in ("tumor", "WM", "GM", "CSF") if _points(referee, f"dice_{k}")]
    figure, axes = new_figure(10.5 if classes else 7.4, 3.4, 1, 3 if classes else 2)
    train, held_out, *rest = axes[0]
    for name, lines in arms.items():
        _draw(train, name, _smooth(_points(lines, "noise_error", "loss")))
        _draw(held_out, name, _points(lines, "val_loss"))
    for axis, title in ((train, f"training slices, means of {_MEAN_OF} records"), (held_out, "validation slices")):
        axis.set(yscale="log", xlabel="step")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_title(title, fontsize=9)
    train.set_ylabel("mean squared error of the noise (variance 1)", fontsize=9)
    for axis in rest:
        for key, line in zip(classes, ("-", "--", "-.", ":"), strict=False):
            _draw(axis, _REFEREE, _points(referee, f"dice_{key}"), label=key, line=line)
        axis.set(xlabel="step", ylim=(0, 1))
        axis.set_ylabel("Dice", fontsize=9)
        axis.set_title("M4, the referee: validation slices", fontsize=9)
        axis.legend(fontsize=8, frameon=False, loc="lower right", handlelength=3)
    tidy(axes[0])
    train.legend(fontsize=8, frameon=False, ncols=2)
    return figure


def _monitor(arms: dict[str, _Records]) -> Any:
    figure, axes = new_figure(6, 3.6)
    for name, lines in arms.items():
        _draw(axes[0, 0], name, _points(lines, "val_ssim"))
    axes[0, 0].set(xlabel="step")
    axes[0, 0].set_ylabel("SSIM of samples, histogram-matched,\ntumor zeroed (1 is a copy)", fontsize=9)
    tidy(axes[0])
    axes[0, 0].legend(fontsize=8, frameon=False, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure

"""Time the editing core on a volume of real size; prints JSON with p50 and p95 in milliseconds."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from seg_editor.cases import SCHEME_124
from seg_editor.editing import (
    Brush,
    Fill,
    GrowShrink,
    History,
    KeepLargest,
    RemoveTumor,
    ReplaceAll,
    Segmentation,
    Smooth,
    Stroke,
)
from seg_editor.session.journal import Journal, Start
from seg_editor.session.records import RecordKind

SHAPE = (240, 240, 155)
Timings = dict[str, list[float]]


def timed(into: list[float], call: Callable[[], object]) -> object:
    """Call, and note the milliseconds."""
    start = time.perf_counter()
    result = call()
    into.append((time.perf_counter() - start) * 1000)
    return result


def tumor() -> np.ndarray:
    """A ball of 150 ml with three subregions in shells."""
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    squared = (x - 120) ** 2 + (y - 100) ** 2 + (z - 75) ** 2
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for radius, value in ((33, 2), (20, 4), (12, 1)):
        labels[squared < radius**2] = value
    return labels


def path(dabs: int, axis: int, step: float) -> list[tuple[float, float, float]]:
    """A mouse path that wanders through the whole plane, `step` voxels a dab, and turns back at the edges."""
    rng = np.random.default_rng(dabs)
    heading = np.cumsum(rng.normal(0, 0.15, dabs))
    points = np.full((dabs, 3), 75.0)
    for a, along in zip((a for a in range(3) if a != axis), (np.cos(heading), np.sin(heading)), strict=True):
        last = SHAPE[a] - 1
        folded = np.mod(last / 2 + np.cumsum(step * along), 2 * last)
        points[:, a] = np.minimum(folded, 2 * last - folded)
    return [tuple(p) for p in points.tolist()]


def strokes(timings: Timings, name: str, brush: Brush, step: float, repeats: int) -> None:
    """Strokes of 200 dabs in each plane, with commit, journal, undo and redo."""
    segmentation = Segmentation(tumor(), SCHEME_124)
    history = History(segmentation)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), Start("c" * 64, "l" * 64))
        for repeat in range(repeats):
            axis = repeat % 3
            stroke = Stroke(segmentation, brush, axis, 1 + repeat % 2)
            first, *rest = path(200, axis, step)
            timed(timings[f"{name}: dab"], lambda: stroke.begin(first))  # noqa: B023
            for point in rest:
                timed(timings[f"{name}: dab"], lambda: stroke.extend(point))  # noqa: B023
            change = timed(timings[f"{name}: commit"], stroke.commit)
            history.push(change)  # type: ignore[arg-type]
            timed(timings[f"{name}: journal"], lambda: journal.write(RecordKind.DO, change))  # type: ignore[arg-type]  # noqa: B023
            timed(timings[f"{name}: undo"], history.undo)
            timed(timings[f"{name}: redo"], history.redo)
            history.undo()
            time.sleep(0.05)
        journal.close(discard=True)


def edits(timings: Timings, repeats: int) -> None:
    """Whole-tumor edits and their undo."""
    labels = tumor()
    other = np.roll(labels, 9, axis=1)
    segmentation = Segmentation(labels, SCHEME_124)
    history = History(segmentation)
    for edit in (
        RemoveTumor(),
        RemoveTumor("component", (120, 100, 75)),
        RemoveTumor("subregion", subregion=4),
        Fill((120, 100, 75), 2, 4),
        GrowShrink(2.0),
        GrowShrink(-2.0),
        KeepLargest(),
        Smooth(2.0),
        ReplaceAll(other),
    ):
        name = f"{edit.name} {getattr(edit, 'scope', '')}".strip()
        for _ in range(repeats):
            change = timed(timings[name], lambda: segmentation.apply(edit))  # noqa: B023
            history.push(change)  # type: ignore[arg-type]
            if change is not None:
                timed(timings[f"{name}: undo"], history.undo)
    timed(timings["volume_ml"], lambda: segmentation.volume_ml(2))


def main() -> None:
    """Run everything and print."""
    timings: Timings = _Lists()
    strokes(timings, "2D r=20, 3 voxels a dab", Brush("round", 20), 3, 15)
    strokes(timings, "2D r=20, 30 voxels a dab", Brush("round", 20), 30, 6)
    strokes(timings, "3D r=10, 3 voxels a dab", Brush("round", 10, three_d=True), 3, 6)
    strokes(timings, "3D r=20, 3 voxels a dab", Brush("round", 20, three_d=True), 3, 3)
    edits(timings, 5)
    table = {
        name: {"p50": round(float(np.percentile(v, 50)), 3), "p95": round(float(np.percentile(v, 95)), 3), "n": len(v)}
        for name, v in timings.items()
    }
    print(json.dumps(table, indent=1))


class _Lists(dict[str, list[float]]):
    def __missing__(self, key: str) -> list[float]:
        self[key] = []
        return self[key]


if __name__ == "__main__":
    main()

"""A contact sheet of results, to be looked at before any number is believed (real patients: keep it private)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seg_editor.cases import Case, Modality, open_case
from seg_editor.errors import CaseError
from seg_editor.generation.complete import complete
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.generation.engine import Engine
from seg_editor.generation.hole import Hole, find_hole
from seg_editor.metrics import display01, display_window
from training.evaluate.holes import benchmark_holes, hole_file


def contact_sheet(
    engine: Engine,
    folders: Sequence[Path],
    out: Path,
    *,
    holes: bool,
    per_case: int = 3,
    steps: int = 6,
    modalities: Sequence[Modality] = tuple(Modality),
    zoom: int = 1,
) -> Path:
    """Write a PNG with a row a slice: source, emptied, result for every modality.

    Parameters
    ----------
    engine : Engine
    folders : sequence of Path
        Case folders.
    out : Path
        PNG.
    holes : bool
        Fill the benchmark holes (``<id>_holes.nii.gz``) instead of removing the tumor.
    per_case : int
        Slices a case, spread over the hole.
    """
    rows = []
    for folder in folders:
        case = open_case(folder)
        hole, tumor = _hole(case, folder, holes)
        areas = hole.mask.sum((0, 1))
        good = [k for k in hole.slices if areas[k] > 0.35 * areas.max()]
        slices = [good[round(i)] for i in np.linspace(0, len(good) - 1, per_case + 2)[1:-1]]
        request = engine.plan(case, hole, slices=slices, steps=steps, tumor=tumor)
        result = complete(engine.run(case, hole, request, tumor=tumor))
        rows += [_row(case, result, k, modalities) for k in slices]
    height, width = max(r.shape[0] for r in rows), max(r.shape[1] for r in rows)
    sheet = np.concatenate([np.pad(r, [(0, height - r.shape[0]), (0, width - r.shape[1])]) for r in rows])
    image = Image.fromarray(sheet)
    image.resize((image.width * zoom, image.height * zoom), Image.Resampling.BICUBIC).save(out)
    return out


def _hole(case: Case, folder: Path, holes: bool) -> tuple[Hole, NDArray[np.bool_] | None]:
    if holes:
        labels = benchmark_holes(case)
        if labels is None:
            raise CaseError("no benchmark holes", path=hole_file(folder), remedy="Choose val or test cases")
        return Hole.from_mask(labels > 0, case.brain), case.tumor
    assert case.labels is not None
    return find_hole(case.labels.raw, np.zeros_like(case.labels.raw), brain=case.brain), None


def _row(case: Case, result: Counterfactual, k: int, modalities: Sequence[Modality]) -> NDArray[np.uint8]:
    x = np.flatnonzero(case.brain.any((1, 2)))
    y = np.flatnonzero(case.brain.any((0, 2)))
    box = (slice(x[0] - 2, x[-1] + 3), slice(y[0] - 2, y[-1] + 3))
    tiles = []
    for m in modalities:
        if m not in result.modalities:
            continue
        window = display_window(case.volumes[m].raw)
        source = display01(case.volumes[m].raw[:, :, k], window)
        filled = display01(result.slice_raw(case, m, k), window)
        emptied = np.where(result.hole.mask[:, :, k], 0, source)
        pictures = (source, emptied, filled) if m is modalities[0] else (source, filled)
        tiles += [np.rot90(p[box][::-1], 1)[:, ::1] for p in pictures]
    return np.asarray(np.concatenate(tiles, 1) * 255, np.uint8)

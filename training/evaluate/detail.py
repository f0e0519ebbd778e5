"""Fit how rough the tissue in a hole should be, on healthy holes of training and validation patients.

    python -m training.evaluate.detail CHECKPOINT --data PREP --out detail.json

For slices of each patient's placed holes the true logarithm of the variance of the finest detail is regressed on what
the engine can know (:data:`seg_editor.generation.detail.TERMS`); every patient weighs the same. Printed is, beside the
coefficients, how far the prediction for a patient that was left out is off. Patients of the test split are never read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import SegEditorError, UsageError
from seg_editor.generation.detail import TERMS, DetailModel, detail_terms, fine_log_variance
from seg_editor.metrics.intervals import bootstrap_mean
from training.prepare.manifest import patient_of

_MIN_TARGET = 60
_RIDGE = 1e-2
_SLICES = 3


def observations(
    model: Any, data: Path, *, placements: int = 4, splits: Sequence[str] = ("train", "val")
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Slices of placed holes: patient, terms (4, 5), true logarithm less the one near the hole (4,); NaN if absent.

    Parameters
    ----------
    model : InpaintNet
    data : Path
        Prepared set.
    placements : int
        Placed holes a training patient, three slices each.
    splits : sequence of str
        ``train``, ``val`` or both.
    """
    import torch

    from training.models.inpaint_task import mean_pass, read_held_out, slice_context
    from training.prepare.bank import BankedCase, read_bank, unpack
    from training.prepare.manifest import read_manifest
    from training.prepare.prepared import PreparedCase

    training = read_manifest(data, "train") if "train" in splits else []
    banked = {i: BankedCase.of(PreparedCase.load(data / "cases" / f"{i}.npz")) for i in training}
    seen = dict.fromkeys(banked, 0)

    def placed() -> Iterator[tuple[Any, Any, int]]:
        for i in read_manifest(data, "val") if "val" in splits else ():
            held = read_held_out(data, i)
            yield held.banked, held.placed, placements * _SLICES
        for holes in read_bank(data / "holes"):
            if seen.get(holes.case_id, placements) < placements:
                seen[holes.case_id] += 1
                yield banked[holes.case_id], holes, _SLICES

    for case, holes, count in placed():
        for z in _spread(np.flatnonzero(holes.area >= _MIN_TARGET), count):
            context, truth, filled = slice_context(case, holes, z)
            with torch.inference_mode():
                mean, _, _ = mean_pass(model, case, holes, z, torch.device("cpu"))
            w, h = truth.shape[1:]
            unknown, target = (unpack(bits[z : z + 1], (w, h))[0] for bits in (holes.unknown, holes.target))
            terms = detail_terms(np.where(unknown, mean, filled), context[:, :w, :h])
            if terms is None or np.count_nonzero(terms.inside & target) < _MIN_TARGET // 2:
                continue
            true = fine_log_variance(truth, terms.inside & target) - terms.near
            yield case.case.case_id, terms.values, np.where(case.case.present, true, np.nan)


def _spread(found: NDArray[np.int64], count: int) -> list[int]:
    at = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [int(k) for k in found[at]]


def fit(seen: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]]) -> tuple[DetailModel, dict[str, Any]]:
    """Least squares with a little ridge, and the error for patients left out.

    Returns
    -------
    DetailModel, dict
        ``patients``, ``slices``; a modality, for patients left out: ``ratio``, geometric mean over patients of
        predicted over true variance before smearing, with its interval; ``scatter``, standard deviation over slices
        of its logarithm; ``smearing``, what the constant was raised by.
    """
    if not seen:
        raise UsageError("no hole is large enough to measure detail in", remedy="Prepare more cases")
    names = np.array([patient_of(name) for name, _, _ in seen])
    patients = np.unique(names)
    terms, true = np.stack([t for _, t, _ in seen]), np.stack([y for _, _, y in seen])
    with_each = [len(np.unique(names[np.isfinite(column)])) for column in true.T]
    if min(with_each) < 2:
        raise UsageError("the detail needs two patients or more with each modality", remedy="Prepare more cases")
    weight = 1 / np.array([np.count_nonzero(names == name) for name in names])
    rows, ratios, scatters, smears = [], [], [], []
    for m in range(terms.shape[1]):
        there = np.isfinite(true[:, m])
        x, y, w = terms[there, m], true[there, m], weight[there]
        row = _solve(x, y, w)
        error = np.zeros(len(y))
        for name in patients:
            out = names[there] == name
            error[out] = x[out] @ _solve(x[~out], y[~out], w[~out]) - y[out]
        each = [float(error[names[there] == name].mean()) for name in patients if (names[there] == name).any()]
        ratios.append([float(np.exp(v)) for v in (np.mean(each), *_interval(each))])
        scatters.append(round(float(error.std()), 3))
        smears.append(float(np.log(np.average(np.exp(-error), weights=w))))
        row[0] += smears[-1]
        rows.append(row)
    about = {"patients": len(patients), "slices": len(names), "terms": TERMS}
    return DetailModel.of(rows), about | {"ratio": ratios, "scatter": scatters, "smearing": smears}


def _interval(values: list[float]) -> tuple[float, float]:
    found = bootstrap_mean(values)
    return found.low, found.high


def _solve(x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    normal = x.T @ (weight[:, None] * x) + _RIDGE * np.eye(x.shape[1]) * weight.sum() / len(y)
    return np.asarray(np.linalg.solve(normal, x.T @ (weight * y)))


def read_detail(path: Path) -> DetailModel:
    """The model in a file of this command.

    Raises
    ------
    UsageError
        It cannot be read.
    """
    try:
        return DetailModel.of(json.loads(path.read_text(encoding="utf-8"))["detail"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} holds no detail ({error})", remedy="Make it with python -m training.evaluate.detail"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m training.evaluate.detail``."""
    from seg_editor.generation.networks import InpaintNet
    from training.evaluate.filling import open_engine
    from training.evaluate.realism import write

    parser = argparse.ArgumentParser(prog="detail", description="Fit the detail of M5's samples.")
    parser.add_argument("model", help="installed name, model folder, or checkpoint (*.safetensors)")
    parser.add_argument("--data", type=Path, required=True, help="prepared set")
    parser.add_argument("--placements", type=int, default=4, help="a training patient (default %(default)s)")
    parser.add_argument("--splits", default="train,val", help="to fit on; leave val out to judge on it (default both)")
    parser.add_argument("--out", type=Path, help="JSON file; default: standard output")
    args = parser.parse_args(argv)
    try:
        network = open_engine(args.model).model.network
        if not isinstance(network, InpaintNet):
            raise UsageError(f"{args.model} does not fill holes", remedy="Choose M5")
        splits = args.splits.split(",")
        if not set(splits) <= {"train", "val"}:
            raise UsageError(f"--splits {args.splits}", remedy="Write train, val or train,val")
        model, about = fit(list(observations(network, args.data, placements=args.placements, splits=splits)))
        write({"detail": model.to_json(), **about}, args.out)
    except SegEditorError as error:
        print(f"detail: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The six figures that decide about an M5 checkpoint, on validation patients, in a few minutes on one core.

    python -m training.evaluate.quick CHECKPOINT_OR_MODEL --data CASES --splits FILE [--split val] [--json]

Benchmark holes are filled once with the mean (one pass) and once with a sample; some slices of each case are used,
spread evenly, and the harmonic fill of the same slices is the baseline.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seg_editor.cases import Modality
from seg_editor.errors import SegEditorError
from seg_editor.generation.detail import DetailModel
from seg_editor.metrics.healthy_hole import HoleScore
from seg_editor.metrics.intervals import Interval, bootstrap_mean, bootstrap_ratio
from training.evaluate.detail import read_detail
from training.evaluate.filling import HoleCase, baseline_filler, case_folders, engine_filler, open_engine
from training.evaluate.realism import patches, realism_auc

Scored = dict[Modality, list[HoleScore]]


def case_mean(scored: Scored, name: str, modality: Modality | None = None) -> float:
    """Mean over modalities, then over holes; NaN when no hole has the figure."""
    chosen = scored if modality is None else {modality: scored[modality]}
    by_hole: dict[int, list[float]] = {}
    for scores in chosen.values():
        for s in scores:
            value = getattr(s, name)
            if value is not None:
                by_hole.setdefault(s.hole, []).append(value)
    return float(np.mean([np.mean(v) for v in by_hole.values()])) if by_hole else float("nan")


def measure(
    model: str,
    folders: Sequence[Path],
    *,
    limit: int | None = 16,
    seed: int = 0,
    steps: int | None = None,
    device: str = "cpu",
    detail: DetailModel | None = None,
    realism_steps: int = 200,
) -> dict[str, Any]:
    """Fill and score; see the module.

    Returns
    -------
    dict
        ``rows``: name to ``value``, ``lo``, ``hi``; and what was done.
    """
    engine = open_engine(model, device, detail)
    steps = steps or engine.model.card.presets["standard"]["steps"]
    methods = {
        "harmonic": baseline_filler("harmonic"),
        "mean": engine_filler(engine, 1),
        "sample": engine_filler(engine, steps),
    }
    scored: dict[str, list[Scored]] = {name: [] for name in methods}
    sets = []
    slices = 0
    began = time.perf_counter()
    for folder in folders:
        item = HoleCase.read(folder, limit)
        slices += len(item.slices)
        for name, fill in methods.items():
            filled = fill(item, seed)
            scored[name].append(item.score(filled))
            if name == "sample":
                rng = np.random.default_rng([seed, *folder.name.encode()])
                sets.append(patches(item, filled, rng))
            print(f"{folder.name} {name} {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    rows = _rows(scored)
    if len(sets) > 1:
        auc = realism_auc(sets, seed=seed, steps=realism_steps)
        rows["realism AUC"] = {k: auc[k] for k in ("value", "lo", "hi")}
    return {
        "model": model,
        "patients": [f.name for f in folders],
        "slices": slices,
        "steps": steps,
        "seed": seed,
        "seconds": round(time.perf_counter() - began, 1),
        "rows": rows,
    }


def _rows(scored: dict[str, list[Scored]]) -> dict[str, dict[str, float]]:
    def each(method: str, name: str, modality: Modality | None = None) -> list[float]:
        return [case_mean(s, name, modality) for s in scored[method]]

    base = each("harmonic", "mse")
    rows: dict[str, Interval] = {}
    for method in ("mean", "sample"):
        rows[f"{method} MSE / harmonic's"] = bootstrap_ratio(each(method, "mse"), base)
    gain = np.array(each("mean", "ssim")) - np.array(each("harmonic", "ssim"))
    rows["mean SSIM - harmonic's"] = bootstrap_mean(list(gain))
    for m in scored["sample"][0]:
        rows[f"sample texture {m.display}"] = bootstrap_mean([v for v in each("sample", "texture", m) if v == v])
    rows["sample seam"] = bootstrap_mean(each("sample", "seam"))
    for method in ("harmonic", "mean", "sample"):
        rows[f"{method} MSE"] = bootstrap_mean(each(method, "mse"))
    return {name: {"value": f.value, "lo": f.low, "hi": f.high} for name, f in rows.items()}


MUST = {
    "mean MSE / harmonic's": "<= 0.65",
    "sample MSE / harmonic's": "<= 1.20",
    "mean SSIM - harmonic's": ">= 0.08",
    "sample seam": "0.85-1.20",
    "realism AUC": "<= 0.80",
} | {f"sample texture {m.display}": "0.80-1.25" for m in Modality}


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m training.evaluate.quick``."""
    parser = argparse.ArgumentParser(prog="quick", description="Six figures of an M5 checkpoint.")
    parser.add_argument("model", help="installed name, model folder, or checkpoint (*.safetensors)")
    parser.add_argument("--data", type=Path, required=True, help="folder of case folders with <id>_holes.nii.gz")
    parser.add_argument("--splits", type=Path)
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--limit-slices", type=int, default=16, help="slices a case (default %(default)s)")
    parser.add_argument("--steps", type=int, help="passes of a sample; default: the card's standard")
    parser.add_argument(
        "--detail", type=Path, help="for a checkpoint, of training.evaluate.detail; default: as sampled"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    try:
        import torch

        torch.set_num_threads(args.threads)
        found = measure(
            args.model,
            case_folders(args.data, args.splits, args.split),
            limit=args.limit_slices,
            seed=args.seed,
            steps=args.steps,
            device=args.device,
            detail=None if args.detail is None else read_detail(args.detail),
        )
    except SegEditorError as error:
        print(f"quick: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(found))
        return 0
    print(
        f"{found['model']}: {len(found['patients'])} {args.split} patients, {found['slices']} slices, "
        f"{found['steps']} passes a sample, seed {found['seed']}, {found['seconds']} s"
    )
    for name, f in found["rows"].items():
        print(f"{name:26s} {f['value']:8.4f} [{f['lo']:.4f}, {f['hi']:.4f}]  {MUST.get(name, '')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

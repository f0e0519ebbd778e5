"""The commands ``evaluate`` and ``figures`` of ``seg-train``."""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seg_editor.errors import UsageError
from training.evaluate.files import whole


def add_commands(commands: Any) -> None:
    """Add both to an ``add_subparsers`` object."""
    from training.evaluate.names import BASELINES

    p = commands.add_parser("evaluate", help="every figure of every model and baseline, with intervals: Table 2")
    p.add_argument("--cases", "--data", dest="cases", type=Path, required=True, help="folder of case folders")
    p.add_argument("--splits", type=Path, help="JSON with train, val, test lists; default: splits.json in --data")
    p.add_argument("--split", choices=("val", "test"), default="test")
    p.add_argument("--models", default="", help="installed names or folders, as m2,m3,runs/m3c/model")
    p.add_argument("--baselines", default=",".join(BASELINES), help="default %(default)s; none leaves them out")
    p.add_argument(
        "--tissue", type=Path, help="folder of tissue maps (<id>.npz, key tissue); else the referee is asked"
    )
    p.add_argument("--reference", type=Path, help="folder of seg-train reference: one more baseline")
    p.add_argument(
        "--inception",
        type=Path,
        help="TorchScript file from pictures (n, 3, 299, 299) to features (n, d): one more FID and KID",
    )
    p.add_argument("--out", type=Path, required=True, help="results; an interrupted run goes on")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--steps", type=int, default=50, help="length of the grid of time steps (default %(default)s)")
    p.add_argument("--sampler", choices=("ddpm", "ddim"), default="ddpm")
    p.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="of the paper's networks; bf16 takes about a third less time on CPUs that have it (default %(default)s)",
    )
    p.add_argument("--limit-slices", type=int, metavar="N", help="slices a case, spread evenly; default: all")
    p.add_argument("--only", help="cases of the split, as BraTS2021_00005,BraTS2021_00006")
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    p.add_argument("--workers", type=int, default=1, help="processes on this machine (default %(default)s)")
    p.add_argument("--scheduler", metavar="ADDRESS", help="dask.distributed scheduler, as tcp://host:8786")
    p.add_argument("--json", action="store_true", help="print the rows as JSON")

    p = commands.add_parser(
        "reference", help="mean healthy tissue of the training cases, on the grid of each test case"
    )
    p.add_argument("--cases", type=Path, required=True, help="folder of case folders")
    p.add_argument("--splits", type=Path, help="JSON with train, val, test lists; default: splits.json in --cases")
    p.add_argument("--split", choices=("val", "test"), default="test")
    p.add_argument("--atlas", type=Path, required=True, help="folder of the SRI24 files")
    p.add_argument("--threads", type=int, help="of the registration; default: all cores but one")
    p.add_argument("--out", type=Path, required=True, help="for seg-train evaluate --reference; goes on where it ended")

    p = commands.add_parser("table", help="table2.md, .csv and .tex again, from the table2.json of a run")
    p.add_argument("--run", type=Path, required=True, help="folder with table2.json")

    p = commands.add_parser("figures", help="the paper's figures from an evaluation")
    p.add_argument("--run", type=Path, help="what seg-train evaluate wrote; default: no figures of numbers")
    p.add_argument("--training", type=Path, help="folder of run folders with stats.jsonl, for the learning curves")
    p.add_argument("--case", type=Path, help="case folder for the pictures; default: the demo case")
    p.add_argument("--models", default="", help="models of the pictures, as m2,m3,m5")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--steps", type=int, default=50)


def run_evaluate(args: argparse.Namespace) -> int:
    """``seg-train evaluate``."""
    from seg_editor.generation.diffusion import Solver
    from seg_editor.generation.registry import find_card
    from training.evaluate.job import EvalJob, run_case, try_case
    from training.prepare.parallel import run_jobs

    if args.seeds < 1 or not 1 <= args.steps <= 1000:
        raise UsageError("seeds and steps must be positive, steps at most 1000", remedy="Change --seeds or --steps")
    if args.workers < 1 or (args.limit_slices is not None and args.limit_slices < 1):
        raise UsageError("workers and slices must be positive", remedy="Change --workers or --limit-slices")
    for folder, remedy in (
        (args.tissue, "Name the folder of the tissue maps, or leave --tissue out"),
        (args.reference, "Run seg-train reference first, or leave --reference out"),
    ):
        if folder is not None and not folder.is_dir():
            raise UsageError("there is no such folder", path=folder, remedy=remedy)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in _names(args.models):
        find_card(name)  # an unknown model is told before hours of work
    jobs = [
        EvalJob(
            folder=args.cases / case_id,
            out=args.out,
            models=_names(args.models),
            baselines=_baselines(args.baselines),
            seeds=args.seeds,
            limit=args.limit_slices,
            steps=args.steps,
            solver=Solver(args.sampler),
            half=args.precision == "bf16",
            tissue=args.tissue,
            device=args.device,
            reference=args.reference,
            inception=args.inception,
        )
        for case_id in _cases(args)
    ]
    failures: dict[str, str] = {}
    if args.scheduler or args.workers > 1:
        parts = [part for job in jobs for part in job.parts()]
        done = run_jobs(parts, workers=args.workers, scheduler=args.scheduler, run=run_case)
        for record in _bar(done, len(parts), "part"):
            if "error" in record:
                failures[record["case_id"]] = record["error"]
    results = []
    for job in jobs:
        if job.case_id in failures:
            continue
        found, error = try_case(job, functools.partial(_bar, total=None, unit="result", text=job.case_id))
        results += found
        if error is not None:
            failures[job.case_id] = error
    if not results:
        raise UsageError(next(iter(failures.values()), "there is nothing to evaluate").rstrip("."))
    rows = write_tables(results, args.out, about_run(args, jobs))
    with contextlib.suppress(ImportError):  # matplotlib comes with the extra "train"
        from training.evaluate.number_figures import number_figures

        list(number_figures(args.out, args.out / "figures"))
    if args.json:
        print(json.dumps([row.to_json() for row in rows]))
    else:
        print(args.out / "table2.md")
    for line in failures.values():
        print(f"seg-train: {line}", file=sys.stderr)
    return 3 if failures else 0


def write_tables(results: Sequence[Any], out: Path, about: dict[str, Any]) -> list[Any]:
    """Write ``table2.{md,csv,tex,json}`` and ``per_slice.csv``; returns the rows."""
    from training.evaluate import render, table

    rows = table.make_rows(results)
    out.mkdir(parents=True, exist_ok=True)
    texts = _readable(rows, about) | {
        "table2.json": render.to_json(rows, about, sorted({r.calibration for r in results if r.calibration})),
        "per_slice.csv": per_slice(results),
    }
    _write(texts, out)
    return rows


def _readable(rows: list[Any], about: dict[str, Any]) -> dict[str, str]:
    from training.evaluate import render

    return {
        "table2.md": render.to_markdown(rows, about),
        "table2.csv": render.to_csv(rows),
        "table2.tex": render.to_latex(rows),
    }


def _write(texts: dict[str, str], out: Path) -> None:
    for name, text in texts.items():
        with whole(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def per_slice(results: Sequence[Any]) -> str:
    """A line a slice and figure."""
    keys = ("mode", "start", "sampler", "hole_fill", "steps")
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["case_id", "slice", "model", *keys, "composition", "seed", "metric", "value", "weight"])
    for r in results:
        lead = [r.method, *(r.arm[k] for k in keys), r.composition, r.seed]
        for k, row in zip(r.scores.slices, r.scores.rows, strict=True):
            for name, (a, b) in row.items():
                lines.writerow([r.case_id, k, *lead, name, f"{a / b:.6g}", f"{b:g}"])
    return text.getvalue()


def about_run(args: argparse.Namespace, jobs: Sequence[Any]) -> dict[str, Any]:
    """What was done, for the head of the table."""
    import torch

    return {
        "split": f"{args.split}: {', '.join(j.case_id for j in jobs)}",
        "models": "; ".join(_described(name) for name in _names(args.models)) or "none",
        "slices": "all with at least 5 % brain" if args.limit_slices is None else f"{args.limit_slices} a case",
        "grid of time steps": args.steps,
        "sampler": args.sampler.upper(),
        "precision of the paper's networks": args.precision,
        "seeds": args.seeds,
        "tissue of the masks": "the referee's" if args.tissue is None else "Atropos maps, the referee's where missing",
        "torch": torch.__version__,
    }


def _described(name: str) -> str:
    """A model by its card, so that a table says which weights it judges."""
    from seg_editor.generation.registry import find_card

    card = find_card(name)
    training = card.details.get("training")
    steps = training.get("steps") if isinstance(training, dict) else None
    return f"{card.name} ({'' if steps is None else f'{steps} steps, '}weights {card.weights_sha256[:12]})"


def _cases(args: argparse.Namespace) -> list[str]:
    from training.prepare.pipeline import Splits

    found: tuple[str, ...] = getattr(Splits.read(args.splits or args.cases / "splits.json"), args.split)
    only = _names(args.only or "")
    unknown = [i for i in only if i not in found]
    if unknown:
        raise UsageError(f"{unknown[0]} is not in the split {args.split}", remedy=f"It holds {', '.join(found)}")
    return list(only or found)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _baselines(text: str) -> tuple[str, ...]:
    from training.evaluate.names import BASELINES

    chosen = () if text == "none" else _names(text)
    for name in chosen:
        if name not in BASELINES:
            raise UsageError(f"there is no baseline {name}", remedy=f"Choose from {', '.join(BASELINES)}")
    return chosen


def _bar(items: Any, total: int | None, unit: str, text: str | None = None) -> Any:
    """Show progress on stderr when that is a terminal."""
    from tqdm import tqdm

    return tqdm(items, total=total, unit=unit, desc=text, file=sys.stderr, disable=None)


def run_figures(args: argparse.Namespace) -> int:
    """``seg-train figures``."""
    from training.evaluate.figures import write_figures

    for path in write_figures(
        args.run, args.out, training=args.training, case=args.case, models=_names(args.models), steps=args.steps
    ):
        print(path)
    return 0


def run_table(args: argparse.Namespace) -> int:
    """``seg-train table``."""
    from training.evaluate.number_figures import read_run
    from training.evaluate.table import Row

    data = read_run(args.run)
    _write(_readable([Row.from_json(r) for r in data["rows"]], data.get("about", {})), args.run)
    print(args.run / "table2.md")
    return 0


def run_reference(args: argparse.Namespace) -> int:
    """``seg-train reference``."""
    from training.evaluate.reference import prepare_reference
    from training.prepare.pipeline import Splits

    splits = Splits.read(args.splits or args.cases / "splits.json")
    training, wanted = ([args.cases / i for i in ids] for ids in (splits.train, getattr(splits, args.split)))
    made = prepare_reference(training, wanted, args.atlas, args.out, threads=args.threads)
    for _ in _bar(made, len(training) + len(wanted), "case"):
        pass
    print(args.out)
    return 0


def _until_stopped(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    def call(args: argparse.Namespace) -> int:
        try:
            return run(args)
        except KeyboardInterrupt:
            print("seg-train: stopped; the same command goes on from here", file=sys.stderr)
            return 130

    return call


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "evaluate": _until_stopped(run_evaluate),
    "table": run_table,
    "figures": _until_stopped(run_figures),
    "reference": _until_stopped(run_reference),
}

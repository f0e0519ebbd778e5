"""The commands ``prepare``, ``pack`` and ``bench-loader`` of ``seg-train``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seg_editor.errors import UsageError

BENCH_MODELS = ("m5", "m4", "m2")


def add_commands(commands: Any) -> None:
    """Add the three to an ``add_subparsers`` object."""
    p = commands.add_parser("prepare", help="volumes to a prepared set")
    p.add_argument("--cases", type=Path, required=True, help="folder of case folders")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--splits", type=Path, help="JSON with train, val, test lists; default: seeded 80/10/10")
    p.add_argument(
        "--tissue",
        default="auto",
        help="auto computes the tissue maps; a folder holds them (<id>.npz, key tissue); off leaves them out, and with "
        "them the slices (default %(default)s)",
    )
    p.add_argument("--atlas", type=Path, help="folder of the SRI24 atlas: check the tissue names against it")
    p.add_argument("--preset", choices=("compact", "paper"), default="compact", help="pad to 256x256, or resize")
    p.add_argument(
        "--normalisation", choices=("robust", "paper"), help="of the slices; default: robust, paper for --preset paper"
    )
    p.add_argument(
        "--png-layout",
        nargs="?",
        const="text",
        choices=("text", "code"),
        help="also write the paper's folders of PNG files, named as in its text (<case_id>_<slice>.png; default) or "
        "as by its code (<case_id>_slice_<slice>.png)",
    )
    p.add_argument("--include-test", action="store_true", help="prepare the test split too, for evaluation")
    p.add_argument("--workers", type=int, default=1, help="processes on this machine (default %(default)s)")
    p.add_argument("--scheduler", metavar="ADDRESS", help="dask.distributed scheduler, as tcp://host:8786")
    p.add_argument("--shapes", type=Path, help="tumor shapes (.npz) for M5's holes")
    p.add_argument(
        "--shards", default="0:30", help="which shards of the hole bank to make, from:to (default %(default)s)"
    )
    p.add_argument("--per-shard", type=int, default=20)
    p.add_argument("--seed", type=int, default=0)

    p = commands.add_parser("pack", help="prepared set and code in one small folder, for a bare CUDA machine")
    p.add_argument("--data", type=Path, required=True, help="prepared set")
    p.add_argument("--out", type=Path, required=True, help="folder to make")
    p.add_argument("--max-mb", type=float, default=60.0)
    p.add_argument("--models", default="m5,m4,m2", help="for whom, of m5, m4, m2 (default %(default)s)")
    p.add_argument("--exact", action="store_true", help="keep the volumes' values; default: rounded to 0.05")
    p.add_argument("--webp", action="store_true", help="slice images as WebP, quality 95, instead of exact")
    p.add_argument("--shapes", type=Path, help="place new holes of these shapes instead of the bank's")
    p.add_argument("--placements", type=int, help="how many hole placements")
    p.add_argument("--seed", type=int, default=0)

    p = commands.add_parser("bench-loader", help="images per second of the data loading alone")
    p.add_argument("--data", type=Path, required=True, help="prepared set or pack")
    p.add_argument("--models", default="m5,m4,m2", help="of m5, m4, m2 (default %(default)s)")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--seconds", type=float, default=5.0, help="measured time a model")
    p.add_argument("--workers", type=int, default=0, help="processes that draw (default: this one)")
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="where batches are made")
    p.add_argument("--json", action="store_true")


def run_prepare(args: argparse.Namespace) -> int:
    from training.prepare.pipeline import Splits, list_cases, make_bank, prepare
    from training.prepare.slices import SliceSettings

    shards = _range(args.shards)
    splits = Splits.read(args.splits) if args.splits else Splits.seeded(list_cases(args.cases), args.seed)
    words = {"auto": "auto", "off": None}
    if args.atlas is not None and not args.atlas.is_dir():
        raise UsageError(f"{args.atlas} is no folder", remedy="Give --atlas the folder of the SRI24 files")
    failures = prepare(
        args.cases,
        args.out,
        splits,
        tissue=words[args.tissue] if args.tissue in words else Path(args.tissue),
        slices=SliceSettings(args.preset, args.normalisation or ("paper" if args.preset == "paper" else "robust")),
        pictures=args.png_layout,
        atlas=args.atlas,
        include_test=args.include_test,
        workers=args.workers,
        scheduler=args.scheduler,
    )
    for line in failures:
        print(f"seg-train: {line}", file=sys.stderr)
    if args.shapes:
        make_bank(args.out, splits, args.shapes, shards=shards, per_shard=args.per_shard, seed=args.seed)
    return 3 if failures else 0


def _range(text: str) -> range:
    try:
        first, last = (int(v) for v in text.split(":"))
    except ValueError:
        raise UsageError(f"--shards {text} is not from:to", remedy="Write for example 0:30") from None
    return range(first, last)


def run_pack(args: argparse.Namespace) -> int:
    from training.prepare.pack import make_pack

    make_pack(
        args.data,
        args.out,
        max_mb=args.max_mb,
        models=args.models.split(","),
        exact=args.exact,
        webp=args.webp,
        shapes=args.shapes,
        placements=args.placements,
        seed=args.seed,
    )
    return 0


def run_bench_loader(args: argparse.Namespace) -> int:
    from training.prepare.bench import bench_loader

    rows = []
    for model in args.models.split(","):
        if model not in BENCH_MODELS:
            raise UsageError(f"there is no loader {model}", remedy=f"Choose from {', '.join(BENCH_MODELS)}")
        how = {"batch": args.batch, "seconds": args.seconds, "workers": args.workers, "device": args.device}
        rows.append(bench_loader(args.data, model, **how))
        if not args.json:
            r = rows[-1]
            print(
                f"{model}: {r['images_per_second']} images/s ({r['images']} images, batch {r['batch']}, "
                f"{r['workers']} workers, {r['threads']} threads; "
                f"loaded in {r['load_seconds']} s, peak {r['peak_mb']} MB"
                + (f", {r['resident_mb']} MB of data on {r['device']})" if r["resident_mb"] else ")")
            )
    if args.json:
        print(json.dumps(rows))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "prepare": run_prepare,
    "pack": run_pack,
    "bench-loader": run_bench_loader,
}

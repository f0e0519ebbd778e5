"""``seg-train``: prepare data, train, export, evaluate."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seg_editor.errors import SegEditorError, UsageError


def parse_duration(text: str) -> float:
    """``90``, ``90s``, ``9m`` or ``1.5h`` to seconds."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        value = float(number) * units[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 9m or 1.5h") from None
    if not value > 0:
        raise argparse.ArgumentTypeError("a duration must be positive")
    return value


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="seg-train", description="Prepare data and train the models of seg-editor.")
    commands = parser.add_subparsers(dest="command", required=True)

    p = commands.add_parser("prepare", help="volumes to a prepared set")
    p.add_argument("--cases", type=Path, required=True, help="folder of case folders")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--splits", type=Path, help="JSON with train, val, test lists; default: seeded 80/10/10")
    p.add_argument("--tissue", type=Path, help="folder of tissue maps (<id>.npz, key tissue)")
    p.add_argument("--shapes", type=Path, help="tumor shapes (.npz) for M5's holes")
    p.add_argument(
        "--shards", default="0:30", help="which shards of the hole bank to make, from:to (default %(default)s)"
    )
    p.add_argument("--per-shard", type=int, default=20)
    p.add_argument("--seed", type=int, default=0)

    p = commands.add_parser("train", help="train M5 (m1-m3 follow)")
    p.add_argument("--model", choices=("m5",), required=True)
    _training_arguments(p)

    p = commands.add_parser("referee", help="train M4, the referee")
    _training_arguments(p)

    p = commands.add_parser("export", help="a checkpoint to weights.safetensors and card.json")
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--out", type=Path, required=True, help="folder of the model, as resources/models/m5")
    p.add_argument("--title", default=None)
    p.add_argument("--results", type=Path, help="JSON with measured results for the card")
    return parser


def _training_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--data", type=Path, required=True, help="prepared set")
    p.add_argument("--out", type=Path, required=True, help="run folder; an existing run is continued")
    p.add_argument("--preset", choices=("compact",), default="compact")
    p.add_argument("--steps", type=int)
    p.add_argument("--batch", type=int)
    p.add_argument("--lr", type=float)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--budget", type=parse_duration, help="stop and save after this time, e.g. 9m")
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    p.add_argument("--threads", type=int, help="CPU threads of torch")
    p.add_argument("--validate-every", type=int)
    p.add_argument("--amp", choices=("auto", "bf16", "off"), default="auto")
    p.add_argument("--compile", action="store_true", help="torch.compile the network (pays on long runs)")
    p.add_argument("--init", type=Path, help="start from the averaged weights of this checkpoint")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 internal error, 2 bad input, 3 some cases failed."""
    args = build_parser().parse_args(argv)
    try:
        return int(_COMMANDS[args.command](args))
    except SegEditorError as error:
        print(f"seg-train: {error}", file=sys.stderr)
        return 2


def _prepare(args: argparse.Namespace) -> int:
    from training.prepare.pipeline import Splits, list_cases, make_bank, prepare

    splits = Splits.read(args.splits) if args.splits else Splits.seeded(list_cases(args.cases), args.seed)
    failures = prepare(args.cases, args.out, splits, tissue=args.tissue)
    for line in failures:
        print(f"seg-train: {line}", file=sys.stderr)
    if args.shapes:
        try:
            first, last = (int(v) for v in args.shards.split(":"))
        except ValueError:
            raise UsageError(f"--shards {args.shards} is not from:to", remedy="Write for example 0:30") from None
        make_bank(args.out, splits, args.shapes, shards=range(first, last), per_shard=args.per_shard, seed=args.seed)
    return 3 if failures else 0


def _train(args: argparse.Namespace) -> int:
    from training.models.inpaint_task import InpaintTask
    from training.prepare.pipeline import read_manifest

    task = InpaintTask(
        args.data,
        train_ids=read_manifest(args.data, "train", verify=True),
        val_ids=read_manifest(args.data, "val", verify=True),
        compile_network=args.compile,
    )
    return _run(task, args, {"steps": 4000, "batch": 16, "learning_rate": 6e-4})


def _referee(args: argparse.Namespace) -> int:
    from training.models.referee_task import RefereeTask
    from training.prepare.pipeline import read_manifest

    task = RefereeTask(
        args.data,
        train_ids=read_manifest(args.data, "train", verify=True),
        val_ids=read_manifest(args.data, "val", verify=True),
        compile_network=args.compile,
    )
    return _run(task, args, {"steps": 3000, "batch": 8, "learning_rate": 1e-3})


def _run(task: Any, args: argparse.Namespace, defaults: dict[str, Any]) -> int:
    import torch

    from training.train.loop import LoopSettings, train

    if args.threads:
        torch.set_num_threads(args.threads)
    chosen = dict(defaults, seed=args.seed, amp=args.amp)
    for name, value in (
        ("steps", args.steps),
        ("batch", args.batch),
        ("learning_rate", args.lr),
        ("validate_every", args.validate_every),
    ):
        if value is not None:
            chosen[name] = value
    result = train(
        task,
        LoopSettings(**chosen),
        args.out,
        budget=args.budget,
        device=args.device,
        init=args.init,
        report=lambda record: print(json.dumps(record), flush=True),
    )
    print(
        json.dumps({"reason": result.reason, "step": result.state.step, "images_per_second": result.images_per_second})
    )
    return 0


def _export(args: argparse.Namespace) -> int:
    from training.train.export import export_model

    results = None
    if args.results:
        try:
            results = json.loads(args.results.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{args.results} is no readable JSON ({error})", remedy="Check the file") from error
    for path in export_model(args.checkpoint, args.out, title=args.title, results=results):
        print(path)
    return 0


_COMMANDS = {"prepare": _prepare, "train": _train, "referee": _referee, "export": _export}


if __name__ == "__main__":
    raise SystemExit(main())

"""``seg-train``: prepare data, train, export, evaluate."""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seg_editor.errors import SegEditorError, UsageError, reason
from training.evaluate import commands as evaluation
from training.prepare.commands import COMMANDS, add_commands
from training.prepare.unpack import prepared_folder
from training.runs import MODELS, PRESET_NAMES, add_arm_arguments, check_arm_arguments, diffusion_run


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

    add_commands(commands)
    evaluation.add_commands(commands)

    p = commands.add_parser("train", help="train M5, or one of the paper's models")
    p.add_argument("--model", choices=MODELS, required=True)
    add_arm_arguments(p)
    _training_arguments(p, PRESET_NAMES)
    p.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="NAME=NUMBER",
        help="M5 only: another value for a setting of its samples or loss, e.g. mean_share=0.25 (repeatable)",
    )

    p = commands.add_parser("referee", help="train M4, the referee")
    _training_arguments(p)

    p = commands.add_parser("describe", help="parameters, FLOPs, memory and every setting of a run")
    p.add_argument("--model", choices=(*MODELS, "m4"), required=True)
    p.add_argument("--preset", choices=PRESET_NAMES, default="compact")
    p.add_argument("--batch", type=int)
    p.add_argument("--data", type=Path, help="prepared set, for the length of the run; default: the paper's")
    p.add_argument("--json", action="store_true")
    add_arm_arguments(p)

    p = commands.add_parser("export", help="a checkpoint to weights.safetensors and card.json")
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--out", type=Path, required=True, help="folder of the model, as resources/models/m5")
    p.add_argument("--title", default=None)
    p.add_argument("--results", type=Path, help="JSON with measured results for the card")
    p.add_argument("--detail", type=Path, help="M5: JSON of python -m training.evaluate.detail")
    p.add_argument("--trained-on", metavar="TEXT", help="the data and what to cite, for the card; default: BraTS")
    return parser


def _training_arguments(p: argparse.ArgumentParser, presets: tuple[str, ...] = ("compact",)) -> None:
    p.add_argument("--data", type=Path, required=True, help="prepared set")
    p.add_argument("--out", type=Path, required=True, help="run folder; an existing run is continued")
    p.add_argument("--preset", choices=presets, default="compact")
    p.add_argument("--steps", type=int)
    p.add_argument("--batch", type=int)
    p.add_argument("--lr", type=float)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--budget", type=parse_duration, help="stop and save within this time, e.g. 9m")
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    p.add_argument("--threads", type=int, help="CPU threads of torch")
    p.add_argument("--workers", type=int, help="processes that draw batches ahead; default: by the device and cores")
    p.add_argument("--validate-every", type=int, metavar="STEPS")
    p.add_argument("--keep-every", type=int, metavar="STEPS", help="numbered checkpoint and samples; 0: none")
    p.add_argument("--amp", choices=("auto", "bf16", "fp16", "off"), default="auto", help="auto: the preset's")
    p.add_argument("--accumulate", type=int, default=1, help="parts that a batch is computed in, to save memory")
    p.add_argument(
        "--wandb",
        choices=("auto", "off", "offline", "online"),
        default="auto",
        help="Weights & Biases; auto: online with a login, offline without, off when not installed",
    )
    p.add_argument("--compile", action="store_true", help="torch.compile the network (pays on long runs)")
    p.add_argument("--init", type=Path, help="start from the averaged weights of this checkpoint")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 internal error, 2 bad input, 3 some cases failed."""
    args = build_parser().parse_args(argv)
    args.began = time.monotonic()
    try:
        if not _unpack(args):
            return 0
        return int(_COMMANDS[args.command](args))
    except SegEditorError as error:
        print(f"seg-train: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None and error.errno not in _REMEDIES:
            raise
        print(f"seg-train: {_of_files(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("seg-train: stopped", file=sys.stderr)
        return 130


_REMEDIES = {
    errno.ENOSPC: "Free some space and give the same command again",
    errno.EDQUOT: "Free some space and give the same command again",
    errno.EROFS: "Name a folder that can be written",
    errno.EACCES: "Check the permissions, or name another folder",
    errno.ENOTDIR: "Name a folder",
    errno.EEXIST: "Name a folder",
}


def _of_files(error: OSError) -> UsageError:
    """What the operating system refused, as the user's errors are told."""
    what = (error.strerror or type(error).__name__).lower()
    return UsageError(what, path=error.filename, remedy=_REMEDIES.get(error.errno or 0, "Check the path"))


def _unpack(args: argparse.Namespace) -> bool:
    """Unpack the data where ``--data`` is a pack; False when ``--budget`` ended before that was done."""
    if getattr(args, "data", None) is None:
        return True
    budget = getattr(args, "budget", None)
    until = math.inf if budget is None else args.began + budget
    found = prepared_folder(args.data, device=getattr(args, "device", "auto"), until=until)
    if found is None:
        print(json.dumps({"reason": "budget", "step": None, "images_per_second": 0.0}))
        return False
    args.data = found
    return True


def _train(args: argparse.Namespace) -> int:
    if args.model != "m5":
        if args.changes:
            raise UsageError(f"--set means nothing for {args.model}", remedy="Leave it out")
        task_of_paper, settings = diffusion_run(args)
        return _run(task_of_paper, args, settings)
    check_arm_arguments(args)
    from training.models.inpaint import InpaintSettings
    from training.models.inpaint_task import InpaintTask
    from training.prepare.manifest import read_manifest
    from training.presets import OURS

    task = InpaintTask(
        args.data,
        settings=InpaintSettings().changed(args.changes),
        train_ids=read_manifest(args.data, "train", verify=True),
        val_ids=read_manifest(args.data, "val", verify=True),
        compile_network=args.compile,
    )
    return _run(task, args, OURS["m5"].loop)


def _referee(args: argparse.Namespace) -> int:
    from training.models.referee_task import RefereeTask
    from training.prepare.manifest import read_manifest
    from training.presets import OURS

    task = RefereeTask(
        args.data,
        train_ids=read_manifest(args.data, "train", verify=True),
        val_ids=read_manifest(args.data, "val", verify=True),
        compile_network=args.compile,
    )
    return _run(task, args, OURS["m4"].loop)


def _run(task: Any, args: argparse.Namespace, defaults: dict[str, Any]) -> int:
    import torch

    from training.train.loop import LoopSettings, train

    if args.threads:
        torch.set_num_threads(args.threads)
    amp = args.amp if args.amp != "auto" else defaults.get("amp", "auto")
    chosen = dict(defaults, seed=args.seed, amp=amp, accumulate=args.accumulate)
    for name, value in (
        ("steps", args.steps),
        ("batch", args.batch),
        ("learning_rate", args.lr),
        ("validate_every", args.validate_every),
        ("keep_every", args.keep_every),
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
        wandb=args.wandb,
        progress=True,
        workers=args.workers,
        began=args.began,
    )
    if os.environ.get("RANK", "0") == "0":
        end = {"reason": result.reason, "step": result.state.step, "images_per_second": result.images_per_second}
        print(json.dumps(end))
    return 0


def _describe(args: argparse.Namespace) -> int:
    from training.describe import PAPER_SLICES, as_text, describe
    from training.models.slice_set import SliceSet
    from training.presets import ARMS, PRESETS

    check_arm_arguments(args)
    slices, picture = PAPER_SLICES, None
    if args.data and args.model in ARMS:
        found, preset = SliceSet.open(args.data, "train"), PRESETS[args.preset]
        slices = len(found)
        picture = found.picture(preset.network.multiple) if preset.crop else None
    description = describe(
        args.model,
        args.preset,
        slices=slices,
        picture=picture,
        batch=args.batch,
        epochs=args.epochs,
        as_coded=args.as_coded,
        per_batch=args.per_batch,
        mask_scale=args.mask_scale,
    )
    print(json.dumps(description, indent=1) if args.json else as_text(description))
    return 0


def _export(args: argparse.Namespace) -> int:
    from training.train.export import BRATS, export_model

    results = None
    if args.results:
        try:
            results = json.loads(args.results.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{args.results} is no readable JSON ({reason(error)})", remedy="Check the file"
            ) from error
    detail = None
    if args.detail:
        from training.evaluate.detail import read_detail

        detail = read_detail(args.detail)
    written = export_model(
        args.checkpoint,
        args.out,
        title=args.title,
        results=results,
        detail=detail,
        trained_on=args.trained_on or BRATS,
    )
    for path in written:
        print(path)
    return 0


_COMMANDS = {
    **COMMANDS,
    **evaluation.COMMANDS,
    "train": _train,
    "referee": _referee,
    "describe": _describe,
    "export": _export,
}


if __name__ == "__main__":
    raise SystemExit(main())

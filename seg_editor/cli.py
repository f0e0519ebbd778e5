"""``seg-editor``: the window, and the same path without one. One function a command."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from seg_editor import __version__
from seg_editor.errors import ExportError, SegEditorError, UsageError
from seg_editor.resources import resource_path

if TYPE_CHECKING:
    from seg_editor.api import Options, Outcome
    from seg_editor.cases import Case
    from seg_editor.generation.diffusion import Sampling

COMMANDS = ("open", "remove", "inpaint", "segment", "verify", "doctor", "bench", "demo")
DEMO_CASE = "SegEditor-Demo-001"
_HOLE_FILLS = {"zero": "zero", "nearest": "nearest", "tissue": "prior"}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(prog="seg-editor", description="Browse, edit and heal brain-MRI cases. Not a medical device.")
    parser.add_argument("--version", action="version", version=f"seg-editor {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    p = commands.add_parser("open", help="open the editor (the default), with a case or empty")
    p.add_argument("case", type=Path, nargs="?", help="case folder or any one of its files")

    p = commands.add_parser("remove", help="remove the tumor and fill the hole with healthy tissue")
    _generation_arguments(p, margin=3)
    p.add_argument("--seg", type=Path, help="segmentation to use instead of the case's own")

    p = commands.add_parser("inpaint", help="fill any hole with healthy tissue")
    _generation_arguments(p, margin=0)
    p.add_argument("--hole", type=Path, required=True, help="NIfTI on the case's grid; nonzero voxels are filled")

    p = commands.add_parser("segment", help="segment tumor and tissue with the referee M4")
    p.add_argument("case", type=Path)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    p.add_argument("--json", action="store_true", help="print the result as JSON on stdout")

    p = commands.add_parser("verify", help="tell where an exported file came from and whether it was altered")
    p.add_argument("file", type=Path)

    p = commands.add_parser("doctor", help="say what this installation can do")
    p.add_argument("--json", action="store_true")

    p = commands.add_parser("bench", help="measure the editor on this machine")
    p.add_argument("case", type=Path, nargs="?", help="default: the demo case")
    p.add_argument("--generations", type=int, default=0, help="also generate so often: does memory stay flat?")
    p.add_argument("--json", action="store_true")

    p = commands.add_parser("demo", help="the demo case: in the editor, or headless when there is no display")
    out = Path("out/demo")
    p.add_argument("--out", type=Path, default=out, help="where the headless demo writes (default %(default)s)")
    p.add_argument("--headless", action="store_true", help="even when there is a display")
    return parser


def _generation_arguments(p: argparse.ArgumentParser, margin: int) -> None:
    p.add_argument("case", type=Path, help="case folder or any one of its files")
    p.add_argument("--out", type=Path, required=True, help="folder for the results")
    p.add_argument("--model", default="m5")
    p.add_argument("--slices", default="auto", help="auto, all, or indices along the file's slice axis: 70,71,72")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--steps", type=int, help="network passes a slice; 1 is the posterior mean")
    p.add_argument("--preset", default="standard")
    p.add_argument("--modalities", default="all", help="all, or a list as t1,flair")
    p.add_argument("--margin", type=int, default=margin, help="millimeters around the hole (default %(default)s)")
    p.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    p.add_argument("--start", help="m1 to m3c: noise, or strength=0.7 from the noised source (default noise)")
    p.add_argument("--sampler", choices=("ddpm", "ddim"), help="m1 to m3c (default ddpm)")
    p.add_argument(
        "--hole-fill",
        choices=tuple(_HOLE_FILLS),
        help="m2 to m3c: what the mask says where the tumor was: 0 as air, nearest tissue, the place's own tissue",
    )
    p.add_argument("--json", action="store_true", help="print the metrics as JSON on stdout")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 internal error (with the path of the log), 2 bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0] not in COMMANDS and not words[0].startswith("-")):
        words.insert(0, "open")
    parser = build_parser()
    args = parser.parse_args(words)
    if args.command is None:
        parser.error("a command is missing")
    try:
        return _RUN[args.command](args)
    except SegEditorError as error:
        print(f"seg-editor: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("seg-editor: interrupted, nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        log = _write_log(traceback.format_exc())
        print(f"seg-editor: internal error ({type(error).__name__}); details in {log}", file=sys.stderr)
        return 1


def _write_log(text: str) -> Path:
    import time

    from platformdirs import user_log_path

    entry = f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} seg-editor {__version__}\n{text}\n"
    path = user_log_path("seg-editor", appauthor=False) / "seg-editor.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as f:
            f.write(entry)
    except OSError:
        path = Path(tempfile.gettempdir()) / "seg-editor.log"
        path.write_text(entry, encoding="utf-8")
    return path


def _open(args: argparse.Namespace) -> int:
    if args.case is not None and not args.case.exists():
        raise UsageError(f"there is no command, file or folder {args.case}", remedy="See seg-editor --help")
    if not has_display():
        raise UsageError(
            "there is no display to open a window on", remedy="Use seg-editor remove CASE --out DIR, or set DISPLAY"
        )
    from seg_editor.ui.app import run

    return run(args.case)


def has_display() -> bool:
    """Whether a window can be shown (an explicit QT_QPA_PLATFORM counts)."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(v) for v in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _options(args: argparse.Namespace) -> Options:
    from seg_editor.api import Options
    from seg_editor.cases import Modality

    slices: str | tuple[int, ...] = args.slices
    if args.slices not in ("auto", "all"):
        try:
            slices = tuple(int(k) for k in args.slices.split(","))
        except ValueError:
            raise UsageError(
                f"--slices {args.slices} is neither auto, all nor a list", remedy="Write for example 70,71,72"
            ) from None
    modalities = None
    if args.modalities != "all":
        try:
            modalities = tuple(Modality("t1c" if m == "t1ce" else m) for m in args.modalities.lower().split(","))
        except ValueError:
            raise UsageError(
                f"--modalities {args.modalities} names an unknown one", remedy="Choose from t1, t1c, t2, flair"
            ) from None
    return Options(
        model=args.model,
        slices=slices,
        seed=args.seed,
        steps=args.steps,
        preset=args.preset,
        modalities=modalities,
        margin=args.margin,
        device=args.device,
        sampling=_sampling(args),
    )


def _sampling(args: argparse.Namespace) -> Sampling | None:
    """What ``--start``, ``--sampler`` and ``--hole-fill`` say; None when none of them is given."""
    if args.start is None and args.sampler is None and args.hole_fill is None:
        return None
    from seg_editor.generation.diffusion import HoleFill, Sampling, Solver, Start

    kind, _, number = (args.start or "noise").partition("=")
    try:
        strength = float(number) if number else Sampling.strength
    except ValueError:
        strength = -1.0
    if kind not in ("noise", "strength") or (kind == "noise" and number) or not 0 < strength <= 1:
        raise UsageError(
            f"--start {args.start} is no start", remedy="Write noise, or strength=0.7 with a value above 0 and up to 1"
        )
    return Sampling(
        Start.NOISE if kind == "noise" else Start.STRENGTH,
        Solver(args.sampler or "ddpm"),
        strength=strength,
        hole=HoleFill(_HOLE_FILLS[args.hole_fill or "zero"]),
    )


def _remove(args: argparse.Namespace) -> int:
    from seg_editor import api

    options = _options(args)
    api.check_folder(args.out)
    case = api.open_case(args.case)
    if args.seg is not None:
        case = api.with_segmentation(case, args.seg)
    with _Bar(f"Removing the tumor of {case.case_id}") as bar:
        outcome = api.remove(case, options, progress=bar.count)
    return _finish(case, outcome, args)


def _inpaint(args: argparse.Namespace) -> int:
    from seg_editor import api

    options = _options(args)
    api.check_folder(args.out)
    case = api.open_case(args.case)
    with _Bar(f"Filling the hole in {case.case_id}") as bar:
        outcome = api.inpaint(case, args.hole, options, progress=bar.count)
    return _finish(case, outcome, args)


def _finish(case: Case, outcome: Outcome, args: argparse.Namespace) -> int:
    from seg_editor import api

    written = api.export(case, outcome, args.out)
    _print_notes(case)
    if written.gap:
        print(f"note: {written.gap}", file=sys.stderr)
    if args.json:
        print(json.dumps(written.summary))
        return 0
    overall = outcome.metrics.overall
    rows = {"TumorResidual": "tumor_residual", "DiffMap IoU": "diffmap_iou", "Change outside": "change_outside_max"}
    for name, key in rows.items():
        value = overall.get(key)
        print(f"{name}: {'-' if value is None else format(value, '.3f')}")
    for path in written.files:
        print(path)
    return 0


def _print_notes(case: Case) -> None:
    for note in case.notes:
        print(f"note: {note}", file=sys.stderr)


def _segment(args: argparse.Namespace) -> int:
    import numpy as np

    from seg_editor import api

    api.check_folder(args.out)
    case = api.open_case(args.case)
    with _Bar(f"Segmenting {case.case_id}") as bar:
        five = api.segment(case, device=args.device, progress=bar.fraction)
    files = api.write_segmentation(case, five, args.out)
    _print_notes(case)
    volumes = {
        name: round(float(np.count_nonzero(five == k)) * case.grid.voxel_ml, 3)
        for k, name in enumerate(("background", "csf", "gm", "wm", "tumor"))
        if k
    }
    if args.json:
        names = [p.name for p in files]
        print(json.dumps({"case_id": case.case_id, "model": api.referee_name(), "ml": volumes, "files": names}))
    else:
        print("  ".join(f"{name} {ml} ml" for name, ml in volumes.items()))
        for path in files:
            print(path)
    return 0


def _verify(args: argparse.Namespace) -> int:
    from seg_editor.export import verify
    from seg_editor.export.names import edited_name, steps_text
    from seg_editor.export.provenance import ALTERED, UNSEALED
    from seg_editor.export.view import describe

    found = verify(args.file)
    if found.state == ALTERED:
        what = "it or its provenance was altered after it was written"
        raise ExportError(what, path=args.file, remedy="Export it again")
    state = "of an early version, which cannot be checked in full" if found.state == UNSEALED else found.state
    if "requests" in found.sidecar:
        print(f"{args.file}: {state}, a picture of {found.sidecar['case_id']}: {describe(found.sidecar)}")
        return 0
    request = found.sidecar["request"]
    case_id, made = (
        found.sidecar["case_id"],
        f"{request['model']}, seed {request['seed']}, {steps_text(request['steps'])}",
    )
    if args.file.name == edited_name(case_id):
        print(f"{args.file}: {state}, the edited segmentation of {case_id}, written with a result of {made}")
    else:
        print(f"{args.file}: {state}, made from {case_id} by {made}")
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from seg_editor.doctor import examine, render

    report = examine()
    print(json.dumps(report, indent=1) if args.json else render(report))
    return 0


def _bench(args: argparse.Namespace) -> int:
    from seg_editor.bench import render, run_bench

    figures = run_bench(args.case or resource_path("demo", DEMO_CASE), generations=args.generations)
    print(json.dumps(figures) if args.json else render(figures))
    return 0


def _demo(args: argparse.Namespace) -> int:
    case = resource_path("demo", DEMO_CASE)
    if has_display() and not args.headless:
        from seg_editor.ui.app import run

        return run(case)
    print("There is no display: removing the tumor of the demo case without a window.", file=sys.stderr)
    return main(["remove", str(case), "--out", str(args.out)])


class _Bar:
    """A progress bar on stderr; none when that is not a terminal."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> _Bar:
        from tqdm import tqdm

        layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        self._bar = tqdm(total=1, desc=self._text, file=sys.stderr, leave=False, bar_format=layout, disable=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def count(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.n = done
        self._bar.refresh()

    def fraction(self, fraction: float, _text: str) -> None:
        self.count(round(fraction * 1000), 1000)


_RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "open": _open,
    "remove": _remove,
    "inpaint": _inpaint,
    "segment": _segment,
    "verify": _verify,
    "doctor": _doctor,
    "bench": _bench,
    "demo": _demo,
}


if __name__ == "__main__":
    raise SystemExit(main())

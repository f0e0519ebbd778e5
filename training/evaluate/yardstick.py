"""Fill the healthy holes of benchmark cases the way ``seg-editor inpaint`` does, from copies whose holes are void."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from seg_editor import api
from seg_editor.cases import open_case
from seg_editor.errors import SegEditorError, UsageError
from training.evaluate.holes import hole_file


def fill_cases(
    void: Path,
    cases: Path,
    out: Path,
    *,
    model: str = "m5",
    steps: int | None = None,
    seed: int = 0,
    only: Sequence[str] = (),
) -> dict[str, float]:
    """Write filled volumes to ``out/<id>/`` for every case of `void`; seconds a case.

    Parameters
    ----------
    void : Path
        Folder of case folders whose holes hold a constant.
    cases : Path
        Folder of the same cases with ``<id>_holes.nii.gz``.
    """
    seconds = {}
    for folder in sorted(p for p in void.iterdir() if p.is_dir() and (not only or p.name in only)):
        began = time.perf_counter()
        hole = hole_file(cases / folder.name)
        if not hole.exists():
            raise UsageError(f"{hole} is missing", remedy="Give --cases the folder with the hole files")
        case = open_case(folder)
        outcome = api.inpaint(case, hole, api.Options(model=model, steps=steps, seed=seed, margin=0))
        api.export(case, outcome, out / folder.name)
        seconds[folder.name] = round(time.perf_counter() - began, 1)
        print(f"{folder.name} {seconds[folder.name]} s", file=sys.stderr, flush=True)
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m training.evaluate.yardstick VOID CASES OUT``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("void", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="m5")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", action="append", default=[])
    args = parser.parse_args(argv)
    try:
        seconds = fill_cases(
            args.void, args.cases, args.out, model=args.model, steps=args.steps, seed=args.seed, only=args.case
        )
    except SegEditorError as error:
        print(f"yardstick: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"seconds": seconds}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

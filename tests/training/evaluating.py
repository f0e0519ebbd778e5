"""What the tests of the evaluation share: the command on tiny cases, and the rows that it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seg_editor.generation.unet import UNetConfig
from training.cli import main

IDS = ("BraTS2021_90001", "BraTS2021_90002")
SHAPE = (40, 44, 20)
NET = UNetConfig(image_size=48, fold=2, widths=(8, 8), layers=1, attention_level=1, head_size=4, groups=4)


def run(data: Path, out: Path, *more: str) -> int:
    arguments = ["evaluate", "--data", data / "cases", "--tissue", data / "tissue", "--out", out, "--limit-slices", 3]
    arguments += ["--models", "m3,m5", "--baselines", "harmonic,donor", "--steps", 4, "--seeds", 2, *more]
    return main([str(a) for a in arguments])


def rows_of(out: Path, **wanted: Any) -> list[dict[str, Any]]:
    rows = json.loads((out / "table2.json").read_text())["rows"]
    return [r for r in rows if all(r[k] == v for k, v in wanted.items())]

"""Table 2 as JSON, CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from training.evaluate.table import DIFFMAP, LARGEST, METRICS, Row, title

_LEAD = (
    "model",
    "mode",
    "start",
    "sampler",
    "hole_fill",
    "steps",
    "composition",
    "seeds",
    "n_patients",
    "n_slices",
)
_VALUES = ("value", "lo", "hi", "floor", "ceiling", "paper", "images", "shares_pixels")
#: Behind a distance of pictures that share pixels with what they are compared with.
_SHARES = "†"


def to_json(rows: Sequence[Row], about: dict[str, Any], calibration: Sequence[str] = ()) -> str:
    """``table2.json``: what was done, the files of the referee's calibration in the cache, and a list of rows."""
    data = {"about": about, "calibration": list(calibration), "rows": [r.to_json() for r in rows]}
    return json.dumps(data, indent=1, allow_nan=False)


def to_csv(rows: Sequence[Row]) -> str:
    """A line a figure."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*_LEAD, "metric", *_VALUES])
    for row in rows:
        data = row.to_json()
        for name, f in data["metrics"].items():
            numbers = ("" if f.get(k) is None else f"{f[k]:.6g}" for k in _VALUES)
            lines.writerow([*(data[k] for k in _LEAD), name, *numbers])
    return text.getvalue()


def to_markdown(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """A table a mode, floors and ceilings on top; a cell is value [interval], and the paper's number if it has one."""
    out = ["# Table 2", "", _about(about), "", *_referee(rows)]
    for mode, heading in _MODES.items():
        chosen = [r for r in rows if r.arm["mode"] == mode]
        if not chosen:
            continue
        names = [n for n in _columns() if any(n in r.figures for r in chosen)]
        out += [f"## {heading}", "", "| row | n | " + " | ".join(title(n) for n in names) + " |"]
        out.append("|---" * (len(names) + 2) + "|")
        for word, bounds in (("floor", [r.floors for r in chosen]), ("ceiling", [r.ceilings for r in chosen])):
            known = {name: value for found in bounds for name, value in found.items()}
            if known:
                cells = ("" if n not in known else f"*{_short(known[n])}*" for n in names)
                out.append(f"| *{word}* | | " + " | ".join(cells) + " |")
        for row in chosen:
            count = f"{len(row.patients)} patients, {row.slices} slices, {row.seeds} seed{'s' * (row.seeds > 1)}"
            out.append(f"| {label(row)} | {count} | " + " | ".join(_figure(row, n) for n in names) + " |")
        out.append("")
    return "\n".join(out)


def to_latex(rows: Sequence[Row]) -> str:
    """A ``tabular`` of the main figures."""
    names = ["tumor_residual", DIFFMAP, "ssim_brain", "gen_dice_paper", "fid_m4", "kid_m4", "texture", "hole_mse"]
    out = ["\\begin{tabular}{l" + "r" * len(names) + "}", "\\hline"]
    out.append(" & ".join(["row", *(_tex(title(n)) for n in names)]) + " \\\\ \\hline")
    for row in rows:
        cells = []
        for n in names:
            f = row.figures.get(n)
            cells.append("" if f is None else _with_interval(row, n).replace(_SHARES, "$^\\dagger$"))
        if any(cells):
            out.append(" & ".join([_tex(f"{row.arm['mode']}: {label(row)}"), *cells]) + " \\\\")
    if any("dagger" in line for line in out):
        note = "$^\\dagger$ outside the hole these are the source's own pixels, which FID and KID compare with"
        out.append(f"\\hline \\multicolumn{{{len(names) + 1}}}{{l}}{{{note}}} \\\\")
    return "\n".join([*out, "\\hline", "\\end{tabular}", ""])


_REFEREE = {
    "reconstruction": ("dice_tumor", "dice_csf", "dice_gm", "dice_wm", "gen_dice_paper"),
    "counterfactual": ("false_tumor", "tumor_residual", "residual_inside", "residual_outside"),
}


def _referee(rows: Sequence[Row]) -> list[str]:
    """What the referee makes of the real slices: how far its judgement of others can be trusted."""
    found = [
        f"| {title(name)} | {_short(row.figures[name].value)} | "
        f"[{_short(row.figures[name].low)}, {_short(row.figures[name].high)}] |"
        for row in rows
        if row.method == "source"
        for name in _REFEREE.get(row.arm["mode"], ())
        if name in row.figures
    ]
    if not found:
        return []
    source = next(r for r in rows if r.method == "source")
    text = f"The referee on the real slices ({len(source.patients)} patients, {source.slices} slices)"
    return [f"## {text}", "", "| figure | value | 95 % interval |", "|---|---|---|", *found, ""]


_MODES = {
    "counterfactual": "Counterfactual: the tumor removed",
    "reconstruction": "Reconstruction: full mask",
    "healthy-hole": "Healthy holes: the truth is known",
}


def label(row: Row) -> str:
    """Short name of a row."""
    arm = row.arm
    words = [row.method]
    if arm["start"]:
        start = "from noise" if arm["start"] == "from_noise" else f"strength {arm['strength']:.2f}"
        words += [start, f"{arm['sampler'].upper()} {arm['steps']}"]
        if arm["hole_fill"]:
            words.append({"zero": "hole 0", "prior": "hole tissue"}.get(arm["hole_fill"], arm["hole_fill"]))
    elif arm["steps"]:
        words.append(f"{arm['steps']} step{'s' * (arm['steps'] > 1)}")
    if arm["mode"] == "counterfactual" and arm["start"]:
        words.append("whole slice" if row.composition == "slice" else "composited")
    return ", ".join(words)


def _columns() -> list[str]:
    distances = [f"{k}_{e}" for e in ("m4", "efficientnet") for k in ("fid", "kid")]
    return [*(m.name for m in METRICS), *distances, LARGEST.name]


def _figure(row: Row, name: str) -> str:
    f = row.figures.get(name)
    if f is None:
        return ""
    return _with_interval(row, name) + (f" (paper {_short(row.paper[name])})" if name in row.paper else "")


def _with_interval(row: Row, name: str) -> str:
    """A figure with its interval; a distance with its number of pictures and the mark of shared pixels instead."""
    f = row.figures[name]
    if name in row.images:
        return f"{_short(f.value)}{_SHARES * row.composited} (n={row.images[name]})"
    return _short(f.value) if f.low == f.high else f"{_short(f.value)} [{_short(f.low)}, {_short(f.high)}]"


def _short(value: float) -> str:
    if abs(value) < 1e-6:
        return "0"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _tex(text: str) -> str:
    return text.replace("%", "\\%").replace("_", "\\_").replace("&", "\\&")


def _about(about: dict[str, Any]) -> str:
    lines = [f"- {k}: {v}" for k, v in about.items()]
    lines.append("- Intervals: 95 % bootstrap over patients, seeds pooled within a patient.")
    lines.append(
        "- Floors: the row *donor* (real healthy tissue in the hole). Ceilings: the row *source* (nothing done)."
    )
    lines += [
        "- FID and KID are against the source's slices of the same patients, n pictures on either side. They have no",
        "  interval and no floor: FID's bias falls with n, patients drawn twice add to it. Compare rows of equal n.",
        f"- {_SHARES} FID and KID of composited pictures: all but the hole is the source's own pixels, so these values",
        "  are small by themselves. Do not compare them with whole slices.",
    ]
    lines.append(
        "- The paper's own numbers stand in the rows made most nearly as its code made them; its M3 beside both m3 (as"
    )
    lines.append("  written) and m3c (as coded). Its referee, split and slices were others.")
    lines.append(
        "- In healthy holes *hole tissue* is the true tissue map of the place: a help that a real tumor does not give."
    )
    lines.append("- Texture and seam compare the hole with the rest of the same picture; 1 is right.")
    return "\n".join(lines)

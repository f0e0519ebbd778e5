"""Table 2 as JSON, CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from training.evaluate.columns import (
    DIFFMAP,
    DISTANCES,
    GAIN,
    GEN_DICE,
    LARGEST,
    LEAD,
    METRICS,
    PAIRED,
    YARDSTICKS,
    title,
)
from training.evaluate.features import FEATURES
from training.evaluate.table import Row

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
#: Rows that bound the others.
BOUNDING = ("source", "donor")
#: Smaller values are not written out.
_TINY = 1e-4


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
    """Tables a mode, each of a few columns; a cell is value [interval], and the paper's number if it has one."""
    out = ["# Table 2", "", *_about(about), *_beside_the_paper(rows), *_referee(rows)]
    for mode, heading in _MODES.items():
        chosen = [r for r in rows if r.arm["mode"] == mode]
        if not chosen:
            continue
        out += [f"## {heading}", "", _counted(chosen), ""]
        for topic, columns in _TOPICS[mode].items():
            names = [n for n in columns if any(n in r.figures for r in chosen)]
            if names:
                out += [f"### {topic}", "", *_table(chosen, names), ""]
    return "\n".join([*out, *_explained(rows)])


def _beside_the_paper(rows: Sequence[Row]) -> list[str]:
    """The paper's own table with ours in the same cells."""
    names = [n for n in (*(m.name for m in METRICS), *DISTANCES) if any(n in r.paper for r in rows)]
    if not names:
        return []
    counted = _counted([r for r in rows if r.paper])
    out = ["## The paper's table beside ours", "", f"Ours, and in parentheses the paper's. {counted}", ""]
    out += ["| model | " + " | ".join(f"{title(n)}{_arrow(n)}" for n in names) + " |"]
    out += ["|---" * (len(names) + 1) + "|"]
    for method in dict.fromkeys(r.method for r in rows if r.paper):
        found = {n: r for r in rows if r.method == method for n in r.paper}
        cells = (_figure(found[n], n) if n in found else "" for n in names)
        out.append(f"| {method} | " + " | ".join(cells) + " |")
    return [*out, ""]


def _table(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    out = ["| row | " + " | ".join(f"{title(n)}{_arrow(n)}" for n in names) + " |", "|---" * (len(names) + 1) + "|"]
    for word, bounds in (("floor", [r.floors for r in rows]), ("ceiling", [r.ceilings for r in rows])):
        known = {name: value for found in bounds for name, value in found.items() if name in names}
        if known:
            cells = ("" if n not in known else f"*{_short(known[n])}*" for n in names)
            out.append(f"| *{word}* | " + " | ".join(cells) + " |")
    best = {name: _best(rows, name) for name in names}
    for row in rows:
        if any(n in row.figures for n in names):
            cells = (_bold(_figure(row, n), row in best[n]) for n in names)
            out.append(f"| {label(row)} | " + " | ".join(cells) + " |")
    return out


def _best(rows: Sequence[Row], name: str) -> list[Row]:
    """Rows whose printed value is the best; what bounds the others, and what shares pixels, does not compete.

    A KID is unbiased, so that one below 0 says no more than 0: then there is no best.
    """
    better = {m.name: m.better for m in (*METRICS, *PAIRED, LARGEST)}.get(name, "down")
    apart: Callable[[float], float] = {
        "up": lambda v: -v,
        "down": lambda v: v,
        "one": lambda v: abs(math.log(max(v, _TINY))),
    }[better]
    values = {
        id(r): apart(r.figures[name].value)
        for r in rows
        if name in r.figures and r.method not in BOUNDING and not (name in r.images and r.shares_pixels)
    }
    if len(values) < 2:
        return []
    least = min(values.values())
    if name.startswith("kid_") and least <= 0:
        return []
    shown = _short(next(r.figures[name].value for r in rows if values.get(id(r)) == least))
    return [r for r in rows if id(r) in values and _short(r.figures[name].value) == shown]


def _bold(text: str, is_best: bool) -> str:
    if not is_best:
        return text
    value, space, rest = text.partition(" ")
    return f"**{value}**{space}{rest}"


def _counted(rows: Sequence[Row]) -> str:
    """How much stands behind the rows of a mode, said once."""
    seeds = max(r.seeds for r in rows)
    drawn = f"; {seeds} seeds where a row draws noise, else 1" if seeds > 1 else "; 1 seed"
    return f"n = {max(len(r.patients) for r in rows)} patients, {max(r.slices for r in rows)} slices{drawn}."


def to_latex(rows: Sequence[Row]) -> str:
    """A ``tabular`` of the main figures."""
    names = ["tumor_residual", DIFFMAP, "ssim_brain", "gen_dice_paper", "fid_m4", "kid_m4", "texture", "hole_mse"]
    out = ["\\begin{tabular}{l" + "r" * len(names) + "}", "\\hline"]
    out.append(" & ".join(["row", *(_tex(title(n)) for n in names)]) + " \\\\ \\hline")
    for row in rows:
        cells = []
        for n in names:
            f = row.figures.get(n)
            cells.append("" if f is None else _plain(_with_interval(row, n)))
        if any(cells):
            out.append(" & ".join([_tex(f"{row.arm['mode']}: {label(row)}"), *cells]) + " \\\\")
    if any("dagger" in line for line in out):
        note = "$^\\dagger$ outside the hole these are the source's own pixels, which FID and KID compare with"
        out.append(f"\\hline \\multicolumn{{{len(names) + 1}}}{{l}}{{{note}}} \\\\")
    return "\n".join([*out, "\\hline", "\\end{tabular}", ""])


_HOW_TO_READ = """\
**How to read it.** A cell is the value and in brackets its 95 % interval: bootstrap over patients, slices and seeds of
one patient pooled before. A value without brackets is the same for every patient, or a FID or KID. ↓ less is better,
↑ more is better. **Bold** is the best printed value of its column; the rows *source* (nothing done) and *donor* (real
healthy tissue in the hole), which give the italic ceilings and floors, do not compete. Where intervals overlap, bold is
no proof of a difference.

- *Hole 0*: the mask says 0, the code of air, where the tumor was. *Hole tissue*: it says tissue; in healthy holes that
  is the true tissue map of the place, a help that a real tumor does not give.
- *From noise*: pure noise at the start, as the paper's text says. *Strength*: the noised source, as its code does.
- *Whole slice*: as generated. *Composited*: only the hole of it, in the source.
- *(paper x)*: the paper's own number, in the rows made most nearly as its code made them; its M3 stands beside m3 (as
  written) and m3c (as coded). Its referee, split and slices were others.
- FID and KID compare with the source's slices of the same patients, n pictures on either side; the floor is as many
  other real slices of these patients, midway between. They have no interval, for FID's bias falls with n and patients
  drawn twice would add to it. Compare rows of equal n.
- {shares} FID and KID of composited pictures are small by themselves, for all but the hole is the source's own. And
  the source has its tumor: what puts one back is near it. In healthy holes every row is composited and the reference
  is the truth itself; *crops* are squares around the largest hole of a slice. A KID below 0 cannot be told from 0."""

_REFEREE = {
    "reconstruction": ("dice_tumor", "dice_csf", "dice_gm", "dice_wm", "gen_dice_paper"),
    "counterfactual": (
        "false_tumor",
        "tumor_residual",
        "residual_inside",
        "residual_outside",
        *(m.name for m in YARDSTICKS),
    ),
}


def _referee(rows: Sequence[Row]) -> list[str]:
    """What the referee makes of the real slices: how far its judgement of others can be trusted."""
    found = [
        f"| {title(name)} | {_unit(name)} | {_short(row.figures[name].value)} | "
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
    return [f"## {text}", "", "| figure | unit | value | 95 % interval |", "|---|---|---|---|", *found, ""]


_MODES = {
    "counterfactual": "Counterfactual: the tumor removed",
    "reconstruction": "Reconstruction: full mask",
    "healthy-hole": "Healthy holes: the truth is known",
}


#: Columns of a mode's tables.
_TOPICS: dict[str, dict[str, tuple[str, ...]]] = {
    "counterfactual": {
        "How much tumor is left": (
            "tumor_residual_paper",
            "tumor_residual",
            "residual_inside",
            "residual_outside",
            "residual_void",
            "false_tumor",
        ),
        "What changed, and how it fits in": (
            "diffmap_iou_paper",
            DIFFMAP,
            "ssim_paper",
            "texture",
            "seam",
            LARGEST.name,
        ),
        "Distance to the real slices": DISTANCES,
    },
    "reconstruction": {
        "Anatomy, as the referee finds it": (
            GEN_DICE,
            GAIN,
            LEAD,
            "gen_iou_paper",
            "dice_csf",
            "dice_gm",
            "dice_wm",
            "dice_tumor",
        ),
        "Likeness and distance to the real slices": ("ssim_paper", "ssim_brain", "mse_brain", *DISTANCES),
    },
    "healthy-hole": {
        "Against the truth": ("hole_mse", "hole_psnr", "hole_ssim", "hole_texture", "hole_seam"),
        "Distance to the same slices before they were emptied": DISTANCES,
    },
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


def _arrow(name: str) -> str:
    better = {m.name: m.better for m in (*METRICS, *PAIRED, LARGEST)}.get(name, "down")
    return {"up": " ↑", "down": " ↓", "one": " (1 is right)"}[better]


def _unit(name: str) -> str:
    return {m.name: m.unit for m in (*METRICS, *PAIRED, *YARDSTICKS, LARGEST)}.get(name, "")


def _figure(row: Row, name: str) -> str:
    f = row.figures.get(name)
    if f is None:
        return ""
    return _with_interval(row, name) + (f" (paper {_short(row.paper[name])})" if name in row.paper else "")


def _with_interval(row: Row, name: str) -> str:
    """A figure with its interval; a distance with its number of pictures and the mark of shared pixels instead."""
    f = row.figures[name]
    if name in row.images:
        return f"{_short(f.value)}{_SHARES * row.shares_pixels} (n={row.images[name]})"
    return _short(f.value) if f.low == f.high else f"{_short(f.value)} [{_short(f.low)}, {_short(f.high)}]"


def _short(value: float) -> str:
    """Three digits, as 0.630; what rounds to nothing is 0 or said to be less than the least that is shown."""
    if abs(value) < 1e-6:
        return "0"
    if abs(value) < _TINY:
        return f"{'−' * (value < 0)}<{_TINY:g}"
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"


def _plain(cell: str) -> str:
    """A cell for LaTeX."""
    return cell.replace(_SHARES, "$^\\dagger$").replace("<", "$<$").replace("−", "$-$")


def _tex(text: str) -> str:
    return text.replace("%", "\\%").replace("_", "\\_").replace("&", "\\&")


def _about(about: dict[str, Any]) -> list[str]:
    return [*(f"- {k}: {v}" for k, v in about.items()), "", *_HOW_TO_READ.format(shares=_SHARES).splitlines(), ""]


def _explained(rows: Sequence[Row]) -> list[str]:
    """The columns with their units."""
    there = {name for r in rows for name in r.figures}
    lines = ["## Columns", "", "| column | unit | what it is | over patients |", "|---|---|---|---|"]
    for m in (*METRICS, *PAIRED, LARGEST):
        if m.name in there:
            pooled = "largest" if m is LARGEST else "all slices pooled" if m.pooled else "mean of one value a patient"
            lines.append(f"| {m.title.strip()}{_arrow(m.name)} | {m.unit} | {m.text} | {pooled} |")
    for name in sorted(n for n in there if n.startswith(("fid_", "kid_"))):
        kind, extractor = name.split("_", 1)
        what = "Fréchet distance" if kind == "fid" else "squared MMD, cubic kernel"
        lines.append(f"| {title(name)} ↓ | of the features | {what}; features: {FEATURES[extractor]} | pooled |")
    return [*lines, ""]

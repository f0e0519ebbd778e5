"""What the table's numbers look like: bars, threshold sweep, profiles along the slices, the referee's calibration."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seg_editor.errors import UsageError, reason
from training.evaluate.columns import DISTANCES, FIGURES, title
from training.evaluate.drawing import BLUE, SKY, look, method_name, new_figure, save_figure, tidy
from training.evaluate.names import BASELINES

_SWEEP = "diffmap_iou@"
#: Shown against 1, on a logarithmic axis.
_RATIOS = ("texture", "seam")
_LEAST = 0.01
#: Rows that are compared in one panel: start, hole fill and composition of the diffusion models.
_PANELS = {
    "whole slice, from noise, mask 0": ("from_noise", ("", "zero"), "slice"),
    "whole slice, from the source, mask 0": ("strength", ("", "zero"), "slice"),
    "composited, from noise, mask tissue": ("from_noise", ("prior",), "hole"),
    "baselines and M5, composited": ("", ("",), "hole"),
}
#: Along the slices, with the top of the axis; of the baselines the floor only.
_PROFILED = {"tumor_residual": 2.5, f"{_SWEEP}0.10": 1.0}
_FLOOR = "donor"
#: What a row of ``table2.json`` has.
_WORDS = ("model", "mode", "start", "sampler", "hole_fill", "composition")
_COUNTS = ("steps", "seeds", "n_patients", "n_slices")
_BOUNDS = ("lo", "hi", "floor", "ceiling", "paper")


def number_figures(run: Path, out: Path) -> Iterator[Path]:
    """Write the figures of the numbers that ``seg-train evaluate`` left in `run`; one without data is left out.

    Raises
    ------
    UsageError
        `run` holds no evaluation.
    """
    data = read_run(run)
    rows = [r for r in data["rows"] if r["mode"] == "counterfactual"]
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in (
        ("fig7_table", _intervals(rows)),
        ("sweep_diffmap", _sweep(rows)),
        ("profiles", _profiles(run / "per_slice.csv")),
        ("calibration_referee", _calibration(run / "cache", data.get("calibration", []))),
    ):
        if figure is not None:
            yield save_figure(figure, out / f"{name}.png")


def read_run(run: Path) -> dict[str, Any]:
    """``table2.json`` of a run: ``about``, ``calibration`` and ``rows``.

    Raises
    ------
    UsageError
        There is no such file, or it is not of this version of the program.
    """
    path = run / "table2.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = data | {"rows": list(data["rows"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{run} holds no table2.json ({reason(error)})"
        raise UsageError(what, remedy="Run seg-train evaluate first") from error
    fits = isinstance(data.get("about", {}), dict) and _is_list(data.get("calibration", []), str)
    wrong = next((n for n, row in enumerate(found["rows"], 1) if not _is_row(row)), None)
    if wrong is not None or not fits:
        what = f"row {wrong} is" if wrong is not None else "the head is"
        raise UsageError(f"{what} not as this version writes it", path=path, remedy="Run seg-train evaluate again")
    return found


def _is_row(row: object) -> bool:
    """Whether figures and tables can be made of a row of ``table2.json``."""
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(key), str) for key in _WORDS)
        and all(isinstance(row.get(key), int) for key in _COUNTS)
        and (row["start"] != "strength" or isinstance(row.get("strength"), float))
        and isinstance(row.get("metrics"), dict)
        and all(_is_figure(name, figure) for name, figure in row["metrics"].items())
    )


def _is_figure(name: str, figure: object) -> bool:
    """Whether it is a known figure with its interval, which only a distance may lack."""
    if name not in FIGURES or not isinstance(figure, dict) or not {"value", "lo", "hi"} <= figure.keys():
        return False
    needed = ("value",) if name in DISTANCES else ("value", "lo", "hi")
    numbers = (figure.get(key) for key in ("value", *_BOUNDS))
    return all(figure[key] is not None for key in needed) and all(isinstance(n, float | int | None) for n in numbers)


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(v, kind) for v in value)


def _name(row: dict[str, Any]) -> str:
    words = [method_name(row["model"])]
    if row["start"]:
        words.append("noise" if row["start"] == "from_noise" else "source")
        words += [{"zero": "mask 0", "prior": "mask tissue"}.get(row["hole_fill"], "")]
        words += ["slice" if row["composition"] == "slice" else "composited"]
    elif row["steps"] not in (0, "0"):
        words.append(f"{row['steps']} pass{'es' * (str(row['steps']) != '1')}")
    return ", ".join(w for w in words if w)


def _panel_of(row: dict[str, Any]) -> str | None:
    """Which panel shows a row; None for a row that no panel shows."""
    for panel, (start, fills, composition) in _PANELS.items():
        if row["start"] == start and row["hole_fill"] in fills and row["composition"] == composition:
            return panel
    return None


def _in_panel(row: dict[str, Any]) -> str:
    """Name of a row's line within its panel."""
    return method_name(row["model"]) if row["start"] else _name(row)


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """How a row's line is drawn; the mean of a model is paler than its samples."""
    how = look(row["model"])
    return {
        "color": how.color,
        "marker": how.marker,
        "ls": how.line,
        "alpha": 0.5 if not row["start"] and str(row["steps"]) == "1" else 1.0,
        "label": _in_panel(row),
    }


def _legend_below(figure: Any, axes: Any) -> None:
    lines = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if lines:
        how = {"ncols": 7, "fontsize": 8, "frameon": False, "handlelength": 2.6}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", **how)


def _counts(rows: Sequence[dict[str, Any]]) -> str:
    """How much stands behind a figure."""
    most = {k: max(int(r[k]) for r in rows) for k in ("n_patients", "n_slices", "seeds")}
    return "{n_patients} patients, {n_slices} slices, up to {seeds} seeds".format(**most)


def _intervals(rows: list[dict[str, Any]]) -> Any:
    """A panel a figure, a point with its interval a row; floor and ceiling as lines."""
    names = ("tumor_residual", f"{_SWEEP}0.10", *_RATIOS)
    if not rows:
        return None
    figure, axes = new_figure(11.5, 0.185 * len(rows) + 1.2, 1, len(names), width_ratios=(1.2, 1.2, 1, 1))
    for axis, name in zip(axes[0], names, strict=True):
        for y, row in enumerate(rows):
            if name in row["metrics"]:
                _point(axis, y, row, row["metrics"][name], least=_LEAST if name in _RATIOS else -math.inf)
        _bands(axis, rows)
        axis.set_yticks(range(len(rows)), [_name(r) for r in rows] if name == names[0] else [], fontsize=7)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.tick_params(axis="x", labelsize=8)
        axis.tick_params(axis="y", length=0)
        axis.set_title(title(name) + (": 1 is right" if name in _RATIOS else ""), fontsize=9, pad=18)
        if name in _RATIOS:
            axis.set(xscale="log", xlim=(_LEAST * 0.8, None))
            axis.axvline(1, color="#000000", lw=0.8, zorder=1)
            continue
        for kind, line in (("floor", ":"), ("ceiling", "--")):
            bound = next((f[kind] for r in rows if (f := r["metrics"].get(name)) and f.get(kind) is not None), None)
            if bound is not None and name == names[0]:
                axis.axvline(bound, color="#000000", ls=line, lw=0.9, zorder=1)
                axis.text(bound, -0.8, kind, fontsize=7, ha="center", va="bottom")
    figure.suptitle(f"Counterfactuals: {_counts(rows)}; points and 95 % intervals over patients", fontsize=9)
    return figure


def _point(axis: Any, y: int, row: dict[str, Any], f: dict[str, Any], *, least: float) -> None:
    how = look(row["model"])
    if f["value"] < least:
        axis.plot(least, y, color=how.color, marker="<", ms=5)
        return
    low, high = max(f["value"] - max(f["lo"], least), 0), max(f["hi"] - f["value"], 0)
    axis.errorbar(f["value"], y, xerr=[[low], [high]], color=how.color, marker=how.marker, ms=4.5, lw=1.3, zorder=3)


def _bands(axis: Any, rows: list[dict[str, Any]]) -> None:
    """Every second method on gray."""
    models = list(dict.fromkeys(r["model"] for r in rows))
    for y, row in enumerate(rows):
        if models.index(row["model"]) % 2:
            axis.axhspan(y - 0.5, y + 0.5, color="#F2F2F2", lw=0, zorder=0)


def _sweep(rows: list[dict[str, Any]]) -> Any:
    """DiffMap IoU against its threshold."""
    rows = [r for r in rows if r["model"] != "source" and _panel_of(r) is not None]
    panels = [p for p in _PANELS if any(_panel_of(r) == p for r in rows)]
    figure, axes = new_figure(3.0 * max(len(panels), 1), 3.8, 1, max(len(panels), 1), sharey=True)
    drawn = False
    for axis, panel in zip(axes[0], panels, strict=False):
        for row in rows:
            points = sorted(
                (float(k.removeprefix(_SWEEP)), f["value"]) for k, f in row["metrics"].items() if k.startswith(_SWEEP)
            )
            if _panel_of(row) == panel and len(points) > 1:
                axis.plot(*zip(*points, strict=True), ms=4, lw=1.3, **_line(row))
                drawn = True
        axis.axvline(0.10, color="#000000", lw=0.8, ls=":")
        axis.set(xlabel="threshold (display range = 1)", ylim=(0, 1))
        axis.set_title(panel, fontsize=9)
    if not drawn:
        return None
    axes[0, 0].set_ylabel("DiffMap IoU, tumor slices", fontsize=9)
    tidy(axes[0])
    figure.suptitle(f"{_counts(rows)}; dotted: the paper's threshold", fontsize=9)
    _legend_below(figure, axes[0])
    return figure


def _profiles(path: Path) -> Any:
    """TumorResidual and DiffMap IoU along the slices, a column a patient; mean of the seeds."""
    found = _along_slices(path)
    cases = sorted({c for _, c in found})
    if not cases:
        return None
    figure, axes = new_figure(max(2.6 * len(cases), 7), 4.8, 2, len(cases), sharey="row", sharex="col")
    for line, (metric, most) in zip(axes, _PROFILED.items(), strict=True):
        for axis, case_id in zip(line, cases, strict=True):
            for lead, values in found.get((metric, case_id), {}).items():
                at = sorted(values)
                means = [float(np.mean(values[k])) for k in at]
                axis.plot(at, np.minimum(means, most), lw=1.2, ms=3.5, **_line(dict(lead)))
                beyond = [k for k, v in zip(at, means, strict=True) if v > most]
                axis.plot(beyond, [most] * len(beyond), ls="", marker="^", ms=6, color=look(dict(lead)["model"]).color)
            axis.set_ylim(-0.03 * most, 1.04 * most)
        line[0].set_ylabel(title(metric), fontsize=9)
    for axis, case_id in zip(axes[0], cases, strict=True):
        axis.set_title(case_id, fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("axial slice")
    tidy(axes.ravel())
    text = (
        "Tumor slices, mean of the seeds; models: whole slices from noise, mask 0. Triangles on the edge lie beyond it"
    )
    figure.suptitle(text, fontsize=9)
    _legend_below(figure, axes.ravel())
    return figure


def _along_slices(path: Path) -> dict[tuple[str, str], dict[tuple[tuple[str, str], ...], dict[int, list[float]]]]:
    """Values by (metric, case), then by row, then by slice; empty without the file."""
    found: dict[tuple[str, str], dict[tuple[tuple[str, str], ...], dict[int, list[float]]]] = {}
    shown = (next(iter(_PANELS)), list(_PANELS)[-1])
    try:
        with path.open(encoding="utf-8", newline="") as f:
            for line in csv.DictReader(f):
                if line["mode"] != "counterfactual" or line["metric"] not in _PROFILED or _panel_of(line) not in shown:
                    continue
                if line["model"] in BASELINES and line["model"] != _FLOOR:
                    continue
                lead = tuple((k, line[k]) for k in ("model", "start", "hole_fill", "composition", "steps"))
                lines = found.setdefault((line["metric"], line["case_id"]), {})
                lines.setdefault(lead, {}).setdefault(int(line["slice"]), []).append(float(line["value"]))
    except OSError:
        return {}
    return found


def _calibration(cache: Path, names: Sequence[str] = ()) -> Any:
    """How often the referee's tumor probability comes true: the files named, else the newest of each patient."""
    paths = [cache / n for n in names] or sorted(cache.glob("calibration_*.json"), key=lambda p: p.stat().st_mtime_ns)
    found = [json.loads(p.read_text(encoding="utf-8")) for p in paths if p.exists()]
    records = list({r["case_id"]: r["bins"] for r in found}.values())
    if not records:
        return None
    figure, axes = new_figure(4.6, 4.6)
    axis = axes[0, 0]
    axis.plot([0, 1], [0, 1], color="#404040", lw=1, ls=":", label="perfect")
    for number, bins in enumerate(records):
        axis.plot(*_reliability(bins), marker="o", ms=2, lw=0.7, color=SKY, label="one patient" if not number else None)
    whole = {k: np.sum([r[k] for r in records], 0) for k in records[0]}
    axis.plot(*_reliability(whole), marker="o", ms=4, lw=2, color=BLUE, label="all voxels")
    axis.set(xlabel="referee's probability of tumor", ylabel="share that is tumor", xlim=(0, 1.01), ylim=(0, 1.01))
    voxels = f"{int(np.sum(whole['count'])):,} brain voxels of the real slices"
    axis.set_title(f"{len(records)} patient{'s' * (len(records) > 1)}, {voxels}", fontsize=9)
    axis.legend(fontsize=8, frameon=False, loc="upper left")
    tidy([axis])
    return figure


def _reliability(bins: dict[str, Any]) -> tuple[Any, Any]:
    """Mean probability and share of tumor of the bins that hold voxels."""
    count = np.asarray(bins["count"], float)
    used = count > 0
    x, y = (np.asarray(bins[k], float)[used] / count[used] for k in ("probability", "tumor"))
    return x, y

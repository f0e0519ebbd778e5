"""What the table's numbers look like: bars, threshold sweep, profiles along the slices, the referee's calibration."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seg_editor.errors import UsageError
from training.evaluate.table import title

_DPI = 120
_SWEEP = "diffmap_iou@"
#: Shown against 1, on a logarithmic axis.
_RATIOS = ("texture", "seam")
_LEAST = 0.01
#: Rows that are compared in one panel: start, hole fill and composition of the diffusion models.
_PANELS = {
    "whole slice, from noise, hole 0": ("from_noise", ("", "zero"), "slice"),
    "whole slice, from the source, hole 0": ("strength", ("", "zero"), "slice"),
    "composited, from noise, hole tissue": ("from_noise", ("prior",), "hole"),
    "baselines and M5": ("", ("",), "hole"),
}


def number_figures(run: Path, out: Path) -> Iterator[Path]:
    """Write the figures of the numbers that ``seg-train evaluate`` left in `run`; one without data is left out.

    Raises
    ------
    UsageError
        `run` holds no evaluation.
    """
    rows = [r for r in read_rows(run) if r["mode"] == "counterfactual"]
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in (
        ("fig7_table", _bars(rows)),
        ("sweep_diffmap", _sweep(rows)),
        ("profiles", _profiles(run / "per_slice.csv")),
        ("calibration_referee", _calibration(run / "cache", _calibration_files(run))),
    ):
        if figure is not None:
            yield save_figure(figure, out / f"{name}.png")


def read_rows(run: Path) -> list[dict[str, Any]]:
    """The rows of ``table2.json``.

    Raises
    ------
    UsageError
        There is no such file.
    """
    try:
        rows: list[dict[str, Any]] = json.loads((run / "table2.json").read_text(encoding="utf-8"))["rows"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{run} holds no table2.json ({error})", remedy="Run seg-train evaluate first") from error
    return rows


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """A matplotlib figure in inches, and its axes (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure: Any, path: Path) -> Path:
    """Write a PNG."""
    figure.savefig(path, dpi=_DPI, facecolor="white")
    return path


def _name(row: dict[str, Any]) -> str:
    words = [row["model"]]
    if row["start"]:
        fill = {"zero": "hole 0", "prior": "hole tissue"}.get(row["hole_fill"], "")
        words.append("noise" if row["start"] == "from_noise" else "strength")
        words += [fill, "slice" if row["composition"] == "slice" else "composited"]
    elif row["steps"] not in (0, "0"):
        words.append(f"{row['steps']} step{'s' * (str(row['steps']) != '1')}")
    return " ".join(w for w in words if w)


def _panel_of(row: dict[str, Any]) -> str | None:
    """Which panel shows a row; None for a row that no panel shows."""
    for panel, (start, fills, composition) in _PANELS.items():
        if row["start"] == start and row["hole_fill"] in fills and row["composition"] == composition:
            return panel
    return None


def _in_panel(row: dict[str, Any]) -> str:
    """Name of a row's line within its panel."""
    return str(row["model"]) if row["start"] else _name(row)


def _colors(names: Sequence[str]) -> dict[str, Any]:
    from matplotlib import colormaps

    return {name: colormaps["tab20"](i % 20) for i, name in enumerate(dict.fromkeys(names))}


def _legend_below(figure: Any, axes: Any) -> None:
    lines = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if lines:
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=7, fontsize=7, frameon=False)


def _bars(rows: list[dict[str, Any]]) -> Any:
    """A panel a figure, a bar a row, with intervals."""
    names = ("tumor_residual", f"{_SWEEP}0.10", *_RATIOS)
    if not rows:
        return None
    figure, axes = new_figure(3.2 * len(names), 0.24 * len(rows) + 1.0, 1, len(names))
    colors = _colors([r["model"] for r in rows])
    for axis, name in zip(axes[0], names, strict=True):
        for y, row in enumerate(reversed(rows)):
            f = row["metrics"].get(name)
            if f is not None:
                error = [[max(f["value"] - f["lo"], 0)], [max(f["hi"] - f["value"], 0)]]
                axis.barh(y, f["value"], xerr=error, color=colors[row["model"]], height=0.7, error_kw={"lw": 1})
        axis.set_yticks(range(len(rows)), [_name(r) for r in reversed(rows)] if name == names[0] else [], fontsize=7)
        axis.set_ylim(-0.6, len(rows) - 0.4)
        if name in _RATIOS:
            axis.set_xscale("log")
            axis.set_xlim(left=_LEAST)
            axis.axvline(1, color="#444444", lw=0.8)
        axis.tick_params(axis="x", labelsize=7)
        axis.set_title(title(name) + (" (1 is right)" if name in _RATIOS else ""), fontsize=9)
    return figure


def _sweep(rows: list[dict[str, Any]]) -> Any:
    """DiffMap IoU against its threshold."""
    rows = [r for r in rows if r["model"] != "source" and _panel_of(r) is not None]
    colors = _colors([_in_panel(r) for r in rows])
    panels = [p for p in _PANELS if any(_panel_of(r) == p for r in rows)]
    figure, axes = new_figure(3.4 * max(len(panels), 1), 3.9, 1, max(len(panels), 1))
    drawn = False
    for axis, panel in zip(axes[0], panels, strict=False):
        for row in rows:
            points = sorted(
                (float(k.removeprefix(_SWEEP)), f["value"]) for k, f in row["metrics"].items() if k.startswith(_SWEEP)
            )
            if _panel_of(row) == panel and len(points) > 1:
                name = _in_panel(row)
                axis.plot(*zip(*points, strict=True), marker="o", ms=3, lw=1.2, color=colors[name], label=name)
                drawn = True
        axis.set(xlabel="threshold (of the display range)", ylim=(0, 1))
        axis.set_title(panel, fontsize=9)
    if not drawn:
        return None
    axes[0, 0].set_ylabel("DiffMap IoU, tumor slices")
    _legend_below(figure, axes[0])
    return figure


def _profiles(path: Path) -> Any:
    """TumorResidual and DiffMap IoU along the slices, a column a patient: from noise, hole 0, whole slices; and M5."""
    wanted = ("tumor_residual", f"{_SWEEP}0.10")
    shown = (next(iter(_PANELS)), list(_PANELS)[-1])
    found: dict[tuple[str, str], dict[str, dict[int, list[float]]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as f:
            for line in csv.DictReader(f):
                if line["mode"] == "counterfactual" and line["metric"] in wanted and _panel_of(line) in shown:
                    panel = found.setdefault((line["metric"], line["case_id"]), {})
                    panel.setdefault(_in_panel(line), {}).setdefault(int(line["slice"]), []).append(
                        float(line["value"])
                    )
    except OSError:
        return None
    cases = sorted({c for _, c in found})
    if not cases:
        return None
    colors = _colors([name for lines in found.values() for name in lines])
    figure, axes = new_figure(max(3.0 * len(cases), 9), 5.2, 2, len(cases))
    for line, metric in zip(axes, wanted, strict=True):
        for axis, case_id in zip(line, cases, strict=True):
            for label, values in found.get((metric, case_id), {}).items():
                at = sorted(values)
                means = [np.mean(values[k]) for k in at]
                axis.plot(at, means, lw=1, marker=".", ms=4, color=colors[label], label=label)
            axis.set_title(case_id, fontsize=8)
            axis.set_xlabel("slice", fontsize=7)
            axis.tick_params(labelsize=7)
        line[0].set_ylabel(title(metric), fontsize=8)
    _legend_below(figure, axes.ravel())
    return figure


def _calibration_files(run: Path) -> list[str]:
    """The files of this table's calibration, for the cache may hold others' too; empty when the table names none."""
    names: list[str] = json.loads((run / "table2.json").read_text(encoding="utf-8")).get("calibration", [])
    return names


def _calibration(cache: Path, names: Sequence[str] = ()) -> Any:
    """How often the referee's tumor probability comes true: the files named, else the newest of each patient."""
    paths = [cache / n for n in names] or sorted(cache.glob("calibration_*.json"), key=lambda p: p.stat().st_mtime_ns)
    found = [json.loads(p.read_text(encoding="utf-8")) for p in paths if p.exists()]
    records = list({r["case_id"]: r["bins"] for r in found}.values())
    if not records:
        return None
    figure, axes = new_figure(4.5, 4.5)
    axis = axes[0, 0]
    axis.plot([0, 1], [0, 1], color="#999999", lw=1)
    for bins in (*records, {k: np.sum([r[k] for r in records], 0) for k in records[0]}):
        count = np.asarray(bins["count"], float)
        used = count > 0
        x, y = (np.asarray(bins[k], float)[used] / count[used] for k in ("probability", "tumor"))
        whole = bins is not records[0] and not any(bins is r for r in records)
        axis.plot(
            x, y, marker="o", ms=4 if whole else 2, lw=2 if whole else 0.6, color="#23588c" if whole else "#a9bfd6"
        )
    axis.set(xlabel="referee's probability of tumor", ylabel="share that is tumor", xlim=(0, 1), ylim=(0, 1))
    patients = f"{len(records)} patient{'s' * (len(records) > 1)}"
    axis.set_title(f"{patients}, brain voxels of the source", fontsize=8)
    return figure

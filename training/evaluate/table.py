"""Table 2: every figure of every row with its interval, its floor and ceiling, and the paper's number beside it.

:mod:`training.evaluate.render` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.metrics.distributions import frechet_distance, kernel_distance
from seg_editor.metrics.intervals import Interval, bootstrap, bootstrap_mean, bootstrap_ratio
from training.evaluate.columns import GAIN, GEN_DICE, LARGEST, LEAD, METRICS, SWEEP, YARDSTICKS
from training.evaluate.job import HOLE, Result
from training.evaluate.scoring import Fraction

#: The paper's Table 2. Its rows mix starts, samplers and splits; see :func:`_paper_numbers`.
PAPER = {
    "m1": {"fid": 219.403, "kid": 0.7911, "ssim": 0.2604, "gen_dice": 0.1541, "residual": 0.0263, "diffmap": 0.0228},
    "m2": {"fid": 75.9503, "kid": 0.2129, "ssim": 0.7230, "gen_dice": 0.7136, "residual": 1.6248, "diffmap": 0.1524},
    "m3": {"fid": 58.1257, "kid": 0.1327, "ssim": 0.7115, "gen_dice": 0.6881, "residual": 0.5455, "diffmap": 0.1570},
}
PAPER["m3c"] = PAPER["m3"]  # the paper's M3 as its code trained it; our m3 is M3 as the text has it
_PAPER_COUNTERFACTUAL = {"tumor_residual_paper": "residual", "diffmap_iou_paper": "diffmap", "ssim_paper": "ssim"}
_PAPER_RECONSTRUCTION = {"gen_dice_paper": "gen_dice"}
_PAPER_FROM_NOISE = {"fid_m4": "fid", "kid_m4": "kid"}


@dataclass
class Row:
    """One row of the table.

    Attributes
    ----------
    images : dict
        Of a distance between sets of pictures (FID, KID): pictures on either side. It has neither interval nor floor,
        see :func:`_distances`.
    """

    method: str
    composition: str
    arm: dict[str, Any]
    seeds: int
    patients: list[str]
    slices: int
    figures: dict[str, Interval] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)
    ceilings: dict[str, float] = field(default_factory=dict)
    paper: dict[str, float] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    @property
    def composited(self) -> bool:
        """Whether all but the hole is the source's own pixels."""
        return self.composition == HOLE

    @property
    def shares_pixels(self) -> bool:
        """Whether its distances are of composited pictures beside others that are not; in healthy holes all are."""
        return self.composited and self.arm["mode"] != "healthy-hole"

    def to_json(self) -> dict[str, Any]:
        """What ``table2.json`` holds."""
        metrics: dict[str, Any] = {}
        for name, f in self.figures.items():
            distance = name in self.images
            metrics[name] = {
                "value": f.value,
                "lo": None if distance else f.low,
                "hi": None if distance else f.high,
                "floor": self.floors.get(name),
                "ceiling": self.ceilings.get(name),
            }
            if distance:
                metrics[name] |= {"images": self.images[name], "shares_pixels": self.shares_pixels}
            if name in self.paper:
                metrics[name]["paper"] = self.paper[name]
        return {
            "model": self.method,
            **self.arm,
            "composition": self.composition,
            "seeds": self.seeds,
            "n_patients": len(self.patients),
            "n_slices": self.slices,
            "metrics": metrics,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Row:
        """The reverse of :meth:`to_json`, which knows the number of patients but not who they are."""
        lead = ("model", "composition", "seeds", "n_patients", "n_slices", "metrics")
        row = cls(
            data["model"],
            data["composition"],
            {k: v for k, v in data.items() if k not in lead},
            seeds=int(data["seeds"]),
            patients=[str(i) for i in range(int(data["n_patients"]))],
            slices=int(data["n_slices"]),
        )
        for name, f in data["metrics"].items():
            low, high = (f["value"] if f[k] is None else f[k] for k in ("lo", "hi"))
            row.figures[name] = Interval(f["value"], low, high)
            for target, key in ((row.floors, "floor"), (row.ceilings, "ceiling"), (row.paper, "paper")):
                if f.get(key) is not None:
                    target[name] = f[key]
            if "images" in f:
                row.images[name] = f["images"]
        return row


def make_rows(results: Sequence[Result], *, resamples: int = 2000) -> list[Row]:
    """Pool results, in the order in which their rows first appear; floors and ceilings come from other rows."""
    groups: dict[str, list[Result]] = {}
    for r in results:
        groups.setdefault(r.row, []).append(r)
    rows = []
    for group in groups.values():
        first = group[0]
        patients = sorted({r.case_id for r in group})
        row = Row(
            first.method,
            first.composition,
            first.arm,
            seeds=len({r.seed for r in group}),
            patients=patients,
            slices=sum(len(r.scores.slices) for r in group if r.seed == first.seed),
        )
        _pool(row, group, resamples)
        rows.append(row)
    _distances(rows, groups)
    _pairs(rows, groups, resamples)
    for row in rows:
        _bound(row, rows)
        row.paper = {k: v for k, v in _paper_numbers(row).items() if k in row.figures}
    return rows


def _totals(group: list[Result]) -> dict[str, dict[str, Fraction]]:
    """Sums over slices and seeds, by patient and figure."""
    totals: dict[str, dict[str, Fraction]] = {}
    for result in group:
        patient = totals.setdefault(result.case_id, {})
        for name, (a, b) in (result.scores.total() | result.yardsticks).items():
            x, y = patient.get(name, (0.0, 0.0))
            patient[name] = (x + a, y + b)
    return totals


def _pool(row: Row, group: list[Result], resamples: int) -> None:
    totals = _totals(group)
    changes = [r["change_outside"][0] for result in group for r in result.scores.rows if "change_outside" in r]
    for metric in (*METRICS, *YARDSTICKS, *SWEEP):
        found = [t[metric.name] for t in totals.values() if t.get(metric.name, (0, 0))[1] > 0]
        if not found:
            continue
        above, below = zip(*found, strict=True)
        if metric.pooled:
            row.figures[metric.name] = bootstrap_ratio(above, below, resamples=resamples)
        else:
            row.figures[metric.name] = bootstrap_mean([a / b for a, b in found], resamples=resamples)
    if changes:
        row.figures[LARGEST.name] = Interval(*[max(changes)] * 3)


def _pairs(rows: list[Row], groups: dict[str, list[Result]], resamples: int) -> None:
    """GenDice against other rows of the same patients: the source's share, and the lead over a model without a mask."""
    found: dict[tuple[str, str], dict[str, Fraction]] = {}
    for row, group in zip(rows, groups.values(), strict=True):
        if row.arm["mode"] == "reconstruction":
            totals = {case: t[GEN_DICE] for case, t in _totals(group).items() if t.get(GEN_DICE, (0, 0))[1] > 0}
            found[row.method, row.arm["start"]] = totals
    for row in rows:
        method, start = row.method, row.arm["start"]
        if row.arm["mode"] != "reconstruction" or not start:
            continue
        for name, other in ((GAIN, (method, "from_noise")), (LEAD, ("m1", start))):
            both = sorted(found[method, start].keys() & found.get(other, {}).keys())
            if both and other != (method, start):
                row.figures[name] = _difference(
                    [found[method, start][p] for p in both], [found[other][p] for p in both], resamples
                )


def _difference(ours: list[Fraction], theirs: list[Fraction], resamples: int) -> Interval:
    """Difference of two pooled figures of the same patients."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)

    def pooled(chosen: NDArray[np.intp]) -> float:
        above, below = a[chosen].sum(0)
        other_above, other_below = b[chosen].sum(0)
        return float(above / below - other_above / other_below)

    return bootstrap(pooled, len(a), resamples=resamples)


def _distances(rows: list[Row], groups: dict[str, list[Result]]) -> None:
    """FID and KID of every row against the real slices of the same patients: the value of each seed, averaged.

    In healthy holes both sides are the very same slices, so 0 is reached, and the whole rest of the picture is equal.
    Elsewhere the source still has its tumor.
    Both depend on the number of pictures (FID's bias falls with it). So the floor is as many other real slices of the
    same patients, midway between those that count, and for whole slices only: composited ones share pixels with what
    they are compared with. There is no interval: a bootstrap draws patients twice, which adds bias, and the figure then
    lies below its own lower bound.
    """
    groups_by_row = dict(zip(map(id, rows), groups.values(), strict=True))
    real = next((groups_by_row[id(r)] for r in rows if r.method == "source"), None)
    if real is None:
        return
    for extractor in dict.fromkeys(name for r in real for name in (*r.features, *r.truth)):
        slices = {r.case_id: r.features[extractor] for r in real if extractor in r.features}
        truth = {r.case_id: r.truth[extractor] for r in real if extractor in r.truth}
        others = {r.case_id: r.others[extractor] for r in real if extractor in r.others}
        for row in rows:
            healthy = row.arm["mode"] == "healthy-hole"
            reference = truth if healthy else slices
            made: dict[int, dict[str, NDArray[np.float32]]] = {}
            for r in groups_by_row[id(row)]:
                if extractor in r.features:
                    made.setdefault(r.seed, {})[r.case_id] = r.features[extractor]
            if row.method == "source" or not made or not set(row.patients) <= reference.keys():
                continue
            pairs = [_of_same_patients(reference, seed) for seed in made.values()]
            images = min(len(pair[1]) for pair in pairs)
            if images < 2:
                continue
            for kind, distance in (("fid", frechet_distance), ("kid", kernel_distance)):
                name = f"{kind}_{extractor}"
                value = float(np.mean([distance(*pair) for pair in pairs]))
                row.figures[name] = Interval(value, value, value)
                row.images[name] = images
                if not row.composited and not healthy and others.keys() == set(row.patients):
                    row.floors[name] = distance(*_of_same_patients(reference, others))


def _of_same_patients(
    real: dict[str, NDArray[np.float32]], made: dict[str, NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    patients = sorted(made)
    return np.concatenate([real[p] for p in patients]), np.concatenate([made[p] for p in patients])


def _bound(row: Row, rows: list[Row]) -> None:
    for metric in (*METRICS, LARGEST):
        if metric.name not in row.figures:
            continue
        for where, target in ((metric.floor, row.floors), (metric.ceiling, row.ceilings)):
            if not where:
                continue
            if where in "01":
                target[metric.name] = float(where)
                continue
            other = next((r for r in rows if r.method == where and r.arm["mode"] == row.arm["mode"]), None)
            if other is not None and metric.name in other.figures:
                target[metric.name] = other.figures[metric.name].value


def _paper_numbers(row: Row) -> dict[str, float]:
    """The paper's numbers that were made as this row was: whole slices, hole 0, the start that its code had for each.

    Counterfactuals and GenDice are from the source for M2 and M3 and from noise for M1; FID and KID are of full masks
    from noise. The paper's SSIM has another strength (0.30).
    """
    if row.method not in PAPER or row.composition != "slice":
        return {}
    start = "from_noise" if row.method == "m1" else "strength"
    names: dict[str, str] = {}
    if row.arm["mode"] == "counterfactual" and row.arm["start"] == start and row.arm["hole_fill"] in ("", "zero"):
        names |= _PAPER_COUNTERFACTUAL
    if row.arm["mode"] == "reconstruction" and row.arm["start"] == start:
        names |= _PAPER_RECONSTRUCTION
    if row.arm["mode"] == "reconstruction" and row.arm["start"] == "from_noise":
        names |= _PAPER_FROM_NOISE
    return {ours: PAPER[row.method][theirs] for ours, theirs in names.items()}

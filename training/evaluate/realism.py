"""Can a small classifier tell filled tissue from real tissue? The area under its curve: 0.5 is perfect.

    python -m training.evaluate.realism --data CASES --splits FILE --split test --out FILE [--models m5]

Patches of 32 x 32 around hole voxels, all modalities, from the filled slice and from the real slice at the same place,
so that nothing but the fill tells them apart. The classifier sees the patch, its fine detail and where the hole is, the
same for both. It is trained on all patients but one and judged on that one. A smooth fill, which an eye finds at
once, must come out near 1: look at the harmonic fill's figure before you believe another.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import SegEditorError, UsageError
from seg_editor.metrics.intervals import bootstrap_mean
from training.evaluate.filling import (
    Filler,
    HoleCase,
    Volumes,
    baseline_filler,
    case_folders,
    engine_filler,
    open_engine,
)
from training.evaluate.names import BASELINES

Floats = NDArray[np.float32]
PATCH = 32
#: Voxels of the middle of a patch that must lie in the hole.
_MIDDLE = 8
_STEPS = 200
#: The fine detail is this much larger to the network than it is.
_DETAIL = 8.0
_BATCH = 64


def patches(item: HoleCase, filled: Volumes, rng: np.random.Generator, *, per_slice: int = 6) -> tuple[Floats, Floats]:
    """Filled and real patches (n, modalities + 1, 32, 32) at the same places; the last channel is the hole."""
    pairs: list[tuple[Floats, Floats]] = []
    half, middle = PATCH // 2, _MIDDLE // 2
    scaled = {m: (item.scale01(m, filled[m]), item.scale01(m, item.volumes[m])) for m in filled}
    gap = item.hole.mask
    shape = gap.shape
    for k in item.slices:
        core = gap[:, :, k].copy()
        for axis in (0, 1):
            for d in (-middle, middle):
                core &= np.roll(gap[:, :, k], d, axis)
        places = np.argwhere(core[half : shape[0] - half, half : shape[1] - half]) + half
        for at in rng.permutation(len(places))[:per_slice]:
            x, y = places[at]
            window = (slice(x - half, x + half), slice(y - half, y + half), k)
            inside = gap[window].astype(np.float32)
            pairs.append(tuple(np.stack([*(s[i][window] for s in scaled.values()), inside]) for i in (0, 1)))  # type: ignore[arg-type]
    if not pairs:
        raise UsageError(f"{item.case.case_id}: the holes on these slices are too small for patches")
    made, real = (np.stack(part) for part in zip(*pairs, strict=True))
    return made, real


def area_under_curve(negative: Floats, positive: Floats) -> float:
    """Probability that a positive scores higher than a negative; ties count half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))


def realism_auc(sets: Sequence[tuple[Floats, Floats]], *, seed: int = 0, steps: int = _STEPS) -> dict[str, Any]:
    """Leave one patient out; 0.5 is perfect. The areas below 0.5 are what they are.

    Parameters
    ----------
    sets : sequence of (filled, real)
        One pair of arrays a patient, at least two patients.

    Returns
    -------
    dict
        ``value``, ``lo``, ``hi``, ``per_patient``, ``patches``.
    """
    if len(sets) < 2:
        raise UsageError("the realism figure needs two patients or more", remedy="Name more cases")
    areas = []
    for held in range(len(sets)):
        rest = [s for i, s in enumerate(sets) if i != held]
        scores = _train_and_judge(rest, sets[held], seed=seed, steps=steps)
        areas.append(area_under_curve(scores[1], scores[0]))
    found = bootstrap_mean(areas)
    return {
        "value": found.value,
        "lo": found.low,
        "hi": found.high,
        "per_patient": areas,
        "patches": int(sum(len(s[0]) for s in sets)),
    }


def _train_and_judge(
    rest: Sequence[tuple[Floats, Floats]], held: tuple[Floats, Floats], *, seed: int, steps: int
) -> tuple[Floats, Floats]:
    """Scores of the held-out filled and real patches; high means filled."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    x = torch.from_numpy(np.concatenate([p for s in rest for p in s]))
    y = torch.from_numpy(np.concatenate([np.full(len(p), 1 - i, np.float32) for s in rest for i, p in enumerate(s)]))
    network = _classifier(x.shape[1] - 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        at = torch.randint(len(x), (_BATCH,), generator=generator)
        batch = x[at]
        for axis in (2, 3):
            if torch.rand((), generator=generator) < 0.5:
                batch = batch.flip(axis)
        loss = F.binary_cross_entropy_with_logits(network(batch), y[at])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        made, real = (network(torch.from_numpy(p)).numpy() for p in held)
    return made, real


def _classifier(modalities: int) -> Any:
    """Three convolutions; their features are averaged inside and outside the hole."""
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(2 * modalities, 24, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(24, 32, 3, stride=2, padding=1),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.Conv2d(32, 32, 3, padding=1),
                nn.BatchNorm2d(32),
                nn.ReLU(),
            )
            self.head = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1))

        def forward(self, x: Tensor) -> Tensor:
            pictures, hole = x[:, :-1], x[:, -1:]
            detail = pictures - F.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
            features = self.body(torch.cat([pictures - 0.5, _DETAIL * detail], 1))
            inside = F.avg_pool2d(hole, 2)
            pooled = [(features * w).sum((2, 3)) / (w.sum((2, 3)) + 1) for w in (inside, 1 - inside)]
            return torch.as_tensor(self.head(torch.cat(pooled, 1))[:, 0])

    return Classifier()


def fillers(models: Sequence[str], baselines: Sequence[str], *, device: str = "cpu") -> dict[str, Filler]:
    """Baselines, and each model's mean and sample."""
    found: dict[str, Filler] = {name: baseline_filler(name) for name in baselines}
    for name in models:
        engine = open_engine(name, device)
        steps = engine.model.card.presets["standard"]["steps"]
        for n in dict.fromkeys((1, steps)):
            found[f"{Path(name).stem}, {n} step{'s' * (n > 1)}"] = engine_filler(engine, n)
    return found


def add_arguments(p: argparse.ArgumentParser, *, limit: int) -> None:
    """Arguments that the extra yardsticks share."""
    p.add_argument("--data", type=Path, required=True, help="folder of case folders with <id>_holes.nii.gz")
    p.add_argument("--splits", type=Path, help="JSON with train, val, test lists; default: splits.json in --data")
    p.add_argument("--split", choices=("val", "test"), default="val")
    p.add_argument("--models", default="m5", help="installed names, folders or checkpoints of M5")
    p.add_argument("--baselines", default=",".join(BASELINES))
    p.add_argument("--limit-slices", type=int, default=limit, help="slices a case, spread evenly (default %(default)s)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"))
    p.add_argument("--out", type=Path, help="JSON file; default: standard output")


def write(result: dict[str, Any], out: Path | None) -> None:
    """Write JSON to a file, or print it."""
    text = json.dumps(result, indent=1, allow_nan=False)
    if out is None:
        print(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m training.evaluate.realism``."""
    parser = argparse.ArgumentParser(prog="realism", description="Realism AUC of fills.")
    add_arguments(parser, limit=24)
    args = parser.parse_args(argv)
    try:
        folders = case_folders(args.data, args.splits, args.split)
        methods = fillers([m for m in args.models.split(",") if m], [b for b in args.baselines.split(",") if b])
        found: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in methods}
        for folder in folders:
            item = HoleCase.read(folder, args.limit_slices)
            for name, fill in methods.items():
                rng = np.random.default_rng([args.seed, *folder.name.encode()])
                found[name].append(patches(item, fill(item, args.seed), rng))
                print(f"{folder.name} {name}", file=sys.stderr, flush=True)
        result = {name: realism_auc(sets, seed=args.seed) for name, sets in found.items()}
    except SegEditorError as error:
        print(f"realism: {error}", file=sys.stderr)
        return 2
    write({"split": args.split, "patients": [f.name for f in folders], "auc": result}, args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

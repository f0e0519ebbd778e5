"""Synthetic-lesion oracle: a lesion is painted on healthy tissue and removed again, and the truth is known.

    python -m training.evaluate.oracle --data CASES --splits FILE --split test --out FILE [--models m5]

A lesion has the shape of a benchmark hole: edema at its rim, an enhancing ring, necrosis inside, and a faint edge that
reaches beyond its label, as real edema does. What is removed is the label with the usual margin of 3.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import Modality
from seg_editor.errors import SegEditorError
from seg_editor.generation.hole import DEFAULT_MARGIN, Hole
from seg_editor.metrics.intervals import bootstrap_mean
from training.evaluate.filling import Filler, HoleCase, Volumes, case_folders, with_volumes
from training.evaluate.realism import add_arguments, fillers, write

Floats = NDArray[np.float32]
#: Interquartile ranges by which a part differs from the median of healthy brain: edema, enhancing ring, necrosis.
LOOK = {
    Modality.T1: (-0.6, -0.3, -1.5),
    Modality.T1C: (-0.5, 2.6, -1.3),
    Modality.T2: (1.6, 0.9, 2.3),
    Modality.FLAIR: (1.7, 1.2, 0.2),
}
_EDGE = 2.0
_GRAIN = 0.15
_RING = (0.45, 0.7)


def paint(item: HoleCase, seed: int = 0) -> Volumes:
    """The case's volumes with a lesion in every benchmark hole.

    The lesion keeps a quarter of the tissue's own contrast, has fine grain, and fades out over about two voxels on
    either side of its label.
    """
    depth = np.zeros(item.holes.shape, np.float32)
    for label in range(1, int(item.holes.max()) + 1):
        part = item.holes == label
        if part.any():
            inside = ndi.distance_transform_edt(part).astype(np.float32)
            depth[part] = (inside / inside.max())[part]
    blend = ndi.gaussian_filter((item.holes > 0).astype(np.float32), _EDGE / 2) * item.case.brain
    rng = np.random.default_rng([seed, *item.case.case_id.encode()])
    low, high = _RING
    weights = [
        ndi.gaussian_filter(w.astype(np.float32), 0.8)
        for w in (depth < low, (depth >= low) & (depth < high), depth >= high)
    ]
    out = {}
    for m, values in item.volumes.items():
        scale = IntensityScale.of(values, item.known)
        normal = scale.normalize(values)
        grain = ndi.gaussian_filter(rng.standard_normal(values.shape, np.float32), 0.7) * _GRAIN * 2
        lesion = sum(w * level for w, level in zip(weights, LOOK[m], strict=True)) + 0.25 * normal + grain
        out[m] = scale.invert(normal + blend * (lesion - normal)).astype(np.float32)
    return out


def painted_case(item: HoleCase, volumes: Volumes) -> HoleCase:
    """The painted case; its hole is the lesions' label with the margin."""
    other = HoleCase(with_volumes(item.case, volumes), item.holes, item.slices)
    gap = Hole.from_mask(item.holes > 0, item.case.brain, DEFAULT_MARGIN)
    other.__dict__["hole"] = Hole(gap.mask & ~item.tumor, gap.core & ~item.tumor, DEFAULT_MARGIN)
    return other


def removal_error(item: HoleCase, painted: HoleCase, filled: Volumes) -> dict[str, float]:
    """Mean absolute error against the truth on the filled slices, scale 0 to 1, mean over modalities."""
    used = painted.hole.mask & painted.used
    label = (item.holes > 0) & painted.used
    errors: dict[str, list[float]] = {"hole": [], "lesion": [], "rim": []}
    for m, values in filled.items():
        difference = np.abs(item.scale01(m, values) - item.scale01(m, item.volumes[m]))
        for name, where in (("hole", used), ("lesion", label), ("rim", used & ~label)):
            errors[name].append(float(difference[where].mean()))
    return {name: float(np.mean(v)) for name, v in errors.items()}


def run(
    folders: Sequence[Path], methods: dict[str, Filler], *, limit: int | None, seed: int
) -> dict[str, dict[str, Any]]:
    """Errors of every method, and of the painted picture left as it is."""
    found: dict[str, list[dict[str, float]]] = {}
    for folder in folders:
        item = HoleCase.read(folder, limit)
        painted = painted_case(item, paint(item, seed))
        found.setdefault("left as it is", []).append(removal_error(item, painted, painted.volumes))
        for name, fill in methods.items():
            found.setdefault(name, []).append(removal_error(item, painted, fill(painted, seed)))
            print(f"{folder.name} {name}", file=sys.stderr, flush=True)
    out: dict[str, dict[str, Any]] = {}
    for name, values in found.items():
        out[name] = {}
        for place in ("hole", "lesion", "rim"):
            f = bootstrap_mean([v[place] for v in values])
            out[name][f"mae_{place}"] = {"value": f.value, "lo": f.low, "hi": f.high}
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m training.evaluate.oracle``."""
    parser = argparse.ArgumentParser(prog="oracle", description="Removal of painted lesions against the truth.")
    add_arguments(parser, limit=24)
    args = parser.parse_args(argv)
    try:
        folders = case_folders(args.data, args.splits, args.split)
        methods = fillers([m for m in args.models.split(",") if m], [b for b in args.baselines.split(",") if b])
        result = run(folders, methods, limit=args.limit_slices, seed=args.seed)
    except SegEditorError as error:
        print(f"oracle: {error}", file=sys.stderr)
        return 2
    about = {"split": args.split, "patients": [f.name for f in folders], "slices_a_case": args.limit_slices}
    write({**about, "mae": result}, args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""TCGA-LGG (``kaggle_3m``: thick axial slices, with skull) as case folders that ``seg-train prepare`` reads.

    python -m training.prepare.lgg KAGGLE_3M OUT --atlas ATLAS
    python -m training.prepare.lgg --bank PREPARED --cases OUT --shapes FILE

The first command strips the skull by intensities, finds pixel size and slice distance, which the pictures do not tell,
by the outline of the brain, and writes T1, T1c, FLAIR and the tumor on the grid of the SRI24 atlas, with the part of
the brain above its base only. The second adds hole placements for those cases to the bank of a prepared set; training
draws from the slices near a real one only, for between them there is nothing but interpolation.

Data: Buda, Saha, Mazurowski, Computers in Biology and Medicine 109, 2019; images of The Cancer Imaging Archive.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.atlas import read_template
from seg_editor.errors import CaseError, SegEditorError, UsageError, reason
from training.prepare.bank import load_shard, make_shard, save_shard
from training.prepare.holes import TumorShapes
from training.prepare.prepared import PreparedCase

Mask = NDArray[np.bool_]
Stack = NDArray[np.uint8]

GEOMETRY = "geometry.json"
#: Channels of a picture by the ending of the file that they go to.
CHANNELS = {"t1": 0, "flair": 1, "t1ce": 2}
#: Slices of the atlas, in mm above its lowest, below which the stripping cannot be trusted: eyes, neck, skull base.
_BASE, _TRUSTED = 52, 60
_SMALLEST_ML = 450
_SLICE_MM, _PIXEL_MM = np.arange(1.2, 7.6, 0.1), (0.72, 1.2)
#: Of a slice distance: how far from a real slice, in voxels, a plane may lie to be drawn for training.
_NEAR = 0.75
_OUT = "Leave the patient out"
_MASK_FILE = re.compile(r"_(\d+)_mask\.tif$")


@dataclass(frozen=True)
class Geometry:
    """Where a stack lies in the atlas.

    Attributes
    ----------
    pixel, distance : float
        Size of a pixel, distance of the slices, mm.
    top : float
        The slice at the atlas' highest plane.
    center : (float, float)
        Row and column of the middle of the brain.
    misfit : float
        Mean difference of the extents of brain and atlas, mm.
    """

    pixel: float
    distance: float
    top: float
    center: tuple[float, float]
    misfit: float


@dataclass(frozen=True)
class Atlas:
    """The brain of the atlas, (x, y, z) in LPS order, 1 mm, with its extents (z, 2) front to back and side to side."""

    brain: Mask
    extents: NDArray[np.float64]

    @classmethod
    def read(cls, folder: Path) -> Atlas:
        """From SRI24's T1."""
        values, _ = read_template(folder)
        brain: Mask = ndi.binary_fill_holes(values[::-1, ::-1] > 0)
        return cls(brain, np.array([extents(plane.T) for plane in brain.transpose(2, 0, 1)]))

    @property
    def top(self) -> int:
        """Its highest plane."""
        return int(np.flatnonzero(self.extents[:, 0])[-1])

    @property
    def center(self) -> tuple[float, float]:
        """Its middle along x, and along y above the base."""
        x, y = np.flatnonzero(self.brain.any((1, 2))), np.flatnonzero(self.brain[:, :, 80:].any((0, 2)))
        return float(x[[0, -1]].mean()), float(y[[0, -1]].mean())


def read_stack(folder: Path) -> tuple[Stack, Mask]:
    """Pictures (z, y, x, 3) of a patient, from the lowest slice up, and the tumor (z, y, x).

    Raises
    ------
    CaseError
        There are none, or they cannot be read.
    """
    from PIL import Image

    found = {int(m[1]): path for path in folder.glob("*_mask.tif") if (m := _MASK_FILE.search(path.name))}
    if not found:
        raise CaseError("there are no *_mask.tif files", path=folder, remedy="Give a patient's folder of kaggle_3m")
    paths = [found[number] for number in sorted(found)]
    try:
        tumor = np.stack([np.asarray(Image.open(path)) > 0 for path in paths])
        images = np.stack([np.asarray(Image.open(str(path).replace("_mask.tif", ".tif"))) for path in paths])
    except (OSError, ValueError) as error:
        raise CaseError(
            f"a picture cannot be read ({reason(error)})", path=folder, remedy="Download it again"
        ) from error
    if images.ndim != 4 or images.shape[-1] != len(CHANNELS) or tumor.shape != images.shape[:3]:
        raise CaseError(
            "its pictures are not of three channels, or its masks of another size", path=folder, remedy=_OUT
        )
    return images, tumor


def strip(images: Stack) -> Mask:
    """The brain (z, y, x): what is bright in T1 and FLAIR inside the dark ring of bone and CSF.

    Right from the middle of the brain upwards; eyes, neck and some scalp may stay (see :func:`without_scalp`).

    Raises
    ------
    CaseError
        Nothing like a brain is found.
    """
    t1, flair = (images[..., CHANNELS[name]].astype(np.float32) for name in ("t1", "flair"))
    head = np.stack([_head(plane) for plane in flair])
    depth = np.stack([ndi.distance_transform_edt(plane) for plane in head])
    core = depth > 22
    if core.sum() < 1000:
        raise CaseError("there is no head in the pictures", remedy=_OUT)
    bright = (flair > 0.55 * np.median(flair[core])) & (t1 > 0.45 * np.median(t1[core])) & (depth > 6)
    small, large = _diamond(4), _diamond(5)
    brain = _largest(np.stack([ndi.binary_erosion(plane, small) for plane in bright]))
    brain = np.stack([ndi.binary_dilation(plane, large) for plane in brain]) & head
    return np.stack([_whole(np.pad(plane, 12), 9)[12:-12, 12:-12] for plane in brain])


def extents(plane: Mask) -> tuple[float, float]:
    """Between the 2nd and 98th percentile of a mask (rows, columns): along rows and columns, pixels; 0 when small."""
    if plane.sum() < 200:
        return 0.0, 0.0
    shares = (np.cumsum(plane.sum(axis)) / plane.sum() for axis in (1, 0))
    low, high = np.array([np.interp([0.02, 0.98], share, np.arange(len(share))) for share in shares]).T
    return float(high[0] - low[0]), float(high[1] - low[1])


def fit_geometry(brain: Mask, atlas: Atlas) -> Geometry:
    """Lay the extents of the upper brain over the atlas': a search over slice distance and the slice at the top.

    Raises
    ------
    CaseError
        No slice lies in the upper brain.
    """
    count = len(brain)
    found = np.array([extents(plane) for plane in brain])
    lit = np.flatnonzero(found[:, 0])
    numbers = np.arange(int(0.4 * count), count)
    best: tuple[float, float, float, float] | None = None
    heights = np.arange(len(atlas.extents))
    for step in _SLICE_MM if len(lit) else ():
        for at in np.arange(lit[-1] - 5, lit[-1] + 3, 0.25):
            z = atlas.top + (numbers - at) * step
            use = z > _TRUSTED
            wanted = np.stack([np.interp(z, heights, side, left=0, right=0) for side in atlas.extents.T], 1)[use]
            seen = found[numbers][use]
            if use.sum() < 4 or not seen.any():
                continue
            pixel = float(np.clip((wanted * seen).sum() / (seen * seen).sum(), *_PIXEL_MM))
            off = np.abs(pixel * seen - wanted).mean() + 0.2 * abs(np.log(step * count / 150))
            best = min(best or (np.inf, 0, 0, 0), (float(off), float(step), float(at), pixel))
    if best is None:
        raise CaseError("the brain's outline fits the atlas nowhere", remedy=_OUT)
    misfit, distance, first, pixel = best
    z = atlas.top + (np.arange(count) - first) * distance
    planes = [plane for plane in brain[(z > 70) & (z < atlas.top - 8)] if plane.any()]
    if not planes:
        raise CaseError("no slice lies in the upper brain", remedy=_OUT)
    row, column = (
        float(np.median([np.flatnonzero(plane.any(axis))[[0, -1]].mean() for plane in planes])) for axis in (1, 0)
    )
    return Geometry(pixel, distance, first, (row, column), misfit)


def slices_at(geometry: Geometry, atlas: Atlas) -> NDArray[np.float64]:
    """The (fractional) slice of the stack at each plane of the atlas, (z,)."""
    return (np.arange(atlas.brain.shape[2]) - atlas.top) / geometry.distance + geometry.top


def placed(stack: NDArray[Any], geometry: Geometry, atlas: Atlas, order: int) -> NDArray[np.float32]:
    """Bring a stack (z, y, x) onto the atlas' grid, (x, y, z), by splines of an order; 0 beyond it."""
    middle = atlas.center
    columns, rows = (
        (np.arange(size) - middle[axis]) / geometry.pixel + geometry.center[1 - axis]
        for axis, size in enumerate(atlas.brain.shape[:2])
    )
    at = np.meshgrid(slices_at(geometry, atlas), rows, columns, indexing="ij")
    out = ndi.map_coordinates(stack.astype(np.float32), at, order=order, mode="constant")
    return np.asarray(out.transpose(2, 1, 0), np.float32)


def brain_on_atlas(brain: Mask, geometry: Geometry, atlas: Atlas) -> Mask:
    """The stripped brain on the atlas' grid, kept near the atlas' own and to what the stack covers above the base."""
    around = np.stack([ndi.binary_dilation(plane, iterations=7) for plane in atlas.brain.transpose(2, 0, 1)], -1)
    around[:, :, 4:] |= atlas.brain[:, :, :-4]
    at = slices_at(geometry, atlas)
    covered = (at >= 0) & (at <= len(brain) - 1) & (np.arange(len(at)) >= _BASE)
    out = ndi.binary_opening((placed(brain, geometry, atlas, 1) > 0.5) & around & covered, iterations=2)
    return np.stack([ndi.binary_fill_holes(plane) for plane in _largest(out).transpose(2, 0, 1)], -1)


def without_scalp(brain: Mask, tumor: Mask, volumes: Sequence[NDArray[np.floating]]) -> Mask:
    """Take away what is far brighter than the depth of the brain near its surface (fat, eyes), and 3 mm around."""
    depth = ndi.distance_transform_edt(brain)
    core, spared = (depth > 12) & brain & ~tumor, ndi.binary_dilation(tumor, iterations=4)
    if not core.any():
        raise CaseError("nothing healthy lies deep in the brain", remedy=_OUT)
    bright = np.zeros_like(brain)
    for values in volumes:
        middle, high = np.percentile(values[core], [50, 95])
        bright |= ndi.gaussian_filter(values, (0.7, 0.7, 0.4)) > high + 0.9 * (high - middle)
    parts, _ = ndi.label(ndi.binary_opening(bright & brain & (depth < 22) & ~spared))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    rest = brain & ~ndi.binary_dilation((sizes > 150)[parts], _ball(3))
    inner = _largest(ndi.binary_erosion(rest, _ball(4)))
    return np.asarray(ndi.binary_dilation(inner, _ball(5)) & rest)


def write_case(folder: Path, out: Path, atlas: Atlas) -> str:
    """Write a patient as ``OUT/<id>/``; return what was done in a line.

    Raises
    ------
    CaseError
        The pictures are unusable, or too little brain is left of them.
    """
    import nibabel as nib

    name = "_".join(folder.name.split("_")[:3])
    images, tumor = read_stack(folder)
    present = {k: c for k, c in CHANNELS.items() if k == "flair" or not np.array_equal(images[..., c], images[..., 1])}
    if "t1" not in present:
        raise CaseError("it has no T1", path=folder, remedy=_OUT)
    stripped = strip(images)
    geometry = fit_geometry(stripped, atlas)
    brain = brain_on_atlas(stripped, geometry, atlas)
    volumes = {k: np.clip(placed(images[..., c], geometry, atlas, 3), 1, 255) for k, c in present.items()}
    lesion = placed(tumor, geometry, atlas, 1) > 0.5
    if brain.sum() / 1000 >= _SMALLEST_ML:
        brain = without_scalp(brain, lesion & brain, [volumes["t1"] * brain, volumes["flair"] * brain])
    if brain.sum() / 1000 < _SMALLEST_ML:
        raise CaseError(f"{brain.sum() / 1000:.0f} ml of brain are left of it", path=folder, remedy=_OUT)
    target = out / name
    target.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[1, 3] = brain.shape[1] - 1
    files = {k: (v * brain).astype(np.uint8) for k, v in volumes.items()} | {"seg": np.uint8(2) * (lesion & brain)}
    for key, values in files.items():
        nib.save(nib.Nifti1Image(values, affine), target / f"{name}_{key}.nii.gz")  # type: ignore[no-untyped-call]
    told = {**asdict(geometry), "slices": slices_at(geometry, atlas).tolist()}
    (target / GEOMETRY).write_text(json.dumps(told), encoding="utf-8")
    return f"{name}: {geometry.distance:.1f} mm, pixel {geometry.pixel:.2f} mm, {brain.sum() / 1000:.0f} ml"


def add_to_bank(prepared: Path, cases: Path, shapes: Path, *, per_case: int = 6, seed: int = 21) -> int:
    """Write a shard of hole placements for each prepared LGG case that has none; return how many there are now."""
    tumors, done = TumorShapes(shapes), 0
    for path in sorted((prepared / "cases").glob("TCGA*.npz")):
        told, out = cases / path.stem / GEOMETRY, prepared / "holes" / f"holes_lgg_{path.stem}.npz"
        if not told.exists():
            continue
        done += 1
        if out.exists():
            continue
        out.parent.mkdir(exist_ok=True)
        case, unfinished = PreparedCase.load(path), out.with_name(f".{out.name}")
        index = int.from_bytes(hashlib.sha256(path.stem.encode()).digest()[:4], "big")  # whatever else is there
        make_shard([case], tumors, unfinished, seed=seed, index=index, count=per_case)
        placements = load_shard(unfinished)
        geometry = json.loads(told.read_text(encoding="utf-8"))
        at = np.array(geometry["slices"])[case.origin[2] :][: case.shape[2]]
        between = np.abs(at - np.round(at)) * geometry["distance"] > _NEAR
        for placement in placements:
            placement.area[between] = 0
        save_shard(placements, out)
        unfinished.unlink()
    return done


def _head(plane: NDArray[np.float32]) -> Mask:
    from skimage.filters import threshold_otsu

    return _whole(plane > max(8.0, 0.35 * float(threshold_otsu(plane))), 3)  # type: ignore[no-untyped-call]


def _whole(plane: Mask, closing: int) -> Mask:
    """A plane closed, and with its holes filled."""
    square = ndi.iterate_structure(ndi.generate_binary_structure(2, 2), closing)
    return np.asarray(ndi.binary_fill_holes(ndi.binary_closing(plane, square if closing > 3 else _diamond(closing))))


def _diamond(radius: int) -> Mask:
    return np.asarray(ndi.iterate_structure(ndi.generate_binary_structure(2, 1), radius))


def _ball(radius: int) -> Mask:
    grid = np.indices((2 * radius + 1,) * 3) - radius
    return np.asarray((grid**2).sum(0) <= radius**2)


def _largest(mask: Mask) -> Mask:
    parts, count = ndi.label(mask)
    if not count:
        raise CaseError("there is no brain in the pictures", remedy=_OUT)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())


def main(argv: Sequence[str] | None = None) -> int:
    """``KAGGLE_3M OUT --atlas ATLAS``, or ``--bank PREPARED --cases OUT --shapes FILE``."""
    parser = argparse.ArgumentParser(prog="python -m training.prepare.lgg", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", type=Path, nargs="?", help="the folder kaggle_3m")
    parser.add_argument("out", type=Path, nargs="?", help="where case folders go")
    parser.add_argument("--atlas", type=Path, help="folder of the SRI24 atlas")
    parser.add_argument("--bank", type=Path, help="prepared set whose bank gets placements for these cases")
    parser.add_argument("--cases", type=Path, help="with --bank: the case folders that were written")
    parser.add_argument("--shapes", type=Path, help="with --bank: the tumor shapes")
    parser.add_argument("--part", default="0/1", help="patients k, k + n, ... for K/N, to share the work")
    args = parser.parse_args(argv)
    try:
        if args.bank is not None:
            if args.cases is None or args.shapes is None:
                raise UsageError("--bank needs --cases and --shapes", remedy="Give both")
            print(f"{add_to_bank(args.bank, args.cases, args.shapes)} cases have placements")
            return 0
        if args.source is None or args.out is None or args.atlas is None:
            raise UsageError("kaggle_3m, an output folder and --atlas are needed", remedy="Give them")
        return _write_all(args.source, args.out, Atlas.read(args.atlas), args.part)
    except SegEditorError as error:
        print(f"training.prepare.lgg: {error}", file=sys.stderr)
        return 1


def _write_all(source: Path, out: Path, atlas: Atlas, part: str) -> int:
    match = re.fullmatch(r"(\d+)/(\d+)", part)
    if match is None or int(match[1]) >= int(match[2]):
        raise UsageError(f"--part {part} is none", remedy="Give for example 0/2 and 1/2")
    folders = sorted(path for path in source.iterdir() if path.is_dir()) if source.is_dir() else []
    if not folders:
        raise UsageError(f"{source} holds no patients", remedy="Give the folder kaggle_3m")
    for folder in folders[int(match[1]) :: int(match[2])]:
        try:
            print(write_case(folder, out, atlas), flush=True)
        except CaseError as error:
            print(f"{folder.name} left out: {error}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Make the synthetic demo case: four modalities and a segmentation in the BraTS 2021 layout.

    python packaging/demo_case.py --out resources/demo

No patient is in it: the anatomy comes from the MNI152 template that nilearn carries, everything else is computed.
The same versions of numpy and scipy give the same voxels.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from demo_anatomy import Anatomy, build_anatomy, load_template
from demo_contrast import CONTRASTS, Tissue, render, vessels
from demo_noise import Field, as_field, signed_distance, smooth_noise
from demo_tumor import grow, mass_effect
from numpy.typing import NDArray
from scipy import ndimage

CASE_ID = "SegEditor-Demo-001"
SHAPE = (240, 240, 155)
AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=np.float64)
SEED = 20211
CASE_CENTER = (119.5, 118.0, 73.0)
TEMPLATE_CENTER = (98.0, 117.0, 77.0)
SCALE = (0.915, 0.945, 0.86)
GAIN = 0.8


def personal_warp(rng: np.random.Generator) -> list[Field]:
    """Smooth random displacement that makes the template one person, voxels, one array an axis."""
    return [
        2.4 * smooth_noise(rng, SHAPE, 26.0)
        + 1.9 * smooth_noise(rng, SHAPE, 10.0)
        + 0.75 * smooth_noise(rng, SHAPE, 4.5)
        for _ in range(3)
    ]


def pull(field: Field, positions: list[Field]) -> Field:
    """Sample a template field at `positions` (template voxels)."""
    result: Field = ndimage.map_coordinates(field, positions, order=1, mode="nearest", output=np.float32)
    return result


def positions_in_template(anatomy: Anatomy, rng: np.random.Generator) -> list[Field]:
    """Template voxel that each case voxel shows: placement, personal warp, mass effect."""
    grid = [axis.astype(np.float32) for axis in np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]]
    warp = personal_warp(rng)

    def place(offsets: list[Field]) -> list[Field]:
        return [
            (g + o - cc) / s + tc + w
            for g, o, cc, s, tc, w in zip(grid, offsets, CASE_CENTER, SCALE, TEMPLATE_CENTER, warp, strict=True)
        ]

    zero = [np.zeros(SHAPE, dtype=np.float32)] * 3
    depth = pull(anatomy.brain, place(zero))
    freedom = np.clip(ndimage.gaussian_filter(np.clip(depth / 14.0, 0.0, 1.0), 2.0), 0.0, 1.0)
    return place(mass_effect(SHAPE, freedom))


def tissue_shares(anatomy: Anatomy, rng: np.random.Generator) -> Tissue:
    """Tissue shares on the case grid after warp and mass effect."""
    positions = positions_in_template(anatomy, rng)
    fields = {name: pull(field, positions) for name, field in anatomy.fields().items()}
    csf = as_field(np.clip(0.5 + (fields["csf"] - 0.3 * (1.0 - fields["ventricle"])) / 1.4, 0.0, 1.0))
    wm = as_field(np.clip(0.5 + fields["wm"] / 1.4, 0.0, 1.0) * (1.0 - csf))
    brain = strip_skull((fields["brain"] > 0.3) & (csf < 0.5), fields["brain"], rng)
    return Tissue(
        csf=csf,
        gm=as_field(1.0 - csf - wm),
        wm=wm,
        nuclei=as_field(fields["nuclei"] * (1.0 - csf)),
        pallidum=fields["pallidum"],
        brainstem=fields["brainstem"],
        ventricle=fields["ventricle"],
        brain=brain.astype(np.float32),
        depth=signed_distance(brain),
        falx=falx_and_tentorium(fields, csf),
        side=fields["side"],
        detail=fields["detail"],
    )


def strip_skull(parenchyma: NDArray[np.bool_], depth: Field, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Brain mask as skull stripping leaves it: sulci filled, the open CSF outside cut away, edge a little ragged."""
    ragged = 1.6 + 0.5 * smooth_noise(rng, SHAPE, 3.0)
    near = ndimage.distance_transform_edt(~parenchyma) <= 5.0
    closed = ndimage.distance_transform_edt(near) > 5.0 - ragged
    kept, _ = ndimage.label(ndimage.binary_fill_holes(closed & (depth > 0.0)))
    largest = np.bincount(kept.ravel())[1:].argmax() + 1
    result: NDArray[np.bool_] = kept == largest
    return result


def falx_and_tentorium(fields: dict[str, Field], csf: Field) -> Field:
    """Thin dura sheets between the hemispheres and over the cerebellum, share in [0, 1]."""
    falx = np.exp(-((fields["side"] / 0.9) ** 2)) * (fields["brain"] < 28.0)
    tent = np.exp(-(((fields["cerebellum"] - 0.5) / 0.16) ** 2)) * (1.0 - fields["brainstem"])
    sheets = np.maximum(falx, 0.8 * tent) * csf * (1.0 - fields["ventricle"])
    return as_field(sheets)


def write(array: NDArray[np.int16], path: Path) -> None:
    """Write a canonical RAS+ array in the file orientation of BraTS, byte for byte repeatable."""
    image = nib.nifti1.Nifti1Image(np.ascontiguousarray(array[::-1, ::-1]), AFFINE)  # type: ignore[no-untyped-call]
    image.set_qform(AFFINE, code=1)  # type: ignore[no-untyped-call]
    image.set_sform(AFFINE, code=1)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    image.header["descrip"] = b"synthetic, from the MNI152 template"
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=9, mtime=0))


def make_case(out: Path) -> Path:
    """Make the case folder below `out` and return it."""
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(SEED).spawn(4 + len(CONTRASTS))]
    anatomy = build_anatomy(load_template(), streams[0])
    tissue = tissue_shares(anatomy, streams[1])
    tumor = grow(tissue.wm * (1.0 - tissue.nuclei), tissue.csf, tissue.depth, streams[2])
    vessel = vessels(tissue, streams[3])
    folder = out / CASE_ID
    folder.mkdir(parents=True, exist_ok=True)
    inside = tissue.brain > 0.5
    for name, rng in zip(CONTRASTS, streams[4:], strict=True):
        image = np.rint(GAIN * render(name, tissue, tumor, vessel, rng))
        voxels = np.where(inside, np.clip(image, 1, 700), 0).astype(np.int16)
        write(voxels, folder / f"{CASE_ID}_{name}.nii.gz")
    write(tumor.labels, folder / f"{CASE_ID}_seg.nii.gz")
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make the synthetic demo case.")
    parser.add_argument("--out", type=Path, default=Path("resources/demo"), help="folder that receives the case folder")
    folder = make_case(parser.parse_args(arguments).out)
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

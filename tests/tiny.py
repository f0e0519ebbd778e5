"""Small synthetic cases for tests: a brain of three tissues and a tumor, in the file layouts of the BraTS years."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from seg_editor.cases import MODALITIES, SCHEME_123, SCHEME_124, SCHEME_2013, LabelScheme, Layout, Modality, Subregion

Shape = tuple[int, int, int]

NAMES: dict[Layout, dict[Modality, str]] = {
    Layout.BRATS: {
        Modality.T1: "{}_t1",
        Modality.T1C: "{}_t1ce",
        Modality.T2: "{}_t2",
        Modality.FLAIR: "{}_flair",
    },
    Layout.BRATS2023: {
        Modality.T1: "{}-t1n",
        Modality.T1C: "{}-t1c",
        Modality.T2: "{}-t2w",
        Modality.FLAIR: "{}-t2f",
    },
    Layout.BRATS2013: {
        Modality.T1: "T1_subtrMeanDivStd",
        Modality.T1C: "T1c_subtrMeanDivStd",
        Modality.T2: "T2_subtrMeanDivStd",
        Modality.FLAIR: "Flair_subtrMeanDivStd",
    },
}
SEGMENTATION = {Layout.BRATS: "{}_seg", Layout.BRATS2023: "{}-seg", Layout.BRATS2013: "OTMultiClass"}
SCHEMES = {Layout.BRATS: SCHEME_124, Layout.BRATS2023: SCHEME_123, Layout.BRATS2013: SCHEME_2013}

_TISSUE = {  # CSF, gray, white
    Modality.T1: (120.0, 300.0, 420.0),
    Modality.T1C: (130.0, 310.0, 430.0),
    Modality.T2: (700.0, 420.0, 300.0),
    Modality.FLAIR: (110.0, 380.0, 320.0),
}
_TUMOR = {  # NCR, ED, ET, NET
    Modality.T1: (180.0, 260.0, 250.0, 240.0),
    Modality.T1C: (190.0, 270.0, 700.0, 260.0),
    Modality.T2: (650.0, 600.0, 500.0, 550.0),
    Modality.FLAIR: (300.0, 620.0, 560.0, 540.0),
}


def brats_affine(shape: Shape, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> NDArray[np.float64]:
    """The LPS affine of the BraTS files, for another shape."""
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[1, 3] = (shape[1] - 1) * spacing[1]
    return affine


def tiny_maps(shape: Shape) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Tissue (0 air, 1 CSF, 2 gray, 3 white) and tumor (0 none, 1 NCR, 2 ED, 3 ET, 4 NET), in file order (LPS)."""
    axes = [(np.arange(n) - (n - 1) / 2) / (n / 2) for n in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt((x / 0.85) ** 2 + (y / 0.85) ** 2 + (z / 0.85) ** 2)
    tissue = np.zeros(shape, np.uint8)
    tissue[radius < 1] = 2
    tissue[radius < 0.75] = 3
    tissue[(np.abs(x) < 0.22) & (np.abs(y) < 0.3) & (np.abs(z) < 0.25)] = 1
    away = np.sqrt((x - 0.42) ** 2 + (y + 0.2) ** 2 + (z - 0.1) ** 2)
    tumor = np.zeros(shape, np.uint8)
    for limit, part in ((0.36, 2), (0.24, 3), (0.14, 1)):
        tumor[(away < limit) & (tissue > 0)] = part
    return tissue, tumor


def make_case(
    folder: Path | str,
    *,
    layout: Layout | str = Layout.BRATS,
    shape: Shape = (24, 28, 20),
    case_id: str | None = None,
    modalities: Iterable[Modality] = MODALITIES,
    segmentation: bool = True,
    tumor: bool = True,
    brain_mask: bool = True,
    scheme: LabelScheme | None = None,
    dtype: Any = None,
    label_dtype: Any = None,
    extension: str = ".nii.gz",
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    affine: NDArray[np.float64] | None = None,
    codes: tuple[int, int] = (1, 1),
    seed: int = 0,
) -> Path:
    """Write a small BraTS case and return its folder.

    Parameters
    ----------
    folder : path-like
        Made if need be; the files go straight into it. Its name is the case id unless ``case_id`` says otherwise.
    layout : Layout
        File names, label scheme and, for 2013, z-scored float32 images and a brain mask.
    shape : tuple of int
        Voxels along the file's axes.
    segmentation, tumor : bool
        Whether a segmentation is written, and whether there is a tumor at all.
    codes : (int, int)
        qform and sform code.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    layout = Layout(layout)
    case_id = folder.name if case_id is None else case_id
    scheme = scheme or SCHEMES[layout]
    tissue, parts = tiny_maps(shape)
    if not tumor:
        parts[:] = 0
    affine = brats_affine(shape, spacing) if affine is None else affine
    dtype = dtype or (np.float32 if layout is Layout.BRATS2013 else np.int16)
    for number, modality in enumerate(MODALITIES):
        if modality in set(modalities):
            image = _image(tissue, parts, modality, np.random.default_rng([seed, number]))
            if layout is Layout.BRATS2013:
                image = np.where(tissue > 0, (image - 350) / 120, 0)
            name = NAMES[layout][modality].format(case_id)
            write_nifti(folder / f"{name}{extension}", image.astype(dtype), affine, codes)
    if segmentation:
        label_dtype = label_dtype or (np.float32 if layout is Layout.BRATS2013 else np.uint8)
        labels = _labels(parts, scheme).astype(label_dtype)
        write_nifti(folder / f"{SEGMENTATION[layout].format(case_id)}{extension}", labels, affine, codes)
    if brain_mask and layout is Layout.BRATS2013:
        write_nifti(folder / f"brainmask{extension}", (tissue > 0).astype(np.int32), affine, codes)
    return folder


def write_nifti(
    path: Path | str,
    data: NDArray[Any],
    affine: NDArray[np.float64] | None = None,
    codes: tuple[int, int] = (1, 1),
    *,
    scaling: tuple[float, float] | None = None,
    version: int = 1,
    endianness: str = "<",
    extension: bytes = b"",
    **fields: Any,
) -> Path:
    """Write stored values byte by byte: header, extension, voxels; ``fields`` overwrite header fields."""
    path, affine = Path(path), np.eye(4) if affine is None else affine
    header: Any = (nib.Nifti1Header if version == 1 else nib.Nifti2Header)(endianness=endianness)
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_qform(affine, codes[0])
    header.set_sform(affine, codes[1])
    header.set_xyzt_units("mm", "sec")
    header["magic"] = b"n+1" if version == 1 else b"n+2"
    block = (348 if version == 1 else 540) + 4
    padded = extension + bytes(-(len(extension) + 8) % 16)
    extra = b"\0\0\0\0"
    if extension:
        extra = b"\1\0\0\0" + np.array([len(padded) + 8, 6], f"{endianness}i4").tobytes() + padded
    header["vox_offset"] = block - 4 + len(extra)
    if scaling is not None:
        header["scl_slope"], header["scl_inter"] = scaling
    for name, value in fields.items():
        header[name] = value
    voxels = data.astype(data.dtype.newbyteorder(endianness)).tobytes(order="F")
    payload = bytes(header.binaryblock) + extra + voxels
    path.write_bytes(gzip.compress(payload, 1, mtime=0) if path.name.lower().endswith(".gz") else payload)
    return path


def _image(
    tissue: NDArray[np.uint8], parts: NDArray[np.uint8], modality: Modality, rng: np.random.Generator
) -> NDArray[np.float64]:
    levels = np.array([0.0, *_TISSUE[modality]])
    tumor_levels = np.array([0.0, *_TUMOR[modality]])
    image = np.where(parts > 0, tumor_levels[parts], levels[tissue])
    image = image + rng.normal(0, 12, tissue.shape)
    return np.where(tissue > 0, np.clip(np.rint(image), 1, None), 0.0)


def _labels(parts: NDArray[np.uint8], scheme: LabelScheme) -> NDArray[np.uint8]:
    table = np.zeros(5, np.uint8)
    for part, subregion in enumerate((Subregion.NCR, Subregion.ED, Subregion.ET, Subregion.NET), start=1):
        if subregion in scheme.subregions:
            table[part] = scheme.value(subregion)
    return table[parts]

"""Agreement of a tissue map with a registered atlas; for training and judging.

The atlas (SRI24: Rohlfing 2010, CC BY-SA 3.0) is not part of the program: its folder is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.anatomy.names import TISSUE_NAMES, TISSUES
from seg_editor.anatomy.process import Arrays, Report, run_job
from seg_editor.anatomy.tissue import TissueMap
from seg_editor.cases import Case, Grid, Modality
from seg_editor.errors import CaseError, UsageError

TEMPLATE_FILE = "sri24_t1.nii.gz"
TISSUE_FILE = "sri24_tissues.nii.gz"
#: Ends the keys of what other names would give.
OTHERWISE = " by another name"
_LPS = np.diag([-1.0, -1.0, 1.0])


def prior_agreement(
    case: Case, tissue: TissueMap | NDArray[np.uint8], atlas_dir: Path | str, *, threads: int | None = None
) -> dict[str, float]:
    """Dice of each tissue with the atlas, affinely registered to the case.

    An affine registration brings ventricles and deep white matter into place but no single sulcus, and of CSF most lies
    in sulci: its Dice stays near 0.4 even where the map is right. So a figure tells little by itself; what tells is
    whether it is the highest among the names that the tissue could have, which is why those are given too.

    Parameters
    ----------
    case : Case
        Needs T1, or T1c instead.
    tissue : TissueMap or uint8 array (x, y, z)
    atlas_dir : path-like
        Holds ``sri24_t1.nii.gz`` and ``sri24_tissues.nii.gz`` (1 CSF, 2 GM, 3 WM).
    threads : int, optional
        Threads for ANTs; all cores but one if not given.

    Returns
    -------
    dict of str to float
        ``"CSF"``, ``"Gray matter"``, ``"White matter"``: Dice outside the tumor; the same with `` by another name``:
        what the best other tissue of the map has with that tissue of the atlas; ``"permuted"``: the best mean Dice
        that any other assignment of the three names reaches. Right names score higher than that.

    Raises
    ------
    CaseError
        An atlas file cannot be read.
    ModelError
        antspyx is missing or failed.
    UsageError
        The case has neither T1 nor T1c.
    """
    labels = tissue.labels if isinstance(tissue, TissueMap) else tissue
    prior = register_prior(case, atlas_dir, threads=threads)
    where = case.brain & (prior > 0)
    if case.tumor is not None:
        where &= ~case.tumor
    return dice_with_prior(labels[where], prior[where])


def dice_with_prior(labels: NDArray[np.uint8], prior: NDArray[np.uint8]) -> dict[str, float]:
    """Dice per tissue and the best mean Dice of a permutation; see `prior_agreement`."""
    from itertools import permutations

    table = np.array([[_dice(labels == a, prior == b) for b in TISSUES] for a in TISSUES])
    result = {TISSUE_NAMES[k]: float(table[i, i]) for i, k in enumerate(TISSUES)}
    for i, k in enumerate(TISSUES):
        result[f"{TISSUE_NAMES[k]}{OTHERWISE}"] = float(np.delete(table[:, i], i).max())
    rows = np.arange(3)
    result["permuted"] = max(float(table[rows, list(p)].mean()) for p in permutations(range(3)) if p != (0, 1, 2))
    return result


def register_prior(case: Case, atlas_dir: Path | str, *, threads: int | None = None) -> NDArray[np.uint8]:
    """Bring the atlas tissue onto the grid of a case.

    Returns
    -------
    uint8 array (x, y, z)
        0 outside the atlas brain, 1 CSF, 2 GM, 3 WM.
    """
    template, tissue = read_template(atlas_dir), _read(Path(atlas_dir) / TISSUE_FILE)
    found = register(_t1(case), template, {"labels": (np.rint(tissue[0]), tissue[1])}, labels=True, threads=threads)
    return np.rint(found["labels"]).astype(np.uint8)


#: A volume (x, y, z) and where it lies.
Placed = tuple[NDArray[Any], Grid]


def read_template(atlas_dir: Path | str) -> Placed:
    """The atlas' T1.

    Raises
    ------
    CaseError
        It cannot be read.
    """
    return _read(Path(atlas_dir) / TEMPLATE_FILE)


def to_template(
    case: Case, template: Placed, volumes: Mapping[str, NDArray[Any]], *, threads: int | None = None
) -> dict[str, NDArray[np.float32]]:
    """Bring volumes of a case onto the atlas' grid (affine, linear; 0 outside).

    Raises
    ------
    ModelError
        antspyx is missing or failed.
    UsageError
        The case has neither T1 nor T1c.
    """
    carried = {name: (values, case.grid) for name, values in volumes.items()}
    return register(template, _t1(case), carried, coarse=True, threads=threads)


def from_template(
    case: Case, template: Placed, volumes: Mapping[str, NDArray[Any]], *, threads: int | None = None
) -> dict[str, NDArray[np.float32]]:
    """Bring volumes of the atlas onto the grid of a case; the reverse of :func:`to_template`."""
    carried = {name: (values, template[1]) for name, values in volumes.items()}
    return register(_t1(case), template, carried, coarse=True, threads=threads)


def _t1(case: Case) -> Placed:
    modality = next((m for m in (Modality.T1, Modality.T1C) if m in case.volumes), None)
    if modality is None:
        raise UsageError("the atlas is a T1 image: the case needs T1 or T1c", path=case.folder)
    return case.volumes[modality].values(), case.grid


def register(
    fixed: Placed,
    moving: Placed,
    carried: Mapping[str, Placed],
    *,
    labels: bool = False,
    coarse: bool = False,
    threads: int | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Find the affine map of `moving` onto `fixed` and carry volumes along it, in a process of its own.

    Parameters
    ----------
    fixed, moving : volume (x, y, z) and Grid
    carried : mapping of str to volume and Grid
        In the space of `moving`.
    labels : bool
        Whether the volumes hold labels; else they are interpolated.
    coarse : bool
        Search on every other voxel, which takes an eighth of the time.
    threads : int, optional
        Threads for ANTs; all cores but one if not given.

    Returns
    -------
    dict of str to float32 array
        On the grid of `fixed`; 0 where `moving` does not reach.

    Raises
    ------
    ModelError
        antspyx is missing or failed.
    """
    arrays: Arrays = {}
    for name, (values, grid) in {"fixed": fixed, "moving": moving, **carried}.items():
        arrays[name] = np.ascontiguousarray(values, np.float32)
        arrays[f"{name}_affine"] = grid.affine
    options = {"transform": "Affine", "carried": list(carried), "labels": labels, "coarse": coarse}
    return {
        name: np.asarray(values, np.float32)
        for name, values in run_job("seg_editor.anatomy.atlas:_register", arrays, options, threads=threads).items()
    }


def _register(arrays: Arrays, options: dict[str, Any], report: Report) -> Arrays:
    """Body of the spawned process."""
    report(0.0, 0.05, 4.0, "Loading ANTs")
    import ants

    def image(name: str) -> Any:
        affine = arrays[f"{name}_affine"]
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        return ants.from_numpy(
            np.ascontiguousarray(arrays[name], np.float32),
            origin=tuple(float(v) for v in _LPS @ affine[:3, 3]),
            spacing=tuple(float(v) for v in spacing),
            direction=_LPS @ (affine[:3, :3] / spacing),
        )

    fixed = image("fixed")
    report(0.05, 0.95, 60.0, "Registering the atlas")
    pair = [fixed, image("moving")]
    if options["coarse"]:
        pair = [ants.resample_image(i, [2 * s for s in i.spacing]) for i in pair]
    found = ants.registration(*pair, options["transform"], random_seed=1)
    how = "genericLabel" if options["labels"] else "linear"
    return {
        name: np.asarray(
            ants.apply_transforms(fixed, image(name), found["fwdtransforms"], interpolator=how).numpy(), np.float32
        )
        for name in options["carried"]
    }


def _read(path: Path) -> tuple[NDArray[np.float32], Grid]:
    """Read a volume, trailing axes of length 1 dropped, in RAS+ order by its affine."""
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError

    try:
        image: Any = nib.load(path)
        data = np.asarray(image.dataobj, np.float32)
    except (OSError, EOFError, ImageFileError, ValueError) as error:
        raise CaseError("the atlas cannot be read", path=path, remedy="Give the folder of the SRI24 atlas") from error
    data = data.reshape(data.shape[:3])
    canonical = nib.as_closest_canonical(nib.Nifti1Image(data, image.affine))  # type: ignore[no-untyped-call]
    values = np.ascontiguousarray(canonical.dataobj, np.float32)
    x, y, z = values.shape
    return values, Grid((x, y, z), canonical.affine)


def _dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 2 * int((a & b).sum()) / max(1, int(a.sum()) + int(b.sum()))

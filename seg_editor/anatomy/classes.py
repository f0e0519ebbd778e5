"""Give intensity classes their anatomical names.

A clustering numbers its classes as it likes. Here they are named by what is known of each contrast and of where tissue
lies: white matter is the deeper one, CSF is dark on T1 and FLAIR and bright on T2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.names import CSF, GM, TISSUES, WM
from seg_editor.cases import Modality

_ASCENDING: dict[Modality, tuple[int, int, int]] = {
    Modality.T1: (CSF, GM, WM),
    Modality.T1C: (CSF, GM, WM),
    Modality.T2: (WM, GM, CSF),
}


def name_classes(
    classes: NDArray[np.uint8], image: NDArray[np.floating], modality: Modality, brain: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Rename classes 1 to 3, in any order, to CSF 1, GM 2, WM 3.

    Parameters
    ----------
    classes : uint8 array (x, y, z)
        0 where nothing was decided.
    image : float array (x, y, z)
        The image they were found on.
    modality : Modality
        Its contrast. On T1 and T1c: CSF < GM < WM. On T2 the reverse. On FLAIR CSF is darkest and of the other two
        the one that lies deeper in the brain is WM, for their order varies with protocol and age.
    brain : bool array (x, y, z)
        Where the depth is counted from.

    Raises
    ------
    ValueError
        A class is empty, so that the names cannot be decided.
    """
    found = [k for k in (1, 2, 3) if np.any(classes == k)]
    if len(found) < 3:
        raise ValueError(f"only {len(found)} of 3 intensity classes were found")
    dark_to_bright = sorted(
        found, key=lambda k: float(np.median(image[classes == k])) + 1e-9 * float(image[classes == k].mean())
    )
    if modality in _ASCENDING:
        order = _ASCENDING[modality]
        names = dict(zip(dark_to_bright, order, strict=True))
    else:
        depth = depth_below_surface(brain)
        first, second = dark_to_bright[1:]
        deeper = first if depth[classes == first].mean() > depth[classes == second].mean() else second
        names = {dark_to_bright[0]: CSF, deeper: WM, (second if deeper == first else first): GM}
    table = np.zeros(256, np.uint8)
    for old, new in names.items():
        table[old] = new
    return np.asarray(table[classes], np.uint8)


def evidence(
    labels: NDArray[np.uint8],
    images: Mapping[Modality, NDArray[np.floating]],
    brain: NDArray[np.bool_],
    where: NDArray[np.bool_],
) -> dict[str, float]:
    """Check named classes against what did not name them.

    Parameters
    ----------
    labels : uint8 array (x, y, z)
        Named tissue.
    images : mapping of Modality to array (x, y, z)
        All modalities at hand.
    brain, where : bool array (x, y, z)
        The brain, and the part of it to look at (without tumor).

    Returns
    -------
    dict
        ``"depth"``: 1 if WM lies deeper than GM, else 0. ``"t1"``, ``"t1c"``, ``"t2"``: 1 if the medians
        follow that contrast's order. ``"flair"``: 1 if CSF is darkest. ``"csf"``, ``"gm"``, ``"wm"``: share of voxels.
    """
    masks = {k: (labels == k) & where for k in TISSUES}
    total = max(1, sum(int(m.sum()) for m in masks.values()))
    result = {name: int(masks[k].sum()) / total for k, name in ((CSF, "csf"), (GM, "gm"), (WM, "wm"))}
    if min(int(m.sum()) for m in masks.values()) == 0:
        return result
    depth = depth_below_surface(brain)
    result["depth"] = float(depth[masks[WM]].mean() > depth[masks[GM]].mean())
    for modality, image in images.items():
        median = {k: float(np.median(image[m])) for k, m in masks.items()}
        if modality in _ASCENDING:
            values = [median[k] for k in _ASCENDING[modality]]
            result[modality.value] = float(values[0] < values[1] < values[2])
        else:
            result[modality.value] = float(median[CSF] < min(median[GM], median[WM]))
    return result


def depth_below_surface(brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance in voxels to the nearest voxel outside the brain, on a grid of every second voxel, float32 (x, y, z)."""
    padded = np.pad(brain, 2)
    small = ndi.distance_transform_edt(padded[::2, ::2, ::2]).astype(np.float32) * 2
    full = small.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    x, y, z = brain.shape
    return np.asarray(full[2 : 2 + x, 2 : 2 + y, 2 : 2 + z], np.float32)

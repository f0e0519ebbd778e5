"""Prepared cases: brain-cropped, normalized volumes in one ``.npz`` each, ready to be memory-resident in training."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from seg_editor.anatomy.mirror import MirrorPlane, estimate_plane
from seg_editor.anatomy.scale import IntensityScale
from seg_editor.cases import MODALITIES, Case, open_case
from seg_editor.errors import CaseError
from seg_editor.generation.conditioning import to_network_units

#: Voxels that a tumor is widened by before it is kept from the network, as context and as target.
TUMOR_MARGIN = 4
_PAD = 2


@dataclass
class PreparedCase:
    """One case cropped to its brain.

    Attributes
    ----------
    volumes : float16 (4, x, y, z)
        Network units, air 0; absent modalities are all 0.
    brain, tumor : bool (x, y, z)
        Brain; tumor widened by :data:`TUMOR_MARGIN`.
    labels, tissue : uint8 (x, y, z)
        The case's own segmentation values; tissue map (0 when unknown).
    """

    case_id: str
    volumes: NDArray[np.float16]
    brain: NDArray[np.bool_]
    tumor: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    tissue: NDArray[np.uint8]
    present: NDArray[np.bool_]
    plane: MirrorPlane
    origin: tuple[int, int, int]
    content_hash: str

    @property
    def shape(self) -> tuple[int, int, int]:
        x, y, z = self.brain.shape
        return x, y, z

    def save(self, path: Path) -> None:
        """Write the case; a reader never sees a half-written file."""
        meta = {
            "case_id": self.case_id,
            "present": self.present.tolist(),
            "normal": list(self.plane.normal),
            "offset": self.plane.offset,
            "origin": list(self.origin),
            "content_hash": self.content_hash,
        }
        temporary = path.with_name(f".{path.name}.part")
        with temporary.open("wb") as f:
            np.savez_compressed(
                f,
                volumes=self.volumes,
                brain=np.packbits(self.brain),
                tumor=np.packbits(self.tumor),
                labels=self.labels,
                tissue=self.tissue,
                shape=np.array(self.brain.shape),
                meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
            )
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> PreparedCase:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CaseError
            The file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as z:
                return cls._of(z)
        except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
            raise CaseError(
                f"not a readable prepared case ({error})", path=path, remedy="Delete it and run seg-train prepare again"
            ) from error

    @classmethod
    def _of(cls, z: Mapping[str, NDArray[Any]]) -> PreparedCase:
        meta = json.loads(z["meta"].tobytes())
        shape = tuple(int(s) for s in z["shape"])
        size = int(np.prod(shape))
        a, b, c = meta["normal"]
        i, j, k = meta["origin"]
        return cls(
            case_id=meta["case_id"],
            volumes=z["volumes"],
            brain=np.unpackbits(z["brain"], count=size).astype(bool).reshape(shape),
            tumor=np.unpackbits(z["tumor"], count=size).astype(bool).reshape(shape),
            labels=z["labels"],
            tissue=z["tissue"],
            present=np.array(meta["present"], bool),
            plane=MirrorPlane((a, b, c), meta["offset"]),
            origin=(i, j, k),
            content_hash=meta["content_hash"],
        )


def prepare_case(folder: Path, *, tissue: NDArray[np.uint8] | None = None) -> PreparedCase:
    """Read a case and bring it to network units.

    Parameters
    ----------
    folder : Path
        What ``open_case`` accepts.
    tissue : uint8 (x, y, z), optional
        Tissue map on the case's canonical grid.
    """
    case = open_case(folder)
    brain = case.brain
    if not brain.any():
        raise CaseError("there is no brain in the images", path=folder, remedy="Leave the case out")
    if tissue is not None and tissue.shape != brain.shape:
        raise CaseError("the tissue map does not fit the case", path=folder, remedy="Make it again from this case")
    tumor = widened_tumor(case)
    box = tuple(
        slice(max(s.start - _PAD, 0), min(s.stop + _PAD, n))
        for s, n in zip(ndi.find_objects(brain.astype(np.uint8))[0], brain.shape, strict=True)
    )
    healthy = brain & ~tumor
    normalized = np.zeros((len(MODALITIES), *(s.stop - s.start for s in box)), np.float32)
    present = np.array([m in case.volumes for m in MODALITIES])
    for i, m in enumerate(MODALITIES):
        if m in case.volumes:
            values = case.volumes[m].values()
            normalized[i] = IntensityScale.of(values, healthy).normalize(values[box])
    first = next(i for i in range(len(MODALITIES)) if present[i])
    labels = np.zeros(brain.shape, np.uint8) if case.labels is None else case.labels.raw.astype(np.uint8)
    return PreparedCase(
        case_id=case.case_id,
        volumes=to_network_units(normalized, brain[box]).astype(np.float16),
        brain=brain[box],
        tumor=tumor[box],
        labels=labels[box],
        tissue=np.zeros_like(labels[box]) if tissue is None else tissue[box],
        present=present,
        plane=estimate_plane(normalized[first], healthy[box]),
        origin=(box[0].start, box[1].start, box[2].start),
        content_hash=case.content_hash,
    )


def widened_tumor(case: Case) -> NDArray[np.bool_]:
    """Tumor plus margin, inside the brain; empty without a segmentation."""
    if case.tumor is None or not case.tumor.any():
        return np.zeros_like(case.brain)
    return np.asarray(ndi.binary_dilation(case.tumor, iterations=TUMOR_MARGIN) & case.brain)

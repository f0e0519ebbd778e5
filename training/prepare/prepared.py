"""A prepared case and its file. Needs numpy only, so that training runs where scipy and nibabel are missing."""

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

from seg_editor.anatomy.mirror import MirrorPlane
from seg_editor.errors import CaseError


@dataclass
class PreparedCase:
    """One case cropped to its brain.

    Attributes
    ----------
    volumes : float16 (4, x, y, z)
        Network units, air 0; absent modalities are all 0.
    brain, tumor : bool (x, y, z)
        Brain; tumor widened by :data:`seg_editor.anatomy.margins.TUMOR_MARGIN`.
    labels, tissue : uint8 (x, y, z)
        The case's own segmentation values; tissue map (0 when unknown).
    mirrored : float16 (4, x, y, z), optional
        The other hemisphere, where it was computed beforehand (:mod:`training.prepare.pack`).
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
    mirrored: NDArray[np.float16] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        x, y, z = self.brain.shape
        return x, y, z

    def save(self, path: Path, *, compress: bool = True) -> None:
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
        extra = {} if self.mirrored is None else {"mirrored": self.mirrored}
        with temporary.open("wb") as f:
            (np.savez_compressed if compress else np.savez)(
                f,
                volumes=self.volumes,
                brain=np.packbits(self.brain),
                tumor=np.packbits(self.tumor),
                labels=self.labels,
                tissue=self.tissue,
                shape=np.array(self.brain.shape),
                meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
                **extra,  # type: ignore[arg-type]
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
            with path.open("rb") as f, np.load(f, allow_pickle=False) as z:
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
            mirrored=z.get("mirrored"),
        )


def healthy_range(case: PreparedCase, holes: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """0.5 and 99.5 percentile of each modality's healthy voxels, (2, 4), network units."""
    healthy = case.brain & ~case.tumor
    if holes is not None:
        healthy &= ~holes
    return np.stack([np.percentile(v[healthy].astype(np.float32), [0.5, 99.5]) for v in case.volumes], 1).astype(
        np.float32
    )

"""Small files for prepared cases, slices and holes: differences along z, then bzip2. Needs numpy only."""

from __future__ import annotations

import bz2
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.prepare.prepared import PreparedCase

#: Network units between two codes of a packed volume; the error is at most half of it.
STEP = 0.05
_ZERO = 128
_WEBP_QUALITY = 95


def squeeze(a: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of an array, bzip2."""
    return np.frombuffer(bz2.compress(np.ascontiguousarray(a).tobytes()), np.uint8)


def expand(data: NDArray[np.uint8], dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Undo :func:`squeeze`."""
    return np.frombuffer(bz2.decompress(data.tobytes()), dtype).reshape(shape).copy()


def squeeze_bits(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A mask at a bit a voxel, bzip2."""
    return squeeze(np.packbits(mask))


def expand_bits(data: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Undo :func:`squeeze_bits`."""
    bits = np.frombuffer(bz2.decompress(data.tobytes()), np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)


def encode_volume(volume: NDArray[np.float16], brain: NDArray[np.bool_], *, exact: bool) -> dict[str, NDArray[Any]]:
    """One modality of a prepared case.

    Parameters
    ----------
    volume : float16 (x, y, z)
        Zero outside the brain.
    exact : bool
        Keep every value; else round to multiples of :data:`STEP`.

    Returns
    -------
    dict
        ``levels``: float16, what the codes mean; ``low`` and, with more than 256 levels, ``high``: bytes of the
        differences of codes along z, brain voxels only.
    """
    if exact:
        levels, found = np.unique(volume[brain], return_inverse=True)
        codes = np.zeros(volume.shape, np.uint16)
        codes[brain] = found.reshape(-1)
    else:
        levels = ((np.arange(256) - _ZERO) * STEP).astype(np.float16)
        rounded = np.clip(np.rint(volume.astype(np.float32) / STEP) + _ZERO, 0, 255)
        codes = np.where(brain, rounded, 0).astype(np.uint16)
    ordered, inside = codes.transpose(2, 0, 1), brain.transpose(2, 0, 1)
    steps = np.diff(ordered, axis=0, prepend=np.uint16(0))[inside]
    out: dict[str, NDArray[Any]] = {"levels": levels, "low": squeeze((steps & 255).astype(np.uint8))}
    if levels.size > 256:
        out["high"] = squeeze((steps >> 8).astype(np.uint8))
    return out


def decode_volume(parts: dict[str, NDArray[Any]], brain: NDArray[np.bool_]) -> NDArray[np.float16]:
    """Undo :func:`encode_volume`."""
    wide = "high" in parts
    count = (int(brain.sum()),)
    steps = expand(parts["low"], np.uint8, count).astype(np.uint16)
    if wide:
        steps |= expand(parts["high"], np.uint8, count).astype(np.uint16) << 8
    inside = np.ascontiguousarray(brain.transpose(2, 0, 1))
    changes = np.zeros(inside.shape, np.uint16)
    changes[inside] = steps
    mask = np.uint16(0xFFFF if wide else 0xFF)
    current = np.zeros(inside.shape[1:], np.uint16)
    out = np.zeros(inside.shape, np.float16)
    for z in range(len(inside)):
        current = np.where(inside[z], (current + changes[z]) & mask, np.uint16(0))
        out[z][inside[z]] = parts["levels"][current[inside[z]]]
    return np.ascontiguousarray(out.transpose(1, 2, 0))


def encode_case(case: PreparedCase, *, exact: bool) -> dict[str, NDArray[Any]]:
    """Arrays of a packed case."""
    meta = {
        "case_id": case.case_id,
        "present": case.present.tolist(),
        "normal": list(case.plane.normal),
        "offset": case.plane.offset,
        "origin": list(case.origin),
        "content_hash": case.content_hash,
    }
    arrays: dict[str, NDArray[Any]] = {
        "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8),
        "shape": np.array(case.shape),
        "brain": squeeze_bits(case.brain),
        "tumor": squeeze_bits(case.tumor),
        "labels": squeeze(case.labels),
        "tissue": squeeze(case.tissue),
    }
    for i, volume in enumerate(case.volumes):
        if case.present[i]:
            arrays |= {f"{i}.{k}": v for k, v in encode_volume(volume, case.brain, exact=exact).items()}
    return arrays


def decode_case(z: Any) -> PreparedCase:
    """Undo :func:`encode_case`; `z` maps names to arrays."""
    from seg_editor.anatomy.mirror import MirrorPlane

    meta = json.loads(z["meta"].tobytes())
    shape = tuple(int(s) for s in z["shape"])
    brain = expand_bits(z["brain"], shape)
    volumes = np.zeros((len(meta["present"]), *shape), np.float16)
    for i, there in enumerate(meta["present"]):
        if there:
            parts = {k: z[f"{i}.{k}"] for k in ("levels", "low", "high") if f"{i}.{k}" in z}
            volumes[i] = decode_volume(parts, brain)
    a, b, c = meta["normal"]
    i, j, k = meta["origin"]
    return PreparedCase(
        case_id=meta["case_id"],
        volumes=volumes,
        brain=brain,
        tumor=expand_bits(z["tumor"], shape),
        labels=expand(z["labels"], np.uint8, shape),
        tissue=expand(z["tissue"], np.uint8, shape),
        present=np.array(meta["present"], bool),
        plane=MirrorPlane((a, b, c), meta["offset"]),
        origin=(i, j, k),
        content_hash=meta["content_hash"],
    )


# -- slices


def encode_images(images: NDArray[np.uint8], *, webp: bool) -> dict[str, NDArray[np.uint8]]:
    """Slices of one case, uint8 (n, x, y): exact, or WebP at quality 95 (air may then differ from 0 by a little)."""
    if not webp:
        return {"images": squeeze(np.diff(images, axis=0, prepend=np.uint8(0)))}
    from PIL import Image

    out = {}
    for i, image in enumerate(images):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "webp", quality=_WEBP_QUALITY, method=4)
        out[f"webp{i}"] = np.frombuffer(stream.getvalue(), np.uint8)
    return out


def decode_images(z: Any, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Undo :func:`encode_images`."""
    if "images" in z:
        steps = expand(z["images"], np.uint8, shape)
        return np.cumsum(steps, axis=0, dtype=np.uint8)
    from PIL import Image

    images = [np.asarray(Image.open(io.BytesIO(z[f"webp{i}"].tobytes())).convert("L")) for i in range(shape[0])]
    return np.stack(images).reshape(shape)


def write_npz(path: Path, arrays: dict[str, Any], *, compress: bool = False) -> Path:
    """Write arrays; a reader never sees a half-written file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as f:
        (np.savez_compressed if compress else np.savez)(f, **arrays)
    temporary.replace(path)
    return path

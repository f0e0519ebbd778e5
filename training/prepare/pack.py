"""``seg-train pack``: a prepared set and the code that trains on it in one small folder, for a bare CUDA machine.

There, torch, numpy and safetensors are enough (Pillow for slices packed as WebP, diffusers for m1 to m3c).
The folder holds ``pack.json``, ``cases/``, ``holes.npz`` (masks only), ``val_holes/``, ``slices/`` and the packages
``training`` and ``seg_editor``. The first command that gets it as ``--data`` unpacks it to ``<folder>.expanded``, an
ordinary prepared set: fills, distances and mirrored volumes are computed there, on the GPU when there is one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_editor.errors import UsageError
from seg_editor.hashing import file_sha256
from training.prepare.bank import load_shard
from training.prepare.codec import encode_case, encode_images, squeeze, write_npz
from training.prepare.manifest import load_manifest
from training.prepare.prepared import PreparedCase

FORMAT = 1
PACK_FILE = "pack.json"
MODELS = ("m5", "m4", "m2")
_CODE = {"training": (), "seg_editor": ("ui", "session", "export")}
_README = """Train here (torch, numpy, safetensors; diffusers for m1 to m3c):

    python -m training.cli train --model m5 --data . --out ../run --budget 9m
    python -m training.cli referee --data . --out ../run_m4 --budget 9m
    python -m training.cli train --model m3c --preset paper --data . --out ../run_m3c --budget 9m

The same command again continues from the checkpoint in --out.
The first one unpacks the data to the folder {name}.expanded beside this one.
"""


def make_pack(
    data: Path,
    out: Path,
    *,
    max_mb: float = 60.0,
    models: Sequence[str] = MODELS,
    exact: bool = False,
    webp: bool = False,
    shapes: Path | None = None,
    placements: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> dict[str, float]:
    """Pack a prepared set.

    Parameters
    ----------
    data, out : Path
        Prepared set; new folder (an older pack there is replaced).
    max_mb : float
        Largest size, in 10^6 bytes.
    models : sequence of str
        For whom: ``m5`` (volumes and holes), ``m4`` (volumes), ``m2`` (slices: all of m1 to m3c).
    exact : bool
        Keep every value of the volumes; else they are rounded to :data:`training.prepare.codec.STEP`.
    webp : bool
        Slice images as WebP, quality 95, instead of exact.
    shapes, placements : Path, int, optional
        Place this many new holes instead of taking those of the bank: masks need no fill to be packed.
    seed : int
        Of new holes.

    Returns
    -------
    dict
        MB of each part and in all.

    Raises
    ------
    UsageError
        The set is unfit, `out` is some other folder, or the pack would be larger than `max_mb`.
    """
    manifest = load_manifest(data)
    _check(out, models)
    cases = {i: e["split"] for i, e in manifest["cases"].items() if e["split"] != "test"}
    train, val = ([i for i, split in cases.items() if split == name] for name in ("train", "val"))
    with _replacing(out) as folder:
        if {"m5", "m4"} & set(models):
            _pack_cases(data, folder, list(cases), exact=exact)
        if "m5" in models:
            _pack_holes(data, folder, train, shapes, placements, seed)
            _pack_val_holes(data, folder, val)
        if "m2" in models:
            _pack_slices(data, folder, webp=webp)
        _copy_code(folder)
        (folder / "README.txt").write_text(_README.format(name=out.name), encoding="utf-8")
        record = {"format": FORMAT, "cases": cases, "models": list(models), "exact": exact, "webp": webp}
        _write_record(folder, record | {"settings": manifest.get("settings", {})})
        sizes = _sizes(folder)
        say("  ".join(f"{k} {v:.1f} MB" for k, v in sizes.items()))
        _check_size(sizes["total"], max_mb)
    return sizes


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A new folder that takes `out`'s place when all went well, and goes when not."""
    temporary = out.with_name(f".{out.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(out, ignore_errors=True)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write the pack's own file: `record` and the hashes of the data."""
    files = {str(p.relative_to(folder)): file_sha256(p) for p in _data_files(folder)}
    (folder / PACK_FILE).write_text(json.dumps(record | {"files": files}, indent=1), encoding="utf-8")


def _check(out: Path, models: Sequence[str]) -> None:
    for model in models:
        if model not in MODELS:
            raise UsageError(f"{model} cannot be packed for", remedy=f"Choose from {', '.join(MODELS)}")
    if out.exists() and not (out / PACK_FILE).exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists and is no pack", remedy="Choose a new folder for --out")


def _check_size(total: float, most: float) -> None:
    if total > most:
        raise UsageError(
            f"the pack would take {total:.1f} MB, more than {most:g}",
            remedy="Pack for fewer --models, use --webp, fewer --placements, or raise --max-mb",
        )


def _pack_cases(data: Path, out: Path, ids: list[str], *, exact: bool) -> None:
    for case_id in ids:
        case = PreparedCase.load(data / "cases" / f"{case_id}.npz")
        write_npz(out / "cases" / f"{case_id}.npz", encode_case(case, exact=exact))


def _pack_holes(
    data: Path, out: Path, train: list[str], shapes: Path | None, placements: int | None, seed: int
) -> None:
    """Keep the holes' masks: fill and distances follow from them."""
    found = _new_holes(data, train, shapes, placements or 200, seed) if shapes else _bank_holes(data, train, placements)
    arrays: dict[str, Any] = {}
    ids: list[str] = []
    for case_id, bits in found:
        arrays[str(len(ids))] = bits
        ids.append(case_id)
    if not ids:
        raise UsageError(f"{data / 'holes'} holds no holes", remedy="Give pack --shapes, or run prepare with --shapes")
    write_npz(out / "holes.npz", {"ids": np.array(ids), **arrays})


def _bank_holes(data: Path, train: list[str], limit: int | None) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    count = 0
    for path in sorted((data / "holes").glob("holes_*.npz")):
        for placed in load_shard(path):
            if placed.case_id in train and (limit is None or count < limit):
                count += 1
                yield placed.case_id, squeeze(placed.target)


def _new_holes(
    data: Path, train: list[str], shapes: Path, count: int, seed: int
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    from training.prepare import bank
    from training.prepare.holes import TumorShapes, place_holes

    tumors = TumorShapes(shapes)
    for c, case_id in enumerate(train):
        case = PreparedCase.load(data / "cases" / f"{case_id}.npz")
        for i in range(c, count, len(train)):
            rng = np.random.default_rng([seed, 7, i])
            hole = place_holes(case.brain, case.tumor, tumors, rng, count=int(rng.integers(2, 6))).hole
            yield case_id, squeeze(bank.pack((hole & ~case.tumor & case.brain).transpose(2, 0, 1)))


def _pack_val_holes(data: Path, out: Path, val: list[str]) -> None:
    (out / "val_holes").mkdir(exist_ok=True)
    for case_id in val:
        source = data / "val_holes" / f"{case_id}.npz"
        if not source.exists():
            raise UsageError(f"{source} is missing", remedy="Run seg-train prepare with --shapes")
        with np.load(source, allow_pickle=False) as z:
            write_npz(out / "val_holes" / source.name, {"holes": z["holes"]}, compress=True)


def _pack_slices(data: Path, out: Path, *, webp: bool) -> None:
    for split in ("train", "val"):
        folder = data / "slices"
        try:
            index = json.loads((folder / f"{split}_index.json").read_text(encoding="utf-8"))
            images = np.load(folder / f"{split}_images.npy", mmap_mode="r")
            masks = np.load(folder / f"{split}_masks.npy", mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{folder} holds no slices of the {split} split", remedy="Run prepare with --tissue, or pack for m5 m4"
            ) from error
        rows: dict[str, list[int]] = {}
        for row, entry in enumerate(index):
            rows.setdefault(entry["case_id"], []).append(row)
        for case_id, at in rows.items():
            arrays: dict[str, Any] = dict(encode_images(np.asarray(images[at]), webp=webp))
            arrays["masks"] = squeeze(np.asarray(masks[at]))
            arrays["index"] = np.frombuffer(json.dumps([index[r] for r in at]).encode(), np.uint8)
            write_npz(out / "slices" / split / f"{case_id}.npz", arrays)


def _copy_code(out: Path) -> None:
    """Copy the packages as they run here, without what training never needs."""
    root = Path(__file__).resolve().parents[2]
    for package, without in _CODE.items():
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "_resources")
        shutil.copytree(root / package, out / package, ignore=ignore)
        for name in without:
            shutil.rmtree(out / package / name, ignore_errors=True)


def _data_files(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and p.relative_to(folder).parts[0] not in _CODE]


def _sizes(folder: Path) -> dict[str, float]:
    """MB (10^6 bytes) a part of the folder, and in all."""
    sizes: dict[str, float] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            part = path.relative_to(folder).parts[0]
            part = "code" if part in _CODE else part
            sizes[part] = sizes.get(part, 0.0) + path.stat().st_size / 1e6
    return sizes | {"total": sum(sizes.values())}

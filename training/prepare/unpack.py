"""From a pack (:mod:`training.prepare.pack`) back to a prepared set, without scipy."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seg_editor.errors import UsageError, reason
from seg_editor.hashing import file_sha256
from training.prepare.bank import BANK_KEYS, save_shard, unpack
from training.prepare.codec import decode_case, decode_images, expand, write_npz
from training.prepare.manifest import files_hash, save_manifest
from training.prepare.prepared import PreparedCase

PACK_FILE = "pack.json"
FORMAT = 1
_DONE = "expanded.json"
_PER_SHARD = 20


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepared_folder(
    data: Path, *, device: str = "auto", until: float = math.inf, say: Callable[[str], None] = _say
) -> Path | None:
    """The prepared set behind ``--data``: itself, or what a pack unpacks to (done once, continued when cut short).

    Of several processes that ask for it on a machine one unpacks and the others wait.

    Parameters
    ----------
    data : Path
    device : str
        Where fills and mirrored volumes are computed.
    until : float
        When to stop, by ``time.monotonic``.
    say : callable

    Returns
    -------
    Path or None
        None when the time was up; the next call continues.

    Raises
    ------
    UsageError
        The pack is damaged, or of another version.
    """
    if not (data / PACK_FILE).is_file():
        return data
    root = data.resolve()
    with _alone(root.with_name(f"{root.name}.lock")):
        return _unpacked(root, device, until, say)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that the system takes back when the process ends."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _unpacked(root: Path, device: str, until: float, say: Callable[[str], None]) -> Path | None:
    out = root.with_name(f"{root.name}.expanded")
    record = _record(root)
    identity = file_sha256(root / PACK_FILE)
    done = out / _DONE
    if done.is_file() and json.loads(done.read_text(encoding="utf-8")).get("pack") == identity:
        return out
    if out.exists() and not _continues(out, identity):
        raise UsageError(f"{out} belongs to another pack", remedy="Delete it and start again")
    out.mkdir(exist_ok=True)
    (out / ".pack").write_text(identity, encoding="utf-8")
    for name, digest in record["files"].items():
        path = root / name
        if name.startswith(("cases", "holes", "val_holes", "slices")) and (
            not path.is_file() or file_sha256(path) != digest
        ):
            raise UsageError(f"{path} is missing or damaged", remedy="Make the pack again")
    say(f"unpacking {root.name} to {out}")
    if not _expand(root, out, record, device, until, say):
        say("time is up: the same command unpacks the rest")
        return None
    done.write_text(json.dumps({"pack": identity}), encoding="utf-8")
    return out


def _record(root: Path) -> dict[str, Any]:
    path = root / PACK_FILE
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = record["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read ({reason(error)})", remedy="Make the pack again") from error
    if version != FORMAT:
        raise UsageError(f"{path} has format {version}, this program reads {FORMAT}", remedy="Make the pack again")
    return record


def _continues(out: Path, identity: str) -> bool:
    try:
        return (out / ".pack").read_text(encoding="utf-8") == identity
    except OSError:
        return False


def _expand(
    root: Path, out: Path, record: dict[str, Any], device_name: str, until: float, say: Callable[[str], None]
) -> bool:
    """Unpack what is not there yet; False when the time was up before the end."""
    import torch

    from seg_editor.generation.registry import choose_device

    device = torch.device(choose_device(device_name))
    entries: dict[str, dict[str, Any]] = {}
    for case_id, split in record["cases"].items():
        entries[case_id] = {"split": split}
        if (root / "cases" / f"{case_id}.npz").exists():
            target = out / "cases" / f"{case_id}.npz"
            if not target.exists():
                _expand_case(root, case_id, target, device)
            entries[case_id]["sha256"] = file_sha256(target)
        if time.monotonic() > until:
            return False
        holes = root / "val_holes" / f"{case_id}.npz"
        if holes.exists() and not (out / "val_holes" / holes.name).exists():
            _expand_val_holes(out, holes, device)
    if (root / "holes.npz").exists() and not _expand_holes(root, out, device, until, say):
        return False
    figures = _expand_slices(root, out)
    settings = {**record["settings"], "pack": files_hash([root / PACK_FILE])}
    save_manifest(out, entries, settings=settings, splits=figures)
    return True


def _expand_case(root: Path, case_id: str, target: Path, device: Any) -> None:
    from training.prepare.torch_fill import reflect

    with np.load(root / "cases" / f"{case_id}.npz", allow_pickle=False) as z:
        case = decode_case(z)
    mirrored, _ = reflect(case.volumes.astype(np.float32), case.brain & ~case.tumor, case.plane, device)
    case.mirrored = mirrored.astype(np.float16)
    target.parent.mkdir(exist_ok=True)
    case.save(target, compress=False)


def _expand_val_holes(out: Path, source: Path, device: Any) -> None:
    from training.prepare.torch_fill import place

    case = PreparedCase.load(out / "cases" / source.name)
    with np.load(source, allow_pickle=False) as z:
        holes = z["holes"]
    placed = place(case, (holes > 0) & case.brain, device)
    write_npz(out / "val_holes" / source.name, {"holes": holes, **{k: getattr(placed, k) for k in BANK_KEYS}})


def _expand_holes(root: Path, out: Path, device: Any, until: float, say: Callable[[str], None]) -> bool:
    from training.prepare.torch_fill import place

    (out / "holes").mkdir(exist_ok=True)
    cases: dict[str, PreparedCase] = {}
    with np.load(root / "holes.npz", allow_pickle=False) as z:
        ids = [str(i) for i in z["ids"]]
        for start in range(0, len(ids), _PER_SHARD):
            path = out / "holes" / f"holes_{start // _PER_SHARD:04d}.npz"
            if path.exists():
                continue
            placements = []
            for k in range(start, min(start + _PER_SHARD, len(ids))):
                if time.monotonic() > until:
                    return False
                i = ids[k]
                if i not in cases:
                    cases[i] = PreparedCase.load(out / "cases" / f"{i}.npz")
                x, y, depth = cases[i].shape
                bits = expand(z[str(k)], np.uint8, (depth, -1))
                hole = np.ascontiguousarray(unpack(bits, (x, y)).transpose(1, 2, 0))
                placements.append(place(cases[i], hole, device))
            save_shard(placements, path)
            say(f"{min(start + _PER_SHARD, len(ids))} of {len(ids)} placements filled")
    return True


def _expand_slices(root: Path, out: Path) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for folder in sorted((root / "slices").glob("*")):
        split = folder.name
        (out / "slices").mkdir(exist_ok=True)
        index: list[dict[str, Any]] = []
        loaded = []
        for path in sorted(folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as z:
                rows = json.loads(z["index"].tobytes())
                masks = expand(z["masks"], np.uint8, (len(rows), 256, 256))
                loaded.append((decode_images(z, masks.shape), masks))
            index += rows
        hashes = {}
        for at, kind in enumerate(("images", "masks")):
            target = out / "slices" / f"{split}_{kind}.npy"
            temporary = target.with_name(f".{target.name}.part")
            with temporary.open("wb") as f:
                np.save(f, np.concatenate([pair[at] for pair in loaded]))
            temporary.replace(target)
            hashes[f"{kind}_sha256"] = file_sha256(target)
        (out / "slices" / f"{split}_index.json").write_text(json.dumps(index), encoding="utf-8")
        tumor = sum(e["tumor"] > 0 for e in index)
        share = round(tumor / len(index), 4)
        figures[split] = {"slices": len(index), "tumor_slices": tumor, "tumor_share": share, **hashes}
    return figures

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from seg_editor.anatomy.harmonic import harmonic_fill
from seg_editor.anatomy.mirror import reflect
from seg_editor.errors import UsageError
from tests.tiny import make_case
from tests.training.conftest import SHAPE, SPLITS, write_shapes
from tests.training.test_slices import write_maps
from training.cli import main
from training.models.inpaint_task import InpaintTask
from training.models.slice_set import SliceSet
from training.prepare import torch_fill
from training.prepare.bank import BankedCase, PlacedHoles, load_bank
from training.prepare.codec import STEP, decode_case, encode_case
from training.prepare.manifest import read_manifest
from training.prepare.pack import make_pack
from training.prepare.prepared import PreparedCase
from training.prepare.unpack import prepared_folder

CPU = torch.device("cpu")
BLOCKED = ("scipy", "nibabel", "skimage", "PyQt6", "pyqtgraph", "ants", "distributed", "dask")
BARE = f"""
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in {BLOCKED!r} else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from training.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set with slices and holes."""
    root = tmp_path_factory.mktemp("full")
    for seed, case_id in enumerate(i for s in ("train", "val") for i in SPLITS[s]):
        make_case(root / "cases" / case_id, shape=SHAPE, seed=seed)
    write_maps(root / "cases", root / "tissue")
    (root / "splits.json").write_text(json.dumps({**SPLITS, "test": []}))
    words = ["--cases", str(root / "cases"), "--out", str(root / "out"), "--splits", str(root / "splits.json")]
    words += ["--tissue", str(root / "tissue"), "--shapes", str(write_shapes(root / "shapes.npz"))]
    assert main(["prepare", *words, "--shards", "0:1", "--per-shard", "4"]) == 0
    return root / "out"


@pytest.fixture(scope="module")
def packed(full: Path) -> Path:
    out = full.parent / "pack"
    assert main(["pack", "--data", str(full), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def expanded(packed: Path) -> Path:
    torch.set_num_threads(1)
    return prepared_folder(packed)


def bare(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the pack's own code where scipy, nibabel and Qt cannot be imported, and diffusers by m1 to m3c only."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    code = BARE if "m2" in words else BARE.replace("'scipy'", "'scipy', 'diffusers', 'tqdm'")
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


# -- the code alone


def test_volumes_survive_to_half_a_step(full: Path) -> None:
    case = PreparedCase.load(full / "cases" / f"{SPLITS['train'][0]}.npz")
    rounded, same = (decode_case(encode_case(case, exact=exact)) for exact in (False, True))
    assert np.array_equal(same.volumes, case.volumes)
    error = np.abs(rounded.volumes.astype(np.float32) - case.volumes.astype(np.float32))
    assert error.max() <= STEP / 2 + 2e-3
    assert not rounded.volumes[:, ~case.brain].any()
    for name in ("brain", "tumor", "labels", "tissue", "present"):
        assert np.array_equal(getattr(same, name), getattr(case, name))
    assert (same.plane, same.origin, same.content_hash) == (case.plane, case.origin, case.content_hash)


def test_torch_equals_scipy(full: Path) -> None:
    case = PreparedCase.load(full / "cases" / f"{SPLITS['train'][0]}.npz")
    hole = np.zeros(case.shape, bool)
    hole[8:16, 12:22, 10:20] = True
    hole &= case.brain
    wanted, found = PlacedHoles.make(case, hole), torch_fill.place(case, hole, CPU)
    assert np.unpackbits(found.mirror_valid ^ wanted.mirror_valid).mean() < 1e-3
    for name in ("unknown", "target", "depth", "start", "area"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    assert np.abs(found.fill.astype(np.float32) - wanted.fill.astype(np.float32)).max() < 0.05
    volumes = case.volumes.astype(np.float32)
    usable = case.brain & ~case.tumor
    mirrored, valid = torch_fill.reflect(volumes, usable, case.plane, CPU)
    other, also = reflect(volumes, usable, case.plane)
    assert (valid != also).mean() < 1e-3
    assert np.abs(mirrored - other)[:, valid & also].max() < 1e-2


def test_a_hole_that_touches_nothing_known_gets_the_mean() -> None:
    volumes = np.random.default_rng(0).normal(size=(2, 12, 12, 12)).astype(np.float32)
    hole, known = np.zeros((2, 12, 12, 12), bool)
    hole[1:3, 1:3, 1:3] = True
    known[8:, 8:, 8:] = True
    for fill in (torch_fill.harmonic_fill(volumes, hole, known, CPU), harmonic_fill(volumes, hole, known)):
        near = known.copy()
        near[11:], near[:, 11:], near[:, :, 11:] = False, False, False
        assert np.allclose(fill, volumes[:, near].mean(1)[:, None], atol=1e-5)
    assert torch_fill.harmonic_fill(volumes, np.zeros_like(hole), known, CPU).shape == (2, 0)


# -- the folder


def test_the_pack_unpacks_to_the_prepared_set(full: Path, packed: Path, expanded: Path) -> None:
    assert expanded == packed.with_name("pack.expanded")
    for split in ("train", "val"):
        ids = read_manifest(full, split)
        assert read_manifest(expanded, split, verify=True) == ids
        before, after = SliceSet.open(full, split), SliceSet.open(expanded, split)
        assert np.array_equal(before.images, after.images)
        assert np.array_equal(before.masks, after.masks)
        assert (before.cases, before.numbers) == (after.cases, after.numbers)
    bank, again = load_bank(full / "holes"), load_bank(expanded / "holes")
    assert len(bank) == len(again)
    for a, b in zip(bank, again, strict=True):
        assert a.case_id == b.case_id
        assert np.array_equal(a.unknown, b.unknown)
        assert np.array_equal(a.target, b.target)
        assert np.abs(a.fill.astype(np.float32) - b.fill.astype(np.float32)).max() < 0.1
    case = PreparedCase.load(expanded / "cases" / f"{SPLITS['train'][0]}.npz")
    assert case.mirrored is not None
    plain = BankedCase.of(PreparedCase.load(full / "cases" / f"{SPLITS['train'][0]}.npz"))
    assert np.abs(BankedCase.of(case).mirrored.astype(np.float32) - plain.mirrored.astype(np.float32)).mean() < 0.02


def test_a_task_on_a_pack_draws_the_same_samples(full: Path, expanded: Path) -> None:
    first, second = (
        InpaintTask(d, train_ids=read_manifest(full, "train"), val_ids=read_manifest(full, "val")).batch(2, 0, 0)
        for d in (full, expanded)
    )
    assert torch.equal(first["hole"], second["hole"])
    assert (first["context"] - second["context"]).abs().mean() < 0.02


def test_packs_for_some_models_and_with_webp(full: Path, tmp_path: Path) -> None:
    sizes = make_pack(full, tmp_path / "m2", models=("m2",), webp=True)
    assert "cases" not in sizes
    out = prepared_folder(tmp_path / "m2")
    before, after = SliceSet.open(full, "train"), SliceSet.open(out, "train")
    assert np.abs(before.images.astype(int) - after.images).mean() < 2
    assert np.array_equal(before.masks, after.masks)
    sizes = make_pack(full, tmp_path / "m5", models=("m5",), shapes=full.parent / "shapes.npz", placements=3)
    assert "slices" not in sizes
    assert len(load_bank(prepared_folder(tmp_path / "m5") / "holes")) == 3


def test_a_pack_that_would_be_too_large(full: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than 0.1"):
        make_pack(full, tmp_path / "small", max_mb=0.1)
    assert not list(tmp_path.iterdir())


def test_errors(full: Path, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="exists and is no pack"):
        make_pack(full, tmp_path / "mine")
    with pytest.raises(UsageError, match="Choose from m5, m4, m2"):
        make_pack(full, tmp_path / "x", models=("m9",))
    copy = tmp_path / "copy"
    shutil.copytree(packed, copy)
    (copy / "holes.npz").write_bytes(b"cut")
    with pytest.raises(UsageError, match="missing or damaged"):
        prepared_folder(copy)
    (copy / "pack.json").write_text('{"format": 9}')
    with pytest.raises(UsageError, match="belongs to another pack|has format 9"):
        prepared_folder(copy)


def test_one_of_several_unpacks_and_a_budget_stops_it(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "pack"
    shutil.copytree(packed, copy)
    words = ["train", "--model", "m5", "--data", str(copy), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main([*words, "--budget", "0.001s"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "budget"
    assert not (tmp_path / "run").exists()
    told: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: prepared_folder(copy, say=told.append), range(2))
    assert one == two == tmp_path / "pack.expanded"
    assert sum(line.startswith("unpacking") for line in told) == 1


# -- where scipy and nibabel are missing


@pytest.mark.parametrize("words", [["train", "--model", "m5"], ["referee"], ["train", "--model", "m2"]])
def test_training_starts_on_a_bare_machine(packed: Path, expanded: Path, tmp_path: Path, words: list[str]) -> None:
    done = bare(
        packed, *words, "--data", str(packed), "--out", str(tmp_path), "--steps", "1", "--batch", "2", "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "last.safetensors").exists()


@pytest.mark.slow
def test_a_budget_on_a_bare_machine(packed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pack"
    shutil.copytree(packed, copy)
    words = ["train", "--model", "m5", "--data", str(copy), "--out", str(tmp_path / "run"), "--device", "cpu"]
    for count in (1, 2):
        done = bare(copy, *words, "--batch", "2", "--budget", "60s", "--steps", str(20 * count))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "pack.expanded" / "manifest.json").exists()
    assert (tmp_path / "run" / "last.safetensors").exists()


def test_bench_loader(expanded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-loader", "--data", str(expanded), "--seconds", "0.1", "--batch", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [r["model"] for r in rows] == ["m5", "m4", "m2"]
    assert all(r["images_per_second"] > 0 for r in rows)
    assert main(["bench-loader", "--data", str(expanded), "--models", "m9"]) == 2

"""A tiny prepared set, made once by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seg_editor.cases import open_case
from seg_editor.generation.unet import NoiseNet
from tests.models import write_model, write_referee
from tests.threads import (
    one_thread,  # noqa: F401
    single_thread,
)
from tests.tiny import make_case, tiny_maps, write_nifti
from tests.training.evaluating import IDS, NET, run
from tests.training.evaluating import SHAPE as EVALUATED_SHAPE
from training.cli import main
from training.prepare.bank import BankedCase, PlacedHoles, load_bank
from training.prepare.volumes import PreparedCase

SHAPE = (48, 56, 40)
SPLITS = {"train": ["BraTS2021_80001", "BraTS2021_80002"], "val": ["BraTS2021_80003"], "test": ["BraTS2021_80004"]}


def write_shapes(path: Path) -> Path:
    """A file of two tumor shapes, as training reads them: balls of edema with a core."""
    labels: list[NDArray[np.uint8]] = []
    for radius in (4, 6):
        grid = np.indices((2 * radius + 1,) * 3) - radius
        distance = np.sqrt((grid**2).sum(0))
        labels.append(np.where(distance <= radius / 2, 4, np.where(distance <= radius, 2, 0)).astype(np.uint8))
    np.savez(
        path,
        labels=np.concatenate([block.ravel() for block in labels]),
        offset=np.cumsum([0, *(block.size for block in labels)]),
        box=np.array([[0, 0, 0, *block.shape] for block in labels]),
    )
    return path


@pytest.fixture(scope="session")
def raw_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four cases, `splits.json` and `shapes.npz`."""
    root = tmp_path_factory.mktemp("raw")
    for seed, case_id in enumerate(i for ids in SPLITS.values() for i in ids):
        make_case(root / case_id, shape=SHAPE, seed=seed)
    (root / "splits.json").write_text(json.dumps(SPLITS))
    write_shapes(root / "shapes.npz")
    return root


@pytest.fixture(scope="session")
def prepared(raw_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared set of them. Read only: copy it to change it."""
    out = tmp_path_factory.mktemp("prepared")
    words = ["--cases", str(raw_cases), "--out", str(out), "--splits", str(raw_cases / "splits.json")]
    words += ["--shapes", str(raw_cases / "shapes.npz"), "--shards", "0:1", "--per-shard", "6", "--tissue", "off"]
    assert main(["prepare", "--tissue", "off", *words]) == 0
    return out


@pytest.fixture(scope="session")
def banked(prepared: Path) -> list[BankedCase]:
    """The training cases."""
    return [BankedCase.of(PreparedCase.load(prepared / "cases" / f"{i}.npz")) for i in SPLITS["train"]]


@pytest.fixture(scope="session")
def bank(prepared: Path) -> list[PlacedHoles]:
    """Their placed holes."""
    return load_bank(prepared / "holes")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluate")
    tissue = tiny_maps(EVALUATED_SHAPE)[0]
    for seed, case_id in enumerate(IDS):
        folder = make_case(root / "cases" / case_id, shape=EVALUATED_SHAPE, seed=seed)
        holes = np.zeros(EVALUATED_SHAPE, np.uint8)
        holes[9:17, 24:34, 7:13] = 1
        case = open_case(folder)
        write_nifti(folder / f"{case_id}_holes.nii.gz", holes * (tissue > 0), case.labels_source.affine)
        (root / "tissue").mkdir(exist_ok=True)
        np.savez(root / "tissue" / f"{case_id}.npz", tissue=tissue[::-1, ::-1])
    (root / "cases" / "splits.json").write_text(json.dumps({"train": [], "val": [], "test": list(IDS)}))
    torch.manual_seed(0)
    write_model(
        root / "models" / "m3",
        NoiseNet(NET),
        name="m3",
        kind="diffusion",
        network="UNet2DModel",
        presets={"standard": {"steps": 3}},
    )
    write_model(root / "models" / "m5")
    write_referee(root / "models" / "m4")
    return root


@pytest.fixture
def installed(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("seg_editor.generation.registry.resource_path",):
        monkeypatch.setattr(name, lambda *parts: data.joinpath(*parts))
    return data


@pytest.fixture(scope="session")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch, single_thread():
        patch.setattr("seg_editor.generation.registry.resource_path", lambda *parts: data.joinpath(*parts))
        out = tmp_path_factory.mktemp("out")
        assert run(data, out) == 0
    return out

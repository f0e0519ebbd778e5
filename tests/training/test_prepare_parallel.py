from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import make_case
from tests.training.test_slices import write_maps
from training.cli import main
from training.prepare.job import CaseJob, run_case
from training.prepare.parallel import run_jobs
from training.prepare.pipeline import Splits, prepare

IDS = [f"BraTS2021_8300{i}" for i in range(5)]
SPLITS = Splits(tuple(IDS[:4]), tuple(IDS[4:]), ())


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parallel")
    for seed, case_id in enumerate(IDS):
        make_case(root / "cases" / case_id, seed=seed)
    write_maps(root / "cases", root / "tissue")
    bad = root / "cases" / IDS[1] / f"{IDS[1]}_t2.nii.gz"
    bad.write_bytes(bad.read_bytes()[:500])
    return root


@pytest.fixture(scope="module")
def alone(raw: Path) -> Path:
    """What one process makes of the cases."""
    assert len(prepare(raw / "cases", raw / "alone", SPLITS, tissue=raw / "tissue")) == 1
    return raw / "alone"


def contents(folder: Path) -> dict[str, bytes]:
    """Everything but measured times."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {k: v for k, v in found.items() if not k.startswith("done") and k != "manifest.json"}


def test_two_processes_make_the_same(raw: Path, alone: Path) -> None:
    failures = prepare(raw / "cases", raw / "two", SPLITS, tissue=raw / "tissue", workers=2)
    assert len(failures) == 1
    assert IDS[1] in failures[0]
    assert contents(raw / "two") == contents(alone)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A real scheduler and two worker processes on loopback."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as made:
        yield made


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_makes_the_same(
    raw: Path, alone: Path, cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "splits.json").write_text(json.dumps({"train": SPLITS.train, "val": SPLITS.val, "test": []}))
    words = ["--cases", str(raw / "cases"), "--out", str(raw / "dask"), "--tissue", str(raw / "tissue")]
    words += ["--splits", str(raw / "splits.json"), "--scheduler", cluster.scheduler_address]
    assert main(["prepare", *words]) == 3
    assert IDS[1] in capsys.readouterr().err
    assert contents(raw / "dask") == contents(alone)


@pytest.mark.filterwarnings("ignore")
def test_a_dask_worker_may_start_processes(cluster: Any) -> None:
    """Dask's workers are daemons; ANTs runs in a process of its own."""
    jobs = [CaseJob(Path("/nowhere/none"), Path("/nowhere"), "train")]
    assert "nowhere" in next(run_jobs(jobs, scheduler=cluster.scheduler_address))["error"]
    with __import__("distributed").Client(cluster.scheduler_address) as client:
        assert client.submit(_child_of_a_worker, pure=False).result() == 0


def _child_of_a_worker() -> int | None:
    import multiprocessing

    from training.prepare.job import allow_children

    allow_children()
    child = multiprocessing.get_context("spawn").Process(target=os.getpid)
    child.start()
    child.join()
    return child.exitcode


def test_nothing_answers(raw: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("training.prepare.parallel._CONNECT_SECONDS", "0.5s")
    words = ["--cases", str(raw / "cases"), "--out", str(raw / "none"), "--tissue", "off"]
    assert main(["prepare", *words, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "no dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_a_worker_that_dies_costs_its_cases_only(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [CaseJob(raw / "cases" / i, raw / "dead", "train") for i in IDS[:2]]
    monkeypatch.setattr("training.prepare.parallel.run_case", die)
    found = list(run_jobs(jobs, workers=2))
    assert {r["case_id"] for r in found} == set(IDS[:2])
    assert all("its worker ended early" in r["error"] for r in found)


def die(job: CaseJob) -> dict[str, Any]:
    os._exit(9)


def test_a_restart_does_only_what_changed(raw: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(alone, out)
    job = CaseJob(raw / "cases" / IDS[0], out, "train", tissue=raw / "tissue")
    assert run_case(job)["fresh"] is False
    (out / "slices" / "cases" / f"{IDS[0]}.npz").write_bytes(b"cut")
    assert run_case(job)["fresh"] is True
    changed = tmp_path / "cases" / IDS[0]
    shutil.copytree(raw / "cases" / IDS[0], changed)
    image = changed / f"{IDS[0]}_t1.nii.gz"
    image.write_bytes((raw / "cases" / IDS[2] / f"{IDS[2]}_t1.nii.gz").read_bytes())
    assert run_case(CaseJob(changed, out, "train", tissue=raw / "tissue"))["fresh"] is True
    (out / "done" / f"{IDS[0]}.json").write_text("{}")
    assert run_case(job)["fresh"] is True


def test_an_unexpected_error_is_one_line(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("training.prepare.volumes.prepare_opened", broken)
    found = run_case(CaseJob(raw / "cases" / IDS[0], tmp_path, "train"))
    assert found["error"].endswith("RuntimeError: two lines")


def agreed() -> dict[str, float]:
    """What the atlas says of a map with right names."""
    names = {"CSF": 0.8, "Gray matter": 0.7, "White matter": 0.8}
    return names | {f"{name} by another name": 0.2 for name in names} | {"permuted": 0.3}


def test_the_agreement_with_the_atlas_is_told(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = agreed()
    monkeypatch.setattr("seg_editor.anatomy.atlas.prior_agreement", lambda *_, **__: agreement)
    told: list[str] = []
    one = Splits((IDS[0],), (), ())
    prepare(raw / "cases", tmp_path / "out", one, tissue=raw / "tissue", atlas=tmp_path, say=told.append)
    assert told[0] == (
        f"{IDS[0]} prepared; Dice with the atlas, in brackets the best by another name: "
        "CSF 0.80 (0.20), Gray matter 0.70 (0.20), White matter 0.80 (0.20); "
        "mean 0.77, with the names permuted at best 0.30"
    )


def test_tissue_names_that_disagree_with_the_atlas(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = agreed()
    monkeypatch.setattr("seg_editor.anatomy.atlas.prior_agreement", lambda *_, **__: agreement)
    job = CaseJob(raw / "cases" / IDS[0], tmp_path, "train", tissue=raw / "tissue", atlas=tmp_path)
    assert run_case(job)["prior"] == agreement
    agreement["permuted"] = 0.9
    (tmp_path / "done" / f"{IDS[0]}.json").unlink()
    assert "the tissue names disagree with the atlas (0.77 against 0.90 permuted)" in run_case(job)["error"]


@pytest.mark.slow
def test_tissue_is_computed(tmp_path: Path) -> None:
    pytest.importorskip("ants")
    folder = make_case(tmp_path / "cases" / "BraTS2021_83100", shape=(48, 56, 40))
    found = run_case(CaseJob(folder, tmp_path / "out", "train", tissue="auto"))
    assert "error" not in found
    assert found["slices"] > 20
    with np.load(tmp_path / "out" / "slices" / "cases" / "BraTS2021_83100.npz") as z:
        assert set(np.unique(z["masks"])) == {0, 1, 2, 3, 4}

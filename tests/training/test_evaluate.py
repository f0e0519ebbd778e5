"""``seg-train evaluate`` on two tiny cases with untrained networks, from the command line to the table."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seg_editor.cases import Modality, open_case
from seg_editor.errors import CaseError
from seg_editor.generation.complete import complete
from seg_editor.generation.diffusion import Start, make_scheduler
from seg_editor.generation.paper_engine import DiffusionEngine, whole_volume
from seg_editor.generation.referee import find_referee
from seg_editor.generation.registry import load_model
from seg_editor.generation.unet import NoiseNet
from seg_editor.metrics.intervals import Interval
from tests.models import write_model
from tests.threads import one_thread, single_thread  # noqa: F401
from tests.tiny import make_case
from tests.training.evaluating import IDS, NET, SHAPE, rows_of, run
from training.cli import main
from training.evaluate import baselines, job, table
from training.evaluate.methods import BaselineMethod, Mode, SourceMethod, method_of, request_of
from training.evaluate.names import BASELINES
from training.evaluate.scoring import Scores
from training.evaluate.subject import Subject, spread


def test_every_row_is_there(finished: Path) -> None:
    rows = rows_of(finished, model="m3")
    assert [(r["mode"], r["start"], r["hole_fill"], r["composition"]) for r in rows] == [
        (mode, start, fill, composition)
        for mode, start, fills, compositions in (
            ("counterfactual", "from_noise", ("zero", "prior"), ("slice", "hole")),
            ("counterfactual", "strength", ("zero", "prior"), ("slice", "hole")),
            ("reconstruction", "from_noise", ("",), ("slice",)),
            ("reconstruction", "strength", ("",), ("slice",)),
            ("healthy-hole", "from_noise", ("zero", "prior"), ("slice",)),
        )
        for fill in fills
        for composition in compositions
    ]
    assert {(r["seeds"], r["n_patients"], r["n_slices"]) for r in rows} == {(2, 2, 6)}
    assert [r["steps"] for r in rows_of(finished, model="m5", mode="counterfactual")] == [1, 3]
    assert [r["seeds"] for r in rows_of(finished, model="m5", mode="counterfactual")] == [1, 2]
    assert {r["model"] for r in rows_of(finished)} == {"source", "harmonic", "donor", "m3", "m5"}


def test_figures_have_bounds(finished: Path) -> None:
    for row in rows_of(finished):
        for name, f in row["metrics"].items():
            if name.startswith(("fid_", "kid_")):
                assert f["lo"] is f["hi"] is None
                healthy = row["mode"] == "healthy-hole"
                assert (f["floor"] is None) == (f["shares_pixels"] or healthy)
                assert f["images"] == row["n_slices"]
                assert f["shares_pixels"] == (row["composition"] == "hole" and not healthy)
            else:
                assert f["lo"] <= f["hi"], name
            assert np.isfinite(f["value"]), name
    (source,) = rows_of(finished, model="source", mode="counterfactual")
    assert source["metrics"]["diffmap_iou@0.10"]["value"] == 0
    assert source["metrics"]["ssim_paper"]["value"] == pytest.approx(1, abs=1e-3)
    (same,) = rows_of(finished, model="source", mode="reconstruction")
    assert same["metrics"]["ssim_brain"]["value"] == pytest.approx(1)
    for row in rows_of(finished, composition="hole", mode="counterfactual"):
        assert row["metrics"]["change_outside"]["value"] <= 0.5
    whole = rows_of(finished, model="m3", composition="slice", mode="counterfactual")
    assert all(r["metrics"]["change_outside"]["value"] > 1 for r in whole)


def test_the_paper_s_numbers_stand_where_they_were_made(finished: Path) -> None:
    found = {
        (r["model"], r["mode"], r["start"], r["hole_fill"], r["composition"], name): f["paper"]
        for r in rows_of(finished)
        for name, f in r["metrics"].items()
        if "paper" in f
    }
    whole = ("m3", "counterfactual", "strength", "zero", "slice")
    assert found == {
        (*whole, "tumor_residual_paper"): 0.5455,
        (*whole, "diffmap_iou_paper"): 0.1570,
        (*whole, "ssim_paper"): 0.7115,
        ("m3", "reconstruction", "strength", "", "slice", "gen_dice_paper"): 0.6881,
        ("m3", "reconstruction", "from_noise", "", "slice", "fid_m4"): 58.1257,
        ("m3", "reconstruction", "from_noise", "", "slice", "kid_m4"): 0.1327,
    }
    text = (finished / "table2.md").read_text()
    assert "## The referee on the real slices (2 patients, 6 slices)" in text
    assert "| Dice tumor | " in text
    assert "| *floor* | *" in text
    assert "| *ceiling* | *" in text
    assert "(paper 0.545)" in text
    assert "| False tumor on tumor-free slices | of the brain's voxels | " in text


def test_all_files_are_written(finished: Path) -> None:
    assert {p.name for p in (finished / "figures").iterdir()} == {
        "fig7_table.png",
        "sweep_diffmap.png",
        "profiles.png",
        "calibration_referee.png",
    }
    kept = json.loads((finished / "table2.json").read_text())["calibration"]
    assert len(kept) == len(IDS)
    assert set(kept) == {p.name for p in (finished / "cache").glob("calibration_*.json")}
    text = (finished / "table2.md").read_text()
    assert "† (n=6)" in text
    assert "m3, strength 0.70, DDPM 4, hole tissue, composited" in text
    assert "n = 2 patients, 6 slices; 2 seeds where a row draws noise, else 1." in text
    lines = list(csv.DictReader((finished / "per_slice.csv").read_text().splitlines()))
    assert {r["case_id"] for r in lines} == set(IDS)
    tex = (finished / "table2.tex").read_text()
    assert tex.startswith("\\begin{tabular}")
    assert "$^\\dagger$ (n=6)" in tex
    figures = list(csv.DictReader((finished / "table2.csv").read_text().splitlines()))
    assert sum(len(r["metrics"]) for r in rows_of(finished)) == len(figures)


def test_a_second_run_makes_nothing(finished: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (finished / "table2.json").read_text()

    def never(*_: Any) -> None:
        raise AssertionError("made again")

    for method in ("DiffusionMethod", "InpaintMethod", "BaselineMethod", "SourceMethod"):
        monkeypatch.setattr(f"training.evaluate.methods.{method}.make", never)
    assert run(installed, finished) == 0
    assert (finished / "table2.json").read_text() == before


def test_the_sampler_of_the_command_line_runs(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def watched(solver: Any, steps: int) -> Any:
        scheduler = make_scheduler(solver, steps)
        made.append(type(scheduler).__name__)
        return scheduler

    monkeypatch.setattr("seg_editor.generation.diffusion.make_scheduler", watched)
    more = ("--models", "m3", "--baselines", "none", "--seeds", "1", "--limit-slices", "1", "--only", IDS[0])
    assert run(installed, tmp_path, *more, "--sampler", "ddim") == 0
    assert set(made) == {"DDIMScheduler"}
    assert {r["sampler"] for r in rows_of(tmp_path, model="m3")} == {"ddim"}


def test_parts_make_what_the_whole_makes(installed: Path, tmp_path: Path) -> None:
    whole = job.EvalJob(
        installed / "cases" / IDS[0],
        tmp_path / "whole",
        ("m3", "m5"),
        ("harmonic",),
        seeds=1,
        limit=2,
        steps=2,
        tissue=installed / "tissue",
    )
    pieces = whole.parts()
    assert [(p.models, p.baselines, p.source) for p in pieces] == [
        (("m3",), (), False),
        (("m5",), (), False),
        ((), ("harmonic",), True),
    ]
    made = list(job.evaluate_case(whole))
    apart = [r for p in pieces for r in job.evaluate_case(replace(p, out=tmp_path / "parts"))]
    assert {(r.row, r.seed) for r in made} == {(r.row, r.seed) for r in apart}
    names = [{p.name for p in (tmp_path / folder / "cache").iterdir()} for folder in ("whole", "parts")]
    assert names[0] == names[1]


def test_an_unconditional_network_makes_one_picture_for_all_modes(installed: Path) -> None:
    torch.manual_seed(0)
    folder = write_model(
        installed / "models" / "m1",
        NoiseNet(replace(NET, mask=False)),
        name="m1",
        kind="diffusion",
        network="UNet2DModel",
        presets={"standard": {"steps": 3}},
    )
    subject = Subject.read(installed / "cases" / IDS[0], tissue=installed / "tissue", limit=2)
    method = method_of(load_model(folder, "cpu"), steps=2)
    arms = [a for a in method.arms if a.sampling is not None and a.sampling.start is Start.NOISE]
    assert [(str(a.mode), a.to_json()["hole_fill"]) for a in arms] == [
        ("counterfactual", ""),
        ("reconstruction", ""),
        ("healthy-hole", ""),
    ]
    first, second = (method.make(subject, a, 0) for a in arms[:2])
    assert np.array_equal(first, second)
    assert not np.array_equal(first, method.make(subject, arms[0], 1))


def test_half_precision_is_another_result(installed: Path) -> None:
    subject = Subject.read(installed / "cases" / IDS[0], tissue=installed / "tissue", limit=2)
    full, half = (method_of(load_model("m3", "cpu"), steps=2, half=h) for h in (False, True))
    arm = full.arms[0]
    requests = [request_of(m, arm, subject, 0, "") for m in (full, half)]
    assert requests[0] != requests[1]
    made = [m.make(subject, arm, 0) for m in (full, half)]
    spread_of = float(np.ptp(made[0]))
    assert 0 < np.abs(made[0] - made[1]).max() < 0.2 * spread_of


def test_a_worker_makes_the_same(installed: Path, tmp_path: Path, finished: Path) -> None:
    jobs = [
        job.EvalJob(installed / "cases" / i, tmp_path, (), ("harmonic",), limit=3, tissue=installed / "tissue")
        for i in IDS
    ]
    assert [job.run_case(j) for j in jobs] == [{"case_id": i, "made": 4} for i in IDS]
    assert run(installed, tmp_path, "--models", "", "--baselines", "harmonic") == 0
    both = [rows_of(folder, model="harmonic", mode="healthy-hole") for folder in (tmp_path, finished)]
    assert both[0] == both[1]


def test_a_case_without_segmentation_is_refused(tmp_path: Path) -> None:
    folder = make_case(tmp_path / IDS[0], segmentation=False)
    with pytest.raises(CaseError, match="needs FLAIR and a segmentation"):
        Subject.read(folder)


def test_slices_are_spread() -> None:
    assert spread([3, 4, 5], None) == (3, 4, 5)
    assert spread([3, 4, 5], 5) == (3, 4, 5)
    assert spread(list(range(11)), 1) == (5,)
    assert spread(list(range(11)), 4) == (2, 4, 6, 8)


@pytest.mark.parametrize("count", [20, 40, 60, 110, 155])
@pytest.mark.parametrize("limit", [1, 3, 8])
def test_the_floor_of_fid_is_of_slices_midway_between_those_that_count(count: int, limit: int) -> None:
    usable = list(range(7, 7 + count))
    counted = spread(usable, limit)
    other = job.midway(counted, usable)
    assert len(set(other)) == len(counted)
    assert set(other) <= set(usable)
    spacing = min(b - a for a, b in pairwise([*counted, usable[-1]]))
    assert min(abs(a - b) for a in other for b in counted) == spacing // 2


def test_the_floor_of_fid_needs_room_between_the_slices() -> None:
    assert job.midway((), [4, 5]) == ()
    assert job.midway((4, 5, 6), [4, 5, 6, 7]) == ()
    assert job.midway((4, 8), [4, 5, 7, 8, 9, 10]) == ()  # 6 has too little brain
    assert job.midway((4, 8), [4, 5, 6, 7, 8, 9, 10]) == (6, 9)


def test_the_floor_of_fid_is_kept_and_takes_no_neighbors(installed: Path, tmp_path: Path) -> None:
    class Seen:
        def __init__(self, name: str) -> None:
            self.name = name
            self.slices: list[Sequence[int]] = []

        def __call__(self, subject: Subject, slices: Sequence[int], made: NDArray[np.float32]) -> NDArray[np.float32]:
            self.slices.append(slices)
            return np.asarray(made.mean((1, 2))[:, None], np.float32)

    wanted = job.EvalJob(installed / "cases" / IDS[0], tmp_path, ())
    subject = Subject.read(wanted.folder, tissue=installed / "tissue", limit=2)
    referee = find_referee("cpu")
    assert referee is not None
    one, two = Seen("one"), Seen("two")
    first = job._others(wanted, subject, referee, [one])
    both = job._others(wanted, subject, referee, [one, two])
    assert np.array_equal(first["one"], both["one"])
    assert {name: features.shape for name, features in both.items()} == {"one": (2, 1), "two": (2, 1)}
    assert one.slices == two.slices  # each once
    (slices,) = one.slices
    assert min(abs(a - b) for a in slices for b in subject.slices) > 1


def test_baselines_are_those_the_command_line_names() -> None:
    assert tuple(baselines.FILLS) == BASELINES


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_look_at_known_voxels_only(name: str, data: Path) -> None:
    case = open_case(data / "cases" / IDS[0])
    hole = np.zeros(SHAPE, bool)
    hole[10:16, 22:30, 8:12] = True
    hole &= case.brain
    assert case.tumor is not None
    known = case.brain & ~hole & ~case.tumor
    volume = case.volumes[case.modalities[0]].values()
    fill = baselines.FILLS[name]
    first = fill(volume, hole, known)
    assert np.array_equal(first[~hole], volume[~hole])
    assert np.isfinite(first).all()
    other = np.where(known, volume, 1000 + volume).astype(np.float32)
    np.testing.assert_allclose(fill(other, hole, known)[hole], first[hole], rtol=1e-5)
    low, high = volume[known].min(), volume[known].max()
    assert ((first[hole] >= low - 1) & (first[hole] <= high + 1)).all()


def result(case_id: str, seed: int, above: float, below: float) -> job.Result:

    scores = Scores((1,), [{"tumor_residual": (above, below), "tumor_residual_paper": (above, below)}])
    return job.Result(case_id, "m3", SourceMethod.arms[0].to_json(), "hole", seed, scores, {})


def test_distances_of_healthy_holes_are_to_the_truth_of_the_same_slices() -> None:
    random = np.random.default_rng(0)
    truth = {p: random.normal(size=(4, 3)).astype(np.float32) for p in "ab"}
    tumors = {p: random.normal(5, 1, size=(4, 3)).astype(np.float32) for p in "ab"}
    found = []
    for p in "ab":
        scores, whole, holes = Scores((1, 2, 3, 4), []), SourceMethod.arms[0], BaselineMethod("harmonic").arms[1]
        known = {"truth": {"m4": truth[p], "net-crops": truth[p]}, "others": {"m4": tumors[p]}}
        found.append(job.Result(p, "source", whole.to_json(), "hole", 0, scores, {"m4": tumors[p]}, **known))
        for method, far in (("same", 0), ("far", 1)):
            made = {"m4": truth[p] + far, "net-crops": truth[p] + 2 * far}
            found.append(job.Result(p, method, holes.to_json(), "hole", 0, scores, made))
    rows = {r.method: r for r in table.make_rows(found)}
    assert rows["same"].figures["fid_m4"].value == pytest.approx(0, abs=1e-3)
    assert rows["far"].figures["fid_m4"].value == pytest.approx(3, abs=1e-3)
    assert rows["far"].figures["fid_net-crops"].value == pytest.approx(12, abs=1e-3)
    assert rows["far"].images == dict.fromkeys(("fid_m4", "kid_m4", "fid_net-crops", "kid_net-crops"), 8)
    assert not rows["far"].floors
    assert not rows["far"].shares_pixels


def test_ours_is_a_mean_over_patients_and_the_paper_s_is_pooled() -> None:
    rows = table.make_rows(
        [result("a", 0, 1, 10), result("a", 1, 3, 10), result("b", 0, 30, 30), result("b", 1, 30, 30)]
    )
    (row,) = rows
    assert (row.seeds, row.patients, row.slices) == (2, ["a", "b"], 2)
    assert row.figures["tumor_residual"].value == pytest.approx((0.2 + 1) / 2)
    assert row.figures["tumor_residual_paper"].value == pytest.approx(64 / 80)
    assert row.figures["tumor_residual"] == Interval(pytest.approx(0.6), pytest.approx(0.2), pytest.approx(1.0))


def test_a_baseline_is_composited(data: Path) -> None:
    subject = Subject.read(data / "cases" / IDS[0], tissue=data / "tissue", limit=3)
    method = BaselineMethod("harmonic")
    made = method.make(subject, method.arms[0], 0)
    composed = job.compose(subject, Mode.COUNTERFACTUAL, made)
    outside = ~np.moveaxis(subject.tumor_hole.mask[:, :, list(subject.slices)], 2, 0)
    source = np.moveaxis(subject.flair[:, :, list(subject.slices)], 2, 0)
    assert np.array_equal(composed[outside], source[outside])


def reconstruction(case_id: str, method: str, start: str, gen_dice: float) -> job.Result:
    arm = SourceMethod.arms[1].to_json() | {"start": start}
    return job.Result(case_id, method, arm, "slice", 0, Scores((1,), [{"gen_dice_paper": (8 * gen_dice, 8)}]), {})


def test_what_the_source_adds_is_paired_by_patient() -> None:
    values = {
        ("m1", "from_noise"): (0.2, 0.6),
        ("m1", "strength"): (0.5, 0.9),
        ("m2", "from_noise"): (0.4, 0.8),
        ("m2", "strength"): (0.6, 1.0),
    }
    found = [
        reconstruction(case_id, method, start, value)
        for (method, start), pair in values.items()
        for case_id, value in zip("ab", pair, strict=True)
    ]
    rows = {(r.method, r.arm["start"]): r.figures for r in table.make_rows(found)}
    same = pytest.approx
    assert rows["m1", "strength"]["gen_dice_gain"] == Interval(same(0.3), same(0.3), same(0.3))
    assert rows["m2", "strength"]["gen_dice_gain"] == Interval(same(0.2), same(0.2), same(0.2))
    assert rows["m2", "strength"]["gen_dice_lead"] == Interval(same(0.1), same(0.1), same(0.1))
    assert rows["m2", "from_noise"]["gen_dice_lead"].value == same(0.2)
    assert "gen_dice_gain" not in rows["m2", "from_noise"]
    assert "gen_dice_lead" not in rows["m1", "strength"]
    wide = rows["m2", "strength"]["gen_dice_paper"]
    assert wide.high - wide.low > 0.3  # unpaired, the two patients are far apart


def test_a_table_is_written_again_from_its_json(finished: Path, tmp_path: Path) -> None:
    names = ("table2.md", "table2.csv", "table2.tex")
    (tmp_path / "table2.json").write_text((finished / "table2.json").read_text())
    assert main(["table", "--run", str(tmp_path)]) == 0
    for name in names:
        assert (tmp_path / name).read_text() == (finished / name).read_text(), name


def test_the_best_is_bold_and_bounds_do_not_compete(finished: Path) -> None:
    text = (finished / "table2.md").read_text()
    healthy = text.split("### Against the truth")[1].split("##")[0].strip().splitlines()
    column = healthy[0].split("|").index(" MSE ↓ ")
    cells = {line.split("|")[1].strip(): line.split("|")[column].strip() for line in healthy[2:]}
    values = {row: float(c.strip("*").split("*")[0].split()[0]) for row, c in cells.items() if row[0] != "*" and c}
    best = min((v, row) for row, v in values.items() if row != "donor")[1]
    assert [row for row, c in cells.items() if c.startswith("**")] == [best]
    assert not [line for line in text.splitlines() if "**-" in line], "a negative KID is no best"
    assert "## The paper's table beside ours" in text
    assert "| TumorResidual ↓ | of the tumor's voxels | " in text
    assert "| DiffMap IoU if every voxel of the hole changes | 0 to 1 | 0." in text


def test_the_rows_are_printed_as_json(finished: Path, installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(installed, finished, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == rows_of(finished)
    lead = {"model", "mode", "start", "sampler", "steps", "seeds", "n_patients", "n_slices"}
    for row in rows:
        assert lead <= set(row)
        for name, f in row["metrics"].items():
            assert {"value", "lo", "hi", "floor", "ceiling"} <= set(f), name


def test_the_table_judges_what_the_editor_makes(installed: Path) -> None:
    subject = Subject.read(installed / "cases" / IDS[0], tissue=installed / "tissue", limit=2)
    model, volume = load_model("m3", "cpu"), subject.case.volumes[Modality.FLAIR]
    method = method_of(model, steps=3)
    engine = DiffusionEngine(
        model, tissue=lambda _, at: np.asarray(subject.planes(subject.tissue, tuple(at)), np.uint8)
    )
    hole = whole_volume(subject.tumor)
    arms = [a for a in method.arms if a.mode is Mode.COUNTERFACTUAL]
    assert len(arms) == 4
    for arm in arms:
        request = engine.plan(
            subject.case,
            hole,
            slices=subject.slices,
            seed=42,
            steps=3,
            modalities=[Modality.FLAIR],
            sampling=arm.sampling,
        )
        result = complete(engine.run(subject.case, hole, request))
        edited = [volume.scaled(result.slice_raw(subject.case, Modality.FLAIR, k)) for k in subject.slices]
        np.testing.assert_allclose(method.make(subject, arm, 0), edited, atol=0.51)  # the editor's is rounded

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training.cli import main
from training.evaluate.curves import _read
from training.evaluate.number_figures import _calibration


def table_row(model: str, **changes: object) -> dict[str, object]:
    metrics = {
        name: {"value": v, "lo": v - 0.1, "hi": v + 0.1, "floor": None, "ceiling": None}
        for name, v in (
            ("tumor_residual", 0.3),
            ("diffmap_iou@0.05", 0.4),
            ("diffmap_iou@0.10", 0.5),
            ("texture", 0.9),
            ("seam", 1.1),
        )
    }
    row: dict[str, object] = {
        "model": model,
        "mode": "counterfactual",
        "start": "",
        "sampler": "",
        "hole_fill": "",
        "steps": 0,
        "composition": "hole",
        "seeds": 3,
        "n_patients": 2,
        "n_slices": 16,
        "metrics": metrics,
    }
    return row | changes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "cache").mkdir(parents=True)
    rows = [table_row("harmonic"), table_row("m3", start="from_noise", hole_fill="zero", steps=50, composition="slice")]
    (folder / "table2.json").write_text(json.dumps({"rows": rows}))
    head = "case_id,slice,model,mode,start,sampler,hole_fill,steps,composition,seed,metric,value,weight"
    lines = [f"a,{k},m3,counterfactual,from_noise,ddpm,zero,50,slice,0,tumor_residual,0.{k},9" for k in (1, 2)]
    (folder / "per_slice.csv").write_text("\n".join([head, *lines]))
    bins = {"count": [9, 0, 1], "probability": [0.9, 0, 0.9], "tumor": [0, 0, 1]}
    (folder / "cache" / "calibration_x.json").write_text(json.dumps({"case_id": "a", "bins": bins}))
    return folder


def test_figures_are_pictures(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr("training.evaluate.figures.find_referee", lambda device: None)
    curves = tmp_path / "runs" / "m3"
    curves.mkdir(parents=True)
    points = [{"step": k, "loss": 1 / k, "val_loss": 2 / k, "val_ssim": k / 10} for k in (1, 2, 3)]
    (curves / "stats.jsonl").write_text("\n".join(map(json.dumps, points)) + '\n{"kind": "end"}\n')
    out = tmp_path / "figures"
    assert main(["figures", "--run", str(run), "--training", str(tmp_path / "runs"), "--out", str(out)]) == 0
    names = {p.stem for p in out.iterdir()}
    assert names == {
        "fig6_learning",
        "fig7_table",
        "fig8_val_ssim",
        "sweep_diffmap",
        "profiles",
        "calibration_referee",
    }
    for path in out.iterdir():
        assert np.ptp(np.asarray(Image.open(path))) > 100


def test_a_last_record_that_is_cut_off_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stats = tmp_path / "m3" / "stats.jsonl"
    stats.parent.mkdir()
    whole = [json.dumps({"step": k, "loss": 1 / k}) for k in (1, 2, 3)]
    for rest in ("", '{"step": 4, "lo', '{"step": 4, "note": "\N{MULTIPLICATION SIGN}'):
        stats.write_bytes("\n".join([*whole, rest]).encode()[: -1 if "note" in rest else None])
        assert [record["step"] for record in _read(tmp_path, "m3")] == [1, 2, 3]
    stats.write_text("\n".join([whole[0], '{"step": 2, "lo', whole[2]]))
    assert main(["figures", "--training", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    said = f"seg-train: {stats}: record 2 of 3 is no JSON. Take out that line, or leave the run out."
    assert capsys.readouterr().err.strip() == said


@pytest.mark.parametrize(
    "changes",
    [
        {"composition": None},
        {"sampler": None},
        {"seeds": "three"},
        {"metrics": None},
        {"metrics": {"tumor_residual": 0.3}},
        {"metrics": {"tumor_residual": {"value": 0.3}}},
        {"metrics": {"tumor_residual": {"value": 0.3, "lo": None, "hi": None}}},
        {"metrics": {"tumor_residual": {"value": "0.3", "lo": 0.1, "hi": 0.4}}},
        {"metrics": {"hausdorff": {"value": 0.3, "lo": 0.1, "hi": 0.4}}},
        {"start": "strength"},
    ],
)
@pytest.mark.parametrize("command", ["table", "figures"])
def test_a_table_of_another_version_is_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], command: str, changes: dict[str, object]
) -> None:
    path = run / "table2.json"
    row = {k: v for k, v in table_row("m3", **changes).items() if v is not None}
    path.write_text(json.dumps({"rows": [table_row("m3"), row]}))
    assert main([command, "--run", str(run), *(["--out", str(run / "o")] if command == "figures" else [])]) == 2
    said = f"seg-train: {path}: row 2 is not as this version writes it. Run seg-train evaluate again."
    assert capsys.readouterr().err.strip() == said


@pytest.mark.parametrize("text", ['{"rows": [], "about": 1}', '{"rows": [], "calibration": [1]}', '{"rows": [1]}'])
def test_a_foreign_table_is_one_line(run: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (run / "table2.json").write_text(text)
    assert main(["table", "--run", str(run)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("not as this version writes it. Run seg-train evaluate again.")


def test_a_patient_is_counted_once_in_the_calibration(run: Path) -> None:
    cache = run / "cache"
    other = {"count": [9, 0, 1], "probability": [0.9, 0, 0.9], "tumor": [9, 0, 1]}
    (cache / "calibration_w.json").write_text(json.dumps({"case_id": "a", "bins": other}))
    (cache / "calibration_z.json").write_text(json.dumps({"case_id": "b", "bins": other}))
    assert _calibration(cache).axes[0].get_title().startswith("2 patients")
    named = _calibration(cache, ["calibration_x.json"])
    assert named.axes[0].get_title().startswith("1 patient,")
    assert list(named.axes[0].lines[-1].get_ydata()) == [0, 1]


def test_without_a_run_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figures", "--run", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "holds no table2.json" in capsys.readouterr().err

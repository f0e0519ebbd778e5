from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seg_editor import __version__, api, cli
from seg_editor.cases import Modality, open_case
from tests.cli.conftest import Run
from tests.tiny import make_case


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "m9"], "there is no model m9. Installed models: m4, m5."),
        (["--model", "m4"], "m4 does not fill holes"),
        (["--slices", "3,x"], "--slices 3,x is neither auto, all nor a list"),
        (["--slices", ""], "neither auto, all nor a list"),
        (["--slices", "700"], "there is no slice 700. Slices run from 0 to 19."),
        (["--slices", "0"], "holds no hole"),
        (["--modalities", "pet"], "--modalities pet names an unknown one. Choose from t1, t1c, t2, flair."),
        (["--preset", "best"], "m5 has no preset best. Choose one of preview, standard."),
        (["--steps", "0"], "0 sampling steps cannot be run"),
        (["--seed", "-1"], "cannot be negative"),
        (["--margin", "-1"], "the margin cannot be negative"),
        (["--steps", "many"], "argument --steps: invalid int value"),
        (["--start", "middle"], "--start middle is no start. Write noise, or strength=0.7"),
        (["--start", "noise=0.3"], "--start noise=0.3 is no start"),
        (["--start", "strength=2"], "--start strength=2 is no start"),
        (["--start", "strength=much"], "--start strength=much is no start"),
        (["--start", "noise"], "m5 has no choice of start, sampler or hole fill. Leave them out, or choose m2"),
        (["--sampler", "ddim"], "m5 has no choice of start, sampler or hole fill"),
        (["--hole-fill", "tissue"], "m5 has no choice of start, sampler or hole fill"),
        (["--hole-fill", "air"], "argument --hole-fill: invalid choice"),
        (["--sampler", "euler"], "argument --sampler: invalid choice"),
        (["--device", "tpu"], "argument --device: invalid choice"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_bad_options(run: Run, models: Path, case_folder: Path, tmp_path: Path, words: list[str], message: str) -> None:
    assert message in run("remove", case_folder, "--out", tmp_path / "out", *words).line
    assert not (tmp_path / "out").exists()


def test_a_slice_without_hole_is_named_as_in_the_file(run: Run, models: Path, tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, -1.0, 1.0])  # stored from the top down
    folder = make_case(tmp_path / "BraTS2021_90020", affine=affine)
    hole = api.remove(open_case(folder)).counterfactual.hole.slices
    line = run("remove", folder, "--out", tmp_path / "out", "--slices", "0").line
    assert f"slice 0 holds no hole. The hole spans slices {19 - hole[-1]} to {19 - hole[0]}." in line


def test_a_modality_that_the_case_lacks(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90015", modalities=(Modality.T1, Modality.FLAIR))
    line = run("remove", folder, "--out", tmp_path / "out", "--modalities", "t2").line
    assert "the case has no T2" in line


@pytest.mark.parametrize("command", ["remove", "segment"])
def test_bad_cases(run: Run, models: Path, case_folder: Path, tmp_path: Path, command: str) -> None:
    absent = tmp_path / "absent"
    assert str(absent) in run(command, absent, "--out", tmp_path / "out").line
    (tmp_path / "empty").mkdir()
    assert "no image of a case" in run(command, tmp_path / "empty", "--out", tmp_path / "out").line
    broken = case_folder / "BraTS2021_90001_flair.nii.gz"
    broken.write_bytes(broken.read_bytes()[:900])
    assert str(broken) in run(command, case_folder, "--out", tmp_path / "out").line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["remove", "segment", "inpaint"])
def test_an_output_folder_that_cannot_be(
    run: Run, models: Path, case_folder: Path, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    hole = ("--hole", case_folder / "BraTS2021_90001_seg.nii.gz") if command == "inpaint" else ()
    for out in (file, file / "below"):
        line = run(command, case_folder, "--out", out, *hole).line
        assert str(out) in line
    assert file.read_text() == ""


def test_an_output_folder_is_tried_before_anything_is_computed(
    run: Run, models: Path, case_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "open_case", lambda _: pytest.fail("the case was opened"))
    (tmp_path / "file").write_text("")
    assert "seg-editor: " in run("remove", case_folder, "--out", tmp_path / "file" / "x").line


def test_damaged_weights(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    weights = models / "m5" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    line = run("remove", case_folder, "--out", tmp_path / "out").line
    assert line.startswith(f"seg-editor: {weights}: the weights are not the ones that the card describes. Install")


def test_no_models_at_all(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    for name in ("m4", "m5"):
        (models / name / "card.json").unlink()
    assert "Installed models: none" in run("remove", case_folder, "--out", tmp_path / "out").line
    assert "there is no model m4" in run("segment", case_folder, "--out", tmp_path / "out").line


@pytest.mark.parametrize(
    "words",
    [
        ["remove"],
        ["remove", "x"],
        ["inpaint", "x", "--out", "o"],
        ["segment"],
        ["verify"],
        ["-x"],
        ["--"],
        ["demo", "x"],
    ],
)
def test_usage(run: Run, words: list[str]) -> None:
    assert "--help" in run(*words).line


def test_help_and_version(run: Run) -> None:
    answer = run("--version")
    assert (answer.code, answer.out.strip(), answer.err) == (0, f"seg-editor {__version__}", "")
    for command in cli.COMMANDS:
        answer = run(command, "--help")
        assert answer.code == 0
        assert answer.out.startswith(f"usage: seg-editor {command}")


# -- internal errors


def test_an_internal_error_names_the_log(
    run: Run, models: Path, case_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(api, "remove", lambda *_, **__: 1 / 0)
    answer = run("remove", case_folder, "--out", tmp_path / "out", "--json")
    assert answer.code == 1
    assert answer.out == ""
    line = answer.err.splitlines()[-1]
    assert line.startswith("seg-editor: internal error (ZeroDivisionError); details in ")
    assert "Traceback" not in answer.err
    log = Path(line.rpartition(" in ")[2])
    assert log.is_relative_to(tmp_path / "state")
    assert "ZeroDivisionError: division by zero" in log.read_text()
    assert __version__ in log.read_text()


def test_a_log_that_cannot_be_written_goes_elsewhere(
    run: Run, models: Path, case_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(api, "remove", lambda *_, **__: 1 / 0)
    answer = run("remove", case_folder, "--out", tmp_path / "out")
    assert answer.code == 1
    assert "ZeroDivisionError" in (tmp_path / "seg-editor.log").read_text()


def test_ctrl_c(run: Run, models: Path, case_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "remove", interrupt)
    answer = run("remove", case_folder, "--out", tmp_path / "out")
    assert answer.code == 130
    assert answer.err.splitlines()[-1] == "seg-editor: interrupted, nothing was written"
    assert not (tmp_path / "out").exists()

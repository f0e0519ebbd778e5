from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from seg_editor import __version__, api, cli
from seg_editor.cases import Layout, Modality, open_case
from seg_editor.errors import CaseError, UsageError
from seg_editor.generation import registry
from tests.models import write_model, write_referee
from tests.tiny import SEGMENTATION, brats_affine, make_case, write_nifti

SHAPE = (24, 28, 20)


@dataclasses.dataclass
class Answer:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        assert self.code == 2
        assert self.out == ""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.replace("\r", "\n").splitlines() if line.strip() and "%|" not in line]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("seg-editor")
        return lines[0]

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the program."""

    def call(*words: object) -> Answer:
        try:
            code = cli.main([str(w) for w in words])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return call


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of small bundled models: m5 and m4."""
    monkeypatch.setattr(registry, "resource_path", lambda *parts: tmp_path.joinpath("installed", *parts))
    write_model(tmp_path / "installed" / "models" / "m5")
    write_referee(tmp_path / "installed" / "models" / "m4")
    return tmp_path / "installed" / "models"


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def file_slice(case_folder: Path) -> int:
    """Index, along the file's slice axis, of a slice with tumor."""
    path = next(p for p in case_folder.iterdir() if "seg" in p.name)
    return int((np.asarray(nib.load(path).dataobj) > 0).sum((0, 1)).argmax())


# -- remove


def test_remove_writes_everything_and_says_so(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    out, k = tmp_path / "out", file_slice(case_folder)
    answer = run("remove", case_folder, "--out", out, "--slices", f"{k},{k + 1}", "--seed", 4, "--json")
    found = answer.document
    assert answer.out.count("\n") == 1
    assert (found["case_id"], found["model"], found["seed"], found["steps"]) == ("BraTS2021_90001", "m5", 4, 3)
    assert (found["device"], found["runtime"]) == ("cpu", "torch-cpu")
    assert [row["index"] for row in found["slices"]] == [k, k + 1]
    assert all(row["change_outside_max"] == 0 for row in found["slices"])
    assert all(row["tumor_residual"] is not None for row in found["slices"])
    assert sorted(found["files"]) == sorted(p.name for p in out.iterdir())
    metrics = next(out.glob("*_metrics.json"))
    assert json.loads(metrics.read_text()) == found
    source = nib.load(case_folder / "BraTS2021_90001_flair.nii.gz")
    written = nib.load(out / "BraTS2021_90001_flair_synthetic.nii.gz")
    assert written.get_data_dtype() == source.get_data_dtype()
    assert np.array_equal(written.affine, source.affine)
    before, after = np.asarray(source.dataobj), np.asarray(written.dataobj)
    changed = np.unique(np.nonzero(before != after)[2])
    assert changed.tolist() == [k, k + 1]
    labels = np.asarray(nib.load(case_folder / "BraTS2021_90001_seg.nii.gz").dataobj)
    edited = np.asarray(nib.load(out / "BraTS2021_90001_seg_edited.nii.gz").dataobj)
    assert not edited[:, :, k : k + 2].any()
    assert np.array_equal(np.delete(edited, [k, k + 1], 2), np.delete(labels, [k, k + 1], 2))


def test_remove_in_words(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    k = file_slice(case_folder)
    answer = run("remove", case_folder, "--out", tmp_path / "out", "--slices", k, "--modalities", "flair,t1ce")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("TumorResidual: ")
    assert lines[2] == "Change outside: 0.000"
    names = {Path(line).name for line in lines[3:]}
    assert "BraTS2021_90001_t1ce_synthetic.nii.gz" in names
    assert "BraTS2021_90001_t2_synthetic.nii.gz" not in names


def test_remove_opens_a_case_by_any_file(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    k = file_slice(case_folder)
    words = ("--slices", k, "--preset", "preview", "--json")
    one = run("remove", case_folder / "BraTS2021_90001_t2.nii.gz", "--out", tmp_path / "a", *words).document
    two = run("remove", case_folder, "--out", tmp_path / "b", *words).document
    assert one["hashes"]["results"].keys() == two["hashes"]["results"].keys()
    assert one["hashes"]["request"] == two["hashes"]["request"]


def test_remove_without_a_referee(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    (models / "m4" / "card.json").unlink()
    found = run("remove", case_folder, "--out", tmp_path / "o", "--slices", file_slice(case_folder), "--json").document
    assert found["overall"]["tumor_residual"] is None
    assert found["overall"]["tumor_residual_reason"]


def test_remove_in_the_2013_layout_with_two_modalities(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "pat", layout=Layout.BRATS2013, modalities=(Modality.T1C, Modality.FLAIR))
    answer = run("remove", folder, "--out", tmp_path / "out", "--preset", "preview", "--json")
    assert {n for n in answer.document["files"] if n.endswith("synthetic.nii.gz")} == {
        "pat_t1c_synthetic.nii.gz",
        "pat_flair_synthetic.nii.gz",
    }
    assert "note: T1 is missing" in answer.err


def test_a_missing_segmentation_has_a_remedy(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS-GLI-00027-000", layout=Layout.BRATS2023, segmentation=False)
    line = run("remove", folder, "--out", tmp_path / "out", "--json").line
    name = SEGMENTATION[Layout.BRATS2023].format("BraTS-GLI-00027-000")
    assert line == (
        f"seg-editor: {folder}: the case has no segmentation. "
        f"Add {name}.nii.gz, or make one with seg-editor segment and pass it with --seg."
    )
    assert not (tmp_path / "out").exists()


def test_a_segmentation_may_come_from_elsewhere(run: Run, models: Path, tmp_path: Path) -> None:
    whole = make_case(tmp_path / "BraTS2021_90011")
    bare = make_case(tmp_path / "bare", case_id="BraTS2021_90011", segmentation=False)
    seg = whole / "BraTS2021_90011_seg.nii.gz"
    words = ("--slices", file_slice(whole), "--preset", "preview", "--json")
    one = run("remove", bare, "--out", tmp_path / "a", "--seg", seg, *words)
    two = run("remove", whole, "--out", tmp_path / "b", *words)
    assert one.document["hashes"]["request"] == two.document["hashes"]["request"]
    assert "segmentation" not in one.err
    seg.write_bytes(b"<html></html>")
    assert str(seg) in run("remove", bare, "--out", tmp_path / "c", "--seg", seg).line


def test_a_segmentation_of_another_grid_or_scheme(run: Run, models: Path, tmp_path: Path) -> None:
    bare = make_case(tmp_path / "BraTS2021_90012", segmentation=False)
    other = make_case(tmp_path / "BraTS2021_90013", shape=(24, 28, 18)) / "BraTS2021_90013_seg.nii.gz"
    line = run("remove", bare, "--out", tmp_path / "out", "--seg", other).line
    assert "the grid (24x28x18) is not the case's (24x28x20)" in line
    strange = write_nifti(tmp_path / "seg.nii.gz", np.full(SHAPE, 9, np.uint8), brats_affine(SHAPE))
    line = run("remove", bare, "--out", tmp_path / "out", "--seg", strange).line
    assert str(strange) in line
    assert "unknown label values: 9" in line


def test_a_case_without_tumor(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90014", tumor=False)
    line = run("remove", folder, "--out", tmp_path / "out").line
    assert "holds no tumor. Fill any region with seg-editor inpaint" in line


# -- bad input


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


# -- inpaint


def write_hole(path: Path, shape: tuple[int, int, int] = SHAPE, **fields: Any) -> Path:
    hole = np.zeros(shape, fields.pop("dtype", np.uint8))
    hole[6:11, 8:14, 9:12] = fields.pop("value", 1)
    return write_nifti(path, hole, fields.pop("affine", brats_affine(shape)), **fields)


def test_inpaint_fills_the_hole_and_nothing_else(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    hole = write_hole(tmp_path / "hole.nii.gz")
    answer = run("inpaint", case_folder, "--hole", hole, "--out", tmp_path / "out", "--preset", "preview", "--json")
    assert [row["index"] for row in answer.document["slices"]] == [9, 10, 11]
    source = np.asarray(nib.load(case_folder / "BraTS2021_90001_t1.nii.gz").dataobj)
    written = np.asarray(nib.load(tmp_path / "out" / "BraTS2021_90001_t1_synthetic.nii.gz").dataobj)
    inside = np.asarray(nib.load(hole).dataobj) > 0
    assert np.array_equal(source[~inside], written[~inside])
    assert (source[inside] != written[inside]).mean() > 0.5
    assert not list((tmp_path / "out").glob("*seg_edited*"))


def test_inpaint_needs_no_segmentation(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90016", segmentation=False)
    hole = write_hole(tmp_path / "hole.nii.gz")
    answer = run("inpaint", folder, "--hole", hole, "--out", tmp_path / "out", "--preset", "preview", "--json")
    assert answer.document["case_id"] == "BraTS2021_90016"
    assert "note: there is no segmentation" in answer.err


def test_holes_that_do_not_fit(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    def line_for(hole: Path) -> str:
        return run("inpaint", case_folder, "--hole", hole, "--out", tmp_path / "out").line

    other = write_hole(tmp_path / "a.nii.gz", (24, 28, 16))
    assert f"{other}: the grid (24x28x16) is not the case's (24x28x20)" in line_for(other)
    moved = brats_affine(SHAPE)
    moved[2, 3] = 5
    assert "lies elsewhere. Resample it onto the grid" in line_for(write_hole(tmp_path / "b.nii.gz", affine=moved))
    assert "holds no brain voxel" in line_for(write_hole(tmp_path / "c.nii.gz", value=0))
    halves = write_hole(tmp_path / "d.nii.gz", dtype=np.float32, value=0.5)
    assert str(halves) in line_for(halves)
    absent = tmp_path / "absent.nii.gz"
    assert str(absent) in line_for(absent)
    assert not (tmp_path / "out").exists()


# -- segment, verify, doctor, open, demo, bench


def test_segment(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run("segment", case_folder, "--out", out, "--json").document
    assert found["files"] == ["BraTS2021_90001_seg_auto.nii.gz", "BraTS2021_90001_tissue_auto.nii.gz"]
    assert set(found["ml"]) == {"csf", "gm", "wm", "tumor"}
    five = np.asarray(nib.load(out / found["files"][1]).dataobj)
    assert five.dtype == np.uint8
    assert five.max() <= 4
    seg = np.asarray(nib.load(out / found["files"][0]).dataobj)
    assert np.array_equal(seg > 0, five == 4)
    assert set(np.unique(seg)) <= {0, 2}
    assert run("segment", case_folder, "--out", out).out.splitlines()[-1] == str(out / found["files"][1])


def test_what_segment_writes_can_be_removed(run: Run, models: Path, tmp_path: Path) -> None:
    bare = make_case(tmp_path / "BraTS2021_90017", segmentation=False)
    case = open_case(bare)
    five = np.where(case.brain, 2, 0).astype(np.uint8)
    five[8:14, 8:14, 8:11] = 4
    written = api.write_segmentation(case, five, tmp_path / "auto")
    answer = run(
        "remove", bare, "--seg", written[0], "--out", tmp_path / "out", "--preset", "preview", "--json", "--margin", 0
    )
    assert len(answer.document["slices"]) == 3


def test_segment_needs_flair(run: Run, models: Path, tmp_path: Path) -> None:
    folder = make_case(tmp_path / "BraTS2021_90018", modalities=(Modality.T1,))
    assert "the referee needs FLAIR" in run("segment", folder, "--out", tmp_path / "out").line
    assert not (tmp_path / "out").exists()


def test_verify(run: Run, models: Path, case_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    k = file_slice(case_folder)
    assert run("remove", case_folder, "--out", out, "--slices", k, "--seed", 7, "--preset", "preview").code == 0
    volume = out / "BraTS2021_90001_flair_synthetic.nii.gz"
    answer = run("verify", volume)
    assert answer.code == 0
    assert answer.out == f"{volume}: intact, made from BraTS2021_90001 by m5, seed 7, 1 steps\n"
    image = nib.load(volume)
    data = np.asarray(image.dataobj).copy()
    data[0, 0, 0] += 1
    nib.save(nib.Nifti1Image(data, image.affine, image.header), volume)
    assert "it was altered after it was written. Export it again." in run("verify", volume).line
    absent = out / "absent.nii.gz"
    assert f"{absent}: there is no such file" in run("verify", absent).line
    next(out.glob("*_provenance.json")).unlink()
    assert "no provenance file beside it" in run("verify", volume).line


def test_doctor(run: Run, models: Path) -> None:
    report = run("doctor", "--json").document
    assert report["seg_editor"] == __version__
    assert {m["name"]: m["state"] for m in report["models"]} == {"m4": "ready", "m5": "ready"}
    assert report["can"]["remove and inpaint"] == "yes"
    text = run("doctor").out
    assert "model m5: A small model for tests, ready" in text
    (models / "m5" / "weights.safetensors").write_bytes(b"")
    report = run("doctor", "--json").document
    assert "damaged" in next(m for m in report["models"] if m["name"] == "m5")["state"]
    assert report["can"]["remove and inpaint"].startswith("no")
    (models / "m5" / "weights.safetensors").unlink()
    assert "unreadable" in run("doctor").out


def test_open_needs_a_display(run: Run, case_folder: Path) -> None:
    for words in ((), ("open",), (case_folder,), ("open", case_folder)):
        assert "there is no display to open a window on. Use seg-editor remove" in run(*words).line


def test_a_path_alone_opens_the_window(run: Run, case_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import seg_editor.ui.app

    opened: list[object] = []

    def fake(case: Path | None = None) -> int:
        opened.append(case)
        return 0

    monkeypatch.setattr(seg_editor.ui.app, "run", fake)
    monkeypatch.setenv("DISPLAY", ":0")
    assert run(case_folder).code == run().code == run("open").code == 0
    assert opened == [case_folder, None, None]


def test_demo_without_a_display_removes_the_tumor(
    run: Run, models: Path, case_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "resource_path", lambda *parts: case_folder)
    answer = run("demo", "--out", tmp_path / "out")
    assert answer.code == 0
    assert "There is no display" in answer.err
    assert str(tmp_path / "out" / "BraTS2021_90001_metrics.json") in answer.out.splitlines()


def test_bench_prints_flat_figures(run: Run, models: Path, case_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = pytest.importorskip("seg_editor.bench")
    monkeypatch.setattr(bench, "run_bench", lambda case: {"case_open_ms": 1.5, "case": str(case)})
    assert run("bench", case_folder, "--json").document == {"case_open_ms": 1.5, "case": str(case_folder)}


# -- the functions behind it


def test_options_refuse_a_negative_margin() -> None:
    with pytest.raises(UsageError):
        api.Options(margin=-1)


def test_api_progress_counts_every_pass(models: Path, case_folder: Path) -> None:
    told: list[tuple[int, int]] = []
    case = open_case(case_folder)
    k = file_slice(case_folder)
    options = api.Options(slices=(k,), steps=2)
    outcome = api.remove(case, options, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert outcome.card["name"] == "m5"
    assert outcome.card["weights_sha256"] == outcome.counterfactual.request.model_hash
    assert "config" in outcome.card


def test_inpaint_keeps_the_tumor_that_stays(models: Path, case_folder: Path, tmp_path: Path) -> None:
    case = open_case(case_folder)
    hole = write_hole(tmp_path / "hole.nii.gz")
    outcome = api.inpaint(case, hole, api.Options(margin=0, preset="preview"))
    assert outcome.labels is None
    assert outcome.counterfactual.request.tumor_hash
    assert outcome.counterfactual.request.margin == 0


def test_remove_says_what_is_missing(case_folder: Path) -> None:
    case = open_case(case_folder)
    case.labels = None
    with pytest.raises(CaseError, match="no segmentation"):
        api.remove(case)

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from seg_editor import __version__
from seg_editor.cases import Case, Layout, Modality, open_case
from seg_editor.errors import ExportError
from seg_editor.export import ExportResult, file_slice_index, write_counterfactual
from seg_editor.export import folder as folder_module
from seg_editor.export.write import labels_of_result
from seg_editor.generation.hole import find_hole
from seg_editor.metrics import score
from tests.results import make_counterfactual
from tests.tiny import make_case

KEYS = ["case_id", "model", "seed", "steps", "device", "runtime", "hashes", "slices", "overall", "files"]
ROW_KEYS = ["index", "tumor_residual", "diffmap_iou", "change_outside_max", "seconds"]


def export(case: Case, out: Path, panel: bool = False) -> ExportResult:
    result = make_counterfactual(case)
    assert case.labels is not None
    edited = np.where(result.hole.core, 0, case.labels.raw)
    return write_counterfactual(case, result, edited_labels=edited, metrics=None, out=out, panel=panel)


def test_files_and_names(tiny_case: Case, tmp_path: Path) -> None:
    written = export(tiny_case, tmp_path / "a" / "out", panel=True)
    names = sorted(p.name for p in (tmp_path / "a" / "out").iterdir())
    stem = tiny_case.case_id
    assert names == sorted(
        [f"{stem}_{m}_synthetic.nii.gz" for m in ("t1", "t1ce", "t2", "flair")]
        + [f"{stem}_{end}" for end in ("seg_edited.nii.gz", "panel_synthetic.png", "metrics.json", "provenance.json")]
    )
    assert sorted(p.name for p in written.files) == names == sorted(written.summary["files"])
    assert written.metrics_path.is_file()


@pytest.mark.parametrize("layout", [Layout.BRATS2023, Layout.BRATS2013])
def test_t1c_in_other_layouts(case_of: Callable[[Layout], Path], layout: Layout, tmp_path: Path) -> None:
    case = open_case(case_of(layout))
    written = export(case, tmp_path / "out")
    assert f"{case.case_id}_t1c_synthetic.nii.gz" in written.summary["files"]


def test_volumes_are_like_the_source(tiny_case: Case, tmp_path: Path) -> None:
    export(tiny_case, tmp_path)
    result = make_counterfactual(tiny_case)
    for modality, key in zip(tiny_case.modalities, ("t1", "t1ce", "t2", "flair"), strict=True):
        volume = tiny_case.volumes[modality]
        source = nib.load(volume.path)
        image = nib.load(tmp_path / f"{tiny_case.case_id}_{key}_synthetic.nii.gz")
        assert np.array_equal(image.affine, source.affine)
        assert image.get_data_dtype() == source.get_data_dtype()
        for code in ("qform_code", "sform_code", "scl_slope", "scl_inter", "xyzt_units"):
            assert np.array_equal(image.header[code], source.header[code], equal_nan=True)
        descrip = bytes(image.header["descrip"]).decode().rstrip("\0")
        assert descrip == f"SYNTHETIC - not for clinical use (seg-editor {__version__})"
        before, after = np.asarray(source.dataobj), np.asarray(image.dataobj)
        in_file = np.zeros(source.shape, bool)
        volume.source.canonical_view(in_file)[:] = result.hole.mask
        assert np.array_equal(before[~in_file], after[~in_file])
        assert (after[in_file] == 320).all()


def test_the_segmentation_keeps_codes_and_type(tiny_case: Case, tmp_path: Path) -> None:
    export(tiny_case, tmp_path)
    assert tiny_case.labels is not None
    source = nib.load(tiny_case.labels.path)
    image = nib.load(tmp_path / f"{tiny_case.case_id}_seg_edited.nii.gz")
    assert np.array_equal(image.affine, source.affine)
    assert image.get_data_dtype() == source.get_data_dtype()
    assert not np.asarray(image.dataobj).any()
    assert bytes(image.header["descrip"]) == bytes(source.header["descrip"])


def test_metrics_file(tiny_case: Case, tmp_path: Path) -> None:
    written = export(tiny_case, tmp_path)
    data = json.loads(written.metrics_path.read_text())
    assert data == written.summary
    assert list(data) == KEYS
    assert all(list(row) == ROW_KEYS for row in data["slices"])
    assert (data["model"], data["seed"], data["steps"]) == ("m5", 7, 4)
    assert (data["device"], data["runtime"]) == ("cpu", "torch-cpu")
    assert data["overall"]["change_outside_max"] == 0.0
    assert all((tmp_path / name).is_file() for name in data["files"])
    assert data["hashes"]["case"] == tiny_case.content_hash


def test_slice_indices_are_those_of_the_file(tmp_path: Path) -> None:
    """A file whose slices run from the top down."""
    affine = np.diag([-1.0, -1.0, -1.0, 1.0])
    case = open_case(make_case(tmp_path / "case", affine=affine))
    written = export(case, tmp_path / "out")
    source = np.asarray(nib.load(case.volumes[Modality.FLAIR].path).dataobj)
    result = np.asarray(nib.load(tmp_path / "out" / "case_flair_synthetic.nii.gz").dataobj)
    changed = np.flatnonzero((source != result).any(axis=(0, 1)))
    indices = [row["index"] for row in written.summary["slices"]]
    assert indices == changed.tolist()
    canonical = make_counterfactual(case).slices
    assert sorted(case.shape[2] - 1 - k for k in canonical) == indices
    assert indices != list(canonical)


def test_slice_index_along_another_axis(tmp_path: Path) -> None:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[0, 1], affine[1, 2], affine[3, 3] = -1.0, 1.0, 1.0, 1.0  # file axis 0 runs downward
    case = open_case(make_case(tmp_path / "case", affine=affine))
    source = case.volumes[Modality.T1].source
    assert file_slice_index(source, 0) == source.stored_shape[0] - 1


def test_given_metrics_are_written(tiny_case: Case, tmp_path: Path) -> None:
    result = make_counterfactual(tiny_case)
    metrics = score(tiny_case, result, modality=Modality.T2)
    written = write_counterfactual(
        tiny_case, result, edited_labels=None, metrics=metrics, out=tmp_path / "out", panel=False
    )
    assert written.summary["overall"]["modality"] == "t2"
    assert not any("seg_edited" in name for name in written.summary["files"])


def test_the_source_is_not_touched_when_exported_beside_it(tiny_case: Case) -> None:
    before = {p: p.read_bytes() for p in tiny_case.folder.iterdir()}
    export(tiny_case, tiny_case.folder)
    assert all(p.read_bytes() == content for p, content in before.items())


def test_existing_results_are_replaced(tiny_case: Case, tmp_path: Path) -> None:
    export(tiny_case, tmp_path)
    old = tmp_path / f"{tiny_case.case_id}_metrics.json"
    old.write_text("old")
    export(tiny_case, tmp_path)
    assert json.loads(old.read_text())["case_id"] == tiny_case.case_id


def test_the_folder_is_a_file(tiny_case: Case, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("mine")
    for out in (target, target / "deeper"):
        with pytest.raises(ExportError) as error:
            export(tiny_case, out)
        assert "\n" not in str(error.value)
        assert str(target) in str(error.value)
        assert error.value.remedy
    assert target.read_text() == "mine"


def test_a_folder_that_refuses(tiny_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder_module.tempfile, "mkdtemp", refuse)
    with pytest.raises(ExportError, match="Permission denied"):
        export(tiny_case, tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tiny_case: Case, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o500)
    with pytest.raises(ExportError, match="Permission denied"):
        export(tiny_case, out)
    out.chmod(0o700)
    assert not list(out.iterdir())


@pytest.mark.parametrize("failing", ["write_like", "draw_panel", "sidecar"])
def test_nothing_is_left_when_a_step_fails(
    tiny_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    out = tmp_path / "out"
    calls = []

    def fail(*args: object, **_: object) -> None:
        calls.append(args)
        if failing != "write_like":
            raise OSError(28, "No space left on device")
        if len(calls) == 3:
            raise ExportError("the disk is full", path=args[2], remedy="Free some space")  # type: ignore[arg-type]
        Path(str(args[2])).write_bytes(b"x")

    monkeypatch.setattr(f"seg_editor.export.write.{failing}", fail)
    with pytest.raises(ExportError) as error:
        export(tiny_case, out, panel=True)
    assert not out.exists()
    assert ".seg-editor-" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_failing_move_puts_everything_back(tiny_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    export(tiny_case, out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    replace = os.replace

    def fail(source: Path, target: Path) -> None:
        if Path(target).parent == out and Path(target).name.endswith("metrics.json") and "replaced" not in str(source):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(folder_module.os, "replace", fail)
    with pytest.raises(ExportError, match="No space left"):
        export(tiny_case, out)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_write_protected_file_in_the_way(tiny_case: Case, tmp_path: Path) -> None:
    protected = tmp_path / f"{tiny_case.case_id}_metrics.json"
    protected.write_text("mine")
    protected.chmod(0o444)
    with pytest.raises(ExportError, match="write-protected"):
        export(tiny_case, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path != tiny_case.folder] == [protected.name]
    assert protected.read_text() == "mine"


def test_a_folder_in_the_way(tiny_case: Case, tmp_path: Path) -> None:
    blocker = tmp_path / f"{tiny_case.case_id}_metrics.json"
    blocker.mkdir()
    (blocker / "mine").write_text("mine")
    with pytest.raises(ExportError, match="folder of that name"):
        export(tiny_case, tmp_path)
    assert (blocker / "mine").read_text() == "mine"
    assert not list(tmp_path.glob("*.nii.gz"))
    assert not list(tmp_path.glob(".seg-editor-*"))


def test_the_panel_opens(tiny_case: Case, tmp_path: Path) -> None:
    export(tiny_case, tmp_path, panel=True)
    with Image.open(tmp_path / f"{tiny_case.case_id}_panel_synthetic.png") as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        assert image.text["seg-editor:view"] == "panel"  # type: ignore[attr-defined]
        assert image.text["Comment"] == "SYNTHETIC - not for clinical use"  # type: ignore[attr-defined]


def test_removed_tumor_that_was_not_generated_stays_in_the_written_mask(tiny_case: Case) -> None:
    case = tiny_case
    assert case.labels is not None
    edited = np.zeros_like(case.labels.raw)
    hole = find_hole(case.labels.raw, edited, brain=case.brain)
    k = hole.slices[len(hole.slices) // 2]
    part = make_counterfactual(case, hole=hole.restricted([k]))
    labels = labels_of_result(case, part, edited)
    assert not labels[:, :, k].any()
    others = np.arange(labels.shape[2]) != k
    assert np.array_equal(labels[:, :, others], case.labels.raw[:, :, others])


def test_a_part_of_the_hole_says_so(tiny_case: Case, tmp_path: Path) -> None:
    whole = export(tiny_case, tmp_path / "whole")
    assert whole.gap == ""
    labels = tiny_case.labels
    assert labels is not None
    tumor = np.flatnonzero((labels.raw != 0).any(axis=(0, 1)))
    result = make_counterfactual(tiny_case, slices=[int(tumor[0])])
    out = tmp_path / "part"
    part = write_counterfactual(
        tiny_case, result, edited_labels=np.zeros_like(labels.raw), metrics=None, out=out, panel=False
    )
    assert part.coverage == (1, len(tumor))
    assert part.gap == f"1 of {len(tumor)} tumor slices generated; the others keep the tumor"
    told = json.loads((out / f"{tiny_case.case_id}_provenance.json").read_text(encoding="utf-8"))
    assert told["tumor_slices"] == {"generated": 1, "removed": len(tumor)}

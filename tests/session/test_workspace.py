from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from seg_editor.cases import Layout, open_case
from seg_editor.editing import Polygon, RemoveTumor, Within
from seg_editor.errors import ExportError, UsageError
from seg_editor.session import Workspace
from tests.session.steps import dab, paint
from tests.tiny import make_case


def test_strokes_and_edits_reach_the_history_by_themselves(workspace: Workspace) -> None:
    change = paint(workspace, 10)
    workspace.history.push(change)
    workspace.apply(RemoveTumor())
    assert workspace.history.names == ("Paint", "Remove tumor")
    assert workspace.dirty
    assert workspace.apply(RemoveTumor()) is None
    assert len(workspace.history) == 2


def test_undo_looks_at_the_change_only_when_it_is_out_of_sight(workspace: Workspace) -> None:
    workspace.apply(dab(10))
    workspace.view.cursor = (1, 1, 3)
    workspace.undo()
    assert workspace.view.cursor == (1, 1, 3)
    workspace.view.cursor = (1, 1, 15)
    workspace.redo()
    assert workspace.view.cursor[2] == 3
    workspace.view.active_label = 4
    workspace.undo()
    assert workspace.view.active_label == 4
    assert workspace.undo() is None


def test_stroke_follows_the_view(workspace: Workspace) -> None:
    view = workspace.view
    view.active_label, view.in_brain = 4, False
    paint(workspace, 10)
    assert workspace.segmentation.labels[10, 5, 3] == 4
    view.active_label = 1
    eraser = workspace.stroke(2, erase=True)
    eraser.begin((10, 5, 3))
    assert eraser.commit() is None
    view.erase_active_only = False
    eraser = workspace.stroke(2, erase=True)
    eraser.begin((10, 5, 3))
    assert eraser.commit() is not None


def test_paint_stays_in_the_brain_unless_told_otherwise(workspace: Workspace) -> None:
    opened, brain = workspace.segmentation.labels.copy(), workspace.case.brain
    everywhere = Polygon(((-1.0, -1.0), (99.0, -1.0), (99.0, 99.0), (-1.0, 99.0)), 2, 3, 1)
    workspace.apply(Within(everywhere, gate=workspace.gate()))
    assert np.array_equal(workspace.segmentation.labels[:, :, 3], np.where(brain, 1, opened)[:, :, 3])
    workspace.view.in_brain = False
    assert workspace.gate() is None
    workspace.apply(Within(everywhere, gate=workspace.gate()))
    assert (workspace.segmentation.labels[:, :, 3] == 1).all()


def test_saving_keeps_header_dtype_and_label_values(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "c", layout=Layout.BRATS2013)
    workspace = Workspace.open(folder, journal=False)
    before = nib.load(workspace.segmentation_path)
    workspace.apply(dab(10, value=4))
    path = workspace.save_segmentation()
    assert not workspace.dirty
    after = nib.load(path)
    assert after.get_data_dtype() == before.get_data_dtype() == np.float32
    assert bytes(after.header.binaryblock) == bytes(before.header.binaryblock)
    again = open_case(folder)
    assert again.labels is not None
    np.testing.assert_array_equal(again.labels.raw, workspace.segmentation.labels)


def test_first_segmentation_is_uint8_beside_the_images(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "new", segmentation=False)
    workspace = Workspace.open(folder, journal=False)
    assert not workspace.dirty
    workspace.apply(dab(10, value=2))
    path = workspace.save_segmentation()
    assert path == folder / "new_seg.nii.gz"
    assert nib.load(path).get_data_dtype() == np.uint8
    again = Workspace.open(folder, journal=False)
    np.testing.assert_array_equal(again.segmentation.labels, workspace.segmentation.labels)


def test_failed_save_stays_dirty(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.apply(dab(10))
    opened = workspace.segmentation_path
    with pytest.raises(ExportError):
        workspace.save_segmentation(tmp_path / "nowhere" / "x.nii.gz")
    assert workspace.dirty
    assert workspace.segmentation_path == opened

    def torn(*args: object, **kwargs: object) -> Path:
        raise ExportError("the file read back differs", path=opened)

    monkeypatch.setattr("seg_editor.session.saving.write_like", torn)
    with pytest.raises(ExportError):
        workspace.save_segmentation()
    assert workspace.dirty


def test_undo_after_saving_is_dirty_and_redo_clean_again(workspace: Workspace) -> None:
    workspace.apply(dab(10))
    workspace.save_segmentation()
    workspace.undo()
    assert workspace.dirty
    workspace.redo()
    assert not workspace.dirty


def test_save_as_becomes_the_place_to_save(workspace: Workspace, tmp_path: Path) -> None:
    opened = workspace.segmentation_path.read_bytes()
    workspace.apply(dab(10))
    other = tmp_path / "copy.nii.gz"
    assert workspace.save_segmentation(other) == other
    workspace.apply(dab(14))
    assert workspace.save_segmentation() == other
    assert workspace.case.labels_path.read_bytes() == opened


def test_images_are_never_overwritten(workspace: Workspace) -> None:
    workspace.apply(dab(10))
    image = next(iter(workspace.case.volumes.values())).path
    for path in (image, image.parent / "." / image.name):
        with pytest.raises(ExportError, match="image of the case"):
            workspace.save_segmentation(path)


def test_a_brain_mask_is_never_overwritten(tmp_path: Path) -> None:
    workspace = Workspace.open(make_case(tmp_path / "c", layout=Layout.BRATS2013), journal=False)
    assert workspace.case.mask_file is not None
    workspace.apply(dab(10))
    with pytest.raises(ExportError, match="brain mask of the case"):
        workspace.save_segmentation(workspace.case.mask_file.source.path)


def test_a_file_changed_by_another_program_is_not_overwritten(workspace: Workspace) -> None:
    workspace.apply(dab(10))
    path = workspace.segmentation_path
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ExportError, match="another program"):
        workspace.save_segmentation()
    assert workspace.dirty
    workspace.save_segmentation(overwrite=True)
    workspace.apply(dab(15))
    workspace.save_segmentation()
    assert not workspace.dirty


def test_a_segmentation_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    folder = make_case(tmp_path / "new", segmentation=False)
    workspace = Workspace.open(folder, journal=False)
    workspace.apply(dab(10))
    workspace.segmentation_path.write_bytes(b"someone else's work")
    with pytest.raises(ExportError, match="another program"):
        workspace.save_segmentation()


def test_no_saving_in_the_middle_of_a_stroke(workspace: Workspace) -> None:
    stroke = workspace.stroke(2)
    stroke.begin((10, 5, 3))
    with pytest.raises(UsageError, match="stroke"):
        workspace.save_segmentation()
    stroke.cancel()
    assert not workspace.dirty


def test_hole_is_what_was_removed(workspace: Workspace) -> None:
    tumor = workspace.segmentation.tumor
    assert workspace.hole().empty
    workspace.apply(RemoveTumor())
    hole = workspace.hole(margin=2)
    np.testing.assert_array_equal(hole.core, tumor & workspace.case.brain)
    assert hole.margin == 2
    assert hole.voxels > np.count_nonzero(tumor)

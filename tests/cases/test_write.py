"""Saving: all or nothing, and nothing but what was asked."""

from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from seg_editor.cases import Case, open_case, read_labels, read_volume, write, write_like
from seg_editor.errors import ExportError
from tests.tiny import make_case, write_nifti

SHAPE = (6, 7, 5)
DATA = np.random.default_rng(0).integers(0, 999, SHAPE).astype(np.int16)


def refused(path: Path, action: Any, *parts: str) -> None:
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()} if path.parent.is_dir() else {}
    with pytest.raises(ExportError) as caught:
        action()
    for part in (str(path), *parts):
        assert part in str(caught.value), str(caught.value)
    assert "\n" not in str(caught.value)
    after = {p.name: p.read_bytes() for p in path.parent.iterdir()} if path.parent.is_dir() else {}
    assert after == before


def test_edited_labels_come_back_through_nibabel(tiny_case: Case) -> None:
    assert tiny_case.labels is not None
    edited = tiny_case.labels.raw.copy()
    edited[3:6, 4:7, 5:9] = 2
    before = nib.load(tiny_case.labels_path)
    header = bytes(before.header.binaryblock)
    assert write_like(tiny_case.labels_source, edited, tiny_case.labels_path) == tiny_case.labels_path
    after = nib.load(tiny_case.labels_path)
    assert bytes(after.header.binaryblock) == header
    assert np.array_equal(np.asanyarray(after.dataobj), edited[::-1, ::-1])
    assert [p for p in tiny_case.folder.iterdir() if "part" in p.name] == []


def test_a_first_segmentation_lies_on_the_images_grid(tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "a", segmentation=False))
    labels = np.zeros(case.shape, np.int16)
    labels[4, 5, 6] = 4
    write_like(case.labels_source, labels, case.labels_path, descrip="seg-editor")
    again = open_case(case.folder)
    assert again.labels is not None
    assert again.notes == ()
    assert np.array_equal(again.labels.raw, labels)
    image = nib.load(case.labels_path)
    reference = nib.load(case.folder / "a_t1.nii.gz")
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(image.affine, reference.affine)
    assert (image.header["qform_code"], image.header["sform_code"]) == (1, 1)


def test_descrip_is_cut_and_plain(tmp_path: Path) -> None:
    volume = read_volume(write_nifti(tmp_path / "x.nii", DATA, aux_file=b"kept"))
    write_like(volume.source, volume.raw, tmp_path / "y.nii", descrip="SYNTHETIC – not for clinical use é" + "x" * 99)
    header = nib.load(tmp_path / "y.nii").header
    text = header["descrip"].item()
    assert text.startswith(b"SYNTHETIC - not for clinical use ?xx")
    assert len(text) == 79
    assert header["aux_file"].item() == b"kept"
    assert np.array_equal(read_volume(tmp_path / "y.nii").raw, DATA)


def test_packing_follows_the_name_and_is_reproducible(tmp_path: Path) -> None:
    volume = read_volume(write_nifti(tmp_path / "x.nii", DATA))
    packed = write_like(volume.source, volume.raw, tmp_path / "y.nii.gz")
    assert gzip.decompress(packed.read_bytes()) == (tmp_path / "x.nii").read_bytes()
    first = packed.read_bytes()
    write_like(volume.source, volume.raw, packed)
    assert packed.read_bytes() == first


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    volume = read_volume(write_nifti(tmp_path / "x.nii", DATA))
    target = tmp_path / "y.nii"
    for raw in (DATA + 0.5, DATA.astype(np.int32) + 40000):
        refused(target, lambda raw=raw: write_like(volume.source, raw, target), "do not fit", "int16")
    assert np.array_equal(read_volume(write_like(volume.source, DATA.astype(np.float64), target)).raw, DATA)
    refused(target, lambda: write_like(volume.source, np.full(SHAPE, np.nan), target), "not finite")
    labels = read_labels(write_nifti(tmp_path / "l.nii", np.full(SHAPE, 20, np.uint8), scaling=(0.1, 0)))
    refused(target, lambda: write_like(labels.source, np.full(SHAPE, 200), target), "do not fit", "uint8")
    refused(target, lambda: write_like(volume.source, DATA[:-1], target), "5 x 7 x 5", "6 x 7 x 5")
    refused(tmp_path / "y.mha", lambda: write_like(volume.source, DATA, tmp_path / "y.mha"), ".nii.gz")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, step: str
) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", DATA)
    volume = read_volume(path)

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(write.os, step, fail)
    refused(path, lambda: write_like(volume.source, DATA + 1, path), os.strerror(code))


def test_a_disk_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", DATA)
    volume = read_volume(path)
    whole = write._encoded
    monkeypatch.setattr(write, "_encoded", lambda payload, _: whole(payload[:-2] + b"!!", True))
    refused(path, lambda: write_like(volume.source, DATA, path), "differs from what was to be saved")
    monkeypatch.setattr(write, "_encoded", lambda payload, _: whole(payload[:-2], True))
    refused(path, lambda: write_like(volume.source, DATA, path), "could not be read back")


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", DATA)
    volume = read_volume(path)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_like(volume.source, DATA + 1, path)
    assert os.listdir(tmp_path) == ["x.nii.gz"]


def test_missing_folder_and_folder_in_place(tmp_path: Path) -> None:
    volume = read_volume(write_nifti(tmp_path / "x.nii", DATA))
    lost = tmp_path / "none" / "y.nii"
    refused(lost, lambda: write_like(volume.source, DATA, lost), "Create the folder")
    (tmp_path / "d").mkdir()
    folder = tmp_path / "d" / "z.nii"
    folder.mkdir()
    with pytest.raises(ExportError, match="Choose a file name"):
        write_like(volume.source, DATA, folder)


@pytest.mark.parametrize("mode", [0o444, 0o400, 0o555])
def test_a_write_protected_file_is_not_replaced(tmp_path: Path, mode: int) -> None:
    path = write_nifti(tmp_path / "x.nii", DATA)
    volume = read_volume(path)
    link = tmp_path / "link.nii"
    link.symlink_to(path)
    path.chmod(mode)
    for target in (path, link):
        refused(target, lambda target=target: write_like(volume.source, DATA + 1, target), "write-protected")
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of posix")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "x.nii", DATA)
    volume = read_volume(path)
    path.chmod(0o640)
    link = tmp_path / "link.nii"
    link.symlink_to(path)
    write_like(volume.source, DATA + 1, link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert np.array_equal(read_volume(path).raw, DATA + 1)
    mask = os.umask(0o027)
    try:
        fresh = write_like(volume.source, DATA, tmp_path / "fresh.nii")
    finally:
        os.umask(mask)
    assert fresh.stat().st_mode & 0o777 == 0o640

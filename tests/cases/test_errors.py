"""Broken files end in one line that names the file, the trouble and the remedy."""

from __future__ import annotations

import gzip
import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from seg_editor.cases import open_case, read_labels, read_volume
from seg_editor.errors import CaseError
from tests.tiny import write_nifti

SHAPE = (6, 7, 5)
DATA = np.random.default_rng(0).integers(0, 999, SHAPE).astype(np.int16)


def refused(action: Callable[[], object], *parts: str, path: Path | None = None) -> None:
    with pytest.raises(CaseError) as caught:
        action()
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.remedy
    assert line.endswith(".")
    if path is not None:
        assert line.startswith(str(path))
    for part in parts:
        assert re.search(part, line), line


def refused_bytes(path: Path, content: bytes, *parts: str) -> None:
    path.write_bytes(content)
    refused(lambda: read_volume(path), *parts, path=path)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>Sign in</html>" * 30, "web page"),
        (b"\n <html><body>404</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (b"PK\x03\x04" + bytes(999), "zip archive"),
        (bytes(128) + b"DICM" + bytes(999), "DICOM"),
        (b"\x00\x01", "not a NIfTI file"),
        (b"hello world " * 99, "not a NIfTI file"),
        (struct.pack("<i", 348) + bytes(90), "ends within its header"),
        (struct.pack("<i", 348) + bytes(600), "Analyze"),
        (struct.pack("<i", 348) + bytes(340) + b"ni1\0" + bytes(99), "another file"),
        (b"\x1f\x8b" + b"garbage" * 99, "gzip data is damaged"),
        (gzip.compress(b""), "empty"),
        (gzip.compress(b"<html>" + bytes(999)), "web page"),
    ],
)
@pytest.mark.parametrize("name", ["x_t1.nii.gz", "x_t1.nii"])
def test_what_is_no_nifti_is_said_to_be_what_it_is(tmp_path: Path, name: str, content: bytes, part: str) -> None:
    refused_bytes(tmp_path / name, content, part)


def test_cut_short(tmp_path: Path) -> None:
    whole = write_nifti(tmp_path / "a.nii", DATA).read_bytes()
    refused_bytes(tmp_path / "x.nii", whole[:-1], "cut short", "promises 772 bytes")
    refused_bytes(tmp_path / "x.nii.gz", gzip.compress(whole[:-1]), "cut short")
    packed = gzip.compress(whole)
    refused_bytes(tmp_path / "x.nii.gz", packed[: len(packed) * 2 // 3], "cut short|ends within")
    refused_bytes(tmp_path / "x.nii.gz", packed[:20], "ends within|empty")


def test_damaged_gzip_is_found_by_its_checksum(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(write_nifti(tmp_path / "a.nii", DATA).read_bytes()))
    packed[-6] ^= 1
    refused_bytes(tmp_path / "x.nii.gz", bytes(packed), "damaged")


def test_gzip_in_members_padded_and_misnamed_files_are_read(tmp_path: Path) -> None:
    whole = write_nifti(tmp_path / "a.nii", DATA).read_bytes()
    for name, content in (
        ("b.nii.gz", gzip.compress(whole[:400]) + gzip.compress(whole[400:])),
        ("c.nii.gz", gzip.compress(whole) + bytes(512)),
        ("d.nii.gz", whole),
        ("e.nii", gzip.compress(whole)),
    ):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read_volume(tmp_path / name).raw, DATA)


def test_a_header_that_claims_terabytes_allocates_nothing(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", DATA)
    header = bytearray(gzip.decompress(path.read_bytes()))
    header[40:56] = struct.pack("<8h", 3, 20000, 20000, 10000, 1, 1, 1, 1)
    tracemalloc.start()
    for content in (bytes(header), gzip.compress(header)):
        refused_bytes(path, content, r"claims 7\.3 TiB", "at most 2.0 GiB")
    header[40:56] = struct.pack("<8h", 3, 1000, 1000, 1000, 1, 1, 1, 1)
    refused_bytes(path, bytes(header), "cut short", "promises 1.9 GiB")
    refused_bytes(path, gzip.compress(header), "cut short", "promises 1.9 GiB")
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    whole = write_nifti(tmp_path / "a.nii", DATA).read_bytes()
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(whole + bytes(200_000_000), 1))
    tracemalloc.start()
    assert np.array_equal(read_volume(tmp_path / "x.nii.gz").raw, DATA)
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"dim": [2, 6, 7, 1, 1, 1, 1, 1]}, "2-D image"),
        ({"dim": [4, 6, 7, 5, 3, 1, 1, 1]}, r"4-D series \(6 x 7 x 5 x 3\)"),
        ({"dim": [3, 6, 0, 5, 1, 1, 1, 1]}, "impossible dimensions"),
        ({"dim": [3, 6, -7, 5, 1, 1, 1, 1]}, "impossible dimensions"),
        ({"dim": [0] * 8}, "impossible dimensions"),
        ({"datatype": 32}, "complex"),
        ({"datatype": 128}, "RGB"),
        ({"datatype": 2304}, "RGB"),
        ({"datatype": 1536}, "128-bit"),
        ({"datatype": 77}, "code 77 is unknown"),
        ({"datatype": 1}, "code 1 is unknown"),
        ({"vox_offset": 1e30}, "voxels start at"),
        ({"vox_offset": np.nan}, "voxels start at"),
        ({"vox_offset": 7}, "voxels start at"),
        ({"vox_offset": -352}, "voxels start at"),
        ({"scl_slope": 2, "scl_inter": np.nan}, "scl_inter"),
        ({"srow_x": [0, 0, 0, 0]}, "singular"),
        ({"srow_x": [0, 1, 0, 0]}, "singular"),
        ({"srow_y": [np.nan, 1, 0, 0]}, "singular"),
        ({"sform_code": 0, "quatern_b": 3.0, "quatern_c": 3.0}, "qform"),
        ({"sform_code": 0, "pixdim": [1, 0, 1, 1, 1, 1, 1, 1]}, "no usable voxel size"),
    ],
)
def test_unusable_headers(tmp_path: Path, fields: dict[str, Any], part: str) -> None:
    path = write_nifti(tmp_path / "x_t1.nii.gz", DATA, **fields)
    refused(lambda: read_volume(path), part, path=path)


def test_random_damage_to_the_header_never_leaks_another_error(tmp_path: Path) -> None:
    whole = write_nifti(tmp_path / "a.nii", DATA).read_bytes()
    rng = np.random.default_rng(3)
    path = tmp_path / "x.nii"
    for _ in range(400):
        broken = bytearray(whole)
        for position in rng.integers(0, 352, rng.integers(1, 30)):
            broken[position] = rng.integers(256)
        path.write_bytes(broken)
        for read in (read_volume, read_labels):
            try:
                read(path)
            except CaseError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_not_finite_voxels_are_counted(tmp_path: Path, dtype: type[Any]) -> None:
    data = DATA.astype(dtype)
    data[0, 0, 0] = np.nan
    path = write_nifti(tmp_path / "x.nii", data)
    refused(lambda: read_volume(path), "1 voxel is not", path=path)
    refused(lambda: read_labels(path), "1 voxel is not", path=path)
    data[1, 1, :] = np.inf
    refused(lambda: read_volume(write_nifti(path, data)), "6 voxels are not", path=path)


def test_a_segmentation_of_fractions(tmp_path: Path) -> None:
    data = np.zeros(SHAPE, np.float32)
    data[2, 2, 2:4] = 0.5
    path = write_nifti(tmp_path / "x_seg.nii.gz", data)
    refused(lambda: read_labels(path), r"2 voxels .* whole numbers \(0\.5\)", "nearest neighbor", path=path)
    refused(lambda: read_labels(write_nifti(path, np.full(SHAPE, 1e9, np.float64))), "label values run", path=path)


def test_one_message_for_every_kind_of_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(lambda: open_case(tmp_path / "none"), "no such file or folder", path=tmp_path / "none")
    refused(lambda: open_case(tmp_path / "none_t1.nii.gz"), "no such file or folder")
    refused(lambda: read_volume(tmp_path), "not a file", path=tmp_path)
    path = write_nifti(tmp_path / "x_t1.nii.gz", DATA)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(lambda: open_case(path), "permission denied", "read access", path=path)
    monkeypatch.setattr(Path, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    refused(lambda: open_case(path), "Input/output error", path=path)


def test_nibabel_prints_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_nifti(tmp_path / "x.nii", DATA, pixdim=[0, -1, 1, 1, 1, 1, 1, 1], sform_code=99)
    read_volume(path)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert nib.__version__

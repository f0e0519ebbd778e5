"""Orientation, affine and the exact way back, for every orientation that a file can have."""

from __future__ import annotations

import gzip
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seg_editor.cases import Grid, read_labels, read_volume, write_like
from tests.tiny import write_nifti

ORIENTATIONS = list(product(permutations(range(3)), product((1, -1), repeat=3)))
SHAPE = (4, 5, 7)


def oriented(axes: tuple[int, ...], signs: tuple[int, ...], spacing: tuple[float, ...] = (1, 1.5, 2)) -> NDArray[Any]:
    affine = np.zeros((4, 4))
    for file_axis, (world_axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[world_axis, file_axis] = sign * spacing[file_axis]
    affine[:, 3] = (11.5, -20.25, 3.75, 1)
    return affine


def file_bytes(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_every_orientation_reads_as_nibabel_and_returns_byte_for_byte(
    tmp_path: Path, axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    data = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    path = write_nifti(tmp_path / "x.nii.gz", data, oriented(axes, signs), (1, 2), extension=b"some history")
    volume = read_volume(path)

    expected = nib.as_closest_canonical(nib.load(path))
    assert np.array_equal(volume.raw, np.asanyarray(expected.dataobj))
    assert np.allclose(volume.grid.affine, expected.affine, atol=1e-6)
    assert volume.raw.flags.c_contiguous
    assert volume.raw.dtype == np.int16
    assert nib.aff2axcodes(volume.grid.affine) == ("R", "A", "S")

    assert file_bytes(write_like(volume.source, volume.raw, tmp_path / "y.nii.gz")) == file_bytes(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    dtype=st.sampled_from(["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]),
    endianness=st.sampled_from("<>"),
    version=st.sampled_from([1, 2]),
    codes=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    scaling=st.sampled_from([None, (2.0, -5.0), (0.0, 0.0), (0.25, 1024.0)]),
    tilt=st.floats(-0.3, 0.3),
    seed=st.integers(0, 99),
)
def test_any_file_returns_byte_for_byte(
    tmp_path: Path,
    orientation: tuple[tuple[int, ...], tuple[int, ...]],
    shape: tuple[int, int, int],
    dtype: str,
    endianness: str,
    version: int,
    codes: tuple[int, int],
    scaling: tuple[float, float] | None,
    tilt: float,
    seed: int,
) -> None:
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    data = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    path = write_nifti(
        tmp_path / "x.nii",
        data,
        rotation @ oriented(*orientation),
        codes,
        scaling=scaling,
        version=version,
        endianness=endianness,
        descrip=b"scanner 7",
    )
    volume = read_volume(path)
    expected = nib.as_closest_canonical(nib.load(path))
    assert np.allclose(volume.values(), expected.get_fdata(), rtol=1e-6)
    assert np.allclose(volume.grid.affine, expected.affine, atol=1e-5)
    assert volume.grid.ambiguous == (codes == (0, 0))
    assert volume.raw.dtype == np.dtype(dtype)
    assert volume.raw.dtype.isnative
    assert write_like(volume.source, volume.raw, tmp_path / "y.nii").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_labels_are_small_integers_inside_and_the_stored_type_outside(tmp_path: Path, dtype: type[Any]) -> None:
    data = np.random.default_rng(1).choice([0, 1, 2, 4], SHAPE).astype(dtype)
    path = write_nifti(tmp_path / "x_seg.nii.gz", data, oriented((1, 0, 2), (-1, 1, -1)))
    labels = read_labels(path)
    assert labels.raw.dtype == np.uint8
    assert file_bytes(write_like(labels.source, labels.raw, path)) == gzip.decompress(path.read_bytes())
    assert np.array_equal(np.asanyarray(nib.load(path).dataobj), data)


def test_scaled_labels_mean_their_scaled_values(tmp_path: Path) -> None:
    stored = np.random.default_rng(2).choice([0, 10, 20, 40], SHAPE).astype(np.uint8)
    path = write_nifti(tmp_path / "x_seg.nii", stored, scaling=(0.1, 0.0))
    labels = read_labels(path)
    assert set(np.unique(labels.raw)) == {0, 1, 2, 4}
    assert write_like(labels.source, labels.raw, tmp_path / "y.nii").read_bytes() == path.read_bytes()


def test_a_trailing_axis_of_one_is_kept(tmp_path: Path) -> None:
    data = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(*SHAPE, 1)
    path = write_nifti(tmp_path / "x.nii", data, oriented((2, 0, 1), (1, -1, -1)))
    volume = read_volume(path)
    assert volume.raw.ndim == 3
    assert write_like(volume.source, volume.raw, tmp_path / "y.nii").read_bytes() == path.read_bytes()


def test_a_box_of_values_is_scaled_float32(tmp_path: Path) -> None:
    data = np.arange(np.prod(SHAPE), dtype=np.int32).reshape(SHAPE)
    volume = read_volume(write_nifti(tmp_path / "x.nii", data, scaling=(0.5, -3.0)))
    box = (slice(1, 3), slice(0, 2), slice(2, 7))
    assert volume.values(box).dtype == np.float32
    assert np.array_equal(volume.values(box), data[box] * 0.5 - 3)
    assert not volume.raw.flags.writeable


def test_grid_says_where_voxels_are() -> None:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-5, 7, 9)
    grid = Grid((4, 5, 6), affine)
    assert grid.spacing == (1.0, 2.0, 3.0)
    assert grid.voxel_ml == pytest.approx(0.006)
    assert not grid.oblique
    assert grid.orientation_letters == (("L", "R"), ("P", "A"), ("I", "S"))
    assert np.array_equal(grid.world((1, 1, 1)), (-4, 9, 12))
    assert np.allclose(grid.voxel(grid.world([[0, 1, 2], [3, 4, 5]])), [[0, 1, 2], [3, 4, 5]])
    assert grid == Grid((4, 5, 6), affine.copy())
    assert hash(grid) == hash(Grid((4, 5, 6), affine.copy()))
    assert grid != Grid((4, 5, 7), affine)
    assert grid.matches(Grid((4, 5, 6), affine + 5e-4))
    assert not grid.matches(Grid((4, 5, 6), affine + 2e-3))
    affine[0, 1] = 0.2
    assert Grid((4, 5, 6), affine).oblique

"""Geometry of the display: where voxels appear, which letters stand where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_editor.ui.planes import Plane, PlaneView, boundary_segments

SHAPE, SPACING = (5, 7, 9), (1.0, 0.5, 2.0)


def view(plane: Plane, radiological: bool = True) -> PlaneView:
    return PlaneView(plane, SHAPE, SPACING, radiological)


@given(
    st.sampled_from(list(Plane)),
    st.booleans(),
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 8)),
)
def test_a_voxel_is_drawn_where_the_mouse_finds_it(plane: Plane, radio: bool, voxel: tuple[int, int, int]) -> None:
    shown = view(plane, radio)
    volume = np.zeros(SHAPE)
    volume[voxel] = 1
    picture = shown.cut(volume, voxel[int(plane)])
    (row, column), (du, dv) = np.argwhere(picture)[0], shown.step
    u, v = shown.to_plane(voxel)
    assert (u, v) == pytest.approx(((column + 0.5) * du, (row + 0.5) * dv))
    assert shown.to_voxel(u, v, voxel[int(plane)]) == pytest.approx(voxel)


def test_letters_of_the_radiological_display() -> None:
    assert view(Plane.AXIAL).letters == ("R", "L", "A", "P")
    assert view(Plane.CORONAL).letters == ("R", "L", "S", "I")
    assert view(Plane.SAGITTAL).letters == ("A", "P", "S", "I")
    assert view(Plane.AXIAL, radiological=False).letters == ("L", "R", "A", "P")


def test_the_right_of_the_patient_is_on_the_left() -> None:
    volume = np.zeros(SHAPE)
    volume[4, :, 3] = 1
    assert view(Plane.AXIAL).cut(volume, 3)[:, 0].all()
    assert view(Plane.AXIAL, radiological=False).cut(volume, 3)[:, -1].all()


@pytest.mark.parametrize("plane", list(Plane))
@pytest.mark.parametrize("radio", [True, False])
def test_crop_shows_exactly_the_box(plane: Plane, radio: bool) -> None:
    shown = view(plane, radio)
    box = (slice(1, 4), slice(2, 5), slice(3, 8))
    volume = np.zeros(SHAPE, dtype=bool)
    volume[box] = True
    picture = shown.cut(volume, box[int(plane)].start)
    rows, columns = shown.crop(box)
    assert picture[rows, columns].all()
    assert picture.sum() == picture[rows, columns].size


def test_pictures_are_contiguous() -> None:
    for plane in Plane:
        assert view(plane).cut(np.zeros(SHAPE, np.int16), 1).flags.c_contiguous


@given(st.integers(0, 2**16))
def test_outlines_are_the_edges_between_in_and_out(seed: int) -> None:
    mask = np.random.default_rng(seed).random((6, 8)) < 0.4
    points = boundary_segments(mask, (1.0, 1.0)).reshape(-1, 2, 2)
    padded = np.pad(mask, 1)
    edges = np.count_nonzero(padded[1:] != padded[:-1]) + np.count_nonzero(padded[:, 1:] != padded[:, :-1])
    assert len(points) == edges
    for (u0, v0), (u1, v1) in points:
        if v0 == v1:
            column, row = int(min(u0, u1)) + 1, int(v0)
            assert padded[row, column] != padded[row + 1, column]
        else:
            column, row = int(u0), int(min(v0, v1)) + 1
            assert padded[row, column] != padded[row, column + 1]


def test_no_outline_of_nothing() -> None:
    assert boundary_segments(np.zeros((4, 4), dtype=bool), (1.0, 1.0)).shape == (0, 2)

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seg_editor.anatomy.mirror import MirrorPlane, estimate_plane, reflect, reflect_slice

SHAPE = (84, 92, 64)


def tilted(a: float, b: float, at: tuple[float, float, float]) -> MirrorPlane:
    normal = np.array([1.0, a, b])
    normal /= np.linalg.norm(normal)
    x, y, z = (float(v) for v in normal)
    return MirrorPlane((x, y, z), float(normal @ np.array(at)))


def symmetric_brain(plane: MirrorPlane) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A picture that is its own reflection in the plane, and its brain."""
    points = np.moveaxis(np.indices(SHAPE, dtype=np.float64), 0, -1)
    normal = np.array(plane.normal)
    u = points @ normal - plane.offset
    across = points - u[..., None] * normal
    middle = np.array([40.0, 45.0, 31.0])
    v, w = across[..., 1] - middle[1], across[..., 2] - middle[2]
    u = np.abs(u)
    brain = (u / 31) ** 2 + (v / 39) ** 2 + (w / 27) ** 2 < 1
    picture = np.sin(u / 4) + np.cos(v / 6 + u / 9) + np.sin(w / 5 - u / 12) * 0.7 - 1.5 * (u < 2)
    return np.where(brain, picture, 0).astype(np.float32), brain


TRUE = tilted(0.09, -0.06, (42.5, 45, 31))


@pytest.mark.parametrize("damaged", [False, True])
def test_a_tilted_plane_is_found(damaged: bool) -> None:
    picture, brain = symmetric_brain(TRUE)
    weight = brain.copy()
    if damaged:
        weight[10:34, 20:50, 15:45] = False
        picture = np.where(weight, picture, 50).astype(np.float32)
    found = estimate_plane(picture, weight)
    angle = np.degrees(np.arccos(np.clip(np.dot(found.normal, TRUE.normal), -1, 1)))
    assert angle < 1.5
    center = np.array([42.5, 45, 31])
    assert abs(float(np.dot(found.normal, center)) - found.offset) < 1.0


def test_the_plane_does_not_depend_on_hidden_voxels() -> None:
    picture, brain = symmetric_brain(TRUE)
    weight = brain.copy()
    weight[50:70, 30:60, 20:40] = False
    found = estimate_plane(picture, weight)
    picture[~weight] = 1e4
    assert estimate_plane(picture, weight) == found


def test_too_little_brain_takes_the_middle() -> None:
    nothing = np.zeros(SHAPE, bool)
    plane = estimate_plane(np.zeros(SHAPE, np.float32), nothing)
    assert plane == MirrorPlane((1.0, 0.0, 0.0), (SHAPE[0] - 1) / 2)


def test_the_reflection_undoes_itself() -> None:
    point = np.array([10.0, 20.0, 30.0])
    there = TRUE.matrix @ point + TRUE.shift
    np.testing.assert_allclose(TRUE.matrix @ there + TRUE.shift, point, atol=1e-12)
    assert np.dot(TRUE.normal, (point + there) / 2) == pytest.approx(TRUE.offset)


def test_lateral_is_the_signed_distance() -> None:
    lateral = TRUE.lateral(SHAPE)
    assert lateral.shape == SHAPE
    point = (70, 12, 50)
    assert lateral[point] == pytest.approx(np.dot(TRUE.normal, point) - TRUE.offset, abs=1e-4)
    assert lateral[80, 45, 31] > 0 > lateral[5, 45, 31]


def test_the_middle_plane_flips_exactly() -> None:
    plane = MirrorPlane((1.0, 0.0, 0.0), (SHAPE[0] - 1) / 2)
    volume = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    mirrored, valid = reflect(volume, np.ones(SHAPE, bool), plane)
    assert valid.all()
    np.testing.assert_allclose(mirrored, volume[:, ::-1], atol=1e-6)


def test_a_symmetric_picture_is_its_own_reflection() -> None:
    picture, brain = symmetric_brain(TRUE)
    mirrored, valid = reflect(picture[None], brain, TRUE)
    assert valid[brain].mean() > 0.8
    error = np.abs(mirrored[0] - picture)[valid & brain]
    assert error.mean() < 0.06


def test_validity_says_that_nothing_hidden_was_touched() -> None:
    picture, brain = symmetric_brain(TRUE)
    usable = brain.copy()
    hole = np.zeros(SHAPE, bool)
    hole[12:28, 35:55, 22:40] = True
    usable &= ~hole
    mirrored, valid = reflect(picture[None], usable, TRUE)
    assert not mirrored[0][~valid].any()
    center = np.rint(TRUE.matrix @ np.array([20, 45, 31]) + TRUE.shift).astype(int)
    assert not valid[tuple(center)]
    picture[~usable] = np.float32(1e6)
    again, valid_again = reflect(picture[None], usable, TRUE)
    assert np.array_equal(again, mirrored)
    assert np.array_equal(valid_again, valid)


@pytest.mark.parametrize("plane", [TRUE, tilted(0.0, 0.2, (40, 45, 31)), tilted(0, 0, (41.5, 0, 0))])
@pytest.mark.parametrize("k", [0, 1, 17, 31, 62, 63])
def test_one_slice_equals_the_whole(plane: MirrorPlane, k: int) -> None:
    picture, brain = symmetric_brain(TRUE)
    usable = brain.copy()
    usable[20:30, 30:50, 25:35] = False
    volumes = np.stack([picture, picture**2]) + 1
    mirrored, valid = reflect(volumes, usable, plane)
    piece, valid_piece = reflect_slice(volumes, usable, plane, k)
    assert piece.dtype == np.float32
    assert piece.shape == (2, *SHAPE[:2])
    assert np.array_equal(valid_piece, valid[..., k])
    np.testing.assert_allclose(piece, mirrored[..., k], atol=1e-4)

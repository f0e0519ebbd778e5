"""The 3D picture: points lie on the surface, what is near hides what is far, a pixel leads back to its voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_editor.ui.splatting import Layer, Scene, Turn, place_of, project, render
from seg_editor.ui.surface import Points, surface_points, textured, with_light

SPACING = (1.0, 1.0, 2.0)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def ball(radius_mm: float, shape: tuple[int, int, int] = (40, 40, 20)) -> np.ndarray:
    """A ball in mm around the middle of a volume of 40 mm."""
    axes = [(np.arange(n) - (n - 1) / 2) * 40.0 / n for n in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(x**2 + y**2 + z**2) <= radius_mm


def made(mask: np.ndarray) -> Points:
    points = surface_points(mask, SPACING)
    assert points is not None
    return points


CENTER = (19.5, 19.5, 19.0)


def test_points_lie_on_the_surface_and_look_outward() -> None:
    points = made(ball(12.0))
    away = points.places - np.array(CENTER)
    distance = np.linalg.norm(away, axis=1)
    assert distance.mean() == pytest.approx(12.0, abs=0.5)
    assert distance.std() < 0.6
    assert ((away / distance[:, None] * points.normals).sum(axis=1) > 0.8).all()
    assert np.linalg.norm(points.normals, axis=1) == pytest.approx(1.0, abs=1e-4)


def test_nothing_has_no_surface_and_one_voxel_has_one() -> None:
    assert surface_points(np.zeros((5, 5, 5), bool), SPACING) is None
    mask = np.zeros((9, 9, 9), bool)
    mask[4, 4, 4] = True
    points = made(mask)
    assert np.abs(points.places.mean(axis=0) - (4.0, 4.0, 8.0)).max() < 0.3


def test_a_mask_that_touches_the_border_is_closed() -> None:
    points = made(np.ones((6, 6, 6), bool))
    assert {tuple(np.sign(np.rint(n))) for n in points.normals} >= {
        (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)
    }  # fmt: skip


def test_the_near_ball_hides_the_far_one() -> None:
    front, back = made(ball(6.0)), made(ball(6.0))
    front = Points(front.places + np.float32([0, 12, 0]), front.normals, front.tones, front.pitch)
    for layers in ((Layer(front, RED), Layer(back, BLUE)), (Layer(back, BLUE), Layer(front, RED))):
        scene = Scene(layers, None, CENTER, 20.0)
        seen = render(scene, Turn(azimuth=0, elevation=0), 80, 80).colors[40, 40]
        assert seen[0] > 100 > seen[2]
        behind = render(scene, Turn(azimuth=180, elevation=0), 80, 80).colors[40, 40]
        assert behind[2] > 100 > behind[0]


def test_a_ball_is_filled_without_holes_and_as_large_as_it_is() -> None:
    points = made(ball(12.0))
    scene = Scene((Layer(points, RED),), None, CENTER, 20.0)
    farthest = np.linalg.norm(points.places - np.array(CENTER), axis=1).max()
    shot = render(scene, Turn(), 200, 200)
    hit = np.isfinite(shot.depth)
    row, column = np.mgrid[:200, :200] - 99.5
    away_mm = np.hypot(row, column) / scene.scale(Turn(), 200, 200)
    assert hit[away_mm < 11.0].all()
    assert not hit[away_mm > farthest + 1.2].any()


def test_the_shell_lets_the_tumor_shine_through() -> None:
    tumor, brain = Layer(made(ball(5.0)), RED), made(ball(14.0))
    glass = render(Scene((tumor,), Layer(brain, (200, 200, 200), 0.1, 1.0), CENTER, 20.0), Turn(), 80, 80)
    solid = render(Scene((tumor,), Layer(brain, (200, 200, 200)), CENTER, 20.0), Turn(), 80, 80)
    assert glass.colors[40, 40, 0] > glass.colors[40, 40, 2] + 60
    assert abs(int(solid.colors[40, 40, 0]) - int(solid.colors[40, 40, 2])) < 5


def test_an_empty_scene_is_black() -> None:
    shot = render(Scene(), Turn(), 30, 20)
    assert shot.colors.shape == (20, 30, 3)
    assert not shot.colors.any()
    assert np.isnan(shot.depth).all()


@pytest.mark.parametrize("turn", [Turn(zoom=12.0, shift=(300.0, 0.0)), Turn(zoom=12.0), Turn(elevation=90.0)])
def test_what_is_off_the_picture_is_left_out(turn: Turn) -> None:
    scene = Scene((Layer(made(ball(12.0)), RED),), None, CENTER, 20.0)
    assert render(scene, turn, 50, 40).colors.shape == (40, 50, 3)


@settings(deadline=None, max_examples=50)
@given(
    st.floats(0, 360), st.floats(-90, 90), st.floats(0.5, 8), st.tuples(*[st.floats(-40, 40)] * 3),
    st.tuples(*[st.floats(-20, 20)] * 2),
)  # fmt: skip
def test_a_pixel_and_its_depth_lead_back_to_the_point(
    azimuth: float, elevation: float, zoom: float, place: tuple[float, float, float], shift: tuple[float, float]
) -> None:
    scene, turn = Scene((), None, CENTER, 50.0), Turn(azimuth, elevation, zoom, shift)
    column, row, depth = project(scene, turn, 120, 90, place)
    assert place_of(scene, turn, 120, 90, column, row, depth) == pytest.approx(place, abs=1e-2)


@settings(deadline=None)
@given(st.floats(0, 360), st.floats(-90, 90))
def test_the_view_is_a_rotation(azimuth: float, elevation: float) -> None:
    matrix = Turn(azimuth, elevation).matrix
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-5)
    assert np.linalg.det(matrix) == pytest.approx(1.0, abs=1e-5)


def test_from_the_front_the_right_of_the_patient_is_on_the_left() -> None:
    scene = Scene((), None, (0.0, 0.0, 0.0), 50.0)
    column, row, _ = project(scene, Turn(0, 0), 100, 100, (10.0, 0.0, 20.0))
    assert column < 50
    assert row < 50


def test_tones_follow_the_tissue_below() -> None:
    mask = ball(12.0)
    points = made(mask)
    volume = np.zeros(mask.shape, np.int16)
    volume[20:] = 100
    toned = textured(points, volume, SPACING, (0.0, 100.0))
    right = points.places[:, 0] > 25
    assert toned.tones[right].mean() > toned.tones[~right].mean() + 0.3


def test_the_light_scene_has_no_holes_and_about_the_same_colors() -> None:
    mask = ball(12.0, (80, 80, 40))
    fine = surface_points(mask, (0.5, 0.5, 1.0))
    assert fine is not None
    points = with_light(fine, mask, (0.5, 0.5, 1.0))
    assert points.light is not None
    assert len(points.light.places) < len(points.places) / 3
    scene = Scene((Layer(points, RED),), None, (19.75, 19.75, 19.5), 20.0)
    shots = [render(s, Turn(), 120, 120) for s in (scene, scene.light)]
    row, column = np.mgrid[:120, :120] - 59.5
    core = np.hypot(row, column) / scene.scale(Turn(), 120, 120) < 10.0
    assert np.isfinite(shots[1].depth[core]).all()
    assert np.abs(shots[0].colors.astype(int) - shots[1].colors)[core].mean() < 12


def test_what_is_too_small_for_a_light_version_is_drawn_in_full() -> None:
    mask = np.zeros((9, 9, 9), bool)
    mask[3, 3, 3] = True
    points = with_light(made(mask), mask, SPACING)
    assert points.light is None
    scene = Scene((Layer(points, RED),))
    assert scene.light.inner[0].points is points

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from seg_editor.cases import MODALITIES, open_case
from seg_editor.errors import CaseError
from seg_editor.generation.conditioning import to_network_units
from seg_editor.generation.context import CaseContext
from tests.training.conftest import SPLITS
from training.models.inpaint_task import slice_context
from training.prepare.bank import BankedCase, PlacedHoles, fill_tumor, load_bank, make_shard, pack, unpack
from training.prepare.holes import TumorShapes, paste, place_holes, random_blob
from training.prepare.volumes import PreparedCase, prepare_case

FLOAT16 = 4e-3


def ball(shape: tuple[int, ...], center: tuple[int, int, int], radius: float) -> np.ndarray:
    grid = np.indices(shape)
    return np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, center, strict=True))) <= radius


@pytest.fixture(scope="module")
def case(prepared: Path) -> PreparedCase:
    return PreparedCase.load(prepared / "cases" / f"{SPLITS['train'][0]}.npz")


@pytest.fixture(scope="module")
def placed(case: PreparedCase) -> PlacedHoles:
    x, y, z = (n // 2 for n in case.shape)
    return PlacedHoles.make(case, ball(case.shape, (x - 8, y + 10, z), 6) & case.brain)


def assert_the_same_inputs(context: CaseContext, banked: BankedCase, placed: PlacedHoles) -> None:
    w, h, depth = context.brain.shape
    compared = 0
    for z in range(depth):
        seen, _, filled = slice_context(banked, placed, z)
        wanted = context.channels(z, (slice(0, w), slice(0, h)))
        np.testing.assert_allclose(seen[:, :w, :h], wanted, atol=FLOAT16, err_msg=f"slice {z}")
        np.testing.assert_allclose(filled, context.filled[..., z], atol=FLOAT16)
        compared += bool(context.unknown[:, :, z].any())
    assert compared > 8


def test_training_and_editor_see_the_same(raw_cases: Path) -> None:
    """What the editor sees when the whole widened tumor is the hole, from the files on."""
    folder = raw_cases / SPLITS["train"][0]
    prepared, opened = prepare_case(folder), open_case(folder)
    whole = np.zeros(opened.grid.shape, bool)
    whole[tuple(slice(o, o + n) for o, n in zip(prepared.origin, prepared.shape, strict=True))] = prepared.tumor
    context = CaseContext.of(opened, whole)
    assert context.plane == prepared.plane
    placed = PlacedHoles.make(prepared, np.zeros(prepared.shape, bool))
    assert_the_same_inputs(context, BankedCase.of(prepared), placed)


def test_training_and_editor_see_the_same_around_holes(raw_cases: Path) -> None:
    """The same with healthy holes besides the tumor, on the editor's scale and plane."""
    folder = raw_cases / SPLITS["train"][1]
    prepared, opened = prepare_case(folder), open_case(folder)
    hole = ball(prepared.shape, (14, 18, 20), 7) & prepared.brain
    hole |= ball(prepared.shape, (20, 38, 22), 4) & prepared.brain
    box = tuple(slice(o, o + n) for o, n in zip(prepared.origin, prepared.shape, strict=True))
    unknown = np.zeros(opened.grid.shape, bool)
    unknown[box] = hole | prepared.tumor
    context = CaseContext.of(opened, unknown)
    normalized = np.stack([context.scales[m].normalize(opened.volumes[m].values(context.box)) for m in MODALITIES])
    volumes = to_network_units(normalized, context.brain).astype(np.float16)
    prepared = dataclasses.replace(prepared, volumes=volumes, plane=context.plane)
    without_tumor = fill_tumor(prepared)
    for given in (None, without_tumor):
        placed = PlacedHoles.make(prepared, hole, without_tumor=given)
        assert_the_same_inputs(context, BankedCase.of(prepared), placed)


def test_the_scale_without_the_hole_is_nearly_that_with_it(raw_cases: Path) -> None:
    """Training normalizes with the hole's voxels, the editor without: they must not differ much."""
    folder = raw_cases / SPLITS["train"][0]
    prepared, opened = prepare_case(folder), open_case(folder)
    box = tuple(slice(o, o + n) for o, n in zip(prepared.origin, prepared.shape, strict=True))
    unknown = np.zeros(opened.grid.shape, bool)
    unknown[box] = prepared.tumor | ball(prepared.shape, (14, 18, 20), 6)
    context = CaseContext.of(opened, unknown)
    known = context.brain & ~context.unknown
    difference = np.abs(context.filled - prepared.volumes.astype(np.float32))[:, known]
    assert difference.mean() < 0.1


def test_unknown_target_and_area(case: PreparedCase, placed: PlacedHoles) -> None:
    shape = case.shape[:2]
    unknown, target = unpack(placed.unknown, shape), unpack(placed.target, shape)
    assert np.array_equal(unknown.any(0).any(), True)
    assert not (target & ~unknown).any()
    assert not (target & case.tumor.transpose(2, 0, 1)).any()
    assert not (target & ~case.brain.transpose(2, 0, 1)).any()
    assert np.array_equal(placed.area, target.sum((1, 2)))
    assert np.array_equal(np.diff(placed.start), unknown.sum((1, 2)))
    assert placed.fill.shape == (unknown.sum(), 4)
    assert placed.depth.shape == (unknown.sum(),)
    assert placed.depth.min() >= 1


def test_what_was_in_hole_and_tumor_has_no_part_in_it(case: PreparedCase, placed: PlacedHoles) -> None:
    unknown = unpack(placed.unknown, case.shape[:2]).transpose(1, 2, 0)
    volumes = case.volumes.copy()
    volumes[:, unknown] = 5
    other = dataclasses.replace(case, volumes=volumes)
    again = PlacedHoles.make(other, unpack(placed.target, case.shape[:2]).transpose(1, 2, 0))
    for field in dataclasses.fields(PlacedHoles):
        assert np.array_equal(getattr(again, field.name), getattr(placed, field.name)), field.name


def test_a_case_without_tumor(case: PreparedCase) -> None:
    healthy = dataclasses.replace(case, tumor=np.zeros_like(case.tumor))
    hole = ball(case.shape, (14, 18, 20), 5) & case.brain
    placed = PlacedHoles.make(healthy, hole)
    assert placed.area.sum() == hole.sum()
    empty = PlacedHoles.make(healthy, np.zeros_like(hole))
    assert empty.area.sum() == 0
    assert empty.fill.shape == (0, 4)


def test_packing() -> None:
    mask = np.random.default_rng(0).random((5, 7, 9)) < 0.5
    assert np.array_equal(unpack(pack(mask), (7, 9)), mask)
    assert np.array_equal(unpack(pack(mask)[2:4], (7, 9)), mask[2:4])


def test_a_shard_is_a_pure_function(case: PreparedCase, raw_cases: Path, tmp_path: Path) -> None:
    shapes = TumorShapes(raw_cases / "shapes.npz")
    assert len(shapes) == 2
    for name in ("holes_0000.npz", "holes_0001.npz"):
        make_shard([case], shapes, tmp_path / name, seed=3, index=0, count=2)
    make_shard([case], shapes, tmp_path / "holes_0002.npz", seed=3, index=1, count=1)
    one, two, three, four, five = load_bank(tmp_path)
    for a, b in ((one, three), (two, four)):
        assert all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(PlacedHoles))
    assert not np.array_equal(one.unknown, five.unknown)
    assert len(load_bank(tmp_path, 1)) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["holes_0000.npz", "holes_0001.npz", "holes_0002.npz"]


def test_a_damaged_shard(prepared: Path, tmp_path: Path) -> None:
    data = (prepared / "holes" / "holes_0000.npz").read_bytes()
    (tmp_path / "holes_0000.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(CaseError, match="not a readable hole bank"):
        load_bank(tmp_path)


def test_placed_holes_are_healthy_enough_and_apart(case: PreparedCase, raw_cases: Path) -> None:
    from scipy import ndimage as ndi

    shapes = TumorShapes(raw_cases / "shapes.npz")
    hole = place_holes(case.brain, case.tumor, shapes, np.random.default_rng(1), count=3).hole
    assert hole.any()
    assert not (hole & ~case.brain).any()
    assert (hole & ~case.tumor).sum() >= 500
    again = place_holes(case.brain, case.tumor, shapes, np.random.default_rng(1), count=3).hole
    assert np.array_equal(again, hole)
    assert ndi.label(hole)[1] >= 1


def test_blobs_are_one_piece_of_a_sensible_size() -> None:
    from scipy import ndimage as ndi

    for seed in range(6):
        blob = random_blob(np.random.default_rng(seed))
        assert ndi.label(blob)[1] == 1
        assert 300 < blob.sum() < 90_000


def test_pasting_cuts_what_sticks_out() -> None:
    small = np.ones((4, 4, 4), bool)
    assert paste(small, np.array([5, 5, 5]), (10, 10, 10)).sum() == 64
    assert paste(small, np.array([0, 5, 9]), (10, 10, 10)).sum() == 2 * 4 * 3
    assert not paste(small, np.array([-9, 5, 5]), (10, 10, 10)).any()

"""Edits kept to a slice, a range and away from locked labels; pieces moved; the mirrored side."""

from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import SCHEME_124
from seg_editor.editing import (
    Block,
    Border,
    Brush,
    FillHoles,
    GrowShrink,
    KeepLargest,
    MaskGate,
    Mirrored,
    MovePiece,
    PaintOver,
    Piece,
    RangeGate,
    RemoveSmall,
    RemoveTumor,
    Segmentation,
    Smooth,
    Stroke,
    Within,
    compute,
)
from seg_editor.errors import UsageError

SHAPE = (16, 14, 10)


def with_ball(value: int = 1, center: tuple[int, int, int] = (6, 6, 5), radius: float = 3.0) -> np.ndarray:
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 <= radius**2
    return np.where(inside, value, 0).astype(np.uint8)


def segmentation(labels: np.ndarray) -> Segmentation:
    return Segmentation(labels, SCHEME_124)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    "edit", [GrowShrink(2.0), GrowShrink(-1.0), Smooth(2.0), KeepLargest(), RemoveSmall(1.0), RemoveTumor()]
)
def test_only_the_slice_changes(edit: object, axis: int) -> None:
    labels = with_ball()
    labels[13, 11, 5] = labels[6, 12, 9] = labels[13, 6, 5] = 2
    seg = segmentation(labels)
    change = seg.apply(Within(edit, axis, 5))  # type: ignore[arg-type]
    differs = np.moveaxis(seg.labels != labels, axis, 0)
    assert (change is None) == (not differs.any())
    assert not differs[np.arange(len(differs)) != 5].any()
    if change is not None:
        assert change.name.endswith("in slice")


def test_growing_in_a_slice_is_growing_in_two_dimensions() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[6, 6, 5] = 1
    labels[6, 6, 6] = 1
    seg = segmentation(labels)
    seg.apply(Within(GrowShrink(2.0), 2, 5))
    x, y = np.ogrid[:16, :14]
    assert np.array_equal(seg.labels[:, :, 5] == 1, (x - 6) ** 2 + (y - 6) ** 2 <= 4)


def test_locked_labels_never_change() -> None:
    labels = with_ball(2)
    labels[6, 6, 5] = 4
    seg = segmentation(labels)
    seg.apply(Within(RemoveTumor(), locked=frozenset({4})))
    assert np.argwhere(seg.labels).tolist() == [[6, 6, 5]]
    assert seg.apply(Within(GrowShrink(-3.0), locked=frozenset({4}))) is None


def test_a_gate_lets_labels_in_only_where_the_picture_allows() -> None:
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 100, SHAPE).astype(np.int16)
    labels = with_ball()
    seg = segmentation(labels)
    seg.apply(Within(GrowShrink(3.0), gate=RangeGate(raw, 30, 60)))
    gained = (seg.labels > 0) & (labels == 0)
    assert gained.any()
    assert ((raw[gained] >= 30) & (raw[gained] <= 60)).all()
    seg.apply(Within(RemoveTumor(), gate=RangeGate(raw, 30, 60)))
    assert not seg.labels.any()


def test_holes_of_one_label_in_a_slice() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:10, 3:10, 5] = 1
    labels[6, 6, 5] = 0
    labels[11:14, 3:6, 5] = 2
    labels[12, 4, 5] = 0
    seg = segmentation(labels)
    seg.apply(Within(FillHoles(of=1, axis=2), 2, 5))
    assert (seg.labels[6, 6, 5], seg.labels[12, 4, 5]) == (1, 0)


def test_one_border_serves_every_amount() -> None:
    labels = with_ball()
    border = Border(labels, None, (1.0, 1.0, 2.0), 6.0)
    for mm in (-2.0, -0.5, 0.0, 1.0, 3.5, 6.0):
        one, other = segmentation(labels), segmentation(labels)
        one.apply(compute(GrowShrink(mm, border=border), labels, SCHEME_124, (1.0, 1.0, 2.0)) or RemoveNothing())
        other.spacing = (1.0, 1.0, 2.0)
        other.apply(GrowShrink(mm))
        np.testing.assert_array_equal(one.labels, other.labels)


class RemoveNothing:
    name = "nothing"

    def __call__(self, labels: np.ndarray) -> None:
        return None


def test_computed_beside_is_what_applying_does() -> None:
    labels = with_ball()
    labels[14, 12, 8] = 2
    one, other = segmentation(labels), segmentation(labels)
    ready = compute(KeepLargest(), one.labels.copy(), SCHEME_124, one.spacing)
    assert ready is not None
    change = one.apply(ready)
    other.apply(KeepLargest())
    np.testing.assert_array_equal(one.labels, other.labels)
    assert change is not None
    assert (change.name, change.count) == ("Keep largest piece", 1)
    assert compute(KeepLargest(), one.labels, SCHEME_124, one.spacing) is None


def test_a_piece_moves_and_leaves_background() -> None:
    labels = with_ball()
    labels[13, 12, 8] = 4
    seg = segmentation(labels)
    piece = Piece.at(seg.labels, (6, 6, 5))
    change = seg.apply(MovePiece(piece, (3, 2, 1)))
    wanted = with_ball(1, (9, 8, 6))
    wanted[13, 12, 8] = 4
    np.testing.assert_array_equal(seg.labels, wanted)
    assert change is not None
    seg.revert(change)
    np.testing.assert_array_equal(seg.labels, labels)


def test_a_piece_moves_away_from_its_locked_core_but_never_onto_it() -> None:
    labels = with_ball()
    labels[6, 6, 5] = 4
    seg, locked = segmentation(labels), frozenset({4})
    piece = Piece.at(seg.labels, (5, 6, 5), locked=locked)
    with pytest.raises(UsageError, match="land on locked"):
        seg.apply(MovePiece(piece, (1, 0, 0), locked=locked))
    np.testing.assert_array_equal(seg.labels, labels)
    seg.apply(MovePiece(piece, (6, 0, 0), locked=locked))
    assert np.argwhere(seg.labels == 4).tolist() == [[6, 6, 5]]
    assert np.count_nonzero(seg.labels == 1) == np.count_nonzero(labels == 1)
    with pytest.raises(UsageError, match="locked"):
        Piece.at(seg.labels, (6, 6, 5), label=4, locked=frozenset({4}))


def test_a_piece_stays_inside_and_over_background_only() -> None:
    labels = with_ball()
    labels[11, 6, 5] = 4
    seg = segmentation(labels)
    piece = Piece.at(seg.labels, (6, 6, 5))
    assert piece.kept_inside((-9, 99, 0)) == (-3, 4, 0)
    with pytest.raises(UsageError, match="leave the picture"):
        seg.apply(MovePiece(piece, (-9, 0, 0)))
    with pytest.raises(UsageError, match="land on other labels"):
        seg.apply(MovePiece(piece, (4, 0, 0), PaintOver.BACKGROUND))
    np.testing.assert_array_equal(seg.labels, labels)
    seg.apply(MovePiece(piece, (4, 0, 0)))
    np.testing.assert_array_equal(seg.labels, with_ball(1, (10, 6, 5)))
    with pytest.raises(UsageError, match="no tumor"):
        Piece.at(seg.labels, (0, 0, 0))


def test_a_refused_move_says_how_much_would_land_where() -> None:
    labels = with_ball()
    labels[11, 5:8, 5] = 2
    brain = np.ones(SHAPE, np.bool_)
    brain[:, :, 9:] = False
    seg = Segmentation(labels, SCHEME_124, (2.0, 10.0, 10.0))
    piece, gate = Piece.at(seg.labels, (6, 6, 5)), MaskGate(brain)
    assert np.count_nonzero(MovePiece(piece, (4, 0, 1), gate=gate).stranded(seg.labels)) == 1
    with pytest.raises(UsageError, match=r"0\.6 ml would land on locked Edema \(ED\), 0\.2 ml outside the brain\. The"):
        seg.apply(MovePiece(piece, (4, 0, 1), locked=frozenset({2}), gate=gate))
    np.testing.assert_array_equal(seg.labels, labels)


def test_a_piece_knows_no_rule_of_the_active_label() -> None:
    piece = Piece.at(with_ball(), (6, 6, 5))
    with pytest.raises(UsageError, match="cannot move over active"):
        MovePiece(piece, (1, 0, 0), PaintOver.ACTIVE)


def test_a_piece_that_lies_partly_in_air_can_still_be_moved() -> None:
    labels = with_ball()
    brain = np.ones(SHAPE, np.bool_)
    brain[:5] = False
    seg = segmentation(labels)
    seg.apply(MovePiece(Piece.at(seg.labels, (6, 6, 5)), (0, 2, 0), gate=MaskGate(brain)))
    np.testing.assert_array_equal(seg.labels, with_ball(1, (6, 8, 5)))


def test_a_piece_of_one_slice() -> None:
    labels = with_ball()
    piece = Piece.at(labels, (6, 6, 5), axis=2)
    assert piece.box[2] == slice(5, 6)
    assert np.count_nonzero(piece.mask) == np.count_nonzero(labels[:, :, 5])


def reflection(plane: float) -> tuple[np.ndarray, np.ndarray]:
    return np.diag([-1.0, 1.0, 1.0]), np.array([2 * plane, 0.0, 0.0])


def test_mirrored_add_subtract_intersect() -> None:
    labels = with_ball(2, (4, 6, 5))
    matrix, shift = reflection(7.5)
    seg = segmentation(labels)
    seg.apply(Mirrored("add", matrix, shift))
    np.testing.assert_array_equal(seg.labels, np.maximum(labels, labels[::-1]))
    both = seg.labels.copy()
    seg.apply(Mirrored("intersect", matrix, shift))
    np.testing.assert_array_equal(seg.labels, both)
    seg.apply(Mirrored("subtract", matrix, shift))
    assert not seg.labels.any()
    alone = segmentation(labels)
    alone.apply(Mirrored("intersect", matrix, shift))
    np.testing.assert_array_equal(alone.labels, np.where((labels > 0) & (labels[::-1] > 0), labels, 0))


def test_mirrored_in_one_slice_and_on_one_label() -> None:
    labels = with_ball(2, (4, 6, 5))
    labels[4, 6, 5] = 1
    matrix, shift = reflection(7.5)
    seg = segmentation(labels)
    seg.apply(Within(Mirrored("add", matrix, shift, label=1), 2, 5, sees_all=True))
    assert np.argwhere(seg.labels != labels).tolist() == [[11, 6, 5]]
    assert seg.labels[11, 6, 5] == 1


@pytest.mark.parametrize(
    ("settings", "block"),
    [
        ({"locked": frozenset({1})}, Block.LOCKED),
        ({"over": PaintOver.BACKGROUND}, Block.RULE),
        ({"gate": lambda box: np.zeros([s.stop - s.start for s in box], bool)}, Block.GATE),
    ],
)
def test_a_blocked_stroke_knows_why(settings: dict[str, object], block: Block) -> None:
    seg = segmentation(with_ball())
    stroke = Stroke(seg, Brush("round", 1.0), 2, 2, **settings)  # type: ignore[arg-type]
    stroke.begin((6, 6, 5))
    assert stroke.block is block
    assert stroke.commit() is None


def test_a_stroke_that_works_has_no_block() -> None:
    seg = segmentation(with_ball())
    stroke = Stroke(seg, Brush("round", 1.0), 2, 1)
    stroke.begin((6, 6, 5))
    assert stroke.block is Block.SAME
    stroke.extend((12, 6, 5))
    assert stroke.block is None
    stroke.extend((-40, 6, 5))
    stroke.extend((-50, 6, 5))
    assert stroke.block is Block.OUTSIDE
    assert stroke.commit() is not None

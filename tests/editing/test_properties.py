"""Whatever the edits: undo brings everything back, redo everything forth, and the counts are always right."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from seg_editor.cases import SCHEME_124, Subregion
from seg_editor.editing import (
    Brush,
    CopySlice,
    Erase,
    Fill,
    FillHoles,
    GrowShrink,
    History,
    InterpolateSlices,
    KeepLargest,
    MaskGate,
    Mirrored,
    MovePiece,
    PaintOver,
    PaintStroke,
    Piece,
    Polygon,
    RemoveSmall,
    RemoveTumor,
    ReplaceAll,
    Segmentation,
    Smooth,
    Stroke,
    Within,
    compute,
)
from seg_editor.editing.edit import Edit
from seg_editor.errors import UsageError

SHAPE = (11, 9, 7)
VALUES = st.sampled_from([0, 1, 2, 4])
AXES = st.integers(0, 2)
POINTS = st.tuples(*(st.floats(-4, n + 4, allow_nan=False) for n in SHAPE))
VOXELS = st.tuples(*(st.integers(0, n - 1) for n in SHAPE))
SPACINGS = st.tuples(*(st.sampled_from([0.5, 1.0, 1.7, 5.0]) for _ in range(3)))
BRUSHES = st.builds(
    Brush, st.sampled_from(["round", "square"]), st.sampled_from([0.5, 1.0, 2.3, 4.0]), three_d=st.booleans()
)
RULES = st.tuples(st.sampled_from(list(PaintOver)), VALUES)
LANDINGS = st.sampled_from([PaintOver.ALL, PaintOver.BACKGROUND])


@st.composite
def volumes(draw: st.DrawFn) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.uint8, np.int16]))
    density = draw(st.sampled_from([0.0, 0.05, 0.6]))
    return np.where(rng.random(SHAPE) < density, rng.choice([1, 2, 4], SHAPE), 0).astype(dtype)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[slice, slice, slice]:
    ends = [sorted((draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1)))) for n in SHAPE]
    x, y, z = (slice(a, b + 1) for a, b in ends)
    return x, y, z


LABEL = st.one_of(st.none(), st.sampled_from([1, 2, 4]))
SHIFTS = st.tuples(*(st.floats(-3, 12) for _ in range(3))).map(np.array)
MATRICES = st.sampled_from([np.diag([-1.0, 1.0, 1.0]), np.array([[-0.8, 0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])])
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(PaintStroke, st.lists(POINTS, min_size=1, max_size=4).map(tuple), BRUSHES, AXES, VALUES),
    st.builds(Erase, boxes(), st.none(), LABEL),
    st.builds(RemoveTumor),
    st.builds(RemoveTumor, st.just("component"), VOXELS),
    st.builds(RemoveTumor, st.just("subregion"), st.none(), st.sampled_from([Subregion.ED, Subregion.NET, 4])),
    st.builds(Fill, VOXELS, st.one_of(st.none(), AXES), VALUES),
    st.builds(GrowShrink, st.sampled_from([-2.0, -1.0, 1.0, 2.5]), LABEL),
    st.builds(KeepLargest, LABEL),
    st.builds(RemoveSmall, st.sampled_from([0.002, 0.02]), LABEL),
    st.builds(FillHoles, LABEL, st.one_of(st.none(), AXES)),
    st.builds(Smooth, st.just(1.0), LABEL, st.sampled_from(["median", "gaussian"])),
    st.builds(CopySlice, AXES, st.integers(0, 8), st.integers(0, 8), LABEL),
    st.builds(InterpolateSlices, AXES, LABEL),
    st.builds(Polygon, st.lists(st.tuples(st.floats(-2, 12), st.floats(-2, 12)), max_size=6).map(tuple), AXES,
              st.one_of(st.none(), st.integers(-1, 11)), VALUES),
    st.builds(ReplaceAll, volumes(), st.just("Segment"), st.booleans()),
    st.builds(Mirrored, st.sampled_from(["add", "subtract", "intersect"]), MATRICES, SHIFTS, LABEL),
)  # fmt: skip
SHAPES: st.SearchStrategy[Edit] = st.one_of(
    st.builds(RemoveTumor),
    st.builds(GrowShrink, st.sampled_from([-2.0, 1.0, 2.5]), LABEL),
    st.builds(KeepLargest, LABEL),
    st.builds(RemoveSmall, st.sampled_from([0.002, 0.02]), LABEL),
    st.builds(Smooth, st.just(1.0), LABEL),
)
PLACES = (st.one_of(st.none(), AXES), st.integers(0, 6))
LOCKS = st.frozensets(st.sampled_from([1, 2, 4]), max_size=2)
RESTRICTED: st.SearchStrategy[Within] = st.one_of(
    st.builds(Within, SHAPES, *PLACES, st.just(False), LOCKS), st.builds(Within, EDITS, *PLACES, st.just(True), LOCKS)
)


@settings(max_examples=300, deadline=None)
@given(volumes(), RESTRICTED, SPACINGS)
def test_no_operation_changes_where_a_locked_label_is(
    labels: np.ndarray, edit: Within, spacing: tuple[float, float, float]
) -> None:
    segmentation = Segmentation(labels, SCHEME_124, spacing)
    with suppress(UsageError):
        segmentation.apply(edit)
    for label in edit.locked:
        np.testing.assert_array_equal(segmentation.labels == label, labels == label)


@settings(max_examples=100, deadline=None)
@given(volumes(), VOXELS, SHIFTS.map(lambda s: tuple(int(v) for v in s)), LABEL, LOCKS)
def test_a_moved_piece_leaves_locked_labels_where_they_are(
    labels: np.ndarray,
    at: tuple[int, int, int],
    offset: tuple[int, int, int],
    label: int | None,
    locked: frozenset[int],
) -> None:
    segmentation = Segmentation(labels, SCHEME_124)
    with suppress(UsageError):
        piece = Piece.at(segmentation.labels, at, label, locked=locked)
        segmentation.apply(MovePiece(piece, piece.kept_inside(offset), locked=locked))
    for value in locked:
        np.testing.assert_array_equal(segmentation.labels == value, labels == value)


@settings(max_examples=200, deadline=None)
@given(volumes(), VOXELS, SHIFTS.map(lambda s: tuple(int(v) for v in s)), LABEL, LOCKS, LANDINGS, st.booleans())
def test_a_moved_piece_arrives_whole_or_nothing_changes(
    labels: np.ndarray,
    at: tuple[int, int, int],
    offset: tuple[int, int, int],
    label: int | None,
    locked: frozenset[int],
    over: PaintOver,
    gated: bool,
) -> None:
    segmentation, brain = Segmentation(labels, SCHEME_124), np.indices(SHAPE).sum(axis=0) < 20
    try:
        piece = Piece.at(segmentation.labels, at, label, locked=locked)
        offset = piece.kept_inside(offset)
        move = MovePiece(piece, offset, over, locked, MaskGate(brain) if gated else None)
        segmentation.apply(move)
    except UsageError:
        np.testing.assert_array_equal(segmentation.labels, labels)
        return
    target = piece.moved(offset)
    assert not move.stranded(labels).any()
    np.testing.assert_array_equal(segmentation.labels[target][piece.mask], labels[piece.box][piece.mask])
    if gated:
        assert not ((segmentation.labels > 0) & ~brain)[target][piece.mask & brain[piece.box]].any()


@settings(max_examples=100, deadline=None)
@given(volumes(), st.lists(POINTS, min_size=1, max_size=4), BRUSHES, AXES, VALUES, LOCKS)
def test_no_stroke_changes_where_a_locked_label_is(
    labels: np.ndarray,
    points: list[tuple[float, float, float]],
    brush: Brush,
    axis: int,
    value: int,
    locked: frozenset[int],
) -> None:
    segmentation = Segmentation(labels, SCHEME_124)
    stroke = Stroke(segmentation, brush, axis, value, locked=locked)
    stroke.begin(points[0])
    for point in points[1:]:
        stroke.extend(point)
    stroke.commit()
    for label in locked:
        np.testing.assert_array_equal(segmentation.labels == label, labels == label)


def check_counts(segmentation: Segmentation) -> None:
    expected = np.bincount(segmentation.labels.ravel().astype(np.intp), minlength=256)
    assert {v: n for v, n in segmentation.counts.items() if n} == {
        int(v): expected[v] for v in np.flatnonzero(expected)
    }
    np.testing.assert_array_equal(segmentation.removed_slices, segmentation.removed.sum(axis=(0, 1)))


@settings(max_examples=150, deadline=None)
@given(volumes(), st.lists(st.one_of(EDITS, RESTRICTED), max_size=8), SPACINGS)
def test_undo_all_and_redo_all(labels: np.ndarray, edits: list[Edit], spacing: tuple[float, float, float]) -> None:
    segmentation = Segmentation(labels, SCHEME_124, spacing)
    history = History(segmentation)
    for edit in edits:
        before = segmentation.labels.copy()
        reference = segmentation.original.copy()
        revision = segmentation.revision
        try:
            change = segmentation.apply(edit)
        except UsageError:
            change = None
        history.push(change)
        check_counts(segmentation)
        if change is None:
            assert segmentation.revision == revision
            np.testing.assert_array_equal(segmentation.labels, before)
            np.testing.assert_array_equal(segmentation.original, reference)
        else:
            assert segmentation.revision > revision
            differs = segmentation.labels != before
            outside = differs.copy()
            outside[change.box] = False
            assert not outside.any()
            np.testing.assert_array_equal(differs[change.box], change.mask)
            np.testing.assert_array_equal(before[change.box][change.mask], change.old)
            np.testing.assert_array_equal(segmentation.labels[change.box][change.mask], change.new)
            assert differs[change.focus] or change.delta is None
    final, final_reference = segmentation.labels.copy(), segmentation.original.copy()
    while history.undo():
        check_counts(segmentation)
    np.testing.assert_array_equal(segmentation.labels, labels)
    np.testing.assert_array_equal(segmentation.original, labels)
    assert segmentation.revision == 0
    assert not segmentation.dirty
    while history.redo():
        check_counts(segmentation)
    np.testing.assert_array_equal(segmentation.labels, final)
    np.testing.assert_array_equal(segmentation.original, final_reference)


@settings(max_examples=150, deadline=None)
@given(volumes(), RESTRICTED, SPACINGS)
def test_restricted_edits_keep_to_their_place(labels: np.ndarray, edit: Within, spacing: tuple[float, ...]) -> None:
    segmentation = Segmentation(labels, SCHEME_124, spacing)
    beside = Segmentation(labels, SCHEME_124, spacing)
    try:
        segmentation.apply(edit)
    except UsageError:
        return
    ready = compute(edit, labels, SCHEME_124, spacing)
    if ready is not None:
        beside.apply(ready)
    np.testing.assert_array_equal(segmentation.labels, beside.labels)
    differs = segmentation.labels != labels
    assert not np.isin(labels[differs], tuple(edit.locked)).any()
    if edit.axis is not None:
        assert set(np.argwhere(differs)[:, edit.axis]) <= {edit.index}


@settings(max_examples=150, deadline=None)
@given(volumes(), st.lists(POINTS, min_size=1, max_size=5), BRUSHES, AXES, VALUES, RULES, SPACINGS)
def test_live_stroke_equals_the_edit(
    labels: np.ndarray,
    points: list[tuple[float, float, float]],
    brush: Brush,
    axis: int,
    value: int,
    rule: tuple[PaintOver, int],
    spacing: tuple[float, float, float],
) -> None:
    over, only = rule
    assume(value == 0 or over is not PaintOver.ACTIVE or only != value)
    live, whole = Segmentation(labels, SCHEME_124, spacing), Segmentation(labels, SCHEME_124, spacing)
    stroke = Stroke(live, brush, axis, value, over, only)
    touched = [stroke.begin(points[0]), *(stroke.extend(p) for p in points[1:])]
    check_counts(live)
    seen = np.zeros(SHAPE, dtype=bool)
    for box in touched:
        if box is not None:
            seen[box] = True
    change = stroke.commit()
    other = whole.apply(PaintStroke(tuple(points), brush, axis, value, over, only))
    np.testing.assert_array_equal(live.labels, whole.labels)
    assert not (live.labels != labels)[~seen].any()
    assert (change is None) == (other is None)
    if change is not None:
        live.revert(change)
    np.testing.assert_array_equal(live.labels, labels)
    check_counts(live)


@settings(max_examples=100, deadline=None)
@given(volumes(), st.lists(POINTS, min_size=1, max_size=5), BRUSHES, AXES, VALUES)
def test_cancelled_stroke_leaves_nothing(
    labels: np.ndarray, points: list[tuple[float, float, float]], brush: Brush, axis: int, value: int
) -> None:
    segmentation = Segmentation(labels, SCHEME_124)
    stroke = Stroke(segmentation, brush, axis, value)
    stroke.begin(points[0])
    for point in points[1:]:
        stroke.extend(point)
    stroke.cancel()
    np.testing.assert_array_equal(segmentation.labels, labels)
    assert segmentation.revision == 0
    assert not segmentation.in_stroke
    check_counts(segmentation)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(*(st.floats(0, 25, allow_nan=False) for _ in range(3))), min_size=1, max_size=6),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.booleans(),
    AXES,
)
def test_strokes_have_no_gaps(
    points: list[tuple[float, float, float]], radius: float, three_d: bool, axis: int
) -> None:
    segmentation = Segmentation(np.zeros((26, 26, 26), dtype=np.uint8), SCHEME_124)
    stroke = Stroke(segmentation, Brush("round", radius, three_d), axis, 1)
    stroke.begin(points[0])
    for point in points[1:]:
        stroke.extend(point)
    stroke.commit()
    _, pieces = ndimage.label(segmentation.labels, structure=np.ones((3, 3, 3)))
    assert pieces == 1
    if not three_d:
        others = tuple(a for a in range(3) if a != axis)
        planes = np.flatnonzero(segmentation.labels.any(axis=others))
        assert planes.tolist() == [int(np.floor(points[0][axis] + 0.5))]


@settings(max_examples=60, deadline=None)
@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(1, 5), st.floats(0.5, 6))
def test_speed_does_not_matter(dx: float, dz: float, start: float, radius: float) -> None:
    """One long mouse move and many short ones along one line cover the same voxels, but for rounding at the rim."""
    begin, end = np.array([start + 30, 7.0, start + 30]), np.array([start + 30 + dx, 7.0, start + 30 + dz])
    drawn = []
    for pieces in (1, 40):
        segmentation = Segmentation(np.zeros((70, 15, 70), dtype=np.uint8), SCHEME_124)
        stroke = Stroke(segmentation, Brush("round", radius), 1, 2)
        stroke.begin(tuple(begin))
        for t in np.linspace(0, 1, pieces + 1)[1:]:
            stroke.extend(tuple(begin + t * (end - begin)))
        stroke.commit()
        drawn.append(segmentation.labels > 0)
    fast, slow = drawn
    rim = ndimage.binary_dilation(fast, np.ones((3, 3, 3)))
    assert not (slow & ~rim).any()
    assert not (fast & ~ndimage.binary_dilation(slow, np.ones((3, 3, 3)))).any()

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from seg_editor.anatomy.mirror import reflect
from seg_editor.cases import MODALITIES, Case, Modality, open_case
from seg_editor.generation.conditioning import BRAIN_CHANNEL, CONTEXT_CHANNELS, UNKNOWN_CHANNEL
from seg_editor.generation.context import CaseContext
from seg_editor.generation.hole import Hole
from tests.generation.emptied import scrambled
from tests.tiny import make_case


@pytest.fixture
def context(tiny_case: Case, hole: Hole) -> CaseContext:
    return CaseContext.of(tiny_case, hole.mask)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A case that is wider than a window."""
    return open_case(make_case(tmp_path_factory.mktemp("cases") / "BraTS2021_90002", shape=(136, 150, 12)))


def test_no_byte_depends_on_what_was_in_the_hole(tiny_case: Case, hole: Hole) -> None:
    other = scrambled(tiny_case, hole.mask)
    assert other.content_hash != tiny_case.content_hash
    a, b = CaseContext.of(tiny_case, hole.mask), CaseContext.of(other, hole.mask)
    for field in fields(CaseContext):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert one.tobytes() == two.tobytes(), field.name
        else:
            assert one == two, field.name
    for k in range(a.brain.shape[2]):
        window = a.window(k)
        if window is not None:
            assert a.channels(k, window).tobytes() == b.channels(k, window).tobytes()


def test_outside_the_hole_it_is_the_source(tiny_case: Case, hole: Hole, context: CaseContext) -> None:
    seen = context.brain & ~context.unknown
    for i, m in enumerate(MODALITIES):
        back = context.to_intensity(m, context.filled[i])
        source = tiny_case.volumes[m].values(context.box)
        unclipped = seen & (np.abs(context.filled[i]) < 6)
        np.testing.assert_allclose(back[unclipped], source[unclipped], rtol=1e-4, atol=0.02)
    assert not context.filled[:, ~context.brain].any()
    assert np.array_equal(context.unknown, hole.mask[context.box])


def test_the_scale_is_measured_outside_the_hole(tiny_case: Case, hole: Hole, context: CaseContext) -> None:
    healthy = tiny_case.brain & ~hole.mask
    for m in MODALITIES:
        assert context.scales[m].median == pytest.approx(np.median(tiny_case.volumes[m].raw[healthy]))


def test_the_fill_stays_within_the_known_values(context: CaseContext) -> None:
    known = context.brain & ~context.unknown
    for volume in context.filled:
        inside = volume[context.unknown]
        assert np.isfinite(inside).all()
        assert inside.min() >= volume[known].min() - 0.05
        assert inside.max() <= volume[known].max() + 0.05


def test_voxels_outside_the_brain_are_never_unknown(tiny_case: Case) -> None:
    context = CaseContext.of(tiny_case, np.ones(tiny_case.grid.shape, bool))
    assert np.array_equal(context.unknown, context.brain)
    assert not context.filled.any()


def test_depth(context: CaseContext) -> None:
    assert not context.depth[~context.unknown].any()
    assert context.depth[context.unknown].min() == 1


def test_missing_modalities_are_empty_and_flagged(tmp_path: Path) -> None:
    case = open_case(make_case(tmp_path / "BraTS2021_90003", modalities=(Modality.T2, Modality.FLAIR)))
    context = CaseContext.of(case, case.tumor)  # type: ignore[arg-type]
    assert context.present.tolist() == [False, False, True, True]
    assert not context.filled[:2].any()
    assert set(context.scales) == {Modality.T2, Modality.FLAIR}


def test_windows_hold_the_hole(wide: Case) -> None:
    assert wide.tumor is not None
    context = CaseContext.of(wide, wide.tumor)
    seen = 0
    for k in range(context.brain.shape[2]):
        window = context.window(k)
        here = context.unknown[:, :, k]
        assert (window is None) == (not here.any())
        if window is None:
            continue
        seen += 1
        sizes = [s.stop - s.start for s in window]
        assert all(n % 16 == 0 and n >= 96 for n in sizes)
        assert all(s.start >= 0 for s in window)
        assert here[window].sum() == here.sum()
        channels = context.channels(k, window)
        assert channels.shape == (CONTEXT_CHANNELS, *sizes)
        assert channels.dtype == np.float32
        assert channels[UNKNOWN_CHANNEL].sum() == here.sum()
        assert np.array_equal(channels[BRAIN_CHANNEL], context.brain[window[0], window[1], k])
    assert seen


def test_channels_do_not_depend_on_the_window(wide: Case) -> None:
    assert wide.tumor is not None
    context = CaseContext.of(wide, wide.tumor)
    k = int(np.flatnonzero(context.unknown.any((0, 1)))[0])
    window = (slice(16, 112), slice(32, 128))
    w, h, _ = context.brain.shape
    whole = context.channels(k, (slice(0, w), slice(0, h)))
    np.testing.assert_allclose(context.channels(k, window), whole[:, window[0], window[1]], atol=1e-6)


def test_slices_beyond_the_crop_repeat_its_end(context: CaseContext) -> None:
    window = (slice(0, 32), slice(0, 32))
    channels = context.channels(0, window)
    t1 = channels[0:5]
    assert np.array_equal(t1[0], t1[2])
    assert np.array_equal(t1[1], t1[2])


def test_small_slices_are_padded_with_nothing(context: CaseContext) -> None:
    k = int(np.flatnonzero(context.unknown.any((0, 1)))[0])
    window = context.window(k)
    assert window is not None
    w, h, _ = context.brain.shape
    assert window[0].stop > w or window[1].stop > h
    channels = context.channels(k, window)
    assert not channels[: BRAIN_CHANNEL + 2, w:].any()
    assert not channels[: BRAIN_CHANNEL + 2, :, h:].any()


def test_the_mirror_never_shows_the_hole(context: CaseContext) -> None:
    usable = context.brain & ~context.unknown
    _, valid = reflect(context.filled, usable, context.plane)
    k = int(np.flatnonzero(context.unknown.any((0, 1)))[0])
    w, h, _ = context.brain.shape
    channels = context.channels(k, (slice(0, w), slice(0, h)))
    at = BRAIN_CHANNEL + 2  # the mirrored modalities follow the brain of the slices -2, 0, 2
    assert np.array_equal(channels[at + 4], valid[..., k])
    assert not channels[at : at + 4][:, ~valid[..., k]].any()


def test_the_preparation_can_be_stopped_between_its_parts(tiny_case: Case, hole: Hole) -> None:
    checked: list[None] = []
    CaseContext.of(tiny_case, hole.mask, check=lambda: checked.append(None))
    assert len(checked) >= 6

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        CaseContext.of(tiny_case, hole.mask, check=stop)

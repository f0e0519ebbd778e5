from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import MODALITIES
from seg_editor.generation.conditioning import (
    BRAIN_CHANNEL,
    CHANNEL_SCALE,
    CONTEXT_CHANNELS,
    LATERAL_CHANNEL,
    N_MODALITIES,
    NEIGHBORS,
    UNKNOWN_CHANNEL,
    assemble,
    positions,
    to_network_units,
)
from seg_editor.generation.networks import InpaintConfig

H, W = 6, 5


def parts() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "filled": rng.normal(size=(4, len(NEIGHBORS), H, W)).astype(np.float32),
        "unknown": rng.random((len(NEIGHBORS), H, W)) < 0.5,
        "brain": rng.random((len(NEIGHBORS), H, W)) < 0.5,
        "mirrored": rng.normal(size=(4, H, W)).astype(np.float32),
        "mirror_valid": rng.random((H, W)) < 0.5,
        "position": rng.normal(size=(3, H, W)).astype(np.float32),
        "depth": rng.uniform(0, 20, (H, W)).astype(np.float32),
        "present": np.ones(4, bool),
    }


def test_the_network_takes_as_many_channels_as_there_are() -> None:
    assert InpaintConfig().context_channels == CONTEXT_CHANNELS
    assert InpaintConfig().modalities == N_MODALITIES == len(MODALITIES) == len(CHANNEL_SCALE)
    assert assemble(**parts()).shape == (CONTEXT_CHANNELS, H, W)


def test_named_channels_hold_what_they_say() -> None:
    given = parts()
    channels = assemble(**given)
    here = NEIGHBORS.index(0)
    assert np.array_equal(channels[UNKNOWN_CHANNEL], given["unknown"][here])
    assert np.array_equal(channels[BRAIN_CHANNEL], given["brain"][here])
    assert np.array_equal(channels[LATERAL_CHANNEL], given["position"][0])


def test_every_channel_in_order() -> None:
    given = parts()
    here = NEIGHBORS.index(0)
    channels = assemble(**given)
    expected = [
        *given["filled"].reshape(-1, H, W),
        *given["unknown"],
        *given["brain"][[here - 2, here, here + 2]],
        *given["mirrored"],
        given["mirror_valid"],
        *given["position"],
        given["depth"] / 10,
        *np.ones((4, H, W)),
    ]
    np.testing.assert_allclose(channels, np.stack(expected), rtol=1e-6)


def test_absent_modalities_are_zero_and_flagged() -> None:
    given = parts()
    given["present"] = np.array([True, False, True, False])
    channels = assemble(**given)
    n = len(NEIGHBORS)
    assert not channels[n : 2 * n].any()
    assert not channels[3 * n : 4 * n].any()
    assert np.array_equal(channels[:n], given["filled"][0])
    mirror_at = LATERAL_CHANNEL - 5
    assert not channels[[mirror_at + 1, mirror_at + 3]].any()
    assert channels[-4:].mean((1, 2)).tolist() == [1, 0, 1, 0]


def test_depth_is_capped() -> None:
    given = parts()
    given["depth"][0, 0] = 400
    assert assemble(**given)[-5].max() == pytest.approx(3.0)


def test_network_units() -> None:
    volumes = np.full((4, 2, 2, 2), 2.0, np.float32)
    volumes[0, 0, 0, 0], volumes[0, 1, 1, 1] = 1e6, -1e6
    brain = np.ones((2, 2, 2), bool)
    brain[0, 1, 0] = False
    units = to_network_units(volumes, brain)
    assert units.dtype == np.float32
    np.testing.assert_allclose(units[:, 0, 0, 1], 2 / CHANNEL_SCALE)
    assert not units[:, 0, 1, 0].any()
    assert units.max() == 6
    assert units.min() == -6


def test_positions_do_not_depend_on_the_window() -> None:
    box = (slice(2, 40), slice(4, 50), slice(3, 33))
    lateral = np.arange(40, dtype=np.float32)[:, None] - 20 + np.zeros((1, 50), np.float32)
    whole = positions(lateral, box, (0, 0), 18)
    part = positions(lateral[8:20, 10:30], box, (8, 10), 18)
    np.testing.assert_allclose(part, whole[:, 8:20, 10:30], atol=1e-6)
    assert whole[1, 0, 4] == pytest.approx(-1)
    assert whole[1, 0, 49] == pytest.approx(1, abs=0.05)
    assert whole[2].min() == whole[2].max() == pytest.approx(0)

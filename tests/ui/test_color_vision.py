"""Colors as color-blind readers see them, and whether labels stay apart."""

from __future__ import annotations

import numpy as np
import pytest

from seg_editor.cases import SCHEME_2013
from seg_editor.ui.color_vision import KINDS, NORMAL, alike, simulate
from seg_editor.ui.theme import label_colors


def test_full_color_vision_changes_nothing() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (40, 3))
    assert np.array_equal(simulate(colors, NORMAL), colors)


@pytest.mark.parametrize("kind", list(KINDS))
def test_grays_stay_gray(kind: str) -> None:
    grays = np.repeat(np.arange(0, 256, 15)[:, None], 3, axis=1)
    assert np.abs(simulate(grays, kind).astype(int) - grays).max() <= 2


def test_red_and_green_come_close_without_red_or_green_cones() -> None:
    assert {kind for kind, _, _ in alike({"red": (190, 90, 40), "green": (110, 120, 30)})} >= {"deuteranopia"}
    assert not {kind for kind, _, _ in alike({"red": (190, 90, 40), "green": (110, 120, 30)})} & {NORMAL, "tritanopia"}


def test_the_palette_keeps_every_two_labels_apart() -> None:
    by_value = label_colors(SCHEME_2013)
    assert alike({str(subregion): by_value[value] for subregion, value in SCHEME_2013.values}) == []


def test_equal_colors_are_alike_for_everyone() -> None:
    assert {kind for kind, _, _ in alike({"a": (10, 20, 30), "b": (10, 20, 30)})} == set(KINDS)

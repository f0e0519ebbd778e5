"""What several tests of the window do and look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import Qt

from seg_editor.editing import Patch
from seg_editor.editing.delta import whole_box
from tests.ui.conftest import Hands


def labels(hands: Hands) -> np.ndarray:
    """The tumor's labels."""
    return hands.workspace.segmentation.labels


def erase(hands: Hands, number: int) -> None:
    """A short stroke inside the old tumor: paint back a little of it, another place each time."""
    x, y, z = hands.workspace.view.cursor
    row = y - 6 + number
    hands.drag([(x - 4, row, z), (x + 4, row, z)])


def flashing(hands: Hands) -> str:
    """The reason that flashes in a pane now."""
    return hands.window.tools.overlays.flashing


def outline(hands: Hands, *corners: tuple[float, float, float]) -> None:
    """Click corners."""
    for corner in corners:
        hands.drag([corner])


@dataclass(frozen=True, eq=False)
class Put:
    """Sets all labels."""

    labels: np.ndarray
    name: str = "Put"

    def __call__(self, labels: np.ndarray) -> Patch:
        return Patch(whole_box(labels.shape), np.ones(labels.shape, np.bool_), self.labels.astype(labels.dtype).ravel())


def paint(hands: Hands, x: float = 20) -> None:
    """One stroke of the brush."""
    hands.key(Qt.Key.Key_B)
    z = hands.workspace.view.cursor[2]
    hands.drag([(x, 20, z), (x + 4, 24, z)])


def save(
    hands: Hands,
    wait: Callable[[Callable[[], bool]], None],
    keys: Qt.KeyboardModifier = Qt.KeyboardModifier.ControlModifier,
) -> None:
    """Press the key of saving and wait."""
    hands.key(Qt.Key.Key_S, keys)
    wait(lambda: not hands.window.cases.saves.running)

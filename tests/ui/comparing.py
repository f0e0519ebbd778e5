"""What the tests of comparing share: keys of the modes, another result, the pictures of a pane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import Qt

from seg_editor.ui.compare import Mode
from tests.ui.conftest import Hands

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
Wait = Callable[[Callable[[], bool]], None]
KEYS = {
    Mode.PLAIN: Qt.Key.Key_F1,
    Mode.BLINK: Qt.Key.Key_F2,
    Mode.FADE: Qt.Key.Key_F3,
    Mode.SWIPE: Qt.Key.Key_F4,
    Mode.LENS: Qt.Key.Key_F5,
    Mode.CHECKER: Qt.Key.Key_F6,
}


def second(hands: Hands, wait: Wait, seed: int = 9) -> None:
    """Make another result of the same slice."""
    hands.window.generation.settings.seed = seed
    hands.window.generation.generate()
    wait(lambda: hands.workspace.results.current.request.seed == seed and not hands.window.generation.running)


def pictures(hands: Hands) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the pane shows, and what it shows of source and counterfactual alone."""
    state, pane = hands.window.compare.state, hands.pane()
    shown, mode = pane.picture.image.copy(), state.mode
    state.mode = Mode.PLAIN
    result = pane.picture.image.copy()
    hands.window.ui.peek = True
    source = pane.picture.image.copy()
    hands.window.ui.peek = False
    state.mode = mode
    return shown, source, result

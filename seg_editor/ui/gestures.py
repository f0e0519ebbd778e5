"""What a mouse event over the picture means, by the action table. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seg_editor.ui.action_table import ACTIONS
from seg_editor.ui.state import Tool

_MODIFIERS = ("Ctrl", "Shift", "Alt", "Space")


@dataclass(frozen=True)
class Chord:
    """A control of the mouse with what is held.

    Parameters
    ----------
    control : str
        ``Left``, ``Middle``, ``Right``, ``Wheel``, ``Move`` or ``Double``.
    held : frozenset of str
        Of ``Ctrl``, ``Shift``, ``Alt`` and ``Space``.
    """

    control: str
    held: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Chord:
        """Read ``Ctrl+Left drag`` and the like; click and drag are one chord, the gesture decides."""
        *held, control = text.split("+")
        return cls(control.split(" ")[0], frozenset(held))


class Gestures:
    """The gestures of one preset.

    Parameters
    ----------
    preset : str
    """

    def __init__(self, preset: str = "seg-editor") -> None:
        self._meanings: dict[tuple[Chord, str], str] = {}
        for action in ACTIONS:
            if action.kind == "mouse":
                for text in action.keys_for(preset):
                    for tool in action.tools or ("",):
                        self._meanings[Chord.parse(text), tool] = action.id

    def meaning(self, chord: Chord, tool: Tool) -> str:
        """Return the id of the gesture, ``""`` when it means nothing with this tool."""
        return self._meanings.get((chord, str(tool))) or self._meanings.get((chord, ""), "")


def modal_keys(preset: str) -> Mapping[str, str]:
    """Return key to id of the keys that act while an outline is drawn."""
    return {key: action.id for action in ACTIONS if action.kind == "modal" for key in action.keys_for(preset)}

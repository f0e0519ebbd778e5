"""Keys in sentences: a text names actions of the table, the user reads their keys in the preset in force."""

from __future__ import annotations

import re

from PyQt6.QtGui import QKeySequence

from seg_editor.ui.action_table import BY_ID

#: What is printed on the key.
_PRINTED = {"Return": "Enter", "Del": "Delete"}
_NAMED = re.compile(r"\{(\w+)\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*\{\w+\}[^\[\]]*)\]")


def native_key(key: str) -> str:
    """Return a key as the system writes it, for example with the command sign."""
    shown = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
    return shown or key


def with_keys(text: str, preset: str) -> str:
    """Return a sentence with keys in place of the actions that it names.

    Parameters
    ----------
    text : str
        ``{overlay}`` stands for the first key, or gesture, of that action of the table. A part in square brackets
        that names actions, such as ``[ ({overlay})]``, goes where one of them has no key; outside of brackets the
        name of the action stands for the key. Anything else is left as it is.
    preset : str
        Whose keys.
    """

    def optional(part: re.Match[str]) -> str:
        names = _NAMED.findall(part[1])
        if not all(name in BY_ID for name in names):
            return part[0]
        return part[1] if all(BY_ID[name].keys_for(preset) for name in names) else ""

    def key(part: re.Match[str]) -> str:
        return _in_words(part[1], preset) if part[1] in BY_ID else part[0]

    return _NAMED.sub(key, _OPTIONAL.sub(optional, text))


def _in_words(name: str, preset: str) -> str:
    """Return the first key of an action as a sentence writes it: a lone sign in quotes, the mouse in small letters."""
    action = BY_ID[name]
    keys = action.keys_for(preset)
    if not keys:
        return action.text.rstrip("…")
    if action.kind == "mouse":
        held, plus, control = keys[0].rpartition("+")
        return f"{held}{plus}{control.lower()}"
    shown = native_key(keys[0])
    shown = _PRINTED.get(shown, shown)
    return shown if len(shown) > 1 or shown.isalnum() else f'"{shown}"'

"""What the session tests do to a workspace."""

from __future__ import annotations

from seg_editor.editing import Change, PaintStroke
from seg_editor.editing.brush import Brush
from seg_editor.session import Workspace


def dab(x: float, value: int = 1, radius: float = 1.0) -> PaintStroke:
    """A dab in the slice z = 3."""
    return PaintStroke(((x, 5.0, 3.0),), Brush("round", radius), 2, value)


def paint(workspace: Workspace, x: float, value: int = 1) -> Change:
    """Paint one dab, as the mouse would."""
    stroke = workspace.stroke(2)
    stroke.begin((x, 5.0, 3.0))
    stroke.extend((x + 2, 6.0, 3.0))
    change = stroke.commit()
    assert change is not None
    return change


def crash(workspace: Workspace) -> None:
    """End a session the hard way: the file stays, the lock goes (as the system does for a killed process)."""
    for layer in workspace.layers:
        layer.crash_stop()

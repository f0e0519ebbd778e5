"""One opened case: segmentation, view, results; saving and recovery after a crash."""

from __future__ import annotations

from seg_editor.session.results import Results
from seg_editor.session.view import Plane, ViewState, default_window
from seg_editor.session.workspace import Workspace

__all__ = ["Plane", "Results", "ViewState", "Workspace", "default_window"]

"""What the window shows and which tool is in hand, beyond the opened case. Widgets bind to it. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from seg_editor.session.observable import Field, Observable


class Tool(StrEnum):
    """What the left mouse button does."""

    NAVIGATE = "navigate"
    PAINT = "paint"
    ERASE = "erase"
    FILL = "fill"
    PICK = "pick"
    POLYGON = "polygon"
    MOVE = "move"
    RESHAPE = "reshape"

    @property
    def brushes(self) -> bool:
        """True for the tools that draw with the brush."""
        return self in (Tool.PAINT, Tool.ERASE)

    @property
    def sets_labels(self) -> bool:
        """True for the tools that set labels where the rules of painting allow it."""
        return self in (Tool.PAINT, Tool.FILL, Tool.POLYGON)


class Layout(StrEnum):
    """How the panes are arranged."""

    SINGLE = "single"
    COMPARE = "compare"
    PLANES = "planes"
    MODALITIES = "modalities"
    VOLUME = "volume"
    EIGHT = "eight"
    MODELS = "models"


class Role(StrEnum):
    """Which picture a pane shows."""

    SOURCE = "source"
    RESULT = "result"
    DIFFERENCE = "difference"

    @property
    def display(self) -> str:
        """Name for captions."""
        return {"source": "Source", "result": "Counterfactual", "difference": "Difference"}[self.value]


class UiState(Observable):
    """Tool in hand, layout and overlays; it outlives the case.

    Attributes
    ----------
    tool : Tool
    layout : Layout
    picture : Role
        What the panes show where the layout does not decide it.
    maximized : int or None
        The pane that fills the viewer for now.
    radiological : bool
        The patient's right is on the left of axial and coronal pictures.
    nose_left : bool
        Sagittal pictures look to the left.
    crosshair, smooth, tissue : bool
    hidden_labels : frozenset of int
    label_colors : mapping of str to str
        ``#rrggbb`` by subregion where the user chose another color than the palette's.
    brain_look : str
        The brain in the 3D view: ``glass``, ``solid`` or ``off``.
    peek : bool
        The original is shown while a key is held.
    """

    tool = Field(Tool.NAVIGATE)
    layout = Field(Layout.SINGLE)
    picture = Field(Role.SOURCE)
    maximized: Field[int | None] = Field(None)
    radiological = Field(True)
    nose_left = Field(True)
    crosshair = Field(True)
    smooth = Field(True)
    tissue = Field(False)
    hidden_labels: Field[frozenset[int]] = Field(frozenset())
    label_colors: Field[Mapping[str, str]] = Field({})
    brain_look = Field("glass")
    peek = Field(False)


class GenerationSettings(Observable):
    """What the next run will use.

    Attributes
    ----------
    model, preset : str
    steps : int or None
        None takes the preset's number.
    slices : str
        ``slice`` (the one shown), ``auto`` or ``all``.
    seed : int
    seed_locked : bool
        False draws a new seed for each run.
    live : bool
        A committed stroke starts a run by itself.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    """

    model = Field("")
    preset = Field("standard")
    steps: Field[int | None] = Field(None)
    slices = Field("slice")
    seed = Field(0)
    seed_locked = Field(True)
    live = Field(False)
    device = Field("auto")


class Camera(Observable):
    """Zoom and center shared by linked panes. Zoom 1 fits the brain; `center` is a fraction of the fitted region."""

    center: Field[tuple[float, float]] = Field((0.5, 0.5))
    zoom = Field(1.0)

    def fit(self) -> None:
        """Show the whole brain."""
        self.center = (0.5, 0.5)
        self.zoom = 1.0


def stepped_radius(radius: float, notches: float) -> float:
    """Return a brush radius in mm made larger or smaller: by half millimeters, faster when it is large."""
    stride = 0.5 if radius < 8 else 1.0 if radius < 20 else 2.0
    return min(40.0, max(0.5, round((radius + stride * notches) * 2) / 2))

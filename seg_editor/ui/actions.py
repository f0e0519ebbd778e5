"""Keys as data: one table of everything that the user can do. It feeds menus, tool strip, tooltips and the sheet. No Qt here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PRESETS: dict[str, str] = {"seg-editor": "seg-editor", "itksnap": "ITK-SNAP", "slicer": "3D Slicer"}


@dataclass(frozen=True)
class Facts:
    """What decides whether an action makes sense now."""

    has_case: bool = False
    loading: bool = False
    has_tumor: bool = False
    can_undo: bool = False
    can_redo: bool = False
    undo_name: str = ""
    redo_name: str = ""
    stroking: bool = False
    dirty: bool = False
    removed: bool = False
    hole_here: bool = False
    slices: str = "slice"
    running: bool = False
    tissue_running: bool = False
    has_tissue: bool = False
    has_result: bool = False
    model_problem: str = ""
    modalities: tuple[str, ...] = ()


Why = Callable[[Facts], str]


def _always(facts: Facts) -> str:
    return ""


def _case(facts: Facts) -> str:
    return "" if facts.has_case else "Open a case first"


def _edit(facts: Facts) -> str:
    return _case(facts) or ("Finish the stroke first" if facts.stroking else "")


def _undo(facts: Facts) -> str:
    return _edit(facts) or ("" if facts.can_undo else "Nothing to undo yet")


def _redo(facts: Facts) -> str:
    return _edit(facts) or ("" if facts.can_redo else "Nothing was undone")


def _remove(facts: Facts) -> str:
    return _edit(facts) or ("" if facts.has_tumor else "The segmentation holds no tumor: paint one, or undo")


def _generate(facts: Facts) -> str:
    if _edit(facts) or facts.model_problem:
        return _edit(facts) or facts.model_problem
    if not facts.removed:
        return "Remove the tumor or erase a part of it first"
    if facts.slices == "slice" and not facts.hole_here:
        return "Nothing was removed in this slice: go to one that lost tumor, or choose another range of slices"
    return ""


def _tissue(facts: Facts) -> str:
    return _case(facts) or ("The tissue map is being computed" if facts.tissue_running else "")


def _tissue_shown(facts: Facts) -> str:
    return _case(facts) or ("" if facts.has_tissue else "Compute the tissue map first (View menu)")


def _result(facts: Facts) -> str:
    return _case(facts) or ("" if facts.has_result else "Generate a counterfactual first")


def _modality(key: str) -> Why:
    def why(facts: Facts) -> str:
        return _case(facts) or ("" if key in facts.modalities else f"This case has no {key.upper()}")

    return why


@dataclass(frozen=True)
class Action:
    """One thing that the user can do.

    Parameters
    ----------
    id : str
        Stable name.
    text : str
        Name in menus.
    keys : mapping of preset to tuple of str
        Qt key names; ``seg-editor`` is the default for presets that are not listed.
    tip : str
        One sentence for the tooltip.
    icon : str
        Name of an icon, or nothing.
    menu : str
        Menu it belongs to; empty for keys without a menu entry.
    why_disabled : callable
        Returns why it cannot be done now, or an empty string.
    checkable : bool
        Shows a state.
    kind : str
        ``press``; ``hold`` for keys that act while held; ``mouse`` for gestures that only the sheet lists.
    """

    id: str
    text: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tip: str = ""
    icon: str = ""
    menu: str = ""
    why_disabled: Why = _always
    checkable: bool = False
    kind: str = "press"

    def keys_for(self, preset: str) -> tuple[str, ...]:
        """Return the keys in a preset."""
        own = self.keys.get(preset)
        return self.keys.get("seg-editor", ()) if own is None else own


def _k(*default: str, itksnap: tuple[str, ...] | None = None, slicer: tuple[str, ...] | None = None) -> dict[str, tuple[str, ...]]:
    keys = {"seg-editor": default}
    if itksnap is not None:
        keys["itksnap"] = itksnap
    if slicer is not None:
        keys["slicer"] = slicer
    return keys


ACTIONS: tuple[Action, ...] = (
    Action("open", "Open case…", _k("Ctrl+O", itksnap=("Ctrl+G", "Ctrl+O")), "Open a folder that holds one case", "open", "file"),
    Action("open_file", "Open case by a file…", _k("Ctrl+Shift+O"), "Open the case that a NIfTI file belongs to", "", "file"),
    Action("open_demo", "Open the demo case", _k(), "Open the synthetic case that comes with the program", "brain", "file"),
    Action("save", "Save segmentation", _k("Ctrl+S"), "Save the segmentation into its file", "save", "file", _edit),
    Action("save_as", "Save segmentation as…", _k("Ctrl+Shift+S"), "Save the segmentation into another file", "", "file", _edit),
    Action("close", "Close case", _k("Ctrl+W"), "Close the case; asks when there are unsaved changes", "", "file", _case),
    Action("quit", "Quit", _k("Ctrl+Q"), "Close the program", "", "file"),
    Action("undo", "Undo", _k("Ctrl+Z", slicer=("Z", "Ctrl+Z")), "Take back the last step and show where it was", "undo", "edit", _undo),
    Action("redo", "Redo", _k("Ctrl+Shift+Z", "Ctrl+Y", slicer=("Y", "Ctrl+Y")), "Do the undone step again", "redo", "edit", _redo),
    Action("navigate", "Navigate", _k("1", "N", slicer=("0", "N")), "Move the crosshair; drag with the right button to change brightness and contrast", "navigate", "tools", _case, True),
    Action("paint", "Paint", _k("B", "4", itksnap=("4",), slicer=("2",)), "Paint the active label with the left button; the right button erases it", "paint", "tools", _case, True),
    Action("erase", "Erase", _k("E", slicer=("4", "E")), "Erase with the left button", "erase", "tools", _case, True),
    Action("fill", "Fill", _k("F", slicer=("5",)), "Fill the region under the mouse with the active label", "fill", "tools", _case, True),
    Action("pick", "Pick label", _k("I"), "Make the label under the mouse the active one (any tool: Ctrl+click)", "pick", "tools", _case, True),
    Action("brush_smaller", "Smaller brush", _k("[", itksnap=("-",), slicer=("-",)), "Make the brush smaller", "", "tools", _case),
    Action("brush_larger", "Larger brush", _k("]", itksnap=("+", "="), slicer=("+", "=")), "Make the brush larger", "", "tools", _case),
    Action("label_previous", "Previous label", _k("Q", itksnap=(",", "<")), "Make the previous label the active one", "", "tools", _case),
    Action("label_next", "Next label", _k("W", itksnap=(".", ">")), "Make the next label the active one", "", "tools", _case),
    Action("remove", "Remove tumor", _k("Ctrl+R"), "Clear every tumor label of the segmentation (one undo step)", "remove", "generate", _remove),
    Action("generate", "Generate", _k("Return", "Enter"), "Paint healthy tissue where the tumor was removed", "generate", "generate", _generate),
    Action("stop", "Stop", _k("Esc"), "Take back the running stroke, else stop the running generation, else put the tool away", "stop", "generate", _always),
    Action("new_seed", "New seed", _k("Ctrl+D"), "Draw another random seed", "dice", "generate", _case),
    Action("slice_next", "Next slice", _k("Up", "PgUp", slicer=("Up", "PgUp", "F")), "Go up one slice", "", "slices", _case),
    Action("slice_previous", "Previous slice", _k("Down", "PgDown", slicer=("Down", "PgDown", "B")), "Go down one slice", "", "slices", _case),
    Action("slice_next_5", "Five slices up", _k("Shift+Up", "Shift+PgUp"), "Go up five slices", "", "slices", _case),
    Action("slice_previous_5", "Five slices down", _k("Shift+Down", "Shift+PgDown"), "Go down five slices", "", "slices", _case),
    Action("largest", "Slice with most tumor", _k("Home"), "Go to the axial slice that holds (or held) the most tumor", "", "slices", _case),
    Action("axial", "Axial", _k("Ctrl+Alt+1"), "Show the axial plane", "", "slices", _case, True),
    Action("coronal", "Coronal", _k("Ctrl+Alt+2"), "Show the coronal plane", "", "slices", _case, True),
    Action("sagittal", "Sagittal", _k("Ctrl+Alt+3"), "Show the sagittal plane", "", "slices", _case, True),
    Action("layout_single", "One pane", _k("Ctrl+1"), "One large picture", "layout-single", "slices", _case, True),
    Action("layout_compare", "Source, counterfactual, difference", _k("Ctrl+2"), "Three linked pictures side by side", "layout-compare", "slices", _case, True),
    Action("layout_planes", "Three planes", _k("Ctrl+3"), "Axial, coronal and sagittal, linked by the crosshair", "layout-planes", "slices", _case, True),
    Action("show_source", "Show source", _k("Ctrl+Shift+1"), "Show the original picture", "", "slices", _case, True),
    Action("show_result", "Show counterfactual", _k("Ctrl+Shift+2"), "Show the generated picture", "", "slices", _case, True),
    Action("show_difference", "Show difference", _k("Ctrl+Shift+3"), "Show generated minus original", "", "slices", _case, True),
    Action("peek", "See the original (hold)", _k("Tab"), "Hold to see the original instead of the counterfactual", "", "", _case, False, "hold"),
    Action("modality_t1", "T1", _k("F1"), "Show T1", "", "view", _modality("t1"), True),
    Action("modality_t1c", "T1c", _k("F2"), "Show T1 with contrast agent", "", "view", _modality("t1c"), True),
    Action("modality_t2", "T2", _k("F3"), "Show T2", "", "view", _modality("t2"), True),
    Action("modality_flair", "FLAIR", _k("F4"), "Show FLAIR", "", "view", _modality("flair"), True),
    Action("modality_next", "Next modality", _k("M", itksnap=("M", "]"), slicer=("M", "]")), "Show the next modality", "", "view", _case),
    Action("auto_window", "Automatic contrast", _k("Ctrl+J"), "Set brightness and contrast from the whole volume", "contrast", "view", _case),
    Action("fit", "Fit to window", _k("R"), "Show the whole picture in every pane", "fit", "view", _case),
    Action("zoom_in", "Zoom in", _k("Ctrl++", "Ctrl+="), "Zoom in about the middle", "", "view", _case),
    Action("zoom_out", "Zoom out", _k("Ctrl+-"), "Zoom out about the middle", "", "view", _case),
    Action("overlay", "Labels", _k("S", slicer=("G",)), "Show or hide the labels", "eye", "view", _case, True),
    Action("outline", "Outlines", _k("O"), "Show or hide the outlines of labels and of what was removed", "outline", "view", _case, True),
    Action("opacity_less", "Labels fainter", _k("A"), "Make the labels more transparent", "", "view", _case),
    Action("opacity_more", "Labels stronger", _k("D"), "Make the labels less transparent", "", "view", _case),
    Action("crosshair", "Crosshair", _k("C"), "Show or hide the crosshair", "crosshair", "view", _case, True),
    Action("tissue", "Tissue map", _k("T"), "Show CSF, gray and white matter over the source", "tissue", "view", _tissue_shown, True),
    Action("compute_tissue", "Compute the tissue map", _k(), "Find CSF, gray and white matter in the background; takes minutes", "tissue", "view", _tissue),
    Action("radiological", "Radiological display", _k(), "Patient's right on the left of the screen", "", "view", _always, True),
    Action("smooth", "Smooth pictures", _k(), "Interpolate between voxels; off shows every voxel as a square", "", "view", _always, True),
    Action("export_png", "Export picture of the view (PNG)…", _k("Ctrl+E"), "Save what the panes show as a PNG", "image", "export", _case),
    Action("export_result", "Export counterfactual…", _k("Ctrl+Shift+E"), "Write NIfTI volumes, panel and metrics into a folder", "export", "export", _result),
    Action("theme_system", "Follow the system", _k(), "Dark or light as the system is", "", "theme", _always, True),
    Action("theme_dark", "Dark", _k(), "Dark theme", "", "theme", _always, True),
    Action("theme_light", "Light", _k(), "Light theme", "", "theme", _always, True),
    Action("panel_focus", "Picture or panels", _k("F6"), "Move the keyboard between the picture and the panels", "", "view"),
    Action("shortcuts", "Keyboard shortcuts", _k("?", "Ctrl+/"), "Show every key", "keyboard", "help"),
    Action("about", "About seg-editor", _k(), "What this program is, and what it is not", "help", "help"),
    Action("m_paint", "Paint / erase", _k("Left drag", "Right drag"), "", kind="mouse"),
    Action("m_crosshair", "Crosshair, any tool", _k("Alt+left", "Shift+move"), "", kind="mouse"),
    Action("m_pick", "Pick a label", _k("Ctrl+click"), "", kind="mouse"),
    Action("m_size", "Brush size", _k("Shift+wheel"), "", kind="mouse"),
    Action("m_slice", "Slices; Shift: five", _k("Wheel"), "", kind="mouse"),
    Action("m_zoom", "Zoom", _k("Ctrl+wheel"), "", kind="mouse"),
    Action("m_pan", "Pan", _k("Middle drag", "Space+drag"), "", kind="mouse"),
    Action("m_window", "Brightness, contrast", _k("Right drag"), "", kind="mouse"),
    Action("m_maximize", "Maximize a pane", _k("Double click"), "", kind="mouse"),
)  # fmt: skip

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}

GROUPS: tuple[tuple[str, str], ...] = (
    ("file", "Case"),
    ("edit", "Edit"),
    ("tools", "Tools"),
    ("generate", "Generate"),
    ("slices", "Slices and layouts"),
    ("view", "Picture"),
    ("export", "Export"),
    ("help", "Help"),
)


def conflicts(preset: str, actions: tuple[Action, ...] = ACTIONS) -> list[tuple[str, str, str]]:
    """Return ``(key, first id, second id)`` for every key that a preset gives to two actions."""
    seen: dict[str, str] = {}
    found = []
    for action in actions:
        if action.kind == "mouse":
            continue
        for key in action.keys_for(preset):
            if key in seen:
                found.append((key, seen[key], action.id))
            seen.setdefault(key, action.id)
    return found

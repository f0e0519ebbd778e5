"""Keys as data: one table of all that the user can do; menus, tools, tooltips and the sheet come from it. No Qt."""

from __future__ import annotations

from seg_editor.ui.actions import (
    Action,
    needs_always,
    needs_case,
    needs_edit,
    needs_generate,
    needs_modality,
    needs_redo,
    needs_remove,
    needs_result,
    needs_tissue,
    needs_tissue_shown,
    needs_undo,
)

PRESETS: dict[str, str] = {"seg-editor": "seg-editor", "itksnap": "ITK-SNAP", "slicer": "3D Slicer"}


def _k(
    *default: str, itksnap: tuple[str, ...] | None = None, slicer: tuple[str, ...] | None = None
) -> dict[str, tuple[str, ...]]:
    keys = {"seg-editor": default}
    if itksnap is not None:
        keys["itksnap"] = itksnap
    if slicer is not None:
        keys["slicer"] = slicer
    return keys


# fmt: off
ACTIONS: tuple[Action, ...] = (
    Action(
        "open", "Open case…", _k("Ctrl+O", itksnap=("Ctrl+G", "Ctrl+O")), "Open a folder that holds one case",
        "open", "file"
    ),
    Action(
        "open_file", "Open case by a file…", _k("Ctrl+Shift+O"), "Open the case that a NIfTI file belongs to", "",
        "file"
    ),
    Action(
        "open_demo", "Open the demo case", _k(), "Open the synthetic case that comes with the program", "brain",
        "file"
    ),
    Action(
        "save", "Save segmentation", _k("Ctrl+S"), "Save the segmentation into its file", "save", "file", needs_edit
    ),
    Action(
        "save_as", "Save segmentation as…", _k("Ctrl+Shift+S"), "Save the segmentation into another file", "",
        "file", needs_edit
    ),
    Action(
        "close", "Close case", _k("Ctrl+W"), "Close the case; asks when there are unsaved changes", "", "file",
        needs_case
    ),
    Action("quit", "Quit", _k("Ctrl+Q"), "Close the program", "", "file"),
    Action(
        "undo", "Undo", _k("Ctrl+Z", slicer=("Z", "Ctrl+Z")), "Take back the last step and show where it was",
        "undo", "edit", needs_undo
    ),
    Action(
        "redo", "Redo", _k("Ctrl+Shift+Z", "Ctrl+Y", slicer=("Y", "Ctrl+Y")), "Do the undone step again", "redo",
        "edit", needs_redo
    ),
    Action(
        "navigate", "Navigate", _k("1", "N", slicer=("0", "N")),
        "Move the crosshair; drag with the right button to change brightness and contrast", "navigate", "tools",
        needs_case, True
    ),
    Action(
        "paint", "Paint", _k("B", "4", itksnap=("4",), slicer=("2",)),
        "Paint the active label with the left button; the right button erases it", "paint", "tools", needs_case,
        True
    ),
    Action(
        "erase", "Erase", _k("E", slicer=("4", "E")), "Erase with the left button", "erase", "tools", needs_case,
        True
    ),
    Action(
        "fill", "Fill", _k("F", slicer=("5",)), "Fill the region under the mouse with the active label", "fill",
        "tools", needs_case, True
    ),
    Action(
        "pick", "Pick label", _k("I"), "Make the label under the mouse the active one (any tool: Ctrl+click)",
        "pick", "tools", needs_case, True
    ),
    Action(
        "brush_smaller", "Smaller brush", _k("[", itksnap=("-",), slicer=("-",)), "Make the brush smaller", "",
        "tools", needs_case
    ),
    Action(
        "brush_larger", "Larger brush", _k("]", itksnap=("+", "="), slicer=("+", "=")), "Make the brush larger", "",
        "tools", needs_case
    ),
    Action(
        "label_previous", "Previous label", _k("Q", itksnap=(",", "<")), "Make the previous label the active one",
        "", "tools", needs_case
    ),
    Action(
        "label_next", "Next label", _k("W", itksnap=(".", ">")), "Make the next label the active one", "", "tools",
        needs_case
    ),
    Action(
        "remove", "Remove tumor", _k("Ctrl+R"), "Clear every tumor label of the segmentation (one undo step)",
        "remove", "generate", needs_remove
    ),
    Action(
        "generate", "Generate", _k("Return", "Enter"), "Paint healthy tissue where the tumor was removed",
        "generate", "generate", needs_generate
    ),
    Action(
        "stop", "Stop", _k("Esc"),
        "Take back the running stroke, else stop the running generation, else put the tool away", "stop", "generate",
        needs_always
    ),
    Action("new_seed", "New seed", _k("Ctrl+D"), "Draw another random seed", "dice", "generate", needs_case),
    Action(
        "slice_next", "Next slice", _k("Up", "PgUp", slicer=("Up", "PgUp", "F")), "Go up one slice", "", "slices",
        needs_case
    ),
    Action(
        "slice_previous", "Previous slice", _k("Down", "PgDown", slicer=("Down", "PgDown", "B")),
        "Go down one slice", "", "slices", needs_case
    ),
    Action(
        "slice_next_5", "Five slices up", _k("Shift+Up", "Shift+PgUp"), "Go up five slices", "", "slices",
        needs_case
    ),
    Action(
        "slice_previous_5", "Five slices down", _k("Shift+Down", "Shift+PgDown"), "Go down five slices", "",
        "slices", needs_case
    ),
    Action(
        "largest", "Slice with most tumor", _k("Home"), "Go to the axial slice that holds (or held) the most tumor",
        "", "slices", needs_case
    ),
    Action("axial", "Axial", _k("Ctrl+Alt+1"), "Show the axial plane", "", "slices", needs_case, True),
    Action("coronal", "Coronal", _k("Ctrl+Alt+2"), "Show the coronal plane", "", "slices", needs_case, True),
    Action("sagittal", "Sagittal", _k("Ctrl+Alt+3"), "Show the sagittal plane", "", "slices", needs_case, True),
    Action("layout_single", "One pane", _k("Ctrl+1"), "One large picture", "layout-single", "slices", needs_case, True),
    Action(
        "layout_compare", "Side by side", _k("Ctrl+2"), "Source, counterfactual and difference, linked",
        "layout-compare", "slices", needs_case, True
    ),
    Action(
        "layout_planes", "Three planes", _k("Ctrl+3"), "Axial, coronal and sagittal, linked by the crosshair",
        "layout-planes", "slices", needs_case, True
    ),
    Action(
        "show_source", "Show source", _k("Ctrl+Shift+1"), "Show the original picture", "", "slices", needs_case,
        True
    ),
    Action(
        "show_result", "Show counterfactual", _k("Ctrl+Shift+2"), "Show the generated picture", "", "slices",
        needs_case, True
    ),
    Action(
        "show_difference", "Show difference", _k("Ctrl+Shift+3"), "Show generated minus original", "", "slices",
        needs_case, True
    ),
    Action(
        "peek", "See the original (hold)", _k("Tab"), "Hold to see the original instead of the counterfactual", "",
        "", needs_case, False, "hold"
    ),
    Action("modality_t1", "T1", _k("F1"), "Show T1", "", "view", needs_modality("t1"), True),
    Action("modality_t1c", "T1c", _k("F2"), "Show T1 with contrast agent", "", "view", needs_modality("t1c"), True),
    Action("modality_t2", "T2", _k("F3"), "Show T2", "", "view", needs_modality("t2"), True),
    Action("modality_flair", "FLAIR", _k("F4"), "Show FLAIR", "", "view", needs_modality("flair"), True),
    Action(
        "modality_next", "Next modality", _k("M", itksnap=("M", "]"), slicer=("M", "]")), "Show the next modality",
        "", "view", needs_case
    ),
    Action(
        "auto_window", "Automatic contrast", _k("Ctrl+J"), "Set brightness and contrast from the whole volume",
        "contrast", "view", needs_case
    ),
    Action("fit", "Fit to window", _k("R"), "Show the whole picture in every pane", "fit", "view", needs_case),
    Action("zoom_in", "Zoom in", _k("Ctrl++", "Ctrl+="), "Zoom in about the middle", "", "view", needs_case),
    Action("zoom_out", "Zoom out", _k("Ctrl+-"), "Zoom out about the middle", "", "view", needs_case),
    Action("overlay", "Labels", _k("S", slicer=("G",)), "Show or hide the labels", "eye", "view", needs_case, True),
    Action(
        "outline", "Outlines", _k("O"), "Show or hide the outlines of labels and of what was removed", "outline",
        "view", needs_case, True
    ),
    Action("opacity_less", "Labels fainter", _k("A"), "Make the labels more transparent", "", "view", needs_case),
    Action("opacity_more", "Labels stronger", _k("D"), "Make the labels less transparent", "", "view", needs_case),
    Action("crosshair", "Crosshair", _k("C"), "Show or hide the crosshair", "crosshair", "view", needs_case, True),
    Action(
        "tissue", "Tissue map", _k("T"), "Show CSF, gray and white matter over the source", "tissue", "view",
        needs_tissue_shown, True
    ),
    Action(
        "compute_tissue", "Compute the tissue map", _k(),
        "Find CSF, gray and white matter in the background; takes minutes", "tissue", "view", needs_tissue
    ),
    Action(
        "radiological", "Radiological display", _k(), "Patient's right on the left of the screen", "", "view",
        needs_always, True
    ),
    Action(
        "smooth", "Smooth pictures", _k(), "Interpolate between voxels; off shows every voxel as a square", "",
        "view", needs_always, True
    ),
    Action(
        "export_png", "Export picture of the view (PNG)…", _k("Ctrl+E"), "Save what the panes show as a PNG",
        "image", "export", needs_case
    ),
    Action(
        "export_result", "Export counterfactual…", _k("Ctrl+Shift+E"),
        "Write NIfTI volumes, panel and metrics into a folder", "export", "export", needs_result
    ),
    Action(
        "theme_system", "Follow the system", _k(), "Dark or light as the system is", "", "theme", needs_always, True
    ),
    Action("theme_dark", "Dark", _k(), "Dark theme", "", "theme", needs_always, True),
    Action("theme_light", "Light", _k(), "Light theme", "", "theme", needs_always, True),
    Action(
        "panel_focus", "Picture or panels", _k("F6"), "Move the keyboard between the picture and the panels", "",
        "view"
    ),
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
)
# fmt: on

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

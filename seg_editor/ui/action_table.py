"""Keys as data: one table of all that the user can do; menus, tools, tooltips and the sheet come from it. No Qt."""

from __future__ import annotations

from seg_editor.ui.actions import (
    Action,
    needs_always,
    needs_case,
    needs_generate,
    needs_modality,
    needs_next_case,
    needs_previous_case,
    needs_recovery,
    needs_remove,
    needs_result,
    needs_save,
    needs_tissue,
    needs_tissue_shown,
)
from seg_editor.ui.actions import keys as _k
from seg_editor.ui.edit_actions import EDITING, GESTURES
from seg_editor.ui.live_actions import LIVE

PRESETS: dict[str, str] = {"seg-editor": "seg-editor", "itksnap": "ITK-SNAP", "slicer": "3D Slicer", "napari": "napari"}

# fmt: off
_REST: tuple[Action, ...] = (
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
        "next_case", "Next case", _k("Ctrl+Shift+PgDown"), "Open the next case of the folder; it is read ahead", "",
        "file", needs_next_case
    ),
    Action(
        "previous_case", "Previous case", _k("Ctrl+Shift+PgUp"), "Open the case before this one in its folder", "",
        "file", needs_previous_case
    ),
    Action(
        "save", "Save", _k("Ctrl+S"),
        "Save every unsaved change: the segmentation and an edited tissue map, each into its file", "save", "file",
        needs_save
    ),
    Action(
        "save_as", "Save segmentation as…", _k("Ctrl+Shift+S"), "Save the segmentation into another file", "",
        "file", needs_save
    ),
    Action(
        "recover", "Restore the last session's edits", _k(),
        "Do again what a session with this case that ended without saving had done", "", "file", needs_recovery
    ),
    Action(
        "close", "Close case", _k("Ctrl+W"), "Close the case; asks when there are unsaved changes", "", "file",
        needs_case
    ),
    Action("quit", "Quit", _k("Ctrl+Q"), "Close the program", "", "file"),
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
        "slice_next", "Next slice", _k("Up", "PgUp", slicer=("Up", "PgUp", "F", "Right")), "Go up one slice", "",
        "slices", needs_case
    ),
    Action(
        "slice_previous", "Previous slice", _k("Down", "PgDown", slicer=("Down", "PgDown", "B", "Left")),
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
        "layout_modalities", "Four modalities", _k("Ctrl+4"), "T1, T1c, T2 and FLAIR of the same slice, linked",
        "layout-modalities", "slices", needs_case, True
    ),
    Action(
        "layout_volume", "Three planes and 3D", _k("Ctrl+5"),
        "Axial, coronal, sagittal and a 3D view of brain and tumor", "layout-volume", "slices", needs_case, True
    ),
    Action(
        "maximize", "Maximize the pane", _k("Ctrl+M", itksnap=("|", "Ctrl+M")),
        "Let the active pane fill the viewer, or bring the others back", "", "slices", needs_case
    ),
    Action(
        "pane_next", "Next pane", _k("Ctrl+Tab"), "Let the keys act on the next pane (the mouse does so by itself)", "",
        "slices", needs_case
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
        "modality_next", "Next modality", _k("M", itksnap=("M", "]"), slicer=("M", "]"), napari=("M", "Ctrl+Up")),
        "Show the next modality", "", "view", needs_case
    ),
    Action(
        "modality_previous", "Previous modality",
        _k("Shift+M", itksnap=("Shift+M", "["), slicer=("Shift+M", "["), napari=("Shift+M", "Ctrl+Down")),
        "Show the previous modality", "", "view", needs_case
    ),
    Action(
        "contrast", "Contrast…", _k("J"), "Type window and level, or black and white, of a modality", "contrast",
        "view", needs_case
    ),
    Action(
        "auto_window", "Automatic contrast", _k("Ctrl+J"), "Set brightness and contrast from the whole volume",
        "", "view", needs_case
    ),
    Action(
        "reset_windows", "Automatic contrast everywhere", _k("Ctrl+Shift+J"),
        "Set brightness and contrast of every modality from its whole volume", "", "view", needs_case
    ),
    Action("fit", "Fit to window", _k("R"), "Show the whole picture in every pane", "fit", "view", needs_case),
    Action("zoom_in", "Zoom in", _k("Ctrl++", "Ctrl+="), "Zoom in about the middle", "", "view", needs_case),
    Action("zoom_out", "Zoom out", _k("Ctrl+-"), "Zoom out about the middle", "", "view", needs_case),
    Action("pan_left", "Picture to the left", _k("Ctrl+Left"), "Move the picture to the left", "", "view", needs_case),
    Action(
        "pan_right", "Picture to the right", _k("Ctrl+Right"), "Move the picture to the right", "", "view", needs_case
    ),
    Action("pan_up", "Picture up", _k("Ctrl+Up", napari=()), "Move the picture up", "", "view", needs_case),
    Action("pan_down", "Picture down", _k("Ctrl+Down", napari=()), "Move the picture down", "", "view", needs_case),
    Action(
        "overlay", "Labels", _k("S", slicer=("G",), napari=("V",)), "Show or hide the labels", "eye", "view",
        needs_case, True
    ),
    Action(
        "outline", "Outlines", _k("O"), "Show or hide the outlines of labels and of what was removed", "outline",
        "view", needs_case, True
    ),
    Action(
        "fill_labels", "Filled labels", _k("Shift+O"), "Fill the labels with color, or show their outlines alone", "",
        "view", needs_case, True
    ),
    Action("opacity_less", "Labels fainter", _k("A"), "Make the labels more transparent", "", "view", needs_case),
    Action("opacity_more", "Labels stronger", _k("D"), "Make the labels less transparent", "", "view", needs_case),
    Action(
        "crosshair", "Crosshair", _k("C", itksnap=("X", "C")), "Show or hide the crosshair", "crosshair", "view",
        needs_case, True
    ),
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
        "nose_left", "Sagittal looks left", _k(), "The nose is on the left of sagittal pictures; off: on the right", "",
        "view", needs_always, True
    ),
    Action(
        "smooth", "Smooth pictures", _k(), "Interpolate between voxels; off shows every voxel as a square", "",
        "view", needs_always, True
    ),
    Action(
        "export_png", "Export view as on screen (PNG)…", _k("Ctrl+E"),
        "Save the panes as they are on screen: its zoom, overlays and captions, twice as fine. For pictures at an "
        "integer zoom of the voxels, export the result", "image", "export", needs_case
    ),
    Action(
        "export_result", "Export counterfactual…", _k("Ctrl+Shift+E"),
        "Write NIfTI volumes, pictures at an integer zoom of the voxels (PNG panel) and metrics into a folder",
        "export", "export", needs_result
    ),
    Action(
        "theme_system", "Follow the system", _k(), "Dark or light as the system is", "", "theme", needs_always, True
    ),
    Action("theme_dark", "Dark", _k(), "Dark theme", "", "theme", needs_always, True),
    Action("theme_light", "Light", _k(), "Light theme", "", "theme", needs_always, True),
    Action(
        "settings", "Settings…", _k("Ctrl+,"), "Theme, display, label colors, device, keys", "settings", "view"
    ),
    Action(
        "panel_focus", "Picture or panels", _k("F6"), "Move the keyboard between the picture and the panels", "",
        "view"
    ),
    Action("shortcuts", "Keyboard shortcuts", _k("?", "Ctrl+/"), "Show every key", "keyboard", "help"),
    Action("about", "About seg-editor", _k(), "What this program is, and what it is not", "help", "help"),
)
# fmt: on

ACTIONS: tuple[Action, ...] = (*EDITING, *_REST, *LIVE, *GESTURES)
BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}

GROUPS: tuple[tuple[str, str], ...] = (
    ("file", "Case"),
    ("edit", "Edit"),
    ("tools", "Tools"),
    ("operations", "Reshape"),
    ("generate", "Generate"),
    ("compare", "Compare"),
    ("slices", "Slices and layouts"),
    ("view", "Picture"),
    ("export", "Export"),
    ("help", "Help"),
)


def conflicts(preset: str, actions: tuple[Action, ...] = ACTIONS) -> list[tuple[str, str, str]]:
    """Return ``(key, first id, second id)`` for every key or gesture that a preset gives to two actions.

    A gesture may have another meaning in another tool, and a modal key another one outside its mode.
    """
    seen: dict[tuple[str, str], str] = {}
    found = []
    for action in actions:
        for key in action.keys_for(preset):
            for place in action.tools or (action.kind if action.kind in ("mouse", "modal") else "",):
                spot = (key.replace(" click", "").replace(" drag", ""), place)
                if spot in seen:
                    found.append((key, seen[spot], action.id))
                seen.setdefault(spot, action.id)
    return found

"""The part of the action table about editing: tools, labels, operations, gestures over the picture. No Qt."""

from __future__ import annotations

from seg_editor.ui.actions import (
    Action,
    keys,
    needs_always,
    needs_case,
    needs_label,
    needs_operation,
    needs_redo,
    needs_scheme,
    needs_segment,
    needs_tissue_layer,
    needs_tissue_save,
    needs_tumor_layer,
    needs_tumor_tool,
    needs_undo,
)

_BRUSHES = ("paint", "erase")
_LOOKS = ("navigate", "reshape")

# fmt: off
EDITING: tuple[Action, ...] = (
    Action(
        "undo", "Undo", keys("Ctrl+Z", slicer=("Z", "Ctrl+Z")), "Take back the last step and show where it was",
        "undo", "edit", needs_undo
    ),
    Action(
        "redo", "Redo", keys("Ctrl+Shift+Z", "Ctrl+Y", slicer=("Y", "Ctrl+Y")), "Do the undone step again", "redo",
        "edit", needs_redo
    ),
    Action(
        "navigate", "Navigate", keys("1", "N", itksnap=("1", "2"), slicer=("0", "N"), napari=("6", "N")),
        "Move the crosshair[; {m_window} changes brightness and contrast]", "navigate", "tools",
        needs_case, True
    ),
    Action(
        "paint", "Paint", keys("B", "4", itksnap=("4",), slicer=("2",), napari=("2", "P")),
        "Paint the active label with the left button; the right button erases it", "paint", "tools", needs_case, True
    ),
    Action(
        "erase", "Erase", keys("E", slicer=("4", "E"), napari=("1", "E")), "Erase with the left button", "erase",
        "tools", needs_case, True
    ),
    Action(
        "polygon", "Polygon and lasso", keys("G", itksnap=("3",), slicer=("3",), napari=("3",)),
        "Click corners or drag freehand; {o_close}, a double click or the first corner fills the outline", "polygon",
        "tools", needs_case, True
    ),
    Action(
        "fill", "Fill", keys("F", slicer=("5",), napari=("4", "F")),
        "Fill the region under the mouse with the active label", "fill", "tools", needs_case, True
    ),
    Action(
        "pick", "Pick label", keys("I", napari=("5", "L")),
        "Make the label under the mouse the active one[ (any tool: {m_pick})]", "pick", "tools", needs_case, True
    ),
    Action(
        "move", "Move a piece", keys("V", napari=("7",)), "Drag a piece of the tumor to another place", "move",
        "tools", needs_tumor_tool, True
    ),
    Action(
        "reshape", "Reshape", keys("H"), "Grow, shrink, smooth, clean up, mirror: with a preview before it is applied",
        "reshape", "tools", needs_case, True
    ),
    Action(
        "brush_smaller", "Smaller brush", keys("[", "-", itksnap=("-",), slicer=("-",), napari=("[",)),
        "Make the brush smaller", "", "tools", needs_case
    ),
    Action(
        "brush_larger", "Larger brush", keys("]", "+", "=", itksnap=("+", "="), slicer=("+", "="), napari=("]",)),
        "Make the brush larger", "", "tools", needs_case
    ),
    Action(
        "brush_3d", "3D brush", keys("Shift+B"), "Paint a ball or cube through the neighboring slices as well", "",
        "tools", needs_case, True
    ),
    Action(
        "brush_square", "Square brush", keys("Shift+Q"), "A square brush; off: a round one", "", "tools", needs_case,
        True
    ),
    Action(
        "label_previous", "Previous label", keys("Q", itksnap=(",", "<"), napari=("-",)),
        "Make the previous label the active one", "", "tools", needs_case
    ),
    Action(
        "label_next", "Next label", keys("W", itksnap=(".", ">"), napari=("=",)), "Make the next label the active one",
        "", "tools", needs_case
    ),
    Action(
        "swap", "Swap with background", keys("X", itksnap=()), "Paint with background, and with the label again", "",
        "tools", needs_case
    ),
    Action(
        "label_hidden", "Hide the active label", keys("Shift+S"), "Do not draw the active label", "", "tools",
        needs_tumor_layer, True
    ),
    Action(
        "label_locked", "Lock the active label", keys("Shift+L"), "No tool changes a locked label", "", "tools",
        needs_tumor_layer, True
    ),
    Action("lesion_ncr", "Paint necrosis", keys("Alt+1"), "Paint a necrotic core", "", "tools", needs_scheme("ncr")),
    Action("lesion_ed", "Paint edema", keys("Alt+2"), "Paint edema", "", "tools", needs_scheme("ed")),
    Action("lesion_et", "Paint enhancing", keys("Alt+3"), "Paint enhancing tumor", "", "tools", needs_scheme("et")),
    Action(
        "remove_component", "Remove this tumor", keys("Ctrl+Shift+R"),
        "Clear the piece of tumor under the mouse, or under the crosshair", "", "generate", needs_operation
    ),
    Action("remove_ncr", "Remove necrosis", keys(), "Clear all necrosis", "", "generate", needs_label("ncr")),
    Action("remove_ed", "Remove edema", keys(), "Clear all edema", "", "generate", needs_label("ed")),
    Action("remove_et", "Remove enhancing", keys(), "Clear all enhancing tumor", "", "generate", needs_label("et")),
    Action(
        "remove_net", "Remove non-enhancing", keys(), "Clear all non-enhancing tumor", "", "generate",
        needs_label("net")
    ),
    Action(
        "segment", "Segment automatically", keys(), "Let the model M4 find the tumor in FLAIR; one undo step", "",
        "edit", needs_segment
    ),
    Action(
        "edit_tissue", "Edit the tissue map", keys("Shift+T"),
        "Brushes, undo and redo act on CSF, gray and white matter in place of the tumor", "", "edit",
        needs_tissue_layer, True
    ),
    Action(
        "save_tissue", "Save the tissue map", keys(), "Write the tissue map beside the case", "", "file",
        needs_tissue_save
    ),
    Action(
        "op_grow", "Grow by 1 mm", keys("Ctrl+Shift+Up"),
        "Grow the active label, or what Reshape is set to, by one millimeter", "", "operations", needs_operation
    ),
    Action(
        "op_shrink", "Shrink by 1 mm", keys("Ctrl+Shift+Down"),
        "Shrink the active label, or what Reshape is set to, by one millimeter", "", "operations", needs_operation
    ),
    Action("op_smooth", "Smooth", keys(), "Smooth the border", "", "operations", needs_operation),
    Action(
        "op_largest", "Keep the largest piece", keys(), "Clear all pieces but the largest", "", "operations",
        needs_operation
    ),
    Action("op_small", "Remove small pieces", keys(), "Clear pieces under a volume", "", "operations", needs_operation),
    Action("op_holes", "Fill holes", keys(), "Fill enclosed background", "", "operations", needs_operation),
    Action(
        "op_interpolate", "Interpolate slices", keys("Ctrl+I"),
        "Fill the slices between painted ones with the active label", "", "operations", needs_operation
    ),
    Action(
        "op_interpolate_all", "Interpolate slices, all labels", keys("Ctrl+Shift+I"),
        "Fill the slices between painted ones with all labels; nested ones stay nested", "", "operations",
        needs_operation
    ),
    Action(
        "op_copy_next", "Copy to the next slice", keys("Ctrl+PgUp"), "Copy the labels of this slice one slice up", "",
        "operations", needs_operation
    ),
    Action(
        "op_copy_previous", "Copy to the previous slice", keys("Ctrl+PgDown"),
        "Copy the labels of this slice one slice down", "", "operations", needs_operation
    ),
    Action(
        "op_mirror_add", "Add the mirrored side", keys(), "Label here what is labeled on the other side", "",
        "operations", needs_operation
    ),
    Action(
        "op_mirror_subtract", "Subtract the mirrored side", keys(), "Clear what is labeled on both sides", "",
        "operations", needs_operation
    ),
    Action(
        "op_mirror_intersect", "Keep what is on both sides", keys(), "Clear what is labeled on one side only", "",
        "operations", needs_operation
    ),
    Action(
        "palette", "Command palette", keys("Ctrl+Shift+P"), "Search everything that the program can do", "", "help",
        needs_always
    ),
    Action("o_close", "Close the outline and fill it", keys("Return", "Enter"), kind="modal"),
    Action("o_clear", "Clear what lies inside the outline", keys("Delete"), kind="modal"),
    Action("o_back", "Take back the last point", keys("Backspace", "Ctrl+Z"), kind="modal"),
    Action("o_cancel", "Give the outline up", keys("Esc"), kind="modal"),
)

SCOPED: dict[str, str] = {
    "op_grow": "Grow {} by 1 mm",
    "op_shrink": "Shrink {} by 1 mm",
    "op_smooth": "Smooth {}",
    "op_largest": "Keep the largest piece of {}",
    "op_small": "Remove small pieces of {}",
    "op_holes": "Fill holes of {}",
    "op_mirror_add": "Add mirrored {}",
    "op_mirror_subtract": "Subtract mirrored {}",
    "op_mirror_intersect": "Keep {} of both sides",
}
"""Texts that say what the action works on now: the active label, or the tumor."""

GESTURES: tuple[Action, ...] = (
    Action("m_paint", "Paint or erase", keys("Left drag"), kind="mouse", tools=_BRUSHES),
    Action("m_erase", "Erase the active label", keys("Right drag"), kind="mouse", tools=(*_BRUSHES, "fill")),
    Action("m_fill", "Fill", keys("Left click"), kind="mouse", tools=("fill",)),
    Action("m_pick_here", "Pick a label", keys("Left click"), kind="mouse", tools=("pick",)),
    Action("m_point", "Corner; drag: freehand, or move a corner", keys("Left drag"), kind="mouse", tools=("polygon",)),
    Action("m_close", "Close the outline", keys("Double click"), kind="mouse", tools=("polygon",)),
    Action("m_move", "Move a piece", keys("Left drag"), kind="mouse", tools=("move",)),
    Action("m_navigate", "Crosshair", keys("Left drag", napari=()), kind="mouse", tools=_LOOKS),
    Action("m_crosshair", "Crosshair, any tool", keys("Alt+Left drag", "Shift+Move"), kind="mouse"),
    Action("m_pick", "Pick a label, any tool", keys("Ctrl+Left click"), kind="mouse"),
    Action("m_size", "Brush size", keys("Shift+Wheel"), kind="mouse", tools=_BRUSHES),
    Action("m_slice", "Slices", keys("Wheel", napari=("Ctrl+Wheel",)), kind="mouse"),
    Action("m_slice_5", "Five slices", keys("Shift+Wheel", napari=("Ctrl+Shift+Wheel",)), kind="mouse"),
    Action("m_zoom", "Zoom", keys("Ctrl+Wheel", napari=("Wheel",)), kind="mouse"),
    Action(
        "m_zoom_drag", "Zoom", keys(itksnap=("Right drag",), slicer=("Right drag",)), kind="mouse",
        tools=(*_LOOKS, "pick", "move")
    ),
    Action(
        "m_pan", "Pan", keys("Middle drag", "Space+Left drag", napari=("Middle drag", "Space+Left drag", "Left drag")),
        kind="mouse"
    ),
    Action(
        "m_window", "Brightness, contrast",
        keys("Right drag", itksnap=("Shift+Right drag",), slicer=("Shift+Right drag",)), kind="mouse",
        tools=(*_LOOKS, "pick", "move")
    ),
    Action("m_maximize", "Maximize a pane", keys("Double click"), kind="mouse"),
)
# fmt: on

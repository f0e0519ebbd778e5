"""The menu bar, from the action table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtWidgets import QMenu, QMenuBar

from seg_editor.ui.action_set import ActionSet

_CASE = "open open_file recent open_demo - next_case previous_case - save save_as save_tissue recover - close quit"
_EDIT = """undo redo - navigate paint erase polygon fill pick move reshape - brush label -
segment edit_tissue"""
_RESHAPE = """op_grow op_shrink op_smooth - op_largest op_small op_holes -
op_interpolate op_interpolate_all op_copy_next op_copy_previous -
op_mirror_add op_mirror_subtract op_mirror_intersect"""
_PARTS = "remove_component remove_ncr remove_ed remove_et remove_net"
_VIEW = """layout plane modality picture -
overlay fill_labels outline crosshair tissue compute_tissue -
contrast auto_window reset_windows fit zoom_in zoom_out largest - radiological nose_left smooth -
theme full_screen settings"""
_GENERATE = f"""remove {_PARTS} - generate stop live - new_seed next_seed - generate_models ensemble"""
_COMPARE = """compare_plain compare_blink compare_fade compare_swipe compare_lens compare_checker - referee"""

SUBMENUS: dict[str, tuple[str, str]] = {
    "brush": ("Brush", "brush_smaller brush_larger brush_3d brush_square"),
    "label": (
        "Label",
        "label_previous label_next swap - label_hidden label_locked - lesion_ncr lesion_ed lesion_et",
    ),
    "layout": (
        "Layout",
        """layout_single layout_compare layout_planes layout_modalities layout_volume layout_eight layout_models -
maximize pane_next""",
    ),
    "plane": ("Plane", "axial coronal sagittal"),
    "modality": (
        "Modality",
        "modality_t1 modality_t1c modality_t2 modality_flair - modality_next modality_previous",
    ),
    "picture": ("Picture", "show_source show_result show_difference"),
    "theme": ("Theme", "theme_system theme_dark theme_light"),
}

MENUS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("&Case", tuple(_CASE.split())),
    ("&Edit", tuple(_EDIT.split())),
    ("&Reshape", tuple(_RESHAPE.split())),
    ("&Generate", tuple(_GENERATE.split())),
    ("C&ompare", tuple(_COMPARE.split())),
    ("&View", tuple(_VIEW.split())),
    ("E&xport", ("export_png", "export_result", "-", "copy_metrics")),
    ("&Help", ("palette", "shortcuts", "about")),
)


def fill_menus(
    bar: QMenuBar, actions: ActionSet, recent: Callable[[], list[Path]], open_case: Callable[[Path], object]
) -> None:
    """Fill the menu bar; the list of recent cases is made anew whenever its menu opens."""
    for title, names in MENUS:
        menu = bar.addMenu(title)
        assert menu is not None
        menu.setToolTipsVisible(True)
        for name in names:
            if name == "recent":
                _add_recent(menu, recent, open_case)
            elif name in SUBMENUS:
                title, names_below = SUBMENUS[name]
                below = menu.addMenu(title)
                assert below is not None
                actions.fill_menu(below, tuple(names_below.split()))
            else:
                actions.fill_menu(menu, (name,))


def _add_recent(menu: QMenu, recent: Callable[[], list[Path]], open_case: Callable[[Path], object]) -> None:
    submenu = menu.addMenu("Recent cases")
    assert submenu is not None

    def refill() -> None:
        submenu.clear()
        for path in recent():
            action = submenu.addAction(str(path))
            assert action is not None
            action.triggered.connect(lambda _checked=False, path=path: open_case(path))
        if submenu.isEmpty():
            nothing = submenu.addAction("No case was opened yet")
            assert nothing is not None
            nothing.setEnabled(False)

    submenu.aboutToShow.connect(refill)

"""The menu bar, from the action table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtWidgets import QMenu, QMenuBar

from seg_editor.ui.action_set import ActionSet

_EDIT = """undo redo - navigate paint erase fill pick - brush_smaller brush_larger label_previous label_next"""
_VIEW = """layout_single layout_compare layout_planes layout_modalities layout_volume maximize pane_next - axial coronal sagittal -
modality_t1 modality_t1c modality_t2 modality_flair - show_source show_result show_difference -
overlay fill_labels outline crosshair tissue compute_tissue - auto_window reset_windows fit zoom_in zoom_out largest - radiological nose_left smooth -
theme settings"""

MENUS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("&Case", ("open", "open_file", "recent", "open_demo", "-", "save", "save_as", "-", "close", "quit")),
    ("&Edit", tuple(_EDIT.split())),
    ("&Generate", ("remove", "generate", "stop", "-", "new_seed")),
    ("&View", tuple(_VIEW.split())),
    ("E&xport", ("export_png", "export_result")),
    ("&Help", ("shortcuts", "about")),
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
            elif name == "theme":
                _add_theme(menu, actions)
            else:
                actions.fill_menu(menu, (name,))


def _add_theme(menu: QMenu, actions: ActionSet) -> None:
    theme = menu.addMenu("Theme")
    assert theme is not None
    actions.fill_menu(theme, ("theme_system", "theme_dark", "theme_light"))


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

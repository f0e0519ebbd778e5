"""The table of keys: no conflicts, everything wired, everything says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt6.QtGui import QKeySequence

from seg_editor.ui.action_table import ACTIONS, BY_ID, GROUPS, PRESETS, conflicts
from seg_editor.ui.actions import Action, Facts
from seg_editor.ui.icons import _source
from seg_editor.ui.main_window import MainWindow
from seg_editor.ui.menus import MENUS, SUBMENUS

PRESSABLE = [action for action in ACTIONS if action.kind == "press"]


@pytest.mark.parametrize("preset", PRESETS)
def test_no_key_has_two_meanings(preset: str) -> None:
    assert conflicts(preset) == []


def test_a_planted_conflict_is_found() -> None:
    extra = Action("extra", "Extra", {"seg-editor": ("Ctrl+S",)})
    assert conflicts("seg-editor", (*ACTIONS, extra)) == [("Ctrl+S", "save", "extra")]


def test_a_planted_gesture_conflict_is_found_and_another_tool_is_none() -> None:
    same = Action("extra", "Extra", {"seg-editor": ("Left click",)}, kind="mouse", tools=("paint",))
    other = Action("extra", "Extra", {"seg-editor": ("Shift+Left drag",)}, kind="mouse", tools=("paint",))
    assert conflicts("seg-editor", (*ACTIONS, same)) == [("Left click", "m_paint", "extra")]
    assert conflicts("seg-editor", (*ACTIONS, other)) == []


def test_ids_are_unique_and_groups_exist() -> None:
    assert len(BY_ID) == len(ACTIONS)
    assert {a.menu for a in ACTIONS} <= {*dict(GROUPS), "theme", ""}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_key_is_one_that_qt_knows(preset: str) -> None:
    for action in ACTIONS:
        if action.kind != "mouse":
            for key in action.keys_for(preset):
                assert QKeySequence(key).count() == 1, key
                assert QKeySequence(key).toString(), key


def test_every_icon_exists() -> None:
    for action in ACTIONS:
        if action.icon:
            assert "<svg" in _source(action.icon)


def test_menus_name_actions() -> None:
    below = [names.split() for _, names in SUBMENUS.values()]
    for names in (*(names for _, names in MENUS), *below):
        for name in names:
            assert name in ("-", "recent") or name in SUBMENUS or name in BY_ID


def test_every_menu_fits_a_small_screen(window: MainWindow) -> None:
    bar = window.menuBar()
    assert bar is not None
    menus = [menu for action in bar.actions() if (menu := action.menu()) is not None]
    assert len(menus) == len(MENUS)
    assert {menu.title(): menu.sizeHint().height() for menu in menus if menu.sizeHint().height() > 700} == {}


def test_everything_disabled_says_why(window: MainWindow) -> None:
    for spec in PRESSABLE:
        action = window.actions_table[spec.id]
        why = spec.why_disabled(Facts(model_problem=window.generation.model_problem))
        assert action.isEnabled() == (not why), spec.id
        if why:
            assert why in action.toolTip()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_action_has_its_keys_in_the_window(window: MainWindow, preset: str) -> None:
    window.choose_keys(preset)
    for spec in PRESSABLE:
        keys = [key.toString() for key in window.actions_table[spec.id].shortcuts()]
        assert keys == [QKeySequence(key).toString() for key in spec.keys_for(preset)], spec.id


def test_reasons_follow_the_state() -> None:
    case = Facts(has_case=True, modalities=("flair",))
    assert "Open a case" in BY_ID["remove"].why_disabled(Facts())
    assert "no tumor" in BY_ID["remove"].why_disabled(case)
    assert BY_ID["remove"].why_disabled(Facts(has_case=True, has_tumor=True)) == ""
    assert "Remove the tumor" in BY_ID["generate"].why_disabled(case)
    assert "this slice" in BY_ID["generate"].why_disabled(Facts(has_case=True, removed=True))
    assert BY_ID["generate"].why_disabled(Facts(has_case=True, removed=True, slices="all")) == ""
    assert BY_ID["generate"].why_disabled(Facts(has_case=True, model_problem="No model")) == "No model"
    assert "T2" in BY_ID["modality_t2"].why_disabled(case)


def test_edits_of_the_tumor_wait_while_the_tissue_map_is_in_hand() -> None:
    facts = Facts(has_case=True, has_tumor=True, modalities=("flair",))
    for name in ("remove", "segment", "remove_component", "op_grow"):
        assert BY_ID[name].why_disabled(facts) == ""
        assert "tissue map" in BY_ID[name].why_disabled(replace(facts, on_tissue=True))

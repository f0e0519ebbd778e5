"""The part of the action table about live generation, comparing and the layouts for it. No Qt."""

from __future__ import annotations

from seg_editor.ui.actions import (
    Action,
    keys,
    needs_always,
    needs_case,
    needs_generate,
    needs_result,
    needs_two_pictures,
)

# fmt: off
LIVE: tuple[Action, ...] = (
    Action(
        "live", "Live", keys("Ctrl+L"), "A finished stroke starts a run by itself; off: only Generate does", "live",
        "generate", needs_case, True
    ),
    Action(
        "next_seed", "Following seed", keys("Ctrl+Shift+D"), "Take the seed after this one", "", "generate", needs_case
    ),
    Action(
        "generate_models", "Generate with every model", keys("Ctrl+Return"),
        "Run all models on this slice with the same seed, and show them side by side", "", "generate", needs_generate
    ),
    Action(
        "ensemble", "Generate eight seeds", keys("Ctrl+Shift+Return"),
        "Run this slice with eight seeds: mean, standard deviation, spread of every figure", "", "generate",
        needs_generate
    ),
    Action(
        "compare_plain", "Counterfactual alone", keys("Shift+F1"), "Show the counterfactual by itself", "", "compare",
        needs_result, True
    ),
    Action(
        "compare_blink", "Blink", keys("Shift+F2"), "Change between source and counterfactual", "", "compare",
        needs_two_pictures, True
    ),
    Action(
        "compare_fade", "Fade", keys("Shift+F3"), "Mix source and counterfactual", "", "compare", needs_two_pictures,
        True
    ),
    Action(
        "compare_swipe", "Swipe", keys("Shift+F4"), "Source left of a handle, counterfactual right of it", "",
        "compare", needs_two_pictures, True
    ),
    Action(
        "compare_lens", "Lens", keys("Shift+F5"), "The counterfactual under the mouse, the source around it", "",
        "compare", needs_two_pictures, True
    ),
    Action(
        "compare_checker", "Checkerboard", keys("Shift+F6"), "Squares of source and counterfactual in turn", "",
        "compare", needs_two_pictures, True
    ),
    Action(
        "referee", "Referee", keys("Shift+F7"), "Outline the tumor that the referee sees in source and counterfactual",
        "", "compare", needs_result, True
    ),
    Action(
        "layout_eight", "Four modalities, before and after", keys("Ctrl+6"),
        "Every modality of the source above its counterfactual", "layout-eight", "slices", needs_case, True
    ),
    Action(
        "layout_models", "Models side by side", keys("Ctrl+7"),
        "The source beside up to six results of the same slice: other models, other seeds", "layout-models", "slices",
        needs_case, True
    ),
    Action(
        "full_screen", "Full screen", keys("F11"), "Pictures alone on the whole screen", "", "view", needs_always, True
    ),
    Action(
        "copy_metrics", "Copy metrics as table", keys("Ctrl+Shift+C"),
        "Copy the figures of the result, slice by slice, for a spreadsheet", "copy", "export", needs_result
    ),
)
# fmt: on

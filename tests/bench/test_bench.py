from __future__ import annotations

from pathlib import Path

import pytest

from seg_editor.bench import render, run_bench
from tests.tiny import make_case


@pytest.mark.slow
def test_every_figure_is_there(tmp_path: Path) -> None:
    case = make_case(tmp_path / "BraTS2021_90009", shape=(60, 64, 40))
    figures = run_bench(case, strokes=3, dabs=4, session=8, generations=3)
    wanted = {
        "window_visible_ms",
        "case_open_ms",
        "next_case_ms",
        "slice_step_p95_ms",
        "dab_p95_ms",
        "three_d_dab_p95_ms",
        "commit_p95_ms",
        "undo_p95_ms",
        "label_color_p95_ms",
        "opacity_p95_ms",
        "visibility_p95_ms",
        "label_volumes_p95_ms",
        "first_preview_ms",
        "final_counterfactual_ms",
        "dab_while_sampling_p95_ms",
        "gui_stall_max_ms",
        "cancel_ms",
        "session_idle_stall_max_ms",
        "session_sampling_stall_max_ms",
        "compare_side_by_side_p95_ms",
        "compare_difference_p95_ms",
        "compare_fade_single_p95_ms",
        "compare_lens_planes_p95_ms",
        "compare_checker_planes_p95_ms",
        "generations_mean_s",
        "peak_memory_mb",
    }
    assert wanted <= figures.keys()
    assert all(figures[name] > 0 for name in wanted - {"gui_stall_max_ms", "session_idle_stall_max_ms"})
    assert figures.get("stolen_ms", 0) >= 0
    assert "dab_p95_ms" in render(figures)

"""Latencies of single actions: opening, stepping, painting, undoing, generating."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from seg_editor.bench.driver import Driver
from seg_editor.bench.watchdog import Watchdog
from seg_editor.cases import open_case


def opening(driver: Driver) -> dict[str, float]:
    """Open the case, lay out three planes, step through slices."""
    window = driver.window
    before = window.workspace
    began = time.perf_counter()
    window.cases.open(driver.path)
    driver.until(lambda: window.workspace is not None and window.workspace is not before)
    driver.application.processEvents()
    opened = (time.perf_counter() - began) * 1000
    driver.case_id = driver.workspace.case.case_id
    driver.trigger("layout_planes")
    driver.until(lambda: not window.busy_with_actions)
    steps = [driver.timed(lambda n=n: driver.wheel(n)) for n in [1, -1] * 30]  # type: ignore[misc]
    return {"case_open_ms": opened, **spread("slice_step", steps)}


def next_case(driver: Driver) -> dict[str, float]:
    """Open the next case of a folder after it was read ahead; the folder holds the case twice."""
    window = driver.window
    case = open_case(driver.path)
    files = {v.source.path for v in (*case.volumes.values(), case.labels, case.mask_file) if v is not None}
    with tempfile.TemporaryDirectory() as root:
        first, second = Path(root) / "1", Path(root) / "2"
        for copy in (first, second):
            copy.mkdir()
            for file in files:
                shutil.copy(file, copy)
        window.cases.open(first)
        driver.until(lambda: window.workspace is not None and not window.neighbors.reading_ahead)
        before = driver.workspace
        driver.until(lambda: not window.busy_with_actions)
        began = time.perf_counter()
        window.actions_table["next_case"].trigger()
        driver.until(lambda: driver.workspace is not before)
        driver.application.processEvents()
        return {"next_case_ms": (time.perf_counter() - began) * 1000}


def editing(driver: Driver, strokes: int, dabs: int) -> dict[str, float]:
    """Strokes of radius 20 voxels across the axial pane, three panes visible, each in another slice; then undo all."""
    from seg_editor.editing import Brush

    driver.trigger("paint")
    workspace = driver.workspace
    spacing = min(workspace.case.grid.spacing)
    driver.commits.clear()
    workspace.view.brush = Brush("round", 20.0 * spacing)
    flat = _in_several_slices(driver, strokes, dabs)
    workspace.view.brush = Brush("round", 10.0 * spacing, True)
    solid = _in_several_slices(driver, max(2, strokes // 3), dabs)
    committed = spread("commit", driver.commits)
    undo = [driver.timed(lambda: driver.trigger("undo")) for _ in range(len(workspace.history.names))]
    return {**spread("dab", flat), **spread("three_d_dab", solid), **committed, **spread("undo", undo)}


def _in_several_slices(driver: Driver, strokes: int, dabs: int) -> list[float]:
    """Paint every stroke some slices from the last, so that undo has to jump; milliseconds of each mouse move."""
    times: list[float] = []
    for number in range(strokes):
        times += driver.stroke(dabs, 0.35 + 0.3 * number / strokes)
        driver.timed(lambda: driver.wheel(3 if number % 4 < 2 else -3))  # noqa: B023
    return times


def overlays(driver: Driver) -> dict[str, float]:
    """Color, opacity and visibility of a label, and the volumes of all."""
    view, ui = driver.workspace.view, driver.window.ui
    label, colors, opacity = view.active_label, dict(ui.label_colors), view.opacity
    name = str(driver.workspace.case.scheme.subregion(label))
    segmentation = driver.workspace.segmentation

    def colored(number: int) -> None:
        ui.label_colors = {**colors, name: f"#{60 + number:02x}80c0"}

    figures = spread("label_color", [driver.timed(lambda n=n: colored(n)) for n in range(20)])  # type: ignore[misc]
    ui.label_colors = colors
    figures |= spread("opacity", [driver.timed(lambda n=n: setattr(view, "opacity", n / 20)) for n in range(20)])  # type: ignore[misc]
    view.opacity = opacity
    hidden = [frozenset({label}), frozenset()] * 10
    figures |= spread("visibility", [driver.timed(lambda h=h: setattr(ui, "hidden_labels", h)) for h in hidden])  # type: ignore[misc]
    volumes = []
    for _ in range(20):
        began = time.perf_counter()
        sum(segmentation.volume_ml(value) for value in segmentation.scheme.label_values)
        volumes.append((time.perf_counter() - began) * 1000)
    return figures | spread("label_volumes", volumes)


def generating(driver: Driver) -> dict[str, float]:
    """Remove the tumor; time previews and results of single slices, painting meanwhile, and cancel."""
    window, workspace = driver.window, driver.workspace
    driver.until(lambda: bool(window.generation.models) or bool(window.generation.model_problem))
    if window.generation.model_problem:
        return {}
    driver.trigger("navigate")
    driver.trigger("remove")
    slices = list(workspace.hole().slices)
    middle = slices[len(slices) // 2]
    first, final, _ = _run(driver, middle)
    warm = [_run(driver, k) for k in slices[len(slices) // 2 + 1 : len(slices) // 2 + 6]]
    figures = {
        "first_preview_new_hole_ms": first,
        "final_counterfactual_new_hole_ms": final,
        "first_preview_ms": float(np.median([a for a, _, _ in warm])),
        "final_counterfactual_ms": float(np.median([b for _, b, _ in warm])),
        "figures_after_result_ms": float(np.median([c for _, _, c in warm])),
    }
    return figures | _while_sampling(driver)


def _while_sampling(driver: Driver) -> dict[str, float]:
    from seg_editor.editing import Brush

    window = driver.window
    window.generation.settings.slices = "all"
    window.generation.generate()
    driver.until(lambda: window.generation.running)
    driver.trigger("paint")
    driver.workspace.view.brush = Brush("round", 20.0 * min(driver.workspace.case.grid.spacing))
    with Watchdog() as watchdog:
        dabs = driver.strokes(3, 25)
    began = time.perf_counter()
    window.generation.stop()
    driver.until(lambda: not window.generation.running)
    return {
        **spread("dab_while_sampling", dabs),
        "gui_stall_max_ms": watchdog.longest,
        "cancel_ms": (time.perf_counter() - began) * 1000,
    }


def _run(driver: Driver, k: int) -> tuple[float, float, float]:
    """Generate one slice: milliseconds to the first preview, to the result, and from there to its figures."""
    window, workspace = driver.window, driver.workspace
    x, y, _ = workspace.view.cursor
    workspace.view.cursor = (x, y, k)
    window.generation.settings.slices = "slice"
    driver.until(lambda: not window.busy_with_actions)
    previews: list[float] = []
    before = len(list(workspace.results))
    began = time.perf_counter()

    def seen(_preview: object) -> None:
        previews.append((time.perf_counter() - began) * 1000)

    window.generation.previewed.connect(seen)
    window.generation.generate()
    driver.until(lambda: len(list(workspace.results)) > before)
    driver.application.processEvents()
    final = (time.perf_counter() - began) * 1000
    window.generation.previewed.disconnect(seen)
    driver.until(lambda: window.generation.measured() is not None or not window.generation.running)
    driver.application.processEvents()
    figures = (time.perf_counter() - began) * 1000 - final
    driver.until(lambda: not window.generation.running)
    return previews[0], final, figures


def spread(name: str, times: list[float]) -> dict[str, float]:
    """Median and 95th percentile under flat keys."""
    return {f"{name}_p50_ms": float(np.median(times)), f"{name}_p95_ms": float(np.percentile(times, 95))}

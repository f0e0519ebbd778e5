"""How long a frame takes while two pictures are compared: real widgets, every mode, one pane and all planes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seg_editor.bench.driver import Driver, look_at_hole
from seg_editor.bench.latency import spread

_FRAMES = 40
_SLICES = 4


def comparing(driver: Driver) -> dict[str, float]:
    """Milliseconds of a frame in each mode, over a result of a few slices; nothing without a model.

    ``single`` shows one pane, ``planes`` all three planes. Side by side is the slice step of source, counterfactual and
    difference together; difference is a move of the threshold slider.
    """
    window = driver.window
    if window.generation.model_problem:
        return {}
    driver.trigger("navigate")
    _generate_slices(driver)
    figures: dict[str, float] = {}
    driver.trigger("layout_compare")
    driver.until(lambda: not window.busy_with_actions)
    figures |= spread("compare_side_by_side", [driver.timed(step) for step in _wheel(driver)])
    figures |= spread("compare_difference", [driver.timed(move) for move in _threshold(driver)])
    for layout in ("single", "planes"):
        driver.trigger(f"layout_{layout}")
        driver.trigger("show_result")
        for mode, moves in (
            ("fade", _fraction),
            ("swipe", _fraction),
            ("lens", _mouse),
            ("checker", _tiles),
            ("blink", _flip),
        ):
            driver.trigger(f"compare_{mode}")
            driver.until(lambda: not window.busy_with_actions)
            times = [driver.timed(move) for move in moves(driver)]
            figures |= spread(f"compare_{mode}_{layout}", times)
    driver.trigger("compare_plain")
    driver.trigger("layout_compare")
    return figures


def _generate_slices(driver: Driver) -> None:
    generation = driver.window.generation
    slices = look_at_hole(driver, _SLICES)
    order = generation.order(slices=slices)
    assert order is not None
    generation.submit([order])
    driver.until(lambda: not generation.running)


Moves = Iterator[Callable[[], object]]


def _wheel(driver: Driver) -> Moves:
    """There and back within the slices that were generated, so that every frame has two pictures."""
    for number in range(_FRAMES):
        yield lambda number=number: driver.wheel(-1 if number // (_SLICES - 1) % 2 else 1)  # type: ignore[misc]


def _fraction(driver: Driver) -> Moves:
    state = driver.window.compare.state
    for number in range(_FRAMES):
        yield lambda number=number: setattr(state, "fraction", 0.2 + 0.6 * number / _FRAMES)  # type: ignore[misc]


def _threshold(driver: Driver) -> Moves:
    state = driver.window.compare.state
    for number in range(_FRAMES):
        yield lambda number=number: setattr(state, "threshold", 0.05 + 0.005 * number)  # type: ignore[misc]


def _tiles(driver: Driver) -> Moves:
    state = driver.window.compare.state
    for number in range(_FRAMES):
        yield lambda number=number: setattr(state, "tile_mm", 8.0 + 0.5 * number)  # type: ignore[misc]


def _flip(driver: Driver) -> Moves:
    state = driver.window.compare.state
    for _ in range(_FRAMES):
        yield lambda: setattr(state, "second_shown", not state.second_shown)


def _mouse(driver: Driver) -> Moves:
    """The mouse across the picture of the first pane."""
    for number in range(_FRAMES):
        yield lambda number=number: driver.hover(0.3 + 0.4 * number / _FRAMES, 0.5)  # type: ignore[misc]

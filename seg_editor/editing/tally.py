"""Running counts of label values."""

from __future__ import annotations

import numpy as np

from seg_editor.editing.delta import Labels, Values


def read_only(array: Labels) -> Labels:
    """A view of an array that cannot be written."""
    view = array.view()
    view.flags.writeable = False
    return view


def tally(counts: dict[int, int], values: Values, sign: int, size: int | None = None) -> None:
    """Add `sign` times the occurrences of `values` (an int stands for `size` voxels)."""
    if isinstance(values, int):
        counts[values] = counts.get(values, 0) + sign * (size or 0)
        return
    labeled = values[values != 0]  # few of a volume's voxels
    unique, numbers = np.unique(labeled, return_counts=True)
    found = [(int(v), int(n)) for v, n in zip(unique, numbers, strict=True)]
    if labeled.size < values.size:
        found.append((0, values.size - labeled.size))
    for value, number in found:
        counts[value] = counts.get(value, 0) + sign * number

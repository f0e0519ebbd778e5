"""What an edit is: a named function from the labels to a patch."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from seg_editor.cases import LabelScheme
from seg_editor.editing.delta import Box, Labels, Mask, Values

Spacing = tuple[float, float, float]
Voxel = tuple[int, int, int]


class OriginalRule(StrEnum):
    """What an edit means for the reference tumor, i.e. for what the picture shows."""

    KEEP = "keep"
    """The picture's tumor is where it was: painting, erasing, growing."""
    ADOPT = "adopt"
    """What this edit clears was tumor in the picture: removing a tumor that was drawn or grown by hand."""
    REPLACE = "replace"
    """The new labels say where the picture's tumor is: an automatic segmentation."""


class Patch(NamedTuple):
    """What an edit wants: `new` (int, or 1-D in C order of `mask`) at the voxels of `mask` in `box`."""

    box: Box
    mask: Mask
    new: Values
    original: OriginalRule = OriginalRule.KEEP


EditResult = Patch | tuple[Box, Mask, Values] | None


class Edit(Protocol):
    """A named function from the labels (x, y, z), read-only, to what should change."""

    @property
    def name(self) -> str: ...

    def __call__(self, labels: Labels) -> EditResult: ...


@runtime_checkable
class Bindable(Protocol):
    """An edit that has to know label values or millimeters; `bind` is called before the edit."""

    def bind(self, scheme: LabelScheme, spacing: Spacing) -> Edit: ...


def bound(edit: Edit, scheme: LabelScheme, spacing: Spacing) -> Edit:
    """The edit with the label values and millimeters that it has to know, if any."""
    return edit.bind(scheme, spacing) if isinstance(edit, Bindable) else edit

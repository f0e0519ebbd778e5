"""Tumor subregions and the label values that stand for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from seg_editor.cases.naming import Layout
from seg_editor.errors import CaseError

_DISPLAY = {"ncr": "Necrosis (NCR)", "ed": "Edema (ED)", "et": "Enhancing (ET)", "net": "Non-enhancing (NET)"}


class Subregion(StrEnum):
    """One part of a tumor."""

    NCR = "ncr"
    ED = "ed"
    ET = "et"
    NET = "net"

    @property
    def display(self) -> str:
        """The name shown to people, such as ``Edema (ED)``."""
        return _DISPLAY[self.value]

    @property
    def short(self) -> str:
        """The abbreviation, such as ``ED``, where there is little room."""
        return self.value.upper()


@dataclass(frozen=True)
class LabelScheme:
    """Which label value means which subregion, in ascending order of the values.

    Parameters
    ----------
    name : str
        ``"124"``, ``"123"`` or ``"2013"``.
    values : tuple of (Subregion, int)
        The pairs; background is always 0 and not listed.
    """

    name: str
    values: tuple[tuple[Subregion, int], ...]

    def value(self, subregion: Subregion) -> int:
        """Return the label value of a subregion; ``KeyError`` when this scheme has none."""
        for candidate, value in self.values:
            if candidate is subregion:
                return value
        raise KeyError(f"scheme {self.name} has no {subregion.display}")

    def subregion(self, value: int) -> Subregion | None:
        """Return the subregion of a label value, ``None`` for background and unknown values."""
        for subregion, candidate in self.values:
            if candidate == value:
                return subregion
        return None

    @property
    def label_values(self) -> tuple[int, ...]:
        """The label values without background, ascending."""
        return tuple(value for _, value in self.values)

    @property
    def subregions(self) -> tuple[Subregion, ...]:
        """The subregions that this scheme knows, in ascending order of their values."""
        return tuple(subregion for subregion, _ in self.values)

    def name_of(self, value: int) -> str:
        """Return what to call a label value: ``Background``, the subregion's name, or ``Label 7``."""
        if value == 0:
            return "Background"
        subregion = self.subregion(value)
        return f"Label {value}" if subregion is None else subregion.display


SCHEME_124 = LabelScheme("124", ((Subregion.NCR, 1), (Subregion.ED, 2), (Subregion.ET, 4)))
SCHEME_123 = LabelScheme("123", ((Subregion.NCR, 1), (Subregion.ED, 2), (Subregion.ET, 3)))
SCHEME_2013 = LabelScheme("2013", ((Subregion.NCR, 1), (Subregion.ED, 2), (Subregion.NET, 3), (Subregion.ET, 4)))


def decide_scheme(values: Iterable[int], layout: Layout) -> LabelScheme:
    """Decide what the label values of a segmentation mean.

    Parameters
    ----------
    values : iterable of int
        The values present; 0 may be among them.
    layout : Layout
        How the files are named; it decides where the values leave it open.

    Raises
    ------
    CaseError
        A value has no known meaning.
    """
    present = {int(value) for value in values} - {0}
    unknown = sorted(present - {1, 2, 3, 4})
    if unknown:
        listed = ", ".join(map(str, unknown[:8])) + (", …" if len(unknown) > 8 else "")
        raise CaseError(
            f"the segmentation holds unknown label values: {listed}",
            remedy="Expected are 0 with 1, 2, 4 or 1, 2, 3 or (2013) 1, 2, 3, 4; relabel the file",
        )
    if layout is Layout.BRATS2013:
        return SCHEME_2013
    if {3, 4} <= present:
        if layout is Layout.BRATS2023:
            raise CaseError(
                "the segmentation holds both 3 and 4; with names of 2023 and later, 4 is a resection cavity",
                remedy="Remove the label 4 from the segmentation to open the case",
            )
        return SCHEME_2013
    if 4 in present:
        return SCHEME_124
    if 3 in present:
        return SCHEME_123
    return SCHEME_123 if layout is Layout.BRATS2023 else SCHEME_124

"""The four MRI contrasts of a case."""

from __future__ import annotations

from enum import StrEnum

_DISPLAY = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR"}


class Modality(StrEnum):
    """One MRI contrast; the value is its key in code, files and requests."""

    T1 = "t1"
    T1C = "t1c"
    T2 = "t2"
    FLAIR = "flair"

    @property
    def display(self) -> str:
        """The name shown to people: ``T1``, ``T1c``, ``T2`` or ``FLAIR``."""
        return _DISPLAY[self.value]


MODALITIES: tuple[Modality, ...] = (Modality.T1, Modality.T1C, Modality.T2, Modality.FLAIR)
"""All modalities, in the order used for channels, menus and reports."""

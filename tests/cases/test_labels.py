"""What label values mean."""

from __future__ import annotations

import pytest

from seg_editor.cases import (
    SCHEME_123,
    SCHEME_124,
    SCHEME_2013,
    LabelScheme,
    Layout,
    Modality,
    Subregion,
    decide_scheme,
)
from seg_editor.errors import CaseError


@pytest.mark.parametrize(
    ("values", "layout", "scheme"),
    [
        ({0, 1, 2, 4}, Layout.BRATS, SCHEME_124),
        ({4}, Layout.BRATS2023, SCHEME_124),
        ({0, 1, 2, 3}, Layout.BRATS, SCHEME_123),
        ({3}, Layout.BRATS2023, SCHEME_123),
        ({1, 2}, Layout.BRATS, SCHEME_124),
        ({1, 2}, Layout.BRATS2023, SCHEME_123),
        (set(), Layout.BRATS2023, SCHEME_123),
        (set(), Layout.BRATS, SCHEME_124),
        ({1, 2, 3, 4}, Layout.BRATS, SCHEME_2013),
        ({1, 2, 4}, Layout.BRATS2013, SCHEME_2013),
        ({1, 3}, Layout.BRATS2013, SCHEME_2013),
    ],
)
def test_values_and_names_decide_the_scheme(values: set[int], layout: Layout, scheme: LabelScheme) -> None:
    assert decide_scheme(values, layout) is scheme


def test_unknown_values_are_named() -> None:
    with pytest.raises(CaseError, match=r"unknown label values: -1, 5, 200\. Expected"):
        decide_scheme({0, 1, 200, 5, -1}, Layout.BRATS)


def test_a_resection_cavity_is_not_taken_for_enhancing_tumor() -> None:
    with pytest.raises(CaseError, match="resection cavity"):
        decide_scheme({1, 2, 3, 4}, Layout.BRATS2023)


def test_scheme_looks_up_both_ways() -> None:
    assert SCHEME_124.value(Subregion.ET) == 4
    assert SCHEME_123.value(Subregion.ET) == 3
    assert SCHEME_2013.subregion(3) is Subregion.NET
    assert SCHEME_124.subregion(3) is None
    assert SCHEME_124.label_values == (1, 2, 4)
    assert SCHEME_124.name_of(4) == "Enhancing (ET)"
    assert SCHEME_124.name_of(0) == "Background"
    assert SCHEME_124.name_of(3) == "Label 3"
    with pytest.raises(KeyError, match="Non-enhancing"):
        SCHEME_124.value(Subregion.NET)


def test_display_names() -> None:
    assert [modality.display for modality in Modality] == ["T1", "T1c", "T2", "FLAIR"]
    assert Subregion.NCR.display == "Necrosis (NCR)"

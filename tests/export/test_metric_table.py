"""Figures as a table for a spreadsheet or a document."""

from __future__ import annotations

from seg_editor.cases import Case
from seg_editor.export.metric_table import COLUMNS, as_markdown, as_tsv, headline, rows
from seg_editor.metrics import score
from tests.results import make_counterfactual


def test_a_row_a_slice_and_one_for_all(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    metrics = score(tiny_case, result)
    table = rows(metrics, lambda index: index + 100)
    assert len(table) == len(metrics.per_slice) + 1
    assert {len(line) for line in table} == {len(COLUMNS)}
    assert table[0][0] == str(metrics.per_slice[0].index + 100)
    assert table[-1][0] == "all"
    assert table[-1][COLUMNS.index("DiffMap IoU")] == f"{metrics.overall['diffmap_iou']:.4g}"
    assert table[-1][COLUMNS.index("TumorResidual")] == ""
    assert table[-1][COLUMNS.index("change outside")] == "0"


def test_forms(tiny_case: Case) -> None:
    result = make_counterfactual(tiny_case)
    table = rows(score(tiny_case, result))
    head = headline(result.request, tiny_case.case_id, "FLAIR")
    assert "seed 7" in head
    assert "not for clinical use" in head
    lines = as_tsv(table, head).splitlines()
    assert lines[0] == f"# {head}"
    assert lines[1].split("\t") == list(COLUMNS)
    assert as_markdown(table).splitlines()[1].count("---") == len(COLUMNS)

"""Figures of a result as text for a spreadsheet or a document: a row a slice, and one for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seg_editor.export.names import steps_text
from seg_editor.metrics import Metrics

if TYPE_CHECKING:
    from seg_editor.generation.request import GenerationRequest

COLUMNS = (
    "slice",
    "TumorResidual",
    "inside",
    "elsewhere",
    "voids",
    "DiffMap IoU",
    "change outside",
    "texture",
    "seam",
    "seconds",
    "kept on purpose",
)


def rows(metrics: Metrics, number: Callable[[int], int] = lambda index: index) -> list[tuple[str, ...]]:
    """Return the table without its head, as text.

    Parameters
    ----------
    metrics : Metrics
    number : callable
        From the canonical axial index to the number that the reader knows the slice by.
    """
    found = [
        _row(
            str(number(row.index)),
            row.tumor_residual,
            row.parts,
            row.diffmap_iou,
            row.change_outside_max,
            row.texture_ratio,
            row.seam_ratio,
            row.seconds,
            kept=row.kept,
        )
        for row in metrics.per_slice
    ]
    every = metrics.overall
    names = ("diffmap_iou", "change_outside_max", "texture_ratio", "seam_ratio", "seconds")
    parts = every.get("tumor_residual_parts")
    figures = (every.get(name) for name in names)
    return [*found, _row("all", every.get("tumor_residual"), parts, *figures, kept=every.get("kept") or {})]


def _row(
    name: str, residual: float | None, parts: Any, *values: float | None, kept: Mapping[str, int]
) -> tuple[str, ...]:
    split = [None if not parts else parts.get(key) for key in ("inside", "outside", "void")]
    figures = ("" if value is None else f"{value:.4g}" for value in (residual, *split, *values))
    return (name, *figures, " + ".join(kept))


def headline(request: GenerationRequest, case_id: str, modality: str) -> str:
    """Return one line on what was measured."""
    made = f"{request.model.upper()}, {steps_text(request.steps)}, seed {request.seed}, request {request.key[:12]}"
    return f"{case_id} · {modality} · {made} · synthetic, not for clinical use"


def as_tsv(table: Sequence[Sequence[str]], head: str = "") -> str:
    """Return tab-separated text with a head, as spreadsheets take it from the clipboard."""
    lines = ["\t".join(line) for line in (COLUMNS, *table)]
    return "\n".join([*([f"# {head}"] if head else []), *lines]) + "\n"


def as_markdown(table: Sequence[Sequence[str]], head: str = "") -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(line)} |" for line in (COLUMNS, ("---",) * len(COLUMNS), *table)]
    return "\n".join([*([head, ""] if head else []), *lines]) + "\n"

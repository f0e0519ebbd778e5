"""Figures of the paper's table, to be shown beside ours; its protocol differs, so they are no targets."""

from __future__ import annotations

PROTOCOL_NOTE = (
    "Ticks: M1, M2, M3 as published. Their protocol differs (another referee, tumor-free slices counted, "
    "about two patients), so compare with care."
)

PUBLISHED: dict[str, dict[str, float]] = {
    "tumor_residual": {"M1": 0.0263, "M2": 1.6248, "M3": 0.5455},
    "diffmap_iou": {"M1": 0.0228, "M2": 0.1524, "M3": 0.1570},
}

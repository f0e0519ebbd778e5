"""The ensemble beside the history: how many seeds, the spread of every figure, and which picture of them is shown."""

from __future__ import annotations

from PyQt6.QtWidgets import QFrame, QLabel, QVBoxLayout

from seg_editor.session.ensemble import Spread
from seg_editor.ui.compare import EnsembleView
from seg_editor.ui.compare_link import CompareLink
from seg_editor.ui.panels.parts import Segments, named, row

_WIDTH = 330
_TIPS = {
    EnsembleView.OFF: "The counterfactual on display",
    EnsembleView.MEAN: "Mean of the seeds, voxel by voxel",
    EnsembleView.SD: "Standard deviation of the seeds, voxel by voxel",
}


class EnsembleCard(QFrame):
    """Figures and choices of :class:`~seg_editor.ui.ensemble.EnsembleRun`; out of sight until there is one."""

    def __init__(self, link: CompareLink) -> None:
        super().__init__()
        self.setObjectName("ensembleCard")
        self.setFixedWidth(_WIDTH)
        self._link = link
        self.head = named(QLabel(), "valueName")
        names = {EnsembleView.OFF: "One", EnsembleView.MEAN: "Mean", EnsembleView.SD: "SD"}
        self.choice = Segments(tuple((view, name, _TIPS[view]) for view, name in names.items()))
        self.choice.chosen.connect(lambda view: setattr(link.state, "ensemble", view))
        self.spread = named(QLabel(), "small")
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 12, 6)
        column.setSpacing(4)
        column.addLayout(row(self.head, 1, self.choice))
        column.addWidget(self.spread)
        column.addStretch(1)
        link.changed.connect(self.show_spread)
        self.show_spread()

    def show_spread(self) -> None:
        """Show the figures of the seeds that are there."""
        ensemble = self._link.ensemble
        self.setVisible(ensemble.made is not None)
        self.choice.setEnabled(ensemble.count > 1)
        elsewhere = self._link.seeds_elsewhere
        for view in (EnsembleView.MEAN, EnsembleView.SD):
            self.choice.enable(view, elsewhere and f"the seeds are of {elsewhere}", _TIPS[view])
        self.choice.show_key(EnsembleView.OFF if elsewhere else self._link.state.ensemble)
        spreads = ensemble.spreads()
        names = {
            "tumor_residual": "Residual",
            "diffmap_iou": f"{self._link.judged_modality.display} IoU",
            "texture_ratio": "Texture",
            "seam_ratio": "Seam",
        }
        self.head.setText(f"{ensemble.count} of {ensemble.wanted} seeds")
        parts = [f"{names[key]} {spread_text(spread)}" for key, spread in spreads.items()]
        lines = [" · ".join(parts[number : number + 2]) for number in range(0, len(parts), 2)]
        self.spread.setText("\n".join(lines) or ("measuring…" if ensemble.pending else "not measured"))
        tips = [f"{names[key]}: {s.low:.3f} to {s.high:.3f}, n = {s.n}" for key, s in spreads.items()]
        self.spread.setToolTip("Mean ± standard deviation over the seeds\n" + "\n".join(tips))


def spread_text(spread: Spread) -> str:
    """Return mean and standard deviation of a figure; one value has no deviation."""
    mean = f"{spread.mean:.3f}"
    return f"{mean} (one seed)" if spread.sd is None else f"{mean} ± {spread.sd:.3f}"

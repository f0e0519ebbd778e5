"""Where paint may go: the brain, anywhere, or an intensity range, which is shown over the picture."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtWidgets import QDoubleSpinBox, QSizePolicy, QVBoxLayout, QWidget

from seg_editor.cases import Modality
from seg_editor.session import Workspace
from seg_editor.session.view import IntensityRange
from seg_editor.ui.bind import bind
from seg_editor.ui.panels.parts import combo, field_label, row, show_choice

_BRAIN, _ANYWHERE = "brain", ""


class RangeField(QWidget):
    """Binds to ``view.in_brain`` and ``view.gate``."""

    def __init__(self) -> None:
        super().__init__()
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        tip = "Where paint may go: never into air, anywhere, or where a modality lies in a range (shown in violet)"
        self.modality = combo((), self._choose, tip)
        self.low, self.high = QDoubleSpinBox(), QDoubleSpinBox()
        for box, what in ((self.low, "Lowest"), (self.high, "Highest")):
            box.setToolTip(f"{what} intensity that is painted, in the units of the file")
            box.setKeyboardTracking(False)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.valueChanged.connect(self._set)
        self._to = field_label("to", 16)
        self._ends: list[QWidget] = [field_label(""), self.low, self._to, self.high]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(row(field_label("Only in"), self.modality))
        column.addLayout(row(*self._ends))

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Offer the modalities of another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = []
        self.modality.clear()
        self.modality.addItem("Brain", _BRAIN)
        self.modality.addItem("Anywhere", _ANYWHERE)
        if workspace is not None:
            for modality in workspace.case.modalities:
                self.modality.addItem(f"{modality.display} in a range", str(modality))
            self._unbind = [bind(self, workspace.view.changed, self._on_view)]
        self._show()

    def _on_view(self, name: str) -> None:
        if name in ("gate", "in_brain"):
            self._show()

    def _choose(self, key: str) -> None:
        workspace = self._workspace
        if workspace is None:
            return
        workspace.view.in_brain = key != _ANYWHERE
        if key in (_BRAIN, _ANYWHERE):
            workspace.view.gate = None
            return
        modality = Modality(key)
        low, high = workspace.view.window(modality)
        top = float(workspace.case.volumes[modality].raw.max())
        workspace.view.gate = IntensityRange(modality, round((low + high) / 2, 3), max(top, high))

    def _set(self) -> None:
        workspace = self._workspace
        gate = None if workspace is None else workspace.view.gate
        if workspace is not None and gate is not None:
            volume = workspace.case.volumes[gate.modality]
            ends = ((box.value() - volume.inter) / volume.slope for box in (self.low, self.high))
            low, high = sorted(ends)
            workspace.view.gate = IntensityRange(gate.modality, low, high)

    def _show(self) -> None:
        workspace = self._workspace
        gate = None if workspace is None else workspace.view.gate
        for widget in self._ends:
            widget.setVisible(gate is not None)
        place = _ANYWHERE if workspace is not None and not workspace.view.in_brain else _BRAIN
        show_choice(self.modality, place if gate is None else str(gate.modality))
        if workspace is None or gate is None:
            return
        volume = workspace.case.volumes[gate.modality]
        reach = max(abs(gate.high), abs(gate.low), 1e-6) * abs(volume.slope)
        decimals = 0 if volume.raw.dtype.kind in "iu" and volume.slope == 1.0 else 2 if reach >= 10 else 3
        for box, value in ((self.low, gate.low), (self.high, gate.high)):
            blocked = box.blockSignals(True)
            box.setDecimals(decimals)
            box.setRange(-1e7, 1e7)
            box.setSingleStep(10 ** (len(str(int(reach))) - 2) if reach >= 10 else 0.05)
            box.setValue(value * volume.slope + volume.inter)
            box.blockSignals(blocked)

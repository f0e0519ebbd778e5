"""The contrast in numbers: window and level, black and white, in the units of the file."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDoubleSpinBox, QGridLayout, QPushButton, QVBoxLayout, QWidget

from seg_editor.cases import MODALITIES, Volume
from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.bind import bind
from seg_editor.ui.floating import Floating
from seg_editor.ui.panels.parts import Segments, field_label, row
from seg_editor.ui.viewer import Viewer
from seg_editor.ui.windowing import GrayWindow, in_file_units, in_stored_units, width_of

_REACH = 1e7
_TIPS = {
    "window": "How far black and white are apart",
    "level": "The middle between black and white",
    "black": "Intensities up to this are black",
    "white": "Intensities from this on are white",
}


class ContrastWindow(Floating):
    """Numbers to type for the modality of the pane in use, or another one.

    Parameters
    ----------
    viewer : Viewer
        Its active pane says which modality is meant when the window opens.
    actions : ActionSet
        Has the automatic contrast.
    parent : QWidget
    """

    def __init__(self, viewer: Viewer, actions: ActionSet, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Contrast")
        self._viewer = viewer
        self._workspace: Workspace | None = None
        self._modality = MODALITIES[0]
        self._unbind: list[Callable[[], None]] = []
        self.modality = Segments(tuple((m, m.display, f"The contrast of {m.display}") for m in MODALITIES))
        self.modality.chosen.connect(self._choose)
        self.fields = {name: self._field(name, tip) for name, tip in _TIPS.items()}
        self.automatic, self.everywhere = QPushButton("Automatic"), QPushButton("All automatic")
        for button in (self.automatic, self.everywhere):
            button.setAutoDefault(False)
        self.automatic.clicked.connect(self._reset)
        self.everywhere.clicked.connect(actions["reset_windows"].trigger)
        self.automatic.setToolTip("From the whole volume of this modality: its 0.5 and 99.5 percentile")
        self.everywhere.setToolTip("The same for every modality")
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        for number, name in enumerate(_TIPS):
            grid.addWidget(field_label(name.capitalize(), 56), number // 2, 2 * (number % 2))
            grid.addWidget(self.fields[name], number // 2, 2 * (number % 2) + 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(16)
        column.addWidget(self.modality)
        column.addLayout(grid)
        column.addLayout(row(1, self.everywhere, self.automatic))
        self.setFixedSize(self.sizeHint())

    def _field(self, name: str, tip: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(1e-3 if name == "window" else -_REACH, _REACH)
        box.setKeyboardTracking(False)
        box.setFixedWidth(120)
        box.setAlignment(Qt.AlignmentFlag.AlignRight)
        box.setToolTip(f"{tip}, in the units of the file")
        box.setAccessibleName(name.capitalize())
        box.valueChanged.connect(lambda value: self._set(name, value))
        return box

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Show the contrast of another case; the window closes with the case."""
        for unbind in self._unbind:
            unbind()
        self._workspace, self._unbind = workspace, []
        if workspace is None:
            self.close()
            return
        self._unbind = [bind(self, workspace.view.changed, lambda name: self._show() if name == "windows" else None)]
        for modality in MODALITIES:
            why = "" if modality in workspace.case.modalities else f"this case has no {modality.display}"
            self.modality.enable(modality, why, f"The contrast of {modality.display}")
        self._choose(workspace.view.modality)

    def open_window(self) -> None:
        """Open on the modality of the pane in use."""
        if self._workspace is None:
            return
        pane = self._viewer.active
        self._choose(self._workspace.view.modality if pane is None else pane.modality)
        super().open_window()
        self.fields["window"].setFocus(Qt.FocusReason.OtherFocusReason)
        self.fields["window"].selectAll()

    def _choose(self, modality: object) -> None:
        if self._workspace is not None and modality in self._workspace.case.modalities:
            self._modality = next(m for m in MODALITIES if m == modality)
        self.modality.show_key(self._modality)
        self._show()

    @property
    def _volume(self) -> Volume | None:
        return None if self._workspace is None else self._workspace.case.volumes.get(self._modality)

    def _show(self) -> None:
        workspace, volume = self._workspace, self._volume
        if workspace is None or volume is None:
            return
        low, high = in_file_units(workspace.view.window(self._modality), volume)
        span = high - low
        decimals, step = (1, 5.0) if span >= 50 else (3, span / 50)
        values = {"window": span, "level": (low + high) / 2, "black": low, "white": high}
        for name, box in self.fields.items():
            blocked = box.blockSignals(True)
            box.setDecimals(decimals)
            box.setSingleStep(step)
            box.setValue(values[name])
            box.blockSignals(blocked)

    def _set(self, name: str, value: float) -> None:
        workspace, volume = self._workspace, self._volume
        if workspace is not None and volume is not None:
            now = in_file_units(workspace.view.window(self._modality), volume)
            workspace.view.set_window(self._modality, in_stored_units(typed(now, name, value), volume))

    def _reset(self) -> None:
        if self._workspace is not None:
            self._workspace.view.set_window(self._modality, None)


def typed(window: GrayWindow, name: str, value: float) -> GrayWindow:
    """Return a window with one of its numbers replaced; black pushes white ahead of it, and the other way round.

    Parameters
    ----------
    window : (low, high)
    name : str
        ``window``, ``level``, ``black`` or ``white``.
    value : float
    """
    low, high = window
    width, level = width_of(window), (low + high) / 2
    if name in ("window", "level"):
        width, level = (value, level) if name == "window" else (width, value)
        return level - width / 2, level + width / 2
    if name == "black":
        return value, high if high > value else value + width
    return (low if low < value else value - width), value

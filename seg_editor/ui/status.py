"""The status bar: where the mouse is, every modality's intensity there, the label, and background work."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QLabel, QProgressBar, QStatusBar, QToolButton

from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.session import Workspace
from seg_editor.ui.captions import file_voxel
from seg_editor.ui.icons import icon
from seg_editor.ui.panels.parts import ElidedLabel, named
from seg_editor.ui.theme import Theme


class Status(QStatusBar):
    """Read-out on the left, the case and background work on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeGripEnabled(False)
        self.setMinimumHeight(30)
        self._workspace: Workspace | None = None
        self.readout = named(ElidedLabel(), "readout")
        self.readout.setTextFormat(Qt.TextFormat.PlainText)
        self.readout.setToolTip(
            "Voxel: indices in the file of the modality shown, from 0. RAS: world position in mm."
            " Where tissue was generated: source → counterfactual (difference)."
        )
        self._voxel: tuple[int, int, int] | None = None
        self.case = QLabel()
        self.work = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(120)
        self.cancel = QToolButton()
        self.cancel.setToolTip("Cancel the background work")
        self.cancel.setIconSize(QSize(14, 14))
        self.addWidget(self.readout, 1)
        for widget in (self.work, self.bar, self.cancel, self.case):
            self.addPermanentWidget(widget)
        self.show_work("", 0.0)
        self.result: Callable[[], Counterfactual | None] = lambda: None
        self._cancel: Callable[[], object] | None = None
        self.cancel.clicked.connect(lambda: self._cancel() if self._cancel else None)

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        self.cancel.setIcon(icon("close", theme))

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Read from another case."""
        self._workspace = workspace
        self._voxel = None
        self.readout.setText("")
        if workspace is None:
            self.case.setText("")
            return
        case = workspace.case
        size = " × ".join(map(str, case.grid.shape))
        step = " × ".join(f"{s:.3g}" for s in case.grid.spacing)
        self.case.setText(f"{case.case_id}   {size}   {step} mm")
        self.case.setToolTip(f"{case.folder}")

    def show_voxel(self, voxel: tuple[int, int, int] | None) -> None:
        """Show what lies under the mouse; outside the volume the crosshair's voxel."""
        self._voxel = voxel
        if self._workspace is not None:
            self.readout.setText(describe(self._workspace, voxel or self._workspace.view.cursor, self.result()))

    def flash(self, text: str) -> None:
        """Show a message in place of the read-out until the mouse moves."""
        self.readout.setText(text)

    def refresh(self) -> None:
        """Show the voxel shown last as it is now, in place of any message."""
        self.show_voxel(self._voxel)

    def show_work(self, what: str, fraction: float, cancel: Callable[[], object] | None = None) -> None:
        """Show background work with its progress (negative: unknown), or nothing."""
        self._cancel = cancel
        self.work.setText(what)
        self.bar.setRange(0, 0 if fraction < 0 else 100)
        self.bar.setValue(round(max(fraction, 0.0) * 100))
        for widget in (self.work, self.bar):
            widget.setVisible(bool(what))
        self.cancel.setVisible(bool(what) and cancel is not None)


def describe(workspace: Workspace, voxel: tuple[int, int, int], result: Counterfactual | None = None) -> str:
    """Return the voxel in the shown modality's file, the world position, the label and every intensity, as one line.

    Parameters
    ----------
    workspace : Workspace
    voxel : (x, y, z)
    result : Counterfactual, optional
        Where it is generated, its intensity stands behind the source's, after an arrow, and the difference in brackets.
    """
    case = workspace.case
    world = case.grid.world(voxel)
    place = "({}, {}, {})".format(*file_voxel(case.volumes[workspace.view.modality].source, voxel))
    millimeters = "({:.1f}, {:.1f}, {:.1f}) mm".format(*world)
    values: list[str] = []
    for modality in case.modalities:
        volume = case.volumes[modality]
        stored = [float(volume.raw[voxel])]
        made = None if result is None else result.value(modality, voxel)
        if made is not None:
            stored.append(made)
        shown = " → ".join(f"{value * volume.slope + volume.inter:.5g}" for value in stored)
        if made is not None:
            shown += f" ({signed((made - stored[0]) * volume.slope)})"
        values.append(f"{modality.display} {shown}")
    label = workspace.case.scheme.name_of(int(workspace.segmentation.labels[voxel]))
    return "    ".join((f"voxel {place}", f"RAS {millimeters}", label, "   ".join(values)))


def signed(value: float) -> str:
    """Return a difference with its sign, as the color bar writes it."""
    text = f"{abs(value):.5g}"
    return text if text == "0" else f"{'−' if value < 0 else '+'}{text}"

"""The status bar: every modality's intensity under the mouse, where that is, the label, and background work."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QLabel, QProgressBar, QStatusBar, QToolButton

from seg_editor.cases import Modality, Volume
from seg_editor.generation.counterfactual import Counterfactual
from seg_editor.session import Workspace
from seg_editor.ui.captions import file_voxel
from seg_editor.ui.icons import icon
from seg_editor.ui.panels.parts import ElidedLabel, named
from seg_editor.ui.theme import Theme

_GAP, _AROUND = 8, 56
"""Pixels between two parts, and around read-out and case together; the style sheet pads them."""


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
        self._cases: tuple[str, ...] = ("",)
        self._core = 0
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
        self._cases, self._core = ("",), 0
        if workspace is None:
            self._fit_case()
            return
        case = workspace.case
        size = " × ".join(map(str, case.grid.shape))
        step = " × ".join(f"{s:.3g}" for s in case.grid.spacing)
        self._cases = (f"{case.case_id}   {size}   {step} mm", f"{case.case_id}   {size}", case.case_id, "")
        self._fit_case()
        self.case.setToolTip(f"{self._cases[0]}\n{case.folder}")

    def show_voxel(self, voxel: tuple[int, int, int] | None) -> None:
        """Show what lies under the mouse; outside the volume the crosshair's voxel."""
        self._voxel = voxel
        if self._workspace is not None:
            texts = readouts(self._workspace, voxel or self._workspace.view.cursor, self.result())
            self.readout.setText(texts[0], texts[1:])
            core = texts[len(self._workspace.case.modalities) - 1]
            self._core = max(self._core, self.readout.fontMetrics().horizontalAdvance(core))
            self._fit_case()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Share the room again when there is more or less of it."""
        super().resizeEvent(event)
        self._core = 0
        self._fit_case()

    def _fit_case(self) -> None:
        """Leave as much out of the case's text as the read-out needs to keep all that it says of one modality.

        What was left out comes back in a window of another width, not with every move of the mouse.
        """
        work = [part for part in (self.work, self.bar, self.cancel) if not part.isHidden()]
        taken = sum(max(part.sizeHint().width(), part.minimumWidth()) + _GAP for part in work)
        room, metrics = self.width() - taken - _AROUND - self._core, self.case.fontMetrics()
        self.case.setText(next((text for text in self._cases if metrics.horizontalAdvance(text) <= room), ""))

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
        self._fit_case()


def describe(workspace: Workspace, voxel: tuple[int, int, int], result: Counterfactual | None = None) -> str:
    """Return all that :func:`readouts` has to say about a voxel, as one line."""
    return readouts(workspace, voxel, result)[0]


def readouts(
    workspace: Workspace, voxel: tuple[int, int, int], result: Counterfactual | None = None
) -> tuple[str, ...]:
    """Return lines about a voxel, the longest first: each leaves out more of what matters least.

    The intensity of the modality on display comes first, then the voxel in that modality's file, the label of the layer
    in hand, the world position, and the other modalities. Those go first, the last one first, then the world position,
    the label and the voxel.

    Parameters
    ----------
    workspace : Workspace
    voxel : (x, y, z)
    result : Counterfactual, optional
        Where it is generated, its intensity stands behind the source's, after an arrow, and the difference in brackets.
    """
    case, chosen = workspace.case, workspace.view.modality
    if chosen not in case.volumes:
        chosen = case.modalities[0]
    values = {modality: _intensity(case.volumes[modality], modality, voxel, result) for modality in case.modalities}
    place = "({}, {}, {})".format(*file_voxel(case.volumes[chosen].source, voxel))
    layer = workspace.active.segmentation
    label = layer.scheme.name_of(int(layer.labels[voxel]))
    first = (values.pop(chosen), f"voxel {place}", label)
    world = "RAS ({:.1f}, {:.1f}, {:.1f}) mm".format(*case.grid.world(voxel))
    others = ["   ".join(list(values.values())[:count]) for count in range(len(values), -1, -1)]
    lines = [*((*first, world, some) for some in others), first, first[:2], first[:1]]
    return tuple("    ".join(filter(None, line)) for line in lines)


def _intensity(volume: Volume, modality: Modality, voxel: tuple[int, int, int], result: Counterfactual | None) -> str:
    """Return the source's intensity in a voxel, the generated one behind an arrow, the difference in brackets."""
    stored = [float(volume.raw[voxel])]
    made = None if result is None else result.value(modality, voxel)
    if made is not None:
        stored.append(made)
    shown = " → ".join(f"{value * volume.slope + volume.inter:.5g}" for value in stored)
    difference = "" if made is None else f" ({signed((made - stored[0]) * volume.slope)})"
    return f"{modality.display} {shown}{difference}"


def signed(value: float) -> str:
    """Return a difference with its sign, as the color bar writes it."""
    text = f"{abs(value):.5g}"
    return text if text == "0" else f"{'−' if value < 0 else '+'}{text}"

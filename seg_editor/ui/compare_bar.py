"""The bar below the pictures: how they are compared, with what, at which threshold; the steps of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSize, Qt, QTimer
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton

from seg_editor.session import Workspace
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.actions import SPREAD_ALONE
from seg_editor.ui.bind import bind
from seg_editor.ui.captions import CLICK_ONE
from seg_editor.ui.compare import Mode
from seg_editor.ui.compare_link import CompareLink
from seg_editor.ui.ensemble import SIZES
from seg_editor.ui.folding import SPACING, Group, fold_into, folded_choice
from seg_editor.ui.generation import Generation
from seg_editor.ui.icons import icon
from seg_editor.ui.naming import title_of
from seg_editor.ui.panels.parts import RESTED_MS, ElidedLabel, Segments, named, slider
from seg_editor.ui.state import Role, UiState
from seg_editor.ui.theme import Theme

if TYPE_CHECKING:
    from seg_editor.generation.counterfactual import Counterfactual

_TIPS = {
    Mode.PLAIN: "The counterfactual alone",
    Mode.BLINK: "Change between the two pictures",
    Mode.FADE: "Mix the two pictures",
    Mode.SWIPE: "The first picture left of the handle, the second right of it; drag the handle",
    Mode.LENS: "The second picture under the mouse",
    Mode.CHECKER: "Squares of both pictures in turn",
}
_DIALS: dict[Mode, tuple[str, str, float, float, str]] = {
    Mode.BLINK: ("Speed", "hertz", 1.0, 2.0, "{:.1f} Hz"),
    Mode.FADE: ("Mix", "fraction", 0.0, 1.0, "{:.0%}"),
    Mode.SWIPE: ("Handle", "fraction", 0.0, 1.0, "{:.0%}"),
    Mode.LENS: ("Radius", "lens_mm", 6.0, 60.0, "{:.0f} mm"),
    Mode.CHECKER: ("Square", "tile_mm", 4.0, 40.0, "{:.0f} mm"),
}
_MAX_THRESHOLD = 0.5
_TICKS = 1000
#: Room for a value, and for one with the IoU, in pixels.
_VALUE_WIDTH, _OVERLAP_WIDTH = 42, 150
_NARROW = 520
_ROOM = 28
_STEPS_TIP = "How the last picture came to be: step through its previews"
NO_STEPS = "Steps are kept for pictures made in this session: those of the last run, in the slice it began with"
ONE_STEP = "This picture was made in one step"
NOTHING_YET = "Comparing begins with the first picture"


class Dial(QFrame):
    """A caption, a slider over a range of floats, and the value in words."""

    def __init__(self, caption: str, width: int, value_width: int) -> None:
        super().__init__()
        self.caption = named(QLabel(caption), "small")
        self.slider = slider()
        self.slider.setRange(0, _TICKS)
        self.slider.setSingleStep(_TICKS // 100)
        self.slider.setMinimumWidth(48)
        self.slider.setMaximumWidth(width)
        self.value = named(QLabel(), "small")
        self.value.setFixedSize(value_width, self.fontMetrics().height() + 2)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        line.addWidget(self.caption)
        line.addWidget(self.slider, 1)
        line.addWidget(self.value)
        line.addStretch(0)
        self.setMaximumWidth(self.caption.sizeHint().width() + width + value_width + 40)

    def show_value(self, fraction: float, text: str) -> None:
        """Place the handle at a fraction of the range, without telling anyone."""
        blocked = self.slider.blockSignals(True)
        self.slider.setValue(round(fraction * _TICKS))
        self.slider.blockSignals(blocked)
        self.value.setText(text)

    @property
    def fraction(self) -> float:
        """Where the handle is."""
        return self.slider.value() / _TICKS


class CompareBar(QFrame):
    """Controls of :class:`~seg_editor.ui.compare_link.CompareLink`; disabled until there is a result."""

    def __init__(self, link: CompareLink, generation: Generation, ui: UiState, actions: ActionSet) -> None:
        super().__init__()
        self.setObjectName("compareBar")
        self._link, self._generation, self._ui = link, generation, ui
        self._workspace: Workspace | None = None
        self._unbind: list[Callable[[], None]] = []
        self.modes = Segments(tuple((mode, mode.display, _TIPS[mode]) for mode in Mode))
        self.modes.chosen.connect(link.choose)
        self.dial = Dial("", 140, _VALUE_WIDTH)
        self.dial.slider.valueChanged.connect(self._turn)
        self.threshold = Dial("Threshold", 110, _OVERLAP_WIDTH)
        self.threshold.setToolTip(
            "Differences above this part of the gray range count as changed: the threshold of DiffMap IoU. "
            "Colors below it are faint."
        )
        self.threshold.slider.valueChanged.connect(self._set_threshold)
        self.source = QToolButton()
        self.source.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.source.setIconSize(QSize(14, 14))
        self.source.clicked.connect(lambda: link.against(None))
        self.referee = QToolButton()
        self.referee.setDefaultAction(actions["referee"])
        self.referee.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.seeds = QToolButton()
        self.seeds.setText("Seeds ▾")
        self.seeds.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.seeds.setToolTip(
            "Generate this slice with several seeds: mean, standard deviation, spread of every figure"
        )
        self.seeds.setMenu(self._make_menu())
        self.steps = Dial("Steps", 110, 38)
        self.steps.setToolTip(_STEPS_TIP)
        self.steps.slider.valueChanged.connect(self._scrub)
        self.hint = named(ElidedLabel(NOTHING_YET), "small")
        self._arrange()
        self._rested = QTimer(self)
        self._rested.setSingleShot(True)
        self._rested.setInterval(RESTED_MS)
        self._rested.timeout.connect(self._show)
        bind(self, link.state.changed, lambda _name: self._show())
        bind(self, ui.changed, lambda name: self._show() if name in ("picture", "layout") else None)
        link.changed.connect(self._show)
        generation.changed.connect(self._show_steps)
        self._show()

    def _arrange(self) -> None:
        first = QHBoxLayout(self)
        first.setContentsMargins(12, 5, 12, 5)
        first.setSpacing(12)
        self.setFixedHeight(self.fontMetrics().height() + _ROOM)
        self.folding = Group(self.modes, folded_choice(self.modes))
        first.addWidget(self.modes)
        first.addWidget(self.folding.small)
        first.addWidget(self.dial, 1)
        first.addWidget(self.source)
        first.addWidget(self.threshold, 1)
        first.addWidget(self.steps, 1)
        first.addWidget(self.hint, 1)
        first.addStretch(0)
        for button in (self.seeds, self.referee):
            button.setProperty("framed", True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            first.addWidget(button)

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        for size in SIZES:
            action = menu.addAction(f"{size} seeds")
            assert action is not None
            action.triggered.connect(lambda _checked=False, size=size: self._link.ensemble.start(size))
        return menu

    def _fit(self) -> None:
        """Fold the modes into a menu where the room ends."""
        mode = Mode.PLAIN if self._link.spread_alone else self._link.state.mode
        self.folding.small.setText(f"{mode.display} ▾")
        room, captions = (
            self.width() - 2 * SPACING,
            [dial.caption for dial in (self.threshold, self.steps, self.dial) if not dial.isHidden()],
        )
        for caption in captions:
            caption.show()
        for caption in captions:  # where even the folded modes have no room: the values say most of it, too
            if room - self._taken() < self.folding.small.sizeHint().width() + SPACING:
                caption.hide()
        fold_into(room - self._taken(), (self.folding,), (self.folding,))

    def _taken(self) -> int:
        """Pixels that all but the modes need."""
        others = (self.dial, self.source, self.threshold, self.steps, self.seeds, self.referee)
        return sum(part.minimumSizeHint().width() + SPACING for part in others if not part.isHidden())

    def minimumSizeHint(self) -> QSize:
        """As narrow as the window may be: what does not fit then is cut, the window never grows by it."""
        return QSize(_NARROW, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fold and unfold."""
        super().resizeEvent(event)
        self._fit()

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        self.source.setIcon(icon("close", theme))

    def set_workspace(self, workspace: Workspace | None) -> None:
        """Compare the pictures of another case."""
        for unbind in self._unbind:
            unbind()
        self._workspace = workspace
        self._unbind = []
        if workspace is not None:
            self._unbind = [
                bind(self, workspace.results.changed, self._show),
                bind(self, workspace.view.changed, self._on_view),
            ]
        self._show()

    def _on_view(self, name: str) -> None:
        """Another slice has other figures: told when the wheel rests, for the picture comes first."""
        if name in ("cursor", "modality"):
            self._rested.start()

    def _turn(self) -> None:
        state = self._link.state
        if state.mode in _DIALS:
            _, name, low, high, _ = _DIALS[state.mode]
            setattr(state, name, low + self.dial.fraction * (high - low))

    def _set_threshold(self) -> None:
        self._link.state.threshold = round(self.threshold.fraction * _MAX_THRESHOLD, 3)

    def _scrub(self) -> None:
        count = len(self._generation.steps)
        self._link.scrub(round(self.steps.fraction * count))
        self._show_step(round(self.steps.fraction * count), count)

    def _show(self) -> None:
        workspace, state = self._workspace, self._link.state
        shown = workspace is not None and workspace.results.current is not None
        self.hint.setVisible(not shown)
        alone = shown and self._link.spread_alone
        yet = CLICK_ONE if workspace is not None and len(workspace.results) else NOTHING_YET
        self.hint.setText(yet)
        why = "" if shown else f"{yet[0].lower()}{yet[1:]}"
        single = f"{SPREAD_ALONE[0].lower()}{SPREAD_ALONE[1:]}" if alone else why
        for mode in Mode:
            self.modes.enable(mode, why if mode is Mode.PLAIN else single, _TIPS[mode])
        self.folding.small.setEnabled(shown)
        self.folding.small.setToolTip(why and f"Not now: {why}.")
        self.modes.show_key(Mode.PLAIN if alone else state.mode)
        if not shown:
            for dial in (self.dial, self.source, self.threshold, self.steps):
                dial.hide()
            self._fit()
            return
        self.dial.setVisible(state.mode in _DIALS and not alone)
        if state.mode in _DIALS:
            caption, name, low, high, form = _DIALS[state.mode]
            value = float(getattr(state, name))
            self.dial.caption.setText(caption)
            self.dial.setToolTip(f"{state.mode.display}: {caption.lower()}")
            self.dial.slider.setAccessibleName(caption)
            self.dial.show_value((value - low) / (high - low), form.format(value))
        self._show_threshold()
        self._show_against()
        self._show_steps()

    def _show_threshold(self) -> None:
        shown, threshold = self._link.shows(Role.DIFFERENCE), self._link.state.threshold
        overlap = self._link.overlap() if shown else None
        modality = self._link.judged_modality.display
        text = f"{threshold:.2f}" if overlap is None else f"{modality} IoU at {threshold:.2f}: {overlap:.3f}"
        self.threshold.setVisible(shown)
        self.threshold.value.setFixedWidth(_VALUE_WIDTH if overlap is None else _OVERLAP_WIDTH)
        self.threshold.show_value(threshold / _MAX_THRESHOLD, text)

    def _show_against(self) -> None:
        key, workspace = self._link.state.against, self._workspace
        self.source.setVisible(bool(key))
        if key and workspace is not None:
            title, number = title_of(workspace.results.find(key)), workspace.results.number_of(key)
            self.source.setText(f"against #{number}" if number else f"against {title}")
            self.source.setToolTip(f"{title}: compare with the source again")

    def _show_steps(self) -> None:
        workspace, steps = self._workspace, self._generation.steps
        current = None if workspace is None else workspace.results.current
        usable = bool(len(steps)) and current is not None and steps.key == current.request.key
        usable = usable and workspace is not None and steps[0].slice_index == workspace.view.cursor[2]
        shown = current is not None and self._link.shows(Role.RESULT)
        self.steps.setVisible(shown and not self._generation.running)
        self.steps.setEnabled(usable)
        self.steps.setToolTip(_STEPS_TIP if usable else ONE_STEP if _one_step(current) else NO_STEPS)
        self._fit()
        if not usable:
            self.steps.show_value(1.0, "result")
        else:
            step = self._link.step
            self._show_step(len(steps) if step is None else step, len(steps))

    def _show_step(self, number: int, count: int) -> None:
        self.steps.slider.setSingleStep(max(1, round(_TICKS / max(count, 1))))
        text = "result" if number >= count else str(self._generation.steps[number].k)
        self.steps.show_value(number / max(count, 1), text)


def _one_step(result: Counterfactual | None) -> bool:
    return result is not None and result.request.steps == 1

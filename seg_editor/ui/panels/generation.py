"""The generation panel: model, steps, slices, seed, the three buttons, and the chip that says what is going on."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt, QTimer
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QCheckBox,
    QFrame,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from seg_editor.export.names import steps_text
from seg_editor.session.live import duration
from seg_editor.ui.action_set import ActionSet
from seg_editor.ui.bind import bind
from seg_editor.ui.captions import FOR_COMPARISON, for_comparison, model_name
from seg_editor.ui.error_bar import worded
from seg_editor.ui.generation import SEED_LIMIT, Generation, Status
from seg_editor.ui.icons import icon
from seg_editor.ui.key_texts import with_keys
from seg_editor.ui.panels.parts import Section, combo, field_label, named, restyle, row, show_choice, wrapped
from seg_editor.ui.theme import Theme

_MOODS = {
    Status.RUNNING: "busy",
    Status.PREPARING: "busy",
    Status.SCORING: "busy",
    Status.STOPPING: "busy",
    Status.WAITING: "busy",
    Status.FRESH: "good",
    Status.STALE: "warn",
    Status.CANCELLED: "warn",
    Status.FAILED: "bad",
    Status.PAUSED: "warn",
}
_SEED_WIDTH = 96
LIMIT = "Displaced tissue is not moved back (mass effect stays)."
_QUALITY = {"fast": "Preview", "text": "Paper"}
NOTHING_REMOVED = "Nothing is removed: this is the source."
EARLIER = "Nothing is removed now: this picture is from an earlier mask."
AGAIN = "Already made: the same picture. Nothing ran."
ELSEWHERE = "Nothing was generated in this slice: it shows the source."
STALE = "The mask changed since this picture was made. Undo that, or generate again."
_SLICES = (("slice", "This axial slice"), ("all", "All slices with a hole"))


class ActionButton(QPushButton):
    """A push button that mirrors an action of the table: text, enabled, tooltip."""

    def __init__(self, action: QAction, text: str, *, primary: bool = False) -> None:
        super().__init__(text)
        self._action = action
        self.setProperty("primary", primary)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setIconSize(QSize(18, 18))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setToolTip(self._action.toolTip())


class GenerationPanel(Section):
    """Everything that starts, stops and describes a run.

    Attributes
    ----------
    footer : QFrame
        Its buttons, live mode, the state and the time of a run; the dock keeps them in sight below all panels.
    """

    def __init__(self, generation: Generation, actions: ActionSet) -> None:
        super().__init__("Counterfactual")
        self._generation, self._actions = generation, actions
        settings = generation.settings
        self._theme: Theme | None = None
        self.chip = named(QLabel(), "chip")
        self.chip.setToolTip("State of the picture in the axial slice on display")
        self.model = combo((), lambda key: setattr(settings, "model", key), "The network that paints healthy tissue")
        self.preset = combo((), self._set_preset, "Sampling steps: more steps take longer and give finer texture")
        self.slices = combo(_SLICES, lambda key: setattr(settings, "slices", key), "Which slices are generated")
        self.seed = QSpinBox()
        self.seed.setRange(0, SEED_LIMIT - 1)
        self.seed.setMinimumWidth(_SEED_WIDTH)
        self.seed.setToolTip("The seed of the noise: the same seed gives the same picture again")
        self.seed.valueChanged.connect(lambda value: setattr(settings, "seed", value))
        self.dice = QToolButton()
        self.dice.setDefaultAction(actions["new_seed"])
        self.lock = QToolButton()
        self.lock.setCheckable(True)
        self.lock.clicked.connect(lambda on: setattr(settings, "seed_locked", on))
        self.following = QToolButton()
        self.following.setText("+1")
        following = actions["next_seed"]
        following.changed.connect(lambda: self.following.setToolTip(following.toolTip()))
        self.following.clicked.connect(actions["next_seed"].trigger)
        self.live = QCheckBox("Live")
        self.live.setToolTip("The picture follows the brush: a finished stroke starts a run. Off: only Generate does.")
        self.live.clicked.connect(lambda on: setattr(settings, "live", on))
        for button in (self.dice, self.following, self.lock):
            button.setFixedSize(QSize(32, 32))
            button.setIconSize(QSize(18, 18))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.following.setFixedWidth(40)
        self.remove = ActionButton(actions["remove"], " Remove tumor")
        self.generate = ActionButton(actions["generate"], " Generate", primary=True)
        self.stop = ActionButton(actions["stop"], " Stop")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.time = wrapped()
        self.body.addLayout(row(field_label("Model"), self.model))
        self.body.addLayout(row(field_label("Quality"), self.preset))
        self.body.addLayout(row(field_label("Slices"), self.slices))
        self.body.addLayout(row(field_label("Seed", 76), self.seed, self.dice, self.following, self.lock, spacing=4))
        self.footer = named(QFrame(), "dockFooter")
        foot = QVBoxLayout(self.footer)
        foot.setContentsMargins(16, 12, 16, 12)
        foot.setSpacing(8)
        foot.addLayout(row(self.live, 1, self.chip))
        self._pinned = QVBoxLayout()
        foot.addLayout(self._pinned)
        foot.addLayout(row(self.remove, self.generate, self.stop))
        foot.addWidget(self.bar)
        foot.addWidget(self.time)
        self.limit = wrapped(LIMIT)
        self.body.addWidget(self.limit)
        self._clock = QTimer(self)
        self._clock.setInterval(200)
        self._clock.timeout.connect(self._show_time)
        generation.changed.connect(self._show)
        bind(self, settings.changed, lambda _name: self._show())
        self._show()

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        self._theme = theme
        self.remove.setIcon(icon("remove", theme))
        self.generate.setIcon(icon("generate", theme, on_accent=True))
        self.stop.setIcon(icon("stop", theme))
        self._show()

    def pin(self, widget: QWidget) -> None:
        """Keep a widget in sight above the buttons."""
        self._pinned.addWidget(widget)

    def _set_preset(self, key: str) -> None:
        self._generation.settings.preset = key
        self._generation.settings.steps = None

    def _show(self) -> None:
        self._show_settings()
        generation = self._generation
        status, running = generation.status, generation.running
        k, total = generation.progress
        text = f"{status} {k}/{total} {'step' if total == 1 else 'steps'}" if status is Status.RUNNING else str(status)
        if generation.series is not None and status in (Status.PREPARING, Status.RUNNING, Status.SCORING):
            order, number, orders = generation.series
            text = f"{model_name(order.model)} · {number} of {orders}"
        self.chip.setText(text)
        restyle(self.chip, mood=_MOODS.get(status, "quiet"))
        self.generate.setVisible(not running)
        self.stop.setVisible(running)
        self.bar.setVisible(running)
        self.bar.setRange(0, total if status is Status.RUNNING else 0)
        self.bar.setValue(k)
        if running and not self._clock.isActive():
            self._clock.start()
        elif not running:
            self._clock.stop()
        self._show_time()

    def _show_settings(self) -> None:
        generation, settings = self._generation, self._generation.settings
        models = [
            (info.name, f"{model_name(info.name)} · {FOR_COMPARISON}" if for_comparison(info.name) else info.title)
            for info in generation.models
        ]
        if [self.model.itemData(i) for i in range(self.model.count())] != [name for name, _ in models]:
            self.model.clear()
            for name, title in models:
                self.model.addItem(title, name)
        self.model.setEnabled(bool(models))
        show_choice(self.model, settings.model)
        what = "The network that paints healthy tissue"
        long = next((info.title for info in generation.models if info.name == settings.model), "")
        title = f"{long}. {what}" if long else what
        self.model.setToolTip(generation.model_problem or title)
        presets = next((dict(info.presets) for info in generation.models if info.name == settings.model), {})
        wanted = [
            (name, f"{_QUALITY.get(name, name.capitalize())} · {steps_text(steps)}") for name, steps in presets.items()
        ]
        if [self.preset.itemText(i) for i in range(self.preset.count())] != [text for _, text in wanted]:
            self.preset.clear()
            for name, text in wanted:
                self.preset.addItem(text, name)
        self.preset.setEnabled(bool(wanted))
        show_choice(self.preset, settings.preset)
        show_choice(self.slices, settings.slices)
        if self.seed.value() != settings.seed:
            self.seed.setValue(settings.seed)
        self.lock.setChecked(settings.seed_locked)
        self.live.setChecked(settings.live)
        if self._theme is not None:
            self.lock.setIcon(icon("lock" if settings.seed_locked else "unlock", self._theme))
        locked = "Locked: every run uses this seed" if settings.seed_locked else "Open: every run draws a new seed"
        self.lock.setToolTip(f"{locked}. Click to change.")

    def _show_time(self) -> None:
        generation = self._generation
        expected, device = generation.expected, generation.device
        where = f" on the {device}" if device else ""
        if generation.running:
            about = f" of about {duration(expected)}" if expected else ""
            self.time.setText(f"{duration(generation.elapsed)}{about}{where}")
        elif generation.status is Status.FAILED:
            self.time.setText(f"{worded(generation.error).rstrip('.')}. Live is off; nothing was lost.")
        elif generation.model_problem:
            self.time.setText(f"{generation.model_problem}.")
        elif generation.status is Status.PAUSED:
            self.time.setText(f"Live stands still: {with_keys(generation.paused, self._actions.preset)}.")
        elif generation.showed_again:
            self.time.setText(AGAIN)
        elif generation.status is Status.STALE:
            self.time.setText(STALE if generation.removed else EARLIER)
        elif generation.has_results and not generation.removed:
            self.time.setText(NOTHING_REMOVED)
        elif generation.status is Status.ELSEWHERE:
            self.time.setText(ELSEWHERE)
        else:
            self.time.setText(f"A run takes about {duration(expected)}{where}." if expected else "")
        self.time.setVisible(bool(self.time.text()))

"""The action table as Qt actions: shortcuts, icons, tooltips that say why something is disabled."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QMenu, QWidget

from seg_editor.ui.action_table import ACTIONS, BY_ID
from seg_editor.ui.actions import Action, Facts
from seg_editor.ui.edit_actions import SCOPED
from seg_editor.ui.icons import icon
from seg_editor.ui.key_texts import native_key, with_keys
from seg_editor.ui.theme import Theme


class ActionSet(QObject):
    """Every pressable action of the table, as a :class:`QAction` of one window.

    Parameters
    ----------
    window : QWidget
        Owns the shortcuts.
    handlers : mapping of id to callable
        What each action does.
    preset : str
        Which keys.

    Signals
    -------
    pressed()
        An action was done; Qt turned a checkable one over, whatever it did, so its state has to be shown again.
    preset_changed(str)
        Other keys are in force.
    """

    pressed = pyqtSignal()
    preset_changed = pyqtSignal(str)

    def __init__(
        self, window: QWidget, handlers: Mapping[str, Callable[[], object]], preset: str = "seg-editor"
    ) -> None:
        super().__init__(window)
        self._actions: dict[str, QAction] = {}
        self._reasons: dict[str, str] = {}
        self.preset = preset
        for spec in ACTIONS:
            if spec.kind != "press":
                continue
            action = QAction(spec.text, window)
            action.setCheckable(spec.checkable)
            action.triggered.connect(lambda _checked=False, handler=handlers[spec.id]: self._do(handler))
            window.addAction(action)
            self._actions[spec.id] = action
        self.use_preset(preset)
        self.update_facts(Facts())

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def __iter__(self) -> object:
        return iter(self._actions)

    def _do(self, handler: Callable[[], object]) -> None:
        handler()
        self.pressed.emit()

    def use_preset(self, preset: str) -> None:
        """Give every action the keys of a preset."""
        self.preset = preset
        self._reasons = {}
        for name, action in self._actions.items():
            action.setShortcuts([QKeySequence(key) for key in BY_ID[name].keys_for(preset)])
        self.preset_changed.emit(preset)

    def tell(self, show: Callable[[str], object], text: str) -> None:
        """Show a text with the keys that it names, by :func:`with_keys`: now, and whenever other keys are in force.

        `show` has to live as long as the window.
        """
        self.preset_changed.connect(lambda preset: show(with_keys(text, preset)))
        show(with_keys(text, self.preset))

    def set_theme(self, theme: Theme) -> None:
        """Tint the icons."""
        for name, action in self._actions.items():
            if BY_ID[name].icon:
                action.setIcon(icon(BY_ID[name].icon, theme))

    def update_facts(self, facts: Facts) -> None:
        """Enable what makes sense now; the tooltip of everything else says why not."""
        for name, action in self._actions.items():
            spec = BY_ID[name]
            why = spec.why_disabled(facts)
            if self._reasons.get(name) == why:
                continue
            self._reasons[name] = why
            action.setEnabled(not why)
            action.setToolTip(tooltip(spec, self.preset, why))
            action.setStatusTip(why or with_keys(spec.tip, self.preset))
        for name, step in (("undo", facts.undo_name), ("redo", facts.redo_name)):
            enabled = self._actions[name].isEnabled() and step
            self._actions[name].setText(f"{BY_ID[name].text} {step}" if enabled else BY_ID[name].text)

        for name, text in SCOPED.items() if facts.scope else ():
            self._actions[name].setText(text.format(facts.scope))

    def why_disabled(self, name: str) -> str:
        """Why an action cannot be done now, or nothing."""
        return self._reasons.get(name, "")

    def check(self, states: Mapping[str, bool]) -> None:
        """Show the state of checkable actions without triggering them."""
        for name, state in states.items():
            action = self._actions[name]
            if action.isChecked() != state:
                action.setChecked(state)

    def fill_menu(self, menu: QMenu, names: tuple[str, ...]) -> None:
        """Add actions to a menu; ``-`` is a separator."""
        menu.setToolTipsVisible(True)
        for name in names:
            if name == "-":
                menu.addSeparator()
            else:
                menu.addAction(self._actions[name])


def tooltip(spec: Action, preset: str, why: str) -> str:
    """Return the tooltip: name, key, what it does, and why it cannot be done now."""
    keys = spec.keys_for(preset)
    shown = " &nbsp;or&nbsp; ".join(map(native_key, keys))
    head = f"<b>{spec.text}</b>" + (f"&nbsp;&nbsp;<span>{shown}</span>" if keys else "")
    body = f"<br>{with_keys(spec.tip, preset)}" if spec.tip else ""
    return f"<qt>{head}{body}" + (f"<br><i>Not now: {why}.</i>" if why else "") + "</qt>"
